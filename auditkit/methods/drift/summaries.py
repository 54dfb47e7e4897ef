"""A few numbers for each input, by which two samples are compared without any model."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import adaptive_avg_pool2d

from auditkit.data.schema import Schema
from auditkit.randomness import generator
from auditkit.types import Floats

SIDE = 8  # of the small image
BUCKETS = 32  # that words are sorted into
WIDEST = 64  # numbers of a vector, beyond which it is projected


class Summary(NamedTuple):
    """Numbers (n, d) of n inputs, and what each stands for."""

    values: Floats
    names: tuple[str, ...]


def of_images(images: Floats) -> Summary:
    """Return the mean of every field of a grid of at most 8 by 8, and how much fine detail it has.

    A mean hides what varies within a field, such as noise, which averages out, and blur. So beside
    the means stands, channel by channel, the mean absolute difference of neighbouring pixels.

    Parameters
    ----------
    images : ndarray
        (n, c, h, w)
    """
    _, c, h, w = images.shape
    whole = torch.from_numpy(images).double()
    small = adaptive_avg_pool2d(whole, (min(SIDE, h), min(SIDE, w)))
    names = [
        f"channel {k + 1}, field ({i + 1}, {j + 1})"
        for k in range(c)
        for i in range(small.shape[2])
        for j in range(small.shape[3])
    ]
    fine = [whole.diff(dim=at).abs().flatten(2) for at in (2, 3)]  # (n, c, pairs of neighbours)
    detail = torch.cat(fine, dim=2).sum(dim=2) / max(1, sum(one.shape[2] for one in fine))
    names += [f"fine detail of channel {k + 1}" for k in range(c)]
    return Summary(torch.cat([small.flatten(1), detail], dim=1).numpy(), tuple(names))


def of_texts(texts: Sequence[str]) -> Summary:
    """Return lengths, shares of kinds of characters, and of the words in each of 32 buckets.

    Words fall into buckets by a hash of their lower case, so that no list of words is needed.
    """
    surface = np.array([_surface(text) for text in texts], dtype=np.float64)
    names = (
        "characters", "words", "letters per word",
        "share of capitals", "share of digits", "share of punctuation", "share beyond ASCII",
    )  # fmt: skip
    words = np.array([_buckets(text) for text in texts])
    named = (*names, *(f"share of words in bucket {i + 1}" for i in range(BUCKETS)))
    return Summary(np.concatenate([surface, words], axis=1), named)


def _surface(text: str) -> list[float]:
    words, n = text.split(), max(1, len(text))
    letters = sum(map(len, words)) / max(1, len(words))
    kinds = (
        str.isupper,
        str.isdigit,
        lambda one: not one.isalnum() and not one.isspace(),
        lambda one: ord(one) > 127,
    )
    return [len(text), len(words), letters, *(sum(map(kind, text)) / n for kind in kinds)]


def _buckets(text: str) -> Floats:
    words = [one.encode(errors="surrogatepass") for one in text.lower().split()]
    counts = np.bincount([zlib.crc32(one) % BUCKETS for one in words] or [0], minlength=BUCKETS)
    return counts / len(words) if words else np.zeros(BUCKETS)


def of_rows(rows: Floats, schema: Schema) -> Summary:
    """Return numbers as they are, a column for each category, and one for values that are missing.

    Parameters
    ----------
    rows : ndarray
        (n, c); a missing value is NaN, and becomes the mean of the training data.
    schema : Schema
        What the columns mean.
    """
    columns: list[Floats] = []
    names: list[str] = []
    for j, feature in enumerate(schema.features):
        values = rows[:, j].astype(np.float64)
        missing = np.isnan(values)
        if feature.kind == "numeric":
            columns.append(np.where(missing, feature.mean, values))
            names.append(feature.name)
        for i, category in enumerate(feature.categories):
            columns.append(np.where(missing, 0.0, values == i))
            names.append(f"{feature.name} is {category}")
        columns.append(missing.astype(np.float64))
        names.append(f"{feature.name} is missing")
    return Summary(np.stack(columns, axis=1), tuple(names))


def of_graphs(graphs: Floats, tags: Sequence[str]) -> Summary:
    """Return numbers of nodes and edges, degrees, and the share of each kind of node.

    Parameters
    ----------
    graphs : ndarray
        (n, v, d + v): tags as ones among zeros, then who is joined to whom; rows of zeros are no
        nodes.
    tags : sequence of str
        d names.
    """
    d = len(tags)
    kinds = graphs[:, :, :d].sum(axis=1).astype(np.float64)  # (n, d)
    degrees = graphs[:, :, d:].sum(axis=2).astype(np.float64)  # (n, v)
    nodes = np.maximum(kinds.sum(axis=1), 1)
    total = degrees.sum(axis=1)
    columns = [kinds.sum(axis=1), total / 2, total / nodes, degrees.max(axis=1)]
    names = (
        "nodes",
        "edges",
        "mean degree",
        "highest degree",
        *(f"share of {tag}" for tag in tags),
    )
    return Summary(
        np.concatenate([np.stack(columns, axis=1), kinds / nodes[:, None]], axis=1), names
    )


def projected(values: Floats, *, key: int, widest: int = WIDEST) -> Floats:
    """Return vectors (n, d) of more than `widest` numbers in so many random directions.

    Distances are kept but for a few percent (Johnson and Lindenstrauss, 1984); the directions
    follow from the key alone.
    """
    d = values.shape[1]
    if d <= widest:
        return values
    return values @ generator(key).normal(size=(d, widest)) / np.sqrt(widest)
