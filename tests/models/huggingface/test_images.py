"""Mirrors auditkit/models/huggingface/images.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from auditkit.errors import ModelError
from auditkit.models.classifier import ImageClassifier
from auditkit.models.huggingface.folder import Folder
from auditkit.models.huggingface.images import prepared
from tests.models.huggingface.folders import transformers

VIT = {
    "do_resize": True,
    "size": {"height": 8, "width": 6},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.4, 0.5, 0.6],
    "image_std": [0.2, 0.3, 0.25],
}


def folder(preprocessor: dict[str, Any], **config: Any) -> Folder:
    return Folder(
        path=Path("m"),
        architecture="XForImageClassification",
        task="image",
        config=config,
        preprocessor=preprocessor,
    )


class Echo(torch.nn.Module):
    """Keeps what it is shown."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen = images
        return images.flatten(1)[:, :2]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"do_normalize": False},
        {"rescale_factor": 1 / 127.5},
        {"do_rescale": False},
        {"image_mean": [0.0, 0.0, 0.0], "image_std": [1.0, 1.0, 1.0]},
    ],
)
def test_images_are_prepared_as_the_processor_does(changes: dict[str, Any]) -> None:
    settings = VIT | changes
    how = prepared(folder(settings))
    pixels = np.random.default_rng(0).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    processor = transformers.ViTImageProcessorPil(**settings)
    truth = processor(pixels, return_tensors="pt", input_data_format="channels_last").pixel_values
    echo = Echo()
    model = ImageClassifier(
        echo,
        classes=("a", "b"),
        input_shape=how.input_shape,
        mean=how.normalisation.mean,
        std=how.normalisation.std,
        layout=how.layout,
    )
    model.logits(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255)
    torch.testing.assert_close(echo.seen, truth.float(), rtol=1e-5, atol=1e-5)
    assert how.input_shape == (3, 8, 6)


@pytest.mark.parametrize(
    ("preprocessor", "config", "shape"),
    [
        ({"size": 16}, {}, (3, 16, 16)),
        ({"size": {"shortest_edge": 20}}, {"num_channels": 1}, (1, 20, 20)),
        ({"size": {"shortest_edge": 20}, "do_center_crop": True, "crop_size": 16}, {}, (3, 16, 16)),
        ({"size": 20, "do_center_crop": False, "crop_size": 16}, {}, (3, 20, 20)),
        ({"size": [8, 6]}, {}, (3, 8, 6)),
        ({}, {"image_size": 12}, (3, 12, 12)),
        ({}, {"image_size": [12, 10]}, (3, 12, 10)),
    ],
)
def test_sizes(
    preprocessor: dict[str, Any], config: dict[str, Any], shape: tuple[int, int, int]
) -> None:
    assert prepared(folder(preprocessor, **config)).input_shape == shape


def test_channels_turned_around() -> None:
    how = prepared(folder({"size": 8, "do_flip_channel_order": True}))
    assert how.layout == "bgr"
    assert how.normalisation.mean is None
    with pytest.raises(ModelError, match="turns the channels around"):
        prepared(folder(VIT | {"do_flip_channel_order": True}))


def test_resizing_is_left_to_the_user_and_noted() -> None:
    settings = VIT | {"crop_pct": 0.9, "resample": 3}
    (note,) = prepared(folder(settings)).notes
    assert "expected at 6 by 8 pixels" in note
    assert "(bicubic), and the middle is cut out" in note
    assert prepared(folder(VIT | {"do_resize": False})).notes == ()
    (note,) = prepared(folder({}, image_size=8)).notes
    assert "There is no preprocessor_config.json" in note


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"include_top": True}, "asks for include_top, which auditkit cannot do"),
        ({"do_pad": True}, "asks for do_pad"),
        ({"image_mean": None}, "does not say image_mean"),
        ({"image_std": [1.0, 1.0]}, "2 values of image_std, and images have 3 channels"),
        ({"image_mean": ["x", 0, 0]}, "has 'x' for a number"),
        ({"size": {"height": -1, "width": 6}}, "does not say which size"),
        ({"size": 10**9}, "does not say which size"),
    ],
)
def test_what_has_no_equal_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        prepared(folder(VIT | changes))
    assert prepared(folder(VIT | {"do_pad": False, "rescale_offset": None})).input_shape[0] == 3
