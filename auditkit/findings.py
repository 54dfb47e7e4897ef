"""What was measured, how surely, on which evidence; plain data without opinion or markup."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self, TypeAlias
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, model_validator

from auditkit.types import Better, Family, Params, Scalar, Status


class Frozen(BaseModel):
    """A record that cannot change and knows no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


# --- evidence ------------------------------------------------------------------------------------


class Table(Frozen):
    """Rows of plain values; a missing value is undefined, never zero.

    `units` names the columns whose numbers have a unit, by that unit, as findings say it.
    """

    kind: Literal["table"] = "table"
    title: str
    columns: list[str]
    rows: list[list[Scalar]]
    units: dict[str, list[str]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _units_are_of_columns(self) -> Self:
        for names in self.units.values():
            if unknown := set(names) - set(self.columns):
                raise ValueError(f"no columns of the table {self.title!r}: {sorted(unknown)}")
        return self


class Series(Frozen):
    """One line of a curve, with an interval per point where there is one."""

    name: str
    x: list[float]
    y: list[float | None]
    low: list[float | None] | None = None
    high: list[float | None] | None = None


class Curve(Frozen):
    """Values over a swept quantity."""

    kind: Literal["curve"] = "curve"
    title: str
    x_label: str
    y_label: str
    series: list[Series]
    diagonal: bool = False  # draw y = x as the ideal


class Bar(Frozen):
    """One bar or dot with its interval and number of inputs."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None


class Bars(Frozen):
    """Values of named things side by side, or a histogram."""

    kind: Literal["bars"] = "bars"
    title: str
    value_label: str
    bars: list[Bar]


class Matrix(Frozen):
    """A number per pair of names, such as a confusion matrix."""

    kind: Literal["matrix"] = "matrix"
    title: str
    row_label: str
    column_label: str
    rows: list[str]
    columns: list[str]
    values: list[list[float | None]]
    unit: str


class Picture(Frozen):
    """An image as shown to the model: PNG, base64, original size."""

    kind: Literal["picture"] = "picture"
    label: str
    png: str


class Heatmap(Frozen):
    """A score per pixel (h, w); the renderer chooses colours."""

    kind: Literal["heatmap"] = "heatmap"
    label: str
    values: list[list[float]]
    signed: bool


Panel: TypeAlias = Annotated[Picture | Heatmap, Field(discriminator="kind")]


class ImageRow(Frozen):
    """One input: its panels from left to right."""

    id: str
    caption: str
    panels: list[Panel]


Selection: TypeAlias = Literal["worst", "random", "boundary", "best", "mean"]


class ImageExhibit(Frozen):
    """A gallery of images; `selection` says how they were chosen."""

    kind: Literal["image_exhibit"] = "image_exhibit"
    title: str
    selection: Selection
    rows: list[ImageRow]


class Token(Frozen):
    """A piece of text with a signed score in [-1, 1], or marked as changed."""

    text: str
    weight: float | None = None
    was: str | None = None  # the text that stood here before an attack
    gold: bool = False  # part of a ground-truth rationale


class TextRow(Frozen):
    """One text with its marked tokens; tokens keep their own leading spaces."""

    id: str
    caption: str
    tokens: list[Token]


class TextExhibit(Frozen):
    """A gallery of texts; `selection` says how they were chosen."""

    kind: Literal["text_exhibit"] = "text_exhibit"
    title: str
    selection: Selection
    rows: list[TextRow]


class Note(Frozen):
    """A sentence that must be read with the numbers."""

    kind: Literal["note"] = "note"
    title: str
    text: str


Evidence: TypeAlias = Annotated[
    Table | Curve | Bars | Matrix | ImageExhibit | TextExhibit | Note, Field(discriminator="kind")
]


# --- findings ------------------------------------------------------------------------------------


class Metric(Frozen):
    """What a metric is called and how it is defined, in words that travel with the result."""

    label: str  # "robust accuracy"
    definition: str  # with its denominator
    unit: str  # "share", "nats", "L2 distance in input units", ...
    better: Better
    plain: str = ""  # a sentence for readers outside the field; {value}, {slice}, {epsilon} filled


class Finding(Frozen):
    """One number with its unit, n and interval; no colour, no grade.

    A value that cannot be computed is None and `undefined` says why; n is then the number of inputs
    that were there.
    """

    id: str
    metric: str
    value: float | None
    unit: str
    n: int
    low: float | None
    high: float | None
    level: float
    interval: str  # how it was made: clopper-pearson, bootstrap, newcombe-paired, ..., exact, none
    better: Better
    slice: str = "all"
    params: Params = {}
    controls: list[str] = []
    evidence: list[str] = []
    undefined: str | None = None

    @model_validator(mode="after")
    def _defined_or_said_why(self) -> Self:
        if (self.value is None) != (self.undefined is not None):
            raise ValueError(f"{self.id}: a finding has a value, or says why it is undefined")
        if (self.low is None) != (self.high is None):
            raise ValueError(f"{self.id}: an interval has two ends or none")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"{self.id}: the interval [{self.low}, {self.high}] is upside down")
        return self


def finding_id(check: str, metric: str, slice_name: str, swept: Params) -> str:
    """Return `check/metric/slice/params`: swept parameters only, sorted, names percent-encoded.

    Examples
    --------
    >>> finding_id("pgd-linf", "robust_accuracy", "all", {"epsilon": 0.1})
    'pgd-linf/robust_accuracy/all/epsilon=0.1'
    >>> finding_id("group-gap", "accuracy", "skin tone=I/II", {})
    'group-gap/accuracy/skin%20tone=I%2FII'
    """
    parts = [_encoded(check), _encoded(metric), quote(slice_name, safe="=")]
    if swept:
        parts.append(
            ",".join(f"{_encoded(k)}={_encoded(_short(v))}" for k, v in sorted(swept.items()))
        )
    return "/".join(parts)


def _encoded(name: str) -> str:
    return quote(name, safe="")


def _short(value: Scalar) -> str:
    if isinstance(value, float):
        return repr(int(value)) if math.isfinite(value) and value.is_integer() else repr(value)
    return str(value)


# --- outcomes ------------------------------------------------------------------------------------


class Outcome(Frozen):
    """What became of one check, with the words needed to read it later without the check."""

    check: str
    version: int
    family: Family
    question: str
    explanation: str = ""
    not_shown: str = ""  # what these numbers cannot show
    remedy: str = ""  # what to do when they are bad
    references: list[str] = []
    metrics: dict[str, Metric] = {}
    status: Status
    reason: str | None = None
    seconds: float = 0.0
    inputs: int | None = None  # that it was given, where not every check was given all
    headline: str | None = None  # the finding id that stands for the check in summaries
    findings: list[Finding] = []
    evidence: dict[str, Evidence] = {}
