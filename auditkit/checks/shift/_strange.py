"""Inputs that the model was not made for, by where they come from.

Every one stands beside one measured input, which gives it its key, so that shards change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.data import digits, glyphs, phrases
from auditkit.data.dataset import Dataset
from auditkit.methods.ood import strange_graphs, strange_images, strange_rows, strange_texts
from auditkit.models.classifier import Inputs
from auditkit.randomness import keys_of
from auditkit.types import Bools, Ints, Keys, Modality

_POOL = 2000  # known inputs at most, from which words and columns are drawn
_EMBEDDED: dict[Modality, dict[str, Callable[[str], Dataset]]] = {
    "image": {"digits": digits.load, "glyphs": glyphs.load},
    "text": {"phrases": phrases.load},
}
WORDS = {
    "uniform-noise": "every pixel uniform at random",
    "gaussian-noise": "every pixel normal at random, mean .5 and standard deviation .25 of the"
    " range, clipped",
    "shuffled-pixels": "the measured images with their own pixels in another order",
    "corrupted": "the measured images, each under one published corruption at severity 5",
    "digits": "handwritten digits, made to fit",
    "glyphs": "rendered shapes, made to fit",
    "shuffled-words": "the measured texts with their own words in another order",
    "random-words": "as many words drawn from all texts of the fitted half",
    "random-letters": "words of letters at random",
    "phrases": "praise and complaint from a grammar",
    "independent-columns": "rows each of whose columns comes from another row",
    "uniform-rows": "rows of values anywhere in the range of each column",
    "out-of-range": "the measured rows with every number one to three ranges outside its range",
    "shuffled-tags": "the measured graphs with their nodes' tags in another order",
    "random-edges": "the measured graphs with as many edges at random places",
}
CHANGED = frozenset(  # versions of the measured inputs themselves
    {"shuffled-pixels", "corrupted", "shuffled-words", "out-of-range", "shuffled-tags"}
    | {"random-edges"}
)


@final
@dataclass(frozen=True)
class Strange:
    """Inputs of one source, and the rows of the shard that they stand beside."""

    source: str
    inputs: Inputs  # m of them
    rows: Ints  # (m,)


def strange_inputs(
    artifacts: Artifacts, rows: Ints, known: Ints, purpose: str
) -> Iterator[Strange]:
    """Yield the inputs of every source that suits the model.

    A source of the user's own (another data set) would be one more `_from_data` here.

    Parameters
    ----------
    artifacts : Artifacts
        A shard.
    rows : ndarray
        (m,) the measured inputs of the shard.
    known : ndarray
        Positions in the whole sample that scores were fitted on; words and columns come from these.
    purpose : str
        Names the keys: the check.
    """
    made = _MADE[artifacts.classifier.modality]
    for source, make in made.items():
        keys = artifacts.keys(f"{purpose}/{source}")[rows]
        yield Strange(source, make(artifacts, rows, keys, known), rows)
    for name, load in _EMBEDDED.get(artifacts.classifier.modality, {}).items():
        if name != artifacts.data.name:
            yield _from_data(artifacts, rows, known, load("test"), purpose)


def _from_data(
    artifacts: Artifacts, rows: Ints, known: Ints, other: Dataset, purpose: str
) -> Strange:
    """Put each input of another data set beside at most one measured input, at random."""
    beside = artifacts.once(
        (purpose, "beside", other.name),
        lambda: _beside(artifacts, known, len(other), f"{purpose}/{other.name}"),
    )
    partner = beside[artifacts.positions[rows]]  # (m,), -1 where none is left
    taken = partner >= 0
    batch = other.read(partner[taken])
    if isinstance(batch, list):
        return Strange(other.name, batch, rows[taken])
    images = strange_images.made_to_fit(torch.from_numpy(batch), artifacts.image_model.input_shape)
    return Strange(other.name, _raw(artifacts, images), rows[taken])


def _beside(artifacts: Artifacts, known: Ints, size: int, purpose: str) -> Ints:
    """Return which of `size` other inputs stands beside each input of the whole sample (n,)."""
    measured = np.setdiff1d(np.arange(len(artifacts.data)), known)
    keys = keys_of(artifacts.seed, purpose, [artifacts.data.ids[i] for i in measured.tolist()])
    order = measured[np.argsort(keys, kind="stable")]
    beside = np.full(len(artifacts.data), -1)
    count = min(size, len(order))
    beside[order[:count]] = _spread(size, count)
    return beside


def _spread(size: int, count: int) -> Ints:
    """Return `count` of `size` places, evenly apart: data sets are often sorted."""
    return np.arange(count) * size // count if count else np.empty(0, dtype=np.int64)


# --- images, texts, rows, graphs -----------------------------------------------------------------


def _unit(artifacts: Artifacts, rows: Ints) -> Tensor:
    low, high = artifacts.image_model.bounds
    return ((artifacts.images[rows] - low) / (high - low)).clamp(0, 1)


def _raw(artifacts: Artifacts, images: Tensor) -> Tensor:
    low, high = artifacts.image_model.bounds
    return low + images * (high - low)


_Make = Callable[[Artifacts, Ints, Keys, Ints], Inputs]


def _image(change: Callable[[Tensor, Keys], Tensor]) -> _Make:
    def make(artifacts: Artifacts, rows: Ints, keys: Keys, known: Ints) -> Inputs:  # noqa: ARG001
        return _raw(artifacts, change(_unit(artifacts, rows), keys))

    return make


def _texts(artifacts: Artifacts, rows: Ints) -> list[str]:
    return [artifacts.texts[i] for i in rows]


def _shuffled_words(artifacts: Artifacts, rows: Ints, keys: Keys, known: Ints) -> Inputs:  # noqa: ARG001
    return strange_texts.shuffled_words(_texts(artifacts, rows), keys)


def _random_words(artifacts: Artifacts, rows: Ints, keys: Keys, known: Ints) -> Inputs:
    def words() -> Sequence[str]:
        texts = artifacts.data.read(known[:_POOL])
        assert isinstance(texts, list)
        return [word for text in texts for word in text.split()] or ["a"]

    drawn = artifacts.once(("strange", "words", known.tobytes()), words)
    return strange_texts.random_words(_texts(artifacts, rows), keys, words=drawn)


def _random_letters(artifacts: Artifacts, rows: Ints, keys: Keys, known: Ints) -> Inputs:  # noqa: ARG001
    return strange_texts.random_letters(_texts(artifacts, rows), keys)


def _independent_columns(artifacts: Artifacts, rows: Ints, keys: Keys, known: Ints) -> Inputs:
    pool = _pool(artifacts, known)
    here = _numbers(artifacts, rows)
    return torch.from_numpy(strange_rows.independent_columns(here, keys, pool=pool))


def _uniform_rows(artifacts: Artifacts, rows: Ints, keys: Keys, known: Ints) -> Inputs:
    here, schema = _numbers(artifacts, rows), artifacts.table_model.schema
    pool = _pool(artifacts, known)
    return torch.from_numpy(strange_rows.uniform_rows(here, keys, pool=pool, schema=schema))


def _out_of_range(artifacts: Artifacts, rows: Ints, keys: Keys, known: Ints) -> Inputs:
    here, schema = _numbers(artifacts, rows), artifacts.table_model.schema
    pool = _pool(artifacts, known)
    return torch.from_numpy(strange_rows.out_of_range(here, keys, pool=pool, schema=schema))


def _graph(change: Callable[[np.ndarray, Keys], np.ndarray]) -> _Make:
    def make(artifacts: Artifacts, rows: Ints, keys: Keys, known: Ints) -> Inputs:  # noqa: ARG001
        return torch.from_numpy(change(_numbers(artifacts, rows), keys))

    return make


def _numbers(artifacts: Artifacts, rows: Ints) -> np.ndarray:
    assert isinstance(artifacts.inputs, Tensor)
    return artifacts.inputs[rows].numpy()


def _pool(artifacts: Artifacts, known: Ints) -> np.ndarray:
    def read() -> np.ndarray:
        batch = artifacts.data.read(known[:_POOL])
        assert not isinstance(batch, list)
        return batch

    return artifacts.once(("strange", "pool", known.tobytes()), read)


_MADE: dict[Modality, dict[str, _Make]] = {
    "image": {
        "uniform-noise": _image(strange_images.uniform_noise),
        "gaussian-noise": _image(strange_images.gaussian_noise),
        "shuffled-pixels": _image(strange_images.shuffled_pixels),
        "corrupted": _image(strange_images.corrupted),
    },
    "text": {
        "shuffled-words": _shuffled_words,
        "random-words": _random_words,
        "random-letters": _random_letters,
    },
    "tabular": {
        "independent-columns": _independent_columns,
        "uniform-rows": _uniform_rows,
        "out-of-range": _out_of_range,
    },
    "graph": {
        "shuffled-tags": _graph(strange_graphs.shuffled_tags),
        "random-edges": _graph(strange_graphs.random_edges),
    },
}
