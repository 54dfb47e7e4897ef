"""Do predictions survive a few words replaced by near ones?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.parameters import require_least
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
from auditkit.methods.attacks.lexicon import Replacements
from auditkit.methods.attacks.synonyms import Synonyms, built_in, read_synonyms
from auditkit.methods.attacks.token_swap import Listed, Neighbours
from auditkit.models.classifier import Classifier, TextClassifier
from auditkit.types import Params

SOURCES = ("synonyms", "neighbours")


@final
@dataclass(frozen=True, kw_only=True)
class TokenSwap(Check):
    """Robust accuracy when an attacker may replace a few words.

    An upper bound on true robustness to such changes, because the search follows few versions of a
    text; and an upper bound on the harm, because near words need not mean the same.

    Parameters
    ----------
    max_changes : int
        Words that may change; every number from 1 to this is reported.
    max_share : float
        Share of a text's words that may change, rounded down, but at least one word; in (0, 1].
    candidates : tuple of str
        Where replacements come from: "synonyms" of a list, "neighbours" in the model's own
        embedding space. Each is measured alone, and all together.
    synonyms : str
        File of the list; empty for the one that comes with auditkit. See `read_synonyms`.
    neighbours : int
        Nearest words of the model's vocabulary that may stand in for a word.
    min_cosine : float
        How alike neighbours must be, by the cosine of their embeddings, in [-1, 1].
    beam : int
        Versions of a text that the search follows; 1 is a greedy search.
    queries : int
        Replacements tried per version and round, the most promising first.
    access : str
        What the attacker sees: "gradients", "scores", "decisions", or "auto", which is gradients
        where the model has them and else scores.

    Raises
    ------
    ConfigError
        If a parameter is out of its range, or the file holds no list of synonyms.

    References
    ----------
    Ebrahimi et al., 2018, arXiv:1712.06751. Jin et al., 2020, arXiv:1907.11932.
    """

    meta: ClassVar[Meta] = Meta(
        id="token-swap",
        family="robustness",
        version=4,
        question="Do predictions survive a few words replaced by near ones?",
        explanation="An attacker replaces one word after another: by a synonym of a list, or by one"
        " of the words that lie nearest in the model's own embedding space. The gradient ranks the"
        " replacements, where there is one; else the words are ranked by how much leaving them out"
        " hurts. The most promising ones are tried, the versions that hurt most are followed, until"
        " the answer is wrong or the allowed number of words is used up. Every candidate is read"
        " by the model as text. A text that falls with few changes counts as fallen with more.",
        not_shown="Synonyms depend on the context, and near in embedding space is not the same in"
        " meaning: opposites are often neighbours, and then the changed answer is right. Read the"
        " shown texts, and compare synonyms alone with neighbours alone; the success rate is an"
        " upper bound on the harm. The search follows few versions of a text, so texts that held"
        " may still fall. Words that the lists and the vocabulary do not know are never replaced.",
        remedy="Train with replaced words, with word vectors that know synonyms, or with inputs of"
        " which words are left out at random.",
        metrics={
            "robust_accuracy": ROBUST_ACCURACY.model_copy(
                update={
                    "plain": "Of all texts, {value} are read correctly and stay so when an"
                    " attack may replace {changes} words"
                }
            ),
            "attack_success_rate": ATTACK_SUCCESS_RATE,
            "zero_gradient_share": ZERO_GRADIENT_SHARE,
            "queries_per_input": QUERIES_PER_INPUT,
        },
        headline="token-swap/robust_accuracy/all/*",
        modalities=("text",),
        references=(
            "Ebrahimi et al., 2018, arXiv:1712.06751 (ranking by the gradient)",
            "Jin et al., 2020, arXiv:1907.11932 (ranking by leaving words out)",
            "Maheshwary et al., 2021, arXiv:2012.14956 (answers alone)",
        ),
    )
    max_changes: int = 3
    max_share: float = 1.0
    candidates: tuple[str, ...] = SOURCES
    synonyms: str = ""
    neighbours: int = 8
    min_cosine: float = 0.7
    beam: int = 2
    queries: int = 32
    access: Chosen = "auto"

    def __post_init__(self) -> None:
        self._how.validate(self)
        require_least(
            self, neighbours=1, hint='To replace by synonyms alone: candidates = ["synonyms"]'
        )
        if not -1 <= self.min_cosine <= 1:
            raise ConfigError(
                f"token-swap: min_cosine is {self.min_cosine}, expected a cosine in [-1, 1].",
                hint="The default is 0.7; 1 leaves no neighbour.",
            )
        if not self.candidates or len(set(self.candidates)) < len(self.candidates):
            raise ConfigError(
                f"token-swap: candidates is {list(self.candidates)}, expected each source once.",
                hint=f"The sources are {', '.join(SOURCES)}.",
            )
        for one in self.candidates:
            if one not in SOURCES:
                raise ConfigError(
                    f"token-swap: there are no candidates {one!r}.",
                    hint=f"The sources are {', '.join(SOURCES)}.",
                )
        self._read()  # a bad file is refused before anything runs

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Return why there is nothing to measure."""
        return super().applies(model, data) or self._how.obstacle(model)

    def measure(self, artifacts: Artifacts) -> Records:
        """Return the number of changed words at which each text falls."""
        return self._how.measure(artifacts, self._sources(artifacts.text_model))

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Count what held at every number of changed words."""
        return summarised(
            self,
            records,
            context,
            max_changes=self.max_changes,
            sources=self.candidates,
            swept="candidates",
            titles={
                "worst": "Changed with the fewest words, most confident first",
                "random": "Drawn at random among the changed",
                "boundary": "Changed only with the most words, least confident first",
            },
            headline_alone=True,  # of synonyms: people read neighbours as another word
        )

    def parameters(self) -> Params:
        """Return the parameters, and what the list of synonyms holds."""
        plain = super().parameters()
        if not self.synonyms:
            del plain["synonyms"]
        return {**plain, "synonyms_sha256": self._read().sha256[:16]}

    @property
    def _how(self) -> Rewording:
        return Rewording(
            check="token-swap",
            max_changes=self.max_changes,
            max_share=self.max_share,
            beam=self.beam,
            queries=self.queries,
            access=self.access,
        )

    def _read(self) -> Synonyms:
        return read_synonyms(self.synonyms) if self.synonyms else built_in()

    def _sources(self, model: TextClassifier) -> Mapping[str, Replacements]:
        made = {
            "synonyms": lambda: Listed(self._read()),
            "neighbours": lambda: Neighbours(
                model, count=self.neighbours, min_cosine=self.min_cosine
            ),
        }
        return {name: made[name]() for name in self.candidates}
