"""What attacks that edit words share: the search per source, records, findings, exhibits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, final, get_args

import numpy as np
import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.adversarial import Adversarial
from auditkit.checks.base import Check, Context, Example, Measured, NotApplicable, Records
from auditkit.checks.galleries import answer, galleries, shown
from auditkit.checks.parameters import require_least
from auditkit.checks.robustness._flips import (
    at_the_middle_budget,
    robustness,
    robustness_curve,
    stepwise_scores,
    zero_gradients,
)
from auditkit.errors import ConfigError, near_miss
from auditkit.findings import Curve, Evidence, Finding, Metric, Selection, TextRow, Token
from auditkit.methods.attacks.active_set import misclassified
from auditkit.methods.attacks.lexicon import Lexicon, Replacements
from auditkit.methods.attacks.token_swap import AnyOf
from auditkit.methods.attacks.word_decisions import decide_words
from auditkit.methods.attacks.word_search import Access, Reworded, search_words
from auditkit.models.classifier import Classifier
from auditkit.randomness import uniform
from auditkit.statistics import bootstrap_mean
from auditkit.types import Floats, Ints

Chosen: TypeAlias = Literal["auto", "gradients", "scores", "decisions"]
STARTS = 8  # of the search that sees answers alone
MOST = 64  # replacements of one word
QUERIES_PER_INPUT = Metric(
    label="queries per input",
    definition="Mean number of texts that the model read while a correctly classified input was"
    " attacked; a gradient counts as one.",
    unit="queries",
    better="neither",
)


@final
@dataclass(frozen=True, kw_only=True)
class Rewording:
    """How words are searched; the parameters that such checks have in common.

    Parameters
    ----------
    check : str
        In messages, and for random numbers.
    max_changes : int
        Words that may change.
    max_share : float
        Share of a text's words that may change, rounded down, but at least one word.
    beam : int
        Versions of a text that are followed.
    queries : int
        Edits tried per version and round.
    access : {"auto", "gradients", "scores", "decisions"}
        What the attacker sees; auto is gradients where the model has them, else scores.
    """

    check: str
    max_changes: int
    max_share: float
    beam: int
    queries: int
    access: Chosen

    def validate(self, check: Check) -> None:
        """Raise ConfigError where a parameter of the check that holds them is out of its range."""
        defaults = f"See the defaults with: audit explain {self.check}"
        require_least(check, max_changes=1, beam=1, queries=1, hint=defaults)
        if not 0 < self.max_share <= 1:
            raise ConfigError(
                f"{self.check}: max_share is {self.max_share}, expected a share in (0, 1].",
                hint="Write max_share = 0.1 for a tenth of the words.",
            )
        if self.access not in get_args(Chosen):
            raise ConfigError(
                f"{self.check}: access is {self.access!r}."
                f"{near_miss(self.access, get_args(Chosen))}",
                hint="Write auto, gradients, scores or decisions.",
            )

    def obstacle(self, model: Classifier) -> NotApplicable | None:
        """Return why the chosen access is not to be had."""
        if self.access == "gradients" and not model.differentiable:
            return NotApplicable("it was told to use gradients, and this model has none")
        return None

    def measure(self, artifacts: Artifacts, sources: Mapping[str, Replacements]) -> Records:
        """Attack one shard with each source alone, then with all together.

        The columns `changed_words` and `changed_words-SOURCE` hold the number of replaced words at
        which a text fell: 0 where it is wrong as it stands, infinity where it held.
        """
        attack = _Attack(artifacts, self)
        runs = {name: attack.run(source) for name, source in sources.items()}
        best = runs[next(iter(runs))] if len(runs) == 1 else attack.together(runs, sources)
        queries = [
            sum(each) for each in zip(*(attack.spent(one) for one in attack.all), strict=True)
        ]
        return Records(
            artifacts.ids,
            examples=list(_examples(artifacts, best, range(1, self.max_changes + 1))),
            correct=attack.correct,
            changed_words=best.flips,
            queries=np.array(queries, dtype=np.float64),
            usable_gradient=np.array([one.usable_gradient for one in best.found], dtype=bool),
            by_gradient=np.full(len(queries), attack.access == "gradients"),
            **{f"changed_words-{name}": run.flips for name, run in runs.items()},
        ).with_inputs(
            [
                Adversarial.among(
                    artifacts.ids,
                    [one.text for one in best.found],
                    best.flips,
                    parameter="changes",
                    measure="words",
                    most=self.max_changes,
                )
            ]
        )

    def limits(self, texts: Sequence[str]) -> Ints:
        """Return how many words of each text may change (n,)."""
        words = np.array([Reworded.of(text).words for text in texts], dtype=np.int64)
        share = np.maximum(1, np.floor(self.max_share * words + 1e-9)).astype(np.int64)
        return np.minimum(self.max_changes, share)


@final
@dataclass(frozen=True)
class _Run:
    """What one search came to."""

    found: list[Reworded]
    flips: Floats  # (n,) number of replaced words, 0 wrong as it stands, inf held
    after: Tensor  # (n, k) logits of what was found


@final
class _Attack:
    """The searches on one shard."""

    def __init__(self, artifacts: Artifacts, how: Rewording) -> None:
        self.artifacts, self.how = artifacts, how
        self.correct = artifacts[Predictions].correct.numpy()
        self.limits = how.limits(artifacts.texts)
        self.access: Access = _access(how.access, artifacts.classifier)
        self.all: list[_Run] = []

    def run(self, source: Replacements, rows: Sequence[int] | None = None) -> _Run:
        """Search all texts, or some rows of them; the others stand as they are."""
        texts, labels = self.artifacts.texts, self.artifacts.labels
        chosen = list(range(len(texts))) if rows is None else list(rows)
        found = [Reworded.of(text) for text in texts]
        searched = self._searched(source, chosen)
        for i, one in zip(chosen, searched, strict=True):
            found[i] = one
        after = self.artifacts[Predictions].logits.clone()
        flips = np.where(self.correct, np.inf, 0.0)
        for i in (i for i in chosen if self.correct[i] and found[i].flipped):
            after[i] = self.artifacts.text_model.predict([found[i].text])[0]  # as a user would ask
            if bool(misclassified(after[i : i + 1], labels[i : i + 1])):
                flips[i] = found[i].changes
        run = _Run(found, flips, after)
        self.all.append(run)
        return run

    def together(self, runs: Mapping[str, _Run], sources: Mapping[str, Replacements]) -> _Run:
        """Let all sources work together where none needed one word alone; keep the best of all."""
        flips = np.stack([run.flips for run in runs.values()])
        rows = np.flatnonzero(flips.min(axis=0) > 1).tolist()
        mixed = self.run(AnyOf(tuple(sources.values())), rows)
        every = [*runs.values(), mixed]
        which = np.argmin(
            np.stack([run.flips for run in every]), axis=0
        )  # (n,) the first of equals
        first = next(iter(runs.values()))
        rows_ = range(len(which))
        return _Run(
            [
                replace(every[which[i]].found[i], usable_gradient=first.found[i].usable_gradient)
                for i in rows_
            ],
            np.array([every[which[i]].flips[i] for i in rows_]),
            torch.stack([every[which[i]].after[i] for i in rows_]),
        )

    def spent(self, run: _Run) -> list[int]:
        """Return how many queries each text took."""
        return [one.queries for one in run.found]

    def _searched(self, source: Replacements, rows: Sequence[int]) -> list[Reworded]:
        model, how = self.artifacts.text_model, self.how
        texts = [self.artifacts.texts[i] for i in rows]
        labels = self.artifacts.labels[torch.tensor(rows, dtype=torch.int64)]
        lexicon = Lexicon(model, source, most=MOST)
        size, limits = self.artifacts.execution.batch_size, self.limits[list(rows)]
        if self.access == "decisions":
            return decide_words(
                model, texts, labels, lexicon, limits=limits, starts=STARTS,
                keys=self.artifacts.keys(how.check)[list(rows)], batch_size=size,
            )  # fmt: skip
        return search_words(
            model, texts, labels, lexicon, limits=limits, beam=how.beam, queries=how.queries,
            access=self.access, batch_size=size,
        )  # fmt: skip


def _access(chosen: Chosen, model: Classifier) -> Access:
    if chosen == "auto":
        return "gradients" if model.differentiable else "scores"
    return chosen


# --- findings -------------------------------------------------------------------------------------


def summarised(
    check: Check,
    records: Records,
    context: Context,
    *,
    max_changes: int,
    sources: Sequence[str],
    swept: str,
    titles: Mapping[Selection, str],
    headline_alone: bool = False,
) -> Measured | NotApplicable:
    """Count what held at every number of changed words, under all sources and under each.

    Parameters
    ----------
    sources : sequence of str
        Whose columns the records hold.
    swept : str
        What the sources are called in ids of findings.
    titles : dict
        Of the galleries.
    headline_alone : bool
        Whether the first source alone stands for the check, not all together.
    """
    if records.count("correct") == 0:
        return NotApplicable("no input is classified correctly before the attack")
    budgets, level = range(1, max_changes + 1), context.level
    seeing = bool(records["by_gradient"].all())  # then an input without gradients is a control
    controls = [zero_gradients(check, records, level=level)] if seeing else []
    evidence: dict[str, Evidence] = {
        "curve": _curve(records, budgets, sources, level),
        **galleries(records, titles),
    }
    held = robustness(
        check,
        records["changed_words"],
        budgets,
        name="changes",
        evidence=list(evidence),
        controls=[one.id for one in controls],
        level=level,
    )
    each = [
        check.share(
            "robust_accuracy",
            int((records[f"changed_words-{source}"] > budget).sum()),
            n=len(records),
            swept={"changes": budget, swept: source},
            evidence=("curve",),
            controls=[one.id for one in controls],
            level=level,
        )
        for source in (sources if len(sources) > 1 else ())
        for budget in budgets
    ]
    findings = [*held, *each, *controls, _queries(check, records, context)]
    first = each[: len(budgets)]
    headline = at_the_middle_budget(first if first and headline_alone else held)
    return Measured(findings=findings, evidence=evidence, headline=headline)


def _queries(check: Check, records: Records, context: Context) -> Finding:
    spent = records["queries"][records["correct"]]
    seed = context.key(check.meta.id, "queries")
    interval = bootstrap_mean(spent, seed=seed, level=context.level)
    return check.value(
        "queries_per_input", float(spent.mean()), n=len(spent), interval=interval,
        method="bootstrap", level=context.level,
    )  # fmt: skip


def _curve(records: Records, budgets: range, sources: Sequence[str], level: float) -> Curve:
    every = robustness_curve(
        records["changed_words"],
        budgets,
        title="Robust accuracy over changed words",
        x_label="changed words",
        level=level,
    )
    if len(sources) == 1:
        return every
    lines = [every.series[0].model_copy(update={"name": "all together"})]
    for source in sources:
        flips = records[f"changed_words-{source}"]
        alone = robustness_curve(flips, budgets, title="", x_label="", level=level).series[0]
        lines.append(alone.model_copy(update={"name": f"{source} alone"}))
    return every.model_copy(update={"series": lines})


# --- exhibits -------------------------------------------------------------------------------------


def _examples(artifacts: Artifacts, run: _Run, budgets: Sequence[int]) -> Iterator[Example]:
    before, flips = artifacts[Predictions].logits, run.flips
    confidence = run.after.softmax(dim=1).amax(dim=1).double().numpy()
    draws = uniform(artifacts.keys("gallery"), ())
    scores = stepwise_scores(flips, budgets, confidence, draws)
    classes = artifacts.classifier.classes
    for gallery, i, score in shown(artifacts.ids, scores, (flips > 0) & np.isfinite(flips)):
        words = "1 word" if flips[i] == 1 else f"{flips[i]:g} words"
        row = TextRow(
            id=artifacts.ids[i],
            caption=f"true class {classes[int(artifacts.labels[i])]};"
            f" clean: {answer(classes, before[i])};"
            f" {words} changed: {answer(classes, run.after[i])}",
            tokens=marked(run.found[i]),
        )
        yield Example(gallery=gallery, score=score, row=row)


def marked(reworded: Reworded) -> list[Token]:
    """Return the text in as few pieces as the marks allow."""
    tokens: list[Token] = []
    run = ""
    for now, was in zip(reworded.pieces, reworded.was, strict=True):
        if now == was:
            run += now
            continue
        tokens += [Token(text=run)] if run else []
        tokens.append(Token(text=now, was=was))
        run = ""
    return [*tokens, Token(text=run)] if run else tokens
