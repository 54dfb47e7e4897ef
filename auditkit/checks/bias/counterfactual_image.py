"""Do answers change with light and colour, of the thing or of what is around it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal, TypeAlias, final, get_args

import numpy as np
import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.bias import _backgrounds as backgrounds
from auditkit.checks.galleries import answer, galleries
from auditkit.checks.groups import groups_of
from auditkit.checks.parameters import require_least
from auditkit.errors import ConfigError, ModelError, near_miss
from auditkit.findings import Curve, Evidence, Finding, ImageRow, Metric, Note, Series, Table
from auditkit.methods.pictures import picture
from auditkit.methods.recolouring import CHANGES, Change, in_parts
from auditkit.plurals import count
from auditkit.statistics import bounded_mean, clopper_pearson, gap_of_shares, paired_difference
from auditkit.types import Bools, Floats, Params, Scalar

PURPOSE = "counterfactual-image"
Where: TypeAlias = Literal["inside", "outside", "whole"]
PLACES: tuple[Where, ...] = get_args(Where)


@final
@dataclass(frozen=True, kw_only=True)
class CounterfactualImage(Check):
    """Answers and confidence when light and colour change, in the relevant region or around it.

    Parameters
    ----------
    max_inputs : int
        Images that are tried, drawn at random, at least 2.
    changes : tuple of str
        Of "brightness", "tone", "hue" (images of three channels alone) and "fade".
    sizes : tuple of float
        Ascending, within (0, 1]: the share of the range that brightness moves, of half a circle
        that hue turns, of the way to the mean colour that fade goes, and the exponent of tone.
    minimum_n : int
        Fewer images give no number, at least 2.

    Raises
    ------
    ConfigError
        If a parameter is outside its range.
    """

    meta: ClassVar[Meta] = Meta(
        id=PURPOSE,
        family="bias",
        version=3,
        question="Do answers change with light and colour, of the thing or of what is around it?",
        explanation="Images are made lighter and darker, their middle tones too, colours are turned"
        " both ways, and detail is faded and sharpened, in graded sizes. Where the data says which"
        " region matters, each change is made inside it alone and outside it alone, by the same L2"
        " distance; elsewhere of the whole image. An answer has changed if either direction changes"
        " it. The groups of sensitive columns are compared at the largest size. Besides, what lies"
        " outside the region is exchanged for the background of an image of another class or group,"
        " and as a control of the same one.",
        not_shown="A recoloured picture is not a picture of somebody else: skin, hair, faces and"
        " what comes with them do not change with a colour, so that this says nothing about how"
        " people are treated. Edges of the region can show after a change. The same L2 distance"
        " is spread over regions of different area. A thing may rightly be told by its colour.",
        remedy="Train with random brightness, tone and hue; where the surroundings matter more"
        " than the thing, with other backgrounds.",
        metrics={
            "changed_share": Metric(
                label="answers that change",
                definition="Share of the tried images whose answer one of the two directions of the"
                " change changes, right or wrong.",
                unit="share",
                better="lower",
                plain="When the {change} changes by {size} ({where} of the image), {value} of the"
                " answers change",
            ),
            "score_shift": Metric(
                label="score shift",
                definition="Mean absolute change of the probability of the clean answer, over both"
                " directions and the tried images.",
                unit="probability",
                better="lower",
            ),
            "outside_excess": Metric(
                label="changes from outside beyond inside",
                definition="Share of the tried images whose answer changes with the surroundings"
                " minus the share with the region that matters, changed by the same distance.",
                unit="share",
                better="lower",
            ),
            "changed_gap": Metric(
                label="gap of the answers that change",
                definition="Largest minus smallest share of answers that change of the groups with"
                " at least minimum_n tried images, at the largest size.",
                unit="share difference",
                better="lower",
            ),
            **backgrounds.METRICS,
        },
        headline=f"{PURPOSE}/changed_share/all/*",
        modalities=("image",),
        references=("Xiao et al., 2020, arXiv:2006.09994 (what backgrounds decide)",),
    )
    max_inputs: int = 200
    changes: tuple[Change, ...] = tuple(CHANGES)
    sizes: tuple[float, ...] = (0.1, 0.2, 0.4)
    minimum_n: int = 20

    def __post_init__(self) -> None:
        require_least(self, max_inputs=2, minimum_n=2)
        ascending = all(a < b for a, b in pairwise(self.sizes))
        if not self.sizes or not ascending or not 0 < self.sizes[0] <= self.sizes[-1] <= 1:
            raise ConfigError(
                f"{PURPOSE}: sizes is {self.sizes}, expected ascending numbers in (0, 1].",
                hint="Write for example sizes = [0.1, 0.2, 0.4]",
            )
        for change in self.changes:
            if change not in CHANGES:
                raise ConfigError(
                    f"{PURPOSE}: there is no change {change!r}.{near_miss(change, CHANGES)}",
                    hint=f"The changes are {', '.join(CHANGES)}.",
                )
        if not self.changes or len(set(self.changes)) < len(self.changes):
            raise ConfigError(f"{PURPOSE}: changes is {self.changes}, expected each once.")

    def measure(self, artifacts: Artifacts) -> Records:
        """Change those of the shard's images that were drawn; all others are NaN."""
        drawn = artifacts.drawn(PURPOSE, self.max_inputs)
        rows = np.flatnonzero(drawn)
        low, high = artifacts.image_model.bounds
        unit = (artifacts.images[rows] - low) / (high - low)  # (m, c, h, w)
        masks = artifacts.data.relevance(artifacts.positions[rows])
        regions = None if masks is None else torch.from_numpy(np.asarray(masks, dtype=np.bool_))
        numbers: dict[str, Floats] = {}
        examples: list[Example] = []
        clean = artifacts[Predictions].logits[rows]
        if regions is not None:
            exchanged = backgrounds.exchange(artifacts, rows)
            numbers |= exchanged.columns
            examples += exchanged.examples
        for change in self._applicable(unit.shape[1]):
            for size in self.sizes:
                versions = _versions(unit, regions, change, size)
                for where, (pair, usable) in versions.items():
                    read = [_read(artifacts, low + one * (high - low), change) for one in pair]
                    moved, shift = _moved(clean, read)
                    keep = usable.numpy()
                    for what, values in (("changed", moved.any(dim=0)), ("shift", shift)):
                        column = np.full(len(artifacts), np.nan)
                        column[rows[keep]] = values.double().numpy()[keep]
                        numbers[_column(change, size, where, what)] = column
                    if where != "inside":
                        name = f"{change} {size:g}, {where}"
                        examples += _examples(artifacts, rows, unit, pair, read, moved, keep, name)
        return Records(artifacts.ids, examples=examples, drawn=drawn, **numbers)

    def _applicable(self, channels: int) -> list[Change]:
        return [one for one in self.changes if one != "hue" or channels == 3]

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Return findings per change, size and place, and per group."""
        cells: list[tuple[Change, float, Where]] = [
            (change, size, where)
            for change in self.changes
            for size in self.sizes
            for where in PLACES
            if _column(change, size, where, "changed") in records.columns
        ]
        if not cells:
            return NotApplicable("images of one channel have no hue")
        findings = [one for cell in cells for one in self._cell(records, context, *cell)]
        gaps, tables = self._groups(records, context, cells)
        gaps += backgrounds.findings(self, records, context, minimum_n=self.minimum_n)
        shares = [
            one for one in findings if one.metric == "changed_share" and one.value is not None
        ]
        place = "outside" if any(where == "outside" for *_, where in cells) else "whole"
        mine = [one for one in shares if one.params["where"] == place]
        most = max(mine, key=lambda one: (one.low or 0.0, one.value or 0.0), default=None)
        evidence: dict[str, Evidence] = {**self._curves(shares), "sizes": _said(context)}
        evidence["backgrounds"] = backgrounds.note(records)
        evidence |= tables
        evidence |= galleries(
            records,
            {"worst": "Answers that change, the largest shift first"},
        )
        return Measured(
            findings=[*findings, *gaps], evidence=evidence, headline=most.id if most else None
        )

    def _cell(
        self, records: Records, context: Context, change: Change, size: float, where: Where
    ) -> list[Finding]:
        swept: Params = {"change": change, "size": size, "where": where}
        changed = _known(records, change, size, where, "changed")
        shift = _known(records, change, size, where, "shift")
        n, level = len(changed), context.level
        if n < self.minimum_n:
            some = count(n, "image")
            why = f"only {some} could be changed this way (minimum_n {self.minimum_n})"
            return [
                self.undefined(one, why, n=n, swept=swept)
                for one in ("changed_share", "score_shift")
            ]
        seed = context.key(PURPOSE, change, size, where)
        moved, spread, method = bounded_mean(shift, seed=seed, level=level)
        found = [
            self.share(
                "changed_share", int(changed.sum()), n=n, swept=swept,
                evidence=[_curve_of(change, where), "sizes"], level=level,
            ),
            self.value(
                "score_shift", moved, n=n, interval=spread, method=method, swept=swept,
                level=level,
            ),
        ]  # fmt: skip
        if where == "outside":
            inside = _known(records, change, size, "inside", "changed")
            excess, interval = paired_difference(changed > 0, inside > 0, level=level)
            found.append(
                self.value(
                    "outside_excess", excess, n=n, interval=interval, method="newcombe-paired",
                    swept={"change": change, "size": size},
                    evidence=[_curve_of(change, where)], level=level,
                )
            )  # fmt: skip
        return found

    def _groups(
        self, records: Records, context: Context, cells: Sequence[tuple[Change, float, Where]]
    ) -> tuple[list[Finding], dict[str, Evidence]]:
        findings: list[Finding] = []
        evidence: dict[str, Evidence] = {}
        for i, name in enumerate(context.data.sensitive):
            codes, groups = groups_of(name, context.data)
            key, rows = f"groups-{i + 1}", list[list[Scalar]]()
            for change, size, where in cells:
                if size != self.sizes[-1]:
                    continue
                changed = records[_column(change, size, where, "changed")]
                known = ~np.isnan(changed)
                totals = np.bincount(codes[known], minlength=len(groups))
                counts = np.bincount(codes[known & (changed > 0)], minlength=len(groups))
                for group, k, n in zip(groups, counts.tolist(), totals.tolist(), strict=True):
                    ends = clopper_pearson(k, n, level=context.level) if n else (None, None)
                    rows.append([change, where, group, k / n if n else None, *ends, n])
                swept: Params = {"change": change, "size": size, "where": where}
                enough = totals >= self.minimum_n
                if enough.sum() < 2:
                    why = f"fewer than two groups have {self.minimum_n} tried images (minimum_n)"
                    findings.append(
                        self.undefined(
                            "changed_gap", why, n=int(totals.sum()), slice_name=name, swept=swept
                        )
                    )
                    continue
                counts, totals = counts[enough], totals[enough]
                findings.append(
                    self.value(
                        "changed_gap", float(np.ptp(counts / totals)), n=int(totals.sum()),
                        interval=gap_of_shares(counts, totals, level=context.level),
                        method="newcombe" if len(totals) == 2 else "simultaneous",
                        slice_name=name, swept=swept, evidence=[key], level=context.level,
                    )
                )  # fmt: skip
            evidence[key] = Table(
                title=f"Answers that change by {name}, at size {self.sizes[-1]:g}",
                columns=["change", "where", "group", "changed", "low", "high", "n"],
                rows=rows,
                units={"share": ["changed", "low", "high"]},
            )
        return findings, evidence

    def _curves(self, shares: Sequence[Finding]) -> dict[str, Evidence]:
        """Return inside and outside side by side per change, or all changes of the whole."""
        lines: dict[str, dict[str, list[Finding]]] = {}
        for one in shares:
            change, where = str(one.params["change"]), str(one.params["where"])
            name = change if where == "whole" else where
            lines.setdefault(_curve_of(change, where), {}).setdefault(name, []).append(one)
        return {
            key: Curve(
                title="Answers that change with the size of "
                + ("the change" if key == "curve" else f"the change: {key.split('-')[1]}"),
                x_label="size",
                y_label="answers that change",
                series=[_series(name, those) for name, those in series.items()],
            )
            for key, series in lines.items()
        }


def _curve_of(change: str, where: str) -> str:
    return "curve" if where == "whole" else f"curve-{change}"


def _series(name: str, shares: Sequence[Finding]) -> Series:
    return Series(
        name=name,
        x=[float(str(one.params["size"])) for one in shares],
        y=[one.value for one in shares],
        low=[one.low for one in shares],
        high=[one.high for one in shares],
    )


def _column(change: str, size: float, where: str, what: str) -> str:
    return f"{change}/{size:g}/{where}/{what}"


def _known(records: Records, change: str, size: float, where: str, what: str) -> Floats:
    values = records[_column(change, size, where, what)]
    return values[~np.isnan(values)]


def _versions(
    unit: Tensor, regions: Tensor | None, change: Change, size: float
) -> dict[Where, tuple[list[Tensor], Tensor]]:
    """Return both directions of a change per place, and which images they changed (m,)."""
    both = [CHANGES[change](unit, sign * size) for sign in (1, -1)]
    if regions is None:
        return {"whole": (both, torch.ones(len(unit), dtype=torch.bool))}
    parts = [in_parts(unit, one, regions) for one in both]
    usable = regions.flatten(1).any(dim=1) & ~regions.flatten(1).all(dim=1)
    return {
        "inside": ([one.inside for one in parts], usable),
        "outside": ([one.outside for one in parts], usable),
    }


def _read(artifacts: Artifacts, images: Tensor, change: str) -> Tensor:
    logits = artifacts.classifier.predict(
        images.to(artifacts.images.dtype), batch_size=artifacts.execution.batch_size
    )
    if not torch.isfinite(logits).all():
        raise ModelError(
            f"The model returned NaN or infinite logits under a change of {change}.",
            hint="Leave this change out with changes.",
        )
    return logits


def _moved(clean: Tensor, read: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return whether each direction changes the answer (2, m), and the mean shift (m,)."""
    answers = clean.argmax(dim=1)
    moved = torch.stack([one.argmax(dim=1) != answers for one in read])
    before = clean.softmax(dim=1).gather(1, answers[:, None])[:, 0]
    after = torch.stack([one.softmax(dim=1).gather(1, answers[:, None])[:, 0] for one in read])
    return moved, (after - before).abs().mean(dim=0)


def _examples(
    artifacts: Artifacts,
    rows: np.ndarray,
    unit: Tensor,
    pair: Sequence[Tensor],
    read: Sequence[Tensor],
    moved: Tensor,
    keep: Bools,
    name: str,
) -> list[Example]:
    classes, clean = artifacts.classifier.classes, artifacts[Predictions].logits
    found: list[Example] = []
    for place in np.flatnonzero(moved.any(dim=0).numpy() & keep).tolist():
        which = int(moved[:, place].int().argmax())
        row = int(rows[place])
        before, after = clean[row].softmax(dim=0), read[which][place].softmax(dim=0)
        first = int(before.argmax())
        found.append(
            Example(
                gallery="worst",
                score=float(before[first] - after[first]),
                row=ImageRow(
                    id=artifacts.ids[row],
                    caption=f"{name}; clean: {answer(classes, clean[row])};"
                    f" changed: {answer(classes, read[which][place])}",
                    panels=[
                        picture(unit[place], (0.0, 1.0), "clean"),
                        picture(pair[which][place], (0.0, 1.0), "changed"),
                    ],
                ),
            )
        )
    best = sorted(found, key=lambda one: (-one.score, one.row.id))
    return best[:1]  # of every change and size, so that a gallery shows several


def _said(context: Context) -> Note:
    return Note(
        title="Sizes",
        text="Brightness adds the size, as a share of the range, to every value; tone takes values"
        " to the power of 4 to minus the size; hue turns colours by that share of half a circle;"
        " fade goes that share of the way to the mean colour of the image. Each in both"
        " directions. Inside and outside are scaled down to the smaller of their two distances, so"
        " that a size is smaller there than of the whole."
        + ("" if context.data.sensitive else " No column is marked sensitive."),
    )
