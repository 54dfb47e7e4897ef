"""Numbers, names and findings in words, shared by every renderer.

Nothing here escapes markup: that belongs to the format. `clean` makes a text inert for all of them.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import cast
from urllib.parse import unquote

from auditkit.findings import Finding, Metric, Outcome
from auditkit.percent import bare_percent, plain_percent
from auditkit.plurals import count
from auditkit.result import (
    Judgement,
    ModelFacts,
    Provenance,
    Rated,
    Result,
    Verdict,
    VerdictStatus,
)
from auditkit.types import Family, Scalar

VERDICTS: dict[VerdictStatus, str] = {
    "pass": "Pass",
    "fail": "Fail",
    "incomplete": "Incomplete",
    "not_judged": "Not judged",
}
FAMILY_TITLES: dict[Family, str] = {
    "performance": "Performance",
    "robustness": "Robustness",
    "shift": "Shift",
    "calibration": "Calibration",
    "bias": "Bias",
    "attribution": "Attribution",
    "privacy": "Privacy",
    "efficiency": "Efficiency",
}
UNITLESS = {
    "", "1", "area", "correlation", "p", "p-value", "probability", "rank correlation", "ratio",
    "score", "squared probability",
}  # fmt: skip
DIFFERENCE = "share difference"  # of two percentages: read as points, not as percent
MOST_LISTED = 12  # swept values that the settings of a check name
LONG_UNIT = 12  # characters from which a unit is said once per sentence instead of at each number

_NAMES = re.compile(r"\{(\w+)\}")
_JOINERS = {"\u200c", "\u200d"}  # part of the spelling within words and emoji
_INERT = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


# --- texts from files and users ------------------------------------------------------------------


def clean(text: str) -> str:
    r"""Return a text without characters that act: control, direction and line-breaking ones.

    They are shown as escapes, so that a reader sees that something was there.

    Examples
    --------
    >>> clean("\x1b[31mred\u202e")
    '\\x1b[31mred\\u202e'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char
        if char in "\n\t" or not _inert(char) or (char in _JOINERS and _joins(before, after))
        else _visible(char)
        for before, char, after in zip("\n" + text, text, text[1:] + "\n", strict=False)
    )


def _inert(char: str) -> bool:
    return unicodedata.category(char) in _INERT


def _joins(before: str, after: str) -> bool:
    return not any(char.isspace() or _inert(char) for char in (before, after))


def _visible(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def ratings(rated: Sequence[Rated]) -> str:
    """Return rated things by their words: `occlusion, lime trustworthy; gradient doubtful`.

    What is told apart by another parameter than the first one names it.
    """
    by_word: dict[str, list[str]] = {}
    for one in sorted(rated, key=lambda one: one.rank):
        beside = "" if one.parameter == rated[0].parameter else f" ({one.parameter})"
        by_word.setdefault(one.word, []).append(f"{rated_thing(one)}{beside}")
    return "; ".join(f"{', '.join(things)} {word}" for word, things in by_word.items())


def rated_thing(one: Rated) -> str:
    """Return what was rated, as panels and tables call it."""
    return one.value.replace("-", " ")


def line(text: str) -> str:
    """Return a clean text on one line."""
    return " ".join(clean(text).split())


def short(text: str, length: int) -> str:
    """Return a clean line of at most `length` characters, with an ellipsis where it was cut."""
    whole = line(text)
    return whole if len(whole) <= length else whole[: length - 1].rstrip() + "…"


def sentence_case(text: str) -> str:
    """Return the text with its first letter raised."""
    return text[:1].upper() + text[1:]


# --- numbers -------------------------------------------------------------------------------------


def is_share(unit: str) -> bool:
    """Say whether a unit is read as a percentage."""
    return unit.split(" ", maxsplit=1)[0] == "share"


def unit_of_difference(unit: str) -> str:
    """Return the unit of a difference of two such values: of two percentages, points."""
    return DIFFERENCE if is_share(unit) else unit


def number(value: float, unit: str = "") -> str:
    """Return a value with its unit: shares in percent, others with three significant digits.

    What lies between two shares is said in points: from 10 % to 31 % are 21 points.

    Examples
    --------
    >>> number(0.213, "share difference")
    '21.3 points'
    >>> number(0.615, "share"), number(0.9999, "share"), number(1.23456, "nats"), number(77546)
    ('61.5 %', '99.99 %', '1.23 nats', '77,546')
    """
    return _with_unit(bare(value, unit), unit)


def _with_unit(digits: str, unit: str) -> str:
    if unit == DIFFERENCE:
        return f"{digits} {'point' if digits == '1' else 'points'}"
    if is_share(unit):
        return f"{digits} %"
    return digits if unit in UNITLESS or len(unit) > LONG_UNIT else f"{digits} {line(unit)}"


def bare(value: float, unit: str = "") -> str:
    """Return a value without its unit; the percent sign of a share is left out as well."""
    return bare_percent(value) if is_share(unit) else _significant(value)


def _significant(value: float) -> str:
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) < 1e-4:
        return f"{value:.2e}"
    return f"{value:#.3g}".rstrip(".")


def span(low: float, high: float, unit: str = "") -> str:
    """Return a range with its unit said once.

    Examples
    --------
    >>> span(0.55, 0.677, "share"), span(-0.2, 1.5, "nats")
    ('55.0 to 67.7 %', '-0.200 to 1.50 nats')
    """
    return f"{bare(low, unit)} to {number(high, unit)}"


def titled(label: str, unit: str) -> str:
    """Return a label with what the bare numbers under it are in, where they are shares.

    Examples
    --------
    >>> titled("accuracy", "share"), titled("lost", "share difference"), titled("area", "")
    ('accuracy (%)', 'lost (points)', 'area')
    """
    if unit == DIFFERENCE:
        return f"{line(label)} (points)"
    return f"{line(label)} (%)" if unit == "share" and "%" not in label else label


def scalar(value: Scalar, name: str = "") -> str:
    """Return a parameter or a table cell; a radius of whole grey levels reads as `8/255`.

    Examples
    --------
    >>> scalar(8 / 255, "epsilon"), scalar(0.1, "epsilon"), scalar(None), scalar(True)
    ('8/255', '0.1', 'undefined', 'yes')
    """
    match value:
        case None:
            return "undefined"
        case bool():
            return "yes" if value else "no"
        case str():
            return line(value)
        case int():
            return f"{value:,}" if abs(value) >= 10_000 else str(value)
        case float():
            return _radius(value) if name.startswith("eps") else _trimmed(value)


def _radius(value: float) -> str:
    levels = value * 255
    if len(repr(value)) > 6 and abs(levels - round(levels)) < 1e-6:
        return f"{round(levels)}/255"
    return _trimmed(value)


def _trimmed(value: float) -> str:
    text = _significant(value)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def unbroken(text: str) -> str:
    """Return the text with no line break between a number and its sign, or after `n =`."""
    kept = text.replace(" %", "\u00a0%").replace("n = ", "n\u00a0=\u00a0")
    return kept.replace(" point", "\u00a0point")


def duration(seconds: float) -> str:
    """Return a time in seconds, or in minutes and seconds.

    Examples
    --------
    >>> duration(3.14), duration(125.2)
    ('3.1 s', '2 min 5 s')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:,} min {rest} s"


def parameters_of(model: ModelFacts) -> str:
    """Return how many parameters a model has."""
    if model.parameters is None:
        return "number of parameters unknown"
    return count(model.parameters, "parameter")


# --- findings ------------------------------------------------------------------------------------


def metric_of(outcome: Outcome, finding: Finding) -> Metric:
    """Return what a finding's metric means; a result without the words gets its bare id."""
    known = outcome.metrics.get(finding.metric)
    if known is not None:
        return known
    label = finding.metric.replace("_", " ")
    return Metric(label=label, definition="", unit=finding.unit, better=finding.better)


def settings(finding: Finding) -> list[tuple[str, str]]:
    """Return the swept parameters of a finding by name, as its id lists them."""
    parts = finding.id.split("/")
    swept = parts[3] if len(parts) == 4 else ""
    pairs = [pair.split("=", 1) for pair in swept.split(",") if "=" in pair]
    return [
        (line(name), scalar(finding.params[name], name) if name in finding.params else line(text))
        for name, text in ((unquote(name), unquote(text)) for name, text in pairs)
    ]


def fixed_settings(outcome: Outcome) -> list[tuple[str, str]]:
    """Return the parameters that no finding of the check sweeps."""
    swept = {name for finding in outcome.findings for name, _ in settings(finding)}
    params = {name: v for finding in outcome.findings for name, v in finding.params.items()}
    return [(line(k), scalar(v, k)) for k, v in sorted(params.items()) if line(k) not in swept]


def all_settings(result: Result, outcome: Outcome) -> list[tuple[str, str]]:
    """Return the fixed parameters, then what was swept, then lists that the policy set.

    Findings hold no lists: of a parameter such as `epsilons` they hold one value each, and the
    policy holds the list where it is not the check's own default.
    """
    swept: dict[str, list[str]] = {}
    for finding in outcome.findings:
        for name, value in settings(finding):
            known = swept.setdefault(name, [])
            if value not in known:
                known.append(value)
    fixed = fixed_settings(outcome)
    each = {name: _listed(values) for name, values in swept.items()}
    told = {name for name, _ in fixed}
    same = {(f"{name}s", text) for name, text in each.items()}  # epsilons beside epsilon
    lists = [one for one in _lists(result, outcome.check) if one not in same]
    return [*fixed, *each.items(), *((name, text) for name, text in lists if name not in told)]


def _lists(result: Result, check: str) -> list[tuple[str, str]]:
    """Return the parameters of a check that the policy gives as lists."""
    known = result.provenance.policy.get("parameters")
    own = cast("dict[str, object]", known).get(check) if isinstance(known, dict) else None
    if not isinstance(own, dict):
        return []
    found: list[tuple[str, str]] = []
    for name, value in sorted(cast("dict[str, object]", own).items()):
        if isinstance(value, (list, tuple)):
            items = cast("Sequence[object]", value)
            found.append((line(name), _listed([_item(one, name) for one in items])))
    return found


def _item(value: object, name: str) -> str:
    if value is None or isinstance(value, (str, int, float)):
        return scalar(value, name)
    return line(str(value))


def _listed(values: Sequence[str]) -> str:
    shown = [line(one) for one in values[:MOST_LISTED]]
    left = len(values) - len(shown)
    return ", ".join([*shown, *([f"{left:,} more"] if left else [])])


def subject(outcome: Outcome, finding: Finding) -> str:
    """Return what a finding is about: metric, settings and slice."""
    label = sentence_case(line(metric_of(outcome, finding).label))
    where = "" if finding.slice == "all" else f" for {line(finding.slice)}"
    return f"{label}{_at(finding)}{where}"


def _at(finding: Finding) -> str:
    """Return ` at epsilon 0.1`, or ` (jpeg, severity 3)` where a setting is a name."""
    pairs = settings(finding)
    named = [isinstance(finding.params.get(name), str) for name, _ in pairs]
    if not pairs:
        return ""
    if not any(named):
        return " at " + ", ".join(f"{name} {value}" for name, value in pairs)
    said = (v if is_name else f"{k} {v}" for (k, v), is_name in zip(pairs, named, strict=True))
    return f" ({', '.join(said)})"


def value_of(finding: Finding) -> str:
    """Return a finding's value with its unit, or why there is none."""
    if finding.value is None:
        return f"undefined: {line(finding.undefined or 'no reason was recorded')}"
    return number(finding.value, finding.unit)


def range_of(finding: Finding) -> str:
    """Return the range beside the value and what kind of range it is; empty where there is none."""
    if finding.low is None or finding.high is None:
        return ""
    text = span(finding.low, finding.high, finding.unit)
    if finding.interval == "null-band":
        return f"by chance alone {text}"
    return f"{plain_percent(finding.level)} interval {text}"


def estimate(finding: Finding) -> str:
    """Return value, range and n: `61.5 % (95 % interval 55.0 to 67.7 %), n = 200`."""
    beside = range_of(finding)
    return f"{value_of(finding)}{f' ({beside})' if beside else ''}, n = {finding.n:,}"


def statement(outcome: Outcome, finding: Finding) -> str:
    """Return a finding as a sentence.

    A finding without a value says so and why.
    """
    about = subject(outcome, finding)
    text = f"{about} {_verb(about)} {estimate(finding)}{_unit_beside(finding)}"
    return text if text.endswith(".") else f"{text}."


def plainly(outcome: Outcome, finding: Finding) -> str:
    """Return a finding as a sentence for readers outside the field, where its metric has one."""
    known: dict[str, str] = {
        **dict(settings(finding)),
        "value": value_of(finding),
        "slice": line(finding.slice),
    }
    plain = line(metric_of(outcome, finding).plain)
    if not plain or finding.value is None or not set(_NAMES.findall(plain)) <= known.keys():
        return statement(outcome, finding)
    said = sentence_case(_NAMES.sub(lambda found: known[found[1]], plain))
    beside = range_of(finding)
    return f"{said}{f' ({beside})' if beside else ''}, n = {finding.n:,}."


def _verb(about: str) -> str:
    """Return `are` behind a plural such as `Answers that change`, else `is`."""
    first = about.split(" ", maxsplit=1)[0].lower()
    plural = first.endswith("s") and not first.endswith(("ss", "us", "is", "bias"))
    return "are" if plural else "is"


def _unit_beside(finding: Finding) -> str:
    known = is_share(finding.unit) or finding.unit in UNITLESS or len(finding.unit) <= LONG_UNIT
    return "" if known else f"; unit: {line(finding.unit)}"


# --- judgements ----------------------------------------------------------------------------------


def verdict_sentence(verdict: Verdict) -> str:
    """Return the verdict's sentence without the word it opens with, which stands beside it.

    That of a fail also says how many limits are still open.
    """
    sentence = line(verdict.sentence).removeprefix(f"{VERDICTS[verdict.status]}:").lstrip()
    undecided = sum(one.status == "incomplete" for one in verdict.decided_by)
    if verdict.status == "fail" and undecided:
        verb = "is" if undecided == 1 else "are"
        sentence = f"{sentence} {undecided} {verb} not decided."
    return sentence_case(sentence)


def reason_of(judgement: Judgement) -> str:
    """Return why a limit is met or not, and how many inputs would decide an open one."""
    reason = line(judgement.reason)
    if judgement.status != "incomplete" or judgement.needs_n is None:
        return reason
    needed = f"needs about {judgement.needs_n:,} inputs"
    said = reason if needed in reason else f"{reason}: {needed}"
    return f"{said} (an extrapolation)"


def limit(judgement: Judgement, unit: str) -> str:
    """Return a limit in words and in the unit of the finding that it is held against.

    A limit without a number, and one of a result that does not say its number apart, is the
    sentence that the result holds.

    Examples
    --------
    >>> one = Judgement(limit="gap <= 0.1", finding="c/gap/all", status="pass", reason="met")
    >>> limit(one, "share difference")
    'gap <= 0.1'
    >>> limit(one.model_copy(update={"bound": 0.1, "bound_is": "max"}), "share difference")
    'at most 10 points'
    """
    if judgement.bound is None or judgement.bound_is is None:
        return line(judgement.limit)
    meaning = {
        "min": "at least",
        "max": "at most",
        "max_drop_against": "worse than the reference by at most",
    }[judgement.bound_is]
    judged_in = _judged_unit(judgement, unit)
    scale = 100 if is_share(judged_in) else 1
    digits = f"{scale * judgement.bound:,.10g}"  # chosen, not measured: no digit is left out
    return f"{meaning} {_with_unit(digits, judged_in)}"


def judged_interval(judgement: Judgement, unit: str) -> str:
    """Return the interval that a limit met; empty where there was none."""
    if judgement.low is None or judgement.high is None:
        return ""
    return span(judgement.low, judgement.high, _judged_unit(judgement, unit))


def _judged_unit(judgement: Judgement, unit: str) -> str:
    return unit_of_difference(unit) if judgement.bound_is == "max_drop_against" else unit


def replay(provenance: Provenance, check: str) -> str:
    """Return the command line that runs one check again."""
    command = line(provenance.command)
    if "--check" in command.split():
        return command
    return f"{command} --check {shlex.quote(line(check))}"


def reproduction(result: Result, finding_id: str) -> str:
    """Return the command line that sees whether a finding comes out again."""
    folder = line(folder_of(result))
    return f"audit reproduce {shlex.quote(folder)} {shlex.quote(line(finding_id))}"


def folder_of(result: Result) -> str:
    """Return the folder that an audit was written to, as far as its command tells."""
    try:
        typed = shlex.split(result.provenance.command)
    except ValueError:  # a quote that does not end
        typed = []
    for before, one in pairwise(["", *typed]):
        if before == "--out":
            return one
        if one.startswith("--out="):
            return one.removeprefix("--out=")
    return f"reports/{result.model.name}" if typed[:2] == ["audit", "run"] else "result.json"


def stored_inputs(result: Result, check: str) -> str:
    """Return in words what is stored of inputs that fooled the model; empty where nothing is."""
    groups = result.adversarial.inputs if result.adversarial is not None else []
    mine = [one for one in groups if one.check == check]
    stored, found = sum(one.stored for one in mine), sum(one.found for one in mine)
    if found == 0:
        return ""
    some = f"{stored:,} of {found:,}" if stored < found else f"{found:,}"
    verb = "is" if found == 1 else "are"
    return (
        f"{some} changed {'input' if found == 1 else 'inputs'} that fooled the model {verb} stored"
    )
