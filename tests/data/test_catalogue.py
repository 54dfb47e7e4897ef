"""Mirrors auditkit/data/catalogue.py."""

from __future__ import annotations

import json

import pytest

from auditkit.data.catalogue import EMBEDDED
from auditkit.data.splits import SPLITS


@pytest.mark.parametrize("name", list(EMBEDDED))
def test_what_is_listed_is_what_is_loaded(name: str) -> None:
    known = EMBEDDED[name]
    for split in SPLITS:
        data = known.load(split)
        assert len(data) == known.sizes[split]
        assert (data.name, data.modality, data.classes) == (name, known.modality, known.classes)
        for column in data.attributes:
            assert str(column) in known.columns
    facts = known.facts()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["summary"] == known.summary
    assert facts["test"] == known.sizes["test"]
    text = known.as_text()
    assert known.summary in text
    assert f"--data {name}" in text
    assert known.terms in text
