"""Mirrors auditkit/methods/metrics/road.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve
from torch import Tensor

from auditkit.methods.metrics.road import noisy_linear_imputation
from tests.methods.saliency.nets import noise


def solved(image: Tensor, hidden: Tensor) -> np.ndarray:
    """Return the image (c, h, w) with the paper's equations solved directly."""
    _, height, width = image.shape
    values = image.double().numpy().copy()
    places = [tuple(one) for one in hidden.nonzero().tolist()]
    number = {place: k for k, place in enumerate(places)}
    left = lil_matrix((len(places), len(places)))
    right = np.zeros((len(places), len(image)))
    for k, (row, column) in enumerate(places):
        for down in (-1, 0, 1):
            for across in (-1, 0, 1):
                near = (row + down, column + across)
                if (down, across) == (0, 0) or not (0 <= near[0] < height and 0 <= near[1] < width):
                    continue
                weight = 1 / 12 if down and across else 1 / 6
                left[k, k] += weight
                if near in number:
                    left[k, number[near]] = -weight
                else:
                    right[k] += weight * values[:, near[0], near[1]]
    found = spsolve(left.tocsc(), right).reshape(len(places), len(image))
    for k, (row, column) in enumerate(places):
        values[:, row, column] = found[k]  # pyright: ignore[reportIndexIssue]
    return values


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_guesses_solve_the_equations_of_the_paper(share: float):
    image = noise(3, 9, 12)
    hidden = torch.from_numpy(np.random.default_rng(0).random((4, 9, 12)) < share)
    found = noisy_linear_imputation(image, hidden, torch.zeros_like(image))
    for one, gone in zip(found, hidden, strict=True):
        assert np.allclose(one.numpy(), solved(image, gone), atol=1e-6)
        assert torch.equal(one[:, ~gone], image[:, ~gone])


def test_a_ramp_is_found_again_and_noise_is_added_to_guesses_alone():
    ramp = torch.linspace(0, 1, 11).expand(1, 7, 11).contiguous()
    hidden = torch.zeros(1, 7, 11, dtype=torch.bool)
    hidden[0, 2:5, 3:8] = True
    plain = noisy_linear_imputation(ramp, hidden, torch.zeros_like(ramp))[0]
    assert torch.allclose(plain, ramp, atol=1e-6)
    noisy = noisy_linear_imputation(ramp, hidden, torch.full_like(ramp, 0.25))[0]
    assert torch.allclose(noisy - plain, 0.25 * hidden, atol=1e-6)


def test_other_masks_do_not_matter_and_an_image_that_is_gone_has_its_mean_colour():
    image = noise(2, 8, 8)
    hidden = torch.zeros(3, 8, 8, dtype=torch.bool)
    hidden[0, 3, 3] = True
    hidden[1] = True
    hidden[2, :7] = True
    still = torch.zeros_like(image)
    together = noisy_linear_imputation(image, hidden, still)
    assert torch.allclose(together[1], image.mean(dim=(1, 2), keepdim=True).expand(2, 8, 8))
    for k in range(3):
        alone = noisy_linear_imputation(image, hidden[k : k + 1], still)[0]
        assert torch.allclose(alone, together[k], atol=1e-6)
