"""Mirrors auditkit/checks/bias/counterfactual_identity.py and its two helpers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from auditkit.checks.base import NotApplicable
from auditkit.checks.bias.counterfactual_identity import CounterfactualIdentity
from auditkit.checks.catalogue import make_check
from auditkit.errors import ConfigError, ModelError
from auditkit.findings import Table, TextExhibit
from auditkit.methods.identity.terms import built_in
from tests.methods.attacks.subjects import text_data, text_model
from tests.subjects import Subject, linear_subject, measured, run_check, values

CHECK = CounterfactualIdentity()
REVEALS = "changed_share"
RELIGIONS = next(axis for axis in built_in().axes if axis.name == "religion").terms
TERMS = [one.lower() for forms in RELIGIONS.values() for one in forms["adjective"]]
NEUTRAL = list(built_in().neutral["adjective"])
PLACES = [f"place{i:02d}" for i in range(40)]


def subject(
    weights: Mapping[str, Sequence[float]], labels: Sequence[int], *, texts: Sequence[str] = ()
) -> Subject:
    """A model whose logits are those of the one word that has any; texts about Muslims."""
    classes = len(next(iter(weights.values()), (0, 0)))
    words = [*TERMS, *(one for one in NEUTRAL if "-" not in one), "calm", *PLACES]
    rows = [weights.get(word, (0.0,) * classes) for word in ["[PAD]", "[UNK]", *words]]
    size = 5  # tokens of a text, which the model averages over
    model = text_model(
        size * torch.tensor(rows), torch.eye(classes), torch.zeros(classes), words=words
    )
    own = texts or [f"My Muslim friend saw {PLACES[i]}" for i in range(len(labels))]
    return Subject(model, text_data(own, labels, classes=classes))


def broken() -> Subject:
    """One religion alone makes the answer class 1."""
    return subject({"muslim": (0.0, 2.0)}, [0, 1] * 20)


def sound() -> Subject:
    """Religions are words without a weight; some place names are not."""
    return subject(dict.fromkeys(PLACES[::2], (0.0, 2.0)), [0, 1] * 20)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_what_one_term_does_has_a_closed_form() -> None:
    outcome = measured(CHECK, broken())
    found = values(outcome)
    by_id = {one.id.split("/", 1)[1]: one for one in outcome.findings}
    assert found["changed_share/religion/source=texts"] == 1
    assert found["control_changed_share/religion/source=texts"] == 0
    assert found["changed_excess/religion/source=texts"] == 1
    away = sigmoid(2.0) - 0.5
    assert found["score_gap/religion/source=texts"] == pytest.approx(away, abs=1e-6)
    pairs = math.comb(len(TERMS), 2)  # of which one term stands in all but one less
    expected = away * (len(TERMS) - 1) / pairs
    assert found["shift_excess/religion/source=texts"] == pytest.approx(expected, abs=1e-6)
    positives = by_id["false_positive_gap/religion/source=texts"]
    assert (positives.value, positives.n) == (1, 20)  # of the texts labelled 0
    assert by_id["changed_share/religion/source=texts"].n == 40
    assert outcome.headline == "counterfactual-identity/changed_share/religion/source=texts"
    # In the templates too, where nobody gave labels.
    assert found["changed_share/religion/source=templates"] == 1
    assert found["changed_share/age/source=templates"] == 0
    assert by_id["false_positive_gap/religion/source=templates"].n == 24


def test_the_tables_name_the_terms() -> None:
    outcome = measured(CHECK, broken())
    axes, terms = outcome.evidence["axes-texts"], outcome.evidence["terms-texts"]
    assert isinstance(axes, Table)
    (row,) = axes.rows
    assert row[:2] == ["religion", 40]
    assert row[-2] == "Muslim"
    assert isinstance(terms, Table)
    by_term = {str(row[1]): row for row in terms.rows}
    assert set(by_term) == set(RELIGIONS)
    assert by_term["Muslim"][3] == pytest.approx(sigmoid(2.0), abs=1e-6)
    assert by_term["Muslim"][7:] == [1, 20]
    assert by_term["Jewish"][7:] == [0, 20]
    mean = (sigmoid(2.0) + 0.5 * (len(TERMS) - 1)) / len(TERMS)
    assert by_term["Jewish"][4] == pytest.approx(0.5 - mean, abs=1e-6)


def test_any_swap_that_moves_the_answer_is_told_from_identity() -> None:
    """Every second term and every second neutral word is class 1: identity is a word like any."""
    weights = dict.fromkeys([*TERMS[::2], *NEUTRAL[::2]], (0.0, 2.0))
    found = values(measured(CHECK, subject(weights, [0, 1] * 15)))
    assert found["changed_share/religion/source=texts"] == 1
    assert found["control_changed_share/religion/source=texts"] == 1
    assert found["changed_excess/religion/source=texts"] == 0
    assert abs(found["shift_excess/religion/source=texts"] or 0) < 0.03


def test_texts_that_differ_in_the_term_alone_count_once() -> None:
    once = [f"My Muslim friend saw {one}" for one in PLACES[:25]]
    again = [text.replace("Muslim", one) for text in once for one in ("Sikh", "Jewish")]
    twins = subject({"muslim": (0.0, 2.0)}, [0] * 75, texts=[*once, *again])
    outcome = measured(CHECK, twins)
    mine = [one for one in outcome.findings if one.id.endswith("religion/source=texts")]
    assert {one.n for one in mine} == {25}
    alone = measured(CHECK, subject({"muslim": (0.0, 2.0)}, [0] * 25, texts=once))
    assert values(alone)["score_gap/religion/source=texts"] == pytest.approx(
        values(outcome)["score_gap/religion/source=texts"]
    )


def test_too_few_texts_are_undefined_and_none_are_left_out() -> None:
    texts = [f"My Muslim friend saw {one}" for one in PLACES[:19]] + ["They saw it"] * 11
    outcome = measured(CHECK, subject({"muslim": (0.0, 2.0)}, [0] * 30, texts=texts))
    by_id = {one.id.split("/", 1)[1]: one for one in outcome.findings}
    few = by_id["changed_share/religion/source=texts"]
    assert few.value is None
    assert few.n == 19
    assert "only 19 different texts" in (few.undefined or "")
    assert "changed_share/age/source=texts" not in by_id
    assert outcome.headline is not None
    assert outcome.headline.endswith("source=templates")
    fewer = measured(
        CounterfactualIdentity(minimum_n=19), subject({"muslim": (0.0, 2.0)}, [0] * 30, texts=texts)
    )
    assert values(fewer)["changed_share/religion/source=texts"] == 1


def test_pronouns_have_no_neutral_word_and_so_no_control() -> None:
    texts = [f"She saw {one}" for one in PLACES[:25]]
    outcome = measured(CHECK, subject({}, [0] * 25, texts=texts))
    by_id = {one.id.split("/", 1)[1]: one for one in outcome.findings}
    assert by_id["changed_share/gender/source=texts"].value == 0
    control = by_id["control_changed_share/gender/source=texts"]
    assert (control.value, control.n) == (None, 0)
    assert "neutral word" in (control.undefined or "")


def test_of_more_classes_the_true_one_is_scored() -> None:
    weights = {"muslim": (0.0, 1.0, 2.0)}
    outcome = measured(CHECK, subject(weights, [2] * 30))
    top = math.exp(2) / (1 + math.e + math.exp(2))
    found = values(outcome)
    assert found["score_gap/religion/source=texts"] == pytest.approx(top - 1 / 3, abs=1e-6)
    lowest = values(measured(CHECK, subject(weights, [0] * 30)))
    away = 1 / 3 - 1 / (1 + math.e + math.exp(2))
    assert lowest["score_gap/religion/source=texts"] == pytest.approx(away, abs=1e-6)
    assert not any(one.metric == "false_positive_gap" for one in outcome.findings)


def test_the_gallery_shows_the_text_with_the_swap_marked() -> None:
    exhibit = measured(CHECK, broken()).evidence["worst"]
    assert isinstance(exhibit, TextExhibit)
    for row in exhibit.rows:
        (changed,) = [token for token in row.tokens if token.was is not None]
        assert (changed.was or "").strip() == "Muslim"
        assert row.caption.startswith("religion, Muslim: 1 (88.1 %); ")
        assert ": 0 (50.0 %)" in row.caption


def test_a_drawn_part_of_the_texts_is_searched() -> None:
    check = CounterfactualIdentity(max_inputs=25)
    by_id = {one.id.split("/", 1)[1]: one for one in measured(check, broken()).findings}
    assert by_id["changed_share/religion/source=texts"].n == 25


def test_own_terms(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('[axes.mood.calm]\nword = "calm"\n[axes.mood.sikh]\nword = "sikh"\n')
    texts = [f"So calm is {one}" for one in PLACES[:25]]
    calm = subject({"calm": (0.0, 2.0)}, [0] * 25, texts=texts)
    check = make_check("counterfactual-identity", {"terms": str(file)})
    assert isinstance(check, CounterfactualIdentity)
    outcome = measured(check, calm)
    assert {one.slice for one in outcome.findings} == {"mood"}
    assert values(outcome)["changed_share/mood/source=texts"] == 1
    assert outcome.findings[0].params["terms"] == str(file)
    assert outcome.findings[0].params["terms_sha256"] != CHECK.parameters()["terms_sha256"]
    nobody = run_check(check, subject({}, [0] * 25))
    assert isinstance(nobody, NotApplicable)
    with pytest.raises(ConfigError, match="There is no file of identity terms"):
        CounterfactualIdentity(terms=str(tmp_path / "absent.toml"))


def test_parameters_are_checked_and_images_refused() -> None:
    with pytest.raises(ConfigError, match="expected at least 1"):
        CounterfactualIdentity(max_inputs=0)
    with pytest.raises(ConfigError, match="expected at least 2"):
        CounterfactualIdentity(minimum_n=1)
    images = linear_subject(0)
    assert isinstance(CHECK.applies(images.model, images.data), NotApplicable)


def test_broken_answers_are_an_error() -> None:
    with pytest.raises(ModelError, match="NaN or infinite"):
        measured(CHECK, subject({"sikh": (0.0, np.nan)}, [0] * 30))
