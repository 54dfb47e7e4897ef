"""Words of the report explained: terms of the field that it uses, then its metrics."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from auditkit.findings import Outcome
from auditkit.render import words
from auditkit.result import Result


@dataclass(frozen=True)
class Term:
    """One word, what it means, and where the report has it from."""

    name: str
    meaning: str
    checks: Sequence[str] = ()


# name, what gives it away in a text, meaning
_TERMS: tuple[tuple[str, str, str], ...] = (
    ("Adversary", r"attack|adversar", "Whoever changes inputs on purpose so that the model errs."),
    ("Attack success rate", r"attack success",
     "Share of the inputs read correctly before an attack that are read wrongly after it."),
    ("Attribution", r"attribution|saliency",
     "A score per part of an input that says how much the answer depends on that part; an"
     " approximation whose faithfulness has to be tested."),
    ("AUROC", r"\bAU(RO)?C\b|\barea\b",
     "Chance that a random positive case gets a higher score than a random negative one."),
    ("Calibration", r"calibrat",
     "Agreement of the stated probabilities with how often the answers are right."),
    ("Certified", r"certif|proved",
     "Proved for every change of the stated kind and size, not only for those that were tried."),
    ("Clopper-Pearson interval", r"clopper-pearson",
     "An exact interval for a share; it covers the true share at least as often as it says."),
    ("Control", r"\bcontrols?\b",
     "A test of the measurement itself: a case whose answer is known beforehand."),
    ("Corruption, severity", r"corruption|severity",
     "A named degradation such as noise or blur, and its level from 1 to 5."),
    ("ECE, expected calibration error", r"\bece\b|calibration error",
     "Mean distance between stated confidence and share of right answers, over bins."),
    ("Epsilon", r"epsilon",
     "Size of the largest change an attack may make, in units of the input range: of pixels from 0"
     " to 1, 8/255 is eight grey levels."),
    ("False positive rate, true positive rate", r"positive rate|\bfpr\b|\btpr\b",
     "Share of the inputs not of a class, and of the class, that are given that class."),
    ("Holm", r"\bHolm\b", "A correction that keeps the chance of any false alarm among several"
     " tests at the stated level."),
    ("Linf, L2, L1, L0", r"\bL(inf|2|1|0)\b",
     "How the size of a change is counted: its largest single part, its Euclidean length, the sum"
     " of its parts, the number of parts changed."),
    ("Null band", r"null.band",
     "Where a value would lie by chance alone."),
    ("Robust accuracy", r"robust accuracy",
     "Share of all inputs read correctly although an attacker may change them; what attacks leave"
     " is an upper bound on it."),
    ("Sensitive attribute", r"sensitive",
     "A column that describes people and is used to compare groups of them."),
    ("Gap", r"\bgap\b", "A gap is the largest value of any group minus the smallest;"
     " its interval allows for having picked the extremes."),
    ("Slice", r"\bslices?\b|\bgroups?\b", "A named part of the inputs, such as all dark images."),
)  # fmt: skip
_ALWAYS = (
    Term(
        "Interval",
        "Where the true value may plausibly lie, given that only n inputs were seen; a limit is"
        " held against its cautious end.",
    ),
    Term(
        "Limit",
        "What the policy asks of a finding. It is met, missed, or, where the interval reaches to"
        " both sides, incomplete.",
    ),
    Term("n", "The number of independent inputs behind a value."),
)


def terms(result: Result) -> list[Term]:
    """Return the terms of the field that occur in the report, in alphabetical order."""
    text = "\n".join(_texts(result.outcomes))
    found = [
        Term(name, meaning)
        for name, pattern, meaning in _TERMS
        if re.search(pattern, text, re.IGNORECASE)
    ]
    return sorted([*_ALWAYS, *found], key=lambda term: term.name.lower())


def _texts(outcomes: Iterable[Outcome]) -> Iterable[str]:
    for one in outcomes:
        if one.status != "measured":
            continue
        yield from (one.question, one.explanation, one.not_shown)
        yield from sorted({finding.interval for finding in one.findings})
        used = {finding.metric for finding in one.findings}
        for name, metric in one.metrics.items():
            if name in used:
                yield from (metric.label, metric.definition, name)


def metrics(result: Result) -> list[Term]:
    """Return what every metric of the report means, each meaning once, by label."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in result.outcomes:
        used = {finding.metric for finding in one.findings}
        for name, metric in one.metrics.items():
            if name in used:
                key = (words.sentence_case(words.line(metric.label)), metric.definition)
                checks = found.setdefault(key, [])
                if one.check not in checks:
                    checks.append(one.check)
    listed = [Term(label, meaning, checks) for (label, meaning), checks in found.items()]
    return sorted(listed, key=lambda term: term.name.lower())


def references(result: Result) -> dict[str, int]:
    """Return the papers behind the checks that ran, each once, with its number in the list."""
    papers = dict.fromkeys(
        paper
        for one in result.outcomes
        if one.status in ("measured", "errored")
        for paper in one.references
    )
    return {paper: i for i, paper in enumerate(papers, start=1)}
