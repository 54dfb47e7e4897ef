"""Mirrors auditkit/checks/shift/capabilities.py."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import Tensor, nn

from auditkit.checks.base import NotApplicable
from auditkit.checks.shift.capabilities import Capabilities
from auditkit.data.dataset import Dataset, InMemory
from auditkit.errors import ConfigError
from auditkit.findings import Bars, Note, TextExhibit
from auditkit.methods.capabilities.templates import built_in
from auditkit.models.classifier import TextClassifier
from auditkit.randomness import generator, keys_of
from auditkit.statistics import clopper_pearson
from tests.checks.shift.test_typos import CueWords
from tests.subjects import Subject, measured, run_check, values

CHECK = Capabilities(max_inputs=40)
REVEALS = "functionality_failure"
LIST = built_in()
PRAISE = (*LIST.words["praise"], *LIST.words["liked"], "love", "pleasure")
COMPLAINT = (*LIST.words["complaint"], *LIST.words["hated"], "hate", "disappointment")
NEGATORS = ("not", "wasn't", "never", "no", "nothing")
WORDS = ("[PAD]", "[UNK]", *PRAISE, *COMPLAINT, *NEGATORS, "now", "paris", "rome", "anna")


class Rules(nn.Module):
    """Reads word ids: a negator turns the next cue, and what stands before "now" is forgotten."""

    def embed(self, ids: Tensor) -> Tensor:
        """Map ids (n, t) to themselves (n, t, 1)."""
        return ids[:, :, None].float()

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Map ids (n, t, 1) and mask (n, t) to logits (n, 2)."""
        scores = [
            self.score([WORDS[int(i)] for i in row[real, 0]])
            for row, real in zip(embeddings, mask, strict=True)
        ]
        score = torch.tensor(scores)
        return torch.stack([-score, score], dim=1)

    @staticmethod
    def score(words: list[str]) -> float:
        total, sign = 0.0, 1
        for word in words:
            if word == "now":
                total = 0.0
            elif word in NEGATORS:
                sign = -1
            elif word in PRAISE or word in COMPLAINT:
                total += sign * (1 if word in PRAISE else -1)
                sign = 1
        return total


def tokenizer() -> Tokenizer:
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(pattern=".", behavior="removed"),
         pre_tokenizers.Split(pattern="!", behavior="removed"),
         pre_tokenizers.Split(pattern=",", behavior="removed")]
    )  # fmt: skip
    return made


def weights(**other: float) -> Tensor:
    plain = dict.fromkeys(PRAISE, 1.0) | dict.fromkeys(COMPLAINT, -1.0)
    plain |= dict.fromkeys(NEGATORS, -0.4)
    return torch.tensor([(plain | other).get(word, 0.0) for word in WORDS])


def model(module: nn.Module, classes: tuple[str, ...] = ("negative", "positive")) -> TextClassifier:
    return TextClassifier(module, tokenizer=tokenizer(), classes=classes, max_length=48)


def data(texts: list[str], labels: list[int], classes: tuple[str, ...]) -> Dataset:
    return Dataset(
        name="made-up",
        split="test",
        modality="text",
        classes=classes,
        ids=tuple(f"{i:05d}" for i in range(len(texts))),
        labels=np.asarray(labels, dtype=np.int64),
        reader=InMemory(texts),
        sha256="0" * 64,
    )


def subject(
    module: nn.Module,
    texts: list[str] | None = None,
    classes: tuple[str, ...] = ("negative", "positive"),
) -> Subject:
    if texts is None:
        rng = np.random.default_rng(0)
        texts = [
            f"In Paris Anna paid 42 yesterday and was {rng.choice(PRAISE[:8])}" for _ in range(12)
        ]
        texts += [f"The end was {rng.choice(COMPLAINT[:8])}" for _ in range(12)]
    labels = [int(i < 12) for i in range(len(texts))]
    return Subject(model(module, classes), data(texts, labels, classes))


def bag_of_words(**other: float) -> CueWords:
    return CueWords(weights(**other), first_only=False)


def broken() -> Subject:
    return subject(bag_of_words())


def sound() -> Subject:
    return subject(Rules())


def test_rules_pass_everything() -> None:
    found = values(measured(CHECK, sound()))
    assert len(found) == 10  # 4 minimum functionality, 2 direction, 4 invariance
    assert set(found.values()) == {0.0}


@pytest.mark.parametrize("negator", [-0.4, -1.5, 0.0, 1.5])
def test_a_bag_of_words_fails_half_the_negations_at_least(negator: float) -> None:
    """No weight of "not" both lowers "not good" and raises "not bad"."""
    one = subject(bag_of_words(**dict.fromkeys(NEGATORS, negator)))
    found = values(measured(CHECK, one))
    assert cast("float", found["functionality_failure/capability=negation"]) >= 0.5
    assert found["functionality_failure/capability=vocabulary"] == 0
    assert measured(CHECK, one).headline == (
        "capabilities/functionality_failure/all/capability=negation"
    )


def test_a_template_counts_once() -> None:
    outcome = measured(CHECK, broken())
    negation = next(f for f in outcome.findings if f.id.endswith("=negation"))
    assert negation.n == len(LIST.functionality["negation"]) == 16
    assert negation.value == 1.0
    assert negation.low is not None
    assert 1 - negation.low == pytest.approx(1 - clopper_pearson(16, 16).low)


def test_few_inputs_and_many_shards_ask_the_same_templates() -> None:
    many = values(measured(CHECK, broken()))
    few = values(measured(CHECK, subject(bag_of_words(), ["good", "In Paris", "12"]), shard_size=2))
    for name, value in many.items():
        if name.startswith("functionality"):
            assert few[name] == value
    whole, parts = measured(CHECK, broken()), measured(CHECK, broken(), shard_size=5)
    assert whole.findings == parts.findings
    assert whole.evidence == parts.evidence


def test_a_model_that_reads_places_fails_invariance() -> None:
    found = measured(CHECK, subject(bag_of_words(paris=-9.0)))
    rate = next(f for f in found.findings if f.id.endswith("=places"))
    assert (rate.value, rate.n) == (1.0, 12)  # of the texts that name a place
    assert values(found)["invariance_failure/capability=names"] == 0
    exhibit = found.evidence["invariance"]
    assert isinstance(exhibit, TextExhibit)
    assert all(any(token.was == "Paris" for token in row.tokens) for row in exhibit.rows)
    assert len({row.id for row in exhibit.rows}) == len(exhibit.rows)


def test_one_exchange_of_four_is_enough_to_fail() -> None:
    one = subject(bag_of_words(rome=-9.0))
    texts = cast("list[str]", one.data.read(np.arange(12)))
    failed = 0
    for key, text in zip(keys_of(0, "capabilities-places", one.data.ids), texts, strict=False):
        rng = generator(key)
        failed += any("Rome" in LIST.swapped(text, "places", rng).text for _ in range(4))
    assert 0 < failed < 12
    found = values(measured(CHECK, one))
    assert found["invariance_failure/capability=places"] == pytest.approx(failed / 12)


def test_a_model_that_takes_praise_the_wrong_way_fails_direction() -> None:
    turned = dict.fromkeys(["loved", "love", "enjoyed", "pleasure", "wonderful", "excellent"], -3.0)
    found = values(measured(CHECK, subject(bag_of_words(**turned), ["good day"] * 12)))
    assert found["direction_failure/capability=praise"] == 1
    assert found["direction_failure/capability=complaint"] == 0
    all_right = values(
        measured(Capabilities(tolerance=0.999), subject(bag_of_words(**turned), ["good day"] * 12))
    )
    assert all_right["direction_failure/capability=praise"] == 0


def test_other_tasks_are_tested_for_invariance_alone() -> None:
    for check, one, why in (
        (CHECK, subject(bag_of_words(), classes=("no", "yes")), "are not called positive"),
        (Capabilities(task="none"), broken(), "task is none"),
    ):
        outcome = measured(check, one)
        assert {f.metric for f in outcome.findings} == {"invariance_failure"}
        note = outcome.evidence["reading"]
        assert isinstance(note, Note)
        assert why in note.text


def test_nothing_to_test_is_not_applicable_and_says_why() -> None:
    outcome = run_check(CHECK, subject(bag_of_words(), ["", "fine"], classes=("no", "yes")))
    assert isinstance(outcome, NotApplicable)
    assert "not called positive and negative" in outcome.reason


def test_empty_short_and_very_long_texts() -> None:
    texts = ["", "good", "good " * 10_000, "12"]
    found = measured(CHECK, subject(Rules(), texts))
    direction = next(f for f in found.findings if f.metric == "direction_failure")
    assert direction.n == 1  # no words, cut by the model, no words
    names = next(f for f in found.findings if f.id.endswith("=names"))
    assert (names.value, names.n) == (None, 0)


def test_evidence_says_what_the_findings_say() -> None:
    outcome = measured(CHECK, broken())
    bars, worst = outcome.evidence["bars"], outcome.evidence["functionality"]
    assert isinstance(bars, Bars)
    assert [bar.value for bar in bars.bars] == [f.value for f in outcome.findings]
    assert isinstance(worst, TextExhibit)
    assert all("read as" in row.caption for row in worst.rows)
    named = {key for finding in outcome.findings for key in finding.evidence}
    assert named <= set(outcome.evidence)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"max_inputs": 0}, "at least 1"),
        ({"tolerance": 1.0}, r"in \[0, 1\)"),
        ({"task": "topic"}, "auto or none"),
    ],
)
def test_bad_parameters_are_refused(parameters: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Capabilities(**parameters)  # type: ignore[arg-type]
