"""Mirrors auditkit/models/onnx/wire.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import NodeProto, TensorProto

from auditkit.errors import ModelError
from auditkit.models.onnx.wire import Fuel, fields, integer, integers, real, text


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_whole_numbers_are_those_of_the_library(values: list[int]) -> None:
    data = TensorProto(dims=values, int64_data=values).SerializeToString()
    found = {1: [], 7: []}
    for number, content in fields(memoryview(data), Fuel()):
        found[number] += integers(content)  # one by one, and packed
    assert found == {1: values, 7: values}


@given(st.text())
def test_texts_are_those_of_the_library(name: str) -> None:
    name = name.encode("utf-8", "ignore").decode()
    data = NodeProto(op_type=name, input=[name]).SerializeToString()
    assert all(text(content) == name for _, content in fields(memoryview(data), Fuel()))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        for _, content in fields(memoryview(data), Fuel()):
            assert isinstance(content, int) or len(content) <= len(data)
    except ModelError:
        pass


@pytest.mark.parametrize("data", [b"\x0a\x05ab", b"\x08", b"\x08" + b"\xff" * 11, b"\x0d\x00"])
def test_a_field_that_does_not_end_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match="damaged"):
        list(fields(memoryview(data), Fuel()))


def test_an_unknown_kind_of_field_is_refused() -> None:
    with pytest.raises(ModelError, match="unknown kind 3"):
        list(fields(memoryview(b"\x0b"), Fuel()))


def test_a_field_of_another_kind_than_expected_is_refused() -> None:
    view = memoryview(b"a")
    for wrong in (lambda: integer(view), lambda: text(1), lambda: real(view)):
        with pytest.raises(ModelError, match="damaged"):
            wrong()


def test_fields_have_a_limit() -> None:
    with pytest.raises(ModelError, match="more than"):
        list(fields(memoryview(b"\x08\x01" * 11), Fuel(10)))
