"""Random numbers that belong to an input, never to the order of execution.

A key is a 64-bit number made from the run's seed, a purpose and an input id. Every draw is a pure
function of keys, so that shards, batches and workers cannot change it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from auditkit.types import Floats, Ints, Keys

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_STRIDE = np.uint64(0xD1B54A32D192ED03)  # odd, so that keys of different steps differ


def key_of(seed: int, *purpose: object) -> int:
    """Return one 64-bit key for a purpose of the whole run.

    Examples
    --------
    >>> key_of(0, "sample") == key_of(0, "sample") != key_of(1, "sample")
    True
    """
    text = "\x1f".join([str(seed), *map(str, purpose)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def keys_of(seed: int, purpose: str, ids: Sequence[str]) -> Keys:
    """Return one key per input, shape (n,)."""
    return np.array([key_of(seed, purpose, one) for one in ids], dtype=np.uint64)


def generator(key: int | np.uint64) -> np.random.Generator:
    """Return a generator of its own for a key, for draws whose number is not known beforehand."""
    return np.random.Generator(np.random.PCG64(int(key)))


def at_step(keys: Keys, step: int | Ints) -> Keys:
    """Return keys (n,) for one step of a search, the same for all or each input's own (n,).

    Examples
    --------
    >>> bool((at_step(keys_of(0, "walk", ["a"]), 1) != at_step(keys_of(0, "walk", ["a"]), 2)).all())
    True
    """
    with np.errstate(over="ignore"):
        return keys + np.asarray(step).astype(np.uint64) * _STRIDE  # wraps around


def uniform(keys: Keys, shape: tuple[int, ...], *, skip: int = 0) -> Floats:
    """Return uniform draws in (0, 1), shape (n, *shape), float64, behind the first `skip` of each.

    Counter-based (SplitMix64; Steele et al., 2014, doi:10.1145/2660193.2660195): draw j of key i
    depends on i and j alone.
    """
    count = int(np.prod(shape, dtype=np.int64))
    with np.errstate(over="ignore"):
        steps = np.arange(skip + 1, skip + count + 1, dtype=np.uint64) * _GOLDEN  # (count,)
        z = _mixed(_mixed(keys)[:, None] + steps[None, :])  # (n, count)
    draws = (z >> np.uint64(12)).astype(np.float64)
    draws += 0.5
    draws *= 2.0**-52
    return draws.reshape(len(keys), *shape)


def normal(keys: Keys, shape: tuple[int, ...], *, skip: int = 0) -> Floats:
    """Return standard normal draws, shape (n, *shape), float64, by inverting the distribution.

    The first `skip` draws of each key are left out.
    """
    from scipy.special import ndtri

    return ndtri(uniform(keys, shape, skip=skip))


def normal_in_batches(
    key: Keys, count: int, shape: tuple[int, ...], *, batch_size: int
) -> Iterator[Floats]:
    """Yield the rows of `normal(key, (count, *shape))[0]` in batches (m, *shape), m at most so big.

    For a key (1,); memory does not grow with `count`.

    Examples
    --------
    >>> key = keys_of(0, "noise", ["a"])
    >>> [len(some) for some in normal_in_batches(key, 5, (3,), batch_size=2)]
    [2, 2, 1]
    """
    size = int(np.prod(shape, dtype=np.int64))
    for first in range(0, count, batch_size):
        some = min(batch_size, count - first)
        yield normal(key, (some, *shape), skip=first * size)[0]


def _mixed(z: Keys) -> Keys:
    with np.errstate(over="ignore"):
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
