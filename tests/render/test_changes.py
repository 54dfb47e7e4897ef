"""Mirrors auditkit/render/changes.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from auditkit.cli import cli
from auditkit.findings import Better
from auditkit.render.changes import changes
from auditkit.render.html import render_html
from auditkit.render.markdown import render_markdown
from auditkit.result import Result, to_json
from tests.render.hostile import hostile
from tests.render.sample import image_result, text_result

ACCURACY = "clean-accuracy/accuracy/all"


def with_first(result: Result, **update: object) -> Result:
    """Return the result with other contents of its first finding."""
    first = next(one for one in result.outcomes if one.check == "clean-accuracy")
    changed = [
        one.model_copy(update=update) if one.id == ACCURACY else one for one in first.findings
    ]
    outcomes = [
        one.model_copy(update={"findings": changed}) if one is first else one
        for one in result.outcomes
    ]
    return result.model_copy(update={"outcomes": outcomes})


def said(
    before: float | None, after: float | None, better: Better, *, half: float = 0.01
) -> str | None:
    def result_at(value: float | None) -> Result:
        ends = (None, None) if value is None else (value - half, value + half)
        return with_first(
            image_result(), value=value, low=ends[0], high=ends[1], better=better,
            undefined="none" if value is None else None,
        )  # fmt: skip

    return changes(result_at(after), result_at(before)).by_finding.get(ACCURACY)


@pytest.mark.parametrize(
    ("before", "after", "better", "expected"),
    [
        (0.8, 0.85, "higher", "+5.0 points, better, intervals apart"),
        (0.8, 0.79, "higher", "-1.0 points, worse, intervals overlap"),
        (0.8, 0.85, "lower", "+5.0 points, worse, intervals apart"),
        (0.85, 0.8, "lower", "-5.0 points, better, intervals apart"),
        (0.8, 0.85, "neither", "+5.0 points, intervals apart"),
        (0.8, 0.8, "higher", "unchanged"),
        (None, 0.8, "higher", None),
        (0.8, None, "higher", None),
    ],
)
def test_a_change_has_sign_direction_and_what_the_intervals_say(
    before: float | None, after: float | None, better: Better, expected: str | None
) -> None:
    assert said(before, after, better) == expected


def test_other_data_are_not_compared() -> None:
    older = image_result()
    data = older.data.model_copy(update={"sha256": "f" * 64})
    found = changes(image_result(), older.model_copy(update={"data": data}))
    assert found.by_finding == {}
    assert found.about.startswith("Not compared with digits-cnn: that audit used other data")


def test_another_sample_is_said() -> None:
    older = image_result()
    data = older.data.model_copy(update={"n": 50})
    found = changes(image_result(), older.model_copy(update={"data": data}))
    assert "on the same data (50 inputs then, 200 now): two" in found.about
    assert found.by_finding[ACCURACY] == "unchanged"


def test_another_version_of_a_check_is_not_compared_and_named() -> None:
    older = image_result()
    outcomes = [
        one.model_copy(update={"version": one.version + 1}) if one.check == "pgd-linf" else one
        for one in older.outcomes
    ]
    found = changes(image_result(), older.model_copy(update={"outcomes": outcomes}))
    assert not [one for one in found.by_finding if one.startswith("pgd-linf/")]
    assert found.by_finding[ACCURACY] == "unchanged"
    assert found.about.endswith("another version: pgd-linf.")


def test_page_and_summary_have_a_column_only_with_an_older_result() -> None:
    older = with_first(image_result(), value=0.9, low=0.85, high=0.95)
    page, text = render_html(image_result(), older), render_markdown(image_result(), older)
    assert "+7.0 points, better, intervals overlap" in page
    assert "| +7.0 points, better, intervals overlap |" in text
    assert "two estimates side by side, no test" in page
    assert ">Change</th>" not in render_html(image_result())
    rows = [one for one in text.splitlines() if one.startswith("|")]
    assert {one.count("|") for one in rows} == {8}


@pytest.mark.parametrize("result", [image_result, text_result])
def test_hostile_names_of_an_older_result_cannot_act(result) -> None:
    older = hostile(result())
    same = older.model_copy(update={"data": result().data})
    for one in (older, same):
        page = render_html(result(), one)
        assert "<script>alert" not in page
        assert "<img src=x" not in render_markdown(result(), one)


def test_the_command_takes_an_older_result(tmp_path: Path) -> None:
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(to_json(image_result()), encoding="utf-8")
    ran = CliRunner().invoke(
        cli, ["render", str(tmp_path / "new"), "--against", str(tmp_path / "old")]
    )
    assert ran.exit_code == 0, ran.output
    assert ">Change</th>" in (tmp_path / "new" / "report.html").read_text(encoding="utf-8")
    assert "unchanged" in (tmp_path / "new" / "summary.md").read_text(encoding="utf-8")
