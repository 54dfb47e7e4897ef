"""Do answers change when the thing stands in front of another image's background?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Example, Records
from auditkit.checks.changed import logits_of
from auditkit.checks.donors import lend
from auditkit.checks.galleries import answer
from auditkit.checks.groups import groups_of
from auditkit.findings import Finding, ImageRow, Metric, Note
from auditkit.methods.pictures import picture
from auditkit.methods.variation.composites import leave_both, on_background
from auditkit.plurals import count
from auditkit.randomness import uniform
from auditkit.statistics import bounded_mean, paired_difference
from auditkit.types import Bools, Floats, Ints, Params

PURPOSE = "counterfactual-image/backgrounds"
DONORS = 200
CLASS = "class"  # what donors differ in, beside the sensitive columns
METRICS = {
    "background_changed_share": Metric(
        label="answers that change with another's background",
        definition="Share of the tried images whose answer changes, right or wrong, when everything"
        " outside the region that matters is taken from an image of another predicted class, or of"
        " another group of the named column.",
        unit="share",
        better="lower",
    ),
    "background_score_shift": Metric(
        label="score shift with another's background",
        definition="Mean absolute change of the probability of the clean answer with it.",
        unit="probability",
        better="lower",
    ),
    "background_excess": Metric(
        label="changes with another's background beyond one's own kind",
        definition="Share of the tried images whose answer changes with a background of another"
        " class or group minus the share with one of the same: what the exchange itself disturbs"
        " is in both.",
        unit="share difference",
        better="lower",
    ),
}


class Exchanged(NamedTuple):
    """Columns (n,) of an exchange, NaN where there was none, and what is worth showing."""

    columns: dict[str, Floats]
    examples: list[Example]


def exchange(artifacts: Artifacts, rows: Ints) -> Exchanged:
    """Put the things of some images of a shard in front of the backgrounds of donors.

    Parameters
    ----------
    artifacts : Artifacts
        Images whose data say which region matters.
    rows : ndarray
        (m,) the images that are tried.
    """
    lenders = artifacts.sample(PURPOSE, DONORS)
    usable = np.flatnonzero(leave_both(_regions(lenders)))
    kinds = {
        CLASS: (artifacts[Predictions].predicted.numpy(), lenders[Predictions].predicted.numpy())
    }
    for name in artifacts.data.sensitive:
        codes, _ = groups_of(name, artifacts.data)
        kinds[name] = (codes[artifacts.positions], codes[lenders.positions])
    mine = rows[leave_both(_regions(artifacts)[rows])]
    columns: dict[str, Floats] = {}
    examples: list[Example] = []
    for kind, (own, lent) in kinds.items():
        draws = uniform(artifacts.keys(f"{PURPOSE}/{kind}"), (2,))
        tried, other, same = lend(lent[usable], own, mine, draws)
        for which, chosen in (("other", other), ("same", same)):
            changed, shift, shown = _answers(artifacts, lenders, tried, usable[chosen], kind)
            columns[_column(kind, which, "changed")] = artifacts.column(tried, changed)
            columns[_column(kind, which, "shift")] = artifacts.column(tried, shift)
            examples += shown if which == "other" else []
    return Exchanged(columns, examples)


def _regions(artifacts: Artifacts) -> Bools:
    masks = artifacts.relevance
    assert isinstance(masks, np.ndarray)
    return masks.astype(np.bool_)


def _column(kind: str, which: str, what: str) -> str:
    return f"background/{kind}/{which}/{what}"


def _answers(
    artifacts: Artifacts, lenders: Artifacts, rows: Ints, chosen: Ints, kind: str
) -> tuple[Floats, Floats, list[Example]]:
    """Return whether answers change (m,), by how much (m,), and the largest change of score."""
    if len(rows) == 0:
        return np.zeros(0), np.zeros(0), []
    images, regions = artifacts.images.numpy(), _regions(artifacts)
    lent, lent_regions = lenders.images.numpy(), _regions(lenders)
    made = torch.from_numpy(
        np.stack(
            [
                on_background(images[i], regions[i], lent[j], lent_regions[j])
                for i, j in zip(rows.tolist(), chosen.tolist(), strict=True)
            ]
        )
    )
    logits = logits_of(artifacts, made, "another background", hint="leave counterfactual-image out")
    clean = artifacts[Predictions].logits[rows]
    first = clean.argmax(dim=1)
    fall = (
        clean.softmax(dim=1).gather(1, first[:, None])
        - logits.softmax(dim=1).gather(1, first[:, None])
    )[:, 0]
    changed = logits.argmax(dim=1) != first
    classes, bounds = artifacts.classifier.classes, artifacts.image_model.bounds
    examples = [
        Example(
            gallery="worst",
            score=float(fall[k]),
            row=ImageRow(
                id=artifacts.ids[rows[k]],
                caption=f"background of another {kind}; clean: {answer(classes, clean[k])};"
                f" changed: {answer(classes, logits[k])}",
                panels=[
                    picture(artifacts.images[rows[k]], bounds, "clean"),
                    picture(made[k], bounds, "changed"),
                ],
            ),
        )
        for k in np.flatnonzero(changed.numpy()).tolist()
    ]
    best = sorted(examples, key=lambda one: (-one.score, one.row.id))[:1]
    return changed.double().numpy(), fall.abs().double().numpy(), best


def findings(
    check: Check, records: Records, context: Context, *, minimum_n: int
) -> Iterator[Finding]:
    """Return flips, shift and excess for every kind of donor that was tried."""
    for kind in (CLASS, *context.data.sensitive):
        if _column(kind, "other", "changed") not in records.columns:
            continue
        other, same, shift = (
            records[_column(kind, *one)]
            for one in (("other", "changed"), ("same", "changed"), ("other", "shift"))
        )
        known = ~np.isnan(other)
        n, swept, level = int(known.sum()), Params(background=kind), context.level
        if n < minimum_n:
            some = count(n, "image")
            why = f"only {some} could be given another background (minimum_n {minimum_n})"
            yield from (check.undefined(one, why, n=n, swept=swept) for one in METRICS)
            continue
        changed = other[known] > 0
        yield check.share(
            "background_changed_share", int(changed.sum()), n=n, swept=swept, level=level,
            evidence=["backgrounds"],
        )  # fmt: skip
        seed = context.key(PURPOSE, kind, "shift")
        moved, spread, method = bounded_mean(shift[known], seed=seed, level=level)
        yield check.value(
            "background_score_shift", moved, n=n, swept=swept, interval=spread, method=method,
            level=level, evidence=["backgrounds"],
        )  # fmt: skip
        excess, interval = paired_difference(changed, same[known] > 0, level=level)
        yield check.value(
            "background_excess", excess, n=n, interval=interval, method="newcombe-paired",
            swept=swept, level=level, evidence=["backgrounds"],
        )  # fmt: skip


def note(records: Records) -> Note:
    """Return how backgrounds were exchanged, or why they were not."""
    if _column(CLASS, "other", "changed") not in records.columns:
        text = "Not exchanged: the data does not say which region of an image matters."
    else:
        text = (
            "Everything outside the region that matters is taken from another image; where that"
            " one's own thing stood, the nearest pixel of its background goes on. Donors are"
            f" {DONORS} images drawn at random, of another predicted class or another group. The"
            " same with a donor of the same class or group shows what the seam alone does."
        )
    return Note(title="Backgrounds", text=text)
