"""Mirrors auditkit/render/pdf.py."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from pypdf import PdfReader

from auditkit.cli import cli
from auditkit.errors import ConfigError
from auditkit.render import pdf
from auditkit.result import to_json
from tests.render.sample import image_result, share, text_result

has_chromium = any(shutil.which(one) for one in pdf.PROGRAMS)


@pytest.mark.browser
@pytest.mark.skipif(not has_chromium, reason="no Chromium is installed")
def test_the_report_is_printed(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(to_json(text_result()), encoding="utf-8")
    ran = CliRunner().invoke(cli, ["render", str(tmp_path), "--format", "pdf"])
    assert ran.output == f"{tmp_path / 'report.pdf'}\n"
    content = (tmp_path / "report.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) > 3
    assert [one.name for one in tmp_path.iterdir() if one.suffix == ".html"] == []


@pytest.mark.browser
@pytest.mark.skipif(not has_chromium, reason="no Chromium is installed")
def test_each_page_of_a_long_table_has_its_head() -> None:
    audited = image_result()
    rows = [share("group-gap", "accuracy", 9, 10, slice_name=f"part={i:03}") for i in range(200)]
    outcomes = [
        one.model_copy(update={"findings": rows}) if one.check == "group-gap" else one
        for one in audited.outcomes
    ]
    printed = PdfReader(
        io.BytesIO(pdf.render_pdf(audited.model_copy(update={"outcomes": outcomes})))
    )
    texts = [page.extract_text() for page in printed.pages]
    of_table = [text for text in texts if len(re.findall(r"^part=\d{3} 90", text, re.M)) > 1]
    assert len(of_table) > 3
    assert all(re.search(r"^slice value", text, re.M) for text in of_table)


def test_a_missing_program_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(pdf.VARIABLE, "/no/such/chromium")
    with pytest.raises(ConfigError, match="/no/such/chromium") as caught:
        pdf.render_pdf(image_result())
    assert "open report.html" in (caught.value.hint or "")
    monkeypatch.delenv(pdf.VARIABLE)
    monkeypatch.setattr(pdf, "PROGRAMS", ())
    with pytest.raises(ConfigError, match="no Chromium"):
        pdf.render_pdf(image_result())


@pytest.mark.parametrize(
    ("body", "said"), [("exit 3", "exit code 3"), ("exit 0", "printed no PDF"),
                       ("for a in \"$@\"; do case $a in --print-to-pdf=*)"
                        " echo no > \"${a#*=}\";; esac; done", "printed no PDF")],
)  # fmt: skip
def test_a_program_that_prints_nothing_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, said: str
) -> None:
    program = tmp_path / "chromium"
    program.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv(pdf.VARIABLE, str(program))
    with pytest.raises(ConfigError, match=said):
        pdf.render_pdf(image_result())


def test_an_unknown_format_is_refused_and_pdf_is_no_format_of_a_run(tmp_path: Path) -> None:
    wrong = CliRunner().invoke(cli, ["render", str(tmp_path), "--format", "pdf,odt"])
    assert wrong.exit_code == 2
    assert "odt" in wrong.output
    run = CliRunner().invoke(cli, ["run", "digits-cnn", "--format", "pdf"])
    assert run.exit_code == 2
    assert "pdf" in run.output
