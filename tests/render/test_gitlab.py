"""Mirrors auditkit/render/gitlab.py."""

from __future__ import annotations

import json

from auditkit.render.gitlab import render_gitlab
from tests.render.hostile import hostile
from tests.render.sample import image_result, text_result


def test_entries_have_what_gitlab_asks_for() -> None:
    """Its report: description, check_name, fingerprint, severity, location.path, lines.begin."""
    entries = json.loads(render_gitlab(image_result()))
    assert [one["severity"] for one in entries] == ["critical", "major", "major"]
    for one in entries:
        assert set(one) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert one["location"]["lines"]["begin"] >= 1
        assert not one["location"]["path"].startswith(("./", "/"))
    assert entries[0]["location"] == {"path": "audit.toml", "lines": {"begin": 12}}
    assert entries[0]["description"].startswith("Fail. Robust accuracy at epsilon 0.1 is 30.5 %")
    assert len({one["fingerprint"] for one in entries}) == len(entries)


def test_a_pass_is_an_empty_list() -> None:
    assert json.loads(render_gitlab(text_result())) == []


def test_hostile_names_stay_texts() -> None:
    entries = json.loads(render_gitlab(hostile(image_result())))
    assert len(entries) == 3
    assert all(one["description"].isprintable() for one in entries)
