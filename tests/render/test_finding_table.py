"""Mirrors auditkit/render/finding_table.py."""

from __future__ import annotations

from auditkit.render.finding_table import finding_table
from auditkit.render.outline import Reading, readings
from auditkit.types import Params
from tests.render.sample import image_result, share


def reading(check: str) -> Reading:
    return next(one for one in readings(image_result()) if one.outcome.check == check)


def test_what_was_swept_gets_a_column_and_rows_ascend_by_metric() -> None:
    table = finding_table(reading("pgd-linf"))
    assert table.heads == ["epsilon"]
    assert table.interval_title == "95 % interval"
    assert [(g.metric, [row.labels[0] for row in g.rows]) for g in table.groups] == [
        ("robust accuracy", ["0", "0.05", "0.1", "0.2"]),
        ("attack success rate", ["0", "0.05", "0.1", "0.2"]),
        ("median smallest distance", ["-"]),
    ]
    assert table.groups[0].rows[2].marks == [("fail", "robust_accuracy >= 0.5", "at least 50 %")]
    assert table.has_limits


def test_scattered_findings_are_gathered() -> None:
    template = reading("pgd-linf")
    scattered = [
        share("pgd-linf", metric, 1, 2, swept={"epsilon": epsilon})
        for epsilon in (0.2, 0.1)
        for metric in ("robust_accuracy", "attack_success_rate")
    ]
    outcome = template.outcome.model_copy(update={"findings": scattered})
    table = finding_table(Reading(outcome, "unjudged", [], []))
    assert [[row.labels[0] for row in group.rows] for group in table.groups] == [["0.1", "0.2"]] * 2


def test_slices_get_a_column_and_what_needs_none_has_none() -> None:
    assert finding_table(reading("group-gap")).heads == ["slice"]
    calibration = finding_table(reading("calibration-error"))
    assert calibration.heads == []
    assert calibration.interval_title == "Interval"
    ece = calibration.groups[0].rows[0]
    assert ece.interval == "by chance alone 0.8 to 3.1 %"
    assert ece.marks == [("waived", "ece <= 0.03", "at most 3 %")]


def test_more_settings_than_columns_share_one() -> None:
    template = reading("pgd-linf")
    swept: Params = {"a": 1, "b": 2, "c": 3, "d": 4}
    outcome = template.outcome.model_copy(
        update={"findings": [share("pgd-linf", "robust_accuracy", 1, 2, swept=swept)]}
    )
    table = finding_table(Reading(outcome, "unjudged", [], []))
    assert table.heads == ["settings"]
    assert table.groups[0].rows[0].labels == ["a 1, b 2, c 3, d 4"]


def test_many_rows_are_folded() -> None:
    assert finding_table(reading("corruptions")).is_long
    assert not finding_table(reading("pgd-linf")).is_long
