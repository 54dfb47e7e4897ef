"""Which topics of frameworks and standards the numbers of a report touch, and which they do not.

A topic is met through the families of checks, so that a new check needs nothing here. Numbers can
be evidence about a topic; they never settle it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditkit.findings import Outcome
from auditkit.render.outline import PROOFS
from auditkit.result import Result
from auditkit.types import Family

NIST = "NIST AI RMF 1.0, Measure function"
EU = "EU AI Act (Regulation 2024/1689), article 15"
ISO = "ISO/IEC TR 24029-1:2021"


@dataclass(frozen=True)
class Topic:
    """One topic of a framework.

    Parameters
    ----------
    framework, name : str
        As they are cited.
    families : tuple of str
        Whose checks say something about it; empty where no check does.
    beyond : str
        What belongs to the topic and cannot be seen by measuring a trained model.
    proofs : bool
        Whether of these families only checks that prove something count, by their metrics.
    checks : tuple of str
        Single checks that belong here although the rest of their family does not.
    """

    framework: str
    name: str
    families: tuple[Family, ...]
    beyond: str
    proofs: bool = False
    checks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Covered:
    """A topic with the checks of one report that belong to it."""

    topic: Topic
    measured: Sequence[str]
    missing: Sequence[str]  # errored or skipped; what does not apply is left out

    @property
    def said(self) -> str:
        """How far the report goes, in a few words."""
        if not (self.topic.families or self.topic.checks):
            return "Outside what auditkit measures"
        if not self.measured:
            return "Not measured here"
        return "Measured in part" if self.missing else "Measured"


TOPICS: tuple[Topic, ...] = (
    Topic(
        NIST,
        "MEASURE 2.3 and 2.5: performance, validity, reliability",
        ("performance", "calibration", "shift"),
        "Whether the data resemble the place of use; behaviour after deployment (2.4).",
    ),
    Topic(NIST, "MEASURE 2.6: safety", (), "What a wrong answer does to people; fail-safe design."),
    Topic(
        NIST,
        "MEASURE 2.7: security and resilience",
        ("robustness",),
        "The system around the model: access, supply chain, monitoring.",
    ),
    Topic(
        NIST,
        "MEASURE 2.8 and 2.9: transparency, explanation",
        ("attribution",),
        "Whether people understand and use the explanations; documentation of decisions.",
    ),
    Topic(
        NIST,
        "MEASURE 2.10: privacy",
        ("privacy",),
        "How data were collected, consent, retention.",
    ),
    Topic(
        NIST,
        "MEASURE 2.11: fairness and harmful bias",
        ("bias",),
        "Which groups matter and which gap is unjust: that is for people to say.",
    ),
    Topic(
        NIST,
        "MEASURE 2.12: environmental impact",
        ("efficiency",),
        "Energy and material of training and operation.",
    ),
    Topic(
        NIST,
        "MEASURE 1, 3 and 4: choice of metrics, tracking, feedback",
        (),
        "Processes of an organisation; a report can be an input to them.",
    ),
    Topic(
        EU,
        "Accuracy, and its declaration (15.1, 15.3)",
        ("performance", "calibration"),
        "Which accuracy is appropriate; the instructions for use.",
    ),
    Topic(
        EU,
        "Robustness against errors and faults (15.4)",
        ("shift",),
        "Redundancy and fail-safe plans; faults outside the model.",
    ),
    Topic(
        EU,
        "Consistency over the life cycle (15.1), feedback loops (15.4)",
        (),
        "One report is one moment: compare reports over time.",
    ),
    Topic(
        EU,
        "Cybersecurity: adversarial examples, model evasion (15.5)",
        ("robustness",),
        "Attackers with other means than those that were tried.",
    ),
    Topic(
        EU,
        "Cybersecurity: confidentiality attacks (15.5)",
        ("privacy",),
        "Access to model and data.",
    ),
    Topic(
        EU,
        "Cybersecurity: data and model poisoning (15.5)",
        (),
        "The origin of training data and weights; a search for stamps sees one kind of poisoning.",
        checks=("backdoor",),
    ),
    Topic(
        ISO,
        "Statistical methods: measures on data, unchanged and changed",
        ("performance", "calibration", "shift", "robustness"),
        "Data that were not there.",
    ),
    Topic(
        ISO,
        "Formal methods: proofs about all changes of a kind (also ISO/IEC 24029-2:2023)",
        ("robustness",),
        "Kinds of change and sizes of network that the bounds do not reach.",
        proofs=True,
    ),
    Topic(
        ISO,
        "Empirical methods: field trials, benchmarks in use",
        (),
        "Trials with people at the place of use.",
    ),
)


def coverage(result: Result) -> dict[str, list[Covered]]:
    """Return every topic with what this report holds about it, by framework."""
    found: dict[str, list[Covered]] = {}
    for one in TOPICS:
        found.setdefault(one.framework, []).append(_covered(one, result.outcomes))
    return found


def _covered(topic: Topic, outcomes: Sequence[Outcome]) -> Covered:
    mine = [
        one
        for one in outcomes
        if one.check in topic.checks
        or (one.family in topic.families and (not topic.proofs or _proves(one)))
    ]
    return Covered(
        topic,
        [one.check for one in mine if one.status == "measured"],
        [one.check for one in mine if one.status in ("errored", "skipped")],
    )


def _proves(outcome: Outcome) -> bool:
    return any(name in PROOFS for name in outcome.metrics)
