"""Mirrors auditkit/checks/other_model.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditkit.checks.other_model import comparable, hash_of, other_model
from auditkit.errors import ModelError
from auditkit.models.classifier import Classifier, ImageClassifier
from auditkit.models.load import ModelSpec, load_model
from tests.methods.saliency.nets import small_cnn, word_model
from tests.subjects import graph_subject, table_subject


def model(name: str) -> Classifier:
    return load_model(ModelSpec(source=name, device="cpu"))


def test_a_model_that_reads_and_answers_alike_is_returned() -> None:
    other = comparable("check", "digits-cnn", model("digits-vit"))
    assert other.identity.name == "digits-cnn"
    assert hash_of("digits-cnn") == {"other_sha256": other.identity.sha256}
    assert hash_of("") == {}
    assert other_model("digits-cnn") is other


@pytest.mark.parametrize(
    "audited",
    [small_cnn(channels=3), word_model(["a"]), table_subject().model, graph_subject().model],
    ids=["image", "text", "table", "graph"],
)
def test_other_inputs_are_refused_and_both_are_named(audited: Classifier) -> None:
    said = r"check: digits-cnn reads images \(1, 8, 8\), the audited"
    with pytest.raises(ModelError, match=said):
        comparable("check", "digits-cnn", audited)


def test_other_classes_or_bounds_are_refused() -> None:
    cnn = model("digits-cnn")
    assert isinstance(cnn, ImageClassifier)
    renamed = [f"c{i}" for i in range(10)]
    for classes, bounds in ((renamed, cnn.bounds), (cnn.classes, (0.0, 255.0))):
        audited = ImageClassifier(
            cnn.module, classes=classes, input_shape=cnn.input_shape, bounds=bounds
        )
        with pytest.raises(ModelError, match="other classes or bounds"):
            comparable("check", "digits-cnn", audited)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="gone"):
        comparable("check", str(tmp_path / "gone.pt"), model("digits-cnn"))
