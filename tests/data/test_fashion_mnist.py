"""Mirrors auditkit/data/fashion_mnist.py."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.data import fashion_mnist
from auditkit.data.digest import input_digest
from auditkit.errors import DataError
from tests.published import needs


@needs("fashion-mnist")
def test_the_test_split_is_the_published_one() -> None:
    data = fashion_mnist.load("test")
    assert len(data) == fashion_mnist.SIZES["test"] == 10_000
    assert np.bincount(data.labels).tolist() == [1000] * 10
    images = data.read(np.arange(100))
    assert isinstance(images, np.ndarray)
    assert images.shape == (100, 1, 28, 28)
    assert (images.min(), images.max()) == (0.0, 1.0)
    # The first test image is an ankle boot; its toe points left.
    assert data.classes[data.labels[0]] == "Ankle boot"
    assert images[0, 0, 14:, :14].sum() > images[0, 0, :14, :14].sum()
    assert data.ids[:2] == ("test-00000", "test-00001")
    assert list(data.derived) == ["brightness", "contrast", "ink"]


@needs("fashion-mnist")
def test_the_training_inputs_are_known_to_the_test_split() -> None:
    training, test = fashion_mnist.load("train"), fashion_mnist.load("test")
    assert len(training) == 60_000
    assert test.training_digests is not None
    assert training.training_digests is None
    pixels = training.read(np.arange(3))
    assert {input_digest(one) for one in pixels} <= test.training_digests
    everything = training.read(np.arange(60_000))
    assert isinstance(everything, np.ndarray)
    assert everything.mean() == pytest.approx(fashion_mnist.MEAN[0], abs=1e-4)
    assert everything.std() == pytest.approx(fashion_mnist.STD[0], abs=1e-4)


def test_there_is_no_validation_split() -> None:
    with pytest.raises(DataError, match="no split 'validation'"):
        fashion_mnist.load("validation")
