"""Mirrors auditkit/render/groups.py."""

from __future__ import annotations

from collections.abc import Sequence

from auditkit.findings import Finding, Outcome, finding_id
from auditkit.render import groups
from auditkit.render.html import render_html
from auditkit.result import Result
from auditkit.types import Family, Params
from tests.render.hostile import PAYLOAD
from tests.render.sample import image_result


def finding(
    check: str, metric: str, where: str, value: float | None, swept: Params | None = None
) -> Finding:
    return Finding(
        id=finding_id(check, metric, where, swept or {}),
        metric=metric,
        value=value,
        unit="share",
        n=50,
        low=None if value is None else value - 0.1,
        high=None if value is None else value + 0.1,
        level=0.95,
        interval="none",
        better="higher",
        slice=where,
        params=swept or {},
        undefined="too few" if value is None else None,
    )


def outcome(check: str, family: Family, findings: Sequence[Finding]) -> Outcome:
    first = image_result().outcomes[0]
    return first.model_copy(
        update={"check": check, "family": family, "findings": list(findings), "headline": None,
                "metrics": {}, "evidence": {}}
    )  # fmt: skip


def result_of(*outcomes: Outcome) -> Result:
    return image_result().model_copy(update={"outcomes": list(outcomes)})


GAP = outcome(
    "group-gap",
    "bias",
    [
        finding("group-gap", "accuracy", "all", 0.8),
        finding("group-gap", "accuracy", "who=a", 0.9),
        finding("group-gap", "accuracy", "who=b", 0.7),
        finding("group-gap", "selection", "who=a", 0.5),
        finding("group-gap", "ece", "who=a", 0.2),
        finding("group-gap", "accuracy_gap", "who", 0.2),
    ],
)
STRESS = outcome(
    "group-robustness",
    "bias",
    [
        finding("group-robustness", "robust", "who=b", 0.3, {"epsilon": 0.1}),
        finding("group-robustness", "robust", "who=b", 0.1, {"epsilon": 0.2}),
        finding("group-robustness", "robust", "who=a", None, {"epsilon": 0.1}),
        finding("group-robustness", "robust_gap", "who", 0.6, {"epsilon": 0.2}),
        finding("group-robustness", "robust_gap", "who", 0.4, {"epsilon": 0.1}),
        finding("group-robustness", "robust", "site=x", 0.4, {"epsilon": 0.1}),
    ],
)


def test_groups_of_two_checks_make_one_table_with_their_gaps() -> None:
    found = groups.stresses(result_of(GAP, STRESS))
    assert found is not None
    assert [(one.outcome.check, one.family, one.metric) for one in found.columns] == [
        ("group-gap", "bias", "accuracy"),
        ("group-gap", "calibration", "ece"),
        ("group-robustness", "bias", "robust"),
    ]
    rows = [(row.name, [None if c is None else c.value for c in row.cells]) for row in found.rows]
    assert rows == [
        ("who=a", [0.9, 0.2, None]),
        ("who=b", [0.7, None, 0.3]),
        ("gap by who", [0.2, None, 0.4]),
    ]
    assert found.rows[0].cells[2] is not None  # measured, and undefined: not the same as absent
    assert found.left_out == 0


def test_groups_of_one_check_make_no_table() -> None:
    assert groups.stresses(result_of(GAP)) is None
    assert 'id="groups"' not in render_html(result_of(GAP))


def test_a_column_without_any_value_is_left_out() -> None:
    empty = [finding("proxy", "auc", f"who={name}", None) for name in "ab"]
    found = groups.stresses(result_of(GAP, STRESS, outcome("proxy", "bias", empty)))
    assert found is not None
    assert "proxy" not in {one.outcome.check for one in found.columns}


def test_names_of_groups_cannot_act_and_many_are_counted() -> None:
    names = [f"who={i}{PAYLOAD}".replace("\ud800", "") for i in range(80)]
    pair = [
        outcome(check, "bias", [finding(check, "accuracy", name, 0.5) for name in names])
        for check in ("one", "two")
    ]
    found = groups.stresses(result_of(*pair))
    assert found is not None
    assert len(found.rows) == groups.MOST_ROWS
    assert found.left_out == 80 - groups.MOST_ROWS
    page = render_html(result_of(*pair))
    assert "<script>alert(1)" not in page
    assert "20 rows more with the checks themselves" in page
