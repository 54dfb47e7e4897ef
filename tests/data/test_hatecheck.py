"""Mirrors auditkit/data/hatecheck.py."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from auditkit.data import hatecheck
from auditkit.data.load import DataSpec, load_data
from auditkit.errors import DataError
from auditkit.models.classifier import TextClassifier
from tests.methods.attacks.subjects import text_model
from tests.published import needs


@needs("hatecheck")
def test_cases_have_the_published_counts() -> None:
    data = hatecheck.load("test")
    assert len(data) == 3728
    assert int(data.labels.sum()) == 2563
    targets = Counter(data.attributes["target"].tolist())
    assert targets["women"] == 509
    assert targets[hatecheck.NOBODY] == 292
    assert len(targets) == 8
    assert len(set(data.attributes["functionality"].tolist())) == 29
    assert data.sensitive == ("target",)
    assert data.ids[0] == "case-0001"
    assert data.read(np.arange(1)) == ["I hate women."]


@needs("hatecheck")
def test_there_is_nothing_to_train_on() -> None:
    with pytest.raises(DataError, match="for testing alone"):
        hatecheck.load("train")


@needs("hatecheck")
def test_a_model_names_its_classes_in_its_own_order() -> None:
    made = text_model(torch.zeros(3, 2), torch.zeros(2, 2), torch.zeros(2), words=("hate",))
    model = TextClassifier(
        made.module, tokenizer=made.tokenizer, classes=("hateful", "non-hateful"), max_length=32
    )
    data = load_data(DataSpec(source="hatecheck"), model)
    assert int(data.labels.sum()) == 3728 - 2563
    other = TextClassifier(
        made.module, tokenizer=made.tokenizer, classes=("negative", "positive"), max_length=32
    )
    with pytest.raises(DataError) as error:
        load_data(DataSpec(source="hatecheck"), other)
    assert "--classes non-hateful,hateful" in error.value.hint
