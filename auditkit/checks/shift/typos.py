"""How much accuracy is lost when texts contain typing mistakes?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.parameters import require_choice
from auditkit.checks.shift._graded import (
    Cell,
    Fallen,
    accuracy_and_drop,
    accuracy_series,
    fallen_in,
    marked,
    mean_error,
    require_severities,
    worst,
)
from auditkit.findings import (
    Bar,
    Bars,
    Curve,
    Evidence,
    Finding,
    Matrix,
    Metric,
    Note,
    Scalar,
    Table,
    TextExhibit,
    TextRow,
)
from auditkit.methods.corruptions.severity import SEVERITIES
from auditkit.methods.corruptions.typos import (
    ALL_KINDS,
    KINDS,
    SHARE_OF_WORDS,
    Mistyped,
    require_kinds,
    typos,
    words_in,
)
from auditkit.models.classifier import TextClassifier
from auditkit.percent import percent, plain_percent
from auditkit.statistics import clopper_pearson, paired_difference
from auditkit.types import Bools, Ints

_MIXED = "mixed"  # every word gets one of the chosen kinds


@final
@dataclass(frozen=True, kw_only=True)
class Typos(Check):
    """Accuracy when a share of the words is mistyped, at five severities.

    Severity 1 to 5 changes 5, 10, 20, 30, 40 % of a text's words, at least one. An input gets the
    same typos in every run of the same seed, and a higher severity keeps those of a lower one.

    Parameters
    ----------
    severities : tuple of int
        Distinct severities from 1 to 5.
    kinds : tuple of str
        Distinct names from `auditkit.methods.corruptions.typos.ALL_KINDS`; mixed in every text.
    alone : tuple of str
        Distinct names of kinds that are also measured each alone, at the highest severity.
    alone_severities : tuple of int
        Lower severities at which they are measured alone, too; perhaps none.

    Raises
    ------
    ConfigError
        If a severity or a kind is unknown or named twice, or a tuple is empty.
    """

    meta: ClassVar[Meta] = Meta(
        id="typos",
        family="shift",
        question="How much accuracy is lost when texts contain typing mistakes?",
        explanation="In every text a share of the words, at least one, is mistyped: a neighbouring"
        " key, two letters exchanged, one left out or doubled, a look-alike as optical character"
        " recognition would read it, a change of case, a space inside. Beside these, each kind is"
        " measured alone, and so are spaces left out, marks too many or lost, apostrophes lost, and"
        " letters of other alphabets that look alike. Each accuracy is compared with the accuracy"
        " on the same texts when clean.",
        not_shown="Mistakes of meaning or grammar, dialect, and mistakes chosen by an adversary."
        " The keyboard is QWERTY, and the look-alikes are Latin letters.",
        remedy="Train with mistyped texts, use a tokenizer of characters or subwords so that an"
        " unseen word is not lost, or correct the spelling first.",
        metrics={
            "mean_typo_error": Metric(
                label="mean error under typos",
                definition="Error averaged over the severities with all kinds mixed, of all"
                " inputs.",
                unit="share",
                better="lower",
                plain="With typing mistakes in the texts, {value} of the answers are wrong",
            ),
            "accuracy": Metric(
                label="accuracy under typos",
                definition="Share of all inputs that are classified correctly at one severity"
                " with all kinds mixed.",
                unit="share",
                better="higher",
            ),
            "accuracy_drop": Metric(
                label="accuracy lost to typos",
                definition="Accuracy on the clean inputs minus accuracy on the same inputs at one"
                " severity with all kinds mixed.",
                unit="share difference",
                better="lower",
            ),
            "kind_accuracy": Metric(
                label="accuracy under one kind of typo",
                definition="Share of all inputs that are classified correctly at the highest"
                " severity with typos of one kind only.",
                unit="share",
                better="higher",
            ),
            "kind_drop": Metric(
                label="accuracy lost to one kind of typo",
                definition="Accuracy on the clean inputs minus accuracy on the same inputs at the"
                " highest severity with typos of one kind only. Inputs that this kind cannot change"
                " count as they are.",
                unit="share difference",
                better="lower",
            ),
        },
        headline="typos/mean_typo_error/all",
        version=2,
        modalities=("text",),
    )
    severities: tuple[int, ...] = SEVERITIES
    kinds: tuple[str, ...] = tuple(KINDS)
    alone: tuple[str, ...] = tuple(ALL_KINDS)
    alone_severities: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        require_severities("typos", self.severities)
        if self.alone_severities:
            require_severities("typos", self.alone_severities)
        for name, kinds in (("kinds", self.kinds), ("alone", self.alone)):
            require_choice("typos", name, kinds)
            require_kinds(kinds)

    @property
    def _grid(self) -> list[int]:
        """Severities at which kinds are measured alone; the last one is the highest."""
        highest = max(self.severities)
        return [*sorted(one for one in self.alone_severities if one < highest), highest]

    def measure(self, artifacts: Artifacts) -> Records:
        """Read one shard at every severity, then under each kind alone."""
        texts, model = artifacts.texts, artifacts.text_model
        batch_size = artifacts.execution.batch_size
        clean = _count_tokens(model, texts, batch_size)
        flags: dict[str, Bools] = {"correct": artifacts[Predictions].correct.numpy()}
        counts: dict[str, Ints] = {
            "words": np.array([words_in(text) for text in texts]),
            "tokens-0": clean.all,
            "unknown-0": clean.unknown,
        }
        fallen: list[Fallen] = []
        for severity in self.severities:
            changed = _typos(artifacts, texts, severity, self.kinds)
            mistyped = [one.text for one in changed]
            cell = Cell.read(artifacts, mistyped, f"typos at severity {severity}")
            tokens = _count_tokens(model, mistyped, batch_size)
            flags[_column(_MIXED, severity)] = cell.correct
            counts[f"hit-{severity}"] = np.array([len(one.changes) for one in changed])
            counts[f"tokens-{severity}"] = tokens.all
            counts[f"unknown-{severity}"] = tokens.unknown
            fallen = worst([*fallen, *fallen_in(artifacts, cell, _MIXED, severity)])
        for kind in self.alone:
            for severity in self._grid:
                changed = _typos(artifacts, texts, severity, (kind,))
                mistyped = [one.text for one in changed]
                cell = Cell.read(artifacts, mistyped, f"{kind} typos at severity {severity}")
                flags[_column(kind, severity)] = cell.correct
                counts[f"hit-{kind}"] = np.array([len(one.changes) for one in changed])
        examples = [self._example(artifacts, one) for one in fallen]
        return Records(artifacts.ids, examples=examples, **flags, **counts)

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Return the mean error, then accuracy and its drop per severity and per kind."""
        if not any(records[f"hit-{severity}"].any() for severity in self.severities):
            return NotApplicable("no text holds a word that a typo could change")
        n, level = len(records), context.level
        value, interval, method = mean_error(
            [records[_column(_MIXED, severity)] for severity in self.severities],
            seed=context.key("typos", "mean"),
            level=level,
        )
        findings = [
            self.value(
                "mean_typo_error", value, n=n, interval=interval, method=method,
                evidence=("curve", "words"), level=level,
            )
        ]  # fmt: skip
        for severity in self.severities:
            findings += self._at(severity, records, context)
        for kind in self.alone:
            findings += self._of_kind(kind, records, context)
        return Measured(findings=findings, evidence=self._evidence(records, context))

    def _at(self, severity: int, records: Records, context: Context) -> list[Finding]:
        return accuracy_and_drop(
            self, _column(_MIXED, severity), records, swept={"severity": severity},
            evidence=("curve",), level=context.level,
        )  # fmt: skip

    def _of_kind(self, kind: str, records: Records, context: Context) -> list[Finding]:
        return accuracy_and_drop(
            self, _column(kind, self._grid[-1]), records, swept={"kind": kind},
            evidence=("kinds",), evidence_of_drop=("alone",),
            metrics=("kind_accuracy", "kind_drop"), level=context.level,
        )  # fmt: skip

    def _evidence(self, records: Records, context: Context) -> dict[str, Evidence]:
        ordered = sorted(self.severities)
        mixed = {0: records["correct"], **{s: records[_column(_MIXED, s)] for s in ordered}}
        evidence: dict[str, Evidence] = {
            "curve": Curve(
                title="Accuracy over severity, 0 being the clean texts",
                x_label="severity",
                y_label="accuracy",
                series=[accuracy_series("all kinds", mixed, level=context.level)],
            ),
            "kinds": Bars(
                title=f"Accuracy under one kind of typo at severity {ordered[-1]}",
                value_label="accuracy",
                bars=[
                    _bar(kind, records[_column(kind, ordered[-1])], context.level)
                    for kind in self.alone
                ],
            ),
            "alone": Table(
                title=f"Accuracy lost to one kind of typo at severity {self._grid[-1]}",
                columns=["kind", "texts changed", "accuracy lost", "low", "high"],
                rows=[self._lost_row(kind, records, context.level) for kind in self.alone],
                units={
                    "share": ["texts changed"],
                    "share difference": ["accuracy lost", "low", "high"],
                },
            ),
            "words": Table(
                title="What a severity does to a text, and what the tokenizer makes of it",
                columns=["severity", "words mistyped", "unknown tokens"],
                rows=[_words_row(records, severity) for severity in (0, *ordered)],
                units={"share": ["words mistyped", "unknown tokens"]},
            ),
            "reading": Note(title="How to read this", text=_reading(records, ordered)),
        }
        if len(self._grid) > 1:
            evidence["matrix"] = Matrix(
                title="Accuracy by kind of typo and severity",
                row_label="kind",
                column_label="severity",
                rows=list(self.alone),
                columns=[str(severity) for severity in self._grid],
                values=[
                    [float(records[_column(kind, severity)].mean()) for severity in self._grid]
                    for kind in self.alone
                ],
                unit="share",
            )
        rows = [row for row in records.gallery("worst") if isinstance(row, TextRow)]
        if rows:
            evidence["worst"] = TextExhibit(
                title="Read rightly when clean, wrongly at the lowest severity",
                selection="worst",
                rows=rows,
            )
        return evidence

    def _lost_row(self, kind: str, records: Records, level: float) -> list[Scalar]:
        drop, interval = paired_difference(
            records["correct"], records[_column(kind, self._grid[-1])], level=level
        )
        changed = int(np.count_nonzero(records[f"hit-{kind}"]))
        return [kind, changed, drop, interval.low, interval.high]

    def _example(self, artifacts: Artifacts, fallen: Fallen) -> Example:
        """Mistype one text again, which its key makes the same, and mark what changed."""
        position = fallen.position
        keys = artifacts.keys("typos")[position : position + 1]
        text = artifacts.texts[position]
        changed = typos([text], fallen.severity, keys, kinds=self.kinds)[0]
        classes = artifacts.classifier.classes
        truth = classes[int(artifacts.labels[position])]
        row = TextRow(
            id=fallen.id,
            caption=f"{truth}, read as {classes[fallen.predicted]}"
            f" ({percent(fallen.confidence, 0)} sure) at severity {fallen.severity}",
            tokens=marked(changed),
        )
        return Example(gallery="worst", score=fallen.score, row=row)


class _Tokens(NamedTuple):
    all: Ints  # (n,) tokens that stand for text
    unknown: Ints  # (n,) those among them that the tokenizer does not know


def _count_tokens(model: TextClassifier, texts: Sequence[str], batch_size: int) -> _Tokens:
    counted = [np.zeros((2, 0), dtype=np.int64)]
    for start in range(0, len(texts), batch_size):
        encoded = model.encode(texts[start : start + batch_size])
        real = encoded.mask & ~encoded.special  # (m, t)
        unknown = real & (encoded.ids == model.unk_id)
        counted.append(np.stack([real.sum(1).cpu().numpy(), unknown.sum(1).cpu().numpy()]))
    return _Tokens(*np.concatenate(counted, axis=1))


def _typos(
    artifacts: Artifacts, texts: list[str], severity: int, kinds: tuple[str, ...]
) -> list[Mistyped]:
    return typos(texts, severity, artifacts.keys("typos"), kinds=kinds)


def _column(kind: str, severity: int) -> str:
    return f"{kind}-{severity}"


def _bar(kind: str, correct: Bools, level: float) -> Bar:
    low, high = clopper_pearson(int(correct.sum()), len(correct), level=level)
    return Bar(label=kind, value=float(correct.mean()), low=low, high=high, n=len(correct))


def _words_row(records: Records, severity: int) -> list[Scalar]:
    hit = _ratio(records[f"hit-{severity}"], records["words"]) if severity else 0.0
    return [severity, hit, _unknown(records, severity)]


def _unknown(records: Records, severity: int) -> float | None:
    return _ratio(records[f"unknown-{severity}"], records[f"tokens-{severity}"])


def _ratio(parts: Ints, wholes: Ints) -> float | None:
    total = int(wholes.sum())
    return int(parts.sum()) / total if total else None


def _reading(records: Records, severities: list[int]) -> str:
    table = ", ".join(plain_percent(SHARE_OF_WORDS[severity - 1]) for severity in severities)
    sentences = [
        f"The severities mistype {table} of a text's words, rounded, but at least one word: on"
        " short texts the lower severities are the same."
    ]
    before, after = _unknown(records, 0), _unknown(records, severities[-1])
    if before is not None and after is not None and after > before:
        sentences.append(
            f"The tokenizer turns {percent(after)} of the tokens into [UNK] at severity"
            f" {severities[-1]}, and {percent(before)} of those of the clean texts: it hides from"
            " the model what a mistyped word was."
        )
    untouched = int(np.count_nonzero(records[f"hit-{severities[-1]}"] == 0))
    if untouched:
        sentences.append(
            f"Texts without a word that could be mistyped, counted as they are: {untouched} of"
            f" {len(records)}."
        )
    return " ".join(sentences)
