"""The same few inputs of a sample, whatever the shard: for checks that cannot afford all."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.randomness import keys_of
from auditkit.types import Bools


def drawn(artifacts: Artifacts, purpose: str, count: int) -> Bools:
    """Return which inputs of the shard (n,) have one of the `count` lowest keys of the sample."""
    return artifacts.keys(purpose) <= _lowest_key(
        artifacts.data.ids, artifacts.seed, purpose, count
    )


@lru_cache(maxsize=4)
def _lowest_key(ids: tuple[str, ...], seed: int, purpose: str, count: int) -> np.uint64:
    keys = keys_of(seed, purpose, ids)
    last = min(count, len(keys)) - 1
    return np.partition(keys, last)[last]
