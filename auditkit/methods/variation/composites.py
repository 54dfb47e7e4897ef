"""Images put together from the object of one and the texture or the background of another."""

from __future__ import annotations

import numpy as np

from auditkit.types import Bools, Floats, Ints


def with_texture(image: Floats, mask: Bools, other: Floats, other_mask: Bools) -> Floats:
    """Return an image whose object has its own outline and the surface of another object.

    The other object is laid over this one, centre on centre; where it does not reach, its nearest
    pixel goes on.

    Parameters
    ----------
    image, other : ndarray
        (c, h, w) of one size.
    mask, other_mask : ndarray
        (h, w) the pixels of each object, neither empty.

    Examples
    --------
    >>> image, other = np.zeros((1, 1, 4)), np.full((1, 1, 4), 7.0)
    >>> with_texture(image, np.array([[0, 1, 1, 0]]) > 0, other, np.array([[1, 0, 0, 0]]) > 0)
    array([[[0., 7., 7., 0.]]])
    """
    rows, columns = np.nonzero(mask)
    here, there = _centre(mask), _centre(other_mask)
    height, width = mask.shape
    down = np.clip(np.rint(rows - here[0] + there[0]).astype(np.int64), 0, height - 1)
    across = np.clip(np.rint(columns - here[1] + there[1]).astype(np.int64), 0, width - 1)
    nearest = _nearest(other_mask)  # (2, h, w)
    made = image.copy()
    made[:, rows, columns] = other[:, nearest[0, down, across], nearest[1, down, across]]
    return made


def on_background(image: Floats, mask: Bools, other: Floats, other_mask: Bools) -> Floats:
    """Return the object of an image on the background of another.

    Where the other's object stood, the nearest pixel of its background goes on.

    Parameters
    ----------
    image, other : ndarray
        (c, h, w) of one size.
    mask, other_mask : ndarray
        (h, w) the pixels of each object; the other one leaves some background.
    """
    nearest = _nearest(~other_mask)
    empty = other[:, nearest[0], nearest[1]]
    return np.where(mask, image, empty)


def leave_both(masks: Bools) -> Bools:
    """Return which masks (n, h, w) leave both an object and a background (n,)."""
    flat = masks.reshape(len(masks), -1)
    filled = flat.sum(axis=1)
    return (filled > 0) & (filled < flat.shape[1])


def _centre(mask: Bools) -> tuple[float, float]:
    rows, columns = np.nonzero(mask)
    return float(rows.mean()), float(columns.mean())


def _nearest(mask: Bools) -> Ints:
    """Return row and column of the nearest pixel of the mask, of every pixel (2, h, w)."""
    from scipy.ndimage import distance_transform_edt  # heavy: only where images are put together

    return np.asarray(
        distance_transform_edt(~mask, return_distances=False, return_indices=True), dtype=np.int64
    )
