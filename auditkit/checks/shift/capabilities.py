"""Does the model have the capabilities that its task takes, such as negation?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.galleries import exhibit
from auditkit.checks.parameters import require_least
from auditkit.checks.shift._graded import marked
from auditkit.errors import ConfigError, ModelError
from auditkit.findings import (
    Bar,
    Bars,
    Evidence,
    Finding,
    Metric,
    Note,
    TextRow,
    Token,
)
from auditkit.methods.capabilities.templates import Answer, Template, built_in, sentiment
from auditkit.methods.corruptions.typos import Mistyped, words_in
from auditkit.percent import percent
from auditkit.randomness import generator, key_of
from auditkit.statistics import bounded_mean
from auditkit.types import Floats, Params

_PURPOSE = "capabilities"
_FILLINGS = 6  # sentences from one template
_SWAPS = 4  # versions of one text
_PUSHED: dict[str, Answer] = {"praise": "positive", "complaint": "negative"}
_TITLES = {
    "functionality": "Sentences whose answer is known, read wrongly",
    "invariance": "Texts whose answer changes with words that should not matter",
    "direction": "Texts whose score moves the wrong way",
}


@final
@dataclass(frozen=True, kw_only=True)
class Capabilities(Check):
    """Failure rates of minimum functionality, invariance and directional tests.

    Parameters
    ----------
    max_inputs : int
        Texts on which invariance and direction are tested, drawn at random, at least 1.
    tolerance : float
        By how much the probability of the positive class may move the wrong way, in [0, 1).
    task : str
        "auto": sentiment where the classes are called positive and negative. "none": invariance
        alone.

    Raises
    ------
    ConfigError
        If a parameter is outside its range.
    """

    meta: ClassVar[Meta] = Meta(
        id=_PURPOSE,
        family="shift",
        question="Does the model have the capabilities that its task takes, such as negation?",
        explanation="Three kinds of tests. Minimum functionality: sentences from templates whose"
        " answer is known. Invariance: names, places, numbers and neutral words of the texts are"
        " exchanged for others, and the answer should stay. Direction: a sentence of plain praise"
        " or plain complaint is added to the texts, and the score should not move the other way."
        " The first and the last kind exist for sentiment alone, which is recognised by the names"
        " of the classes.",
        not_shown="The templates are short, plain English, and not drawn from the texts of any"
        " user: a failure shows a lack, and passing shows little. Intervals speak of other"
        " templates of the same kind. Words are"
        " exchanged by rule: inside a title or a set phrase it may matter. Models of other tasks"
        " are tested for invariance alone.",
        remedy="Add sentences of the failing kind with their labels to the training data, and keep"
        " others for the next audit.",
        metrics={
            "functionality_failure": Metric(
                label="failure rate of a minimum capability",
                definition="Share of a template's sentences that do not get the answer that is"
                " known, averaged over the templates of this capability.",
                unit="share",
                better="lower",
                plain="On simple sentences about {capability}, {value} of the answers are wrong",
            ),
            "invariance_failure": Metric(
                label="share of answers changed by what should not matter",
                definition="Share of the texts that hold such words whose answer is not the same"
                " under all of four exchanges.",
                unit="share",
                better="lower",
            ),
            "direction_failure": Metric(
                label="share of scores moved the wrong way",
                definition="Share of the texts, those that the model reads to the end, whose"
                " probability of the positive class falls with added praise, or rises with an added"
                " complaint, by more than the tolerance.",
                unit="share",
                better="lower",
            ),
        },
        headline=f"{_PURPOSE}/*_failure/all/*",
        modalities=("text",),
        references=("Ribeiro et al., 2020, arXiv:2005.04118 (CheckList)",),
    )
    max_inputs: int = 500
    tolerance: float = 0.1
    task: Literal["auto", "none"] = "auto"

    def __post_init__(self) -> None:
        require_least(self, max_inputs=1)
        if not 0 <= self.tolerance < 1:
            raise ConfigError(
                f"{_PURPOSE}: tolerance is {self.tolerance}, expected a value in [0, 1).",
                hint="It is a difference of two probabilities: write 0.1 for ten points.",
            )
        if self.task not in ("auto", "none"):
            raise ConfigError(
                f"{_PURPOSE}: task is {self.task!r}, expected auto or none.",
                hint='Write task = "auto".',
            )

    def measure(self, artifacts: Artifacts) -> Records:
        """Test the shard's texts, and the templates that fall to its rows."""
        answers = self._answers(artifacts.classifier.classes)
        rows = np.flatnonzero(artifacts.drawn(_PURPOSE, self.max_inputs)).tolist()
        columns: dict[str, Floats] = {}
        examples: list[Example] = []
        for name in built_in().invariance:
            columns[f"invariance/{name}"] = _invariant(artifacts, name, rows, examples)
        if answers is not None:
            for name in _PUSHED:
                columns[f"direction/{name}"] = self._pushed(
                    artifacts, name, answers["positive"], rows, examples
                )
            for name, templates in built_in().functionality.items():
                columns |= _functional(artifacts, name, templates, answers, examples)
        return Records(artifacts.ids, examples=_once_each(examples), **columns)

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Return the failure rate of every capability."""
        answers = self._answers(context.data.classes)
        seed = context.key(_PURPOSE, "mean")
        findings = [
            self._functionality(name, records, seed=seed, level=context.level)
            for name in (built_in().functionality if answers is not None else ())
        ]
        for name in _PUSHED if answers is not None else ():
            failed = records[f"direction/{name}"]
            findings.append(self._rate("direction_failure", name, failed, context.level))
        for name in built_in().invariance:
            failed = records[f"invariance/{name}"]
            findings.append(self._rate("invariance_failure", name, failed, context.level))
        defined = [one for one in findings if one.value is not None]
        if not defined:
            return NotApplicable(
                f"{_why_not(self.task)}, and no text holds words whose exchange could be tested"
            )
        first = next((one for one in defined if one.params["capability"] == "negation"), defined[0])
        shown = {
            name: exhibit(title, "worst", rows)
            for name, title in _TITLES.items()
            if (rows := records.gallery(name))
        }
        evidence: dict[str, Evidence] = {"bars": _bars(defined), **shown}
        evidence["reading"] = Note(
            title="How to read this", text=_reading(answers, context.data.classes, self.task)
        )
        return Measured(findings=findings, evidence=evidence, headline=first.id)

    def _answers(self, classes: Sequence[str]) -> dict[Answer, int] | None:
        return sentiment(classes) if self.task == "auto" else None

    def _functionality(self, name: str, records: Records, *, seed: int, level: float) -> Finding:
        several = [records[one] for one in records.columns if one.startswith(f"template/{name}/")]
        shares = np.concatenate(several)
        # Rounds first, then rows: the order of the templates, whatever the number of inputs.
        shares = shares[~np.isnan(shares)]
        value, interval, method = bounded_mean(shares, seed=seed, level=level)
        return self.value(
            "functionality_failure", value, n=len(shares), interval=interval, method=method,
            swept={"capability": name}, evidence=("bars",), level=level,
        )  # fmt: skip

    def _rate(self, metric: str, name: str, failed: Floats, level: float) -> Finding:
        known = failed[~np.isnan(failed)]
        swept: Params = {"capability": name}
        if not len(known):
            return self.undefined(metric, _NONE, n=0, swept=swept)
        return self.share(
            metric, int(known.sum()), n=len(known), swept=swept, evidence=("bars",),
            level=level,
        )  # fmt: skip

    def _pushed(
        self,
        artifacts: Artifacts,
        name: str,
        positive: int,
        rows: Sequence[int],
        examples: list[Example],
    ) -> Floats:
        """Return which texts (n,) move the wrong way when a sentence is added; NaN: not tested."""
        sentences, keys = built_in().direction[name], artifacts.keys(f"{_PURPOSE}-{name}")
        failed = np.full(len(artifacts), np.nan)
        pushed: dict[int, tuple[str, str]] = {}
        for i in rows:
            text = artifacts.texts[i].rstrip()
            one = sentences[int(keys[i] % np.uint64(len(sentences)))]
            one = one.lower() if text == text.lower() else one
            between = " " if text[-1:] in ".!?" else ". "
            if words_in(text) and not artifacts.text_model.count_cut([text + between + one]):
                pushed[i] = (text, between + one)
        if not pushed:
            return failed
        after = _scores(artifacts, [a + b for a, b in pushed.values()])[:, positive]
        before = artifacts[Predictions].logits.softmax(dim=1)[list(pushed), positive]
        sign = 1 if name == "praise" else -1
        for i, was, now in zip(pushed, before.tolist(), after.tolist(), strict=True):
            wrong = sign * (was - now)
            failed[i] = wrong > self.tolerance
            if failed[i]:
                text, added = pushed[i]
                answer = artifacts.classifier.classes[positive]
                change = f"{percent(was, 0)} before, {percent(now, 0)} after"
                caption = f"{name}: probability of {answer} {change}"
                tokens = [Token(text=text), Token(text=added, was="")]
                examples.append(_example("direction", artifacts.ids[i], caption, tokens, wrong))
        return failed


_NONE = "no text holds words that could be exchanged, or can be added to"


class _Case(NamedTuple):
    number: int  # of the template
    template: Template
    text: str


def _functional(
    artifacts: Artifacts,
    name: str,
    templates: Sequence[Template],
    answers: dict[Answer, int],
    examples: list[Example],
) -> dict[str, Floats]:
    """Return the failing share of every template that falls to a row of the shard.

    Template t belongs to row t % n of all n inputs, in column t // n, so that every shard reads its
    part. Its words do not depend on the inputs.
    """
    everything = len(artifacts.data)
    own = {int(position): row for row, position in enumerate(artifacts.positions)}
    columns = {
        f"template/{name}/{i}": np.full(len(artifacts), np.nan)
        for i in range(-(-len(templates) // everything))
    }
    cases: list[_Case] = []
    for number, template in enumerate(templates):
        if number % everything in own:
            rng = generator(key_of(artifacts.seed, _PURPOSE, name, number))
            texts = [built_in().filled(template, rng) for _ in range(_FILLINGS)]
            cases += [_Case(number, template, text) for text in texts]
    if not cases:
        return columns
    scores = _scores(artifacts, [one.text for one in cases])
    failed: dict[int, list[bool]] = {}
    for case, score in zip(cases, scores, strict=True):
        said, wanted = int(score.argmax()), answers[case.template.answer]
        failed.setdefault(case.number, []).append(said != wanted)
        if said != wanted:
            classes = artifacts.classifier.classes
            sure = float(score[said])
            caption = (
                f"{name}: {classes[wanted]}, read as {classes[said]} ({percent(sure, 0)} sure)"
            )
            tokens = [Token(text=case.text)]
            label = f"{name} {case.number + 1}"
            examples.append(_example("functionality", label, caption, tokens, sure))
    for number, several in failed.items():
        row, column = own[number % everything], f"template/{name}/{number // everything}"
        columns[column][row] = float(np.mean(several))
    return columns


def _invariant(
    artifacts: Artifacts, name: str, rows: Sequence[int], examples: list[Example]
) -> Floats:
    """Return which texts (n,) change their answer with words that should not matter."""
    keys, failed = artifacts.keys(f"{_PURPOSE}-{name}"), np.full(len(artifacts), np.nan)
    versions: list[tuple[int, Mistyped]] = []
    for i in rows:
        rng = generator(keys[i])
        several = [built_in().swapped(artifacts.texts[i], name, rng) for _ in range(_SWAPS)]
        versions += [(i, one) for one in several if one.changes]
    if not versions:
        return failed
    clean, classes = artifacts[Predictions].predicted, artifacts.classifier.classes
    scores = _scores(artifacts, [one.text for _, one in versions])
    for (i, changed), score in zip(versions, scores, strict=True):
        before, now = int(clean[i]), int(score.argmax())
        failed[i] = np.nanmax([failed[i], float(now != before)])
        if now != before:
            sure = float(score[now])
            caption = (
                f"{name}: {classes[before]} before, {classes[now]} after ({percent(sure, 0)} sure)"
            )
            examples.append(
                _example("invariance", artifacts.ids[i], caption, marked(changed), sure)
            )
    return failed


def _scores(artifacts: Artifacts, texts: list[str]) -> Tensor:
    """Return probabilities (n, k)."""
    logits = artifacts.classifier.predict(texts, batch_size=artifacts.execution.batch_size)
    bad = ~torch.isfinite(logits).all(dim=1)
    if bad.any():
        raise ModelError(
            f"The model returned NaN or infinite logits for {texts[int(bad.nonzero()[0, 0])]!r}.",
            hint="Try the model on that text alone.",
        )
    return logits.softmax(dim=1)


def _example(gallery: str, label: str, caption: str, tokens: list[Token], score: float) -> Example:
    return Example(
        gallery=gallery, score=score, row=TextRow(id=label, caption=caption, tokens=tokens)
    )


def _once_each(examples: Sequence[Example]) -> list[Example]:
    """Return the worst example of every text and every template."""
    ordered = sorted(examples, key=lambda one: one.score)
    return list({(one.gallery, one.row.id): one for one in ordered}.values())


def _bars(findings: Sequence[Finding]) -> Bars:
    bars = [
        Bar(label=_label(one), value=one.value, low=one.low, high=one.high, n=one.n)
        for one in findings
        if one.value is not None
    ]
    return Bars(title="Failure rates", value_label="failure rate", bars=bars)


def _label(one: Finding) -> str:
    name = str(one.params["capability"])
    return f"{name} +" if one.metric == "direction_failure" else name


def _why_not(task: str) -> str:
    return "the classes are not called positive and negative" if task == "auto" else "task is none"


def _reading(answers: dict[Answer, int] | None, classes: Sequence[str], task: str) -> str:
    if answers is None:
        return (
            "Invariance alone was tested: templates with known answers exist for sentiment, and"
            f" {_why_not(task)}."
        )
    return (
        f"The classes {classes[answers['positive']]} and {classes[answers['negative']]} were taken"
        " for sentiment; set task to none if they mean something else. Names with + are sentences"
        " that were added. Every template was filled"
        f" {_FILLINGS} times and counts once. A model that adds up words fails at least every"
        " other negation: what lowers 'not good' cannot raise 'not bad'."
    )
