"""Mirrors auditkit/checks/attribution/attention_faithfulness.py."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor

from auditkit.checks.attribution import attention_faithfulness as module
from auditkit.checks.attribution.attention_faithfulness import AttentionFaithfulness
from auditkit.checks.base import Measured, NotApplicable
from auditkit.data.dataset import Dataset, InMemory
from auditkit.errors import ConfigError
from auditkit.findings import Bars, Finding, ImageExhibit, Table
from auditkit.methods.saliency.attention_maps import ATTENTION_MAPS, TokenView
from auditkit.models.classifier import ImageClassifier
from tests.methods.saliency.nets import (
    BagOfWords,
    assert_untouched,
    bag_of,
    noise,
    small_cnn,
    state_of,
    word_model,
)
from tests.methods.saliency.transformers import vit
from tests.subjects import Subject, image_data, measured, run_check

CHECK = AttentionFaithfulness(max_inputs=24)
REVEALS = "effect_correlation"
WORDS = [f"w{i}" for i in range(12)]


class Reader(BagOfWords):
    """A learnt query weighs words by their first number; the second one is their vote for yes.

    The third makes a saw of tiny teeth, which all lean one way: a slope that leads nowhere.
    """

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        scores = embeddings[:, None, :, 0].masked_fill(~mask[:, None], -torch.inf)  # (n, 1, t)
        vote, saw = (scores.softmax(dim=-1) @ embeddings[:, :, 1:])[:, 0].unbind(dim=1)
        vote = vote + (1000 * saw - (1000 * saw).floor()) / 1000
        return torch.stack([torch.zeros_like(vote), 1 + vote], dim=1)


def reader(*, faithful: bool) -> Subject:
    """Attention either goes where the votes are, or to words that say nothing."""
    model = word_model(WORDS, kind=Reader)
    strength = torch.linspace(0, 2, len(WORDS))
    table = torch.zeros(len(WORDS) + 3, 3)
    table[3:, 0] = strength
    table[3:, 1] = 1.0 if faithful else (2 - strength) ** 2
    table[3:, 2] = 0.0 if faithful else 5 * strength
    with torch.no_grad():
        bag_of(model).table.weight = torch.nn.Parameter(table, requires_grad=False)
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.permutation(WORDS)[:7]) for _ in range(30)]
    return Subject(model, text_data(texts))


def text_data(texts: list[str]) -> Dataset:
    return Dataset(
        name="made-up", split="test", modality="text", classes=("no", "yes"),
        ids=tuple(f"t{i}" for i in range(len(texts))),
        labels=np.arange(len(texts)) % 2,
        attributes=pd.DataFrame(index=range(len(texts))),
        reader=InMemory(texts), sha256="0" * 64,
    )  # fmt: skip


def broken() -> Subject:
    """The words that are looked at most say least."""
    return reader(faithful=False)


def sound() -> Subject:
    """Every word says the same, so that its share of attention is its worth."""
    return reader(faithful=True)


def images(n: int = 20) -> Subject:
    model = ImageClassifier(vit(seed=3), classes=("a", "b", "c"), input_shape=(3, 16, 16))
    return Subject(model, image_data(noise(n, 3, 16, 16), [0] * n, classes="abc"))


def finding(outcome: Measured, metric: str, method: str) -> Finding:
    wanted = f"attention-faithfulness/{metric}/all/method={method}"
    return next(one for one in outcome.findings if one.id == wanted)


def test_attention_that_decides_is_told_from_attention_that_does_not() -> None:
    good, bad = measured(CHECK, sound()), measured(CHECK, broken())
    for method in ATTENTION_MAPS:
        assert finding(good, "effect_correlation", method).value == pytest.approx(1.0)
        assert finding(good, "size_correlation", method).value == pytest.approx(1.0)
        high = finding(bad, "effect_correlation", method).high
        assert high is not None
        assert high < 0


def test_gains_are_differences_on_the_same_inputs() -> None:
    outcome = measured(CHECK, images())
    for method in ATTENTION_MAPS:
        value = finding(outcome, "effect_correlation", method).value
        beside = finding(outcome, "effect_correlation", "gradient").value
        gain = finding(outcome, "gain_over_gradient", method)
        assert value is not None
        assert beside is not None
        assert gain.value == pytest.approx(value - beside)
        assert gain.n == 20
        assert gain.low is not None
        assert gain.high is not None
        assert gain.low < (gain.value or 0) < gain.high
    swept = {one.metric for one in outcome.findings if one.params["method"] == "gradient"}
    assert swept == {"effect_correlation", "size_correlation", "gain_over_random"}


def test_random_scores_are_at_chance() -> None:
    outcome = measured(AttentionFaithfulness(max_inputs=60), images(60))
    table, bars = outcome.evidence["scores"], outcome.evidence["maps"]
    assert isinstance(table, Table)
    assert isinstance(bars, Bars)
    assert table.rows[-1][0] == "random scores (no model)"
    assert bars.bars[-1].label == "random scores"
    assert table.rows[-1][1] == pytest.approx(0, abs=0.08)
    assert bars.bars[-1].value == pytest.approx(table.rows[-1][1], abs=1e-4)
    assert table.rows[-1][2] == pytest.approx(0, abs=0.08)


def test_effects_are_those_of_one_replaced_patch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Maps and falls of one image by hand, and Spearman's correlation from scipy."""
    subject, views = images(8), list[TokenView]()
    plain = module.image_view

    def kept(*args: object, **kwargs: object) -> object:
        views.append(plain(*args, **kwargs))  # type: ignore[arg-type]
        return views[-1]

    monkeypatch.setattr(module, "image_view", kept)
    outcome = measured(AttentionFaithfulness(max_inputs=8), subject)
    views = views[1:]  # the first call asks whether the check applies
    assert len(views) == 8
    data = torch.from_numpy(np.asarray(subject.data.read(slice(None))))
    logits = subject.model.logits(data)
    target = logits.argmax(dim=1)
    centre = logits - logits.mean(dim=1, keepdim=True)
    for i, patch in ((0, 0), (3, 6), (7, 15)):
        row, column = divmod(patch, 4)
        hidden = data[i : i + 1].clone()
        mean = hidden.mean(dim=(2, 3), keepdim=True).expand(1, 3, 4, 4)
        hidden[:, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = mean
        without = subject.model.logits(hidden)
        fall = centre[i, target[i]] - (without - without.mean())[0, target[i]]
        assert views[i].falls[patch] == pytest.approx(float(fall), abs=1e-5)
    for name in (*ATTENTION_MAPS, "gradient"):
        pairs = [spearmanr(view.maps[name], view.falls) for view in views]
        by_hand = [float(one.statistic) for one in pairs]  # type: ignore[attr-defined]
        value = finding(outcome, "effect_correlation", name).value
        assert value == pytest.approx(np.mean(by_hand))
        pairs = [spearmanr(np.abs(view.maps[name]), np.abs(view.falls)) for view in views]
        by_hand = [float(one.statistic) for one in pairs]  # type: ignore[attr-defined]
        value = finding(outcome, "size_correlation", name).value
        assert value == pytest.approx(np.mean(by_hand))


def test_texts_lose_their_special_tokens() -> None:
    subject = sound()
    outcome = run_check(AttentionFaithfulness(max_inputs=30), subject)
    assert isinstance(outcome, Measured)
    assert finding(outcome, "effect_correlation", "last-attention").n == 30


def test_one_token_has_no_order_and_equal_maps_neither() -> None:
    model = sound().model
    short = Subject(model, text_data(["w1"] * 20 + ["w1 w5 w9", "w2 w7 w3", "w8 w4 w2"]))
    outcome = measured(AttentionFaithfulness(max_inputs=23), short)
    one = finding(outcome, "effect_correlation", "last-attention")
    assert one.value is None
    assert one.undefined is not None
    assert "only 3 of 23" in one.undefined


def test_models_without_attention_are_told_why() -> None:
    subject = Subject(small_cnn(), image_data(noise(9, 1, 8, 8), [0] * 9, classes="012"))
    outcome = run_check(CHECK, subject, shard_size=4)
    assert outcome == NotApplicable("no attention between tokens was seen while the model ran")
    subject.model.differentiable = False
    refused = CHECK.applies(subject.model, subject.data)
    assert isinstance(refused, NotApplicable)
    assert "gradients" in refused.reason


def test_images_show_their_effects_beside_the_maps() -> None:
    shown = measured(CHECK, images()).evidence["random"]
    assert isinstance(shown, ImageExhibit)
    assert len(shown.rows) == 6
    assert [panel.label for panel in shown.rows[0].panels] == [
        "input", "effect", "gradient weighted attention", "attention rollout", "last attention",
        "gradient",
    ]  # fmt: skip


def test_shards_do_not_matter_and_the_model_is_left_as_it_was() -> None:
    for subject in (images(), sound()):
        before = state_of(subject.model.module)
        whole, parts = measured(CHECK, subject), measured(CHECK, subject, shard_size=7)
        assert whole.findings == parts.findings
        assert whole.evidence == parts.evidence
        assert_untouched(subject.model.module, before)


def test_another_seed_draws_other_inputs() -> None:
    check, subject = AttentionFaithfulness(max_inputs=9), images()
    first, second = (measured(check, subject, seed=seed) for seed in (0, 1))
    assert {one.n for one in first.findings} == {9}
    assert first.findings != second.findings


@pytest.mark.parametrize("parameters", [{"max_inputs": 1}, {"reference": "men"}])
def test_parameters_outside_their_range_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="attention-faithfulness"):
        AttentionFaithfulness(**parameters)  # type: ignore[arg-type]
