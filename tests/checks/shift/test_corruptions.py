"""Mirrors auditkit/checks/shift/corruptions.py."""

from __future__ import annotations

import base64
import tracemalloc
from dataclasses import replace
from io import BytesIO
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from auditkit.checks.base import NotApplicable
from auditkit.checks.shift.corruptions import Corruptions
from auditkit.errors import ConfigError, ModelError
from auditkit.findings import Curve, ImageExhibit, Matrix, Note
from auditkit.methods.corruptions.catalogue import CORRUPTIONS, STANDARD
from auditkit.methods.metrics.corruption_error import ALEXNET, ALEXNET_CLEAN
from auditkit.models.classifier import ImageClassifier
from auditkit.randomness import keys_of
from auditkit.statistics import newcombe_paired
from tests.subjects import Subject, image_data, measured, run_check, values

CHECK = Corruptions(severities=(1, 4), kinds=("gaussian-noise", "defocus-blur", "pixelate"))
REVEALS = "mean_corruption_error"
SHAPE = (1, 16, 16)


class FineTexture(nn.Module):
    """Says 1 where neighbouring pixels differ: noise adds such energy, blur takes it away."""

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 1, h, w) to logits (n, 2)."""
        energy = images.diff(dim=3).abs().mean(dim=(1, 2, 3))
        return torch.stack([torch.zeros_like(energy), 100 * (energy - 0.03)], dim=1)


class Light(nn.Module):
    """Says 1 where the whole image is light."""

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 1, h, w) to logits (n, 2)."""
        light = images.mean(dim=(1, 2, 3))
        return torch.stack([torch.zeros_like(light), 10 * (light - 0.5)], dim=1)


def pictures(n: int = 60) -> tuple[Tensor, Tensor]:
    """Class 0 is dark and smooth, class 1 light with a faint checkerboard: two cues, one label."""
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 2
    light = torch.where(labels == 1, 0.75, 0.15) + 0.1 * torch.rand(n, generator=rng)
    board = (torch.arange(16)[:, None] + torch.arange(16)[None, :]) % 2 - 0.5
    strength = labels * (0.04 + 0.08 * torch.rand(n, generator=rng))
    return (light[:, None, None] + strength[:, None, None] * board)[:, None], labels


def subject(module: nn.Module, *, wrong: int = 0) -> Subject:
    images, labels = pictures()
    labels[:wrong] = 1 - labels[:wrong]
    model = ImageClassifier(module, classes=("0", "1"), input_shape=SHAPE)
    return Subject(model, image_data(images, labels))


def broken() -> Subject:
    return subject(FineTexture())


def sound() -> Subject:
    return subject(Light())


@pytest.mark.parametrize("wrong", [0, 7])
def test_equals_a_loop_by_hand(wrong: int) -> None:
    one = subject(FineTexture(), wrong=wrong)
    check = Corruptions(severities=(2, 5), kinds=("gaussian-noise", "brightness", "pixelate"))
    found = values(measured(check, one, seed=3))
    images, labels = torch.from_numpy(one.data.read(np.arange(60))), one.data.labels
    clean = [
        int(one.model.logits(image[None]).argmax()) == y
        for image, y in zip(images, labels, strict=True)
    ]
    errors: list[float] = []
    for kind in check.kinds:
        keys = keys_of(3, f"corruptions/{kind}", one.data.ids)
        of_kind: list[float] = []
        for severity in check.severities:
            right = []
            for i in range(60):
                changed = CORRUPTIONS[kind](images[i : i + 1], severity, keys[i : i + 1])
                right.append(int(one.model.logits(changed).argmax()) == labels[i])
            where = f"corruption={kind},severity={severity}"
            assert found[f"accuracy/{where}"] == pytest.approx(np.mean(right))
            drop = np.mean(clean) - np.mean(right)
            assert found[f"accuracy_drop/{where}"] == pytest.approx(drop)
            of_kind.append(1 - float(np.mean(right)))
        assert found[f"corruption_error/corruption={kind}"] == pytest.approx(np.mean(of_kind))
        errors += of_kind
    assert found["mean_corruption_error"] == pytest.approx(np.mean(errors))
    assert 0.1 < float(np.mean(errors)) < 0.9  # otherwise the loop has tested little


def test_intervals_are_paired_and_by_input() -> None:
    one = subject(FineTexture(), wrong=5)
    outcome = measured(CHECK, one)
    by_id = {finding.id: finding for finding in outcome.findings}
    clean = one.model.predict(torch.from_numpy(one.data.read(np.arange(60)))).argmax(1).numpy()
    clean = clean == one.data.labels
    keys = keys_of(0, "corruptions/gaussian-noise", one.data.ids)
    images = torch.from_numpy(one.data.read(np.arange(60)))
    changed = one.model.predict(CORRUPTIONS["gaussian-noise"](images, 4, keys)).argmax(1).numpy()
    right = changed == one.data.labels
    drop = by_id["corruptions/accuracy_drop/all/corruption=gaussian-noise,severity=4"]
    cells = [(clean & right), (clean & ~right), (~clean & right), (~clean & ~right)]
    expected = newcombe_paired(*(int(cell.sum()) for cell in cells))
    assert (drop.low, drop.high) == pytest.approx(expected)
    assert drop.interval == "newcombe-paired"
    assert {finding.n for finding in outcome.findings} == {60}
    assert by_id["corruptions/mean_corruption_error/all"].interval == "bootstrap"


@pytest.mark.parametrize("model", [FineTexture, Light])
def test_shards_change_nothing(model: type[nn.Module]) -> None:
    one = subject(model(), wrong=3)
    whole, parts = measured(CHECK, one), measured(CHECK, one, shard_size=7)
    assert whole.findings == parts.findings
    assert whole.evidence == parts.evidence


def test_raw_units_change_nothing() -> None:
    """The same pictures in 0 to 255, or in -1 to 1, are corrupted to the same degree."""
    images, labels = pictures()
    reference = values(measured(CHECK, subject(FineTexture())))
    for low, high in ((0.0, 255.0), (-1.0, 1.0)):
        model = ImageClassifier(
            FineTexture(), classes=("0", "1"), input_shape=SHAPE,
            bounds=(low, high), mean=[low], std=[high - low],
        )  # fmt: skip
        raw = Subject(model, image_data(low + images * (high - low), labels))
        assert values(measured(CHECK, raw)) == reference


def test_the_flaw_is_revealed_where_it_is() -> None:
    flawed, fine = values(measured(CHECK, broken())), values(measured(CHECK, sound()))
    assert fine["mean_corruption_error"] == 0
    assert cast("float", flawed["corruption_error/corruption=gaussian-noise"]) > 0.3
    assert cast("float", flawed["mean_corruption_error"]) > 0.2


def test_another_seed_draws_other_noise() -> None:
    one = broken()
    check = Corruptions(kinds=("gaussian-noise",), severities=(1,))
    first, again, other = (measured(check, one, seed=seed).evidence["worst"] for seed in (0, 0, 1))
    assert first == again
    assert first != other  # the noise can be seen in the pictures


def test_evidence_says_what_the_findings_say() -> None:
    outcome = measured(CHECK, broken())
    found = values(outcome)
    matrix, curve = outcome.evidence["matrix"], outcome.evidence["curve"]
    assert isinstance(matrix, Matrix)
    assert isinstance(curve, Curve)
    for row, kind in enumerate(CHECK.kinds):
        series = curve.series[row]
        assert (series.name, series.x, series.y[0]) == (kind, [0, 1, 4], 1.0)
        for column, severity in enumerate(CHECK.severities):
            value = found[f"accuracy/corruption={kind},severity={severity}"]
            assert matrix.values[row][column] == value
            assert series.y[column + 1] == value
    named = {key for finding in outcome.findings for key in finding.evidence}
    assert named <= set(outcome.evidence)


def test_the_worst_images_are_shown_clean_and_corrupted() -> None:
    one = broken()
    exhibit = measured(CHECK, one).evidence["worst"]
    assert isinstance(exhibit, ImageExhibit)
    assert len(exhibit.rows) == 6
    row = exhibit.rows[0]
    assert "severity 1" in row.caption
    position = one.data.ids.index(row.id)
    clean, changed = (
        np.asarray(Image.open(BytesIO(base64.b64decode(panel.png)))) / 255
        for panel in row.panels
        if panel.kind == "picture"
    )
    images = torch.from_numpy(one.data.read(np.array([position])))  # (1, 1, 16, 16)
    np.testing.assert_allclose(clean, images[0, 0], atol=1 / 255)
    assert clean.shape == changed.shape == (16, 16)
    kind = next(kind for kind in CHECK.kinds if kind in row.caption)
    keys = keys_of(0, f"corruptions/{kind}", [row.id])
    expected = CORRUPTIONS[kind](images, 1, keys)
    np.testing.assert_allclose(changed, expected[0, 0], atol=1 / 255)
    assert "worst" not in measured(CHECK, sound()).evidence


def test_what_was_wrong_when_clean_is_not_shown_as_fallen() -> None:
    one = subject(FineTexture(), wrong=20)
    exhibit = measured(CHECK, one).evidence["worst"]
    assert isinstance(exhibit, ImageExhibit)
    assert all(int(row.id) >= 20 for row in exhibit.rows)


def test_the_note_names_constants_and_codec() -> None:
    note = measured(Corruptions(severities=(1,)), sound()).evidence["constants"]
    assert isinstance(note, Note)
    assert "16 x 16" in note.text
    assert "below 32" in note.text
    assert "Pillow" in note.text
    assert "HSV" in note.text


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 1, 1), (4, 9, 13)])
def test_small_and_odd_images_get_an_outcome(shape: tuple[int, int, int]) -> None:
    images = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    model = ImageClassifier(Light(), classes=("0", "1"), input_shape=shape)
    outcome = measured(Corruptions(), Subject(model, image_data(images, [0, 1])))
    n_kinds = 19 if shape[0] == 3 else 18  # grey has no saturation
    assert len(outcome.findings) == 1 + n_kinds * 11
    for finding in outcome.findings:  # two inputs leave everything open
        assert cast("float", finding.low) < cast("float", finding.high)


def test_the_mean_is_over_the_standard_ones_and_says_so() -> None:
    check = Corruptions(severities=(3,), kinds=("gaussian-noise", "speckle-noise"))
    outcome = measured(check, subject(FineTexture()))
    found = values(outcome)
    standard = found["corruption_error/corruption=gaussian-noise"]
    assert found["mean_corruption_error"] == standard
    assert standard != found["corruption_error/corruption=speckle-noise"]
    note = outcome.evidence["words"]
    assert isinstance(note, Note)
    assert "1 of the fifteen standard: gaussian-noise" in note.text
    assert "not in it: speckle-noise" in note.text
    assert "not divided by the error of AlexNet" in note.text


def imagenet_like(n_classes: int = 1000) -> Subject:
    """Two bright and two dark images as large as ImageNet's; a class for each, others never."""
    images = torch.rand(4, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    images[:2] *= 0.3

    class Brightest(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            logits = torch.full((len(images), n_classes), -9.0)
            light = images.mean(dim=(1, 2, 3))
            logits[:, 0], logits[:, 1] = 0.3 - light, light - 0.3
            return logits

    classes = tuple(map(str, range(n_classes)))
    model = ImageClassifier(Brightest(), classes=classes, input_shape=(3, 224, 224))
    data = image_data(images, [0, 0, 1, 1])
    return Subject(model, replace(data, classes=classes))


def test_only_inputs_like_imagenet_are_held_against_alexnet() -> None:
    one = imagenet_like()
    outcome = measured(Corruptions(kinds=tuple(STANDARD)), one)
    found = cast("dict[str, float]", values(outcome))
    errors = {kind: found[f"corruption_error/corruption={kind}"] for kind in STANDARD}
    expected = np.mean([errors[kind] / ALEXNET[kind] for kind in STANDARD])
    assert found["normalised_mean_corruption_error"] == pytest.approx(expected)
    clean = 0.0  # all four are read rightly
    expected = np.mean([(errors[k] - clean) / (ALEXNET[k] - ALEXNET_CLEAN) for k in STANDARD])
    assert found["relative_mean_corruption_error"] == pytest.approx(expected)
    assert 0 < found["mean_corruption_error"] < 1
    note = outcome.evidence["words"]
    assert isinstance(note, Note)
    assert "errors of AlexNet on ImageNet-C" in note.text
    few = measured(Corruptions(kinds=("contrast",), severities=(1,)), imagenet_like(10))
    assert "normalised_mean_corruption_error" not in values(few)


def test_many_corruptions_are_shown_group_by_group() -> None:
    outcome = measured(Corruptions(severities=(1,)), sound())
    curves = {key: one for key, one in outcome.evidence.items() if isinstance(one, Curve)}
    assert set(curves) == {"curve-noise", "curve-blur", "curve-weather", "curve-digital"}
    shown = [series.name for curve in curves.values() for series in curve.series]
    assert sorted(shown) == sorted(set(CORRUPTIONS) - {"saturate"})  # the images are grey
    for finding in outcome.findings:
        assert set(finding.evidence) <= set(outcome.evidence)


def test_colour_alone_cannot_be_changed_in_grey_images() -> None:
    one = sound()
    nothing = Corruptions(kinds=("saturate",)).applies(one.model, one.data)
    assert isinstance(nothing, NotApplicable)
    assert "colour" in nothing.reason


def test_one_changed_copy_is_held_at_a_time() -> None:
    """Five severities of all corruptions need no more memory than one: copies are not kept."""
    one = subject(Light())

    def peak(severities: tuple[int, ...]) -> int:
        check = Corruptions(severities=severities)
        measured(check, one)  # tables and filters are made once
        tracemalloc.start()
        measured(check, one)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    more = peak((1, 2, 3)) - peak((3,))
    images = 60 * 16 * 16 * 4  # bytes
    assert more < 0.5 * 2 * (len(CORRUPTIONS) - 1) * images


def test_nan_under_corruption_is_an_error_not_a_class() -> None:
    class BreaksWhenBright(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            light = images.amax(dim=(1, 2, 3))
            return torch.stack([light, (0.99 - light).sqrt()], dim=1)

    with pytest.raises(ModelError, match="brightness at severity 5"):
        measured(Corruptions(kinds=("brightness",), severities=(5,)), subject(BreaksWhenBright()))


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"severities": (0,)}, "from 1 to 5"),
        ({"severities": (1, 6)}, "from 1 to 5"),
        ({"severities": ()}, "empty"),
        ({"severities": (2, 2)}, "twice"),
        ({"kinds": ("pixelates",)}, "Did you mean 'pixelate'"),
        ({"kinds": ()}, "empty"),
        ({"kinds": ("pixelate", "pixelate")}, "twice"),
    ],
)
def test_bad_parameters_are_refused(parameters: dict[str, tuple[object, ...]], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Corruptions(**parameters)  # type: ignore[arg-type]


def test_it_is_about_images() -> None:
    one = sound()
    one.model.modality = "text"
    assert isinstance(CHECK.applies(one.model, one.data), NotApplicable)
    assert run_check(CHECK, sound()) is not None
