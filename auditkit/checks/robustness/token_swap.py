"""Do predictions survive a few replaced or mistyped words?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.adversarial import Adversarial
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.robustness._flips import (
    ATTACK_SUCCESS_RATE,
    ROBUST_ACCURACY,
    ZERO_GRADIENT_SHARE,
    answer,
    at_the_middle_budget,
    galleries,
    robustness,
    robustness_curve,
    shown,
    stepwise_scores,
    zero_gradients,
)
from auditkit.errors import ConfigError
from auditkit.findings import Selection, TextRow, Token
from auditkit.methods.attacks.active_set import misclassified
from auditkit.methods.attacks.token_swap import Swapped, token_swap
from auditkit.randomness import uniform
from auditkit.types import Floats


@final
@dataclass(frozen=True, kw_only=True)
class TokenSwap(Check):
    """Robust accuracy when an attacker may replace or mistype a few words.

    An upper bound on true robustness to such changes, because the search is greedy; and an upper
    bound on the harm, because near words in a model's embedding space need not mean the same.

    Parameters
    ----------
    max_changes : int
        Words that may change; every number from 1 to this is reported.
    neighbours : int
        Nearest words of the model's vocabulary that may stand in for a word.
    queries : int
        Replacements by neighbours tried per text and round, the most promising first.

    Raises
    ------
    ConfigError
        If a parameter is below 1.

    References
    ----------
    Ebrahimi et al., 2018, arXiv:1712.06751. Jin et al., 2020, arXiv:1907.11932.
    """

    meta: ClassVar[Meta] = Meta(
        id="token-swap",
        family="robustness",
        question="Do predictions survive a few replaced or mistyped words?",
        explanation="An attacker who knows the model replaces one word after another: by one of the"
        " words that lie nearest in the model's own embedding space, ranked by the gradient, or by"
        " a typo (two letters swapped, one dropped, a neighbouring key). The replacement that"
        " hurts most is kept, until the answer is wrong or the allowed number of words is used up."
        " Every candidate is read by the model as text. A text that falls with few changes counts"
        " as fallen with more.",
        not_shown="Near in embedding space is not the same in meaning: opposites are often"
        " neighbours, and then the changed answer is right. Read the shown texts; the success rate"
        " is an upper bound on the harm. The search is greedy, so texts that held may still fall.",
        remedy="Train with replaced and mistyped words, use subword or character inputs that share"
        " spelling, or check the spelling before the model reads.",
        metrics={
            "robust_accuracy": ROBUST_ACCURACY,
            "attack_success_rate": ATTACK_SUCCESS_RATE,
            "zero_gradient_share": ZERO_GRADIENT_SHARE,
        },
        headline="token-swap/robust_accuracy/all/*",
        modalities=("text",),
        needs_gradients=True,
        references=(
            "Ebrahimi et al., 2018, arXiv:1712.06751",
            "Jin et al., 2020, arXiv:1907.11932",
        ),
    )
    max_changes: int = 3
    neighbours: int = 8
    queries: int = 32

    def __post_init__(self) -> None:
        for name in ("max_changes", "neighbours", "queries"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"token-swap: {name} is {getattr(self, name)}, expected at least 1.",
                    hint="The defaults are max_changes 3, neighbours 8, queries 32.",
                )

    def measure(self, artifacts: Artifacts) -> Records:
        """Return the number of changed words at which each text falls."""
        model, clean, size = (
            artifacts.text_model,
            artifacts[Predictions],
            artifacts.execution.batch_size,
        )
        found = token_swap(
            model,
            artifacts.texts,
            artifacts.labels,
            max_changes=self.max_changes,
            neighbours=self.neighbours,
            queries=self.queries,
            keys=artifacts.keys("token-swap"),
            batch_size=size,
        )
        after = model.predict([one.text for one in found], batch_size=1)  # as a user would ask
        correct = clean.correct.numpy()
        fallen = correct & misclassified(after, artifacts.labels).numpy()
        changes = np.array([one.changes for one in found], dtype=np.float64)
        flips = np.where(correct, np.where(fallen, changes, np.inf), 0.0)
        return Records(
            artifacts.ids,
            examples=list(_examples(artifacts, found, after, flips, self._budgets)),
            correct=correct,
            changed_words=flips,
            usable_gradient=np.array([one.usable_gradient for one in found]),
        ).with_inputs(
            [
                Adversarial.among(
                    artifacts.ids,
                    [one.text for one in found],
                    flips,
                    parameter="changes",
                    measure="words",
                    most=self.max_changes,
                )
            ]
        )

    @property
    def _budgets(self) -> range:
        return range(1, self.max_changes + 1)

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Count what held at every number of changed words."""
        if records.count("correct") == 0:
            return NotApplicable("no input is classified correctly before the attack")
        flips = records["changed_words"]
        blind = zero_gradients(self, records, level=context.level)
        titles: dict[Selection, str] = {
            "worst": "Changed with the fewest words, most confident first",
            "random": "Drawn at random among the changed",
            "boundary": "Changed only with the most words, least confident first",
        }
        curve = robustness_curve(
            flips,
            self._budgets,
            title="Robust accuracy over changed words",
            x_label="changed words",
            level=context.level,
        )
        evidence = {"curve": curve, **galleries(records, titles)}
        held = robustness(
            self,
            flips,
            self._budgets,
            name="changes",
            evidence=list(evidence),
            controls=[blind.id],
            level=context.level,
        )
        return Measured(
            findings=[*held, blind], evidence=evidence, headline=at_the_middle_budget(held)
        )


def _examples(
    artifacts: Artifacts,
    found: Sequence[Swapped],
    after: Tensor,
    flips: Floats,
    budgets: Sequence[int],
) -> Iterator[Example]:
    before = artifacts[Predictions].logits
    confidence = after.softmax(dim=1).amax(dim=1).double().numpy()
    draws = uniform(artifacts.keys("gallery"), ())
    scores = stepwise_scores(flips, budgets, confidence, draws)
    classes = artifacts.text_model.classes
    for gallery, i, score in shown(artifacts.ids, scores, (flips > 0) & np.isfinite(flips)):
        words = "1 word" if flips[i] == 1 else f"{flips[i]:g} words"
        row = TextRow(
            id=artifacts.ids[i],
            caption=f"true class {classes[int(artifacts.labels[i])]};"
            f" clean: {answer(classes, before[i])};"
            f" {words} changed: {answer(classes, after[i])}",
            tokens=_marked(found[i]),
        )
        yield Example(gallery=gallery, score=score, row=row)


def _marked(swapped: Swapped) -> list[Token]:
    """Return the text in as few pieces as the marks allow."""
    tokens: list[Token] = []
    run = ""
    for now, was in zip(swapped.pieces, swapped.was, strict=True):
        if now == was:
            run += now
            continue
        tokens += [Token(text=run)] if run else []
        tokens.append(Token(text=now, was=was))
        run = ""
    return [*tokens, Token(text=run)] if run else tokens
