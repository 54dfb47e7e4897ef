"""Mirrors auditkit/methods/recolouring.py."""

from __future__ import annotations

import pytest
import torch

from auditkit.methods.recolouring import CHANGES, brightness, fade, hue, in_parts, tone

IMAGES = torch.rand(5, 3, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", list(CHANGES))
@pytest.mark.parametrize("sign", [1, -1])
def test_changes_stay_in_the_box_and_grow(name: str, sign: int) -> None:
    change = CHANGES[name]  # type: ignore[index]
    sizes = [(change(IMAGES, sign * s) - IMAGES).norm().item() for s in (0.0, 0.1, 0.2, 0.4)]
    assert sizes[0] == pytest.approx(0, abs=1e-5)
    assert sizes == sorted(sizes)
    assert sizes[3] > 1.5 * sizes[1]
    changed = change(IMAGES, sign * 0.4)
    assert ((changed >= 0) & (changed <= 1)).all()


def test_closed_forms() -> None:
    grey = torch.full((1, 3, 2, 2), 0.5)
    assert torch.allclose(brightness(grey, 0.2), torch.full_like(grey, 0.7))
    assert torch.allclose(tone(grey, 0.5), torch.full_like(grey, 0.5**0.5))
    assert torch.allclose(hue(grey, 0.4), grey, atol=1e-6)  # grey has no hue
    red = torch.zeros(1, 3, 1, 1)
    red[0, 0] = 0.6
    assert torch.allclose(hue(red, 2 / 3).flatten(), torch.tensor([0.0, 0.6, 0.0]), atol=1e-6)
    assert torch.allclose(
        fade(IMAGES, 1.0), IMAGES.mean(dim=(2, 3), keepdim=True).expand_as(IMAGES)
    )


def test_parts_are_changed_alone_and_equally_far() -> None:
    region = torch.zeros(5, 6, 6, dtype=torch.bool)
    region[:, :2, :2] = True
    region[4] = True  # nothing is outside
    parts = in_parts(IMAGES, brightness(IMAGES, 0.3), region)
    keep = region[:, None].expand_as(IMAGES)
    assert torch.equal(parts.inside[~keep], IMAGES[~keep])
    assert torch.equal(parts.outside[keep], IMAGES[keep])
    for part in (parts.inside, parts.outside):
        assert torch.allclose((part - IMAGES).flatten(1).norm(dim=1), parts.size, atol=1e-5)
        assert ((part >= 0) & (part <= 1)).all()
    assert (parts.size[:4] > 0.1).all()
    assert parts.size[4] == 0
