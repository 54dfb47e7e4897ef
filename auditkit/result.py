"""The versioned JSON that an audit leaves behind: the only thing that crosses to rendering."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import Field, ValidationError

from auditkit.errors import ResultError
from auditkit.findings import Frozen, Outcome
from auditkit.types import Modality

SCHEMA = 1
_NUMBERS = re.compile(r"\[\s+(?:-?\d[\d.eE+-]*|null)(?:,\s+(?:-?\d[\d.eE+-]*|null))*\s+\]")
_SPACE = re.compile(r"\s+")


class ModelFacts(Frozen):
    """What was audited."""

    name: str
    sha256: str
    modality: Modality
    architecture: str
    parameters: int | None  # how many; None where nobody knows
    classes: list[str]
    input_shape: list[int] | None = None  # images: [c, h, w]
    bounds: list[float] | None = None
    features: list[str] = []  # tables: names of the columns; graphs: names of the tags of nodes
    card: dict[str, str] = {}
    notes: list[str] = []  # what was detected or assumed while loading


class SliceFacts(Frozen):
    """A column that divides the inputs into groups."""

    name: str
    sensitive: bool
    derived: bool  # computed from the inputs themselves, not given by the data
    groups: dict[str, int]


class DataFacts(Frozen):
    """What it was audited on."""

    name: str
    split: str
    sha256: str
    n: int
    available: int  # inputs there were before --max-inputs
    classes: dict[str, int]
    slices: list[SliceFacts]
    attributes_sha256: str | None = None  # of the file that columns were joined from
    notes: list[str] = []

    @property
    def sensitive(self) -> bool:
        """Whether a column that compares people is there."""
        return any(one.sensitive for one in self.slices)


class RecordsFile(Frozen):
    """Per-input records beside the result."""

    file: str
    sha256: str


class StoredInputs(Frozen):
    """Adversarial inputs of one check and swept parameter."""

    check: str
    parameter: str  # an input's budget is a value of it
    measure: str  # what a budget counts: linf, l2, l1, words
    stored: int
    found: int  # before some were left out for want of room


class AdversarialFile(Frozen):
    """Inputs that fooled the model, beside the result."""

    file: str
    sha256: str
    inputs: list[StoredInputs]


VerdictStatus: TypeAlias = Literal["pass", "fail", "incomplete", "not_judged"]
LimitStatus: TypeAlias = Literal["pass", "fail", "incomplete"]
BoundKind: TypeAlias = Literal["min", "max", "max_drop_against"]


class Judgement(Frozen):
    """One limit held against one finding, or a required check that left nothing to judge."""

    limit: str  # as a sentence: "robust_accuracy >= 0.3"
    finding: str
    status: LimitStatus
    reason: str
    low: float | None = None  # the interval that was judged
    high: float | None = None
    needs_n: int | None = None  # an extrapolation; None when unknown or above one million
    place: str | None = None  # the policy's file and line, "audit.toml:12"; None for a suite's own
    bound: float | None = None  # in the finding's unit; None where the limit is no number
    bound_is: BoundKind | None = None  # the key of the policy that set the bound


class Waived(Frozen):
    """A judgement that the policy sets aside, with its reason."""

    judgement: Judgement
    reason: str
    owner: str
    expires: str


class Rated(Frozen):
    """The policy's word for one of several things that a check compares."""

    check: str
    parameter: str
    value: str  # of the parameter: a method, say
    word: str
    rank: int  # 0: all limits surely met; 1: something is open; 2: one is surely missed
    because: list[Judgement] = []  # limits that were not met, the missed ones first


class Verdict(Frozen):
    """The policy's answer."""

    status: VerdictStatus
    exit_code: int
    sentence: str
    decided_by: list[Judgement]
    passed: list[Judgement] = []
    waived: list[Waived] = []
    notes: list[str] = []
    ratings: list[Rated] = []


class Execution(Frozen):
    """How the numbers were computed; "same result" means under the same settings.

    Parameters
    ----------
    threads : int
        Threads inside one operation. Work is spread over processes instead, so that the number of
        workers cannot change a number.
    batch_size : int
        Inputs per forward pass.
    shard_size : int
        Inputs per step of the plan.
    layout : {"contiguous", "channels_last"}
        Memory layout of image batches.
    search_dtype : {"float32", "bfloat16"}
        Precision in which attacks search; success is judged in the model's own.
    """

    threads: int = Field(default=1, ge=1)
    batch_size: int = Field(default=128, ge=1)
    shard_size: int = Field(default=100, ge=1)
    layout: Literal["contiguous", "channels_last"] = "contiguous"
    search_dtype: Literal["float32", "bfloat16"] = "float32"


class Provenance(Frozen):
    """How to make this result again.

    `model_options` and `data_options` hold what was typed, by the fields of `ModelSpec` and
    `DataSpec`, defaults left out; None for a model in memory, and for the model's own data.
    """

    command: str
    model_options: dict[str, object] | None = None
    data_options: dict[str, object] | None = None
    policy: dict[str, object]
    suite: str
    seed: int
    started: str
    seconds: float
    python: str
    platform: str
    packages: dict[str, str]
    device: str
    dtype: str
    workers: int
    execution: Execution
    git: str | None = None
    partial: bool = False  # interrupted: some checks had not run
    incidents: list[str] = []  # what went wrong meanwhile and was survived, as sentences
    memory: int | None = None  # bytes that a process was allowed to use
    looks: list[int] = []  # inputs of each look that was planned, where there were several

    @property
    def look_count(self) -> int:
        """How many looks at the limits were planned."""
        return max(1, len(self.looks))


class Result(Frozen):
    """A whole audit."""

    schema_: Literal[1] = Field(default=SCHEMA, alias="schema")
    auditkit: str
    model: ModelFacts
    data: DataFacts
    outcomes: list[Outcome]
    records: RecordsFile | None = None
    adversarial: AdversarialFile | None = None
    verdict: Verdict
    provenance: Provenance

    def _repr_html_(self) -> str:
        """Return what a notebook shows of a result that a cell ends with."""
        from auditkit.render.notebook import render_notebook

        return render_notebook(self)

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Print the summary where IPython shows text."""
        from auditkit.render.terminal import terminal_text

        printer.text(terminal_text(self).rstrip())


def to_json(result: Result) -> str:
    """Return the result as JSON text; the same result always gives the same text."""
    content = result.model_dump(mode="json", by_alias=True)
    text = json.dumps(content, indent=1, ensure_ascii=False)
    # Lists of numbers stand on one line: shorter, and a diff still shows what changed.
    return _NUMBERS.sub(lambda found: _SPACE.sub(" ", found[0]), text) + "\n"


def json_schema() -> dict[str, object]:
    """Return the published JSON Schema of `result.json`."""
    return Result.model_json_schema(by_alias=True)


def read_result(path: str | Path) -> Result:
    """Read `result.json`, or the one inside a report folder.

    Raises
    ------
    ResultError
        If the file is missing, is not a result, or has a version this auditkit cannot read.
    """
    file = result_file(path)
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ResultError(
            f"There is no result at {file}.", hint="Make one: audit run MODEL"
        ) from error
    except (OSError, ValueError) as error:
        raise ResultError(f"{file} is not readable JSON: {error}") from error
    version = raw.get("schema") if isinstance(raw, dict) else None
    if version != SCHEMA:
        raise ResultError(
            f"{file} has result version {version!r}; this auditkit reads version {SCHEMA}.",
            hint="Run the audit again, or install the auditkit that wrote the file.",
        )
    try:
        return Result.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ResultError(f"{file} is not an auditkit result: {where}: {first['msg']}.") from error


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())  # a power cut leaves the old content or the new
        Path(temporary).chmod(0o666 & ~_umask())  # mkstemp lets nobody else read it
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def remove_temporary_files(folder: Path) -> None:
    """Take away what `write_atomically` leaves in a folder when its process is killed."""
    for file in folder.glob(".*.tmp"):
        file.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0o077)  # the only way to read it is to set it
    os.umask(mask)
    return mask


def result_file(path: str | Path) -> Path:
    """Return the file that a result's file or folder means."""
    path = Path(path)
    return path / "result.json" if path.is_dir() else path


def read_execution(path: str | Path) -> Execution:
    """Read execution settings from a result, or from a JSON object that holds just them.

    Raises
    ------
    ResultError
        If the file holds neither.
    """
    file = result_file(path)
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        if "provenance" in raw:
            return read_result(file).provenance.execution
        return Execution.model_validate(raw)
    except (OSError, ValueError) as error:  # a validation error is a ValueError too
        raise ResultError(
            f"{file} holds no execution settings: {error}",
            hint="Pass the result.json of an earlier run.",
        ) from error
