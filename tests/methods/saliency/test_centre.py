"""Mirrors auditkit/methods/saliency/centre.py."""

from __future__ import annotations

import numpy as np

from auditkit.methods.saliency.centre import centre


def test_the_blob_falls_from_the_middle_alike_to_all_sides():
    blob = centre(9, 13)
    assert blob.shape == (9, 13)
    assert blob[4, 6] == blob.max() == 1
    assert np.array_equal(blob, blob[::-1])
    assert np.array_equal(blob, blob[:, ::-1])
    assert (np.diff(blob[4, 6:]) < 0).all()
    assert np.isclose(blob[0, 0], np.exp(-0.5 * ((4 / 2.25) ** 2 + (6 / 3.25) ** 2)))
