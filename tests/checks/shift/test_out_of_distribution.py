"""Mirrors auditkit/checks/shift/out_of_distribution.py."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from auditkit.checks.base import Measured, NotApplicable
from auditkit.checks.shift.out_of_distribution import OutOfDistribution
from auditkit.data.dataset import InMemory
from auditkit.errors import ConfigError
from auditkit.findings import Finding, ImageExhibit, Matrix, Note
from auditkit.methods.ood.mahalanobis import mahalanobis, whitening
from auditkit.methods.ood.strange_images import uniform_noise
from auditkit.models.classifier import ImageClassifier
from auditkit.models.tabular import TabularClassifier
from auditkit.randomness import keys_of
from tests.checks.shift.test_typos import text_data, text_model
from tests.subjects import Subject, graph_subject, image_data, measured, run_check, table_subject

CHECK = OutOfDistribution()
REVEALS = "detection_auroc"


class OnePixel(nn.Module):
    """Looks at the first pixel alone, which noise has too."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(2, 2)

    def forward(self, images: Tensor) -> Tensor:
        light = images[:, 0, 0, 0]
        return self.head(torch.stack([light, 1 - light], dim=1))


def subject(module: nn.Module, *, n: int = 160) -> Subject:
    """Flat images of any brightness: dark ones and light ones, hardly any noise."""
    rng = torch.Generator().manual_seed(0)
    light = torch.rand(n, generator=rng)
    images = light[:, None, None, None] + 0.01 * torch.randn(n, 1, 4, 4, generator=rng)
    model = ImageClassifier(module, classes=("dark", "light"), input_shape=(1, 4, 4))
    return Subject(model, image_data(images.clamp(0, 1), (light > 0.5).long()))


def _set(layer: nn.Linear, weight: Tensor) -> None:
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.fill_(1.0)


def broken() -> Subject:
    module = OnePixel()
    _set(module.head, torch.tensor([[0.0, 8.0], [8.0, 0.0]]))
    return subject(module)


def sound() -> Subject:
    layer = nn.Linear(16, 2)
    _set(layer, torch.tensor([[-0.5], [0.5]]).expand(2, 16))
    return subject(nn.Sequential(nn.Flatten(), layer))


def of(outcome: Measured, metric: str, **swept: str) -> Finding:
    return next(
        one
        for one in outcome.findings
        if one.metric == metric and all(one.params.get(k) == v for k, v in swept.items())
    )


@pytest.fixture(scope="module")
def seen() -> Measured:
    return measured(CHECK, sound())


def test_features_that_see_everything_tell_noise_and_one_pixel_does_not(seen: Measured) -> None:
    noise = of(seen, "auroc", score="mahalanobis", source="uniform-noise")
    assert noise.value == 1
    assert 0.9 < cast("float", noise.low) < 1
    blind = of(measured(CHECK, broken()), "auroc", score="msp", source="uniform-noise")
    assert cast("float", blind.low) < 0.5 < cast("float", blind.high)


def test_equals_a_derivation_by_hand(seen: Measured) -> None:
    """Which inputs were fitted on is read from the records; the rest is done again."""
    one = sound()
    records = CHECK.measure(one.artifacts)
    images = torch.from_numpy(np.asarray(one.data.read(np.arange(160))))
    fitted = records["part"] == 0
    assert np.bincount(records["part"]).tolist() == [80, 40, 40]
    flat = images.flatten(1).double().numpy()
    labels = one.data.labels[fitted]
    means = np.stack([flat[fitted][labels == c].mean(axis=0) for c in (0, 1)])
    whitener = whitening(flat[fitted], labels)
    keys = keys_of(0, "out-of-distribution/uniform-noise", one.data.ids)
    noise = uniform_noise(images, keys).flatten(1).double().numpy()[~fitted]
    scores = [mahalanobis(x, means, whitener) for x in (flat[~fitted], noise)]
    np.testing.assert_allclose(records["mahalanobis/inputs"][~fitted], scores[0], rtol=1e-4)
    truth = np.repeat([0, 1], 80)
    area = roc_auc_score(truth, np.concatenate(scores))
    assert of(seen, "auroc", score="mahalanobis", source="uniform-noise").value == area
    logits = one.model.predict(images).double().numpy()
    confidence = np.exp(logits - np.log(np.exp(logits).sum(1, keepdims=True))).max(axis=1)
    strange = one.model.predict(uniform_noise(images, keys)).double()[torch.from_numpy(~fitted)]
    sure = strange.softmax(dim=1).amax(dim=1).numpy()
    area = roc_auc_score(truth, -np.concatenate([confidence[~fitted], sure]))
    assert of(seen, "auroc", score="msp", source="uniform-noise").value == pytest.approx(area)


def test_the_main_number_is_measured_where_nothing_was_chosen(seen: Measured) -> None:
    head, note = of(seen, "detection_auroc"), seen.evidence["suits"]
    assert head.n == 40
    assert of(seen, "mean_auroc").n == 80
    assert isinstance(note, Note)
    assert note.text.split()[0] in CHECK.scores
    assert "for these sources" in note.text
    assert "better than chance" not in note.text
    blind = measured(OutOfDistribution(scores=("msp",)), broken()).evidence["suits"]
    assert isinstance(blind, Note)
    assert "better than chance" in blind.text
    matrix = seen.evidence["areas"]
    assert isinstance(matrix, Matrix)
    assert "out-of-distribution inputs count as positive" in matrix.title
    row = matrix.values[matrix.rows.index("knn")]
    assert of(seen, "mean_auroc", score="knn").value == pytest.approx(np.mean(cast("list", row)))


def test_scores_do_not_tell_inputs_from_themselves(seen: Measured) -> None:
    assert of(seen, "contradicted_controls").value == 0
    for name in CHECK.scores:
        control = of(seen, "control_auroc", score=name)
        assert cast("float", control.low) < 0.5 < cast("float", control.high)
    assert "out-of-distribution/contradicted_controls/all" in of(seen, "detection_auroc").controls


def test_the_surest_answer_to_each_source_is_shown(seen: Measured) -> None:
    gallery = seen.evidence["worst"]
    assert isinstance(gallery, ImageExhibit)
    sources = {
        "uniform-noise",
        "gaussian-noise",
        "shuffled-pixels",
        "corrupted",
        "digits",
        "glyphs",
    }
    assert {row.caption.split(",")[0] for row in gallery.rows} == sources


def test_other_data_smaller_than_the_sample_stands_beside_some_inputs_once() -> None:
    records = CHECK.measure(subject(OnePixel(), n=1000).artifacts)
    assert records.count("there/digits") == 450
    assert records.count("there/glyphs") == records.count("there/inputs") == 500


def test_its_own_data_is_no_other_data() -> None:
    one = sound()
    data = dataclasses.replace(one.data, name="digits")
    found = CHECK.measure(Subject(one.model, data).artifacts)
    assert "there/digits" not in found.columns


def test_data_of_the_users_own_are_one_more_source_and_no_part_of_the_mean(
    tmp_path: Path, seen: Measured
) -> None:
    rng = np.random.default_rng(0)
    light = rng.random(120)[:, None, None, None]
    usual = np.clip(light + 0.01 * rng.normal(size=(120, 1, 4, 4)), 0, 1)
    shift: list[str] = []
    for name, images in (("digits", usual), ("noise", rng.random((120, 1, 4, 4)))):
        np.savez(tmp_path / f"{name}.npz", x=images.astype(np.float32))
        shift.append(f"{name}={tmp_path / name}.npz")
    found = measured(OutOfDistribution(shift=tuple(shift)), sound())
    like = of(found, "auroc", score="mahalanobis", source="shift-digits")
    assert cast("float", like.low) < 0.5 < cast("float", like.high)
    assert of(found, "auroc", score="mahalanobis", source="shift-noise").value == 1
    before = {one.id: one.value for one in seen.findings}
    after = {one.id: one.value for one in found.findings if "shift-" not in one.id}
    assert after == before
    note = found.evidence["convention"]
    assert isinstance(note, Note)
    assert "Data of your own are no part of any mean" in note.text
    parts = measured(OutOfDistribution(shift=tuple(shift)), sound(), shard_size=50)
    assert {one.id: one.value for one in parts.findings} == {
        one.id: one.value for one in found.findings
    }


def test_scores_that_cannot_be_had_say_why() -> None:
    class Squared(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1)[:, :2] ** 2

    outcome = measured(CHECK, subject(Squared()))
    for name in ("vim", "react"):
        finding = of(outcome, "mean_auroc", score=name)
        assert finding.value is None
        assert "not applicable: the weights of a last linear layer" in str(finding.undefined)
    assert of(outcome, "mean_auroc", score="knn").value is not None


def test_answers_that_are_no_numbers_are_undefined_not_ranked() -> None:
    class Breaks(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            light = images.mean(dim=(1, 2, 3))
            rough = images.std(dim=(1, 2, 3))
            return torch.stack([light, (0.2 - rough).sqrt()], dim=1)

    outcome = measured(CHECK, subject(Breaks()))
    noise = of(outcome, "auroc", score="msp", source="uniform-noise")
    assert noise.value is None
    assert "NaN" in str(noise.undefined)
    assert of(outcome, "detection_auroc").value is None


def test_texts_are_set_against_words_without_order() -> None:
    rng = np.random.default_rng(0)
    labels = [i % 2 for i in range(60)]
    texts = [
        " ".join(rng.choice(["good", "lovely"] if y else ["awful", "boring"], 7)) for y in labels
    ]
    outcome = measured(CHECK, Subject(text_model(first_only=False), text_data(texts, labels)))
    matrix = outcome.evidence["areas"]
    assert isinstance(matrix, Matrix)
    assert matrix.columns == ["shuffled-words", "random-words", "random-letters", "phrases"]
    letters = of(outcome, "auroc", score="msp", source="random-letters")
    assert letters.value == 1  # unknown words alone: the answer is a coin
    assert of(outcome, "auroc", score="msp", source="shuffled-words").value == 0.5


def test_tables_and_graphs_have_sources_of_their_own() -> None:
    table, graph = table_subject(), graph_subject()
    assert isinstance(table.model, TabularClassifier)
    rows = np.asarray(table.data.read(np.arange(4)))[np.arange(40) % 4].copy()
    rows[:, 0] += np.arange(40) % 9
    data = dataclasses.replace(
        table.data, reader=InMemory(rows), labels=np.arange(40) % 2,
        ids=tuple(map(str, range(40))), rows=np.arange(40), available=40,
        attributes=table.data.attributes.iloc[np.arange(40) % 4].reset_index(drop=True),
    )  # fmt: skip
    found = CHECK.measure(Subject(table.model, data).artifacts)
    assert {"there/mixed-columns", "there/uniform-rows", "there/out-of-range"} <= set(found.columns)
    arrays = np.asarray(graph.data.read(np.arange(4)))[np.arange(40) % 4]
    data = dataclasses.replace(
        graph.data, reader=InMemory(arrays), labels=np.arange(40) % 2, ids=data.ids,
        rows=np.arange(40), available=40, attributes=data.attributes,
    )  # fmt: skip
    outcome = measured(CHECK, Subject(graph.model, data))
    assert of(outcome, "auroc", score="msp", source="shuffled-tags").n == 20


@pytest.mark.parametrize("scores", [(), ("mps",), ("msp", "msp")])
def test_bad_parameters_are_refused(scores: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        OutOfDistribution(scores=scores)


def test_too_few_inputs_are_no_two_halves() -> None:
    one = subject(OnePixel(), n=19)
    assert isinstance(CHECK.applies(one.model, one.data), NotApplicable)
    assert isinstance(run_check(CHECK, subject(OnePixel(), n=20)), Measured)
