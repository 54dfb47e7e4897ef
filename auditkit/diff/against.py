"""A finished result judged by a policy, beside a reference result where limits ask for one."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from auditkit.diff.compare import changes_against
from auditkit.diff.sides import Loaded, read_records
from auditkit.policy import Policy
from auditkit.render import words
from auditkit.result import Result
from auditkit.verdict import verdict_on

OF_JUDGING = {"limits", "controls", "required", "waivers", "ratings", "minimum_n"}


def judge_result(
    result: Result,
    folder: Path,
    policy: Policy,
    *,
    today: date,
    reference: Loaded | None = None,
) -> Result:
    """Return the result with this policy's verdict in place of its own.

    What the result says of the policy it follows changes only in what is judged by; how it was
    measured stays.

    Parameters
    ----------
    result : Result
        What was measured.
    folder : Path
        Where its records are; they are read only to be compared with those of the reference.
    policy : Policy
        Limits, controls, required checks and waivers.
    today : date
        Waivers that expired before this day do not hold.
    reference : Loaded, optional
        For limits with `max_drop_against`, which are incomplete without one.

    Raises
    ------
    ResultError
        If the reference is about other data, classes or kinds of inputs.
    """
    changes = None
    if reference is not None:
        changes = changes_against(read_records(result, folder), reference, policy=policy)
    verdict = verdict_on(result, policy, today=today, changes=changes)
    if reference is not None:
        notes = [*verdict.notes, f"The reference is {_named(reference.result)}."]
        verdict = verdict.model_copy(update={"notes": notes})
    followed = {**result.provenance.policy, **policy.model_dump(mode="json", include=OF_JUDGING)}
    provenance = result.provenance.model_copy(update={"policy": followed})
    return result.model_copy(update={"verdict": verdict, "provenance": provenance})


def _named(reference: Result) -> str:
    model = reference.model
    return (
        f"the audit of {words.line(model.name)} ({words.short(model.sha256, 12) or 'no hash'})"
        f" of {words.line(reference.provenance.started)}"
    )
