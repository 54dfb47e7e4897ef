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
