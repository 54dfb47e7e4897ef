"""If it may leave out what it is least sure of, how many mistakes remain?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, Records
from auditkit.checks.calibration._selected_slices import slice_metrics, sliced
from auditkit.checks.parameters import require_choice, require_least
from auditkit.errors import ConfigError, near_miss
from auditkit.findings import Curve, Evidence, Finding, Metric, Note, Series, Table
from auditkit.methods.metrics.auc import auc, auc_interval
from auditkit.methods.metrics.classification import log_probabilities
from auditkit.methods.metrics.selective import (
    Ranking,
    aurc,
    aurc_draws,
    best_aurc,
    coverage_at,
    errors_among,
    kept_at,
    random_aurcs,
    ranking,
    threshold_at,
    worst_aurc,
)
from auditkit.percent import percent, plain_percent
from auditkit.statistics import Interval, clopper_pearson, p_among
from auditkit.types import Floats, Params, Scalar

SCORES = {
    "confidence": "the probability of the predicted class",
    "margin": "the probability of the predicted class minus that of the next one",
    "entropy": "the entropy of all probabilities, the lower the surer",
}
_POINTS = 25  # of a curve


@final
@dataclass(frozen=True, kw_only=True)
class Selective(Check):
    """Risk over coverage when the least certain inputs are left to somebody else.

    Parameters
    ----------
    scores : tuple of str
        What inputs are ranked by: confidence, margin, entropy. With two classes all rank alike.
    coverages : tuple of float
        Shares of the inputs, the surest ones, whose accuracy is reported.
    risks : tuple of float
        Shares of wrong answers for which the largest coverage is reported.
    minimum_n : int
        A slice with fewer inputs, or fewer answered ones, is undefined. Slices are compared by the
        first score.

    Raises
    ------
    ConfigError
        If a score is unknown, a tuple is empty or names something twice, a share is not between
        0 and 1, or `minimum_n` is below 1.

    References
    ----------
    El-Yaniv and Wiener, 2010, Journal of Machine Learning Research 11, 1605-1641; Geifman et al.,
    2019, arXiv:1805.08206; Jones et al., 2021, arXiv:2010.14134.
    """

    meta: ClassVar[Meta] = Meta(
        id="selective",
        family="calibration",
        version=2,
        question="If it may leave out what it is least sure of, how many mistakes remain?",
        explanation=(
            "Inputs are ranked by how sure the model is. At each coverage the surest inputs are"
            " answered and the others left out; the risk is the share of wrong answers among those"
            " that are answered. Inputs with equal scores count as the mean over all their orders."
            " Leaving out at random would keep the risk where it is: that is the control, with the"
            " band that chance gives it. Then one threshold is laid on all inputs, as in use, and"
            " slices are compared by how many of their inputs it answers, and how often rightly:"
            " the threshold can help one group more than another."
        ),
        not_shown=(
            "What the inputs that are left out cost. Groups that no column names. Whether the"
            " ranking holds on data of another kind."
        ),
        remedy=(
            "Send the inputs below the threshold to people or to a larger model. Where the ranking"
            " is hardly better than chance, train an ensemble or a rejection head; a temperature"
            " does not change the order of two classes' confidence. Where slices differ, see why"
            " the model is unsure of one before it is left out more often."
        ),
        metrics={
            "aurc": Metric(
                label="area under the risk-coverage curve",
                definition="Mean, over i from 1 to all inputs, of the share of wrong answers among"
                " the i surest inputs. Leaving out at random gives the share of wrong answers"
                " among all inputs.",
                unit="share",
                better="lower",
            ),
            "excess_aurc": Metric(
                label="excess area under the risk-coverage curve",
                definition="The area minus r + (1 - r) ln(1 - r), that of the best possible order,"
                " r being the share of wrong answers among all inputs. 0 is best; undefined where"
                " all or no inputs are wrong.",
                unit="share",
                better="lower",
            ),
            "ranking_p": Metric(
                label="p-value of a ranking by chance",
                definition="(1 + random orders with at most the observed area) / (1 + random"
                " orders); inputs of equal score stay together.",
                unit="p",
                better="neither",
            ),
            "ranking_auc": Metric(
                label="how often a right answer is the surer one",
                definition="Share of all pairs of a right and a wrong answer in which the right one"
                " has the higher score; equal ones count a half. 0.5 is chance.",
                unit="probability",
                better="higher",
            ),
            "selective_accuracy": Metric(
                label="accuracy of the surest inputs",
                definition="Share of right answers among the surest inputs, as many as the coverage"
                " times all inputs, rounded up. In a slice: among its inputs whose score reaches"
                " that of the last of these. Its interval takes the scores as given.",
                unit="share",
                better="higher",
            ),
            "coverage_at_risk": Metric(
                label="coverage at a stated risk",
                definition="The largest share of all inputs that a threshold on the score lets"
                " through, at most the stated share of them wrong. The low end of the interval is a"
                " coverage that is safe although it was chosen on these inputs.",
                unit="share",
                better="higher",
            ),
            **slice_metrics(),
        },
        headline="selective/aurc/all/*",
        references=(
            "El-Yaniv and Wiener, 2010, Journal of Machine Learning Research 11, 1605-1641",
            "Geifman and El-Yaniv, 2017, arXiv:1705.08500",
            "Geifman et al., 2019, arXiv:1805.08206",
            "Jones et al., 2021, arXiv:2010.14134 (groups under one threshold)",
        ),
    )
    scores: tuple[str, ...] = ("confidence",)
    coverages: tuple[float, ...] = (0.5, 0.8, 0.9)
    risks: tuple[float, ...] = (0.01, 0.05)
    minimum_n: int = 20

    def __post_init__(self) -> None:
        require_least(self, minimum_n=1, hint="Leave it at 20: fewer inputs say next to nothing.")
        for name in self.scores:
            if name not in SCORES:
                raise ConfigError(
                    f"selective: there is no score {name!r}.{near_miss(name, SCORES)}",
                    hint=f"The scores are {', '.join(SCORES)}.",
                )
        for name, chosen in (
            ("scores", self.scores), ("coverages", self.coverages), ("risks", self.risks)
        ):  # fmt: skip
            require_choice("selective", name, chosen)
        for name, shares in (("coverages", self.coverages), ("risks", self.risks)):
            for share in shares:
                if not 0 < share < 1:
                    raise ConfigError(
                        f"selective: {name} holds {share}, expected values between 0 and 1.",
                        hint="Write 0.9 for 90 %.",
                    )

    def measure(self, artifacts: Artifacts) -> Records:
        """Score how sure the model is of every input."""
        clean = artifacts[Predictions]
        sure = _scores(log_probabilities(clean.logits.numpy()))
        return Records(
            artifacts.ids,
            examples=(),
            correct=clean.correct.numpy(),
            **{name: sure[name] for name in self.scores},
        )

    def summarise(self, records: Records, context: Context) -> Measured:
        """Rank all inputs by each score."""
        tables = {name: ranking(records[name], ~records["correct"]) for name in self.scores}
        findings: list[Finding] = []
        bands: dict[str, Interval] = {}
        for name, table in tables.items():
            chance = random_aurcs(table, seed=context.key("selective", "chance", name))
            tail = (1 - context.level) / 2
            low, high = np.quantile(chance, [tail, 1 - tail])
            bands[name] = Interval(float(low), float(high))
            findings += [
                *self._areas(name, table, context),
                self._by_chance(name, table, chance),
                self._auc(name, records, context),
                *[self._at(name, table, one, context) for one in self.coverages],
                *[self._accepted(name, table, one, context) for one in self.risks],
            ]
        first = self.scores[0]
        parts = sliced(
            self, records[first], records["correct"], context, score=first,
            coverages=self.coverages, minimum_n=self.minimum_n,
        )  # fmt: skip
        return Measured(
            findings=[*findings, *parts.findings],
            evidence=_evidence(tables, bands, context.level) | dict(parts.evidence),
        )

    def _areas(self, name: str, table: Ranking, context: Context) -> list[Finding]:
        value, risk, n, level = aurc(table), table.risk, table.n, context.level
        swept: Params = {"score": name}
        if 0 < risk < 1:
            areas, risks = aurc_draws(table, seed=context.key("selective", "area", name))
            best = np.array([best_aurc(one) for one in risks.tolist()])
            spread, method = _between(areas, value, level), "bootstrap"
            excess = value - best_aurc(risk)
            second = self.value(
                "excess_aurc", excess, n=n, interval=_between(areas - best, excess, level),
                method=method, swept=swept, evidence=["curve"], level=level,
            )  # fmt: skip
        else:
            spread, method = _without_spread(risk, n, level), "clopper-pearson"
            which = "no input is" if risk == 0 else "all inputs are"
            why = f"{which} wrong: there is nothing to rank"
            second = self.undefined("excess_aurc", why, n=n, swept=swept)
        first = self.value(
            "aurc", value, n=n, interval=spread, method=method, swept=swept,
            evidence=["curve", "chance", "coverages"], level=level,
        )  # fmt: skip
        return [first, second]

    def _by_chance(self, name: str, table: Ranking, chance: Floats) -> Finding:
        swept: Params = {"score": name}
        if not 0 < table.risk < 1:
            why = "all orders of inputs that are all right, or all wrong, are alike"
            return self.undefined("ranking_p", why, n=table.n, swept=swept)
        return self.value(
            "ranking_p", p_among(-aurc(table), -chance), n=table.n, interval=None, method="exact",
            swept=swept, evidence=["chance"],
        )  # fmt: skip

    def _auc(self, name: str, records: Records, context: Context) -> Finding:
        right = records["correct"]
        value, hits, n = auc(records[name], right), int(right.sum()), len(right)
        swept: Params = {"score": name}
        if np.isnan(value):
            why = "there is no pair of a right and a wrong answer"
            return self.undefined("ranking_auc", why, n=n, swept=swept)
        return self.value(
            "ranking_auc", value, n=n,
            interval=auc_interval(value, hits, n - hits, level=context.level),
            method="newcombe-auc", swept=swept, level=context.level,
        )  # fmt: skip

    def _at(self, name: str, table: Ranking, coverage: float, context: Context) -> Finding:
        value, interval, kept = _accuracy(table, coverage, context.level)
        return self.value(
            "selective_accuracy", value, n=kept, interval=interval, method="clopper-pearson",
            swept={"score": name, "coverage": coverage}, evidence=["coverages", "curve"],
            level=context.level,
        )  # fmt: skip

    def _accepted(self, name: str, table: Ranking, risk: float, context: Context) -> Finding:
        found = coverage_at(table, risk, level=context.level)
        return self.value(
            "coverage_at_risk", found.coverage, n=table.n, interval=found.interval,
            method="simultaneous", swept={"score": name, "risk": risk}, evidence=["curve"],
            level=context.level,
        )  # fmt: skip


def _scores(log_probs: Floats) -> dict[str, Floats]:
    """Return every score (n,), higher being surer."""
    probs = np.exp(log_probs)
    two = np.sort(probs, axis=1)[:, -2:]
    found = {
        "confidence": two[:, -1],
        "margin": two[:, -1] - two[:, 0],
        "entropy": (probs * log_probs).sum(axis=1),
    }
    # Rounding must not tell equal scores apart: the order of the classes changes a softmax's end.
    return {name: np.round(one, 12) for name, one in found.items()}


def _between(draws: Floats, value: float, level: float) -> Interval:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(min(value, float(low)), max(value, float(high)))


def _without_spread(risk: float, n: int, level: float) -> Interval:
    """Return the interval of an area where drawing shows no spread: all inputs are alike.

    The share of wrong inputs is bounded exactly; the area lies between those of the best and the
    worst order at that share.
    """
    low, high = clopper_pearson(round(risk * n), n, level=level)
    return Interval(0.0, worst_aurc(high)) if risk == 0 else Interval(best_aurc(low), 1.0)


def _accuracy(table: Ranking, coverage: float, level: float) -> tuple[float, Interval, int]:
    """Return the accuracy of the surest inputs, its interval, and how many they are."""
    kept = kept_at(table, coverage)
    right = kept - errors_among(table, kept)
    # Where equal scores are cut apart the count is a mean: both of its neighbours must be covered.
    low = clopper_pearson(int(np.floor(right + 1e-9)), kept, level=level).low
    high = clopper_pearson(int(np.ceil(right - 1e-9)), kept, level=level).high
    return right / kept, Interval(low, high), kept


def _evidence(
    tables: dict[str, Ranking], bands: dict[str, Interval], level: float
) -> dict[str, Evidence]:
    return {
        "curve": _curve(tables, level),
        "chance": Note(title="Against leaving out at random", text=_in_words(tables, bands, level)),
        "coverages": Table(
            title="The surest inputs: how many, from which score on, and how often right",
            columns=["score", "coverage", "n", "score of the last", "accuracy", "low", "high"],
            rows=[
                row
                for name, table in tables.items()
                for row in _rows(name, table, level)
            ],
            units={"share": ["coverage", "accuracy", "low", "high"]},
        ),
    }  # fmt: skip


def _rows(name: str, table: Ranking, level: float) -> list[list[Scalar]]:
    rows: list[list[Scalar]] = []
    for tenth in range(1, 11):
        value, interval, kept = _accuracy(table, tenth / 10, level)
        last = threshold_at(table, kept)
        rows.append([name, tenth / 10, kept, last, value, interval.low, interval.high])
    return rows


def _curve(tables: dict[str, Ranking], level: float) -> Curve:
    first = next(iter(tables.values()))
    places = sorted({max(1, round(i * first.n / _POINTS)) for i in range(1, _POINTS + 1)})
    x = [kept / first.n for kept in places]
    wrong = float(first.wrong.sum())
    series: list[Series] = []
    for name, table in tables.items():
        found = [_accuracy(table, one, level) for one in x]
        series.append(
            Series(
                name=f"by {name}",
                x=x,
                y=[1 - value for value, _, _ in found],
                low=[1 - interval.high for _, interval, _ in found],
                high=[1 - interval.low for _, interval, _ in found],
            )
        )
    right = first.n - wrong
    series += [
        Series(name="at random", x=[x[0], 1.0], y=[first.risk] * 2),
        Series(name="best possible", x=x, y=[max(0.0, kept - right) / kept for kept in places]),
    ]
    return Curve(
        title="Share of wrong answers among the surest inputs",
        x_label="coverage",
        y_label="risk",
        series=series,
    )


def _in_words(tables: dict[str, Ranking], bands: dict[str, Interval], level: float) -> str:
    first = next(iter(tables.values()))
    if not 0 < first.risk < 1:
        which = "No" if first.risk == 0 else "Every"
        return f"{which} answer is wrong: leaving out inputs changes no risk, in any order."
    sentences = [
        f"Of all {first.n} answers {percent(first.risk, 2)} are wrong, and leaving out at random"
        " keeps it at that on average. The best possible order has an area of"
        f" {best_aurc(first.risk):.4f}."
    ]
    sentences += [
        f"By {name} ({SCORES[name]}) the area is {aurc(table):.4f}; random orders give"
        f" {bands[name].low:.4f} to {bands[name].high:.4f} in {plain_percent(level)} of draws."
        for name, table in tables.items()
    ]
    ties = {name: table.n - len(table.count) for name, table in tables.items()}
    sentences += [
        f"By {name} {count} inputs share their score with another one: no threshold tells them"
        " apart."
        for name, count in ties.items()
        if count
    ]
    return " ".join(sentences)
