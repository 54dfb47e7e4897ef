"""Mirrors auditkit/checks/attribution/concepts.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from auditkit.checks.attribution import _concept_summary as module
from auditkit.checks.attribution import _concept_trials as trials
from auditkit.checks.attribution.concepts import Concepts
from auditkit.checks.base import Measured, NotApplicable
from auditkit.errors import ConfigError
from auditkit.findings import Bars, Finding, ImageExhibit, Note, Table, TextExhibit
from auditkit.methods.concepts.texts import TEXT_CONCEPTS
from auditkit.models.classifier import ImageClassifier
from auditkit.statistics import clopper_pearson
from tests.checks.attribution.test_attribution_trust import text_data
from tests.methods.saliency.nets import (
    assert_untouched,
    bag_of,
    noise,
    small_cnn,
    state_of,
    word_model,
)
from tests.subjects import Subject, image_data, measured, run_check, values

CHECK = Concepts(max_inputs=64, repeats=8, vectors=24)
REVEALS = "movement_over_random"
FILLERS = [f"word{i}" for i in range(12)]


def reader(*, concept: str, vote: float, n: int = 70) -> Subject:
    """Fillers vote a little either way; words of one concept vote for yes, the others do not."""
    words = [word for some in TEXT_CONCEPTS.values() for word in some]
    model = word_model([*words, *FILLERS], max_length=12)
    rng = np.random.default_rng(0)
    bag = bag_of(model)
    names = ["[PAD]", "[UNK]", "[CLS]", *words, *FILLERS]
    table = torch.zeros(len(names), 4)
    for i, name in enumerate(names[3:], start=3):
        table[i] = torch.from_numpy(rng.normal(0, 0.05, 4))  # nothing goes along with the vote
        table[i, 0] = vote if name in TEXT_CONCEPTS[concept] else float(rng.choice([-0.3, 0.3]))
        for k, some in enumerate(TEXT_CONCEPTS.values()):
            table[i, 1 + k % 3] += 2 * (name in some)  # told in the layer, without a vote
    with torch.no_grad():
        bag.table.weight = nn.Parameter(table, requires_grad=False)
        bag.head.copy_(torch.tensor([[0.0, 1.0]] + [[0.0, 0.0]] * 3))
    texts = [" ".join(rng.choice(FILLERS, 6)) for _ in range(n)]
    return Subject(model, text_data(texts, [i % 2 for i in range(n)]))


def broken() -> Subject:
    """An identity term decides."""
    return reader(concept="identity", vote=4.0)


def sound() -> Subject:
    """Every word of a concept counts as little as any other word."""
    return reader(concept="identity", vote=0.3)


def linear(weight: torch.Tensor, n: int = 70, seed: int = 0) -> Subject:
    """Two classes; the logit of yes is a weighted sum of pixels, balanced over the images."""
    images = noise(n, 1, 8, 8, seed=seed)
    layer = nn.Linear(64, 1)
    with torch.no_grad():
        layer.weight.copy_(weight.reshape(1, 64))
        layer.bias.fill_(-float((images.flatten(1) @ weight.flatten()).median()))
    model = ImageClassifier(
        nn.Sequential(nn.Flatten(), layer), classes=("no", "yes"), input_shape=(1, 8, 8)
    )
    return Subject(model, image_data(images, [i % 2 for i in range(n)], classes=("no", "yes")))


def finding(outcome: Measured, metric: str, concept: str, label: str | None = None) -> Finding:
    end = f"concept={concept}" if label is None else f"class={label},concept={concept}"
    return next(one for one in outcome.findings if one.id == f"concepts/{metric}/all/{end}")


def readings(outcome: Measured) -> dict[tuple[str, str], str]:
    table = outcome.evidence["table"]
    assert isinstance(table, Table)
    return {(str(row[0]), str(row[1])): str(row[2]) for row in table.rows}


def test_a_logit_along_the_concept_scores_one_and_its_opposite_zero() -> None:
    check = Concepts(max_inputs=70, repeats=16, vectors=64)
    outcome = measured(check, linear(torch.full((8, 8), 0.2)))
    score = finding(outcome, "tcav", "brighter", "yes")
    unseen = clopper_pearson(0, score.n).high  # share of inputs that may score otherwise
    assert (score.value, score.low, score.high) == (1.0, pytest.approx(1 - unseen), 1.0)
    assert finding(outcome, "tcav", "brighter", "no").value == 0.0
    assert finding(outcome, "concept_accuracy", "brighter").value == 1.0
    effect = finding(outcome, "effect", "brighter", "yes")
    assert effect.low is not None
    assert effect.low > 0.1
    assert finding(outcome, "effect", "brighter", "no").value == pytest.approx(-(effect.value or 0))
    assert readings(outcome)["brighter", "yes"] == "nominated, confirmed"


def test_a_logit_across_the_concept_scores_about_a_half() -> None:
    """Over several weights that do not see light, directions lie on either side."""
    scores: list[float] = []
    for seed in range(6):
        weight = noise(8, 8, seed=seed + 50) - 0.5
        outcome = measured(CHECK, linear(weight - weight.mean(), seed=seed))
        assert finding(outcome, "concept_accuracy", "brighter").value == pytest.approx(1, abs=0.02)
        score = finding(outcome, "tcav", "brighter", "yes")
        assert score.low is not None
        assert score.high is not None
        assert score.high - score.low > 0.3, "the interval knows of the luck of directions"
        scores.append(score.value or 0.0)
    assert np.mean(scores) == pytest.approx(0.5, abs=0.15)


def test_effects_are_differences_of_probabilities_by_hand() -> None:
    subject = linear(0.3 * (noise(8, 8, seed=3) - 0.3))
    outcome = measured(Concepts(max_inputs=70, repeats=8, vectors=10), subject)
    images = torch.from_numpy(np.asarray(subject.data.read(slice(None))))
    before, after = (
        subject.model.logits(one).softmax(dim=1) for one in (images, 0.7 * images + 0.3)
    )
    moved = (after - before).double()
    assert finding(outcome, "effect", "brighter", "yes").value == pytest.approx(
        float(moved[:, 1].mean()), abs=1e-6
    )
    assert finding(outcome, "movement", "brighter").value == pytest.approx(
        float(moved.abs().sum(dim=1).mean()) / 2, abs=1e-6
    )


def test_words_that_vote_are_told_from_words_that_do_not() -> None:
    outcome = measured(CHECK, reader(concept="praise", vote=3.0))
    assert finding(outcome, "tcav", "praise", "yes").value == 1.0
    assert finding(outcome, "tcav", "praise", "no").value == 0.0
    praise = finding(outcome, "movement_over_random", "praise")
    assert praise.low is not None
    assert praise.low > 0.2
    for other in ("blame", "negation", "identity"):
        assert finding(outcome, "movement_over_random", other).value == pytest.approx(0, abs=0.05)
        assert (finding(outcome, "concept_accuracy", other).value or 0) > 0.9
    assert outcome.headline == praise.id


def test_a_concept_that_the_layer_does_not_hold_gets_no_score() -> None:
    """Words of blame are nothing to the model, and fillers hardly anything."""
    subject = reader(concept="praise", vote=3.0)
    bag = bag_of(subject.model)  # type: ignore[arg-type]
    encoded = subject.model.encode([" ".join(TEXT_CONCEPTS["blame"])])  # type: ignore[union-attr]
    table = bag.table.weight.clone()
    table[encoded.ids[~encoded.special]] = 0
    with torch.no_grad():
        bag.table.weight = nn.Parameter(table, requires_grad=False)
    outcome = measured(CHECK, subject)
    assert finding(outcome, "concept_accuracy", "blame").value == 0.5
    score = finding(outcome, "tcav", "blame", "yes")
    assert score.undefined is not None
    assert "does not tell the concept" in score.undefined
    assert readings(outcome)["blame", "yes"] == "neither"
    assert finding(outcome, "tcav", "praise", "yes").value == 1.0


def test_accuracy_is_that_on_inputs_which_were_not_learnt_from() -> None:
    """Without any concept a direction fits its own few pairs, and no others."""
    rng = np.random.default_rng(0)
    present, absent, slopes = (rng.normal(0, 1, (64, 40)) for _ in range(3))
    accuracy, rises = trials._learnt(present, absent, slopes, np.arange(64) % 8, 8)
    assert accuracy.mean() == pytest.approx(0.5, abs=0.06)
    assert rises.shape == (8, 64)


def test_concepts_that_cannot_be_drawn_say_why() -> None:
    outcome = measured(CHECK, cnn())
    tint = finding(outcome, "movement_over_random", "red%20tint")
    assert tint.undefined == "the images have no colours"


def test_black_boxes_have_effects_and_no_scores() -> None:
    subject = linear(torch.full((8, 8), 0.2))
    subject.model.differentiable = False
    outcome = measured(CHECK, subject)
    assert (finding(outcome, "effect", "brighter", "yes").value or 0) > 0.1
    score = finding(outcome, "tcav", "brighter", "yes")
    assert score.undefined == "the model has no gradients"
    assert readings(outcome)["brighter", "yes"] == "moves it, not nominated"


def test_random_vectors_score_about_a_half() -> None:
    outcome = measured(
        Concepts(max_inputs=70, repeats=8, vectors=60), linear(noise(8, 8, seed=9) - 0.5)
    )
    table = outcome.evidence["table"]
    assert isinstance(table, Table)
    beside = [float(row[4] or 0) for row in table.rows if row[4] is not None]
    assert beside
    assert np.mean(beside) == pytest.approx(0.5, abs=0.1)


def test_p_values_are_those_of_a_permutation_test() -> None:
    """Four against four, all apart: two of C(8, 4) = 70 ways are as extreme."""
    apart = module._p(np.ones(4), np.zeros(4), seed=0)
    assert apart == pytest.approx(2 / 70, abs=0.006)
    assert module._p(np.ones(4), np.ones(4), seed=0) == 1.0
    assert module._p(np.array([0.0, 1.0]), np.array([1.0, 0.0]), seed=0) == 1.0


@pytest.mark.parametrize(
    ("low", "high", "score", "reading"),
    [
        (0.1, 0.2, 0.9, "nominated, confirmed"),
        (-0.2, -0.1, 0.9, "nominated the wrong way"),
        (-0.2, -0.1, 0.1, "nominated, confirmed"),
        (-0.1, 0.1, 0.9, "nominated, not confirmed"),
        (0.1, 0.2, None, "moves it, not nominated"),
        (-0.1, 0.1, None, "neither"),
    ],
)
def test_readings(low: float, high: float, score: float | None, reading: str) -> None:
    interval = module.Interval(low, high)
    nominated = None if score is None else module.Score(score, interval, "bootstrap", 9, 0.5, 0.001)
    assert module._reading(nominated, interval) == reading


def test_concepts_are_shown() -> None:
    outcome = measured(CHECK, linear(torch.full((8, 8), 0.2)))
    bars, note = outcome.evidence["movement"], outcome.evidence["layer"]
    assert isinstance(bars, Bars)
    assert [one.label for one in bars.bars][:2] == ["brighter", "like brighter"]
    assert isinstance(note, Note)
    assert note.text == "vector of 64 numbers after flatten."
    shown = outcome.evidence["random"]
    assert isinstance(shown, ImageExhibit)
    assert [one.label for one in shown.rows[0].panels] == [
        "input", "brighter", "stripes", "checker", "disc",
    ]  # fmt: skip
    texts = measured(CHECK, broken()).evidence["random"]
    assert isinstance(texts, TextExhibit)
    (put,) = [one for one in texts.rows[0].tokens if one.was is not None]
    assert put.text in TEXT_CONCEPTS["identity"]


def test_unknown_words_leave_a_concept_out() -> None:
    model = word_model([*FILLERS, *TEXT_CONCEPTS["praise"][:2], *TEXT_CONCEPTS["blame"]])
    texts = [" ".join(FILLERS[i % 6 : i % 6 + 5]) for i in range(70)]
    outcome = measured(CHECK, Subject(model, text_data(texts, [0, 1] * 35)))
    assert values(outcome)["movement_over_random/concept=praise"] is None
    assert values(outcome)["movement_over_random/concept=blame"] is not None
    none = word_model(FILLERS)
    refused = run_check(CHECK, Subject(none, text_data(texts, [0, 1] * 35)))
    assert isinstance(refused, NotApplicable)


@pytest.mark.parametrize("make", [sound, lambda: cnn()])
def test_shards_do_not_matter_and_the_model_is_left_as_it_was(make) -> None:
    subject = make()
    before = state_of(subject.model.module)
    whole, parts = measured(CHECK, subject), measured(CHECK, subject, shard_size=9)
    assert whole.findings == parts.findings
    assert whole.evidence == parts.evidence
    assert_untouched(subject.model.module, before)


def cnn() -> Subject:
    return Subject(small_cnn(), image_data(noise(70, 1, 8, 8), [0] * 70, classes="012"))


def test_too_few_inputs_are_refused() -> None:
    subject = cnn()
    short = image_data(noise(31, 1, 8, 8), [0] * 31, classes="012")
    assert isinstance(CHECK.applies(subject.model, short), NotApplicable)
    assert CHECK.applies(subject.model, subject.data) is None


@pytest.mark.parametrize(
    "parameters",
    [{"max_inputs": 15}, {"repeats": 3}, {"vectors": 9}, {"max_inputs": 60, "repeats": 16}],
)
def test_parameters_outside_their_range_are_refused(parameters: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="concepts"):
        Concepts(**parameters)  # type: ignore[arg-type]
