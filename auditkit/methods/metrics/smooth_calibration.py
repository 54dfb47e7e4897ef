"""Smooth calibration error: residuals smoothed by a kernel instead of gathered into bins."""

from __future__ import annotations

import math

import numpy as np
from scipy.fft import dct, idct

from auditkit.methods.metrics.calibration import BINS, reliability
from auditkit.statistics import LEVEL, Interval
from auditkit.types import Bools, Floats, Ints

GRID = 1024  # cells of the unit interval; bandwidths below a cell's width are not told apart
_PIECE = 2_000_000  # draws at a time


def smooth_error(confidence: Floats, correct: Bools) -> float:
    """Return the smooth calibration error: smECE at its fixed-point bandwidth.

    The residuals (correct - confidence) / n, placed at the confidences, are smoothed by a Gaussian
    kernel that is reflected at 0 and 1; the error at bandwidth s is the integral of the absolute
    value. It falls as s grows, and the one s that equals its own error is the answer.

    Parameters
    ----------
    confidence : ndarray
        (n,) in [0, 1].
    correct : ndarray
        (n,) whether the prediction was right.

    References
    ----------
    Blasiok and Nakkiran, 2023, arXiv:2309.12236, definitions 4 and 5.

    Examples
    --------
    >>> round(smooth_error(np.full(1000, 0.8), np.arange(1000) < 500), 3)  # .8 stated, .5 right
    0.3
    """
    spectrum = _spectrum(confidence[None], (correct - confidence)[None] / len(confidence))
    return float(_fixed_points(spectrum)[0])


def error_at(confidence: Floats, correct: Bools, bandwidth: float) -> float:
    """Return the smooth calibration error at a given bandwidth, in units of confidence."""
    spectrum = _spectrum(confidence[None], (correct - confidence)[None] / len(confidence))
    return float(_absolute(spectrum, np.array([bandwidth]))[0])


def null_smooth_errors(confidence: Floats, *, seed: int, simulations: int = 1000) -> Floats:
    """Return smooth errors that a perfectly calibrated model would show, (simulations,).

    Every input is right with a probability equal to its own confidence.
    """
    rng, n = np.random.Generator(np.random.PCG64(seed)), len(confidence)
    errors = np.empty(simulations)
    for here in _pieces(n, simulations):
        right = rng.random((here.stop - here.start, n)) < confidence
        places = np.broadcast_to(confidence, right.shape)
        errors[here] = _fixed_points(_spectrum(places, (right - confidence) / n))
    return errors


def smooth_error_interval(
    confidence: Floats, correct: Bools, *, seed: int, level: float = LEVEL, simulations: int = 1000
) -> Interval:
    """Return an interval for the smooth error of the population, at least `level`.

    At a fixed bandwidth the observed error exceeds the true one by at most the noise's own absolute
    integral (triangle inequality), and falls short of it by at most a signed integral of the noise,
    whose mean is zero. The error never rises with the bandwidth, so what bounds it at the observed
    fixed point bounds the fixed point as well. Noise is drawn by resampling inputs, right with the
    share of their bin, which is moved towards one half by two successes and two failures, so that
    a bin without a single error still has noise.
    """
    rng, n = np.random.Generator(np.random.PCG64(seed)), len(confidence)
    table = reliability(confidence, correct)
    share = (table.hits + 2) / (table.count + 4)
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    chance = share[np.searchsorted(table.bin, bins)]  # (n,)
    observed = _spectrum(confidence[None], (correct - confidence)[None] / n)
    point = float(_fixed_points(observed)[0])
    centre = _spectrum(confidence[None], (chance - confidence)[None] / n)
    sign = np.where(_smoothed(observed, np.array([point])) < -1e-12, -1.0, 1.0)  # (1, GRID)
    total, signed = np.empty(simulations), np.empty(simulations)
    for here in _pieces(n, simulations):
        rows = rng.integers(0, n, size=(here.stop - here.start, n))
        right = rng.random(rows.shape) < chance[rows]
        places = confidence[rows]
        drawn = _spectrum(places, (right - places) / n)
        noise = _smoothed(drawn - centre, np.full(len(drawn), point))
        total[here], signed[here] = np.abs(noise).sum(axis=1), (noise * sign).sum(axis=1)
    tail = (1 - level) / 2
    below = float(np.quantile(total, 1 - tail))
    above = max(float(np.quantile(signed, 1 - tail)), -float(np.quantile(signed, tail)))
    return Interval(max(0.0, point - below), min(1.0, point + above))


def _pieces(n: int, simulations: int) -> list[slice]:
    size = max(1, _PIECE // max(n, GRID))
    return [slice(i, min(simulations, i + size)) for i in range(0, simulations, size)]


def _spectrum(places: Floats, masses: Floats) -> Floats:
    """Return cosine coefficients (r, GRID) of masses (r, n) at places (r, n) in [0, 1].

    A mass between the middles of two cells is shared among them; reflection is what a cosine
    series does at its ends.
    """
    where = places * GRID - 0.5
    left = np.floor(where)
    part = where - left
    rows = np.arange(len(places))[:, None] * GRID
    cells: list[Ints] = [
        (np.clip(one, 0, GRID - 1) + rows).astype(np.int64).ravel() for one in (left, left + 1)
    ]
    weights = [(masses * (1 - part)).ravel(), (masses * part).ravel()]
    size = len(places) * GRID
    grid = sum(np.bincount(c, w, minlength=size) for c, w in zip(cells, weights, strict=True))
    return np.asarray(dct(np.asarray(grid).reshape(-1, GRID), type=2, norm="ortho", axis=1))


def _smoothed(spectrum: Floats, bandwidths: Floats) -> Floats:
    """Return smoothed masses per cell (r, GRID): a Gaussian damps cosine j by its frequency."""
    damping = np.exp(-0.5 * (math.pi * np.arange(GRID) * bandwidths[:, None]) ** 2)
    return np.asarray(idct(spectrum * damping, type=2, norm="ortho", axis=1))


def _absolute(spectrum: Floats, bandwidths: Floats) -> Floats:
    return np.abs(_smoothed(spectrum, bandwidths)).sum(axis=1)


def _fixed_points(spectrum: Floats) -> Floats:
    """Return for each row the bandwidth that equals its own error, by bisection (r,)."""
    low = np.zeros(len(spectrum))
    high = np.minimum(_absolute(spectrum, low), 1.0)  # the error never rises with the bandwidth
    for _ in range(14):  # to less than a ten-thousandth
        middle = (low + high) / 2
        beyond = _absolute(spectrum, middle) > middle
        low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
    return (low + high) / 2
