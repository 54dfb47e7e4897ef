"""Mirrors auditkit/models/pickles.py."""

from __future__ import annotations

import pickle
import pickletools
from collections import OrderedDict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.errors import ModelError
from auditkit.models.pickles import COMPUTED, Mapping, is_call, read_pickle
from tests.models.files import Shout, Smuggler

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


def rebuilt(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: rebuilt(entry) for key, entry in value.pairs}
    if isinstance(value, list):
        return [rebuilt(entry) for entry in value]
    return tuple(map(rebuilt, value)) if isinstance(value, tuple) else value


@given(value=plain, protocol=st.integers(1, 5))
def test_plain_values_are_followed_exactly(value: object, protocol: int) -> None:
    data = pickle.dumps(value, protocol=protocol)
    program = read_pickle(data)
    assert rebuilt(program.result) == value
    assert program.names == ()
    assert program.size == len(data)


@pytest.mark.parametrize("protocol", range(6))
def test_names_are_found_and_nothing_is_run(tmp_path: Path, protocol: int) -> None:
    canary = tmp_path / "canary"
    program = read_pickle(pickle.dumps([Shout(canary), Smuggler()], protocol=protocol))
    assert {"posix.system", "importlib.import_module"} <= set(program.names)
    assert any(is_call(call, "posix.system") for call in program.calls)
    assert not canary.exists()


def test_a_call_whose_result_is_thrown_away_is_still_seen() -> None:
    program = read_pickle(b"cos\nsystem\n(S'true'\ntR0I1\n.")  # call, POP, 1
    assert program.result == 1
    assert program.names == ("os.system",)
    assert len(program.calls) == 1


def test_old_instructions_that_import_and_call_at_once_are_seen() -> None:
    program = read_pickle(b"(S'true'\nios\nsystem\n.")
    assert program.names == ("os.system",)
    assert "INST" in program.unusual


def test_a_name_put_together_at_run_time_is_reported_as_such() -> None:
    # STACK_GLOBAL takes its two strings from the stack: here one of them is a call's result.
    data = b"\x80\x04\x8c\x08builtins\x8c\x03str\x93)R\x8c\x06system\x93."
    assert COMPUTED in read_pickle(data).names


def test_names_are_followed_through_the_memo() -> None:
    data = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94000h\x00h\x01\x93."
    with pytest.raises(ModelError):  # three POPs on two values
        read_pickle(data)
    data = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x9400h\x00h\x01\x93."
    assert read_pickle(data).names == ("os.system",)


def test_ordered_dictionaries_keep_their_items() -> None:
    program = read_pickle(pickle.dumps(OrderedDict(a=1, b=2), protocol=2))
    assert is_call(program.result, "collections.OrderedDict")
    assert program.result.pairs == [("a", 1), ("b", 2)]
    assert program.unusual == ()


@given(data=st.binary(max_size=60), cut=st.integers(0, 40))
def test_anything_is_read_or_refused(data: bytes, cut: int) -> None:
    for candidate in (data, pickle.dumps({"a": [1, (2, "b")]})[:cut], b"\x80\x04" + data):
        try:
            read_pickle(candidate)
        except ModelError:
            continue


def test_every_instruction_is_known_to_move_the_stack() -> None:
    """A new Python may bring instructions; then this reading must be looked at again."""
    assert len(pickletools.opcodes) == 68


def test_bytes_with_an_odd_escape_are_read_without_a_warning() -> None:
    """The numbers behind the pickles of an old torch file can be such bytes by chance."""
    assert read_pickle(b"c\\J\nname\n.").names == ("\\J.name",)
