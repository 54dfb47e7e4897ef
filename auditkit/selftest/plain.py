"""Networks without a flaw, which are the sound twins or the parents of several others."""

from __future__ import annotations

from auditkit.data import digits
from auditkit.models.classifier import Classifier
from auditkit.selftest import teach


def plain_digits(seed: int) -> Classifier:
    """Return a network that reads digits."""
    data = digits.load("train")
    return teach.digit_reader(seed, teach.images_of(data), teach.labels_of(data))


def plain_glyphs(seed: int) -> Classifier:
    """Return a network that reads glyphs."""
    data = teach.new_glyphs(seed)
    return teach.glyph_reader(seed, teach.images_of(data), teach.labels_of(data))
