"""Mirrors auditkit/data/sst2.py."""

from __future__ import annotations

import numpy as np

from auditkit.data import sst2
from auditkit.data.digest import input_digest
from tests.published import needs


@needs("sst2")
def test_the_splits_have_the_published_sizes_and_labels() -> None:
    sizes = {split: len(sst2.load(split)) for split in sst2.SIZES}
    assert sizes == sst2.SIZES
    data = sst2.load("test")
    texts = data.read(np.arange(2))
    assert texts[0] == "no movement , no yuks , not much of anything"
    assert data.classes[data.labels[0]] == "negative"
    assert data.labels.mean() == 909 / 1821


@needs("sst2")
def test_quotes_and_the_word_null_are_text() -> None:
    texts = [text for split in sst2.SIZES for text in sst2.load(split).read(np.arange(800))]
    assert all(isinstance(text, str) and text for text in texts)
    assert any('"' in text or "``" in text for text in texts)


@needs("sst2")
def test_training_sentences_are_known_to_the_other_splits() -> None:
    first = sst2.load("train").read(np.arange(1))[0]
    assert isinstance(first, str)
    known = sst2.load("test").training_digests
    assert known is not None
    assert input_digest(first) in known
