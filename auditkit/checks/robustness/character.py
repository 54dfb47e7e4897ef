"""Do predictions survive a few characters that an attacker mistypes, disguises or hides?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.robustness._flips import (
    ATTACK_SUCCESS_RATE,
    ROBUST_ACCURACY,
    ZERO_GRADIENT_SHARE,
)
from auditkit.checks.robustness._rewording import (
    QUERIES_PER_INPUT,
    Chosen,
    Rewording,
    summarised,
)
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError
from auditkit.methods.attacks.characters import KINDS, Mischief
from auditkit.models.classifier import Classifier


@final
@dataclass(frozen=True, kw_only=True)
class Character(Check):
    """Robust accuracy when an attacker may change one character in each of a few words.

    An upper bound on true robustness to such changes, because the search follows few versions of a
    text.

    Parameters
    ----------
    max_changes : int
        Words in which a character may change; every number from 1 to this is reported.
    max_share : float
        Share of a text's words that may change, rounded down, but at least one word; in (0, 1].
    kinds : tuple of str
        Distinct names from `auditkit.methods.attacks.characters.KINDS`; each is measured alone, and
        all together.
    beam : int
        Versions of a text that the search follows; 1 is a greedy search.
    queries : int
        Edits tried per version and round, the most promising first.
    access : str
        What the attacker sees: "gradients", "scores", "decisions", or "auto", which is gradients
        where the model has them and else scores.

    Raises
    ------
    ConfigError
        If a parameter is out of its range or a kind is unknown.

    References
    ----------
    Boucher et al., 2022, arXiv:2106.09898. Pruthi et al., 2019, arXiv:1905.11268.
    """

    meta: ClassVar[Meta] = Meta(
        id="character",
        family="robustness",
        version=3,
        question="Do predictions survive a few characters that an attacker mistypes, disguises or"
        " hides?",
        explanation="An attacker changes one character in one word after another: a typing mistake"
        " inside the word (two letters exchanged, one left out, doubled, or a neighbouring key), a"
        " letter of another alphabet that looks the same, or a character that is not shown at all"
        " (of zero width, a soft hyphen, one that turns the direction of writing). The gradient, or"
        " leaving words out, says which words matter; what the tokenizer cannot tell from the word"
        " is not tried, so that what it repairs shows as no success. Mistakes made at random"
        " are what the check typos is about.",
        not_shown="Mistakes that make a word unreadable, several in one word, and other scripts:"
        " the look-alikes are of Latin letters. A typing mistake may make another real word. The"
        " search follows few versions of a text, so texts that held may still fall. Whether people"
        " notice was not asked.",
        remedy="Normalise before the model reads: NFKC, characters without width removed, letters"
        " of one alphabet; correct the spelling; or train with such texts.",
        metrics={
            "robust_accuracy": ROBUST_ACCURACY.model_copy(
                update={
                    "plain": "Of all texts, {value} are read correctly and stay so when an"
                    " attack may misspell {changes} words"
                }
            ),
            "attack_success_rate": ATTACK_SUCCESS_RATE,
            "zero_gradient_share": ZERO_GRADIENT_SHARE,
            "queries_per_input": QUERIES_PER_INPUT,
        },
        headline="character/robust_accuracy/all/*",
        modalities=("text",),
        references=(
            "Boucher et al., 2022, arXiv:2106.09898 (look-alikes, invisible characters)",
            "Pruthi et al., 2019, arXiv:1905.11268 (mistakes inside a word)",
            "Ebrahimi et al., 2018, arXiv:1712.06751 (ranking by the gradient)",
        ),
    )
    max_changes: int = 3
    max_share: float = 1.0
    kinds: tuple[str, ...] = tuple(KINDS)
    beam: int = 1
    queries: int = 32
    access: Chosen = "auto"

    def __post_init__(self) -> None:
        self._how.validate(self)
        if not self.kinds or len(set(self.kinds)) < len(self.kinds):
            raise ConfigError(
                f"character: kinds is {list(self.kinds)}, expected each kind once.",
                hint=f"The kinds are {', '.join(KINDS)}.",
            )
        for kind in self.kinds:
            Mischief(kind)

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Return why there is nothing to measure."""
        return super().applies(model, data) or self._how.obstacle(model)

    def measure(self, artifacts: Artifacts) -> Records:
        """Return the number of changed words at which each text falls."""
        return self._how.measure(artifacts, {kind: Mischief(kind) for kind in self.kinds})

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Count what held at every number of changed words."""
        return summarised(
            self,
            records,
            context,
            max_changes=self.max_changes,
            sources=self.kinds,
            swept="kind",
            titles={
                "worst": "Changed with the fewest characters, most confident first",
                "random": "Drawn at random among the changed",
                "boundary": "Changed only with the most characters, least confident first",
            },
        )

    @property
    def _how(self) -> Rewording:
        return Rewording(
            check="character",
            max_changes=self.max_changes,
            max_share=self.max_share,
            beam=self.beam,
            queries=self.queries,
            access=self.access,
        )
