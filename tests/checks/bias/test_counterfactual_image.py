"""Mirrors auditkit/checks/bias/counterfactual_image.py."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.checks.base import NotApplicable
from auditkit.checks.bias.counterfactual_image import CounterfactualImage
from auditkit.data.glyphs import load
from auditkit.errors import ConfigError, ModelError
from auditkit.findings import Curve, ImageExhibit, Note, Table
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


class Colours(NamedTuple):
    """Images whose corner and ground are bright or dark."""

    corner: list[bool]
    ground: list[bool]

    def subject(
        self, *, inside: bool, sites: list[str] | None = None, masks: bool = True
    ) -> Subject:
        n = len(self.corner)
        images = torch.zeros(n, 1, 8, 8)
        for i, (corner, ground) in enumerate(zip(*self, strict=True)):
            images[i] = 0.8 if ground else 0.2
            images[i, :, :4, :4] = 0.8 if corner else 0.2
        region = np.zeros((n, 8, 8), dtype=bool)
        region[:, :4, :4] = True
        data = image_data(
            images,
            [0] * n,
            masks=region if masks else None,
            attributes={"site": sites} if sites else None,
            sensitive=("site",) if sites else (),
        )
        module = Corner(inside=inside, threshold=0.5)
        return Subject(ImageClassifier(module, classes=("0", "1"), input_shape=(1, 8, 8)), data)


LIGHT = CounterfactualImage(changes=("brightness",), sizes=(0.1,))


def test_a_model_that_reads_backgrounds_changes_its_answer_with_them() -> None:
    """Grounds of another class are of the other brightness, those of the same class alike."""
    colours = Colours(corner=[False, True] * 20, ground=[False] * 20 + [True] * 20)
    found = values(measured(LIGHT, colours.subject(inside=False)))
    assert found["background_changed_share/background=class"] == 1
    assert found["background_excess/background=class"] == 1
    assert found["background_score_shift/background=class"] == pytest.approx(1, abs=1e-6)
    kept = values(measured(LIGHT, colours.subject(inside=True)))
    assert kept["background_changed_share/background=class"] == 0
    assert kept["background_score_shift/background=class"] == 0


def test_backgrounds_of_another_group_are_lent_as_well() -> None:
    """Site a has dark grounds and b bright ones: whoever changes the site changes the answer."""
    colours = Colours(corner=[False, True] * 20, ground=[False] * 20 + [True] * 20)
    sites = ["a"] * 20 + ["b"] * 20
    outcome = measured(LIGHT, colours.subject(inside=False, sites=sites))
    excess = next(one for one in outcome.findings if one.id.endswith("excess/all/background=site"))
    assert (excess.value, excess.n, excess.interval) == (1, 40, "newcombe-paired")
    mixed = values(measured(LIGHT, colours.subject(inside=False, sites=["a", "b"] * 20)))
    assert abs(mixed["background_excess/background=site"] or 0) < 0.5  # sites do not tell grounds


def test_without_masks_it_is_said_that_no_background_was_exchanged() -> None:
    colours = Colours(corner=[False] * 40, ground=[False] * 20 + [True] * 20)
    outcome = measured(LIGHT, colours.subject(inside=False, masks=False))
    assert not any(name.startswith("background") for name in values(outcome))
    note = outcome.evidence["backgrounds"]
    assert isinstance(note, Note)
    assert note.text == "Not exchanged: the data does not say which region of an image matters."


def test_where_all_answers_are_alike_no_other_class_lends_a_background() -> None:
    colours = Colours(corner=[False] * 40, ground=[True] * 40)
    outcome = measured(LIGHT, colours.subject(inside=False))
    shares = [one for one in outcome.findings if one.metric == "background_changed_share"]
    assert [(one.value, one.n) for one in shares] == [(None, 0)]


def test_glyphs_are_put_in_front_of_other_glyphs_backgrounds() -> None:
    """A model that reads the frame of the image alone follows the donor."""

    class Frame(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            top = images[:, :, 0].mean(dim=(1, 2))
            return 100 * torch.stack([middle - top, top - middle], dim=1)

    glyphs = load("test")
    images = torch.as_tensor(glyphs.read(np.arange(60)))
    masks = np.asarray(glyphs.relevance(np.arange(60)))
    middle = images[:, :, 0].mean(dim=(1, 2)).median()
    data = image_data(images, [0] * 60, masks=masks)
    model = ImageClassifier(Frame(), classes=("0", "1"), input_shape=(3, 32, 32))
    found = values(measured(LIGHT, Subject(model, data)))
    assert (found["background_changed_share/background=class"] or 0) > 0.9
    assert (found["background_excess/background=class"] or 0) > 0.8


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
