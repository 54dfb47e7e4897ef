"""Mirrors auditkit/render/__init__.py."""

from __future__ import annotations

import json

import pytest

from auditkit.errors import ConfigError
from auditkit.render import FORMATS, render
from tests.render.sample import text_result


def test_every_format_has_a_file_and_a_text() -> None:
    assert {name: one.file for name, one in FORMATS.items()} == {
        "html": "report.html",
        "json": "result.json",
        "junit": "junit.xml",
        "md": "summary.md",
    }
    for name in FORMATS:
        assert render(text_result(), name).endswith("\n")
    assert json.loads(render(text_result(), "json"))["schema"] == 1


def test_an_unknown_format_names_the_near_miss() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'html'"):
        render(text_result(), "htm")


def test_what_was_survived_stands_in_every_report_for_people() -> None:
    result = text_result()
    said = "Batch size halved from 128 to 64: <b>out of memory</b>."
    made = result.provenance.model_copy(update={"incidents": [said], "memory": 1 << 30})
    survived = result.model_copy(update={"provenance": made})
    shown = "Batch size halved from 128 to 64: &lt;b&gt;out of memory&lt;/b&gt;."
    for name in ("html", "md"):
        assert "What went wrong and was survived" in render(survived, name)
        assert shown in render(survived, name)
        assert "What went wrong and was survived" not in render(result, name)
    assert "1,024 MiB" in render(survived, "html")
