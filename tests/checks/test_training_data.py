"""Mirrors auditkit/checks/training_data.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from auditkit.checks.training_data import given, hash_of, own_training, training_data
from auditkit.data import digits
from auditkit.errors import DataError
from auditkit.models.bundle import file_sha256
from auditkit.models.load import ModelSpec, load_model
from tests.subjects import linear_subject

CNN = load_model(ModelSpec(source="digits-cnn", device="cpu"))


def test_the_training_split_of_a_known_data_set_is_read_once() -> None:
    test = digits.load("test")
    train = training_data("check", "digits", CNN, test)
    assert train.ids == digits.load("train").ids
    assert training_data("check", "digits", CNN, test) is train
    assert hash_of("digits") == {"train_sha256": "digits"}
    assert hash_of("") == {}


def test_only_what_the_card_names_is_a_model_s_own() -> None:
    test = digits.load("test")
    assert own_training(CNN, test) == "digits"
    assert not own_training(CNN, replace(test, name="glyphs"))
    assert not own_training(linear_subject(0).model, test)


def test_a_file_is_read_in_the_model_s_terms(tmp_path: Path) -> None:
    file, images = tmp_path / "taught.npz", np.zeros((4, 1, 8, 8), dtype=np.float32)
    np.savez_compressed(file, x_train=images, y_train=np.arange(4), x_test=images[:1], y_test=[0])
    train = training_data("check", str(file), CNN, digits.load("test"))
    assert len(train) == 4
    assert hash_of(str(file)) == {"train_sha256": file_sha256(file)}


def test_what_does_not_fit_is_an_error(tmp_path: Path) -> None:
    test = digits.load("test")
    with pytest.raises(DataError, match=r"--train-data .*gone"):
        training_data("check", str(tmp_path / "gone.npz"), CNN, test)
    with pytest.raises(DataError, match="--train-data phrases"):
        training_data("check", "phrases", CNN, test)
    file = tmp_path / "large.npz"
    np.savez_compressed(file, x=np.zeros((2, 1, 9, 9), dtype=np.float32), y=np.arange(2))
    with pytest.raises(DataError, match=r"--train-data .*\(2, 1, 9, 9\)"):
        training_data("check", str(file), CNN, test)


def test_a_name_means_data_in_memory_within_the_block() -> None:
    data = digits.load("train")
    with given("taught", data):
        assert training_data("check", "taught", CNN, digits.load("test")) is data
        assert hash_of("taught") == {"train_sha256": "taught"}
    with pytest.raises(DataError, match="taught"):
        training_data("check", "taught", CNN, digits.load("test"))
