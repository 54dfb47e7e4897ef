"""Mirrors auditkit/checks/shift/wording.py."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from auditkit.checks.base import NotApplicable
from auditkit.checks.shift.wording import Wording
from auditkit.errors import ConfigError
from auditkit.findings import Matrix, Note, Table, TextExhibit
from auditkit.methods.attacks.synonyms import built_in
from auditkit.methods.corruptions.wording import KEEPS_MEANING, Source, reworded
from auditkit.models.classifier import TextClassifier
from auditkit.randomness import keys_of
from auditkit.statistics import newcombe_paired
from tests.checks.shift.test_typos import CueWords, text_data
from tests.subjects import Subject, measured, run_check, values

CHECK = Wording(severities=(1, 5), kinds=("synonyms", "spelling", "truncation"))
REVEALS = "mean_changed_share"
GOOD, BAD = ("excellent", "lovely", "marvellous"), ("awful", "boring", "dreadful")


def text_model(*, narrow: bool) -> TextClassifier:
    """Adds up cue words; a narrow model knows those of its training texts alone."""
    others = {one: [] if narrow else [*built_in()(one), "marvelous"] for one in (*GOOD, *BAD)}
    weights = {w: 1.0 for one in GOOD for w in (one, *others[one])}
    weights |= {w: -1.0 for one in BAD for w in (one, *built_in()(one)) if w in BAD or not narrow}
    words = ["[PAD]", "[UNK]", *weights]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    table = torch.tensor([0.0, 0.0, *weights.values()])
    return TextClassifier(
        CueWords(table, first_only=False),
        tokenizer=tokenizer,
        classes=("bad", "good"),
        max_length=64,
    )


def subject(*, narrow: bool, n: int = 40, wrong: int = 0) -> Subject:
    rng = np.random.default_rng(0)
    labels = [i % 2 for i in range(n)]
    texts = [f"it was {rng.choice(GOOD if label else BAD)} and grey today" for label in labels]
    labels[:wrong] = [1 - label for label in labels[:wrong]]
    return Subject(text_model(narrow=narrow), text_data(texts, labels))


def broken() -> Subject:
    return subject(narrow=True)


def sound() -> Subject:
    return subject(narrow=False)


@pytest.mark.parametrize("wrong", [0, 6])
def test_equals_a_loop_by_hand(wrong: int) -> None:
    one = subject(narrow=True, wrong=wrong)
    outcome = measured(CHECK, one, seed=2)
    found = values(outcome)
    texts = cast("list[str]", one.data.read(np.arange(40)))

    def said(text: str) -> int:
        return int(one.model.logits([text]).argmax())

    before = np.array([said(text) for text in texts])
    touched_mean, changed_mean = np.zeros(40), np.zeros(40)
    for kind in CHECK.kinds:
        keys = keys_of(2, f"wording-{kind}", one.data.ids)
        for severity in (1, 5):
            now = reworded(texts, kind, severity, keys, source=Source(commonness={}))
            touched = np.array([a.text != b for a, b in zip(now, texts, strict=True)])
            after = np.array([said(a.text) for a in now])
            assert touched.any()
            assert found[f"changed_share/kind={kind},severity={severity}"] == pytest.approx(
                (before != after)[touched].mean()
            )
            if kind in KEEPS_MEANING:
                touched_mean += touched
                changed_mean += touched & (before != after)
        right, kept = (before == one.data.labels)[touched], (after == one.data.labels)[touched]
        drop = next(f for f in outcome.findings if f.id.endswith(f"drop/all/kind={kind}"))
        assert drop.value == pytest.approx(right.mean() - kept.mean())
        assert drop.n == touched.sum()
        cells = [(right & kept), (right & ~kept), (~right & kept), (~right & ~kept)]
        assert (drop.low, drop.high) == pytest.approx(
            newcombe_paired(*(int(cell.sum()) for cell in cells))
        )
    some = touched_mean > 0
    mean = float((changed_mean[some] / touched_mean[some]).mean())
    assert 0 < mean < 1
    assert found["mean_changed_share"] == pytest.approx(mean)


def test_the_narrow_model_is_told_from_the_wide_one() -> None:
    narrow, wide = values(measured(CHECK, broken())), values(measured(CHECK, sound()))
    assert wide["mean_changed_share"] == 0
    assert cast("float", narrow["mean_changed_share"]) > 0.1


def test_shards_change_nothing_with_rare_words_either() -> None:
    check = Wording(severities=(3,))
    whole, parts = (measured(check, broken(), shard_size=size) for size in (40, 7))
    assert whole.findings == parts.findings
    assert whole.evidence == parts.evidence


def test_the_rarest_words_are_the_first_to_go() -> None:
    """Every text holds the same words but its cue, which at one word is what becomes unknown."""
    found = values(measured(Wording(severities=(1,), kinds=("unseen",)), sound()))
    assert found["changed_share/kind=unseen,severity=1"] == pytest.approx(0.5)  # the good ones
    assert found["mean_changed_share"] is None  # it does not keep the meaning


def test_evidence_says_what_the_findings_say() -> None:
    outcome = measured(Wording(severities=(5, 1), kinds=("spelling", "names", "filler")), broken())
    found, matrix = values(outcome), outcome.evidence["matrix"]
    assert isinstance(matrix, Matrix)
    for kind, row in zip(matrix.rows, matrix.values, strict=True):
        for severity, value in zip((1, 5), row, strict=True):
            assert found[f"changed_share/kind={kind},severity={severity}"] == value
    assert found["changed_share/kind=names,severity=5"] is None
    table = outcome.evidence["kinds"]
    assert isinstance(table, Table)
    assert table.rows[1] == ["names", 0, None, None, None, None]
    assert table.rows[0][1] == 40  # every text says grey
    named = {key for finding in outcome.findings for key in finding.evidence}
    assert named <= set(outcome.evidence)


def test_the_worst_texts_mark_what_was_there() -> None:
    exhibit = measured(CHECK, broken()).evidence["worst"]
    assert isinstance(exhibit, TextExhibit)
    for row in exhibit.rows:
        assert "good, read as bad" in row.caption
        assert any(token.was in (*GOOD, "it was") or token.was for token in row.tokens)
        assert "truncation" not in row.caption
    assert "worst" not in measured(CHECK, sound()).evidence


def test_texts_that_filler_pushes_out_are_said() -> None:
    texts = [" ".join(["lovely"] * 60), "awful"]
    one = Subject(text_model(narrow=False), text_data(texts, [1, 0]))
    note = measured(Wording(severities=(5,), kinds=("filler",)), one).evidence["reading"]
    assert isinstance(note, Note)
    assert "1 of 2 texts are longer than the model reads" in note.text


def test_empty_short_and_very_long_texts() -> None:
    texts = ["", "lovely", " ".join(["awful"] * 10_000), "12"]
    one = Subject(text_model(narrow=False), text_data(texts, [0, 1, 0, 0]))
    outcome = measured(Wording(severities=(5,)), one)
    touched = {f.params["kind"]: f.n for f in outcome.findings if f.metric == "changed_share"}
    assert touched["synonyms"] == touched["filler"] == touched["framing"] == 2
    assert touched["truncation"] == 1  # one word is never cut
    assert touched["contractions"] == 0


def test_nothing_to_reword_is_not_applicable() -> None:
    one = Subject(text_model(narrow=False), text_data(["", "+", "!"], [1, 0, 0]))
    outcome = run_check(CHECK, one)
    assert isinstance(outcome, NotApplicable)
    assert "could reword" in outcome.reason


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"severities": (0,)}, "from 1 to 5"),
        ({"severities": ()}, "empty"),
        ({"kinds": ("synonym",)}, "Did you mean 'synonyms'"),
        ({"kinds": ("filler", "filler")}, "twice"),
    ],
)
def test_bad_parameters_are_refused(parameters: dict[str, tuple[object, ...]], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Wording(**parameters)  # type: ignore[arg-type]
