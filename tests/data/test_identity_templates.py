"""Mirrors auditkit/data/identity_templates.py."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import pytest

from auditkit.data import identity_templates
from auditkit.data.files import locate, looking_in
from auditkit.data.identity_templates import FILES, NOBODY, term_of
from auditkit.errors import DataError
from tests.published import needs


@needs("identity-templates")
def test_phrases_have_the_published_counts_and_every_term_as_many() -> None:
    data = identity_templates.load("test")
    assert len(data) == 76_564
    assert int(data.labels.sum()) == 38_282
    terms = Counter(data.attributes["term"].tolist())
    assert terms[NOBODY] == 864  # occupations
    assert len(terms) == 51
    assert {count for term, count in terms.items() if term != NOBODY} == {1514}
    assert len(set(data.attributes["template"].tolist())) == 6
    with pytest.raises(DataError, match="for testing alone"):
        identity_templates.load("validation")


@needs("identity-templates")
def test_the_published_file_need_not_be_packed(tmp_path: Path) -> None:
    content = locate(*FILES).read_bytes()
    plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    (tmp_path / FILES[1].name).write_bytes(plain)
    assert FILES[1].problem(tmp_path / FILES[1].name) is None
    with looking_in(tmp_path):
        assert locate(FILES[1]).parent == tmp_path


@pytest.mark.parametrize(
    ("template", "phrase", "term"),
    [
        ("verb_adj", "hug middle aged", "middle aged"),
        ("am_hate_adj", "I am lesbian", "lesbian"),
        ("being_adj", "Being african american is good", "african american"),
        ("name_adj", "Anita is a wonderful middle eastern", "middle eastern"),
        ("you_are_adj", "You are a kind sikh", "sikh"),
        ("you_occupation", "You are a nice police officer", NOBODY),
        ("unheard_of", "hug gay", NOBODY),
    ],
)
def test_the_term_of_a_phrase(template: str, phrase: str, term: str) -> None:
    assert term_of(template, phrase) == term
