"""Mirrors auditkit/models/onnx/session.py."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from auditkit.errors import ModelError
from auditkit.models.onnx import session as session_module
from auditkit.models.onnx.session import Session, as_rows, filled
from tests.models.onnx.files import cnn, looping

IMAGES = np.random.default_rng(0).random((7, 1, 6, 6), dtype=np.float32)


def test_a_fixed_batch_is_filled_up_and_cut() -> None:
    wanted = Session(cnn().SerializeToString(), batch=None).scores(IMAGES)
    found = Session(cnn(batch=4).SerializeToString(), batch=4).scores(IMAGES)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_the_last_input_is_repeated() -> None:
    np.testing.assert_array_equal(filled(np.array([1, 2]), 4), [1, 2, 2, 2])
    np.testing.assert_array_equal(filled(np.array([1, 2]), 2), [1, 2])


def test_what_fails_is_said_in_one_line() -> None:
    with pytest.raises(ModelError, match=r"onnxruntime failed: .*x") as caught:
        Session(cnn().SerializeToString(), batch=None).scores(IMAGES[:, :, :5])
    assert "\n" not in caught.value.message
    with pytest.raises(ModelError, match="onnxruntime cannot run this model"):
        Session(b"nonsense", batch=None)


@pytest.mark.parametrize(
    ("shape", "wanted"), [((3,), (3, 1)), ((3, 2, 1, 1), (3, 2)), ((3, 1), (3, 1))]
)
def test_scores_become_rows(shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    assert as_rows(np.zeros(shape), 3).shape == wanted


@pytest.mark.parametrize("shape", [(2, 3), (3, 2, 4), ()])
def test_anything_else_is_no_rows_of_scores(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="answers 3 inputs with the shape"):
        as_rows(np.zeros(shape), 3)


def test_it_starts_no_threads_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = _threads()
    session = Session(cnn().SerializeToString(), batch=None)
    session.scores(np.repeat(IMAGES, 50, axis=0))
    assert _threads() == before
    assert list(tmp_path.iterdir()) == []


def test_a_loop_that_does_not_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "PATIENCE", 0.5)
    monkeypatch.setattr(session_module, "PER_INPUT", 0.1)
    session = Session(looping(2.0**60).SerializeToString(), batch=None)
    before, dark, white = threading.active_count(), 0.9 * IMAGES, np.ones_like(IMAGES)
    wanted = Session(cnn().SerializeToString(), batch=None).scores(dark)
    np.testing.assert_allclose(session.scores(dark), wanted, rtol=1e-5)
    with pytest.raises(TimeoutError, match=r"loops did not end within 1\.2 s on 7 inputs"):
        session.scores(white)
    np.testing.assert_allclose(session.scores(dark), wanted, rtol=1e-5)
    assert threading.active_count() == before


def test_a_model_without_loops_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "PATIENCE", 0.0)
    monkeypatch.setattr(session_module, "PER_INPUT", 0.0)
    assert Session(cnn().SerializeToString(), batch=None).scores(IMAGES).shape == (7, 3)


def _threads() -> int:
    tasks = Path("/proc/self/task")
    return len([*tasks.iterdir()]) if tasks.exists() else 0  # only Linux tells
