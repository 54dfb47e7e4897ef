"""Mirrors auditkit/models/trusted/wire.py."""

from __future__ import annotations

import os
import pickle
import struct
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from auditkit.models.trusted.wire import LIMIT, Message, receive, send


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reads, writes = os.pipe()
    yield reads, writes
    for one in (reads, writes):
        try:
            os.close(one)
        except OSError:
            continue


def test_words_and_arrays_arrive_as_they_were(pipe: tuple[int, int]) -> None:
    reads, writes = pipe
    arrays = {
        "x": np.random.default_rng(0).normal(size=(300, 3, 32, 32)).astype(np.float32),
        "none": np.zeros((0, 4)),
        "nan": np.array([np.nan, np.inf]),
    }
    sent = Message({"do": "scores", "n": 3, "text": "naïve"}, arrays)
    thread = threading.Thread(target=send, args=(writes, sent))  # more than a pipe holds
    thread.start()
    got = receive(reads, 20)
    thread.join()
    assert got.words == sent.words
    assert got.arrays.keys() == arrays.keys()
    for name, value in arrays.items():
        np.testing.assert_array_equal(got.arrays[name], value)
    send(writes, Message({}))
    assert receive(reads) == Message({})


def test_an_end_that_closes_and_one_that_is_silent_are_told_apart(pipe: tuple[int, int]) -> None:
    reads, writes = pipe
    with pytest.raises(TimeoutError):
        receive(reads, 0.05)
    os.write(writes, struct.pack("<QQ", 10, 0) + b"{")
    with pytest.raises(TimeoutError):
        receive(reads, 0.05)
    os.close(writes)
    with pytest.raises(EOFError):
        receive(reads, 5)


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (exec, ("raise SystemExit('unpickled')",))


def archive() -> bytes:
    import io

    packed = io.BytesIO()
    np.savez(packed, x=np.array([Evil()], dtype=object))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (b"[1]", b""),
        (b"{", b""),
        (b"\xff", b""),
        (b"{}", b"no archive"),
        (pickle.dumps(Evil()), b""),
        (b"{}", pickle.dumps(Evil())),
        (b"{}", archive()),
    ],
)
def test_what_is_no_message_is_refused_and_never_unpickled(
    pipe: tuple[int, int], words: bytes, numbers: bytes
) -> None:
    reads, writes = pipe
    os.write(writes, struct.pack("<QQ", len(words), len(numbers)) + words + numbers)
    with pytest.raises(ValueError):  # noqa: PT011 - each is worded by another library
        receive(reads, 5)


def test_a_message_has_a_largest_size(pipe: tuple[int, int]) -> None:
    reads, writes = pipe
    os.write(writes, struct.pack("<QQ", LIMIT, 1))
    with pytest.raises(ValueError, match="bytes"):
        receive(reads, 5)
