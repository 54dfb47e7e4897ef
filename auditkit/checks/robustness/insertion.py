"""Do predictions survive words that do not belong to the text, put in front or behind?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias, final
from weakref import WeakKeyDictionary

import numpy as np
import torch

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.galleries import answer, galleries
from auditkit.checks.parameters import require_least
from auditkit.checks.robustness._flips import ROBUST_ACCURACY, at_the_middle_budget
from auditkit.checks.shift._graded import mean_error
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError
from auditkit.findings import Evidence, Finding, Metric, Table, TextRow, Token
from auditkit.methods.attacks.active_set import misclassified
from auditkit.methods.attacks.distractors import DISTRACTORS
from auditkit.methods.attacks.triggers import Pool, TriggerSearch, with_trigger
from auditkit.models.classifier import TextClassifier
from auditkit.randomness import key_of, keys_of, uniform
from auditkit.statistics import Interval, mean_minus_share, paired_difference
from auditkit.types import Bools, Ints, Params, Scalar, Strings

Trigger: TypeAlias = tuple[str, ...]
RANDOM = 8  # sequences of random words of each length
ROUNDS = 3  # times that every place of a trigger is tried anew


@final
@dataclass(frozen=True, kw_only=True)
class Insertion(Check):
    """Robust accuracy under universal triggers, and flips under neutral sentences.

    A trigger is a few words that are put in front of every text. It is searched on one half of the
    inputs and measured on the other half, beside random words of the same number. Neutral
    sentences are put behind every text, one at a time.

    Parameters
    ----------
    length : int
        Words of the longest trigger; every length from 1 to this is reported.
    targets : int
        For so many classes, the most frequent first, a trigger is searched that makes the model
        say this class.
    search_inputs : int
        Texts of other classes on which a trigger is searched.
    candidates : int
        Words tried per place of a trigger and round.
    sentences : tuple of str
        Neutral sentences; empty for those that come with auditkit.

    Raises
    ------
    ConfigError
        If a number is below 1 or a sentence is empty.

    References
    ----------
    Wallace et al., 2019, arXiv:1908.07125. Jia and Liang, 2017, arXiv:1707.07328.
    """

    meta: ClassVar[Meta] = Meta(
        id="insertion",
        family="robustness",
        question="Do predictions survive words that do not belong to the text, put in front or"
        " behind?",
        explanation="A trigger is a few words that make the model say one class whatever text"
        " follows. It is searched on one half of the inputs, by the gradient where there is one,"
        " else by chance, and measured on texts of other classes in the other half. Random words of"
        " the same number show how much any insertion does. Then neutral sentences are put behind"
        " every text, one at a time, beside random words of the same number. A text that falls to"
        " a short trigger counts as fallen to a longer one.",
        not_shown="A trigger may hold words that mean its class, so that people would change their"
        " answer too: read the triggers. They are found by a local search; better ones may exist."
        " Neutral means neutral for most questions, not for all: give your own sentences where a"
        " class could be about weekdays or kitchens. Texts that fill the model's length lose their"
        " end to a trigger, and are cut before a sentence behind them.",
        remedy="Train with inserted words and sentences; look at what the model reads into single"
        " words; refuse texts whose beginning is no sentence.",
        metrics={
            "robust_accuracy": ROBUST_ACCURACY,
            "flip_rate": Metric(
                label="flips by a trigger",
                definition="Share of the correctly classified texts of other classes, in the half"
                " that was not searched on, whose answer the trigger for one class made wrong.",
                unit="share",
                better="lower",
            ),
            "random_flip_rate": Metric(
                label="flips by random words",
                definition=f"Mean share, over {RANDOM} sequences of random words of the same"
                " number, of the same texts whose answer they made wrong. A control.",
                unit="share",
                better="lower",
            ),
            "trigger_gain": Metric(
                label="flips beyond random words",
                definition="Flips by a trigger minus flips by random words, on the same texts.",
                unit="share difference",
                better="lower",
            ),
            "distractor_flip_rate": Metric(
                label="flips by a neutral sentence",
                definition="Share of the correctly classified texts whose answer at least one of"
                " the neutral sentences made wrong.",
                unit="share",
                better="lower",
            ),
            "distractor_gain": Metric(
                label="flips by neutral sentences beyond random words",
                definition="Flips by at least one neutral sentence minus flips by at least one of"
                " as many sequences of random words, each as long as a sentence; on the same"
                " texts.",
                unit="share difference",
                better="lower",
            ),
        },
        headline="insertion/robust_accuracy/all/*",
        modalities=("text",),
        references=(
            "Wallace et al., 2019, arXiv:1908.07125 (universal triggers)",
            "Jia and Liang, 2017, arXiv:1707.07328 (distracting sentences)",
        ),
    )
    length: int = 3
    targets: int = 2
    search_inputs: int = 48
    candidates: int = 16
    sentences: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_least(
            self,
            length=1,
            targets=1,
            search_inputs=1,
            candidates=1,
            hint="See the defaults with: audit explain insertion",
        )
        if not all(one.strip() for one in self.sentences):
            raise ConfigError(
                "insertion: sentences has an empty one.", hint="Leave sentences out for the usual."
            )

    @property
    def _sentences(self) -> tuple[str, ...]:
        return self.sentences or DISTRACTORS

    def measure(self, artifacts: Artifacts) -> Records:
        """Return which texts of a shard fall to which insertion."""
        reader, found = _Reader(artifacts), _triggers(self, artifacts)
        n, searched = len(artifacts), searched_half(artifacts.data, artifacts.seed)
        searched = searched[artifacts.positions]
        rows = np.flatnonzero(~searched & reader.correct)
        columns: dict[str, Bools | Strings] = {"searched": searched, "correct": reader.correct}
        for r, words in enumerate(found.random):
            put = [reader.behind(words[:size], rows) for size in range(1, self.length + 1)]
            columns |= _carried(f"random-{r}", put)
        for target, triggers in found.triggers.items():
            columns |= _carried(f"flip-{target}", [reader.behind(one, rows) for one in triggers])
            for size, trigger in enumerate(triggers, start=1):
                columns[f"trigger-{target}-{size}"] = np.full(n, " ".join(trigger))
        for j, (sentence, words) in enumerate(zip(self._sentences, found.beside, strict=True)):
            columns[f"sentence-{j}"] = reader.before(sentence)
            columns[f"words-{j}"] = reader.before(words)
        return Records(artifacts.ids, examples=list(reader.examples(found, columns)), **columns)

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Count flips on the half that was not searched on, and beside random words."""
        if records.count("correct") == 0:
            return NotApplicable("no input is classified correctly before the attack")
        labels, measured = context.data.labels, ~records["searched"]
        held: list[Finding] = []
        for size in range(1, self.length + 1):
            fell = np.zeros(len(records), dtype=bool)
            for target in self._found(records, context.data):
                fell |= records[f"flip-{target}-{size}"] & (labels != target)
            kept = int((measured & records["correct"] & ~fell).sum())
            held.append(
                self.share(
                    "robust_accuracy", kept, n=int(measured.sum()), swept={"length": size},
                    evidence=("triggers",), level=context.level,
                )
            )  # fmt: skip
        each = [
            one
            for target in targets_of(context.data, self.targets)
            for size in range(1, self.length + 1)
            for one in self._beside(records, context, target, size)
        ]
        return Measured(
            findings=[*held, *each, *self._distracted(records, context.level)],
            evidence=self._evidence(records, context),
            headline=at_the_middle_budget(held),
        )

    def _found(self, records: Records, data: Dataset) -> list[int]:
        """Return the classes for which there was something to search a trigger on."""
        targets = targets_of(data, self.targets)
        return [one for one in targets if f"flip-{one}-1" in records.columns]

    def _beside(self, records: Records, context: Context, target: int, size: int) -> list[Finding]:
        """Return the flips of one trigger, those of random words, and the difference."""
        data, level = context.data, context.level
        swept: Params = {"length": size, "target": data.classes[target]}
        who = ~records["searched"] & records["correct"] & (data.labels != target)
        n = int(who.sum())
        if n == 0 or target not in self._found(records, data):
            why = "no correctly classified text of another class is in one of the halves"
            names = ("flip_rate", "random_flip_rate", "trigger_gain")
            return [self.undefined(name, why, n=n, swept=swept) for name in names]
        hits = records[f"flip-{target}-{size}"][who]
        random = np.stack([records[f"random-{r}-{size}"][who] for r in range(RANDOM)])  # (r, n)
        mean, interval, method = mean_error(
            list(~random), seed=context.key("insertion", target, size), level=level
        )
        gap = mean_minus_share(random.mean(axis=0), hits, level=level)
        return [
            self.share(
                "flip_rate", int(hits.sum()), n=n, swept=swept, evidence=("triggers",), level=level
            ),
            self.value(
                "random_flip_rate", mean, n=n, interval=interval, method=method, swept=swept,
                level=level,
            ),
            self.value(
                "trigger_gain", float(hits.mean()) - mean, n=n,
                interval=Interval(max(-1.0, -gap.high), min(1.0, -gap.low)),
                method="square-and-add", swept=swept,
                evidence=("triggers",), level=level,
            ),
        ]  # fmt: skip

    def _distracted(self, records: Records, level: float) -> list[Finding]:
        right, n = records["correct"], records.count("correct")
        sentences = range(len(self._sentences))
        ours = np.any([records[f"sentence-{j}"][right] for j in sentences], axis=0)
        theirs = np.any([records[f"words-{j}"][right] for j in sentences], axis=0)
        gain, interval = paired_difference(ours, theirs, level=level)
        return [
            self.share(
                "distractor_flip_rate", int(ours.sum()), n=n, evidence=("sentences",), level=level
            ),
            self.value(
                "distractor_gain", gain, n=n, interval=interval, method="newcombe-paired",
                evidence=("sentences",), level=level,
            ),
        ]  # fmt: skip

    def _evidence(self, records: Records, context: Context) -> dict[str, Evidence]:
        right, classes = records["correct"], context.data.classes
        triggers: list[list[Scalar]] = [
            [classes[target], size, str(records[f"trigger-{target}-{size}"][0])]
            for target in self._found(records, context.data)
            for size in range(1, self.length + 1)
        ]
        flips: list[list[Scalar]] = [
            [
                sentence,
                float(records[f"sentence-{j}"][right].mean()),
                float(records[f"words-{j}"][right].mean()),
            ]
            for j, sentence in enumerate(self._sentences)
        ]
        return {
            "triggers": Table(
                title="The triggers, searched on one half of the texts",
                columns=["class that the model is to say", "words", "trigger put in front"],
                rows=triggers,
            ),
            "sentences": Table(
                title="Share of the correctly classified texts that one insertion made wrong",
                columns=["sentence put behind", "made wrong", "by as many random words"],
                rows=flips,
                units={"share": ["made wrong", "by as many random words"]},
            ),
            **galleries(records, {"worst": "Changed by the longest trigger, most confident first"}),
        }


# --- triggers -------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, kw_only=True)
class _Found:
    """What is inserted, the same in every shard."""

    triggers: dict[int, list[Trigger]]  # by target: of each length
    random: list[Trigger]  # as long as the longest trigger
    beside: list[str]  # random words in the place of each sentence


_known: WeakKeyDictionary[TextClassifier, dict[object, _Found]] = WeakKeyDictionary()


def targets_of(data: Dataset, count: int) -> list[int]:
    """Return the most frequent classes of the sample."""
    counts = np.bincount(data.labels, minlength=len(data.classes))
    return np.argsort(-counts, kind="stable")[:count].tolist()


def searched_half(data: Dataset, seed: int) -> Bools:
    """Return which inputs (n,) of the sample triggers are searched on: about half of them."""
    return uniform(keys_of(seed, "insertion half", data.ids), ()) < 0.5


def _triggers(check: Insertion, artifacts: Artifacts) -> _Found:
    """Search triggers on the whole sample, once per process."""
    model, data = artifacts.text_model, artifacts.data
    known = _known.setdefault(model, {})
    about = (check, artifacts.seed, data.sha256, data.ids, artifacts.execution.batch_size)
    if about not in known:
        known[about] = _searched(check, artifacts)
    return known[about]


def _searched(check: Insertion, artifacts: Artifacts) -> _Found:
    model, data, size = artifacts.text_model, artifacts.data, artifacts.execution.batch_size
    pool, key = Pool(model), artifacts.key("insertion")
    search = TriggerSearch(
        access="gradients" if model.differentiable else "scores",
        rounds=ROUNDS,
        candidates=check.candidates,
        key=key,
        batch_size=size,
    )
    half = np.flatnonzero(searched_half(data, artifacts.seed))
    found: dict[int, list[Trigger]] = {}
    for target in targets_of(data, check.targets) if pool.words else []:
        texts = _right(model, data, half[data.labels[half] != target], check.search_inputs, size)
        if texts:
            found[target] = search.triggers(model, pool, texts, target=target, length=check.length)
    sentences = check.sentences or DISTRACTORS
    return _Found(
        triggers=found,
        random=[tuple(pool.drawn(check.length, key_of(key, "random", r))) for r in range(RANDOM)],
        beside=[
            " ".join(pool.drawn(len(one.split()), key_of(key, "words", j)))
            for j, one in enumerate(sentences)
        ],
    )


def _right(
    model: TextClassifier, data: Dataset, positions: Ints, count: int, batch_size: int
) -> list[str]:
    """Return at most so many texts that are classified correctly."""
    found: list[str] = []
    for start in range(0, len(positions), count):
        some = positions[start : start + count]
        texts = data.read(some)
        assert isinstance(texts, list)
        wrong = (
            model.predict(texts, batch_size=batch_size).argmax(dim=1).numpy() != data.labels[some]
        )
        found += [text for text, one in zip(texts, wrong, strict=True) if not one]
        if len(found) >= count:
            break
    return found[:count]


def _carried(name: str, fallen: Sequence[Bools]) -> dict[str, Bools]:
    """Return a column per length; what fell to fewer words falls to more."""
    sizes = enumerate(np.logical_or.accumulate(np.stack(fallen)), start=1)
    return {f"{name}-{size}": one for size, one in sizes}


# --- one shard ------------------------------------------------------------------------------------


@final
class _Reader:
    """The texts of one shard, and what the model says to them with something inserted."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts
        self.correct = artifacts[Predictions].correct.numpy()

    def behind(self, words: Sequence[str], rows: Ints) -> Bools:
        """Return which texts (n,) become wrong behind a few words; only some rows are asked."""
        put = [with_trigger(words, self._artifacts.texts[i]) for i in rows]
        fallen = np.zeros(len(self._artifacts), dtype=bool)
        fallen[rows] = self._wrong(put, rows)
        return fallen

    def before(self, sentence: str) -> Bools:
        """Return which texts (n,) become wrong before a sentence."""
        rows = np.flatnonzero(self.correct)
        put = [f"{self._artifacts.texts[i]} {sentence}" for i in rows]
        fallen = np.zeros(len(self._artifacts), dtype=bool)
        fallen[rows] = self._wrong(put, rows)
        return fallen

    def examples(self, found: _Found, columns: Mapping[str, Bools | Strings]) -> Iterator[Example]:
        """Yield rows of texts that a trigger changed, the shortest that did."""
        artifacts, before = self._artifacts, self._artifacts[Predictions].logits
        classes = artifacts.classifier.classes
        for target, triggers in found.triggers.items():
            fell = np.stack([columns[f"flip-{target}-{j}"] for j in range(1, len(triggers) + 1)])
            rows = np.flatnonzero(fell[-1] & (artifacts.labels.numpy() != target)).tolist()
            used = [triggers[int(fell[:, i].argmax())] for i in rows]
            put = [with_trigger(one, artifacts.texts[i]) for one, i in zip(used, rows, strict=True)]
            after = artifacts.text_model.predict(put, batch_size=artifacts.execution.batch_size)
            for i, trigger, logits in zip(rows, used, after, strict=True):
                row = TextRow(
                    id=artifacts.ids[i],
                    caption=f"true class {classes[int(artifacts.labels[i])]};"
                    f" clean: {answer(classes, before[i])};"
                    f" with the trigger: {answer(classes, logits)}",
                    tokens=[
                        Token(text=" ".join(trigger), was=""),
                        Token(text=f" {artifacts.texts[i]}"),
                    ],
                )
                score = float(logits.double().softmax(dim=0).max())
                yield Example(gallery="worst", score=score, row=row)

    def _wrong(self, texts: list[str], rows: Ints) -> Bools:
        model, size = self._artifacts.text_model, self._artifacts.execution.batch_size
        labels = self._artifacts.labels[torch.from_numpy(np.asarray(rows, dtype=np.int64))]
        return misclassified(model.predict(texts, batch_size=size), labels).numpy()
