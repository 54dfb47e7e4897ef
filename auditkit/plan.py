"""What runs, what does not and why: policy, model and data to a list of plain steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from auditkit.checks.base import Check
from auditkit.checks.catalogue import catalogue, find_check, make_check
from auditkit.data.dataset import Dataset
from auditkit.findings import Finding, Outcome
from auditkit.models.classifier import Classifier
from auditkit.policy import Policy
from auditkit.types import Status


@final
@dataclass(frozen=True)
class Shard:
    """Inputs at positions [start, stop) of the sample."""

    start: int
    stop: int


@final
@dataclass(frozen=True)
class Plan:
    """Checks to run, each over every shard, and the outcomes of those that cannot run."""

    checks: tuple[Check, ...]
    shards: tuple[Shard, ...]
    not_run: tuple[Outcome, ...]

    @property
    def steps(self) -> int:
        """Number of (check, shard) pairs."""
        return len(self.checks) * len(self.shards)


def make_plan(policy: Policy, model: Classifier, data: Dataset, *, shard_size: int) -> Plan:
    """Return the plan of an audit.

    Raises
    ------
    ConfigError
        If the policy names an unknown check or parameter.
    """
    for name in policy.parameters:
        make_check(name, policy.parameters[name])  # also when it is not selected: typos are errors
    chosen = _with_companions(policy.checks or tuple(catalogue()), judged=bool(policy.limits))
    skipped = {find_check(name).meta.id for name in policy.skip} - set(policy.checks)
    runs: list[Check] = []
    not_run: list[Outcome] = []
    for check_id in dict.fromkeys(chosen):
        check = make_check(check_id, policy.parameters.get(check_id, {}))
        obstacle = check.applies(model, data)
        if obstacle is None and check_id in skipped:
            reason = f"this policy leaves it out; to run it, add: --check {check_id}"
            not_run.append(outcome_of(check, status="skipped", reason=reason))
        elif obstacle is None:
            runs.append(check)
        else:
            not_run.append(outcome_of(check, status="not_applicable", reason=obstacle.reason))
    n = len(data)
    shards = tuple(Shard(i, min(n, i + shard_size)) for i in range(0, n, shard_size))
    return Plan(tuple(runs), shards, tuple(not_run))


def _with_companions(chosen: Sequence[str], *, judged: bool) -> tuple[str, ...]:
    """Return the chosen checks, those that control them, and last those that read others.

    Where nothing is judged, nothing has to be controlled.
    """
    metas = [find_check(name).meta for name in chosen]
    wanted = [one for meta in metas for one in (*meta.reads, meta.id)]
    controls = [one for name in wanted for one in find_check(name).meta.controlled_by if judged]
    return tuple(sorted((*wanted, *controls), key=lambda name: bool(find_check(name).meta.reads)))


def outcome_of(
    check: Check,
    *,
    status: Status,
    reason: str | None = None,
    seconds: float = 0.0,
    findings: Sequence[Finding] = (),
    **rest: object,
) -> Outcome:
    """Return an outcome that carries the check's own words."""
    meta = check.meta
    return Outcome.model_validate(
        {
            "check": meta.id,
            "version": meta.version,
            "family": meta.family,
            "question": meta.question,
            "explanation": meta.explanation,
            "not_shown": meta.not_shown,
            "remedy": meta.remedy,
            "references": list(meta.references),
            "metrics": dict(meta.metrics),
            "status": status,
            "reason": reason,
            "seconds": seconds,
            "findings": list(findings),
            **rest,
        }
    )
