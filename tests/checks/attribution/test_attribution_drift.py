"""Mirrors auditkit/checks/attribution/attribution_drift.py."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.checks.attribution._drift_images import changes_of_image
from auditkit.checks.attribution._drift_texts import Vocabulary, untouched, untouched_by_both
from auditkit.checks.attribution._probes import probe_of
from auditkit.checks.attribution.attribution_drift import AttributionDrift
from auditkit.checks.base import Measured, NotApplicable, Records
from auditkit.errors import ConfigError
from auditkit.findings import Finding, ImageExhibit, Table, TextExhibit
from auditkit.methods.corruptions.typos import Change, Mistyped, typos
from auditkit.methods.saliency.probes.image import ImageProbe
from auditkit.models.classifier import ImageClassifier
from auditkit.randomness import keys_of
from tests.checks.attribution.test_attribution_trust import text_data
from tests.methods.saliency.nets import Attentive, BagOfWords, bag_of, small_cnn, word_model
from tests.subjects import Subject, image_data, linear_subject, measured

CHECK = AttributionDrift(
    max_inputs=12, grid=4, steps=6, nodes=4, kinds=("gaussian-noise", "brightness"), epsilon=0.02
)
REVEALS = "excess_drift"


class Turning(nn.Module):
    """Both halves of an image speak for one class; a direction in it says which half is heard."""

    def __init__(self, *, sharpness: float) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        self.speak = nn.Parameter(1 + torch.rand(8, 8, generator=rng))
        self.way = nn.Parameter(torch.sign(torch.randn(8, 8, generator=rng)))
        self.sharpness = sharpness

    def forward(self, images: Tensor) -> Tensor:
        gate = (self.sharpness * ((images[:, 0] - 0.5) * self.way).sum(dim=(1, 2))).sigmoid()
        said = images[:, 0] * self.speak
        left, right = said[:, :, :4].sum(dim=(1, 2)), said[:, :, 4:].sum(dim=(1, 2))
        return torch.stack([torch.zeros_like(gate), gate * left + (1 - gate) * right], dim=1)


def turning(sharpness: float, n: int = 18) -> Subject:
    torch.manual_seed(1)
    images = 0.5 + 0.1 * (torch.rand(n, 1, 8, 8) - 0.5)
    net = Turning(sharpness=sharpness)
    way = net.way.detach()
    off = ((images[:, 0] - 0.5) * way).sum(dim=(1, 2))  # which half is heard, a little
    images[:, 0] -= ((off - 0.3) / way.numel())[:, None, None] * way
    model = ImageClassifier(net, classes=("0", "1"), input_shape=(1, 8, 8))
    return Subject(model, image_data(images, [1] * n))


def broken() -> Subject:
    """A push of every pixel along one direction turns the map over; one at random does not."""
    return turning(20.0)


def sound() -> Subject:
    """The same without a turn: the map cannot change by more than the pixels do."""
    return turning(0.0)


@cache
def caught() -> Measured:
    return measured(CHECK, broken())


def finding(outcome: Measured, metric: str, change: str = "map-attack") -> Finding:
    return next(
        one for one in outcome.findings if one.metric == metric and one.params["change"] == change
    )


def test_a_map_that_an_attack_turns_over_is_caught():
    outcome = caught()
    found = finding(outcome, "excess_drift")
    assert found.value is not None
    assert found.value > 0.5
    assert found.n == 12
    assert finding(outcome, "kept_answers").value == 1.0
    lost = finding(outcome, "excess_top_loss").value
    assert lost is not None
    assert lost > 0.3
    assert outcome.headline == found.id == "attribution-drift/excess_drift/all/change=map-attack"
    still = finding(measured(CHECK, sound()), "excess_drift").value
    assert still is not None
    assert still < found.value / 2


def test_numbers_are_those_of_the_columns():
    subject = broken()
    records = CHECK.measure(subject.artifacts)
    assert isinstance(records, Records)
    drawn = records["drawn"]
    assert drawn.sum() == 12
    assert np.isnan(records["rank/map-attack"][~drawn]).all()
    outcome = caught()
    rank, twin = (records[f"{one}/map-attack"][drawn] for one in ("rank", "random_rank"))
    found = finding(outcome, "excess_drift")
    assert found.value == pytest.approx((twin - rank).mean())
    assert found.low is not None
    assert found.high is not None
    assert found.low < (twin - rank).mean() < found.high
    assert finding(outcome, "rank_correlation").value == pytest.approx(rank.mean())
    table = outcome.evidence["table"]
    assert isinstance(table, Table)
    assert [row[0] for row in table.rows] == [
        "map attack", "failed attack", "gaussian noise", "brightness",
    ]  # fmt: skip


@pytest.mark.parametrize("method", ["integrated-gradients", "occlusion"])
def test_changes_stay_in_the_ball_and_twins_have_their_size(method: str):
    subject = linear_subject(3, shape=(1, 8, 8), wrong=0)
    artifacts = subject.artifacts
    probe = probe_of(artifacts, 0, grid=4)
    assert isinstance(probe, ImageProbe)
    kinds = ("map-attack", "pgd", "brightness")
    pairs = {
        one.change: one
        for one in changes_of_image(
            artifacts, 0, probe, np.arange(16.0), method=method, epsilon=0.02, steps=5, severity=1,
            top=0.2, kinds=kinds,
        )
    }  # fmt: skip
    assert tuple(pairs) == kinds
    for change, pair in pairs.items():
        far = (pair.changed - probe.image).double().abs()
        twin = (pair.twin - probe.image).double().abs()
        assert float(far.max()) > 0.004, change
        assert torch.allclose(far, twin, atol=1e-6), change
        assert not torch.equal(pair.changed, pair.twin)
        if change != "brightness":
            assert float(far.max()) <= 0.02 + 1e-7


def test_the_attack_on_the_map_moves_the_map_of_either_kind_of_method():
    """Both ways of attacking do more than a random change on a network that turns."""
    for method in ("integrated-gradients", "occlusion"):
        check = AttributionDrift(**{**vars(CHECK), "method": method, "kinds": ()})
        excess = finding(measured(check, broken()), "excess_drift").value
        assert excess is not None
        assert excess > 0.5, method


class Fickle(nn.Module):
    """Any change of an image changes the answer."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack(
            [images.flatten(1).sum(1) * 0, (1e5 * images.flatten(1).sum(1)).sin()], 1
        )


def test_where_too_few_answers_stay_nothing_is_said():
    images = linear_subject(3).artifacts.images
    model = ImageClassifier(Fickle(), classes=("0", "1"), input_shape=(1, 4, 4))
    outcome = measured(CHECK, Subject(model, image_data(images, [0] * len(images))))
    found = finding(outcome, "excess_drift", "gaussian-noise")
    assert found.value is None
    assert found.undefined is not None
    assert "with the answer kept" in found.undefined
    kept = finding(outcome, "kept_answers", "gaussian-noise")
    assert kept.value is not None
    assert kept.value < 0.6


def test_a_black_box_is_occluded_and_only_corrupted():
    subject = linear_subject(3, shape=(1, 8, 8))
    subject.model.differentiable = False
    outcome = measured(CHECK, subject)
    assert {one.params["change"] for one in outcome.findings} == {"gaussian-noise", "brightness"}
    assert "occlusion" in str(outcome.evidence["reading"])
    nothing = AttributionDrift(kinds=())
    assert isinstance(nothing.applies(subject.model, subject.data), NotApplicable)


def test_a_row_shows_all_three_images_with_their_maps():
    shown = caught().evidence["worst"]
    assert isinstance(shown, ImageExhibit)
    assert [panel.label for panel in shown.rows[0].panels] == [
        "input", "map, input", "changed", "map, changed", "random change", "map, random change",
    ]  # fmt: skip
    assert "Answer each time: 1" in shown.rows[0].caption


# --- texts ---------------------------------------------------------------------------------------

TEXTS = AttributionDrift(max_inputs=16, nodes=4, steps=4)
FILLERS = ["film", "house", "story", "winter", "music", "river"]
SYNONYMS = ["movie", "home", "tale", "score"]  # of some of them, in the list that comes along


def reviews(*, attentive: bool, n: int = 40) -> Subject:
    """Opinions among neutral words; in a bag of words no word's score depends on another."""
    rng = np.random.default_rng(0)
    opinions = ("awful", "superb")
    labels = rng.integers(0, 2, n)
    texts = [
        " ".join([*rng.choice(FILLERS, 4), opinions[label], *rng.choice(FILLERS, 3)])
        for label in labels
    ]
    names = [*opinions, *FILLERS, *SYNONYMS]
    votes = {word: float(place) - 3 for place, word in enumerate(FILLERS)}
    model = (
        word_model(names, kind=Attentive, seed=3)
        if attentive
        else word_model(names, votes=votes | {"superb": 40.0, "awful": -40.0})
    )
    return Subject(model, text_data(texts, labels.tolist()))


def test_a_bag_of_words_gives_the_words_left_alone_the_same_scores():
    outcome = measured(TEXTS, reviews(attentive=False))
    for change in ("map-attack", "typos"):
        assert finding(outcome, "rank_correlation", change).value == pytest.approx(1.0)
        assert finding(outcome, "top_overlap", change).value == pytest.approx(1.0)
        assert finding(outcome, "excess_drift", change).value == pytest.approx(0.0, abs=1e-9)
    moved = finding(measured(TEXTS, reviews(attentive=True)), "rank_correlation", "typos").value
    assert moved is not None
    assert moved < 0.999


class Gated(BagOfWords):
    """Embeddings hold two opinions and a word's say in which of the two is heard."""

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        first, second, say, _ = (embeddings * mask[:, :, None]).sum(dim=1).unbind(dim=1)
        gate = say.sigmoid()
        return torch.stack([torch.zeros_like(gate), gate * first + (1 - gate) * second], dim=1)


def gated(say: float, n: int = 30) -> Subject:
    """Texts whose first opinions rank words the other way round than the second ones do."""
    words = ["film", "movie", "house", "home", "story", "tale", "winter", "river", "garden", "sea"]
    model = word_model(words, kind=Gated)
    table = bag_of(model).table.weight.data
    table.zero_()
    for place, word in enumerate(words):
        table[model.tokenizer.token_to_id(word)] = torch.tensor(
            [2.0 + place, 8.0 - place / 2, 0.0, 0.0]
        )
    for word, sign in (("film", 1.0), ("movie", -1.0)):
        table[model.tokenizer.token_to_id(word), 2] = sign * say
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.permutation([*words[::2][:3], *words[6:]])) for _ in range(n)]
    return Subject(model, text_data(texts, [1] * n))


def test_a_map_that_synonyms_turn_over_is_caught():
    check = AttributionDrift(max_inputs=24, method="occlusion", words=1)
    turned, still = (measured(check, gated(say)) for say in (12.0, 0.0))
    caught = finding(turned, "excess_drift", "map-attack")
    assert caught.n == 24
    assert caught.low is not None
    assert caught.low > 0.5  # "movie" for "film" turns it over, most other swaps do not
    left = finding(still, "excess_drift", "map-attack")
    assert left.value == pytest.approx(0.0, abs=1e-9)
    shown = turned.evidence["worst"]
    assert isinstance(shown, TextExhibit)
    swaps = [(one.was, one.text.strip()) for one in shown.rows[0].tokens if one.was]
    assert swaps == [("film", "movie")]


def test_a_text_without_synonyms_is_not_attacked():
    subject = gated(12.0)
    plain = Subject(subject.model, text_data(["winter river garden sea"] * 12, [1] * 12))
    kept = finding(measured(AttributionDrift(), plain), "kept_answers", "map-attack")
    assert (kept.value, kept.n) == (None, 0)


def test_words_that_neither_change_touches_are_found_in_both():
    text = "one two three four"
    first = Mistyped("one twoo three four", (Change(4, 8, "two"),))
    second = Mistyped("o two three four", (Change(0, 1, "one"),))
    found = untouched_by_both(text, first, second)
    for places, changed in zip(found, (text, first.text, second.text), strict=True):
        assert [changed[a:b] for a, b in places] == ["three", "four"]


def test_a_row_shows_the_text_before_and_after():
    shown = measured(TEXTS, reviews(attentive=True)).evidence["random"]
    assert isinstance(shown, TextExhibit)
    text = "".join(token.text for token in shown.rows[0].tokens)
    assert text.startswith("Before: ")
    assert "\nAfter: " in text
    assert sum(token.was is not None for token in shown.rows[0].tokens) in (1, 2)


@pytest.mark.parametrize("severity", [1, 5])
def test_words_that_are_left_alone_are_found_behind_every_change(severity: int):
    text = "A fine day, isn't it: the cat-like dog sat down on 3 old mats and slept well"
    vocabulary = Vocabulary.of(["many short words of another text", "and long ones: considerably"])
    for seed in range(30):
        key = keys_of(seed, "typos", ["one"])
        mistyped = typos([text], severity, key)[0]
        twin = vocabulary.exchanged(text, mistyped, key)
        assert twin is not None
        found = [untouched(text, one) for one in (mistyped, twin)]
        assert found[0].before == found[1].before
        for one, changed in zip(found, (mistyped, twin), strict=True):
            assert one.before
            assert [text[a:b] for a, b in one.before] == [changed.text[a:b] for a, b in one.after]
        for change in twin.changes:
            assert twin.text[change.start : change.end] in vocabulary.words
            assert twin.text[change.start : change.end].lower() != change.was.lower()
        assert [one.was for one in twin.changes] == [one.was for one in mistyped.changes]


def test_texts_without_another_word_have_no_twin():
    key = keys_of(0, "typos", ["one"])
    mistyped = typos(["word"], 1, key)[0]
    assert Vocabulary.of(["word Word"]).exchanged("word", mistyped, key) is None


# --- all -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "make"), [(CHECK, broken), (TEXTS, lambda: reviews(attentive=True))]
)
def test_shards_do_not_matter(check: AttributionDrift, make):
    whole, parts = measured(check, make()), measured(check, make(), shard_size=5)
    assert whole.findings == parts.findings
    assert whole.evidence == parts.evidence


@pytest.mark.parametrize(
    "method", ["occlusion", "gradient", "smoothgrad", "expected-gradients", "gradcam", "lime"]
)
def test_other_methods_can_be_asked_for(method: str):
    model = small_cnn()
    torch.manual_seed(0)
    images = torch.rand(4, 1, 8, 8)
    labels = model.predict(images).argmax(dim=1)
    data = image_data(images, labels, classes=("0", "1", "2"))
    check = AttributionDrift(
        method=method, kinds=("gaussian-noise",), steps=2, nodes=2, minimum_n=2, grid=4
    )
    outcome = measured(check, Subject(model, data))
    assert finding(outcome, "kept_answers", "gaussian-noise").n == 4
    assert finding(outcome, "rank_correlation", "gaussian-noise").value is not None


def test_a_method_that_does_not_suit_the_network_says_nothing():
    outcome = measured(AttributionDrift(method="gradcam", kinds=("brightness",)), linear_subject(3))
    assert all(one.value is None for one in outcome.findings)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"max_inputs": 1}, "max_inputs is 1"),
        ({"steps": 0}, "steps is 0"),
        ({"words": 0}, "words is 0"),
        ({"grid": 1}, "grid is 1"),
        ({"nodes": 0}, "nodes is 0"),
        ({"minimum_n": 1}, "minimum_n is 1"),
        ({"epsilon": 0.0}, "epsilon is 0.0"),
        ({"top": 1.0}, "top is 1.0"),
        ({"severity": 6}, "severity is 6"),
        ({"method": "oclusion"}, "Did you mean 'occlusion'"),
        ({"kinds": ("mist",)}, "no corruption 'mist'"),
    ],
)
def test_parameters_outside_their_range_are_refused(parameters: dict, said: str):
    with pytest.raises(ConfigError, match=said):
        AttributionDrift(**parameters)
