"""Does a finding come out again: its adversarial inputs replayed, or its check measured anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeVar, final

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

import auditkit
from auditkit.checks.adversarial import BEHIND, Adversarial
from auditkit.checks.catalogue import find_check
from auditkit.data.catalogue import DATA
from auditkit.data.load import DataSpec
from auditkit.errors import ConfigError, ResultError, near_miss
from auditkit.findings import Finding, Frozen, Outcome
from auditkit.looks import level_of_each
from auditkit.methods.attacks.active_set import misclassified
from auditkit.methods.attacks.ball import BALLS
from auditkit.methods.attacks.reach import changed_cells, permitted
from auditkit.models.auto import AUTO
from auditkit.models.bundle import file_sha256
from auditkit.models.catalogue import MODELS
from auditkit.models.classifier import Classifier, ImageClassifier, Inputs
from auditkit.models.endpoint import shown
from auditkit.models.load import ModelSpec, names_function
from auditkit.models.tabular import TabularClassifier
from auditkit.policy import Policy
from auditkit.provenance import DATA_OPTIONS, MODEL_OPTIONS, packages
from auditkit.render.words import estimate, settings
from auditkit.result import Result, read_result, result_file
from auditkit.run import Progress, Request, Silent, run
from auditkit.stored import read_inputs
from auditkit.subject import Subject, SubjectSpec, as_inputs, load_subject, settle
from auditkit.types import Bools

T = TypeVar("T")
SLACK = 1e-9  # share of a budget that rounding of float64 may take
_NAMED = 20  # inputs that a reproduction names


@final
@dataclass(frozen=True, kw_only=True)
class Question:
    """What to reproduce, and what a result alone may not decide.

    Parameters
    ----------
    result : Path
        result.json, or its folder.
    finding : str
        Id of a finding.
    recompute : bool
        Measure the check again although inputs are stored.
    model, data : str, optional
        Where the same model and data are now.
    attributes : str, optional
        Where the file is now that columns were joined from.
    endpoint : str, optional
        Address of the served model: a result does not decide who is asked.
    trust_code : bool
        Whether code that the result names may run: the module of --arch, a function, a pickle.
    """

    result: Path
    finding: str
    recompute: bool = False
    model: str | None = None
    data: str | None = None
    attributes: str | None = None
    endpoint: str | None = None
    trust_code: bool = False


class Replayed(Frozen):
    """What became of the stored inputs behind a finding."""

    n: int  # stored inputs behind it
    found: int | None  # successes that it counts; None where it does not say
    fooled: int  # answered wrongly now
    right_before: int  # whose clean input is answered rightly
    within: int  # within the bounds, and within their budget of the clean input
    failed: list[str]  # ids of those that are not all three; at most 20


class Estimate(Frozen):
    """The numbers of a finding."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    undefined: str | None

    @classmethod
    def of(cls, finding: Finding) -> Estimate:
        """Return the numbers alone."""
        return cls.model_validate({name: getattr(finding, name) for name in cls.model_fields})


class Reproduction(Frozen):
    """Whether a finding came out again.

    `reproduced` is None where that could not be decided, because the check did not finish.
    """

    finding: str
    how: Literal["replayed", "measured again"]
    reproduced: bool | None
    sentence: str
    replayed: Replayed | None = None
    recorded: Estimate
    measured: Estimate | None = None
    notes: list[str] = []

    @property
    def exit_code(self) -> int:
        """0 reproduced, 1 not reproduced, 3 not decided."""
        return {True: 0, False: 1, None: 3}[self.reproduced]


@final
@dataclass(frozen=True)
class Answered:
    """A reproduction, and what a regression test is made of."""

    reproduction: Reproduction
    spec: SubjectSpec  # settled: it needs no data any more
    subject: Subject
    fooling: Adversarial | None  # stored inputs that fool the model again


def reproduce(question: Question, *, progress: Progress | None = None) -> Answered:
    """Load model and data as the result says, and see whether a finding comes out again.

    Stored adversarial inputs are replayed where the finding has any: every one must be answered
    wrongly, lie within its budget, and have a clean input that is answered rightly. Otherwise the
    check is measured again, with the recorded policy, seed and execution, and must give the same
    numbers.

    Raises
    ------
    ResultError
        If there is no such result or finding, or model or data are not those of the result.
    ConfigError
        If the result alone may not decide what is asked or run.
    ModelError, DataError
        If either cannot be loaded.
    """
    result = read_result(question.result)
    outcome, finding = found_in(result, question.finding)
    spec = settle(_specification(result, question))
    subject = load_subject(spec)
    _refuse_others(result, subject)
    torch.set_num_threads(result.provenance.execution.threads)
    subject.configure(result.provenance.execution)
    stored = None if question.recompute else _behind(question, result, outcome, finding)
    if stored is not None:
        return _replayed(result, outcome, finding, spec, subject, stored)
    again = _measured_again(
        result, outcome, finding, subject, spec.data, progress=progress or Silent()
    )
    return Answered(again, spec, subject, None)


def found_in(result: Result, finding_id: str) -> tuple[Outcome, Finding]:
    """Return the finding of this id and the outcome that it belongs to.

    Raises
    ------
    ResultError
        If there is none, naming the nearest.
    """
    for outcome in result.outcomes:
        for finding in outcome.findings:
            if finding.id == finding_id:
                return outcome, finding
    whole = next((one for one in result.outcomes if one.check == finding_id), None)
    if whole is not None and whole.headline is not None:
        raise ResultError(
            f"{finding_id!r} is a check with {len(whole.findings)} findings.",
            hint=f"Name one of them, such as {whole.headline}",
        )
    known = [finding.id for outcome in result.outcomes for finding in outcome.findings]
    raise ResultError(
        f"The result has no finding {finding_id!r}.{near_miss(finding_id, known)}",
        hint=f"It has {len(known)}, such as {known[0]}" if known else "It has none at all.",
    )


def policy_of(result: Result) -> Policy:
    """Return the policy that a result was made with."""
    return _validated(TypeAdapter(Policy), result.provenance.policy)


# --- the subject ---------------------------------------------------------------------------------


def _specification(result: Result, question: Question) -> SubjectSpec:
    model = _model_options(result, question)
    data = _data_options(result, question)
    policy = policy_of(result)
    return SubjectSpec(
        model=model,
        data=data,
        max_inputs=result.data.n if result.provenance.looks else policy.max_inputs,
        seed=policy.seed,
        min_cell=policy.min_cell,
    )


def _model_options(result: Result, question: Question) -> ModelSpec:
    recorded = result.provenance.model_options
    if recorded is None and question.model is None:
        raise ConfigError(
            "The result does not say how its model is loaded: it was in memory, or the result is"
            " older than that record.",
            hint="Name its file: --model FILE",
        )
    spec = _validated(MODEL_OPTIONS, recorded or {"source": question.model})
    if spec.endpoint is not None:
        return _served(spec, question)
    if question.endpoint is not None:
        raise ConfigError(
            f"--endpoint is about a served model, and the result is about {spec.source}.",
            hint="Leave out --endpoint.",
        )
    spec = replace(spec, source=question.model or spec.source)
    named = _code_of(spec)
    if named and not question.trust_code:
        raise ConfigError(
            f"To load the model, code has to run that the result names: {named}.",
            hint="If you know this code, add: --trust-code",
        )
    known = spec.source in MODELS or names_function(spec)
    if not known and not Path(spec.source).exists():
        raise ConfigError(
            f"{spec.source}, the model of this result, is not here.",
            hint="Type this where the audit was started, or say where it is: --model FILE",
        )
    if spec.trust_code and file_sha256(Path(spec.source)) != result.model.sha256:
        raise _other(
            "model is", result.model.name, file_sha256(Path(spec.source)), result.model.sha256
        )
    return spec


def _served(spec: ModelSpec, question: Question) -> ModelSpec:
    assert spec.endpoint is not None
    if question.endpoint is None:
        raise ConfigError(
            f"The model was served at {spec.source}, and a result does not decide who is asked.",
            hint="Type the address: --endpoint URL",
        )
    endpoint = replace(spec.endpoint, url=question.endpoint)
    return replace(spec, endpoint=endpoint, source=shown(question.endpoint))


def _code_of(spec: ModelSpec) -> str:
    """Return what of the specification is code, as the user typed it; nothing where nothing is."""
    if spec.trust_code:
        return f"{spec.source} --trust-code"
    if spec.arch is not None and spec.arch.partition(":")[0] != AUTO:
        return f"--arch {spec.arch}"
    return spec.source if names_function(spec) else ""


def _data_options(result: Result, question: Question) -> DataSpec | None:
    recorded = result.provenance.data_options
    if recorded is None:
        return None if question.data is None else DataSpec(source=question.data)
    spec = _validated(DATA_OPTIONS, recorded)
    spec = replace(spec, source=question.data or spec.source)
    if spec.source not in DATA and not Path(spec.source).exists():
        raise ConfigError(
            f"{spec.source}, the data of this result, is not here.",
            hint="Type this where the audit was started, or say where they are: --data DATA",
        )
    if question.attributes is not None and spec.attributes is None:
        raise ConfigError(
            "--attributes names a file, and the data of this result were joined with none.",
            hint="Leave out --attributes.",
        )
    spec = replace(spec, attributes=question.attributes or spec.attributes)
    if spec.attributes is not None and not Path(spec.attributes).is_file():
        raise ConfigError(
            f"{spec.attributes}, the attributes of this result, is not here.",
            hint="Type this where the audit was started, or say where it is: --attributes FILE",
        )
    return spec


def _validated(adapter: TypeAdapter[T], recorded: dict[str, object]) -> T:
    try:
        return adapter.validate_python(recorded)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ResultError(
            f"The result's provenance is damaged: {where}: {first['msg']}."
        ) from error


def _refuse_others(result: Result, subject: Subject) -> None:
    """Refuse another model or other data than those of the result."""
    model, data = subject.model.identity, subject.data
    if model.sha256 != result.model.sha256:
        raise _other("model is", result.model.name, model.sha256, result.model.sha256)
    if data.sha256 != result.data.sha256:
        if data.attributes_sha256 != result.data.attributes_sha256:
            now, then = data.attributes_sha256 or "none", result.data.attributes_sha256 or "none"
            raise ResultError(
                f"The attributes are not those of the audit: the file's hash is {now[:12]} here and"
                f" was {then[:12]} then.",
                hint="Name the file that was joined with --attributes FILE.",
            )
        raise _other("data are", result.data.name, data.sha256, result.data.sha256)
    if len(data) != result.data.n:
        raise ResultError(f"The sample has {len(data)} inputs here and had {result.data.n} then.")
    if data.name != result.data.name and data.available > len(data):  # it decides the sample
        raise ResultError(
            f"The data are called {data.name} here and {result.data.name} then, and a sample of"
            " them is drawn by their name.",
            hint=f"Call them {result.data.name} again.",
        )


def _other(what: str, name: str, now: str, then: str) -> ResultError:
    option = "--model FILE" if what == "model is" else "--data DATA"
    return ResultError(
        f"The {what} not what was audited: the hash of {name} is {now[:12] or 'unknown'} here and"
        f" was {then[:12] or 'unknown'} then.",
        hint=f"Name what was audited with {option}, or audit what is here: audit run",
    )


# --- stored inputs -------------------------------------------------------------------------------


def _behind(
    question: Question, result: Result, outcome: Outcome, finding: Finding
) -> Adversarial | None:
    """Return the stored inputs that a finding counts, or None where it counts none."""
    budgets = swept_by(finding)
    if result.adversarial is None or finding.metric not in BEHIND or finding.slice != "all":
        return None
    groups = read_inputs(result_file(question.result).parent, result.adversarial)
    for one in groups.get(outcome.check, []):
        if [name for name, _ in settings(finding)] == [one.parameter]:
            found = one.within(budgets[one.parameter])
            return found if len(found) else None
    return None


def swept_by(finding: Finding) -> dict[str, float]:
    """Return the numbers that a finding's id names, by parameter."""
    names = [name for name, _ in settings(finding)]
    values = {name: finding.params.get(name) for name in names}
    return {name: float(one) for name, one in values.items() if isinstance(one, int | float)}


def _replayed(
    result: Result,
    outcome: Outcome,
    finding: Finding,
    spec: SubjectSpec,
    subject: Subject,
    stored: Adversarial,
) -> Answered:
    trial = _tried(subject, stored, finding, result.provenance.execution.batch_size)
    good = trial.fooled & trial.right_before & trial.within
    about = next(
        one
        for one in (result.adversarial.inputs if result.adversarial else [])
        if (one.check, one.parameter) == (outcome.check, stored.parameter)
    )
    successes = _successes(outcome, finding)
    complete = about.stored < about.found or successes in (None, len(stored))
    counts = Replayed(
        n=len(stored),
        found=successes,
        fooled=int(trial.fooled.sum()),
        right_before=int(trial.right_before.sum()),
        within=int(trial.within.sum()),
        failed=[stored.ids[i] for i in np.flatnonzero(~good)[:_NAMED].tolist()],
    )
    reproduction = Reproduction(
        finding=finding.id,
        how="replayed",
        reproduced=bool(good.all()) and complete,
        sentence=_in_words(counts, int(good.sum())),
        replayed=counts,
        recorded=Estimate.of(finding),
        notes=_differences(result, subject),
    )
    return Answered(reproduction, spec, subject, stored.at(np.flatnonzero(good)))


@final
@dataclass(frozen=True)
class _Trial:
    fooled: Bools  # (m,)
    right_before: Bools
    within: Bools


def _tried(subject: Subject, stored: Adversarial, finding: Finding, batch_size: int) -> _Trial:
    """Ask the model about stored inputs and their clean ones, and measure how far they are."""
    place = {one: i for i, one in enumerate(subject.data.ids)}
    strangers = [one for one in stored.ids if one not in place]
    if strangers:
        raise ResultError(
            f"The data hold no input {strangers[0]!r}, of which a changed one is stored."
        )
    positions = np.array([place[one] for one in stored.ids], dtype=np.int64)
    clean, changed = as_inputs(subject.data.read(positions)), as_inputs(stored.inputs)
    labels = torch.from_numpy(subject.data.labels[positions]).long()
    size = 1 if isinstance(changed, list) else batch_size  # texts as a user would ask
    before = subject.model.predict(clean, batch_size=size)
    after = subject.model.predict(changed, batch_size=size)
    return _Trial(
        fooled=misclassified(after, labels).numpy(),
        right_before=(before.argmax(dim=1) == labels).numpy(),
        within=_permitted(subject, clean, changed, stored, finding)
        if isinstance(subject.model, TabularClassifier)
        else _within(subject.model, clean, changed, stored),
    )


def _within(model: Classifier, clean: Inputs, changed: Inputs, stored: Adversarial) -> Bools:
    """Return which inputs are within the bounds and their budgets (m,)."""
    if isinstance(clean, list) or isinstance(changed, list):
        assert isinstance(clean, list)
        assert isinstance(changed, list)
        counts = [changed_words(*pair) for pair in zip(clean, changed, strict=True)]
        return np.array(counts, dtype=np.float64) <= stored.budgets
    if not isinstance(model, ImageClassifier) or changed.shape != clean.shape:
        raise ResultError(
            f"Inputs of shape {tuple(changed.shape[1:])} are stored, and the data hold"
            f" {tuple(clean.shape[1:])}."
        )
    low, high = model.bounds
    inside = ((changed >= low) & (changed <= high)).flatten(1).all(dim=1).numpy()
    kind = BALLS[stored.measure]  # pyright: ignore[reportArgumentType]
    ball = kind(clean.clamp(low, high), epsilon=high - low, bounds=model.bounds)
    sizes = ball.distance(changed).numpy() / (high - low)
    return inside & (sizes <= stored.budgets * (1 + SLACK))


def _permitted(
    subject: Subject, clean: Inputs, changed: Inputs, stored: Adversarial, finding: Finding
) -> Bools:
    """Return which rows of a table became what they may become within their budgets (m,)."""
    model = subject.model
    assert isinstance(model, TabularClassifier)
    assert isinstance(clean, Tensor)
    columns = stored.measure == "columns"
    if not isinstance(changed, Tensor) or changed.shape != clean.shape:
        raise ResultError("The stored inputs are no rows of this table.")
    if not columns and stored.measure != "std":
        raise ResultError(f"The stored rows have a budget in {stored.measure!r}.")
    before, after = clean.numpy(), changed.numpy()
    spread, fixed = finding.params.get("spread"), finding.params.get("immutable")
    named = fixed.split(", ") if isinstance(fixed, str) else []
    allowed = permitted(
        model.schema,
        before,
        after,
        spread=float(spread or np.inf) if columns else stored.budgets,
        fixed={*named, *subject.data.sensitive},
        categories=columns,
    )
    cells = changed_cells(before, after).sum(axis=1)
    return allowed & ((cells <= stored.budgets) | (not columns))


def changed_words(before: str, after: str) -> int:
    """Return how many words between spaces differ; one that fell into two counts once.

    Examples
    --------
    >>> changed_words("a fine, long day", "a fien, len gthy day"), changed_words("a b", "a")
    (2, 1)
    """
    old, new = before.split(), after.split()
    if len(old) == len(new):
        return sum(one != other for one, other in zip(old, new, strict=True))
    matcher = SequenceMatcher(a=old, b=new, autojunk=False)
    changes = (one for one in matcher.get_opcodes() if one[0] != "equal")
    return sum(max(end - start, 1) for _, start, end, _, _ in changes)


def _successes(outcome: Outcome, finding: Finding) -> int | None:
    """Return how many inputs fell, as the success rate beside the finding has it."""
    own = swept_by(finding)
    for one in outcome.findings:
        beside = (one.metric, one.slice) == ("attack_success_rate", finding.slice)
        if beside and swept_by(one) == own and one.value is not None:
            return round(one.value * one.n)
    return None


def _in_words(counts: Replayed, good: int) -> str:
    inputs = "stored input" if counts.n == 1 else "stored inputs"
    said = f"{good} of {counts.n} {inputs} behind this finding"
    said += " fool the model again" if good != 1 else " fools the model again"
    if counts.found is not None:
        said += f"; the finding counts {counts.found}"
    if good == counts.n:
        return f"{said}."
    few = ", ".join(repr(one) for one in counts.failed[:3])
    return (
        f"{said}. Not all do: {counts.fooled} are answered wrongly, {counts.within} lie within"
        f" their budget, {counts.right_before} have a clean input that is answered rightly; see"
        f" {few}."
    )


# --- measured again ------------------------------------------------------------------------------


def _measured_again(
    result: Result,
    outcome: Outcome,
    finding: Finding,
    subject: Subject,
    data: DataSpec | None,
    *,
    progress: Progress,
) -> Reproduction:
    _refuse_other_version(result, outcome)
    policy = policy_of(result)
    alone = {
        "checks": (outcome.check,),
        "skip": (),
        "required": (),
        "limits": (),
        "budget": None,
        "until_decided": False,
        "max_inputs": outcome.inputs or policy.max_inputs,
        "level": level_of_each(policy.level, result.provenance.look_count),
    }
    with TemporaryDirectory() as folder:
        request = Request(
            model=subject.model,
            data=data,
            policy=policy.model_copy(update=alone),
            out=Path(folder),
            formats=("json",),
            execution=result.provenance.execution,
            keep_inputs=False,
        )
        again = run(request, progress=progress).result.outcomes[0]
    return _compared(finding, again, _differences(result, subject))


def _refuse_other_version(result: Result, outcome: Outcome) -> None:
    version = find_check(outcome.check).meta.version
    if version != outcome.version:
        raise ResultError(
            f"{outcome.check} is of version {version} here and was of version {outcome.version}"
            " then, so that its numbers can differ.",
            hint=f"Install the auditkit that wrote the result, {result.auditkit}.",
        )


def _compared(finding: Finding, again: Outcome, notes: list[str]) -> Reproduction:
    recorded = Estimate.of(finding)
    now = next((one for one in again.findings if one.id == finding.id), None)
    if now is None:
        why = again.reason or "it has no such finding now"
        return Reproduction(
            finding=finding.id,
            how="measured again",
            reproduced=False if again.status == "measured" else None,
            sentence=f"{again.check} was measured again and came to another end: {why}.",
            recorded=recorded,
            notes=notes,
        )
    measured = Estimate.of(now)
    same = measured == recorded
    return Reproduction(
        finding=finding.id,
        how="measured again",
        reproduced=same,
        sentence=f"Measured again it is {estimate(now)}"
        + (", as in the result." if same else f"; the result has {estimate(finding)}."),
        recorded=recorded,
        measured=measured,
        notes=notes,
    )


# --- surroundings --------------------------------------------------------------------------------


def _differences(result: Result, subject: Subject) -> list[str]:
    """Return what is different here, and can change the last bits of a number, as sentences."""
    then, here = result.provenance, packages()
    notes = [
        f"{name} is {here[name]} here and was {version} then."
        for name, version in then.packages.items()
        if here.get(name, version) != version
    ]
    if result.auditkit != auditkit.__version__:
        notes.append(f"auditkit is {auditkit.__version__} here and was {result.auditkit} then.")
    device = str(subject.model.device)
    if device != then.device:
        notes.append(f"The device is {device} here and was {then.device} then.")
    if not subject.model.identity.sha256:
        notes.append("The model has no hash: that it is the same one is taken on trust.")
    return notes
