"""In which subgroup do errors gather, and is that more than luck?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.features import Features
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.bias._slices import Coded, Searched, columns_of, inside, name_of, search
from auditkit.checks.galleries import answer, exhibit
from auditkit.checks.halves import searched_half, searched_on, too_few
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError
from auditkit.findings import (
    Bar,
    Bars,
    Evidence,
    Finding,
    ImageRow,
    Metric,
    Note,
    Table,
    TextRow,
    Token,
)
from auditkit.methods.pictures import picture
from auditkit.models.classifier import Classifier
from auditkit.percent import plain_percent
from auditkit.plurals import count
from auditkit.randomness import uniform
from auditkit.statistics import Interval, fewer_p, holm_adjusted, newcombe
from auditkit.types import Bools, Floats, Ints, Scalar

PURPOSE = "slice-scan"
_CLUSTER = "cluster"  # name of the column
_LEARNT_ON = 2000  # inputs at most that clusters are learnt from
_SHOWN_VALUES = 12  # of a column, in the table of what was searched


@final
@dataclass(frozen=True, kw_only=True)
class SliceScan(Check):
    """Subgroups with the most errors, searched on one half and measured on the other.

    Parameters
    ----------
    depth : int
        Columns that a subgroup may combine, 1 to 3.
    candidates : int
        Subgroups that the search hands over, at least 1. Fewer make it easier to confirm each.
    minimum_n : int
        Fewest inputs of a subgroup in the half that is searched, and in the other, at least 2.
    clusters : int
        Images, texts and graphs: clusters of the model's own features, a column like any other; 0
        for none.

    Raises
    ------
    ConfigError
        If a parameter lies outside its range.
    """

    meta: ClassVar[Meta] = Meta(
        id=PURPOSE,
        family="bias",
        question="In which subgroup do errors gather, and is that more than luck?",
        explanation=(
            "On one half of the inputs, all subgroups that up to three columns define are searched"
            " for those with surprisingly many errors: columns of the data, of a table also those"
            " that the model reads, numbers in bins between their quartiles, and of images, texts"
            " and graphs clusters of what the model's last layer reads. The few worst are measured"
            " anew on the other half, where they had no part in being found, with an interval and a"
            " test that allows for how many they are."
        ),
        not_shown=(
            "Why errors gather there: the subgroup may be harder, its labels worse, its training"
            " inputs fewer. Subgroups that no column and no cluster describes, small ones, and"
            " those that the search ranked lower. A subgroup that is not confirmed may still be"
            " bad: half of few inputs shows only large gaps."
        ),
        remedy=(
            "Look at the inputs of a confirmed subgroup: check their labels, collect more like"
            " them, and measure again on new inputs. Where it cannot be helped, say so to whoever"
            " uses the model."
        ),
        metrics={
            "worst_gap": Metric(
                label="accuracy below the rest, in the worst subgroup",
                definition=(
                    "Accuracy of all other inputs minus that of the subgroup which the searched"
                    " half ranked first, both on the other half. That it was the worst of many"
                    " does not bias it: none of these inputs took part in choosing it."
                ),
                unit="share difference",
                better="lower",
            ),
            "confirmed_slices": Metric(
                label="confirmed subgroups",
                definition=(
                    "Subgroups handed over by the search whose accuracy is below the rest's on the"
                    " other half: Fisher's one-sided test, Holm over all that were handed over."
                    " Without any bad subgroup there is one or more with probability 1 - level at"
                    " most."
                ),
                unit="subgroups",
                better="lower",
            ),
            "slice_gap": Metric(
                label="accuracy below the rest",
                definition=(
                    "Accuracy of all other inputs minus that of the subgroup, on the half that was"
                    " not searched. The intervals of all subgroups hold together."
                ),
                unit="share difference",
                better="lower",
            ),
            "slice_p": Metric(
                label="p-value of being worse than the rest",
                definition=(
                    "Fisher's one-sided test on the half that was not searched, adjusted by Holm"
                    " for the subgroups handed over."
                ),
                unit="p",
                better="neither",
            ),
            "slice_accuracy": Metric(
                label="accuracy in the subgroup",
                definition="Correct predictions among the subgroup's inputs of the half that was"
                " not searched.",
                unit="share",
                better="higher",
            ),
        },
        headline=f"{PURPOSE}/worst_gap/all",
        references=(
            "Chung et al., 2019, arXiv:1807.06068 (slice finder)",
            "Eyuboglu et al., 2022, arXiv:2203.14960 (slices of a model's features)",
            "Holm, 1979, Scandinavian Journal of Statistics 6",
        ),
    )
    depth: int = 3
    candidates: int = 8
    minimum_n: int = 20
    clusters: int = 12

    def __post_init__(self) -> None:
        for name, least, most in (
            ("depth", 1, 3), ("candidates", 1, 100), ("minimum_n", 2, 10**9), ("clusters", 0, 100),
        ):  # fmt: skip
            if not least <= getattr(self, name) <= most:
                raise ConfigError(
                    f"{PURPOSE}: {name} is {getattr(self, name)}, expected {least} to {most}."
                )

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Only where both halves hold enough inputs."""
        return super().applies(model, data) or too_few(data)

    # --- one shard -------------------------------------------------------------------------------

    def measure(self, artifacts: Artifacts) -> Records:
        """Note which inputs are right, which are searched, and where the model's features lie."""
        clean = artifacts[Predictions]
        half = artifacts.once((PURPOSE, "half"), lambda: searched_half(artifacts, PURPOSE))
        cluster, layer = np.full(len(artifacts), -1, dtype=np.int64), ""
        if self.clusters and artifacts.classifier.modality != "tabular":
            centres = artifacts.once((PURPOSE, self.clusters), lambda: self._centres(artifacts))
            cluster = centres.nearest(artifacts[Features].values)
            layer = artifacts[Features].words
        return Records(
            artifacts.ids,
            examples=_examples(artifacts, cluster),
            searched=half[artifacts.positions],
            correct=clean.correct.numpy(),
            predicted=clean.predicted.numpy(),
            cluster=cluster,
            layer=np.full(len(artifacts), layer),
        )

    def _centres(self, artifacts: Artifacts) -> _Centres:
        """Return the centres of clusters of the searched half."""
        from sklearn.cluster import KMeans  # heavy: only when features are clustered

        some = artifacts.at(searched_on(artifacts, PURPOSE, _LEARNT_ON))
        values = some[Features].values
        scale = values.std(axis=0)
        scale[scale == 0] = 1.0
        scaled = (values - values.mean(axis=0)) / scale
        wanted = min(self.clusters, len(np.unique(scaled, axis=0)))
        means = KMeans(wanted, random_state=artifacts.key(PURPOSE) % 2**32).fit(scaled)
        return _Centres(values.mean(axis=0), scale, means.cluster_centers_)

    # --- all shards ------------------------------------------------------------------------------

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Search on one half, measure on the other."""
        half = records["searched"]
        columns = [*columns_of(context.data, half), *_cluster_column(records, context.data)]
        searched = search(
            [one._replace(codes=one.codes[half]) for one in columns],
            ~records["correct"][half],
            least=self.minimum_n,
            depth=self.depth,
            most=self.candidates,
        )
        if not searched.items:
            return NotApplicable(
                f"no column divides the {int(half.sum())} searched inputs into groups of at least"
                f" {self.minimum_n} (minimum_n)"
            )
        found = [
            _Found.of(name_of(one, searched, columns), inside(one, searched, columns), records)
            for one in searched.found
        ]
        tested = _tested(found, self.minimum_n, context.level)
        return Measured(
            findings=[
                self._worst(found, context, len(records) - int(half.sum())),
                self._confirmed(tested, context, len(records) - int(half.sum())),
                *(finding for one in tested for finding in self._of(one, context)),
            ],
            evidence=self._evidence(tested, searched, columns, records, context),
        )

    def _worst(self, found: Sequence[_Found], context: Context, n: int) -> Finding:
        if not found:
            why = "no subgroup of the searched half is worse than the rest"
            return self.undefined("worst_gap", why, n=n)
        first = found[0]
        if first.n < self.minimum_n or first.rest_n < self.minimum_n:
            why = f"{first.name} has {count(first.n, 'input')} in the other half (minimum_n)"
            return self.undefined("worst_gap", why, n=n)
        return self.value(
            "worst_gap", first.gap, n=n, interval=first.interval(context.level),
            method="newcombe", evidence=["gaps", "subgroups"], level=context.level,
        )  # fmt: skip

    def _confirmed(self, tested: Sequence[_Tested], context: Context, n: int) -> Finding:
        count = sum(one.confirmed for one in tested)
        return self.value(
            "confirmed_slices", count, n=n, interval=None, method="exact",
            evidence=["subgroups", "searched"], level=context.level,
        )  # fmt: skip

    def _of(self, one: _Tested, context: Context) -> list[Finding]:
        """Return what is said of one subgroup."""
        found, where = one.found, one.found.name
        if one.interval is None:
            why = (
                f"the half that was not searched has {count(found.n, 'input')} in it and"
                f" {found.rest_n} outside (minimum_n)"
            )
            return [self.undefined("slice_gap", why, n=found.n, slice_name=where)]
        return [
            self.value(
                "slice_gap", found.gap, n=found.n, interval=one.interval,
                method="newcombe-simultaneous", slice_name=where, evidence=["gaps", "subgroups"],
                level=context.level,
            ),
            self.value(
                "slice_p", one.p, n=found.n, interval=None, method="exact", slice_name=where,
                evidence=["subgroups"], level=context.level,
            ),
            self.share(
                "slice_accuracy", found.right, n=found.n, slice_name=where,
                evidence=["subgroups"], level=context.level,
            ),
        ]  # fmt: skip

    def _evidence(
        self,
        tested: Sequence[_Tested],
        searched: Searched,
        columns: Sequence[Coded],
        records: Records,
        context: Context,
    ) -> dict[str, Evidence]:
        evidence: dict[str, Evidence] = {
            "subgroups": _subgroups_table(tested),
            "gaps": _gaps(tested),
            "searched": self._note(tested, searched, records, context),
            "columns": _columns_table(columns, records),
        }
        for name in (one.found.name for one in tested):
            for gallery in (one for one in _galleries_of(name) if records.gallery(one)):
                title = f"Wrong answers in {name.split(' & ')[-1]}"
                evidence[gallery] = exhibit(title, "random", records.gallery(gallery))
        return evidence

    def _note(
        self, tested: Sequence[_Tested], searched: Searched, records: Records, context: Context
    ) -> Note:
        counts = [
            f"{subgroups} of {count(columns, 'column')}"
            for columns, subgroups in enumerate(searched.looked_at, 1)
        ]
        half = int(records["searched"].sum())
        confirmed = sum(one.confirmed for one in tested)
        return Note(
            title="How it was searched",
            text=(
                f"On {count(half, 'input')}, subgroups with at least {self.minimum_n} inside and"
                f" outside: {', '.join(counts)}. They were ranked by how far their error rate lies"
                " above the rest's, in standard errors, less what luck would give the largest of"
                " as many; after the first, also beyond what the subgroups already found explain,"
                " and only where more than luck is left. Handed over to the other"
                f" {len(records) - half} inputs: {len(tested)}; confirmed there at the"
                f" {plain_percent(context.level)} level, all together: {confirmed}."
            ),
        )


class _Centres(NamedTuple):
    """Clusters of features."""

    mean: Floats  # (d,)
    scale: Floats  # (d,)
    centres: Floats  # (clusters, d)

    def nearest(self, values: Floats) -> Ints:
        """Return the cluster of each vector (n, d)."""
        scaled = (values - self.mean) / self.scale
        distances = (self.centres**2).sum(axis=1) - 2 * scaled @ self.centres.T
        return distances.argmin(axis=1)


class _Found(NamedTuple):
    """A subgroup on the searched half and on the other one."""

    name: str
    right: int
    n: int
    rest_right: int
    rest_n: int
    searched_n: int
    searched_gap: float

    @classmethod
    def of(cls, name: str, members: Bools, records: Records) -> _Found:
        right, half = records["correct"], records["searched"]
        here, rest = members & ~half, ~members & ~half
        gap = float(right[~members & half].mean() - right[members & half].mean())
        return cls(
            name,
            right=int(np.count_nonzero(right & here)),
            n=int(np.count_nonzero(here)),
            rest_right=int(np.count_nonzero(right & rest)),
            rest_n=int(np.count_nonzero(rest)),
            searched_n=int(np.count_nonzero(members & half)),
            searched_gap=gap,
        )

    @property
    def gap(self) -> float:
        return self.rest_right / self.rest_n - self.right / self.n

    def interval(self, level: float) -> Interval:
        return newcombe(self.rest_right, self.rest_n, self.right, self.n, level=level)


class _Tested(NamedTuple):
    found: _Found
    p: float  # adjusted for all that were handed over
    confirmed: bool
    interval: Interval | None  # holds together with the others; None where too few inputs are left


def _tested(found: Sequence[_Found], least: int, level: float) -> list[_Tested]:
    """Return each subgroup with its test; too small a one is tested with p 1."""
    enough = [one.n >= least and one.rest_n >= least for one in found]
    p_values = [
        fewer_p(one.right, one.n, one.rest_right, one.rest_n) if large else 1.0
        for one, large in zip(found, enough, strict=True)
    ]
    adjusted = holm_adjusted(p_values)
    each = 1 - (1 - level) / max(1, len(found))
    return [
        _Tested(one, p, large and p <= 1 - level, one.interval(each) if large else None)
        for one, p, large in zip(found, adjusted, enough, strict=True)
    ]


def _cluster_column(records: Records, data: Dataset) -> list[Coded]:
    """Return the clusters as a column, each named after its most frequent answer."""
    codes = records["cluster"]
    if codes.min() < 0:
        return []
    half, predicted = records["searched"], records["predicted"]
    names = [
        f"{c} {data.classes[np.bincount(answers).argmax()]}"
        if len(answers := predicted[half & (codes == c)])
        else f"{c}"
        for c in range(int(codes.max()) + 1)
    ]
    taken = _CLUSTER in data.attributes.columns
    return [Coded(f"model {_CLUSTER}" if taken else _CLUSTER, codes, tuple(names))]


# --- evidence ------------------------------------------------------------------------------------


def _subgroups_table(tested: Sequence[_Tested]) -> Table:
    rows: list[list[Scalar]] = [
        [
            one.found.name,
            one.found.n,
            one.found.right / one.found.n if one.interval else None,
            one.found.gap if one.interval else None,
            one.interval.low if one.interval else None,
            one.interval.high if one.interval else None,
            one.p if one.interval else None,
            "yes" if one.confirmed else "no",
            one.found.searched_gap,
        ]
        for one in tested
    ]
    return Table(
        title="Subgroups on the half that was not searched, in the order of the search",
        columns=[
            "subgroup", "n", "accuracy", "gap", "low", "high", "p (Holm)",
            "confirmed", "in search",
        ],
        rows=rows,
        units={"share": ["accuracy"], "share difference": ["gap", "low", "high", "in search"]},
    )  # fmt: skip


def _gaps(tested: Sequence[_Tested]) -> Bars:
    return Bars(
        title="Accuracy below the rest's, on the half that was not searched",
        value_label="accuracy below the rest's",
        bars=[
            Bar(
                label=one.found.name,
                value=one.found.gap,
                low=one.interval.low,
                high=one.interval.high,
                n=one.found.n,
            )
            for one in tested
            if one.interval
        ],
    )


def _columns_table(columns: Sequence[Coded], records: Records) -> Table:
    layer = str(records["layer"][0])

    def values(one: Coded) -> str:
        more = len(one.groups) - _SHOWN_VALUES
        named = "; ".join(one.groups[:_SHOWN_VALUES]) + (f"; and {more} more" if more > 0 else "")
        if one.codes is records["cluster"]:
            return f"clusters of {layer}, called after their most frequent answers: {named}"
        return f"bins between quartiles: {named}" if one.binned else named

    return Table(
        title="Columns that were searched",
        columns=["column", "values", "which are"],
        rows=[[one.name, len(one.groups), values(one)] for one in columns],
    )


def _galleries_of(name: str) -> list[str]:
    """Return the gallery of the cluster that a subgroup is part of, if it is of one."""
    names = (part.removeprefix("model ") for part in name.split(" & "))
    return [
        f"cluster-{part.removeprefix(_CLUSTER + '=').split(' ')[0]}"
        for part in names
        if part.startswith(_CLUSTER + "=")
    ]


def _examples(artifacts: Artifacts, cluster: Ints) -> list[Example]:
    """Return wrong answers of each cluster, drawn at random."""
    clean = artifacts[Predictions]
    draws = uniform(artifacts.keys(f"{PURPOSE} gallery"), ())
    rows = np.flatnonzero((cluster >= 0) & ~clean.correct.numpy())
    return [
        Example(gallery=f"cluster-{cluster[i]}", score=float(draws[i]), row=row)
        for i in rows.tolist()
        if (row := _row(artifacts, i))
    ]


def _row(artifacts: Artifacts, i: int) -> ImageRow | TextRow:
    model, clean = artifacts.classifier, artifacts[Predictions]
    caption = (
        f"true class {artifacts.data.classes[int(clean.labels[i])]};"
        f" model: {answer(model.classes, clean.logits[i])}"
    )
    if model.modality == "image":
        panels = [picture(artifacts.images[i], artifacts.image_model.bounds, "input")]
        return ImageRow(id=artifacts.ids[i], caption=caption, panels=list(panels))
    words = artifacts.in_words(i)
    return TextRow(id=artifacts.ids[i], caption=caption, tokens=[Token(text=words)])
