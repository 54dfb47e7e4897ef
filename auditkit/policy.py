"""Limits, controls, waivers, selection and presets, from `audit.toml` or `[tool.audit]`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from auditkit.errors import ConfigError, near_miss
from auditkit.places import line_of_key, lines_of_limits
from auditkit.statistics import LEVEL
from auditkit.types import Modality

SUITES = ("quick", "standard", "deep")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(text: object) -> object:
    """Return seconds of `90`, `"90s"`, `"10m"` or `"1h"`; anything else is left for validation.

    Examples
    --------
    >>> seconds_of("10m")
    600.0
    """
    if isinstance(text, str) and text[-1:] in _UNITS:
        try:
            return float(text[:-1]) * _UNITS[text[-1]]
        except ValueError as error:
            raise ValueError(f"{text!r} is no duration, expected 90s, 10m or 1h") from error
    return text


Duration = Annotated[float, BeforeValidator(seconds_of), Field(gt=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _require_one(low: float | None, high: float | None) -> None:
    if (low is None) == (high is None):
        raise ValueError("give either min or max")


class Limit(_Strict):
    """A bound on every finding whose id matches a pattern.

    Parameters
    ----------
    finding : str
        Finding id; `*` matches anything.
    min, max : float, optional
        The cautious end of the interval must reach it.
    max_drop_against : float, optional
        How much worse than in a reference result the finding may be, at least 0; the cautious end
        of the difference's interval must reach it.
    modality : Modality, optional
        Hold this limit only in audits of such models.
    sensitive : bool
        Hold this limit only where a column of the data is called sensitive.
    reason : str
        Why this limit; shown in the report.
    """

    finding: str
    min: float | None = None
    max: float | None = None
    max_drop_against: float | None = Field(default=None, ge=0)
    modality: Modality | None = None
    sensitive: bool = False
    reason: str = ""
    _place: str | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if self.max_drop_against is None:
            _require_one(self.min, self.max)
        elif self.min is not None or self.max is not None:
            raise ValueError("give one of min, max and max_drop_against")
        return self

    def is_about(self, modality: Modality, *, sensitive: bool) -> bool:
        """Say whether this limit holds in audits of such models on data with such columns."""
        return self.modality in (None, modality) and (sensitive or not self.sensitive)

    @property
    def place(self) -> str | None:
        """The file and line that set this limit, `audit.toml:12`; None for a suite's own."""
        return self._place

    def standing_at(self, place: str | None) -> Limit:
        """Return the same limit, which knows where it stands."""
        limit = self.model_copy()
        limit._place = place  # noqa: SLF001 - its own kind
        return limit


class Waiver(_Strict):
    """A failed or incomplete judgement that is set aside for a while.

    Parameters
    ----------
    finding : str
        Finding id or check id; `*` matches anything.
    reason, owner : str
        Why, and who answers for it.
    expires : date
        The last day on which it holds.
    """

    finding: str
    reason: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    expires: date


class RatingLimit(_Strict):
    """A bound on one metric of each thing that is rated.

    Parameters
    ----------
    metric : str
        Of the rated check.
    min, max : float, optional
        The cautious end of the interval must reach it.
    """

    metric: str
    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        _require_one(self.min, self.max)
        return self


class Rating(_Strict):
    """Words for several things that one check compares, such as methods.

    Parameters
    ----------
    check : str
        Whose findings are read.
    parameter : str
        What tells the things apart in the ids of its findings.
    words : (str, str, str)
        Where all limits are surely met; where something is open; where one is surely missed.
    limits : tuple of RatingLimit
        At least one.
    reason : str
        Why these limits; shown in the report.
    """

    check: str
    parameter: str
    words: tuple[str, str, str]
    limits: tuple[RatingLimit, ...] = Field(min_length=1)
    reason: str = ""


Exhibits: TypeAlias = Literal["shown", "blurred", "none"]  # how single inputs are shown


class Policy(_Strict):
    """What to run and what to hold it against."""

    suite: str = "quick"
    checks: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    controls: tuple[Limit, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    ratings: tuple[Rating, ...] = ()
    parameters: dict[str, dict[str, Any]] = {}
    max_inputs: int | None = Field(default=None, ge=1)
    aim: Duration | None = None
    budget: Duration | None = None
    until_decided: bool = False
    check_timeout: Duration | None = None
    seed: int = 0
    level: float = Field(default=LEVEL, gt=0.5, lt=1)
    minimum_n: int = Field(default=20, ge=1)
    min_cell: int | None = Field(default=None, ge=1)
    exhibits: Exhibits = "shown"
    _required_at: str | None = PrivateAttr(default=None)

    @property
    def looks_repeatedly(self) -> bool:
        """Whether few inputs are looked at first, and more only where a limit is not decided."""
        return self.until_decided or self.budget is not None

    @property
    def required_at(self) -> str | None:
        """The file and line that require checks, `audit.toml:3`; None for a suite's own."""
        return self._required_at

    def standing_in(self, file: str, text: str, own: Iterable[str]) -> Policy:
        """Return the same policy, whose limits and required checks know where they stand.

        Parameters
        ----------
        file : str
            The policy file as it was named.
        text : str
            What it holds.
        own : iterable of str
            The keys that it sets; what the suite sets has no place in the file.
        """
        table = "tool.audit" if Path(file).name == "pyproject.toml" else ""
        limits, required = self.limits, self._required_at
        if "limits" in own:
            lines = lines_of_limits(text, len(limits), table=table)
            limits = tuple(
                one.standing_at(f"{file}:{line or 1}")
                for one, line in zip(limits, lines, strict=True)
            )
        if "required" in own:
            required = f"{file}:{line_of_key(text, 'required', table=table) or 1}"
        policy = self.model_copy(update={"limits": limits})
        policy._required_at = required  # noqa: SLF001 - its own kind
        return policy

    def judging_nothing(self) -> Policy:
        """Return the same selection without limits, ratings and required checks."""
        return self.model_copy(update={"limits": (), "required": (), "ratings": ()})


def load_policy(
    source: str | Path | None = None, *, suite: str | None = None, checks: Iterable[str] = ()
) -> Policy:
    """Return the policy that a run follows.

    A suite says which checks run on how many inputs and recommends limits. A policy file names its
    suite and overrides it key by key; its own `limits` replace the recommended ones.

    Parameters
    ----------
    source : str or Path, optional
        A TOML file; "none" judges nothing. Without it, `audit.toml` or `[tool.audit]` of
        `pyproject.toml` in the current folder are used where they exist.
    suite : str, optional
        Overrides the file's suite.
    checks : iterable of str
        Run only these. Recommended limits on other checks are dropped; limits written in a policy
        file are not, so that what they name stays required.

    Raises
    ------
    ConfigError
        If the file is missing, is not TOML, or has an unknown key or a wrong value.
    """
    judge = source != "none"
    own, where, text = _own_settings(source) if judge else ({}, "", "")
    name = suite or own.get("suite") or "quick"
    preset = read_suite(str(name))
    selected = tuple(checks)
    if selected:
        preset["limits"] = [
            limit for limit in preset["limits"] if _check_of(limit["finding"]) in selected
        ]
        preset["required"] = []
    merged = {**preset, **own, "suite": name}
    parameters = {**preset.get("parameters", {})}
    for check, values in own.get("parameters", {}).items():
        parameters[check] = {**parameters.get(check, {}), **values}
    merged["parameters"] = parameters
    if selected:
        merged["checks"] = selected
    policy = _validated(merged, where=where or f"suite {name}", text=text)
    policy = policy.standing_in(where, text, own)
    return policy if judge else policy.judging_nothing()


def origins(source: str | Path | None = None, *, suite: str | None = None) -> dict[str, str]:
    """Return who sets each key of the policy that `load_policy` returns: a file, a suite, nobody.

    The parameters of a check have the key `parameters.<check>`.

    Raises
    ------
    ConfigError
        If the file is missing or is not TOML.
    """
    own, where, _ = _own_settings(source) if source != "none" else ({}, "", "")
    name = str(suite or own.get("suite") or "quick")
    preset = read_suite(name)
    found: dict[str, str] = {}
    for key in Policy.model_fields:
        found[key] = where if key in own else f"suite {name}" if preset.get(key) else "default"
    shipped, ours = preset.get("parameters", {}), own.get("parameters", {})
    for check in (*shipped, *ours):
        who = f"{where}, over suite {name}" if check in shipped else where
        found[f"parameters.{check}"] = who if check in ours else f"suite {name}"
    if source == "none":
        found |= dict.fromkeys(("limits", "required", "ratings"), "policy none")
    return found


def read_suite(name: str) -> dict[str, Any]:
    """Return a preset as it ships with the package."""
    if name not in SUITES:
        raise ConfigError(
            f"There is no suite {name!r}; there are {', '.join(SUITES)}.{near_miss(name, SUITES)}",
            hint="See them with: audit list suites",
        )
    file = resources.files("auditkit").joinpath("suites", f"{name}.toml")
    return {"limits": [], "required": [], **tomllib.loads(file.read_text(encoding="utf-8"))}


def _own_settings(source: str | Path | None) -> tuple[dict[str, Any], str, str]:
    if source is not None:
        file = Path(source)
        if not file.is_file():
            raise ConfigError(
                f"There is no policy file {file}.",
                hint="Write one with: audit init   (or pass --policy none to judge nothing)",
            )
        return _tables(file)
    for file in (Path("audit.toml"), Path("pyproject.toml")):
        if file.is_file():
            settings, where, text = _tables(file)
            if settings:
                return settings, where, text
    return {}, "", ""


def _tables(file: Path) -> tuple[dict[str, Any], str, str]:
    text = file.read_text(encoding="utf-8")
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not TOML: {error}.") from error
    if file.name == "pyproject.toml":
        content = content.get("tool", {}).get("audit", {})
    return content, str(file), text


def _validated(settings: Mapping[str, Any], *, where: str, text: str) -> Policy:
    try:
        return Policy.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        path = [str(part) for part in first["loc"]]
        key = path[-1] if path else ""
        line = _line_of(text, key)
        place = f"{where}:{line}" if line else where
        if first["type"] == "extra_forbidden":
            parts = (Policy, Limit, Waiver, Rating, RatingLimit)
            known = [name for part in parts for name in part.model_fields]
            raise ConfigError(
                f"{place}: unknown key {'.'.join(path)!r}.{near_miss(key, known)}",
                hint="All keys are described in the docs, reference 'Policy file'.",
            ) from error
        said = first["msg"].removeprefix("Value error, ")
        got = "" if first["type"] == "missing" else f", got {first['input']!r}"
        raise ConfigError(f"{place}: {'.'.join(path) or 'policy'}: {said}{got}.") from error


def _line_of(text: str, key: str) -> int | None:
    if key:
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip().startswith(key):
                return number
    return None


def _check_of(pattern: str) -> str:
    return pattern.split("/", 1)[0]
