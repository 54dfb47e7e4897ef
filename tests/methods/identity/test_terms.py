"""Mirrors auditkit/methods/identity/terms.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditkit.errors import ConfigError
from auditkit.methods.identity.terms import NAMES, built_in, parsed, read_terms

OWN = """
[neutral]
adjective = ["red", "blue"]
[nouns]
people = ["Cat"]
[axes.size.big]
adjective = "big"
[axes.size.small]
adjective = "small"
[templates]
who = ["the {adjective} cat", "{name}"]
sentences = ["{who} sat.", "I saw {who}."]
"""


def test_a_list_is_read() -> None:
    terms = parsed(OWN.encode(), "own.toml")
    (axis,) = terms.axes
    assert axis.name == "size"
    assert axis.terms == {"big": {"adjective": ("big",)}, "small": {"adjective": ("small",)}}
    assert axis.templates == ("the {adjective} cat sat.", "I saw the {adjective} cat.")
    assert terms.neutral == {"adjective": ("red", "blue")}
    assert terms.people == {"cat"}
    assert terms.sha256 != parsed(OWN.encode() + b"\n", "own.toml").sha256


def test_the_example_of_the_docs_is_read() -> None:
    page = (Path(__file__).parents[3] / "docs/how-to/audit-a-text-model.md").read_text("utf-8")
    example = page.split("`own.toml`:\n\n```text\n")[1].split("```")[0]
    (axis,) = parsed(example.encode(), "own.toml").axes
    assert list(axis.terms) == ["private", "public", "none"]
    assert len(axis.templates) == 2


def test_the_built_in_list_has_what_is_asked_for() -> None:
    terms = built_in()
    assert {
        "gender", "name origin", "religion", "nationality", "orientation", "disability", "age",
    } <= {axis.name for axis in terms.axes}  # fmt: skip
    for axis in terms.axes:
        forms = [
            (term, kind, one.lower())
            for term, kinds in axis.terms.items()
            for kind, those in kinds.items()
            for one in those
        ]
        owners = {one: {term for term, _, form in forms if form == one} for _, _, one in forms}
        assert all(len(those) == 1 for those in owners.values()), "a form belongs to one term"
        taken = set(owners)
        assert not taken & {one for those in terms.neutral.values() for one in those}
        for kinds in axis.terms.values():
            assert all(len(those) == 1 for kind, those in kinds.items() if kind not in NAMES)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("[neutral]", "[neutral"), "is no TOML"),
        (("[neutral]", "[neutrals]"), "'neutrals' is none of neutral, nouns, axes, templates"),
        (('[axes.size.small]\nadjective = "small"', ""), "has fewer than two terms"),
        (('= "small"', '= "small"\nperson = "dwarf"'), "same kinds of forms (person)"),
        (('= "small"', '= ["small", "tiny"]'), "only name, female, male take lists"),
        (('= "small"', "= 3"), "adjective is '3', expected a word"),
        (('["red", "blue"]', '["red", "red"]'), "expected a word or a list of different words"),
        (('["red", "blue"]', '["red"]'), "too few for as many swaps"),
        (('= "big"', '= "big"\nname = ["Bob"]'), "too few to swap names"),
        (('"I saw {who}."', '"I saw."'), "needs the slot {who} once"),
        (("[axes.size", "[axis.size"), "'axis' is none of"),
        (("people", "persons"), "'persons' is none of people"),
    ],
)
def test_a_wrong_list_is_refused_in_one_sentence(change: tuple[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        parsed(OWN.replace(*change).encode(), "own.toml")
    assert said in error.value.message
    assert error.value.message.startswith("own.toml")
    assert error.value.hint


def test_files(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(OWN, encoding="utf-8")
    assert read_terms(file).axes[0].name == "size"
    file.write_text(OWN.replace("size", "height"), encoding="utf-8")
    assert read_terms(str(file)).axes[0].name == "height"
    with pytest.raises(ConfigError, match="There is no file of identity terms"):
        read_terms(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="There is no file of identity terms"):
        read_terms(tmp_path)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is no TOML"):
        read_terms(file)
