"""Runs the checks that are to reveal a flaw on one model in memory."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import date

from auditkit.checks import other_model, training_data
from auditkit.checks.base import Check, Context, NotApplicable, Records
from auditkit.data.dataset import Dataset
from auditkit.engine import Failure, Shards, failure_of
from auditkit.findings import Outcome
from auditkit.models.classifier import Classifier
from auditkit.plan import make_plan, outcome_of
from auditkit.policy import Policy
from auditkit.result import Execution, Verdict
from auditkit.subject import Subject
from auditkit.verdict import judge

PARENT = "parent"  # what limits.toml calls the model that both twins were made from
TAUGHT = "taught"  # what limits.toml calls the data that a twin was trained on


def held_against(
    policy: Policy,
    model: Classifier,
    data: Dataset,
    *,
    parent: Classifier | None = None,
    taught: Dataset | None = None,
) -> Verdict:
    """Return the verdict on a model, as an audit by this policy would give it.

    Parameters
    ----------
    policy : Policy
        Its checks, their parameters and its limits.
    model : Classifier
        One of the twins.
    data : Dataset
        What it is audited on.
    parent : Classifier, optional
        What parameters may name as the other model, as `parent`.
    taught : Dataset, optional
        What parameters may name as the training data, as `taught`.
    """
    if policy.max_inputs is not None:
        data = data.sample(policy.max_inputs, seed=policy.seed)
    with (
        nullcontext() if parent is None else other_model.given(PARENT, parent),
        nullcontext() if taught is None else training_data.given(TAUGHT, taught),
    ):
        outcomes = outcomes_of(policy, Subject(model, data))
    return judge(  # without waivers
        outcomes,
        policy,
        modality=model.modality,
        sensitive=bool(data.sensitive),
        today=date.min,
    )


def outcomes_of(policy: Policy, subject: Subject) -> list[Outcome]:
    """Return what the policy's checks come to, in this process and plain float32."""
    execution = Execution()
    plan = make_plan(policy, subject.model, subject.data, shard_size=execution.shard_size)
    shards = Shards(subject, plan.shards, seed=policy.seed, execution=execution)
    context = Context(data=subject.data, seed=policy.seed, level=policy.level)
    return [*plan.not_run, *(_outcome(check, shards, context) for check in plan.checks)]


def _outcome(check: Check, shards: Shards, context: Context) -> Outcome:
    parts: list[Records] = []
    for i in range(len(shards)):
        match shards.measure(check, i).outcome:
            case Records() as part:
                parts.append(part)
            case NotApplicable(reason=reason):
                return outcome_of(check, status="not_applicable", reason=reason)
            case Failure(reason=reason):
                return outcome_of(check, status="errored", reason=reason)
    try:
        summary = check.summarise(Records.merged(parts), context)
    except Exception as error:  # noqa: BLE001 - whatever a check raises is its own outcome
        return outcome_of(check, status="errored", reason=failure_of(error).reason)
    if isinstance(summary, NotApplicable):
        return outcome_of(check, status="not_applicable", reason=summary.reason)
    return outcome_of(check, status="measured", findings=summary.findings)
