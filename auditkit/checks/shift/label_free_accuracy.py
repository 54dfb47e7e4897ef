"""How accurate is the model on new data that have no labels, and how far off is that estimate?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.beside import Beside
from auditkit.checks.changed import corrupted, logits_of
from auditkit.checks.halves import searched_half, too_few
from auditkit.checks.other_model import comparable, other_model
from auditkit.checks.other_model import hash_of as hash_of_other
from auditkit.checks.parameters import require_choice
from auditkit.checks.shift._graded import require_severities
from auditkit.checks.shifted import Shifted, hash_of, recorded, shifted, slice_of
from auditkit.data.dataset import Dataset
from auditkit.data.schema import Feature
from auditkit.errors import ConfigError, near_miss
from auditkit.findings import (
    Bar,
    Bars,
    Curve,
    Evidence,
    Finding,
    Metric,
    Note,
    Scalar,
    Series,
    Table,
)
from auditkit.methods.corruptions.catalogue import COLOUR_ONLY, CORRUPTIONS
from auditkit.methods.corruptions.graphs import KINDS as EDGES
from auditkit.methods.corruptions.graphs import Kind as EdgeKind
from auditkit.methods.corruptions.graphs import rewired
from auditkit.methods.corruptions.rows import KINDS as CELLS
from auditkit.methods.corruptions.rows import concerns, damaged
from auditkit.methods.corruptions.typos import KINDS as TYPOS
from auditkit.methods.corruptions.typos import require_kinds, typos
from auditkit.methods.metrics.label_free import (
    RULES,
    UNCHANGED,
    Answers,
    Estimator,
    certainty_of,
    odds_of,
)
from auditkit.methods.metrics.steady import steady
from auditkit.models.classifier import Classifier, Inputs
from auditkit.statistics import Interval, bounded_mean, student
from auditkit.types import Bools, Floats, Ints, Modality, Params

CHECK = "label-free-accuracy"
_FEWEST_KINDS = 2  # so that the error has an interval over kinds
_EDGES: dict[str, EdgeKind] = {f"edges {kind}": kind for kind in EDGES}  # kinds of damage to graphs


@final
@dataclass(frozen=True, kw_only=True)
class LabelFreeAccuracy(Check):
    """Estimates of accuracy without labels, each beside the error it makes where labels are known.

    Every rule is fitted on one half of the audited inputs. The other half is damaged in kinds and
    severities; what a rule says of the damaged inputs is held against their true accuracy.

    Parameters
    ----------
    shift : tuple of str
        "NAME=DATA" or "DATA": what the model meets in use. May be empty.
    columns : tuple of str
        Text and label column of a table of texts; label column of any other table.
    most : int
        Inputs of each deployment sample that are looked at, at least 1; drawn at random.
    other : str
        A second model of the same classes, for the rules that compare answers: a built-in name, a
        file, or "package.module:function". Empty: these rules are left out.
    corruptions : tuple of str
        Kinds of damage to images, distinct, at least two, from
        `auditkit.methods.corruptions.catalogue.CORRUPTIONS`.
    typos : tuple of str
        Kinds of typos, distinct, at least two, from `auditkit.methods.corruptions.typos.KINDS`.
    cells : tuple of str
        Kinds of damage to the cells of a table, distinct, at least two, from
        `auditkit.methods.corruptions.rows.KINDS`. Edges of graphs are added and removed.
    severities : tuple of int
        Distinct severities from 1 to 5.

    Raises
    ------
    ConfigError
        If a parameter is outside its range, or two deployment samples have one name.
    DataError
        If a deployment sample cannot be read, or does not fit the model.
    ModelError
        If the other model cannot be loaded, or reads other inputs or classes.
    """

    meta: ClassVar[Meta] = Meta(
        id=CHECK,
        family="shift",
        version=3,
        question="How accurate is the model on new data that have no labels, and how far off is"
        " that estimate?",
        explanation=(
            "Rules that need no labels of new data are fitted on one half of the audited inputs:"
            " a threshold of confidence (ATC), the fall of mean confidence (DoC) and, with a second"
            " model, how often the two agree. The other half is damaged in several kinds and"
            " severities, and every rule's estimate is held against the true accuracy there, which"
            " is known. So each estimate for deployment data comes with the error that its rule"
            " makes on damage of known truth."
        ),
        not_shown=(
            "How far off the estimates are on changes unlike the damage that was tried: no rule can"
            " be right under every shift. An estimate's own interval holds what chance does to the"
            " two samples, not that error. Rules read confidence, so they fail where the model is"
            " sure and wrong, and where the classes themselves mean something else."
        ),
        remedy=(
            "Where the error is too large for a decision, label some of the new data (user-shift"
            " then gives accuracy itself). Calibrated models, and a second model trained apart from"
            " the first, make the estimates better."
        ),
        metrics={
            "chosen_error": Metric(
                label="error of the estimate by the rule that suits best",
                definition="For each kind of damage, the rule that did best on all other kinds is"
                " used: mean over kinds of the distance between estimated and true accuracy,"
                " averaged over severities. n counts kinds.",
                unit="share",
                better="lower",
            ),
            "estimation_error": Metric(
                label="error of the estimate",
                definition="Mean over the kinds of damage of the distance between a rule's estimate"
                " and the true accuracy, averaged over severities. n counts kinds. `unchanged` is"
                " the error of supposing that accuracy stays as it is.",
                unit="share",
                better="lower",
            ),
            "estimation_bias": Metric(
                label="mean of estimate minus truth",
                definition="Mean over the kinds of damage of a rule's estimate minus the true"
                " accuracy, averaged over severities; above 0 it promises too much. n counts"
                " kinds.",
                unit="share",
                better="neither",
            ),
            "estimated_accuracy": Metric(
                label="estimated accuracy on deployment data",
                definition="A rule's estimate of the correct predictions among all inputs of the"
                " deployment data, made without their labels.",
                unit="share",
                better="higher",
            ),
            "estimate_minus_truth": Metric(
                label="estimate minus true accuracy",
                definition="A rule's estimate minus the share of correct predictions among the same"
                " inputs of the deployment data, where they have labels.",
                unit="share",
                better="neither",
            ),
        },
        headline=f"{CHECK}/chosen_error/all",
        references=(
            "Garg et al., 2022, arXiv:2201.04234 (ATC)",
            "Guillory et al., 2021, arXiv:2107.03315 (DoC)",
            "Jiang et al., 2022, arXiv:2106.13799 (disagreement)",
            "Baek et al., 2022, arXiv:2207.13012 (agreement under shift)",
        ),
    )
    shift: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    most: int = 1000
    other: str = ""
    corruptions: tuple[str, ...] = (
        "gaussian-noise", "impulse-noise", "defocus-blur", "motion-blur", "fog", "brightness",
        "contrast", "pixelate",
    )  # fmt: skip
    typos: tuple[str, ...] = tuple(TYPOS)
    cells: tuple[str, ...] = tuple(CELLS)
    severities: tuple[int, ...] = (1, 3, 5)

    def __post_init__(self) -> None:
        require_severities(CHECK, self.severities)
        for name in ("corruptions", "typos", "cells"):
            kinds: tuple[str, ...] = getattr(self, name)
            require_choice(CHECK, name, kinds)
            if len(kinds) < _FEWEST_KINDS:
                raise ConfigError(
                    f"{CHECK}: {name} names {kinds[0]!r} alone, expected at least two kinds.",
                    hint="The error has an interval over kinds; name another one.",
                )
        require_kinds(self.typos)
        for kind in self.cells:
            concerns(kind, Feature(name="any"))
        for kind in self.corruptions:
            if kind not in CORRUPTIONS:
                raise ConfigError(
                    f"{CHECK}: there is no corruption {kind!r}.{near_miss(kind, CORRUPTIONS)}",
                    hint=f"The corruptions are {', '.join(CORRUPTIONS)}.",
                )

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Where inputs are enough for two halves, and there is something to estimate for."""
        obstacle = super().applies(model, data) or too_few(data)
        if obstacle is None and not self.shift and not self._kinds(model.modality, data):
            obstacle = NotApplicable(
                "fewer than two of the kinds of damage it is tested on can happen here; name"
                " deployment data with --shift DATA"
            )
        if obstacle is None:
            self._sets(model, seed=0)
            if self.other:
                comparable(CHECK, self.other, model)
        return obstacle

    def parameters(self) -> Params:
        """Return the parameters, with the hashes of the deployment data and the other model."""
        return super().parameters() | hash_of(self.shift) | hash_of_other(self.other)

    def _sets(self, model: Classifier, *, seed: int) -> tuple[Shifted, ...]:
        return shifted(CHECK, self.shift, model, columns=self.columns, most=self.most, seed=seed)

    def _kinds(self, modality: Modality, data: Dataset) -> tuple[str, ...]:
        """Return the kinds of damage that change something; none where they are fewer than two."""
        kinds = {
            "image": self.corruptions, "text": self.typos, "tabular": self.cells,
            "graph": tuple(_EDGES),
        }[modality]  # fmt: skip
        if modality == "image" and data.input_shape is not None and data.input_shape[0] != 3:
            kinds = tuple(one for one in kinds if one not in COLOUR_ONLY)
        if data.schema is not None:
            features = data.schema.features
            kinds = tuple(kind for kind in kinds if any(concerns(kind, one) for one in features))
        return kinds if len(kinds) >= _FEWEST_KINDS else ()

    # --- one shard -------------------------------------------------------------------------------

    def measure(self, artifacts: Artifacts) -> Records:
        """Write down what is said of the shard, of its damaged half, and of deployment data."""
        sets = self._sets(artifacts.classifier, seed=artifacts.seed)
        beside = recorded(artifacts, sets, self._beside)
        half = artifacts.once((CHECK, "half"), lambda: searched_half(artifacts, CHECK))
        fitted = half[artifacts.positions]
        clean = artifacts[Predictions]
        columns: dict[str, Any] = {
            "fitted": fitted,
            "correct": clean.correct.numpy(),
            **self._read(artifacts, artifacts.inputs, clean.logits),
        }
        (rows,) = np.nonzero(~fitted)
        for cell in self._cells(artifacts.classifier.modality, artifacts.data):
            found = self._damaged(artifacts, rows, cell) if len(rows) else {}
            for name in ("correct", *_said(second=bool(self.other))):
                whole: NDArray[Any] = np.full(
                    len(artifacts), False if name == "correct" else np.nan
                )
                if name in found:
                    whole[rows] = found[name]
                columns[cell.column(name)] = whole
        return Records(artifacts.ids, **columns).with_beside(beside)

    def _cells(self, modality: Modality, data: Dataset) -> list[_Cell]:
        return [
            _Cell(kind, severity)
            for kind in self._kinds(modality, data)
            for severity in sorted(self.severities)
        ]

    def _beside(self, piece: Artifacts) -> Mapping[str, NDArray[Any]]:
        clean = piece[Predictions]
        return {
            "labels": piece.labels.numpy(),
            "correct": clean.correct.numpy(),
            **self._read(piece, piece.inputs, clean.logits),
        }

    def _damaged(self, artifacts: Artifacts, rows: Ints, cell: _Cell) -> Mapping[str, NDArray[Any]]:
        """Return what is said of damaged inputs; their keys are those of the check of damage."""
        inputs = _damage(artifacts, rows, cell)
        logits = logits_of(artifacts, inputs, cell.words, hint="leave it out with kinds")
        correct = (logits.argmax(dim=1) == artifacts.labels[rows]).numpy()
        return {"correct": correct, **self._read(artifacts, inputs, logits)}

    def _read(self, artifacts: Artifacts, inputs: Inputs, logits: Tensor) -> dict[str, Floats]:
        numbers = logits.numpy().astype(np.float64)
        found = {"odds": steady(odds_of(numbers)), "certainty": steady(certainty_of(numbers))}
        if self.other:
            second = other_model(self.other).predict(
                inputs, batch_size=artifacts.execution.batch_size
            )
            found["agrees"] = (second.argmax(dim=1) == logits.argmax(dim=1)).double().numpy()
        return found

    # --- all shards ------------------------------------------------------------------------------

    def summarise(self, records: Records, context: Context) -> Measured:
        """Fit the rules, test them on damage, and apply them to deployment data."""
        fitted = records["fitted"].astype(np.bool_)
        second = bool(self.other)
        known, correct = _answers(records.columns, "", fitted), records["correct"][fitted]
        rules = {
            name: Estimator.of(rule, known, correct, seed=context.key(CHECK, "fit"))
            for name, rule in RULES.items()
            if second or not rule.second
        }
        cells = self._cells(context.data.modality, context.data)
        tested = _Tested.on(cells, rules, records, ~fitted, context)
        findings = list(self._back_test(tested, context)) if cells else []
        evidence = _evidence(tested, len(correct), context) if cells else {}
        best = tested.best(list(rules)) if cells else "atc-entropy"
        rows: list[list[Scalar]] = []
        for i, (name, one) in enumerate(records.beside.items()):
            evidence[f"data-{i}"] = Note(title=f"Deployment data: {name}", text=" ".join(one.notes))
            found = list(self._of(name, one, rules, context, ("deployment", f"data-{i}")))
            findings += found
            rows += _deployment_rows(name, found, tested if cells else None)
        if rows:
            evidence["deployment"] = _deployment(rows, best if cells else None)
        return Measured(
            findings=findings,
            evidence=evidence,
            headline=self._headline(findings, best),
        )

    def _headline(self, findings: Sequence[Finding], best: str) -> str:
        """Return the estimate for deployment data by the rule that did best, if there are any."""
        there = [one for one in findings if one.metric == "estimated_accuracy"]
        of_best = [one for one in there if one.params["method"] == best]
        return (of_best or list(findings))[0].id

    def _back_test(self, tested: _Tested, context: Context) -> Iterator[Finding]:
        level, n = context.level, len(tested.kinds)
        shown = ("error", "cells", "estimates", "reading")

        def over_kinds(metric: str, each: Floats, swept: Params, lowest: float) -> Finding:
            interval, method = _over_kinds(each, lowest, level)
            return self.value(
                metric, float(each.mean()), n=n, interval=interval, method=method, swept=swept,
                evidence=shown, level=level,
            )  # fmt: skip

        yield over_kinds("chosen_error", tested.chosen(), {}, 0.0)
        for name in tested.estimates:
            each = tested.by_kind(np.abs(tested.errors(name)))
            yield over_kinds("estimation_error", each, {"method": name}, 0.0)
        for name in tested.estimates:
            each = tested.by_kind(tested.errors(name))
            yield over_kinds("estimation_bias", each, {"method": name}, -1.0)

    def _of(
        self, name: str, one: Beside, rules: Mapping[str, Estimator], context: Context,
        shown: Sequence[str],
    ) -> Iterator[Finding]:  # fmt: skip
        """Yield each rule's estimate for a deployment sample, and its error where it is known."""
        answers, level, n = _answers(one.columns, ""), context.level, len(one)
        seed, where = context.key(CHECK, "deployment", name), slice_of(name)
        for method, rule in rules.items():
            swept: Params = {"method": method}
            interval, kind = rule.interval(answers, seed=seed, level=level)
            yield self.value(
                "estimated_accuracy", rule.estimate(answers), n=n, interval=interval, method=kind,
                slice_name=where, swept=swept, evidence=shown, level=level,
            )  # fmt: skip
            if one["labels"][0] < 0:
                why = "the deployment data have no labels"
                yield self.undefined(
                    "estimate_minus_truth", why, n=n, slice_name=where, swept=swept
                )
                continue
            correct = one["correct"].astype(np.bool_)
            interval, kind = rule.interval(answers, seed=seed, level=level, correct=correct)
            yield self.value(
                "estimate_minus_truth", rule.estimate(answers) - float(correct.mean()), n=n,
                interval=interval, method=kind, slice_name=where, swept=swept, evidence=shown,
                level=level,
            )  # fmt: skip


class _Cell(NamedTuple):
    """One kind of damage at one severity."""

    kind: str
    severity: int

    @property
    def words(self) -> str:
        return f"{self.kind} at severity {self.severity}"

    def column(self, name: str) -> str:
        return f"{self.kind}-{self.severity}/{name}"


def _said(*, second: bool) -> tuple[str, ...]:
    return ("odds", "certainty", *(("agrees",) if second else ()))


def _damage(artifacts: Artifacts, rows: Ints, cell: _Cell) -> Inputs:
    """Return some inputs of a shard, damaged as in the check whose damage it is."""
    modality = artifacts.classifier.modality
    if modality == "text":
        texts = [artifacts.texts[i] for i in rows.tolist()]
        keys = artifacts.keys("typos")[rows]
        return [one.text for one in typos(texts, cell.severity, keys, kinds=(cell.kind,))]
    whole = artifacts.inputs
    assert isinstance(whole, Tensor)
    if modality == "image":
        return corrupted(artifacts, whole[rows], cell.kind, cell.severity, rows=rows)
    if modality == "tabular":
        keys = artifacts.keys(f"table-shift/{cell.kind}")[rows]
        features = artifacts.table_model.schema.features
        changed, _ = damaged(whole[rows].numpy(), features, cell.kind, cell.severity, keys)
    else:
        kind, tags = _EDGES[cell.kind], len(artifacts.graph_model.tags)
        keys = artifacts.keys(f"graph-shift/{kind}")[rows]
        changed = rewired(whole[rows].numpy(), tags, kind, cell.severity, keys)
    return torch.from_numpy(changed)


def _answers(
    columns: Mapping[str, NDArray[Any]], prefix: str, rows: Bools | None = None
) -> Answers:
    def taken(name: str) -> Floats:
        column = columns[f"{prefix}{name}"]
        return column if rows is None else column[rows]

    agrees = taken("agrees") if f"{prefix}agrees" in columns else None
    return Answers(odds=taken("odds"), certainty=taken("certainty"), agrees=agrees)


@final
@dataclass(frozen=True, kw_only=True)
class _Tested:
    """What every rule said of damaged inputs, and what was true."""

    cells: tuple[_Cell, ...]
    n: int  # inputs of each
    true: Floats  # (c,)
    estimates: Mapping[str, Floats]  # (c,) each
    held: Mapping[str, Bools]  # (c,) whether the truth lies in the estimate's interval

    @classmethod
    def on(
        cls, cells: Sequence[_Cell], rules: Mapping[str, Estimator], records: Records,
        judged: Bools, context: Context,
    ) -> _Tested:  # fmt: skip
        """Apply every rule to every kind and severity of damage."""
        seed, true = context.key(CHECK, "damaged"), list[float]()
        said: dict[str, list[float]] = {name: [] for name in rules}
        held: dict[str, list[bool]] = {name: [] for name in rules}
        for cell in cells:
            answers = _answers(records.columns, cell.column(""), judged)
            true.append(float(records[cell.column("correct")][judged].mean()))
            for name, rule in rules.items():
                (low, high), _ = rule.interval(answers, seed=seed, level=context.level)
                said[name].append(rule.estimate(answers))
                held[name].append(low <= true[-1] <= high)
        return cls(
            cells=tuple(cells),
            n=int(np.count_nonzero(judged)),
            true=np.array(true),
            estimates={name: np.array(one) for name, one in said.items()},
            held={name: np.array(one) for name, one in held.items()},
        )

    @property
    def kinds(self) -> list[str]:
        """The kinds of damage, each once."""
        return list(dict.fromkeys(one.kind for one in self.cells))

    def errors(self, name: str) -> Floats:
        """Return estimate minus truth (c,)."""
        return self.estimates[name] - self.true

    def by_kind(self, values: Floats) -> Floats:
        """Return the mean over severities of values (c,), kind by kind."""
        kinds = np.array([one.kind for one in self.cells])
        return np.array([values[kinds == kind].mean() for kind in self.kinds])

    def best(self, names: Sequence[str], but: str = "") -> str:
        """Return the rule with the smallest error on all kinds but one."""
        other = np.array([one.kind != but for one in self.cells])
        error = {
            name: np.abs(self.errors(name))[other].mean() for name in names if name != UNCHANGED
        }
        return min(error, key=lambda name: error[name])

    def chosen(self) -> Floats:
        """Return on each kind the error of the rule that did best on the others."""
        names = list(self.estimates)
        error = {name: self.by_kind(np.abs(self.errors(name))) for name in names}
        return np.array([error[self.best(names, but=kind)][i] for i, kind in enumerate(self.kinds)])


# --- evidence ------------------------------------------------------------------------------------


def _evidence(tested: _Tested, fitted: int, context: Context) -> dict[str, Evidence]:
    order = np.argsort(tested.true, kind="stable")
    return {
        "reading": Note(title="How to read this", text=_reading(tested, fitted)),
        "error": Bars(
            title="Mean distance between estimated and true accuracy, with an interval over the"
            f" {len(tested.kinds)} kinds of damage",
            value_label="error",
            bars=[_bar(name, tested, context.level) for name in tested.estimates],
        ),
        "estimates": Curve(
            title="Estimated over true accuracy of damaged inputs; on the diagonal it is right",
            x_label="true accuracy",
            y_label="estimated accuracy",
            series=[
                Series(name=name, x=tested.true[order].tolist(), y=values[order].tolist())
                for name, values in tested.estimates.items()
            ],
            diagonal=True,
        ),
        "cells": Table(
            title=f"Accuracy of {tested.n} damaged inputs: true, and as estimated without labels",
            columns=["damage", "severity", "true", *tested.estimates],
            rows=[_cell_row(tested, i) for i in range(len(tested.cells))],
            units={"share": ["true", *tested.estimates]},
        ),
    }


def _cell_row(tested: _Tested, i: int) -> list[Scalar]:
    cell, estimates = tested.cells[i], [float(one[i]) for one in tested.estimates.values()]
    return [cell.kind, cell.severity, float(tested.true[i]), *estimates]


def _bar(name: str, tested: _Tested, level: float) -> Bar:
    each = tested.by_kind(np.abs(tested.errors(name)))
    (low, high), _ = _over_kinds(each, 0.0, level)
    return Bar(label=name, value=float(each.mean()), low=low, high=high, n=len(each))


def _over_kinds(each: Floats, lowest: float, level: float) -> tuple[Interval, str]:
    """Return the interval of a mean over kinds of damage, from `lowest` to 1, and its name.

    Where every kind gives the same, that is no spread: another kind may still differ.
    """
    if np.ptp(each) == 0:
        _, interval, _ = bounded_mean(each, seed=0, level=level, low=lowest)
        return interval, "clopper-pearson-scaled"
    low, high = student(each, level=level)
    return Interval(max(lowest, low), min(1.0, high)), "student-kinds"


def _reading(tested: _Tested, fitted: int) -> str:
    best = tested.best(list(tested.estimates))
    error, nothing = (float(np.abs(tested.errors(one)).mean()) for one in (best, UNCHANGED))
    cells, held = len(tested.cells), int(tested.held[best].sum())
    worst = int(np.argmax(np.abs(tested.errors(best))))
    beats = (
        f"supposing that nothing changes errs by {nothing:.3f}"
        if error < nothing
        else f"supposing that nothing changes errs by no more, {nothing:.3f}: do not rely on it"
    )
    return (
        f"The rules were fitted on {fitted} inputs, thresholds included; everything is judged on"
        f" the other {tested.n}, under {len(tested.kinds)} kinds of damage, {cells} with their"
        f" severities. {best} errs least, by {error:.3f} on average; {beats}. Its largest error is"
        f" {float(tested.errors(best)[worst]):+.3f}, under {tested.cells[worst].words}. The true"
        f" accuracy lies within its interval on {held} of {cells}: the interval holds what chance"
        " does to both samples, and the error of the rule comes on top. The damaged inputs are the"
        " same throughout, so the kinds are alike in that; the interval of the error is over kinds,"
        " and speaks of other damage of this sort, not of every change."
    )


def _deployment_rows(
    name: str, found: Sequence[Finding], tested: _Tested | None
) -> list[list[Scalar]]:
    rows: list[list[Scalar]] = []
    for said, error in zip(found[::2], found[1::2], strict=True):
        method = str(said.params["method"])
        absolute = None if tested is None else np.abs(tested.errors(method))
        rows.append(
            [
                name, method, said.value, said.low, said.high,
                None if absolute is None else float(absolute.mean()),
                None if absolute is None else float(absolute.max()),
                error.value, said.n,
            ]
        )  # fmt: skip
    return rows


def _deployment(rows: list[list[Scalar]], best: str | None) -> Table:
    suits = f"{best} erred least on damage" if best else "no error is known on such inputs"
    return Table(
        title=f"Accuracy on deployment data, estimated without their labels; {suits}",
        columns=[
            "data", "method", "estimate", "low", "high", "mean error on damage",
            "largest error on damage", "estimate minus truth", "n",
        ],
        rows=rows,
        units={
            "share": ["estimate", "low", "high"],
            "share difference": [
                "mean error on damage", "largest error on damage", "estimate minus truth"
            ],
        },
    )  # fmt: skip
