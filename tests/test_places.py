"""Mirrors auditkit/places.py."""

from __future__ import annotations

from pathlib import Path

from auditkit.places import line_of_key, lines_of_limits
from auditkit.policy import load_policy

TEXT = """\
suite = "quick"
required = ["clean-accuracy"]  # line 2

[[limits]]
# a comment
finding = "clean-accuracy/accuracy/all"
min = 0.9

[parameters.pgd-linf]
steps = 3

[[limits]]
min = 0.5
finding = "pgd-linf/robust_accuracy/*"
"""


def test_each_limit_stands_on_the_line_that_names_its_finding() -> None:
    assert lines_of_limits(TEXT, 2) == [6, 14]
    assert line_of_key(TEXT, "required") == 2


def test_a_header_inside_a_text_gives_no_wrong_line() -> None:
    text = TEXT + 'reason = """\n[[limits]]\n"""\n'
    assert lines_of_limits(text, 2) == [None, None]


def test_inline_tables_stand_where_limits_is_set() -> None:
    text = 'seed = 1\nlimits = [\n  { finding = "a/b/all", min = 0 },\n]\n'
    assert lines_of_limits(text, 1) == [2]


def test_keys_of_other_tables_are_not_meant() -> None:
    assert line_of_key("[x]\nrequired = 1\n", "required") is None
    text = "[tool.other]\nrequired = 1\n[tool.audit]\nrequired = []\n"
    assert line_of_key(text, "required", table="tool.audit") == 4


def test_limits_of_a_file_know_their_place_and_those_of_a_suite_have_none(tmp_path: Path) -> None:
    file = tmp_path / "audit.toml"
    file.write_text(TEXT)
    policy = load_policy(file)
    assert [one.place for one in policy.limits] == [f"{file}:6", f"{file}:14"]
    assert policy.required_at == f"{file}:2"
    assert "place" not in str(policy.model_dump())
    file.write_text('suite = "quick"\nrequired = []\n')
    inherited = load_policy(file)
    assert inherited.limits
    assert {one.place for one in inherited.limits} == {None}
    assert inherited.required_at == f"{file}:2"


def test_pyproject_has_its_own_headers(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    own = TEXT.replace("[[limits]]", "[[tool.audit.limits]]")
    text = "[project]\nname = 'x'\n\n[tool.audit]\n" + own.replace("[param", "[tool.audit.param")
    file.write_text(text)
    lines = text.splitlines()
    for limit in load_policy(file).limits:
        assert limit.place is not None
        assert limit.finding in lines[int(limit.place.rpartition(":")[2]) - 1]
