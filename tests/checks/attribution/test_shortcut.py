"""Mirrors auditkit/checks/attribution/shortcut.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.checks.attribution.shortcut import Shortcut
from auditkit.checks.base import Measured, NotApplicable
from auditkit.data.dataset import InMemory
from auditkit.data.schema import Feature, Schema
from auditkit.errors import ConfigError
from auditkit.findings import Finding, ImageExhibit, Note, TextExhibit
from auditkit.models.classifier import ImageClassifier
from auditkit.models.tabular import TabularClassifier
from tests.checks.attribution.test_attribution_trust import text_data
from tests.methods.saliency.nets import assert_untouched, noise, state_of, word_model
from tests.subjects import Subject, image_data, measured, plain_data, run_check

CHECK = Shortcut(grid=4, max_inputs=40, steps=2)
REVEALS = "effect"
SIDE, CELL = 8, 2


class Reads(nn.Module):
    """Bright or dark in one square of the image."""

    def __init__(self, row: int, column: int, *, aside: float = 0.0) -> None:
        super().__init__()
        weight = torch.zeros(SIDE, SIDE)
        weight[:CELL, -CELL:] = aside
        weight[row : row + CELL, column : column + CELL] = 4.0
        self.weight = nn.Parameter(weight)

    def forward(self, images: Tensor) -> Tensor:
        return ((images[:, 0] - 0.5) * self.weight).sum(dim=(1, 2))[:, None]


def tagged(*, reads_tag: bool, masks: bool = True, aside: float = 0.0, n: int = 120) -> Subject:
    """A bright or dark square in the middle decides, one in the corner should not."""
    rng = np.random.default_rng(0)
    images = 0.5 + 0.02 * (noise(n, 1, SIDE, SIDE) - 0.5)
    label, tag = rng.integers(0, 2, n), rng.integers(0, 2, n)
    images[:, 0, 4:6, 4:6] = torch.from_numpy(label).float()[:, None, None]
    images[:, 0, :2, 6:] = torch.from_numpy(tag).float()[:, None, None]
    model = ImageClassifier(
        Reads(0, 6) if reads_tag else Reads(4, 4, aside=aside),
        classes=("0", "1"),
        input_shape=(1, SIDE, SIDE),
    )
    truth = np.zeros((n, SIDE, SIDE), dtype=np.bool_)
    truth[:, 4:6, 4:6] = True
    return Subject(model, image_data(images, label.tolist(), masks=truth if masks else None))


def broken() -> Subject:
    """The corner decides."""
    return tagged(reads_tag=True)


def sound() -> Subject:
    """The middle decides, and the corner counts for next to nothing."""
    return tagged(reads_tag=False, aside=0.05)


def signed(*, reads_signature: bool, rationale: bool = True, n: int = 120) -> Subject:
    """An opinion decides, a word at the end should not."""
    rng = np.random.default_rng(0)
    opinions, places = ("bad", "good"), ("phone", "desk")
    fillers = ["the", "film", "was", "seen", "a", "day"]
    labels, where = rng.integers(0, 2, n), rng.integers(0, 2, n)
    texts = [
        f"{opinions[label]} {' '.join(rng.choice(fillers, 3))} from {places[at]}"
        for label, at in zip(labels, where, strict=True)
    ]
    votes = {"desk": 3.0, "phone": -3.0} if reads_signature else {"good": 3.0, "bad": -3.0}
    model = word_model([*opinions, *places, *fillers, "from"], votes=votes)
    spans = [[(0, len(opinions[label]))] for label in labels] if rationale else None
    return Subject(model, text_data(texts, labels.tolist(), spans))


def table(weights: list[float], *, to_the_point: list[bool] | None = None, n: int = 120) -> Subject:
    """Columns a, b, c, ... of normal draws, whose weighted sum decides."""
    schema = Schema(tuple(Feature(name="abcdefgh"[i]) for i in range(len(weights))))
    layer = nn.Linear(len(weights), 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([weights]))
    rows = np.random.default_rng(0).standard_normal((n, len(weights))).astype(np.float32)
    truth = None if to_the_point is None else np.tile(to_the_point, (n, 1))
    labels = (rows @ np.array(weights) > 0).astype(int)
    model = TabularClassifier(layer, schema=schema, classes=("no", "yes"))
    return Subject(model, plain_data("tabular", InMemory(rows, truth), labels.tolist(), schema))


def finding(outcome: Measured, metric: str) -> Finding:
    return next(one for one in outcome.findings if one.metric == metric)


def said(outcome: Measured) -> str:
    note = outcome.evidence["nomination"]
    assert isinstance(note, Note)
    return note.text


def test_answers_that_follow_a_tag_are_counted():
    outcome = measured(CHECK, broken())
    follow, disturbed = (finding(outcome, one) for one in ("follow_rate", "disturbance_rate"))
    assert (follow.value, disturbed.value, finding(outcome, "effect").value) == (1.0, 0.0, 1.0)
    assert follow.n == 60
    assert follow.interval == "clopper-pearson"
    assert finding(outcome, "background_follow_rate").value == 1.0
    assert "Rows 1 to 2, columns 7 to 8" in said(outcome)
    assert "Confirmed: 100 %" in said(outcome)
    where = outcome.evidence["where"]
    assert isinstance(where, ImageExhibit)
    assert where.selection == "mean"
    shown = outcome.evidence["random"]
    assert isinstance(shown, ImageExhibit)
    assert [panel.label for panel in shown.rows[0].panels] == [
        "input", "lends its part", "exchanged",
    ]  # fmt: skip


def test_what_truly_matters_is_neither_nominated_nor_exchanged():
    outcome = run_check(CHECK, tagged(reads_tag=False))
    # Nothing beside the point has a weight, so nothing can be nominated.
    assert isinstance(outcome, NotApplicable)
    assert "nothing beside the point" in outcome.reason


def test_a_little_weight_beside_the_point_is_nominated_and_not_confirmed():
    outcome = measured(CHECK, sound())
    assert "Rows 1 to 2, columns 7 to 8" in said(outcome)
    assert "not confirmed" in said(outcome)
    assert finding(outcome, "effect").value == 0
    assert finding(outcome, "background_follow_rate").value == 0


def test_without_masks_the_rim_is_looked_at():
    outcome = measured(CHECK, tagged(reads_tag=True, masks=False))
    assert finding(outcome, "effect").value == 1.0
    assert {one.metric for one in outcome.findings} == {
        "effect", "follow_rate", "disturbance_rate",
    }  # fmt: skip
    honest = run_check(CHECK, tagged(reads_tag=False, masks=False))
    assert isinstance(honest, NotApplicable)  # the middle is left alone


@pytest.mark.parametrize("rationale", [True, False])
def test_answers_that_follow_a_word_are_counted(rationale: bool):
    outcome = measured(CHECK, signed(reads_signature=True, rationale=rationale))
    assert "'phone'" in said(outcome)
    assert "'desk'" in said(outcome)
    assert finding(outcome, "effect").value == 1.0
    assert finding(outcome, "disturbance_rate").value == 0.0
    shown = outcome.evidence["random"]
    assert isinstance(shown, TextExhibit)
    assert {"phone", "desk"} & {one.text for one in shown.rows[0].tokens if one.weight}


def test_words_of_the_rationale_are_to_the_point():
    outcome = run_check(CHECK, signed(reads_signature=False))
    assert isinstance(outcome, NotApplicable)
    without = measured(CHECK, signed(reads_signature=False, rationale=False))
    assert "'good'" in said(without)
    assert finding(without, "effect").value == 1.0  # whether it should matter nobody said


def test_answers_that_follow_a_column_are_counted():
    outcome = measured(CHECK, table([0.1, 5.0, 0.1]))
    assert "Column 'b'" in said(outcome)
    assert "Confirmed" in said(outcome)
    assert (finding(outcome, "effect").value or 0) > 0.9
    shown = outcome.evidence["random"]
    assert isinstance(shown, TextExhibit)
    for row in shown.rows:
        assert [token.was is not None for token in row.tokens] == [False, True, False]
    shared = measured(CHECK, table([1.0] * 8))
    assert (finding(shared, "effect").value or 0) < 0.3, "no column decides alone"


def test_columns_that_truly_matter_are_to_the_point():
    outcome = measured(CHECK, table([0.0, 5.0, 1.0], to_the_point=[False, True, False]))
    assert "Column 'c'" in said(outcome)
    alone = run_check(CHECK, table([0.0, 5.0], to_the_point=[False, True]))
    assert isinstance(alone, NotApplicable)


def test_what_follows_a_column_is_what_a_loop_finds():
    subject = table([1.0, 2.0, 1.0])
    outcome = measured(CHECK, subject)
    n = finding(outcome, "effect").n
    assert n == 60
    disturbed = finding(outcome, "disturbance_rate").value
    follow, effect = finding(outcome, "follow_rate").value, finding(outcome, "effect").value
    assert effect == pytest.approx((follow or 0) - (disturbed or 0))
    scores = np.asarray(subject.data.read(slice(None))) @ np.array([1.0, 2.0, 1.0])
    rows = np.asarray(subject.data.read(slice(None)))
    rest = scores - 2 * rows[:, 1]
    yes = scores > 0
    flips = [  # over all pairs of a row and a donor of another class
        (rest[i] + 2 * rows[k, 1] > 0) == yes[k]
        for i in range(len(rows)) for k in range(len(rows)) if yes[i] != yes[k]
    ]  # fmt: skip
    assert follow == pytest.approx(np.mean(flips), abs=0.15)


MADE = [broken, lambda: signed(reads_signature=True), lambda: table([1.0, 2.0])]


@pytest.mark.parametrize("make", MADE)
def test_shards_do_not_matter(make):
    whole, parts = measured(CHECK, make()), measured(CHECK, make(), shard_size=7)
    assert whole.findings == parts.findings
    assert whole.evidence == parts.evidence


@pytest.mark.parametrize("make", MADE)
def test_the_model_is_left_as_it_was(make):
    subject = make()
    before = state_of(subject.model.module)
    measured(CHECK, subject)
    assert_untouched(subject.model.module, before)


def test_a_model_with_one_answer_has_nothing_to_exchange():
    subject = tagged(reads_tag=True)
    net = Reads(0, 0)  # a corner that is always bright
    images = torch.from_numpy(np.asarray(subject.data.read(slice(None)))).clone()
    images[:, 0, :2, :2] = 0.9
    model = ImageClassifier(net, classes=("0", "1"), input_shape=(1, SIDE, SIDE))
    data = image_data(images, subject.data.labels.tolist())
    outcome = run_check(CHECK, Subject(model, data))
    assert isinstance(outcome, NotApplicable)
    assert "one class" in outcome.reason


def test_a_black_box_is_occluded():
    subject = broken()
    subject.model.differentiable = False
    assert finding(measured(CHECK, subject), "effect").value == 1.0


def test_too_small_samples_are_refused():
    subject = tagged(reads_tag=True, n=10)
    assert isinstance(CHECK.applies(subject.model, subject.data), NotApplicable)


@pytest.mark.parametrize("name", ["max_inputs", "grid", "steps"])
def test_parameters_outside_their_range_are_refused(name: str):
    with pytest.raises(ConfigError, match=f"{name} is 0"):
        Shortcut(**{name: 0})
