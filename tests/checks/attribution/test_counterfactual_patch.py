"""Mirrors auditkit/checks/attribution/counterfactual_patch.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.checks.attribution.counterfactual_patch import CounterfactualPatch
from auditkit.checks.base import Measured, NotApplicable
from auditkit.errors import ConfigError
from auditkit.findings import Curve, Finding, ImageExhibit, Note, Picture, TextExhibit
from auditkit.models.classifier import ImageClassifier
from tests.checks.attribution.test_attribution_trust import text_data
from tests.methods.saliency.nets import assert_untouched, noise, state_of, word_model
from tests.subjects import (
    Subject,
    graph_subject,
    image_data,
    measured,
    run_check,
    table_subject,
)

CHECK = CounterfactualPatch(max_inputs=24, grid=4, shares=(0.2, 0.5))
REVEALS = "flip_rate"
WORDS = [f"word{i}" for i in range(8)]
SIDE = 8  # pixels; cells of two


class Cells(nn.Module):
    """Each cell of two pixels votes for yes with its brightness above grey, times its weight."""

    def __init__(self, weight: Tensor, bias: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)  # (4, 4)
        self.bias = nn.Parameter(torch.tensor(bias))

    def forward(self, images: Tensor) -> Tensor:
        cells = nn.functional.avg_pool2d(images[:, 0] - 0.5, 2)
        return ((cells * self.weight).sum(dim=(1, 2)) + self.bias)[:, None]


class BothOf(nn.Module):
    """Two cells side by side hold the answer together; to lose one of them makes it surer."""

    def forward(self, images: Tensor) -> Tensor:
        gone = (1 - images[:, 0, ::2, ::2]).clamp(0, 0.5) * 2  # (n, 4, 4)
        a, b = gone[:, 1, 1], gone[:, 1, 2]
        return (1 + 0.5 * (a + b) - 3 * a * b - 0.01 * gone.sum(dim=(1, 2)))[:, None]


class EitherOf(nn.Module):
    """Yes, as long as one of two cells is bright."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.maximum(images[:, 0, 0, 0], images[:, 0, 7, 7])[:, None] - 0.75


def cells(weight: Tensor, *, bias: float = -0.5, n: int = 24, mask: bool = False) -> Subject:
    """White images with a little noise beside a grey filling."""
    images = 1 - 0.02 * noise(n, 1, SIDE, SIDE)
    model = ImageClassifier(Cells(weight, bias), classes=("no", "yes"), input_shape=(1, SIDE, SIDE))
    truth = np.zeros((n, SIDE, SIDE), dtype=np.bool_)
    truth[:, :2, :2] = True
    return Subject(
        model, image_data(images, [1] * n, classes=("no", "yes"), masks=truth if mask else None)
    )


def weights(*places: tuple[int, int], each: float) -> Tensor:
    weight = torch.zeros(4, 4)
    for row, column in places:
        weight[row, column] = each
    return weight


def grey(**kwargs: object) -> CounterfactualPatch:
    return CounterfactualPatch(reference="middle", grid=4, **kwargs)  # type: ignore[arg-type]


def broken() -> Subject:
    """One word decides."""
    return voters({"good": 3.0, "[CLS]": -1.0}, "good the film was seen and")


def sound() -> Subject:
    """Four words of eight have to go."""
    return voters(dict.fromkeys(WORDS, 1.0) | {"[CLS]": -4.5}, " ".join(WORDS))


def voters(votes: dict[str, float], text: str, n: int = 30) -> Subject:
    """Words vote for yes; every text holds the same words in another order."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.permutation(text.split())) for _ in range(n)]
    model = word_model(text.split(), votes=votes)
    first = text.split(maxsplit=1)[0]
    spans = [[(one.index(first), one.index(first) + len(first))] for one in texts]
    return Subject(model, text_data(texts, [1] * n, spans))


def finding(outcome: Measured, metric: str, share: float | None = None) -> Finding:
    end = "" if share is None else f"/share={share:g}"
    wanted = f"counterfactual-patch/{metric}/all{end}"
    return next(one for one in outcome.findings if one.id == wanted)


def test_one_cell_that_decides_is_found_and_lies_where_it_should() -> None:
    outcome = measured(grey(), cells(weights((0, 0), each=2.0), mask=True))
    assert finding(outcome, "flip_rate", 0.1).value == 1.0
    assert finding(outcome, "smallest_share").value == 1 / 16
    assert finding(outcome, "smallest_square_share").value == 1 / 16
    assert finding(outcome, "relevant_share").value == 1.0
    assert finding(outcome, "relevance_gain").value == pytest.approx(15 / 16)
    assert finding(outcome, "random_only_share").value == 0.0
    assert finding(outcome, "same_size_flip_rate").value == pytest.approx(1 / 16, abs=0.06)
    assert finding(outcome, "flip_rate", 0.1).controls == [
        "counterfactual-patch/random_only_share/all"
    ]


def test_scattered_cells_need_no_square() -> None:
    """Three far cells, two of which must go: 2 of 16 parts, but a square of all three is 16."""
    weight = weights((0, 0), (0, 3), (3, 0), each=1.0)  # margin 3 x 0.49 - 0.7 at most
    outcome = measured(grey(shares=(0.1, 0.2, 1.0)), cells(weight, bias=-0.7))
    assert finding(outcome, "smallest_share").value == 2 / 16
    assert finding(outcome, "flip_rate", 0.1).value == 0.0
    assert finding(outcome, "flip_rate", 0.2).value == 1.0
    assert finding(outcome, "smallest_square_share").value == 1.0
    part = measured(grey(shares=(0.1, 0.5)), cells(weight, bias=-0.7))
    square = finding(part, "smallest_square_share")
    assert square.value is None
    assert square.undefined is not None
    assert "within 0.5" in square.undefined


def test_random_orders_flip_as_often_as_chance_says() -> None:
    """One of 16 cells decides: after four random ones it is gone with probability a quarter."""
    subject = cells(weights((1, 2), each=2.0), n=60)
    outcome = measured(grey(shares=(0.25, 0.5), max_inputs=60, orders=30), subject)
    assert finding(outcome, "random_flip_rate", 0.25).value == pytest.approx(0.25, abs=0.04)
    assert finding(outcome, "random_flip_rate", 0.5).value == pytest.approx(0.5, abs=0.04)
    assert finding(outcome, "same_size_flip_rate").value == pytest.approx(1 / 16, abs=0.02)


def test_parts_that_equal_their_filling_are_never_removed() -> None:
    """Only four cells are not black: chance is among those, and so is relevance by chance."""
    subject = cells(weights((0, 0), each=2.0), n=60, mask=True)
    images = torch.from_numpy(np.asarray(subject.data.read(slice(None)))).clone()
    images[:, :, 4:], images[:, :, :, 4:] = 0, 0
    truth = subject.data.relevance(slice(None))
    assert isinstance(truth, np.ndarray)
    data = image_data(images, [1] * 60, classes=("no", "yes"), masks=truth)
    check = CounterfactualPatch(grid=4, reference="low", max_inputs=60, orders=30)
    outcome = measured(check, Subject(subject.model, data))
    assert finding(outcome, "same_size_flip_rate").value == pytest.approx(1 / 4, abs=0.03)
    assert finding(outcome, "relevance_gain").value == pytest.approx(3 / 4)
    by_chance = finding(outcome, "random_flip_rate", 0.25)
    assert by_chance.value == by_chance.high == 1.0
    assert by_chance.low == pytest.approx(0.025 ** (1 / by_chance.n)), "seen on n inputs alone"


def test_parts_that_stand_in_for_each_other_go_together() -> None:
    images = torch.ones(10, 1, SIDE, SIDE)
    model = ImageClassifier(EitherOf(), classes=("no", "yes"), input_shape=(1, SIDE, SIDE))
    outcome = measured(grey(), Subject(model, image_data(images, [1] * 10)))
    assert finding(outcome, "smallest_share").value == 2 / 16


def test_a_smaller_set_than_the_square_is_looked_for() -> None:
    """The square of four cells, of which three are needed, flips; so do two cells far apart."""
    weight = weights((1, 1), (1, 2), (2, 1), (2, 2), each=0.6) + weights((0, 0), (3, 3), each=1.2)
    outcome = measured(grey(), cells(weight, bias=-1.57))
    assert finding(outcome, "smallest_square_share").value == 4 / 16
    assert finding(outcome, "smallest_share").value == 2 / 16


def test_where_greed_is_misled_the_square_is_cut_down() -> None:
    images = torch.ones(10, 1, SIDE, SIDE)
    model = ImageClassifier(BothOf(), classes=("no", "yes"), input_shape=(1, SIDE, SIDE))
    outcome = measured(grey(shares=(0.25,)), Subject(model, image_data(images, [1] * 10)))
    assert finding(outcome, "smallest_square_share").value == 4 / 16
    assert finding(outcome, "smallest_share").value == 2 / 16


def test_another_filling_is_tried() -> None:
    """Against black one cell flips; against grey it does not, and two would be needed."""
    subject = cells(weights((0, 0), (0, 1), each=1.0), bias=-0.3)
    outcome = measured(CounterfactualPatch(grid=4, reference="low"), subject)
    assert finding(outcome, "smallest_share").value == 1 / 16
    assert finding(outcome, "other_reference_rate").value == 0.0
    stays = measured(CounterfactualPatch(grid=4, reference="low"), cells(weights((0, 0), each=2.0)))
    assert finding(stays, "other_reference_rate").value == 1.0


def test_decisions_that_nothing_flips_are_censored() -> None:
    outcome = measured(grey(), cells(torch.zeros(4, 4), bias=1.0))
    assert finding(outcome, "flip_rate", 0.5).value == 0.0
    for metric in ("smallest_share", "smallest_square_share", "same_size_flip_rate"):
        assert finding(outcome, metric).value is None
    assert set(outcome.evidence) == {"curve"}


def test_half_of_the_decisions_censored_leave_a_median_of_order_statistics() -> None:
    """13 of 24 hang on one cell, the others on nothing: the median exists, its upper end is 1."""
    images = torch.ones(24, 1, SIDE, SIDE)
    images[13:, 0, :2, :2] = 0.5
    net = Cells(weights((0, 0), each=-3.0), 1.0)  # bright there: no; grey: yes, and nothing flips
    model = ImageClassifier(net, classes=("no", "yes"), input_shape=(1, SIDE, SIDE))
    median = finding(
        measured(grey(), Subject(model, image_data(images, [0] * 24))), "smallest_share"
    )
    assert (median.value, median.low, median.high) == (1 / 16, 1 / 16, 1.0)
    assert median.interval == "order-statistics"


def test_texts_are_shown_with_what_was_removed() -> None:
    outcome = measured(CHECK, broken())
    share = finding(outcome, "smallest_share")
    assert share.value == pytest.approx(1 / 6)
    assert finding(outcome, "relevant_share").n == share.n
    assert finding(outcome, "relevant_share").value == 1.0
    assert finding(outcome, "relevance_gain").value == pytest.approx(5 / 6)
    assert finding(measured(CHECK, sound()), "smallest_share").value == 0.5
    shown = outcome.evidence["worst"]
    assert isinstance(shown, TextExhibit)
    for row in shown.rows:
        (gone,) = [one for one in row.tokens if one.was is not None]
        assert (gone.was or "").strip() == "good"
        assert gone.text.strip() == "[UNK]"
        assert gone.gold
        assert "1 of 6 tokens removed" in row.caption


def test_images_are_shown_without_the_set() -> None:
    outcome = measured(grey(), cells(weights((0, 0), (3, 3), each=1.0), bias=-0.7, mask=True))
    shown = outcome.evidence["random"]
    assert isinstance(shown, ImageExhibit)
    assert [one.label for one in shown.rows[0].panels] == [
        "input", "without the smallest set", "the smallest set, white", "what truly matters",
    ]  # fmt: skip
    first, second = shown.rows[0].panels[:2]
    assert isinstance(first, Picture)
    assert isinstance(second, Picture)
    assert first.png != second.png
    assert "Whole: yes" in shown.rows[0].caption
    assert "1 of 16 cells removed (the smallest set): no" in shown.rows[0].caption


def test_the_curve_stands_beside_random_removal() -> None:
    curve = measured(grey(), cells(weights((0, 0), each=2.0))).evidence["curve"]
    assert isinstance(curve, Curve)
    assert [one.name for one in curve.series] == [
        "parts that were looked for", "one square", "parts in random order",
    ]  # fmt: skip
    searched, _, random = curve.series
    assert searched.y[0] == 0.0
    assert searched.y[-1] == 1.0
    assert all((a or 0) >= (b or 0) for a, b in zip(searched.y, random.y, strict=True))


def test_columns_and_nodes_are_removed_too() -> None:
    table = measured(CounterfactualPatch(shares=(0.4, 1.0)), table_subject())
    graph = measured(CounterfactualPatch(shares=(0.4, 1.0)), graph_subject())
    assert isinstance(table.evidence["worst"], TextExhibit)
    assert table.evidence["worst"].rows[0].tokens[0].was is not None
    # A chain with an N is no longer one without it; a chain without stays what it is.
    assert finding(graph, "flip_rate", 0.4).value == 0.5
    assert isinstance(graph.evidence["worst"], TextExhibit)
    (gone,) = [one for one in graph.evidence["worst"].rows[0].tokens if one.was is not None]
    assert "N" in (gone.was or "")


def test_texts_without_tokens_are_left_out() -> None:
    subject = sound()
    data = text_data(["", " ".join(WORDS)] + [""] * 3, [0, 1, 0, 0, 0])
    outcome = measured(CHECK, Subject(subject.model, data))
    assert finding(outcome, "flip_rate", 0.5).n == 1
    empty = run_check(CHECK, Subject(subject.model, text_data([""] * 3, [0] * 3)))
    assert isinstance(empty, NotApplicable)


@pytest.mark.parametrize("make", [sound, lambda: cells(weights((0, 0), each=2.0), mask=True)])
def test_shards_do_not_matter_and_the_model_is_left_as_it_was(make) -> None:
    subject = make()
    before = state_of(subject.model.module)
    whole, parts = measured(CHECK, subject), measured(CHECK, subject, shard_size=7)
    assert whole.findings == parts.findings
    assert whole.evidence == parts.evidence
    assert_untouched(subject.model.module, before)


@pytest.mark.parametrize(
    "parameters",
    [
        {"max_inputs": 1}, {"grid": 1}, {"orders": 1}, {"shares": ()}, {"shares": (0.5, 0.1)},
        {"shares": (0.0, 0.1)}, {"shares": (0.5, 1.1)}, {"reference": "men"},
    ],
)  # fmt: skip
def test_parameters_outside_their_range_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="counterfactual-patch"):
        CounterfactualPatch(**parameters)  # type: ignore[arg-type]


def test_a_long_text_is_searched_in_runs_of_neighbouring_tokens() -> None:
    """Ten thousand tokens, a hundred parts: one run of a hundred tokens holds the answer."""
    votes = {"a": 0.0, "b": 3.0, "c": -0.1}
    model = word_model(list(votes), votes=votes, max_length=20_000)
    tokens = ["a"] * 9_999  # and one that is read before them
    texts = [" ".join([*tokens[:place], "b", *tokens[place:], "c"]) for place in (150, 7_070)]
    subject = Subject(model, text_data(texts, [1, 1]))
    outcome = measured(CounterfactualPatch(orders=2), subject)
    found = {one.id: one for one in outcome.findings}
    share = found["counterfactual-patch/smallest_share/all"]
    assert share.value == pytest.approx(0.01)
    note = outcome.evidence["joined"]
    assert isinstance(note, Note)
    assert note.text.startswith("2 inputs of 2 with more than 100 tokens")
    shown = outcome.evidence["worst"]
    assert isinstance(shown, TextExhibit)
    gone = [one.was.strip() for one in shown.rows[0].tokens if one.was is not None]
    assert len(gone) in (100, 101)
    assert gone.count("b") == 1


def test_short_texts_are_searched_token_by_token() -> None:
    """The cap changes nothing where it is not reached."""
    subject = Subject(
        word_model(WORDS, votes={"word1": 2.0}), text_data(["word0 word1 word2"], [1])
    )
    outcome = measured(CounterfactualPatch(max_inputs=2, max_parts=3), subject)
    assert "joined" not in outcome.evidence
