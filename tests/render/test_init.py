"""Mirrors auditkit/render/__init__.py."""

from __future__ import annotations

import json

import pytest

from auditkit import cli
from auditkit.errors import ConfigError
from auditkit.render import DEFAULT, FORMATS, PRINTED, render, render_text, require_formats
from tests.render.sample import text_result


def test_every_format_has_a_file_and_a_text() -> None:
    assert {name: one.file for name, one in FORMATS.items()} == {
        "html": "report.html",
        "json": "result.json",
        "junit": "junit.xml",
        "md": "summary.md",
        "sarif": "audit.sarif",
        "gitlab": "gl-code-quality-report.json",
        "github": "job-summary.md",
        "csv": "findings.csv",
        "parquet": "findings.parquet",
        "card": "model-card.md",
        "badge": "badge.svg",
    }
    for name in FORMATS:
        if name != "parquet":
            assert render_text(text_result(), name).endswith("\n")
    assert isinstance(render(text_result(), "parquet"), bytes)
    with pytest.raises(ConfigError, match="not text"):
        render_text(text_result(), "parquet")
    assert json.loads(render_text(text_result(), "json"))["schema"] == 1


def test_the_command_line_knows_the_same_formats() -> None:
    assert cli.FORMATS == DEFAULT
    assert set(cli.FORMATS + cli.MORE_FORMATS) == set(FORMATS)
    assert tuple(PRINTED) == cli.PRINTED


def test_an_unknown_format_names_the_near_miss() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'html'"):
        render(text_result(), "htm")


def test_an_audit_itself_writes_what_needs_nothing_more() -> None:
    require_formats(FORMATS)
    for name in PRINTED:
        with pytest.raises(ConfigError) as caught:
            require_formats([name])
        assert caught.value.hint.endswith(f"audit render RESULT --format {name}")


def test_what_was_survived_stands_in_every_report_for_people() -> None:
    result = text_result()
    said = "Batch size halved from 128 to 64: <b>out of memory</b>."
    made = result.provenance.model_copy(update={"incidents": [said], "memory": 1 << 30})
    survived = result.model_copy(update={"provenance": made})
    shown = "Batch size halved from 128 to 64: &lt;b&gt;out of memory&lt;/b&gt;."
    for name in ("html", "md"):
        assert "What went wrong and was survived" in render_text(survived, name)
        assert shown in render_text(survived, name)
        assert "What went wrong and was survived" not in render_text(result, name)
    assert "1,024 MiB" in render_text(survived, "html")
