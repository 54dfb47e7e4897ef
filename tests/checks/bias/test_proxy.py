"""Mirrors auditkit/checks/bias/proxy.py."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from auditkit.checks.base import Measured, NotApplicable, Records
from auditkit.checks.bias.proxy import Proxy
from auditkit.errors import ConfigError
from auditkit.findings import Finding, Note
from auditkit.models.classifier import ImageClassifier
from auditkit.randomness import generator
from tests.checks.bias.test_group_gap import written
from tests.subjects import Subject, image_data, linear_subject, measured, run_check

CHECK = Proxy()
REVEALS = "worst_auc"


def hidden(strength: float, *, n: int = 400, seed: int = 0) -> Subject:
    """One inner number follows the group, and the answer does not look at it."""
    rng = np.random.default_rng(seed)
    group, signal = rng.integers(0, 2, size=n), rng.normal(size=n)
    pixels = np.stack([signal, strength * group + rng.normal(size=n)], axis=1)
    head = nn.Linear(2, 1)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, 0.0]]))
        head.bias.zero_()
    model = ImageClassifier(
        nn.Sequential(nn.Flatten(), head), classes=("0", "1"), input_shape=(1, 1, 2)
    )
    labels = torch.from_numpy((signal > 0).astype(np.int64))
    names = ["ab"[g] for g in group.tolist()]
    data = image_data(
        torch.from_numpy(pixels).float()[:, None, None], labels,
        attributes={"group": names}, sensitive=["group"],
    )  # fmt: skip
    return Subject(model, data)


def broken() -> Subject:
    return hidden(2.0)


def sound() -> Subject:
    return hidden(0.0)


def finding(outcome: Measured, metric: str, source: str | None = None) -> Finding:
    return next(
        one
        for one in outcome.findings
        if one.metric == metric and source in (None, one.params.get("source"))
    )


def test_what_the_features_know_and_the_answer_does_not_show_is_told_apart() -> None:
    outcome = measured(CHECK, broken())
    inner, scores = (finding(outcome, "auc", one) for one in ("features", "scores"))
    assert inner.value == pytest.approx(stats.norm.cdf(np.sqrt(2)), abs=0.05)
    assert inner.low > 0.8  # type: ignore[operator]
    assert scores.low < 0.5 < scores.high  # type: ignore[operator]
    worst = finding(outcome, "worst_auc")
    assert worst.value == inner.value
    assert worst.low < inner.low  # type: ignore[operator]
    assert inner.slice == "group=b"


def test_without_a_proxy_and_for_the_shuffled_column_it_is_chance() -> None:
    for subject in (broken(), sound()):
        for source in ("features", "scores"):
            control = finding(measured(CHECK, subject), "control_auc", source)
            assert control.low < 0.5 < control.high  # type: ignore[operator]
    worst = finding(measured(CHECK, sound()), "worst_auc")
    assert worst.low < 0.5  # type: ignore[operator]


def test_the_half_that_taught_is_not_asked() -> None:
    """Noise in many numbers can be learnt by heart: asked again, it would be told perfectly."""
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(300, 1, 10, 20, generator=rng)
    module = nn.Sequential(nn.Flatten(), nn.Linear(200, 1))
    model = ImageClassifier(module, classes=("0", "1"), input_shape=(1, 10, 20))
    data = image_data(
        images, (torch.rand(300, generator=rng) > 0.5).long(),
        attributes={"group": np.random.default_rng(0).choice(["a", "b"], size=300).tolist()},
        sensitive=["group"],
    )  # fmt: skip
    found = finding(measured(CHECK, Subject(model, data)), "auc", "features")
    assert found.n == 150
    assert found.low < 0.5 < found.high  # type: ignore[operator]


def test_what_the_labels_say_is_taken_out() -> None:
    """Group and label go together; the answer is the label and says no more of the group."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, size=600)
    group = np.where(rng.random(600) < 0.85, labels, 1 - labels)
    outcome = measured(CHECK, written(labels, labels, group=np.where(group == 1, "b", "a")))
    plain, given = finding(outcome, "auc"), finding(outcome, "auc_given_label")
    assert plain.low > 0.7  # type: ignore[operator]
    assert given.value == 0.5
    assert given.low < 0.5 < given.high  # type: ignore[operator]


def test_more_than_two_groups_are_each_told_from_the_rest() -> None:
    rng = np.random.default_rng(0)
    group = rng.choice(list("abc"), size=600, p=[0.48, 0.48, 0.04])
    labels = (group == "a").astype(np.int64)
    outcome = measured(CHECK, written(labels, labels, group=group))
    areas = {one.slice: one for one in outcome.findings if one.metric == "auc"}
    assert areas["group=a"].value == 1
    assert areas["group=a"].low < 1  # type: ignore[operator]
    assert areas["group=c"].undefined is not None
    assert "(minimum_n)" in areas["group=c"].undefined
    assert finding(outcome, "worst_auc").value == 1


def test_scores_alone_are_read_where_nothing_else_is_seen() -> None:
    labels = np.tile([0, 1], 100)
    outcome = measured(CHECK, written(labels, labels, group=np.repeat(["a", "b"], 100)))
    assert {one.params.get("source") for one in outcome.findings} == {None, "scores"}
    note = outcome.evidence["read"]
    assert isinstance(note, Note)
    assert "Features are the logits" in note.text


def test_it_needs_a_sensitive_column_with_two_groups() -> None:
    linear = linear_subject(0)
    nothing = CHECK.applies(linear.model, linear.data)
    assert isinstance(nothing, NotApplicable)
    assert "--sensitive" in nothing.reason
    labels = np.tile([0, 1], 50)
    one = run_check(CHECK, written(labels, labels, group=["a"] * 100))
    assert isinstance(one, NotApplicable)


def test_the_control_asks_what_was_shuffled() -> None:
    subject = broken()
    records = CHECK.measure(subject.artifacts)
    assert isinstance(records, Records)
    codes = (subject.data.attributes["group"] == "b").to_numpy().astype(int)
    key = subject.artifacts.key("proxy", "shuffle", "group")
    assert records["shuffled/group"].tolist() == generator(key).permutation(codes).tolist()
    assert 0.4 < (records["shuffled/group"] == codes).mean() < 0.6


def test_a_senseless_parameter_is_refused() -> None:
    with pytest.raises(ConfigError, match="minimum_n"):
        dataclasses.replace(CHECK, minimum_n=1)
