"""Snow: flakes that fall through the picture, under a white sky."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from auditkit.methods.corruptions._arrays import array_of, tensor_like
from auditkit.methods.corruptions._colours import grey_of
from auditkit.methods.corruptions._magnified import magnifier, read_by
from auditkit.methods.corruptions._streaks import streaked
from auditkit.methods.corruptions.severity import Constants, constant
from auditkit.randomness import generator
from auditkit.types import Floats, Keys

MEAN: Constants = {
    32: (0.1, 0.1, 0.15, 0.25, 0.3),
    64: (0.1, 0.1, 0.15, 0.25, 0.3),
    224: (0.1, 0.2, 0.55, 0.55, 0.55),
}
SPREAD: Constants = {
    32: (0.2, 0.2, 0.3, 0.3, 0.3),
    64: (0.2, 0.2, 0.3, 0.3, 0.3),
    224: (0.3, 0.3, 0.3, 0.3, 0.3),
}
ZOOM: Constants = {  # makes the flakes larger
    32: (1, 1, 1.75, 2.25, 1.25),
    64: (1, 1, 1.75, 2.25, 1.25),
    224: (3, 2, 4, 4.5, 2.5),
}
THRESHOLD: Constants = {  # below it there is no flake
    32: (0.6, 0.5, 0.55, 0.6, 0.65),
    64: (0.6, 0.5, 0.55, 0.6, 0.65),
    224: (0.5, 0.5, 0.9, 0.85, 0.85),
}
RADIUS: Constants = {  # of the fall, in pixels
    32: (8, 10, 10, 12, 14),
    64: (8, 10, 10, 12, 14),
    224: (10, 12, 12, 12, 12),
}
SIGMA: Constants = {
    32: (3, 4, 4, 6, 12),
    64: (3, 4, 4, 6, 12),
    224: (4, 4, 8, 8, 12),
}
KEPT: Constants = {  # share of the picture; the rest is bleached
    32: (0.95, 0.9, 0.9, 0.85, 0.8),
    64: (0.8, 0.8, 0.7, 0.65, 0.6),
    224: (0.8, 0.7, 0.7, 0.65, 0.55),
}


def snow(images: Tensor, severity: int, keys: Keys) -> Tensor:
    """Bleach every image, then add streaks of flakes and the same streaks turned by 180 degrees.

    Streaks are made as in `motion_blur`, falling at most 45 degrees from upright. The published
    code cuts the flakes to 256 levels, which is left out here. Channels other than three are each
    treated as a grey image.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, section 3.1.
    """
    clean = array_of(images)
    height, width = clean.shape[2:]
    kept = np.float32(constant(KEPT, severity, height=height, width=width))
    snowy = np.maximum(clean, grey_of(clean) * np.float32(1.5) + np.float32(0.5))
    snowy *= 1 - kept
    snowy += kept * clean
    for i, key in enumerate(keys):
        flakes = _flakes(generator(key), severity, height, width)  # (h, w)
        snowy[i] += flakes
        snowy[i] += flakes[::-1, ::-1]
    return tensor_like(images, np.clip(snowy, 0, 1, out=snowy))


def _flakes(rng: np.random.Generator, severity: int, height: int, width: int) -> Floats:
    """Return the streaks (h, w) of one picture; drawn are only the flakes that are enlarged."""
    mean, spread, zoom, threshold, radius, sigma = (
        constant(one, severity, height=height, width=width)
        for one in (MEAN, SPREAD, ZOOM, THRESHOLD, RADIUS, SIGMA)
    )
    rows, columns = read_by(height, zoom), read_by(width, zoom)
    layer = np.zeros((height, width), dtype=np.float32)
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    layer[rows, columns] = mean + spread * rng.standard_normal(shape, dtype=np.float32)
    if zoom > 1:
        layer = magnifier(width, zoom).across(magnifier(height, zoom).down(layer))
    layer[layer < threshold] = 0
    flakes = torch.from_numpy(np.clip(layer, 0, 1)[None])
    return streaked(flakes, round(radius), sigma, rng.uniform(-135, -45))[0].numpy()
