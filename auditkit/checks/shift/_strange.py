"""Inputs that the model was not made for, by where they come from.

Every one stands beside one measured input, which gives it its key, so that shards change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.checks.shifted import Shifted
from auditkit.data import digits, glyphs, phrases
from auditkit.data.dataset import Dataset
from auditkit.methods.ood import strange_graphs, strange_images, strange_rows, strange_texts
from auditkit.models.classifier import Inputs
from auditkit.randomness import keys_of
from auditkit.types import Bools, Ints, Keys, Modality

_EMBEDDED: dict[Modality, dict[str, Callable[[str], Dataset]]] = {
    "image": {"digits": digits.load, "glyphs": glyphs.load},
    "text": {"phrases": phrases.load},
}
WORDS = {
    "uniform-noise": "pixels uniform at random",
    "gaussian-noise": "pixels normal at random",
    "shuffled-pixels": "the images' own pixels, reordered",
    "corrupted": "the images, corrupted at severity 5",
    "digits": "handwritten digits, made to fit",
    "glyphs": "rendered shapes, made to fit",
    "shuffled-words": "the texts' own words, reordered",
    "random-words": "words of all texts, mixed",
    "random-letters": "words of letters at random",
    "phrases": "praise and complaint from a grammar",
    "mixed-columns": "each column from another row",
    "uniform-rows": "any values within the ranges",
    "out-of-range": "numbers far outside their ranges",
    "shuffled-tags": "the graphs' own tags, reordered",
    "random-edges": "as many edges, at random places",
}
SHIFT = "shift-"  # what the names of the user's own data begin with
CHANGED = frozenset(  # versions of the measured inputs themselves
    {"shuffled-pixels", "corrupted", "shuffled-words", "out-of-range", "shuffled-tags"}
    | {"random-edges"}
)


class Halves(NamedTuple):
    """What scores are fitted on, and what is measured."""

    fitted: Ints  # positions in the whole sample, of one half; words and columns come from these
    measured: Bools  # (n,) of the whole sample: the other half


@final
@dataclass(frozen=True)
class Strange:
    """Inputs of one source, and the rows of the shard that they stand beside."""

    source: str
    inputs: Inputs  # m of them
    rows: Ints  # (m,)


def sources_of(artifacts: Artifacts, own: Sequence[Shifted] = ()) -> list[str]:
    """Return the names of the sources that suit the model, then of the user's own data."""
    modality = artifacts.classifier.modality
    made = list(_MADE[modality])
    if modality == "tabular" and all(
        one.categories for one in artifacts.table_model.schema.features
    ):
        made.remove("out-of-range")  # nothing has a range
    embedded = (name for name in _EMBEDDED.get(modality, {}) if name != artifacts.data.name)
    return [*made, *embedded, *(SHIFT + one.name for one in own)]


def strange_inputs(
    artifacts: Artifacts, halves: Halves, purpose: str, own: Sequence[Shifted] = ()
) -> Iterator[Strange]:
    """Yield the inputs of every source that suits the model, for the measured ones of a shard.

    Parameters
    ----------
    artifacts : Artifacts
        A shard.
    halves : Halves
        Of the whole sample.
    purpose : str
        Names the keys: the check.
    own : sequence of Shifted
        The user's own data, taken as they are.
    """
    (rows,) = np.nonzero(halves.measured[artifacts.positions])
    if len(rows) == 0:
        return
    modality = artifacts.classifier.modality
    mine = {SHIFT + one.name: one.data for one in own}
    for source in sources_of(artifacts, own):
        if source in _MADE[modality]:
            keys = artifacts.keys(f"{purpose}/{source}")[rows]
            made = _MADE[modality][source](artifacts, rows, keys, halves.fitted)
            yield Strange(source, made, rows)
        else:
            other = mine[source] if source in mine else _EMBEDDED[modality][source]("test")
            found = _from_data(artifacts, rows, halves, other, purpose, source)
            if len(found.rows):
                yield found


def _from_data(
    artifacts: Artifacts, rows: Ints, halves: Halves, other: Dataset, purpose: str, source: str
) -> Strange:
    """Put each input of another data set beside at most one measured input, at random."""
    beside = artifacts.once(
        (purpose, "beside", source, other.sha256, len(other)),
        lambda: _beside(artifacts, halves.measured, len(other), f"{purpose}/{source}"),
    )
    partner = beside[artifacts.positions[rows]]  # (m,), -1 where none is left
    taken = partner >= 0
    if not taken.any():
        return Strange(source, [], rows[taken])
    batch = other.read(partner[taken])
    if isinstance(batch, list):
        return Strange(source, batch, rows[taken])
    if source.startswith(SHIFT):  # of the model's own shape: `shifted` saw to it
        return Strange(source, torch.from_numpy(batch), rows[taken])
    images = strange_images.made_to_fit(torch.from_numpy(batch), artifacts.image_model.input_shape)
    return Strange(source, _raw(artifacts, images), rows[taken])


def _beside(artifacts: Artifacts, measured: Bools, size: int, purpose: str) -> Ints:
    """Return which of `size` other inputs stands beside each input of the whole sample (n,)."""
    (rows,) = np.nonzero(measured)
    keys = keys_of(artifacts.seed, purpose, [artifacts.data.ids[i] for i in rows.tolist()])
    order = rows[np.argsort(keys, kind="stable")]
    beside = np.full(len(measured), -1)
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
        texts = artifacts.data.read(known)
        assert isinstance(texts, list)
        return [word for text in texts for word in text.split()] or ["a"]

    drawn = artifacts.once(("strange", "words"), words)
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
        batch = artifacts.data.read(known)
        assert not isinstance(batch, list)
        return batch

    return artifacts.once(("strange", "pool"), read)


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
        "mixed-columns": _independent_columns,
        "uniform-rows": _uniform_rows,
        "out-of-range": _out_of_range,
    },
    "graph": {
        "shuffled-tags": _graph(strange_graphs.shuffled_tags),
        "random-edges": _graph(strange_graphs.random_edges),
    },
}
