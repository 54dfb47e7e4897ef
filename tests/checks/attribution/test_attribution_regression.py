"""Mirrors auditkit/checks/attribution/attribution_regression.py."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from tokenizers.pre_tokenizers import Digits, Sequence, Whitespace
from torch import nn

from auditkit.checks import other_model as others
from auditkit.checks.attribution import attribution_regression as module
from auditkit.checks.attribution.attribution_regression import AttributionRegression
from auditkit.checks.base import Measured, NotApplicable
from auditkit.data.digits import load
from auditkit.errors import ConfigError
from auditkit.findings import Finding, ImageExhibit, Note, TextExhibit
from auditkit.models.blackbox import BlackBox
from auditkit.models.classifier import Classifier, ImageClassifier
from auditkit.models.load import ModelSpec, load_model
from tests.checks.attribution.test_attention_faithfulness import text_data
from tests.methods.saliency.nets import Attentive, assert_untouched, noise, state_of, word_model
from tests.subjects import Subject, image_data, measured, table_subject

CHECK = AttributionRegression(other="digits-cnn", max_inputs=12, steps=8)
REVEALS = "map_similarity"


@cache
def subject(name: str) -> Subject:
    return Subject(
        load_model(ModelSpec(source=name, device="cpu")), load("test").sample(40, seed=0)
    )


def broken() -> Subject:
    """A network of another kind."""
    return subject("digits-vit")


def sound() -> Subject:
    """The very same network."""
    return subject("digits-cnn")


def found(outcome: Measured, metric: str) -> Finding:
    return next(one for one in outcome.findings if one.metric == metric)


def beside(monkeypatch: pytest.MonkeyPatch, other: Classifier) -> AttributionRegression:
    """Return the check with a model in memory as the other one."""
    for place in (others, module):
        monkeypatch.setattr(place, "other_model", lambda _: other)
    return AttributionRegression(other="in memory", max_inputs=20, steps=8, grid=4)


def votes(left: float, right: float) -> ImageClassifier:
    """Two classes; each half of the image is weighed by a number."""
    weight = torch.zeros(2, 4, 4)
    weight[1, :, :2], weight[1, :, 2:] = left, right
    layer = nn.Linear(16, 2, bias=False)
    layer.weight = nn.Parameter((weight * (1 + noise(2, 4, 4))).flatten(1))
    net = nn.Sequential(nn.Flatten(), layer)
    return ImageClassifier(net, classes=["no", "yes"], input_shape=(1, 4, 4))


def images(model: ImageClassifier, masks: np.ndarray | None = None) -> Subject:
    data = image_data(noise(20, 1, 4, 4, seed=1), [0] * 20, classes=model.classes, masks=masks)
    return Subject(model, data)


def test_the_same_model_has_the_same_maps() -> None:
    one = sound()
    state = state_of(one.model.module)
    outcome = measured(CHECK, one)
    assert_untouched(one.model.module, state)
    assert found(outcome, "map_similarity").value == pytest.approx(1)
    assert found(outcome, "same_answer_share").value == 1
    assert 0.8 < float(found(outcome, "nearby_similarity").value or 0) < 1
    assert float(found(outcome, "random_similarity").value or 1) < 0.8
    assert found(outcome, "map_similarity").n == 12
    assert CHECK.parameters()["other_sha256"] == one.model.identity.sha256


def test_models_that_look_at_opposite_halves_have_little_in_common(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left, right = votes(1, 0.001), votes(0.001, 1)
    mask = np.zeros((20, 4, 4), dtype=bool)
    mask[:, :, :2] = True
    outcome = measured(beside(monkeypatch, right), images(left, mask))
    similar = measured(beside(monkeypatch, left), images(left, mask))
    assert found(outcome, "same_answer_share").value == 1  # all brighter than nothing: yes
    together = found(similar, "map_similarity").value
    assert together == pytest.approx(1)
    assert float(found(outcome, "map_similarity").value or 1) < 0.75  # within a half alike
    change = found(outcome, "relevance_mass_change")
    assert change.value == pytest.approx(1, abs=0.05)
    assert change.low is not None
    assert found(similar, "relevance_mass_change").value == 0
    gallery = outcome.evidence["worst"]
    assert isinstance(gallery, ImageExhibit)
    labels = [one.label for one in gallery.rows[0].panels]
    assert labels == ["input", "this model", "the other model"]


def test_only_inputs_that_both_answer_alike_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = measured(beside(monkeypatch, votes(-1, -1)), images(votes(1, 1)))
    assert found(outcome, "same_answer_share").value == 0
    one = found(outcome, "map_similarity")
    assert one.value is None
    assert "only 0 of the 0" in (one.undefined or "")
    assert "worst" not in outcome.evidence


def test_a_black_box_is_compared_by_occlusion_and_has_no_random_twin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = votes(1, 0.5)
    box = BlackBox(lambda x: plain.module(torch.from_numpy(x)).numpy(), output="logits")
    opaque = ImageClassifier(box, classes=plain.classes, input_shape=(1, 4, 4))
    outcome = measured(beside(monkeypatch, plain), images(opaque))
    assert found(outcome, "map_similarity").value == pytest.approx(1)
    assert found(outcome, "random_similarity").value is None
    note = outcome.evidence["other"]
    assert isinstance(note, Note)
    assert note.text.endswith("Maps of both by occlusion.")


def test_texts_are_compared_word_by_word(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [f"w{i}" for i in range(12)]
    one = word_model(words, seed=1, kind=Attentive)
    rng = np.random.default_rng(0)
    data = text_data([" ".join(rng.permutation(words)[:7]) for _ in range(30)])
    outcome = measured(beside(monkeypatch, one), Subject(one, data))
    assert found(outcome, "map_similarity").value == pytest.approx(1)
    assert found(outcome, "nearby_similarity").value is None
    gallery = outcome.evidence["random"]
    assert isinstance(gallery, TextExhibit)
    assert gallery.rows[0].tokens[0].text == "This model: "
    other = word_model(words, seed=2, kind=Attentive)
    unlike = measured(beside(monkeypatch, other), Subject(one, data))
    assert float(found(unlike, "map_similarity").value or 1) < 0.5


def test_texts_that_the_other_model_cuts_otherwise_are_compared_by_their_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = [f"w{i}" for i in range(10)]
    one = word_model(words, seed=1, kind=Attentive)
    other = word_model(["w", *map(str, range(10))], seed=1, kind=Attentive)
    other.tokenizer.pre_tokenizer = Sequence([Whitespace(), Digits(individual_digits=True)])  # type: ignore[assignment]
    rng = np.random.default_rng(0)
    data = text_data([" ".join(rng.permutation(words)[:7]) for _ in range(30)])
    outcome = measured(beside(monkeypatch, other), Subject(one, data))
    alike = found(outcome, "same_answer_share")
    assert found(outcome, "map_similarity").n == round((alike.value or 0) * alike.n) > 2


def test_tables_are_compared_too(monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_subject()
    outcome = measured(beside(monkeypatch, table.model), table)
    assert found(outcome, "same_answer_share").value == 1


def test_expected_gradients_start_from_other_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    for one in (table_subject(), images(votes(1.0, 0.2))):
        check = replace(beside(monkeypatch, one.model), method="expected-gradients")
        alike = found(measured(check, one), "map_similarity").value
        assert alike is None or alike == pytest.approx(1.0)


def test_shards_do_not_matter() -> None:
    whole, parts = measured(CHECK, broken()), measured(CHECK, broken(), shard_size=7)
    assert whole.findings == parts.findings
    assert whole.evidence == parts.evidence


def test_without_a_second_model_it_does_not_apply() -> None:
    outcome = AttributionRegression().applies(sound().model, sound().data)
    assert isinstance(outcome, NotApplicable)
    assert "--other-model" in outcome.reason


@pytest.mark.parametrize(
    "parameters", [{"max_inputs": 1}, {"steps": 0}, {"grid": 1}, {"method": "guess"}]
)
def test_impossible_parameters_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        AttributionRegression(**parameters)  # type: ignore[arg-type]
