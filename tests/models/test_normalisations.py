"""Mirrors auditkit/models/normalisations.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from auditkit.errors import ConfigError
from auditkit.models.normalisations import NORMALISATIONS, Normalisation, normalisation_of, usual

IMAGES = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def applied(how: Normalisation, images: Tensor) -> Tensor:
    for values, operation in ((how.mean, torch.sub), (how.std, torch.div)):
        if values is not None:
            images = operation(images, torch.tensor(values).view(1, -1, 1, 1))
    return images


def asked(**options: Any) -> Normalisation | None:
    given = {"name": None, "mean": None, "std": None, "scale": None}
    given |= {"bounds": (0.0, 1.0), "channels": 3}
    return normalisation_of(**{**given, **options})


@pytest.mark.parametrize("name", [one for one in NORMALISATIONS if one != "none"])
@pytest.mark.parametrize("bounds", [(0.0, 255.0), (-1.0, 1.0)])
def test_a_name_means_the_same_whatever_the_range_of_a_pixel(
    name: str, bounds: tuple[float, float]
) -> None:
    plain = asked(name=name)
    scaled = asked(name=name, bounds=bounds)
    assert plain is not None
    assert scaled is not None
    raw = bounds[0] + IMAGES * (bounds[1] - bounds[0])
    torch.testing.assert_close(applied(scaled, raw), applied(plain, IMAGES), atol=1e-5, rtol=1e-5)


def test_a_scale_comes_before_mean_and_std() -> None:
    how = asked(mean=(100.0,), std=(50.0,), scale=255.0)
    assert how is not None
    torch.testing.assert_close(applied(how, IMAGES), (255 * IMAGES - 100) / 50)
    alone = asked(scale=255.0)
    assert alone is not None
    torch.testing.assert_close(applied(alone, IMAGES), 255 * IMAGES)
    named = asked(name="imagenet", scale=1 / 255, bounds=(0.0, 255.0))
    plain = asked(name="imagenet")
    assert named is not None
    assert plain is not None
    torch.testing.assert_close(applied(named, 255 * IMAGES), applied(plain, IMAGES))


def test_no_option_is_none_and_none_is_an_option() -> None:
    assert asked() is None
    assert asked(name="none") == Normalisation()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "imagenett"}, "Did you mean 'imagenet'"),
        ({"name": "imagenet", "channels": 1}, "for 3 channels, and the model reads 1"),
        ({"name": "half", "mean": (0.5,)}, "beside --mean or --std"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        asked(**options)
    assert caught.value.hint


def test_grey_images_are_not_normalised_like_coloured_ones() -> None:
    assert set(usual(1)) == {"none", "half", "mnist", "fashion-mnist"}
    assert {"none", "half", "imagenet", "cifar10"} <= set(usual(3))
    assert "mnist" not in usual(3)
