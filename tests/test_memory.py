"""Mirrors auditkit/memory.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from auditkit.errors import ModelError
from auditkit.memory import bytes_per_input, fitting_batch, is_out_of_memory
from auditkit.models.classifier import ImageClassifier
from tests.faults.networks import Wide


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate"
        ),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
        RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : std::bad_alloc"),
        RuntimeError("[ONNXRuntimeError] : Failed to allocate memory for requested buffer"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_errors_for_want_of_memory(error: Exception) -> None:
    assert is_out_of_memory(error)
    wrapped = ModelError("The function failed.")
    wrapped.__cause__ = error
    assert is_out_of_memory(wrapped)


def test_real_errors_of_torch_and_numpy() -> None:
    import numpy as np

    with pytest.raises(RuntimeError) as torch_says:
        torch.empty(1 << 60)
    with pytest.raises(MemoryError) as numpy_says:
        np.empty(1 << 55)
    assert is_out_of_memory(torch_says.value)
    assert is_out_of_memory(numpy_says.value)


@pytest.mark.parametrize("error", [RuntimeError("shape mismatch"), ValueError("out of memory")])
def test_other_errors(error: Exception) -> None:
    assert not is_out_of_memory(error)


def test_bytes_per_input_counts_what_a_forward_pass_makes() -> None:
    def model(module: nn.Module) -> ImageClassifier:
        digits = [str(i) for i in range(10)]
        return ImageClassifier(module, classes=digits, input_shape=(1, 8, 8))

    images = torch.rand(20, 1, 8, 8)
    plain = model(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)))
    assert 2 * 40 <= bytes_per_input(plain, images) < 4096
    four_mib = 64 * (1 << 14) * 4
    assert 2 * four_mib <= bytes_per_input(model(Wide()), images) < 2.1 * four_mib


def test_the_batch_that_fits() -> None:
    assert fitting_batch(1 << 30, 1, used=0, most=128) == 128
    assert fitting_batch(1000, 20, used=200, most=128) == 32
    assert fitting_batch(100, 20, used=200, most=128) == 1, "a batch has at least one input"
