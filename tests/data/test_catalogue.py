"""Mirrors auditkit/data/catalogue.py."""

from __future__ import annotations

import json

import pytest

from auditkit.data.catalogue import DATA
from tests.published import needs


@pytest.mark.parametrize("name", [pytest.param(one, marks=needs(one)) for one in DATA])
def test_what_is_listed_is_what_is_loaded(name: str) -> None:
    known = DATA[name]
    for split, size in known.sizes.items():
        if size > 20_000:
            continue  # Fashion-MNIST's training split has a test of its own
        data = known.load(split)
        assert len(data) == size
        assert (data.name, data.modality, data.classes) == (name, known.modality, known.classes)
        for column in data.attributes:
            assert str(column) in known.columns


@pytest.mark.parametrize("name", list(DATA))
def test_a_listing_is_plain_data_and_a_page_says_the_terms(name: str) -> None:
    known = DATA[name]
    facts = known.facts()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["summary"] == known.summary
    assert facts["test"] == known.sizes["test"]
    text = known.as_text()
    assert known.summary in text
    assert f"--data {name}" in text
    assert known.terms in text
    for file in known.files:
        assert file.name in text
        assert len(file.sha256.split()[0]) == 64
