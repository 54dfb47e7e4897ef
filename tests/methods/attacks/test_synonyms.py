"""Mirrors auditkit/methods/attacks/synonyms.py."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from auditkit.errors import ConfigError
from auditkit.methods.attacks.synonyms import built_in, read_synonyms
from tests.conftest import SHARED


def written(folder: Path, text: str | bytes, name: str = "words.txt") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_groups_and_one_way_lists(tmp_path: Path) -> None:
    known = read_synonyms(
        written(
            tmp_path, "# mine\nBig, large ,huge\n\nfilm: motion picture  # not back\nbig, vast\n"
        )
    )
    assert known("big") == ("large", "huge", "vast")
    assert known("Large") == ("big", "huge")
    assert known("film") == ("motion picture",)
    assert known("motion picture") == ()
    assert len(known) == 5


def test_an_object_of_lists_also_packed(tmp_path: Path) -> None:
    text = json.dumps({"big": ["large", "Huge"], "br": [], "the": ["the"]})
    plain = read_synonyms(written(tmp_path, text, "a.json"))
    packed = read_synonyms(written(tmp_path, gzip.compress(text.encode()), "b.json.gz"))
    assert plain("BIG") == packed("big") == ("large", "huge")
    assert len(plain) == 1  # nothing may replace the others
    assert plain.sha256 == packed.sha256


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("big, large\nbig,, huge\n", r"words.txt:2: '' is no word"),
        ("big, large\nsolo\n", r"words.txt:2: 'solo' names one word alone"),
        ("big, BIG\n", r"words.txt:1: .* names one word alone"),
        ("big, l\u202earge\n", r"words.txt:1: .* is no word"),
        ("\n: large\n", r"words.txt:2: '' is no word"),
        ("big, <b>\n", r"words.txt:1: '<b>' is no word"),
        (b"big, large\nbig, gro\xdf\n", r"words.txt:2: this is no UTF-8"),
        ("# nothing\n", "holds no synonym"),
        ('{"big": ["large"],\n "small" ["little"]}', "words.txt:2: this is no JSON"),
        ('{"big": "large"}', "at 'big': there is no list"),
        ('{"big": ["large", 3]}', "at 'big': '3' is no word"),
    ],
)
def test_bad_lines_are_refused_with_their_number(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        read_synonyms(written(tmp_path, text))


def test_no_file_a_folder_and_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no file of synonyms"):
        read_synonyms(tmp_path / "absent.txt")
    with pytest.raises(ConfigError, match="is no file"):
        read_synonyms(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_synonyms(written(tmp_path, gzip.compress(b"a, b")[:-6]))


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file = written(tmp_path, "big, large\n")
    assert read_synonyms(file)("big") == ("large",)
    assert read_synonyms(written(tmp_path, "big, vast, wide\n"))("big") == ("vast", "wide")


def test_the_list_that_comes_along() -> None:
    known = built_in()
    assert len(known) > 800
    assert "awful" in known("terrible")
    assert "terrible" in known("awful")  # groups work both ways
    for word, others in known.replacements.items():
        assert word not in others
        assert word == word.lower()
    opposites = [("good", "bad"), ("love", "hate"), ("dull", "exciting"), ("weak", "strong")]
    for one, other in opposites:
        assert other not in known(one)
        assert one not in known(other)


@pytest.mark.skipif(not (SHARED / "synonyms").is_dir(), reason="needs the shared data")
def test_the_large_published_list() -> None:
    known = read_synonyms(SHARED / "synonyms" / "synonyms.json.gz")
    assert len(known) > 20_000
    assert known("film")[0] == "movie"
