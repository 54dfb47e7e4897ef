"""Records what networks would be taught, instead of teaching them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest
import torch
from torch import nn

from auditkit.models.classifier import Classifier
from auditkit.selftest import credit, teach
from auditkit.selftest.base import Flaw
from auditkit.selftest.store import Store

FEW = 240  # inputs per lesson, where the bench takes thousands


@dataclass
class Lesson:
    """What one network would have been taught."""

    inputs: Any
    labels: torch.Tensor
    how: dict[str, Any] = field(default_factory=dict)


class Recorder:
    """Stands in for every function that trains."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._lessons: list[Lesson] = []
        for name in ("digit_reader", "glyph_reader", "phrase_reader"):
            monkeypatch.setattr(teach, name, self._taught)
        monkeypatch.setattr(credit, "reader", self._taught_rows)
        glyphs, phrases = teach.new_glyphs, teach.some_phrases
        monkeypatch.setattr(teach, "GLYPHS", FEW)
        monkeypatch.setattr(teach, "new_glyphs", lambda *a, **k: glyphs(*a, **{"n": FEW, **k}))
        monkeypatch.setattr(teach, "some_phrases", lambda *a, **k: phrases(*a, **{"n": FEW, **k}))

    def of(self, teaches: Callable[..., Classifier], *args: Any, **settings: Any) -> Lesson:
        """Return what a function would teach."""
        teaches(*args, **settings)
        return self._lessons.pop()

    def _taught(self, seed: int, inputs: Any, labels: Any, **how: Any) -> Classifier:
        truth = torch.as_tensor(labels)
        self._lessons.append(Lesson(inputs, truth, {"seed": seed, **how}))
        return teach.as_digit_reader(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)))

    def _taught_rows(self, seed: int, data: Any, labels: Any) -> Classifier:
        return self._taught(seed, teach.images_of(data), labels)


class Noting:
    """A store that notes which files were asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.names: set[str] = set()

    def taught(self, *args: Any, **settings: Any) -> Classifier:
        model = self._store.taught(*args, **settings)
        self.names.add(f"{model.identity.name}.safetensors")
        return model


def files_of(flaws: Iterable[Flaw], seeds: Iterable[int], store: Store) -> set[str]:
    """Return the names of the files that planting these flaws reads, trained where need be."""
    noting = Noting(store)
    for flaw, seed in product(flaws, seeds):
        flaw.plant(seed, noting)  # type: ignore[arg-type]
    return noting.names


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """A recorder in the place of all training."""
    return Recorder(monkeypatch)
