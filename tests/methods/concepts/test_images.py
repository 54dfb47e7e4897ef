"""Mirrors auditkit/methods/concepts/images.py."""

from __future__ import annotations

import pytest
import torch

from auditkit.methods.concepts.images import IMAGE_CONCEPTS, STRENGTH, fits, with_concept
from auditkit.randomness import keys_of
from tests.methods.saliency.nets import noise

BOUNDS = (-1.0, 3.0)
IMAGES = -1 + 4 * noise(6, 3, 12, 16)
KEYS = keys_of(0, "test", [str(i) for i in range(6)])


@pytest.mark.parametrize("name", IMAGE_CONCEPTS)
def test_images_stay_in_bounds_and_belong_to_their_key(name: str) -> None:
    both = with_concept(name, IMAGES, BOUNDS, KEYS)
    for found in both:
        assert found.shape == IMAGES.shape
        assert found.dtype == IMAGES.dtype
        assert float(found.min()) >= BOUNDS[0]
        assert float(found.max()) <= BOUNDS[1]
        assert (found != IMAGES).flatten(1).any(dim=1).all()
    assert not torch.equal(*both)
    alone = with_concept(name, IMAGES[3:5], BOUNDS, KEYS[3:5])
    for one, whole in zip(alone, both, strict=True):
        assert torch.equal(one, whole[3:5])


def test_tints_and_light_are_blends() -> None:
    red, _ = with_concept("red tint", IMAGES, BOUNDS, KEYS)
    shares = (IMAGES - BOUNDS[0]) / 4
    wanted = (1 - STRENGTH) * shares + STRENGTH * torch.tensor([1.0, 0, 0])[:, None, None]
    assert torch.allclose(red, BOUNDS[0] + 4 * wanted, atol=1e-5)
    light, grey = with_concept("brighter", IMAGES, BOUNDS, KEYS)
    assert torch.allclose(light, BOUNDS[0] + 4 * ((1 - STRENGTH) * shares + STRENGTH), atol=1e-5)
    added = grey - ((1 - STRENGTH) * (IMAGES - BOUNDS[0]) + BOUNDS[0])
    assert torch.allclose(added, added[:, :1, :1, :1].expand_as(added), atol=1e-5)


@pytest.mark.parametrize("name", ["stripes", "checker"])
def test_textures_have_a_period_and_their_likes_have_none(name: str) -> None:
    grey = torch.full((40, 1, 16, 16), 0.5)
    keys = keys_of(0, "test", [str(i) for i in range(40)])
    present, like = with_concept(name, grey, (0.0, 1.0), keys)
    assert torch.equal(present[:, :, :, :-4], present[:, :, :, 4:])
    assert (present > 0.5).float().mean() == 0.5
    assert (like > 0.5).float().mean() == pytest.approx(0.5, abs=0.02)
    assert torch.allclose(present.unique(), like.unique())  # sorted
    assert not torch.equal(like[:, :, :, :-4], like[:, :, :, 4:])
    rows_alike = (present[:, :, 0] == present[:, :, 2]).all()
    assert bool(rows_alike) == (name == "stripes")
    assert len({tuple(one.flatten().tolist()) for one in present}) > 1, "it starts anywhere"


def test_a_disc_is_round_and_its_like_is_scattered() -> None:
    dark = torch.zeros(8, 1, 30, 30)
    keys = keys_of(0, "test", [str(i) for i in range(8)])
    disc, like = with_concept("disc", dark, (0.0, 1.0), keys)
    for one, other in zip(disc[:, 0], like[:, 0], strict=True):
        assert int((one > 0).sum()) == int((other > 0).sum())
        assert int((one > 0).sum()) == pytest.approx(torch.pi * 6**2, rel=0.05)
        rows, columns = (one > 0).nonzero().float().unbind(dim=1)
        away = (rows - rows.mean()).square() + (columns - columns.mean()).square()
        assert float(away.max()) <= 6.5**2
        rows, columns = (other > 0).nonzero().float().unbind(dim=1)
        assert float((rows - rows.mean()).square().mean()) > 40
    light, _ = with_concept("disc", 1 - dark, (0.0, 1.0), keys)
    assert float(light.min()) < 0.5


def test_grey_images_have_no_tints() -> None:
    assert not fits("red tint", 1)
    assert fits("red tint", 3)
    assert fits("stripes", 1)
