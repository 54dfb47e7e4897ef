"""How far must the embeddings of a text move before the answer is wrong?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.flips import median_flip
from auditkit.checks.galleries import answer, galleries, shown
from auditkit.checks.parameters import require_least
from auditkit.checks.robustness._flips import (
    ATTACK_SUCCESS_RATE,
    ROBUST_ACCURACY,
    ascending,
    at_the_middle_budget,
    curve_places,
    robustness,
    robustness_curve,
)
from auditkit.findings import Metric, Selection, TextRow, Token
from auditkit.methods.attacks.embedding_changes import EmbeddingChanges as Found
from auditkit.methods.attacks.embedding_changes import smallest_embedding_changes
from auditkit.percent import percent
from auditkit.randomness import uniform
from auditkit.types import Floats, Ints

_NAMED = 3  # tokens of an example that moved most
_LEAST = 1e-12  # a right answer is at least this far from a wrong one


@final
@dataclass(frozen=True, kw_only=True)
class EmbeddingChanges(Check):
    """Robust accuracy over the length of a change of the embeddings of a text.

    A white-box diagnosis, not an attack that a writer can carry out: no text has the embeddings
    that are found. It says how close the model's answers lie to a wrong one in the space where it
    computes, whatever words exist. Every distance is an upper bound on the true one.

    Parameters
    ----------
    radii : tuple of float
        Lengths of the change, as shares of the length of the text's own embeddings, increasing and
        above 0.
    max_inputs : int
        Texts that are attacked, drawn at random from all of them, at least 2.
    rounds : int
        Of the search along gradients: 20 steps, then 40, then 80 and so on.

    Raises
    ------
    ConfigError
        If the radii do not increase above 0, or another parameter is too small.

    References
    ----------
    Miyato et al., 2017, arXiv:1605.07725. Pintor et al., 2021, arXiv:2102.12827.
    """

    meta: ClassVar[Meta] = Meta(
        id="embedding-changes",
        family="robustness",
        question="How far must the embeddings of a text move before the answer is wrong?",
        explanation="For each correctly classified text that was drawn, the smallest change of the"
        " embeddings of its tokens is searched along gradients that makes the answer wrong: the"
        " Euclidean length over all tokens together, as a share of the length of the text's own"
        " embeddings. Special tokens, padding and positions stay as they are. Every change is"
        " judged by the model in its own precision, so that the curve can only fall.",
        not_shown="No text has these embeddings: this is a diagnosis from inside the model, not an"
        " attack that a writer can carry out; for those see token-swap, character and insertion."
        " Lengths depend on how a model scales its embeddings, so that two models compare only"
        " roughly. Each distance is an upper bound, and a text on which nothing was found is"
        " counted as holding; that is not a proof.",
        remedy="Train with small worst-case changes of the embeddings, or with dropout of words;"
        " look whether the words whose embeddings moved most should matter at all.",
        metrics={
            "median_distance": Metric(
                label="median distance to a wrong answer",
                definition="Median length of the smallest change found, as a share of the length of"
                " the text's embeddings, over the correctly classified texts that were drawn;"
                " infinite where nothing was found, and undefined where that holds for half of"
                " them. Interval between two order statistics.",
                unit="share of the length of the text's embeddings",
                better="higher",
            ),
            "robust_accuracy": ROBUST_ACCURACY.model_copy(
                update={
                    "definition": "Share of the texts that were drawn that are classified correctly"
                    " and for which no change of the embeddings within the radius was found that"
                    " makes the answer wrong. An upper bound: a better search can only lower it."
                }
            ),
            "attack_success_rate": ATTACK_SUCCESS_RATE,
            "nothing_found": Metric(
                label="share without any change found",
                definition="Share of the correctly classified texts that were drawn on which the"
                " search found a wrong answer at no distance. A control of the search, not a"
                " strength of the model.",
                unit="share",
                better="lower",
            ),
        },
        headline="embedding-changes/median_distance/all",
        modalities=("text",),
        needs_gradients=True,
        references=(
            "Miyato et al., 2017, arXiv:1605.07725",
            "Pintor et al., 2021, arXiv:2102.12827",
        ),
    )
    radii: tuple[float, ...] = (0.05, 0.1, 0.2)
    max_inputs: int = 128
    rounds: int = 2

    def __post_init__(self) -> None:
        ascending("embedding-changes", "radii", self.radii, most=np.inf)
        require_least(
            self, max_inputs=2, rounds=1, hint="The defaults are max_inputs 128, rounds 2."
        )

    def measure(self, artifacts: Artifacts) -> Records:
        """Return the smallest change found for each text that was drawn; NaN for the others."""
        clean = artifacts[Predictions]
        chosen = artifacts.drawn("embedding-changes", self.max_inputs)
        correct = clean.correct.numpy()
        rows = np.flatnonzero(chosen & correct)
        found = smallest_embedding_changes(
            artifacts.text_model,
            [artifacts.texts[i] for i in rows.tolist()],
            artifacts.labels[rows],
            rounds=self.rounds,
            batch_size=artifacts.execution.batch_size,
        )
        lengths = found.lengths.numpy()
        distance = np.where(chosen, 0.0, np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.maximum(found.distances.numpy() / lengths, _LEAST)
        distance[rows] = np.where(lengths > 0, relative, np.nan)  # NaN: no token that may change
        return Records(
            artifacts.ids,
            examples=list(_examples(artifacts, distance, rows, found)),
            correct=correct,
            distance=distance,
        )

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Return the median distance, what holds at each radius, and the control."""
        distance = records["distance"][~np.isnan(records["distance"])]
        right = int((distance > 0).sum())
        if right == 0:
            return NotApplicable("no text that was drawn and has words is classified correctly")
        control = self.share(
            "nothing_found", int(np.isinf(distance).sum()), n=right, level=context.level
        )
        median = median_flip(
            self,
            "median_distance",
            distance,
            why="on half of the texts or more no change was found at any distance",
            evidence=["curve"],
            controls=[control.id],
            level=context.level,
        )
        held = robustness(
            self,
            distance,
            self.radii,
            name="radius",
            evidence=["curve"],
            controls=[control.id],
            level=context.level,
        )
        curve = robustness_curve(
            distance,
            curve_places(distance, self.radii),
            title="Robust accuracy over the change of the embeddings",
            x_label="change, share of the embeddings' length",
            level=context.level,
        )
        return Measured(
            findings=[median, *held, control],
            evidence={"curve": curve, **galleries(records, _GALLERIES)},
            headline=median.id if median.value is not None else at_the_middle_budget(held),
        )


_GALLERIES: dict[Selection, str] = {
    "worst": "Nearest wrong answers, and the words whose embeddings moved most",
    "random": "Drawn at random among the changed",
    "best": "Farthest wrong answers",
}


def _examples(
    artifacts: Artifacts, distance: Floats, rows: Ints, found: Found
) -> Iterator[Example]:
    model, clean = artifacts.text_model, artifacts[Predictions]
    at = {int(i): j for j, i in enumerate(rows)}
    scores = {
        "worst": -distance,
        "random": uniform(artifacts.keys("gallery"), ()),
        "best": distance,
    }
    changed = (distance > 0) & np.isfinite(distance)
    for gallery, i, score in shown(artifacts.ids, scores, changed):
        row = TextRow(
            id=artifacts.ids[i],
            caption=f"true class {model.classes[int(clean.labels[i])]};"
            f" clean: {answer(model.classes, clean.logits[i])};"
            f" moved by {percent(distance[i])}: {answer(model.classes, found.logits[at[i]])}",
            tokens=[
                Token(text=artifacts.texts[i]),
                Token(
                    text=f"\nmoved most: {_moved_most(artifacts, i, found.moves[at[i]].numpy())}"
                ),
            ],
        )
        yield Example(gallery=gallery, score=score, row=row)


def _moved_most(artifacts: Artifacts, i: int, moves: Floats) -> str:
    """Return the tokens of a text whose embeddings moved most, the farthest first."""
    text, encoded = artifacts.texts[i], artifacts.text_model.encode([artifacts.texts[i]])
    places = (~encoded.special[0]).nonzero()[:, 0].tolist()
    ranked = np.argsort(-moves, kind="stable").tolist()
    spans = [encoded.offsets[0][places[j]] for j in ranked[:_NAMED]]
    return ", ".join(text[start:stop].strip() for start, stop in spans)
