"""Mirrors auditkit/models/training/report.py."""

from __future__ import annotations

from auditkit.data import phrases
from auditkit.models.load import ModelSpec, load_model
from auditkit.models.training.report import accuracy


def test_accuracy_counts_correct_answers() -> None:
    model = load_model(ModelSpec(source="phrases-transformer"))
    data = phrases.load("validation")  # more than one batch
    batch = data.read(slice(None))
    assert isinstance(batch, list)
    predicted = model.predict(batch).argmax(1).numpy()
    found = accuracy(model, data)
    assert found.correct == int((predicted == data.labels).sum())
    assert found.n == len(data)
    assert f"of n = {found.n}" in str(found)
