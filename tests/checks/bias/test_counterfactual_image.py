"""Mirrors auditkit/checks/bias/counterfactual_image.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.checks.base import NotApplicable
from auditkit.checks.bias.counterfactual_image import CounterfactualImage
from auditkit.errors import ConfigError, ModelError
from auditkit.findings import Curve, ImageExhibit, Table
from auditkit.models.classifier import ImageClassifier
from tests.subjects import Subject, image_data, measured, run_check, values

CHECK = CounterfactualImage(changes=("brightness", "fade"), sizes=(0.1, 0.3))
REVEALS = "changed_share"
N = 40


class Corner(nn.Module):
    """Class 1 where the mean of the masked corner, or of all else, is above a threshold."""

    def __init__(self, *, inside: bool, threshold: float, scale: float = 50.0) -> None:
        super().__init__()
        corner = torch.zeros(8, 8)
        corner[:4, :4] = 1
        self.weight = corner if inside else 1 - corner
        self.threshold, self.scale = threshold, scale

    def forward(self, images: Tensor) -> Tensor:
        mean = (images.mean(dim=1) * self.weight).sum(dim=(1, 2)) / self.weight.sum()
        return self.scale * torch.stack([self.threshold - mean, mean - self.threshold], dim=1)


def subject(
    *,
    inside: bool,
    threshold: float = 0.55,
    masks: bool = True,
    sites: list[str] | None = None,
    scale: float = 50.0,
    channels: int = 3,
) -> Subject:
    """Corners at 0.5 on grounds at 0.5: a change that reaches what the model reads flips it."""
    rng = torch.Generator().manual_seed(0)
    images = 0.5 + 0.01 * torch.rand(N, channels, 8, 8, generator=rng)
    region = np.zeros((N, 8, 8), dtype=bool)
    region[:, :4, :4] = True
    data = image_data(
        images,
        [0] * N,
        masks=region if masks else None,
        attributes={"site": sites} if sites else None,
        sensitive=("site",) if sites else (),
    )
    module = Corner(inside=inside, threshold=threshold, scale=scale)
    return Subject(ImageClassifier(module, classes=("0", "1"), input_shape=(channels, 8, 8)), data)


def broken() -> Subject:
    """The surroundings decide."""
    return subject(inside=False)


def sound() -> Subject:
    """What matters decides."""
    return subject(inside=True)


def test_what_is_read_decides_where_a_change_counts() -> None:
    """A corner of 16 among 64 pixels: outside is scaled down by the root of 16 / 48."""
    found, other = values(measured(CHECK, broken())), values(measured(CHECK, sound()))
    at = "change=brightness,size=0.3"
    assert found[f"changed_share/{at},where=outside"] == 1  # moves by 0.173
    assert found[f"changed_share/{at},where=inside"] == 0
    assert found[f"outside_excess/{at}"] == 1
    assert other[f"changed_share/{at},where=inside"] == 1
    assert other[f"outside_excess/{at}"] == -1
    far = values(measured(CHECK, subject(inside=False, threshold=0.7)))
    assert far[f"changed_share/{at},where=outside"] == 0  # as the corner, 0.3 would reach it
    near = values(measured(CHECK, subject(inside=True, threshold=0.7)))
    assert near[f"changed_share/{at},where=inside"] == 1


def test_both_directions_count() -> None:
    lighter, darker = subject(inside=True, threshold=0.6), subject(inside=True, threshold=0.4)
    for one in (lighter, darker):
        found = values(measured(CHECK, one))
        assert found["changed_share/change=brightness,size=0.1,where=inside"] in (0, 1)
        assert found["changed_share/change=brightness,size=0.3,where=inside"] == 1
        assert found["changed_share/change=fade,size=0.3,where=inside"] == 0


def test_without_masks_the_whole_image_changes() -> None:
    outcome = measured(CHECK, subject(inside=True, masks=False, threshold=0.7))
    found = values(outcome)
    assert found["changed_share/change=brightness,size=0.3,where=whole"] == 1
    assert found["changed_share/change=brightness,size=0.1,where=whole"] == 0
    assert not any("inside" in name or "outside" in name for name in found)
    assert outcome.headline is not None
    assert outcome.headline.endswith("change=brightness,size=0.3,where=whole")
    curve = outcome.evidence["curve"]
    assert isinstance(curve, Curve)
    assert [line.x for line in curve.series] == [[0.1, 0.3]] * 2


def test_groups_are_compared() -> None:
    """The images of one site are darker, and too far from the threshold."""
    whole = subject(inside=True, masks=False, threshold=0.7, sites=["a"] * 20 + ["b"] * 20)
    images = whole.artifacts.images.clone()
    images[20:] -= 0.4
    data = image_data(
        images, [0] * N, attributes={"site": ["a"] * 20 + ["b"] * 20}, sensitive=("site",)
    )
    outcome = measured(CHECK, Subject(whole.model, data))
    gap = next(one for one in outcome.findings if one.metric == "changed_gap")
    assert (gap.slice, gap.value, gap.n) == ("site", 1, 40)
    assert gap.low is not None
    assert gap.low > 0.5
    table = outcome.evidence["groups-1"]
    assert isinstance(table, Table)
    assert [row[2:4] for row in table.rows[:2]] == [["a", 1], ["b", 0]]
    few = measured(CounterfactualImage(minimum_n=30, sizes=(0.3,)), Subject(whole.model, data))
    undefined = next(one for one in few.findings if one.metric == "changed_gap")
    assert undefined.value is None
    assert "fewer than two groups" in (undefined.undefined or "")


def test_images_without_a_usable_region_are_left_out() -> None:
    made = broken()
    masks = made.data.relevance(np.arange(N))
    assert isinstance(masks, np.ndarray)
    masks = masks.copy()
    masks[:25] = True
    data = image_data(made.artifacts.images, [0] * N, masks=masks)
    outcome = measured(CHECK, Subject(made.model, data))
    mine = [one for one in outcome.findings if one.metric == "changed_share"]
    assert {one.n for one in mine} == {15}
    assert all(one.value is None for one in mine)


def test_grey_images_have_no_hue() -> None:
    grey = subject(inside=True, channels=1)
    assert isinstance(run_check(CounterfactualImage(changes=("hue",)), grey), NotApplicable)
    names = values(measured(CounterfactualImage(), grey))
    assert not any("hue" in name for name in names)


def test_the_gallery_shows_clean_and_changed() -> None:
    exhibit = measured(CHECK, broken()).evidence["worst"]
    assert isinstance(exhibit, ImageExhibit)
    assert len(exhibit.rows[0].panels) == 2
    assert "outside; clean: 0 (" in exhibit.rows[0].caption


def test_parameters_are_checked_and_broken_answers_an_error() -> None:
    with pytest.raises(ConfigError, match="expected ascending"):
        CounterfactualImage(sizes=(0.2, 0.1))
    with pytest.raises(ConfigError, match=r"no change 'hues'\. Did you mean 'hue'"):
        CounterfactualImage(changes=("hues",))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="expected each once"):
        CounterfactualImage(changes=("hue", "hue"))
    with pytest.raises(ConfigError, match="expected at least 2"):
        CounterfactualImage(max_inputs=1)
    with pytest.raises(ModelError, match="NaN or infinite"):
        measured(CHECK, subject(inside=True, scale=float("nan")))
