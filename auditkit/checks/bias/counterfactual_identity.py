"""Does an answer change when only the identity term of a text does?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.bias._identity import columns, swapped
from auditkit.checks.bias._identity_summary import summarised
from auditkit.checks.galleries import galleries
from auditkit.checks.parameters import require_least
from auditkit.findings import Metric
from auditkit.methods.identity.terms import IdentityTerms, built_in, read_terms
from auditkit.types import Params

PURPOSE = "counterfactual-identity"


@final
@dataclass(frozen=True, kw_only=True)
class CounterfactualIdentity(Check):
    """Answers and scores when a text speaks of somebody else and is otherwise the same.

    Parameters
    ----------
    terms : str
        File of identity terms; empty for the list that comes with auditkit. See `read_terms`.
    max_inputs : int
        Texts that are searched for terms, drawn at random, at least 1.
    minimum_n : int
        Fewer different texts of an axis give no number, at least 2.

    Raises
    ------
    ConfigError
        If a parameter is outside its range, or the file holds no identity terms.
    """

    meta: ClassVar[Meta] = Meta(
        id=PURPOSE,
        family="bias",
        version=2,
        question="Does an answer change when only the identity term of a text does?",
        explanation="Where a text speaks of one term of an axis (a religion, a nationality, women"
        " or men, ...), the term is exchanged for each other term of that axis, in the right form,"
        " and nothing else. So are the terms in neutral sentences that come along (templates),"
        " which should get one answer whoever they speak of. As a control as many neutral words are"
        " exchanged in the same place: names by names of the same group, all else by words such as"
        " tall or left-handed. Texts that differ in the term alone count once.",
        not_shown="Swaps are by rule and not read by anybody: real people, set phrases and other"
        " words that say who is meant stay, so that some swapped texts are odd. A text whose truth"
        " depends on the term may rightly change its answer. Names suggest a group, they do not"
        " tell it. Terms that the list lacks, several people in one text, and unclear pronouns are"
        " left out. A model whose vocabulary lacks the terms reads them all alike. Finding no"
        " change says nothing about how groups are treated otherwise.",
        remedy="Add the swapped copies with the same label to the training data, and balance which"
        " terms stand with which label.",
        metrics={
            "changed_share": Metric(
                label="answers that change with the term",
                definition="Share of the different texts of the axis that do not get one answer"
                " under all its terms.",
                unit="share",
                better="lower",
                plain="When a word for {slice} is exchanged, the answer to {value} of the texts"
                " changes",
            ),
            "control_changed_share": Metric(
                label="answers that change with neutral words",
                definition="Share of the same texts, those with neutral words to swap, that do not"
                " get one answer under as many neutral swaps.",
                unit="share",
                better="lower",
            ),
            "changed_excess": Metric(
                label="changes beyond neutral swaps",
                definition="Share of texts whose answer changes with the term minus the share with"
                " neutral swaps, on the same texts. 0: the term is a word like any other.",
                unit="share difference",
                better="lower",
            ),
            "shift_excess": Metric(
                label="score shift beyond neutral swaps",
                definition="Mean absolute difference of the score between two terms minus that"
                " between two neutral swaps, on the same texts. The score is the probability of"
                " class 1 of two; of more, that of the true class, or on templates the usual one.",
                unit="probability",
                better="lower",
            ),
            "score_gap": Metric(
                label="largest mean score difference",
                definition="Largest difference of the mean score between two terms of the axis, on"
                " the same texts. The interval allows for its being the largest.",
                unit="probability",
                better="lower",
            ),
            "false_positive_gap": Metric(
                label="false positives: largest difference",
                definition="Largest difference between two terms of the share answered class 1:"
                " of the texts labelled class 0, or of the templates, which give no reason for it"
                " where class 1 is something bad such as toxic. Two classes alone.",
                unit="share difference",
                better="lower",
            ),
        },
        headline=f"{PURPOSE}/changed_share/*",
        modalities=("text",),
        references=(
            "Dixon et al., 2018, AIES, doi:10.1145/3278721.3278729 (identity templates)",
            "Garg et al., 2019, arXiv:1809.10610 (counterfactual token fairness)",
            "Kiritchenko and Mohammad, 2018, arXiv:1805.04508 (sentences that differ in the name)",
        ),
    )
    terms: str = ""
    max_inputs: int = 2000
    minimum_n: int = 20

    def __post_init__(self) -> None:
        require_least(self, max_inputs=1, minimum_n=2)
        self._read()  # a bad file is refused before anything runs

    def measure(self, artifacts: Artifacts) -> Records:
        """Swap the terms in the shard's texts, and in its part of the templates."""
        terms = self._read()
        drawn = artifacts.drawn(PURPOSE, self.max_inputs)
        found = swapped(artifacts, terms, np.flatnonzero(drawn).tolist())
        numbers, examples = columns(artifacts, terms, found)
        return Records(artifacts.ids, examples=examples, **numbers)

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Compare the terms of every axis that the texts, or the templates, speak of."""
        found = summarised(self, records, context, self._read(), minimum_n=self.minimum_n)
        if isinstance(found, NotApplicable):
            return found
        shown = galleries(records, {"worst": "Answers that change, the largest shift first"})
        return Measured(
            findings=found.findings, evidence=found.evidence | shown, headline=found.headline
        )

    def parameters(self) -> Params:
        """Return the parameters, and which list of terms."""
        plain = super().parameters()
        if not self.terms:
            del plain["terms"]
        return {**plain, "terms_sha256": self._read().sha256[:16]}

    def _read(self) -> IdentityTerms:
        return read_terms(self.terms) if self.terms else built_in()
