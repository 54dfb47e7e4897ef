"""Mirrors auditkit/methods/corruptions/catalogue.py: what every corruption must keep."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from auditkit.errors import ConfigError
from auditkit.methods.corruptions.catalogue import (
    COLOUR_ONLY,
    CORRUPTIONS,
    EXTRA,
    FEW,
    GROUPS,
    STANDARD,
)
from auditkit.randomness import keys_of

every = pytest.mark.parametrize("name", CORRUPTIONS)
RANDOM = {
    "gaussian-noise", "shot-noise", "impulse-noise", "speckle-noise", "glass-blur", "motion-blur",
    "snow", "generated-frost", "fog", "elastic-transform", "spatter",
}  # fmt: skip
# Their published constants do not grow with severity in every respect: colour is first taken away
# and then added, waves grow finer while corners move less, water turns into mud, ice differs.
UNEVEN = {"saturate", "elastic-transform", "spatter", "glass-blur", "snow", "generated-frost"}


def scenes(n: int, channels: int, side: int) -> torch.Tensor:
    """Random images whose amplitude falls with frequency, as that of photographs does."""
    rng = torch.Generator().manual_seed(7)
    across = torch.fft.fftfreq(side)
    frequency = (across[:, None] ** 2 + across[None, :] ** 2).sqrt().clamp(min=1 / side)
    spectrum = torch.fft.fft2(torch.randn(n, channels, side, side, generator=rng)) / frequency
    images = torch.fft.ifft2(spectrum).real
    return (0.5 + 0.2 * images / images.std()).clamp(0, 1)


@every
@settings(max_examples=8, deadline=None)
@given(
    n=st.integers(1, 3),
    channels=st.sampled_from([1, 2, 3]),
    height=st.integers(8, 40),
    width=st.integers(8, 24),
    severity=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_shape_type_range_and_input_are_kept(
    name: str, n: int, channels: int, height: int, width: int, severity: int, seed: int
) -> None:
    rng = torch.Generator().manual_seed(seed)
    images = torch.rand(n, channels, height, width, generator=rng)
    images[0, :, :2] = 0
    images[0, :, -2:] = 1
    before = images.clone()
    keys = keys_of(seed, name, [str(i) for i in range(n)])
    changed = CORRUPTIONS[name](images, severity, keys)
    assert changed.shape == images.shape
    assert changed.dtype == torch.float32
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert torch.equal(images, before)
    if name != "impulse-noise" and (channels == 3 or name not in COLOUR_ONLY):
        assert not torch.equal(changed, images)


@every
@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 9, 70), (3, 20, 45)])
def test_an_input_is_corrupted_alike_in_any_order_and_batch(
    name: str, shape: tuple[int, int, int]
) -> None:
    images = torch.rand(9, *shape, generator=torch.Generator().manual_seed(1))
    keys = keys_of(0, name, [f"id-{i}" for i in range(9)])
    whole = CORRUPTIONS[name](images, 3, keys)
    order = np.random.default_rng(0).permutation(9)
    assert torch.equal(CORRUPTIONS[name](images[order], 3, keys[order]), whole[order])
    for i in range(9):
        assert torch.equal(CORRUPTIONS[name](images[i : i + 1], 3, keys[i : i + 1])[0], whole[i])


@every
@pytest.mark.parametrize(("channels", "side"), [(1, 8), (3, 32), (3, 64), (1, 100), (3, 224)])
def test_a_higher_severity_is_further_away_on_average(name: str, channels: int, side: int) -> None:
    if name in UNEVEN or (channels == 1 and name in COLOUR_ONLY):
        return
    images = scenes(4, channels, side)
    keys = keys_of(0, name, list("abcd"))
    distances = [
        float((CORRUPTIONS[name](images, severity, keys) - images).square().mean())
        for severity in (1, 2, 3, 4, 5)
    ]
    assert distances[0] > 0
    assert all(a <= b * 1.001 for a, b in itertools.pairwise(distances)), distances
    assert distances[-1] > 1.25 * distances[0]


@every
@pytest.mark.parametrize("severity", [0, 6])
def test_other_severities_are_refused(name: str, severity: int) -> None:
    with pytest.raises(ConfigError):
        CORRUPTIONS[name](torch.rand(1, 1, 8, 8), severity, np.zeros(1, dtype=np.uint64))


@every
def test_where_severities_differ_in_kind_the_last_is_still_far_away(name: str) -> None:
    images = scenes(4, 3, 32)
    keys = keys_of(0, name, list("abcd"))
    for severity in (1, 2, 3, 4, 5):
        change = (CORRUPTIONS[name](images, severity, keys) - images).abs().mean(dim=(1, 2, 3))
        assert float(change.max()) > 1e-3


@every
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 1), (2, 1, 5), (3, 2, 2), (1, 3, 300)])
def test_the_smallest_images_come_back_whole(name: str, shape: tuple[int, int, int]) -> None:
    images = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    for severity in (1, 3, 5):
        changed = CORRUPTIONS[name](images, severity, keys_of(0, name, ["a", "b"]))
        assert changed.shape == images.shape
        assert torch.isfinite(changed).all()
        assert changed.min() >= 0
        assert changed.max() <= 1


@every
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_flat_images_give_numbers(name: str, value: float) -> None:
    images = torch.full((1, 3, 12, 10), value)
    for severity in (1, 4, 5):
        assert torch.isfinite(CORRUPTIONS[name](images, severity, keys_of(0, name, ["a"]))).all()


def test_only_random_corruptions_depend_on_the_key() -> None:
    images = scenes(1, 3, 32)
    for name, corrupt in CORRUPTIONS.items():
        one, other = (corrupt(images, 3, np.array([k], dtype=np.uint64)) for k in (1, 2))
        assert torch.equal(one, other) == (name not in RANDOM), name


def test_fifteen_are_standard_and_four_are_extra() -> None:
    assert (len(STANDARD), len(EXTRA), len(CORRUPTIONS)) == (15, 4, 19)
    assert set(FEW) <= set(STANDARD)
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(CORRUPTIONS)
