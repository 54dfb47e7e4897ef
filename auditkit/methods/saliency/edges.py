"""Sobel edges: a map that looks at no model, a control for those that should.

Adebayo et al., 2018, arXiv:1810.03292, section 4.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def edges(images: Tensor) -> Tensor:
    """Return the steepness of the brightness of images (n, c, h, w), shape (n, h, w).

    Examples
    --------
    >>> edges(torch.tensor([[[[0.0, 0.0, 1.0, 1.0]]]])).tolist()
    [[[0.0, 4.0, 4.0, 0.0]]]
    """
    grey = images.mean(dim=1, keepdim=True)
    across = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    kernels = torch.stack([across, across.T])[:, None].to(grey)  # (2, 1, 3, 3)
    slopes = functional.conv2d(functional.pad(grey, (1, 1, 1, 1), mode="replicate"), kernels)
    return slopes.norm(dim=1)
