"""Inputs and scores as panels of an exhibit: PNGs and number grids, small enough for a result."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from auditkit.findings import Heatmap, Picture

LARGEST_SIDE = 64  # of a heat map; larger ones are averaged over blocks


def picture(image: Tensor, bounds: tuple[float, float], label: str) -> Picture:
    """Return an image as a PNG of its original size.

    Parameters
    ----------
    image : Tensor
        (c, h, w) in raw units. One channel is drawn grey, three as RGB; of any other number the
        mean is drawn grey.
    bounds : (low, high)
        Raw values that are drawn black and white; values outside are clipped, NaN is black.
    label : str
        What the picture shows.

    Examples
    --------
    >>> picture(torch.zeros(1, 8, 8), (0.0, 1.0), "input").png[:8]
    'iVBORw0K'
    """
    low, high = bounds
    shares = (image.detach().to("cpu", torch.float64) - low) / (high - low)
    if len(shares) not in (1, 3):
        shares = shares.mean(dim=0, keepdim=True)
    bytes_ = (_finite(shares).clamp(0, 1) * 255).round().to(torch.uint8)
    pixels = bytes_[0] if len(bytes_) == 1 else bytes_.permute(1, 2, 0)  # (h, w) or (h, w, 3)
    buffer = BytesIO()
    Image.fromarray(pixels.contiguous().numpy()).save(buffer, format="PNG", optimize=True)
    return Picture(label=label, png=b64encode(buffer.getvalue()).decode("ascii"))


def heatmap(values: Tensor, label: str, *, signed: bool) -> Heatmap:
    """Return a score per pixel, rounded to four significant digits.

    Parameters
    ----------
    values : Tensor
        (h, w). Maps with a side above 64 are averaged over blocks of equal size; the last block of
        a row or column may be smaller. NaN and infinite scores are shown as zero.
    label : str
        What the map shows.
    signed : bool
        Whether zero is the middle of the scale or its end.
    """
    scores = _finite(values.detach().to("cpu", torch.float64))
    height, width = scores.shape
    block = (-(-height // LARGEST_SIDE), -(-width // LARGEST_SIDE))
    if block != (1, 1):
        scores = functional.avg_pool2d(scores[None, None], block, ceil_mode=True)[0, 0]
    rows = [[_rounded(one) for one in row] for row in scores.tolist()]
    return Heatmap(label=label, values=rows, signed=signed)


def _finite(values: Tensor) -> Tensor:
    return torch.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
