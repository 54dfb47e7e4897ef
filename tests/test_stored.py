"""Mirrors auditkit/stored.py."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from auditkit import stored
from auditkit.checks.adversarial import Adversarial
from auditkit.errors import ResultError
from auditkit.stored import FILE, packed, read_inputs, unpacked, write_inputs


def images(n: int = 6, *, parameter: str = "epsilon") -> Adversarial:
    """Images whose bits are easily lost: negative zero, subnormal and neighbouring numbers."""
    points = torch.rand(n, 1, 2, 3, generator=torch.Generator().manual_seed(0))
    points[0].flatten()[:4] = torch.tensor([-0.0, 1e-40, 1.0, 1.0 - 2**-24])
    budgets = np.linspace(0.01, 0.1, n)
    ids = [f"folder/ä {i}.png" for i in range(n)]
    return Adversarial.among(ids, points, budgets, parameter=parameter, measure="linf", most=0.1)


def texts() -> Adversarial:
    some = ["a <b>", "ä \u202e", "line\nbreak", ""]
    return Adversarial.among(
        list("abcd"), some, np.arange(1.0, 5), parameter="changes", measure="words", most=9
    )


def test_every_bit_comes_back() -> None:
    before = {"pgd-linf": [images(), images(3, parameter="l2")], "token-swap": [texts()]}
    after = unpacked(packed(before))
    assert after.keys() == before.keys()
    for check, groups in before.items():
        for one, other in zip(groups, after[check], strict=True):
            assert (one.parameter, one.measure, one.ids) == (
                other.parameter,
                other.measure,
                other.ids,
            )
            assert (one.found, one.cut) == (other.found, other.cut)
            np.testing.assert_array_equal(one.budgets, other.budgets)
            if isinstance(one.inputs, list):
                assert one.inputs == other.inputs
            else:
                assert isinstance(other.inputs, np.ndarray)
                assert one.inputs.dtype == other.inputs.dtype
                assert one.inputs.tobytes() == other.inputs.tobytes()
                assert one.inputs.shape == other.inputs.shape


def test_a_group_without_inputs_keeps_its_place() -> None:
    none = images().within(0.0)
    (after,) = unpacked(packed({"check": [none]}))["check"]
    assert len(after) == 0
    assert after.found == 6
    assert after.inputs.shape == (0, 1, 2, 3)  # type: ignore[union-attr]


def test_the_result_names_the_file_and_what_it_holds(tmp_path: Path) -> None:
    about = write_inputs(tmp_path, {"pgd-linf": [images()], "token-swap": [texts()]})
    assert about is not None
    assert [(one.check, one.stored, one.found) for one in about.inputs] == [
        ("pgd-linf", 6, 6),
        ("token-swap", 4, 4),
    ]
    assert read_inputs(tmp_path, about).keys() == {"pgd-linf", "token-swap"}
    stored = pd.read_parquet(tmp_path / FILE)  # as the docs say
    assert stored.loc[stored["check"] == "pgd-linf", "numbers"].tolist()[1].shape == (6,)


def test_too_many_are_left_out_in_equal_shares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "MOST_BYTES_IN_ALL", 2 * 4 * 24)  # four images of 24 bytes each
    about = write_inputs(tmp_path, {"one": [images()], "two": [images()]})
    assert about is not None
    assert [(one.stored, one.found) for one in about.inputs] == [(4, 6), (4, 6)]
    both = read_inputs(tmp_path, about)
    assert both["one"][0].ids == both["two"][0].ids, "the same inputs in both"


def test_without_inputs_there_is_no_file_and_no_old_one(tmp_path: Path) -> None:
    write_inputs(tmp_path, {"pgd-linf": [images()]})
    assert write_inputs(tmp_path, {}) is None
    assert not (tmp_path / FILE).exists()


def test_another_file_is_refused(tmp_path: Path) -> None:
    about = write_inputs(tmp_path, {"pgd-linf": [images()]})
    assert about is not None
    write_inputs(tmp_path, {"pgd-linf": [images(5)]})
    with pytest.raises(ResultError, match="its hash differs"):
        read_inputs(tmp_path, about)
    (tmp_path / FILE).unlink()
    with pytest.raises(ResultError, match="is missing"):
        read_inputs(tmp_path, about)


def test_a_result_cannot_name_a_file_elsewhere(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    about = write_inputs(tmp_path, {"pgd-linf": [images()]})
    assert about is not None
    with pytest.raises(ResultError, match=r"inner/adversarial\.parquet is missing"):
        read_inputs(inner, about.model_copy(update={"file": f"../{FILE}"}))


def table(**columns: object) -> bytes:
    buffer = BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="zstd")
    return buffer.getvalue()


def test_what_would_unpack_to_far_too_much_is_not_unpacked() -> None:
    """A dictionary shortens a billion equal numbers, or long texts, to nothing."""
    zeros = pa.ListArray.from_arrays([0, 40_000_000], pa.array(np.zeros(40_000_000, np.float32)))
    bomb = table(numbers=zeros)
    assert len(bomb) < 200_000
    with pytest.raises(ValueError, match="would unpack to"):
        unpacked(bomb)
    with pytest.raises(ValueError, match="text is not as it is written"):
        unpacked(table(text=["x" * 10_000] * 10_000))
    with pytest.raises((ValueError, pa.ArrowException)):
        unpacked(b"PAR1 not at all PAR1")
