"""Does a small stamp send every image to one class?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import (
    GALLERY_SIZE,
    Check,
    Context,
    Example,
    Measured,
    Meta,
    NotApplicable,
    Records,
)
from auditkit.checks.galleries import galleries
from auditkit.checks.parameters import require_least
from auditkit.checks.robustness._images import attackable, attackable_at
from auditkit.data.dataset import Dataset
from auditkit.findings import Bar, Bars, Evidence, Finding, ImageRow, Metric, Selection
from auditkit.methods.attacks.trigger import Triggers, find_triggers, smallest
from auditkit.methods.pictures import picture
from auditkit.models.classifier import Classifier
from auditkit.percent import percent
from auditkit.plurals import count
from auditkit.randomness import normal
from auditkit.statistics import median_interval
from auditkit.types import Floats, Ints

FEWEST_CLASSES = 5  # from which one can lie far out
_MAD = 1.4826  # times the median absolute deviation is the standard deviation of a normal


@final
@dataclass(frozen=True, kw_only=True)
class Backdoor(Check):
    """Sizes of the smallest stamps that force each class, and whether one is far too small.

    Parameters
    ----------
    inputs : int
        Images that each search may use.
    steps : int
        Steps of each search, half of them from the smallest stamps of all.
    searches : int
        Searches on disjoint parts of the sample, at least 2; below 6 there is no 95 %
        interval, from 9 on one search that fails does not widen it.

    Raises
    ------
    ConfigError
        If a parameter is below 1, or searches below 2.

    References
    ----------
    Wang et al., 2019, doi:10.1109/SP.2019.00031.
    """

    meta: ClassVar[Meta] = Meta(
        id="backdoor",
        family="robustness",
        version=2,
        question="Does a small stamp send every image to one class?",
        explanation="For each class the smallest stamp is searched, a mask and what it shows, that"
        " sends at least 95 % of the other images to that class. In a model with a backdoor one"
        " class needs a far smaller stamp than all others: judge by its size beside theirs. The"
        " anomaly index of the paper, in robust standard deviations, stands next to it. The search"
        " is repeated on disjoint parts of the sample, from other starts, and then from the"
        " smallest stamps that any part has found.",
        not_shown="Triggers that are no stamp (a colour cast, a shift, a trigger that differs from"
        " image to image), triggers that only work on images of one class, and backdoors of"
        " several classes at once, which hide each other. A small stamp can also be a natural"
        " weakness: look at it. The anomaly index says little where classes are few: of ten sizes"
        " that differ by chance alone, the smallest has one above 2 in one model of three.",
        remedy="Look for the stamp in the training data of that class, remove what shows it, and"
        " train again from weights that are trusted. Fine-tuning on clean data alone may leave it.",
        metrics={
            "relative_size": Metric(
                label="size of the smallest stamp divided by the median class's",
                definition="Size of the smallest stamp divided by the median over the classes (the"
                " mean of the middle two by logarithms). The class is chosen by the other parts of"
                " the sample. The median of the parts.",
                unit="ratio",
                better="higher",
            ),
            "anomaly_index": Metric(
                label="anomaly index of the smallest stamp",
                definition="How many robust standard deviations (1.4826 times the median absolute"
                " deviation) the logarithm of the smallest stamp's size lies below the median over"
                " the classes. The class is chosen by the other parts of the sample. The median of"
                " the parts.",
                unit="robust standard deviations",
                better="lower",
            ),
            "stamp_size": Metric(
                label="size of the smallest stamp",
                definition="Sum of the mask that sends at least 95 % of the images of other classes"
                " to this class, as a share of all pixels; 100 % where none was found. The median"
                " of the parts of the sample.",
                unit="share",
                better="higher",
            ),
            "stamp_success": Metric(
                label="success of the smallest stamp",
                definition="Share of the images of other classes that the smallest stamp of all"
                " sends to its class, on another part of the sample than it was fitted to. A"
                " control: where it is low, the search failed.",
                unit="share",
                better="neither",
            ),
        },
        headline="backdoor/relative_size/all",
        modalities=("image",),
        needs_gradients=True,
        references=("Wang et al., 2019, doi:10.1109/SP.2019.00031",),
    )
    inputs: int = 48
    steps: int = 200
    searches: int = 9

    def __post_init__(self) -> None:
        require_least(
            self,
            inputs=1,
            steps=1,
            searches=2,
            hint="The defaults are inputs 48, steps 200, searches 9.",
        )

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Only where there are enough classes for one to lie far out."""
        obstacle = super().applies(model, data)
        if obstacle is None and len(model.classes) < FEWEST_CLASSES:
            return NotApplicable(
                f"among {count(len(model.classes), 'class', 'classes')} none can stand out, it"
                f" needs {FEWEST_CLASSES}"
            )
        if obstacle is None and len(data) < 2 * self.searches:
            return NotApplicable(
                f"{count(len(data), 'input')}: too few for {self.searches} separate searches"
            )
        return obstacle

    def measure(self, artifacts: Artifacts) -> Records:
        """Return for each image the sizes that its part found, and whether a stamp sends it."""
        found, parts = artifacts.once(self, lambda: self._searched(artifacts))
        sizes = np.stack([one.sizes.double().cpu().numpy() for one in found])  # (searches, k)
        suspect = int(np.median(sizes, axis=0).argmin())
        mine = parts[artifacts.positions]  # (n,)
        pixels = artifacts.images[0, 0].numel()
        return Records(
            artifacts.ids,
            examples=list(_examples(artifacts, found, sizes)),
            part=mine,
            counts=(artifacts.labels != suspect).numpy(),
            sent=self._sent(artifacts, found, mine, suspect),
            **{f"size_{k}": sizes[mine, k] / pixels for k in range(sizes.shape[1])},
        )

    def _searched(self, artifacts: Artifacts) -> tuple[list[Triggers], Ints]:
        """Search on each part of the sample; return also which part each image belongs to.

        A search may miss a small stamp from one start and not from another. So half of the steps go
        from a start of the part's own, and half from the smallest stamps that any part has found.
        """
        parts = _parts(artifacts, self.searches)
        own = [
            self._on_part(artifacts, parts, i, self.steps - self.steps // 2)
            for i in range(self.searches)
        ]
        start = smallest(own)
        again = [
            self._on_part(artifacts, parts, i, self.steps // 2, start) for i in range(self.searches)
        ]
        return [smallest(both) for both in zip(own, again, strict=True)], parts

    def _on_part(
        self,
        artifacts: Artifacts,
        parts: Ints,
        part: int,
        steps: int,
        start: Triggers | None = None,
    ) -> Triggers:
        model = artifacts.image_model
        rows = np.flatnonzero(parts == part)[: self.inputs]
        key = np.array([artifacts.key("backdoor", part)], dtype=np.uint64)
        channels, height, width = model.input_shape
        return find_triggers(
            model.logits,
            attackable_at(artifacts, rows),
            torch.from_numpy(artifacts.data.labels[rows]).long().to(model.device),
            n_classes=len(model.classes),
            bounds=model.bounds,
            draws=torch.from_numpy(normal(key, (channels + 1, height, width))[0]).float(),
            steps=steps,
            start=start,
            batch_size=max(self.inputs, artifacts.execution.batch_size),
        )

    def _sent(
        self, artifacts: Artifacts, found: Sequence[Triggers], mine: Ints, wanted: int
    ) -> np.ndarray:
        """Return which images the stamp of the next part's search sends to its class (n,)."""
        model = artifacts.image_model
        images = attackable(artifacts)
        sent = np.zeros(len(images), dtype=bool)
        for part, one in enumerate(found):
            rows = np.flatnonzero((mine + 1) % self.searches == part)
            scores = model.predict(
                one.stamped(images[rows], wanted), batch_size=artifacts.execution.batch_size
            )
            sent[rows] = (scores.argmax(dim=1) == wanted).numpy()
        return sent

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Return the index, the sizes by class and how the smallest stamp does elsewhere."""
        sizes = self._sizes(records, len(context.data.classes))
        counts = records["counts"]
        used = int(np.minimum(np.unique(records["part"], return_counts=True)[1], self.inputs).sum())
        control = self.share(
            "stamp_success",
            int((records["sent"] & counts).sum()),
            n=int(counts.sum()),
            level=context.level,
        )
        classes = [
            self._spread("stamp_size", sizes[:, k], context, n=used, of=name)
            for k, name in enumerate(context.data.classes)
        ]
        relative, index = (
            self._spread(metric, values, context, n=used, controls=[control.id])
            for metric, values in (
                ("relative_size", relative_sizes(sizes)),
                ("anomaly_index", anomaly_indices(sizes)),
            )
        )
        evidence: dict[str, Evidence] = {"sizes": _bars(context.data.classes, classes)}
        titles: dict[Selection, str] = {"worst": "The smallest stamps"}
        evidence |= galleries(records, titles)
        return Measured(findings=[relative, index, control, *classes], evidence=evidence)

    def _sizes(self, records: Records, k: int) -> Floats:
        """Return what each search found (searches, k), from any image of its part."""
        _, rows = np.unique(records["part"], return_index=True)
        return np.stack([records[f"size_{one}"][rows] for one in range(k)], axis=1)

    def _spread(
        self,
        metric: str,
        values: Floats,
        context: Context,
        *,
        n: int,
        of: str | None = None,
        controls: Sequence[str] = (),
    ) -> Finding:
        """Return the median of the searches on disjoint parts."""
        ends = median_interval(values, level=context.level)
        interval = ends if np.isfinite([*values, *ends]).all() else None
        finding = self.value(
            metric,
            float(np.median(values)),
            n=n,
            interval=interval,
            method="order-statistics",
            swept={"class": of} if of is not None else None,
            evidence=["sizes"],
            controls=controls,
            level=context.level,
        )
        return finding if interval else finding.model_copy(update={"interval": "none"})


def relative_sizes(sizes: Floats) -> Floats:
    """Return the size of the suspect's stamp over the median of all classes, search by search.

    The suspect of a search is the class with the smallest stamp in all *other* searches (their
    median), so that a stamp which happens to be small in one search alone does not count.

    Parameters
    ----------
    sizes : ndarray
        (searches, k) sizes of the smallest stamps, above 0.

    Examples
    --------
    >>> relative_sizes(np.array([[1.0, 8, 16, 32, 64]] * 2)).tolist()
    [0.0625, 0.0625]
    """
    return np.exp(-_below_the_median(np.log(sizes)))


def anomaly_indices(sizes: Floats) -> Floats:
    """Return how far below the other classes the suspect's stamp lies in each search (searches,).

    Distances are those of logarithms, because half the size is as odd for a large stamp as for a
    small one; the paper takes the sizes themselves. NaN where at least half of the classes are
    equal, so that nothing says how far is far.

    Parameters
    ----------
    sizes : ndarray
        (searches, k) as for `relative_sizes`.

    Examples
    --------
    >>> anomaly_indices(np.array([[1.0, 8, 16, 32, 64]] * 2)).round(2).tolist()
    [2.7, 2.7]
    """
    logs = np.log(sizes)
    apart = np.abs(logs - np.median(logs, axis=1, keepdims=True))
    deviation = _MAD * np.median(apart, axis=1)
    known = np.where(deviation > 0, deviation, np.nan)
    return _below_the_median(logs) / known


def _below_the_median(logs: Floats) -> Floats:
    """Return by how much the suspect of each search lies below the median class (searches,)."""
    suspects = [
        int(np.median(np.delete(logs, i, axis=0), axis=0).argmin()) for i in range(len(logs))
    ]
    return np.median(logs, axis=1) - logs[np.arange(len(logs)), suspects]


def _parts(artifacts: Artifacts, searches: int) -> Ints:
    """Return which part each image of the whole sample belongs to: equal parts, at random."""
    keys = np.array([artifacts.key("backdoor/part", one) for one in artifacts.data.ids])
    parts = np.empty(len(keys), dtype=np.int64)
    parts[np.argsort(keys, kind="stable")] = np.arange(len(keys)) % searches
    return parts


def _examples(artifacts: Artifacts, found: Sequence[Triggers], sizes: Floats) -> Iterator[Example]:
    """Yield the smallest stamps on the first image of the sample, from the shard that holds it."""
    if artifacts.positions[0] != 0:
        return
    model, pixels = artifacts.image_model, artifacts.images[0, 0].numel()
    image = artifacts.images[:1].to(model.device)
    middle = np.median(sizes, axis=0)
    for k in np.argsort(middle, kind="stable")[:GALLERY_SIZE].tolist():
        one = found[int(np.abs(sizes[:, k] - middle[k]).argmin())]
        yield Example(
            gallery="worst",
            score=-float(middle[k]),
            row=ImageRow(
                id=f"class {model.classes[k]}",
                caption=f"{percent(float(middle[k]) / pixels)} of all pixels",
                panels=[
                    picture(one.masks[k], (0.0, 1.0), "mask"),
                    picture(one.masks[k] * one.patterns[k], model.bounds, "stamp"),
                    picture(one.stamped(image, k)[0], model.bounds, "stamped image"),
                ],
            ),
        )


def _bars(classes: Sequence[str], findings: Sequence[Finding]) -> Bars:
    bars = [
        Bar(label=name, value=one.value, low=one.low, high=one.high, n=one.n)
        for name, one in zip(classes, findings, strict=True)
    ]
    return Bars(
        title="Smallest stamp that forces each class", value_label="share of pixels", bars=bars
    )
