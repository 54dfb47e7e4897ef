"""Time attacks on texts in batches against a plain loop, side by side in one process.

Run on a quiet machine: ``python benchmarks/text.py [--model sst2-encoder] [--inputs 100]``. Same
model, sentences, replacements and search: words are ranked by leaving them out, then replaced
greedily. The loop asks about one text at a time; that both make the same texts fall is checked. The
search by gradients, which needs fewer queries, stands beside.

TextAttack 0.3.11 is not compared: its requirements lead to a scikit-learn so old that it does not
compile on Python 3.11.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from auditkit.data.load import DataSpec, load_data
from auditkit.methods.attacks.active_set import CLEARLY, misclassified
from auditkit.methods.attacks.lexicon import Lexicon
from auditkit.methods.attacks.losses import log_odds_against
from auditkit.methods.attacks.synonyms import built_in
from auditkit.methods.attacks.token_swap import AnyOf, Listed, Neighbours
from auditkit.methods.attacks.word_search import Edit, Reworded, search_words
from auditkit.models.classifier import TextClassifier
from auditkit.models.load import ModelSpec, load_model

CHANGES, QUERIES = 3, 32


@dataclass(frozen=True)
class Workload:
    """What is attacked; a new lexicon for every run, so that nobody profits from another's."""

    model: TextClassifier
    texts: list[str]
    labels: Tensor

    def lexicon(self) -> Lexicon:
        """Return what may replace each word, nothing of it looked up yet."""
        near = Neighbours(self.model, count=8, min_cosine=0.5)
        return Lexicon(self.model, AnyOf((Listed(built_in()), near)))


@dataclass(frozen=True)
class Timed:
    """What one way came to."""

    name: str
    seconds: float
    queries: int
    fallen: int

    @property
    def rate(self) -> float:
        """Queries per second."""
        return self.queries / self.seconds


def workload(name: str, inputs: int) -> Workload:
    model = load_model(ModelSpec(source=name, device="cpu"))
    if not isinstance(model, TextClassifier):
        raise SystemExit(f"{name} reads no texts; try sst2-encoder.")
    data = load_data(DataSpec(source=model.identity.data or "phrases"), model)
    data = data.sample(inputs, seed=0)
    texts = data.read(np.arange(len(data)))
    assert isinstance(texts, list)
    return Workload(model, texts, torch.as_tensor(data.labels))


def in_batches(work: Workload, access: Literal["gradients", "scores"]) -> list[Reworded]:
    return search_words(
        work.model, work.texts, work.labels, work.lexicon(),
        limits=np.full(len(work.texts), CHANGES), beam=1, queries=QUERIES, access=access,
    )  # fmt: skip


def one_at_a_time(work: Workload) -> list[Reworded]:
    lexicon = work.lexicon()
    return [
        _attacked(work.model, text, work.labels[i : i + 1], lexicon)
        for i, text in enumerate(work.texts)
    ]


def _attacked(model: TextClassifier, text: str, label: Tensor, lexicon: Lexicon) -> Reworded:
    state, queries = Reworded.of(text), 1
    if bool(misclassified(model.predict([text]), label)):
        return Reworded(pieces=state.pieces, was=state.was, flipped=True, queries=queries)
    words = [i for i in state.untouched if len(lexicon.entries(state.pieces[i]))]
    hurt = [_loss(model, state.edited(Edit(i, "")).text, label)[0] for i in words]
    queries += len(words)
    order = [words[i] for i in torch.tensor(hurt).argsort(descending=True, stable=True).tolist()]
    for _ in range(CHANGES):
        free = set(state.untouched)
        edits = [
            Edit(i, lexicon.word(entry))
            for i in order
            if i in free
            for entry in lexicon.entries(state.pieces[i]).tolist()
        ][:QUERIES]
        if not edits:
            break
        judged = [_loss(model, state.edited(one).text, label) for one in edits]
        queries += len(edits)
        wrong = [j for j, one in enumerate(judged) if one[1]]
        best = max(wrong or range(len(edits)), key=lambda j: judged[j][0])
        state = state.edited(edits[best])
        if wrong:
            return Reworded(pieces=state.pieces, was=state.was, flipped=True, queries=queries)
    return Reworded(pieces=state.pieces, was=state.was, queries=queries)


def _loss(model: TextClassifier, text: str, label: Tensor) -> tuple[float, bool]:
    logits = model.predict([text])
    loss = float(log_odds_against(logits, label))
    return loss, bool(misclassified(logits, label, margin=CLEARLY))


def timed(name: str, run: Callable[[], Sequence[Reworded]], repeats: int) -> Timed:
    seconds: list[float] = []
    found: Sequence[Reworded] = []
    for _ in range(repeats):
        start = time.perf_counter()
        found = run()
        seconds.append(time.perf_counter() - start)
    queries = sum(one.queries for one in found)
    fallen = sum(one.flipped for one in found)
    return Timed(name, statistics.median(seconds), queries, fallen)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="sst2-encoder")
    parser.add_argument("--inputs", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    work = workload(asked.model, asked.inputs)
    in_batches(work, "scores")  # warm up
    loop = timed("plain loop, scores", lambda: one_at_a_time(work), asked.repeats)
    ours = timed("in batches, scores", lambda: in_batches(work, "scores"), asked.repeats)
    white = timed("in batches, gradients", lambda: in_batches(work, "gradients"), asked.repeats)
    print(f"{asked.model}, {len(work.texts)} sentences, at most {CHANGES} words,"
          f" {torch.get_num_threads()} threads")  # fmt: skip
    print(f"{'':24}{'seconds':>9}{'queries':>9}{'per second':>12}{'wrong':>7}{'ratio':>7}")
    for one in (loop, ours, white):
        print(f"{one.name:24}{one.seconds:9.2f}{one.queries:9d}{one.rate:12.0f}{one.fallen:7d}"
              f"{one.rate / loop.rate:7.1f}")  # fmt: skip
    if (loop.queries, loop.fallen) != (ours.queries, ours.fallen):
        raise SystemExit("The loop and the batches did not search the same.")


if __name__ == "__main__":
    main()
