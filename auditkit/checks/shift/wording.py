"""Does an answer stay when a text says the same in other words?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.galleries import galleries
from auditkit.checks.parameters import require_choice
from auditkit.checks.shift._graded import (
    Cell,
    Fallen,
    fallen_in,
    marked,
    require_severities,
    worst,
)
from auditkit.errors import ModelError
from auditkit.findings import Evidence, Finding, Matrix, Metric, Note, Scalar, Table, TextRow
from auditkit.methods.corruptions.severity import SEVERITIES
from auditkit.methods.corruptions.typos import Mistyped
from auditkit.methods.corruptions.wording import (
    KEEPS_MEANING,
    KINDS,
    WORD,
    Source,
    require_kinds,
    reworded,
)
from auditkit.percent import percent
from auditkit.statistics import bounded_mean, paired_difference
from auditkit.types import Bools, Floats, Params

_PURPOSE = "wording"
_COUNTED = 1000  # texts that tell common words from rare ones


@final
@dataclass(frozen=True, kw_only=True)
class Wording(Check):
    """Answers and accuracy when texts are reworded, shortened, or filled with unseen words.

    An input is reworded alike in every run of the same seed, and a higher severity keeps the
    changes of a lower one. See `auditkit.methods.corruptions.wording.reworded`.

    Parameters
    ----------
    severities : tuple of int
        Distinct severities from 1 to 5.
    kinds : tuple of str
        Distinct names from `auditkit.methods.corruptions.wording.KINDS`.

    Raises
    ------
    ConfigError
        If a severity or a kind is unknown or named twice, or a tuple is empty.
    """

    meta: ClassVar[Meta] = Meta(
        id=_PURPOSE,
        family="shift",
        question="Does an answer stay when a text says the same in other words?",
        explanation="Each text is reworded in several ways, none of them chosen against the"
        " model: synonyms, contractions written out and the other way round, British and American"
        " spelling, an adverbial moved to the front, phrases such as 'in short' around it,"
        " sentences that judge nothing, other names and numbers. The answers are compared with"
        " those to the same texts before. Beside these: its rarest words made unknown, and its end"
        " cut off, which may change what it means.",
        not_shown="The changes follow rules and lists, and nobody reads them: some sentences come"
        " out odd, a synonym may not fit its place, and an answer that turns on such a text is no"
        " proof of a fault. English alone. Rewording that goes further, and rewording chosen by an"
        " adversary, which is what token-swap is about.",
        remedy="Add reworded copies with the same label to the training data, or use a model that"
        " was pretrained on more text.",
        metrics={
            "mean_changed_share": Metric(
                label="share of answers that rewording changes",
                definition="Share of a text's rewordings that keep the meaning (kinds and"
                " severities that change the text) under which the answer is another one, averaged"
                " over all texts that have any.",
                unit="share",
                better="lower",
                plain="When a text says the same in other words, {value} of the answers change",
            ),
            "changed_share": Metric(
                label="share of answers changed by one kind of rewording",
                definition="Share of the texts that this kind changes at this severity whose answer"
                " is another one than before.",
                unit="share",
                better="lower",
            ),
            "accuracy_drop": Metric(
                label="accuracy lost to one kind of rewording",
                definition="Accuracy before minus accuracy at the highest severity, both on the"
                " texts that this kind changes.",
                unit="share difference",
                better="lower",
            ),
        },
        headline=f"{_PURPOSE}/mean_changed_share/all",
        modalities=("text",),
        references=(
            "Ribeiro et al., 2020, arXiv:2005.04118 (invariance to what should not matter)",
            "Iyyer et al., 2018, arXiv:1804.06059 (paraphrases by template)",
        ),
    )
    severities: tuple[int, ...] = SEVERITIES
    kinds: tuple[str, ...] = tuple(KINDS)

    def __post_init__(self) -> None:
        require_severities(_PURPOSE, self.severities)
        require_choice(_PURPOSE, "kinds", self.kinds)
        require_kinds(self.kinds)

    def measure(self, artifacts: Artifacts) -> Records:
        """Read one shard under every kind of rewording at every severity."""
        clean = artifacts[Predictions]
        columns: dict[str, NDArray[np.bool_]] = {"correct": clean.correct.numpy()}
        source, fallen = _source(artifacts), list[Fallen]()
        for kind in self.kinds:
            versions = {severity: self._texts(artifacts, kind, severity, source)
                        for severity in sorted(self.severities)}  # fmt: skip
            answers = _answers(artifacts, kind, [one for row in versions.values() for one in row])
            for severity, texts in versions.items():
                cell, touched = _cell(artifacts, texts, answers)
                columns[f"touched-{kind}-{severity}"] = touched
                columns[f"changed-{kind}-{severity}"] = cell.predicted != clean.predicted.numpy()
                columns[f"correct-{kind}-{severity}"] = cell.correct
                if kind in KEEPS_MEANING:
                    fallen = worst([*fallen, *fallen_in(artifacts, cell, kind, severity)])
            if kind == "filler":
                columns["cut"] = _loses_its_end(artifacts, versions[max(self.severities)])
        examples = [self._example(artifacts, one, source) for one in fallen]
        return Records(artifacts.ids, examples=examples, **columns)

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Return the mean share of answers that change, then each kind at each severity."""
        if not any(records[f"touched-{kind}-{self._highest}"].any() for kind in self.kinds):
            return NotApplicable("no text holds anything that these kinds could reword")
        findings = [self._mean(records, context)]
        for kind in self.kinds:
            findings += self._of_kind(kind, records, context.level)
        return Measured(findings=findings, evidence=self._evidence(records, context.level))

    @property
    def _highest(self) -> int:
        return max(self.severities)

    def _texts(
        self, artifacts: Artifacts, kind: str, severity: int, source: Source
    ) -> list[Mistyped]:
        keys = artifacts.keys(f"{_PURPOSE}-{kind}")
        return reworded(artifacts.texts, kind, severity, keys, source=source)

    def _mean(self, records: Records, context: Context) -> Finding:
        names = [
            f"{kind}-{severity}"
            for kind in self.kinds
            if kind in KEEPS_MEANING
            for severity in self.severities
        ]
        touched = sum(
            (records[f"touched-{one}"].astype(int) for one in names), np.zeros(len(records))
        )
        changed = sum(
            (records[f"changed-{one}"].astype(int) for one in names), np.zeros(len(records))
        )
        some = touched > 0
        if not some.any():
            return self.undefined(
                "mean_changed_share", "no text has a rewording that keeps its meaning", n=0
            )
        shares: Floats = changed[some] / touched[some]
        value, interval, method = bounded_mean(
            shares, seed=context.key(_PURPOSE, "mean"), level=context.level
        )
        return self.value(
            "mean_changed_share", value, n=len(shares), interval=interval, method=method,
            evidence=("matrix", "kinds"), level=context.level,
        )  # fmt: skip

    def _of_kind(self, kind: str, records: Records, level: float) -> list[Finding]:
        found: list[Finding] = []
        for severity in self.severities:
            touched = records[f"touched-{kind}-{severity}"]
            swept: Params = {"kind": kind, "severity": severity}
            n, count = int(touched.sum()), records.count(f"changed-{kind}-{severity}")
            found.append(
                self.share(
                    "changed_share", count, n=n, swept=swept, evidence=("matrix",), level=level
                )
                if n
                else self.undefined("changed_share", _NOTHING, n=0, swept=swept)
            )
        pair = _before_and_after(records, kind, self._highest)
        if not len(pair.before):
            return [*found, self.undefined("accuracy_drop", _NOTHING, n=0, swept={"kind": kind})]
        drop, interval = paired_difference(pair.before, pair.after, level=level)
        drop_found = self.value(
            "accuracy_drop", drop, n=len(pair.before), interval=interval, method="newcombe-paired",
            swept={"kind": kind}, evidence=("kinds",), level=level,
        )  # fmt: skip
        return [*found, drop_found]

    def _evidence(self, records: Records, level: float) -> dict[str, Evidence]:
        ordered = sorted(self.severities)
        return {
            "matrix": Matrix(
                title="Share of the answers that change, of the texts that are changed",
                row_label="kind",
                column_label="severity",
                rows=list(self.kinds),
                columns=[str(severity) for severity in ordered],
                values=[
                    [_share_changed(records, kind, severity) for severity in ordered]
                    for kind in self.kinds
                ],
                unit="share",
            ),
            "kinds": Table(
                title=f"What each kind costs at severity {ordered[-1]}",
                columns=[
                    "kind",
                    "texts",
                    "answers changed",
                    "accuracy lost",
                    "low",
                    "high",
                ],
                rows=[_row(records, kind, ordered[-1], level) for kind in self.kinds],
                units={
                    "share": ["answers changed"],
                    "share difference": ["accuracy lost", "low", "high"],
                },
            ),
            "reading": Note(title="How to read this", text=_reading(records, self.kinds)),
            **galleries(records, {"worst": "Read rightly before, wrongly at the lowest severity"}),
        }

    def _example(self, artifacts: Artifacts, fallen: Fallen, source: Source) -> Example:
        """Reword one text again, which its key makes the same, and mark what changed."""
        i = fallen.position
        keys = artifacts.keys(f"{_PURPOSE}-{fallen.kind}")[i : i + 1]
        changed = reworded([artifacts.texts[i]], fallen.kind, fallen.severity, keys, source=source)[
            0
        ]
        classes = artifacts.classifier.classes
        row = TextRow(
            id=fallen.id,
            caption=f"{classes[int(artifacts.labels[i])]}, read as {classes[fallen.predicted]}"
            f" ({percent(fallen.confidence, 0)} sure): {fallen.kind} at severity {fallen.severity}",
            tokens=marked(changed),
        )
        return Example(gallery="worst", score=fallen.score, row=row)


_NOTHING = "no text holds anything that this kind could change"


def _source(artifacts: Artifacts) -> Source:
    """Return the model's vocabulary and how common words are in a sample of the texts."""

    def count() -> Source:
        commonness = Counter[str]()
        for text in artifacts.sample(_PURPOSE, _COUNTED).texts:
            commonness.update({word.lower() for word in WORD.findall(text)})
        known = frozenset(artifacts.text_model.tokenizer.get_vocab())
        return Source(known=known, commonness=commonness)

    return artifacts.once((_PURPOSE, "source"), count)


def _answers(
    artifacts: Artifacts, kind: str, changed: Sequence[Mistyped]
) -> dict[str, tuple[int, float]]:
    """Return answer and confidence for every changed text, each read once."""
    texts = list(dict.fromkeys(one.text for one in changed if one.changes))
    if not texts:
        return {}
    logits = artifacts.classifier.predict(texts, batch_size=artifacts.execution.batch_size)
    if not torch.isfinite(logits).all():
        raise ModelError(
            f"The model returned NaN or infinite logits under {kind}.",
            hint="Find the operation that overflows, or leave this change out with kinds.",
        )
    confidence, predicted = logits.softmax(dim=1).max(dim=1)
    return dict(zip(texts, zip(predicted.tolist(), confidence.tolist(), strict=True), strict=True))


def _cell(
    artifacts: Artifacts, texts: Sequence[Mistyped], answers: dict[str, tuple[int, float]]
) -> tuple[Cell, Bools]:
    """Return what the model says to a shard, and which texts (n,) are changed at all."""
    clean = artifacts[Predictions]
    predicted, confidence = clean.predicted.numpy().copy(), clean.confidence.numpy().copy()
    touched = np.array([bool(one.changes) for one in texts])
    for i in np.flatnonzero(touched).tolist():
        predicted[i], confidence[i] = answers[texts[i].text]
    return Cell(predicted, confidence, predicted == artifacts.labels.numpy()), touched


def _loses_its_end(artifacts: Artifacts, texts: Sequence[Mistyped]) -> Bools:
    """Return which texts (n,) the model reads whole before and no longer with what was added."""
    before, after = (
        np.array([artifacts.text_model.count_cut([one]) > 0 for one in several], dtype=np.bool_)
        for several in (artifacts.texts, [one.text for one in texts])
    )
    return after & ~before


class _Pair(NamedTuple):
    before: Bools  # (m,) of the texts that are changed
    after: Bools


def _before_and_after(records: Records, kind: str, severity: int) -> _Pair:
    touched = records[f"touched-{kind}-{severity}"]
    return _Pair(records["correct"][touched], records[f"correct-{kind}-{severity}"][touched])


def _share_changed(records: Records, kind: str, severity: int) -> float | None:
    n = records.count(f"touched-{kind}-{severity}")
    return records.count(f"changed-{kind}-{severity}") / n if n else None


def _row(records: Records, kind: str, severity: int, level: float) -> list[Scalar]:
    pair = _before_and_after(records, kind, severity)
    if not len(pair.before):
        return [kind, 0, None, None, None, None]
    drop, (low, high) = paired_difference(pair.before, pair.after, level=level)
    return [kind, len(pair.before), _share_changed(records, kind, severity), drop, low, high]


def _reading(records: Records, kinds: Sequence[str]) -> str:
    sentences = [
        "Severity 1 to 5: synonyms and unseen words for 5, 10, 20, 30, 40 % of the words, as far as"
        " a text has such words; 1 to 5 phrases around the text (framing); 10, 25, 50, 100, 200 %"
        " more words (filler); 10 to 50 % of the words cut (truncation); else 20, 40, 60, 80, 100 %"
        " of the places that can be changed; always at least one. A text that a kind cannot change"
        " is left out of that kind's numbers."
    ]
    beside = [one for one in ("unseen", "truncation") if one in kinds]
    if beside:
        sentences.append(
            f"{' and '.join(beside).capitalize()} may change what a text means and"
            f" {'are' if len(beside) > 1 else 'is'} not part of the mean."
        )
    if "cut" in records.columns and records.count("cut"):
        sentences.append(
            f"With the filler of the highest severity {records.count('cut')} of {len(records)}"
            " texts are longer than the model reads, and it no longer sees their ends."
        )
    return " ".join(sentences)
