"""Mirrors auditkit/checks/shift/typos.py."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import Tensor, nn

from auditkit.checks.base import NotApplicable
from auditkit.checks.shift._graded import marked
from auditkit.checks.shift.typos import Typos
from auditkit.data.dataset import Dataset, InMemory
from auditkit.errors import ConfigError
from auditkit.findings import Bars, Curve, Matrix, Note, Table, TextExhibit
from auditkit.methods.corruptions.typos import typos
from auditkit.models.classifier import TextClassifier
from auditkit.randomness import keys_of
from auditkit.statistics import newcombe_paired
from tests.subjects import Subject, measured, run_check, values

CHECK = Typos(severities=(1, 5), kinds=("keyboard", "drop"), alone=("keyboard", "drop"))
REVEALS = "mean_typo_error"
GOOD = ("good", "lovely", "superb", "charming")
BAD = ("awful", "boring", "dreadful", "clumsy")


class CueWords(nn.Module):
    """Adds up cue words, or reads the first word only; an unknown word counts as nothing."""

    def __init__(self, weights: Tensor, *, first_only: bool) -> None:
        super().__init__()
        self.table = nn.Embedding.from_pretrained(weights[:, None])
        self.first_only = first_only

    def embed(self, ids: Tensor) -> Tensor:
        """Map ids (n, t) to embeddings (n, t, 1)."""
        return self.table(ids)

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Map embeddings (n, t, 1) and mask (n, t) to logits (n, 2)."""
        scores = (embeddings[:, :, 0] * mask)[:, : 1 if self.first_only else None].sum(dim=1)
        return torch.stack([-scores, scores], dim=1)


def text_model(*, first_only: bool) -> TextClassifier:
    words = ["[PAD]", "[UNK]", *GOOD, *BAD]
    tokenizer = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    weights = torch.tensor([0.0, 0.0] + [1.0] * 4 + [-1.0] * 4)
    module = CueWords(weights, first_only=first_only)
    return TextClassifier(module, tokenizer=tokenizer, classes=("bad", "good"), max_length=64)


def text_data(texts: list[str], labels: list[int]) -> Dataset:
    return Dataset(
        name="made-up",
        split="test",
        modality="text",
        classes=("bad", "good"),
        ids=tuple(f"{i:05d}" for i in range(len(texts))),
        labels=np.asarray(labels, dtype=np.int64),
        reader=InMemory(texts),
        sha256="0" * 64,
    )


def subject(*, first_only: bool, n: int = 60, wrong: int = 0) -> Subject:
    rng = np.random.default_rng(0)
    labels = [i % 2 for i in range(n)]
    texts = [" ".join(rng.choice(GOOD if label else BAD, size=7)) for label in labels]
    labels[:wrong] = [1 - label for label in labels[:wrong]]
    return Subject(text_model(first_only=first_only), text_data(texts, labels))


def broken() -> Subject:
    return subject(first_only=True)


def sound() -> Subject:
    return subject(first_only=False)


@pytest.mark.parametrize("wrong", [0, 6])
def test_equals_a_loop_by_hand(wrong: int) -> None:
    one = subject(first_only=True, wrong=wrong)
    outcome = measured(CHECK, one, seed=2)
    found = values(outcome)
    texts = cast("list[str]", one.data.read(np.arange(60)))
    keys = keys_of(2, "typos", one.data.ids)

    def right(severity: int, kinds: tuple[str, ...]) -> np.ndarray:
        changed = [
            typos([text], severity, keys[i : i + 1], kinds=kinds)[0].text
            for i, text in enumerate(texts)
        ]
        said = [int(one.model.logits([text]).argmax()) for text in changed]
        return np.array(said) == one.data.labels

    clean = np.array([int(one.model.logits([t]).argmax()) for t in texts]) == one.data.labels
    errors: list[float] = []
    for severity in (1, 5):
        kept = right(severity, CHECK.kinds)
        assert found[f"accuracy/severity={severity}"] == pytest.approx(kept.mean())
        drop = next(f for f in outcome.findings if f.id.endswith(f"drop/all/severity={severity}"))
        cells = [(clean & kept), (clean & ~kept), (~clean & kept), (~clean & ~kept)]
        assert drop.value == pytest.approx(clean.mean() - kept.mean())
        expected = newcombe_paired(*(int(cell.sum()) for cell in cells))
        assert (drop.low, drop.high) == pytest.approx(expected)
        errors.append(1 - float(kept.mean()))
    assert found["mean_typo_error"] == pytest.approx(np.mean(errors))
    for kind in CHECK.kinds:
        assert found[f"kind_accuracy/kind={kind}"] == pytest.approx(right(5, (kind,)).mean())
    assert 0 < float(np.mean(errors)) < 1


def test_shards_change_nothing() -> None:
    one = subject(first_only=True, wrong=3)
    whole, parts = measured(CHECK, one), measured(CHECK, one, shard_size=7)
    assert whole.findings == parts.findings
    assert whole.evidence == parts.evidence


def test_the_flaw_is_revealed() -> None:
    flawed, fine = values(measured(CHECK, broken())), values(measured(CHECK, sound()))
    assert fine["mean_typo_error"] == 0
    assert cast("float", flawed["mean_typo_error"]) > 0.1


def test_unknown_tokens_are_counted() -> None:
    """Every keyboard slip makes one of these seven words unknown, and nothing else does."""
    outcome = measured(Typos(severities=(1, 5), kinds=("keyboard",)), sound())
    table = outcome.evidence["words"]
    assert isinstance(table, Table)
    assert table.rows == [
        [0, 0.0, 0.0],
        [1, pytest.approx(1 / 7), pytest.approx(1 / 7)],
        [5, pytest.approx(3 / 7), pytest.approx(3 / 7)],  # 40 % of seven words, rounded
    ]
    note = outcome.evidence["reading"]
    assert isinstance(note, Note)
    assert "42.9 % of the tokens into [UNK] at severity 5, and 0 %" in note.text


def test_a_tokenizer_that_loses_nothing_is_not_accused() -> None:
    one = sound()
    assert isinstance(one.model, TextClassifier)
    one.model.tokenizer.normalizer = normalizers.Lowercase()
    outcome = measured(Typos(kinds=("case",)), one)
    note = outcome.evidence["reading"]
    assert isinstance(note, Note)
    assert "[UNK]" not in note.text
    assert values(outcome)["mean_typo_error"] == 0


def test_each_kind_is_measured_alone() -> None:
    one = broken()
    assert isinstance(one.model, TextClassifier)
    one.model.tokenizer.normalizer = normalizers.Lowercase()
    found = values(measured(Typos(severities=(5,), kinds=("keyboard", "case")), one))
    assert found["kind_accuracy/kind=case"] == 1
    assert cast("float", found["accuracy/severity=5"]) < 1
    assert cast("float", found["kind_accuracy/kind=keyboard"]) < 1


def test_kinds_alone_over_severities_make_a_matrix() -> None:
    one = broken()
    alone = ("keyboard", "contraction", "homoglyph")
    outcome = measured(Typos(severities=(2, 5), alone=alone, alone_severities=(5, 1)), one)
    found, matrix = values(outcome), outcome.evidence["matrix"]
    assert isinstance(matrix, Matrix)
    assert (matrix.rows, matrix.columns) == (list(alone), ["1", "5"])
    assert matrix.values[1] == [1.0, 1.0]  # no word here has an apostrophe
    for kind, row in zip(alone, matrix.values, strict=True):
        assert found[f"kind_accuracy/kind={kind}"] == row[-1]
        assert found[f"kind_drop/kind={kind}"] == pytest.approx(1 - cast("float", row[-1]))
    table = outcome.evidence["alone"]
    assert isinstance(table, Table)
    assert [row[:2] for row in table.rows] == [
        ["keyboard", 60], ["contraction", 0], ["homoglyph", 60],
    ]  # fmt: skip
    assert cast("float", found["kind_drop/kind=homoglyph"]) > 0.1
    assert "matrix" not in measured(CHECK, one).evidence


def test_kinds_alone_leave_the_mean_error_as_it_is() -> None:
    one = broken()
    few = values(measured(Typos(alone=("drop",)), one))
    assert values(measured(Typos(), one))["mean_typo_error"] == few["mean_typo_error"]


def test_evidence_says_what_the_findings_say() -> None:
    outcome = measured(CHECK, broken())
    found = values(outcome)
    curve, bars = outcome.evidence["curve"], outcome.evidence["kinds"]
    assert isinstance(curve, Curve)
    assert isinstance(bars, Bars)
    assert curve.series[0].x == [0, 1, 5]
    assert curve.series[0].y == [1.0, found["accuracy/severity=1"], found["accuracy/severity=5"]]
    for bar in bars.bars:
        assert bar.value == found[f"kind_accuracy/kind={bar.label}"]
    named = {key for finding in outcome.findings for key in finding.evidence}
    assert named <= set(outcome.evidence)


def test_the_worst_texts_mark_what_was_there() -> None:
    one = broken()
    exhibit = measured(CHECK, one).evidence["worst"]
    assert isinstance(exhibit, TextExhibit)
    for row in exhibit.rows:
        text = cast("list[str]", one.data.read(np.array([one.data.ids.index(row.id)])))[0]
        severity = int(row.caption[-1])
        expected = typos([text], severity, keys_of(0, "typos", [row.id]), kinds=CHECK.kinds)[0]
        assert "".join(token.text for token in row.tokens) == expected.text
        assert row.tokens[0].was is not None  # the model reads the first word only
    assert "worst" not in measured(CHECK, sound()).evidence


@given(st.text(alphabet="ab c,.\n", max_size=30), st.integers(0, 99))
def test_marked_pieces_are_the_text_with_marks(text: str, seed: int) -> None:
    changed = typos([text], 5, keys_of(seed, "t", ["x"]))[0]
    pieces = marked(changed)
    assert "".join(piece.text for piece in pieces) == changed.text
    assert [piece.was for piece in pieces if piece.was is not None] == [
        change.was for change in changed.changes
    ]


def test_texts_without_words_are_counted_as_they_are_and_said() -> None:
    texts = ["good good", "12", "", "awful"]
    one = Subject(text_model(first_only=False), text_data(texts, [1, 0, 0, 0]))
    outcome = measured(CHECK, one)
    note = outcome.evidence["reading"]
    assert isinstance(note, Note)
    assert "without a word that could be mistyped, counted as they are: 2 of 4." in note.text


def test_nothing_to_mistype_is_not_applicable() -> None:
    one = Subject(text_model(first_only=False), text_data(["12", "", "3 + 4"], [1, 0, 0]))
    outcome = run_check(CHECK, one)
    assert isinstance(outcome, NotApplicable)
    assert "no text holds a word" in outcome.reason


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"severities": (0,)}, "from 1 to 5"),
        ({"severities": (6,)}, "from 1 to 5"),
        ({"severities": ()}, "empty"),
        ({"severities": (2, 2)}, "twice"),
        ({"kinds": ("keybord",)}, "Did you mean 'keyboard'"),
        ({"kinds": ()}, "empty"),
        ({"kinds": ("swap", "swap")}, "twice"),
        ({"alone": ("swop",)}, "Did you mean 'swap'"),
        ({"alone_severities": (9,)}, "from 1 to 5"),
    ],
)
def test_bad_parameters_are_refused(parameters: dict[str, tuple[object, ...]], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Typos(**parameters)  # type: ignore[arg-type]
