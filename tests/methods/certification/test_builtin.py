"""Bounds of every built-in image model: sound, or refused by name."""

from __future__ import annotations

import pytest
import torch

from auditkit.methods.certification.balls import Inputs
from auditkit.methods.certification.certificate import CROWN, INTERVAL, Certifier
from auditkit.methods.certification.crown import lower_bounds
from auditkit.models.catalogue import MODELS
from auditkit.models.classifier import ImageClassifier
from auditkit.models.load import ModelSpec, load_model

IMAGES = [name for name, card in MODELS.items() if card.modality == "image"]
QUICK = ("digits-cnn", "digits-vit", "fashion-lenet5", "fashion-alexnet", "fashion-resnet-int8")


@pytest.mark.parametrize(
    "name",
    [one if one in QUICK else pytest.param(one, marks=pytest.mark.slow) for one in IMAGES],
)
def test_no_image_of_the_ball_leaves_the_bounds(name: str) -> None:
    model = load_model(ModelSpec(source=name))
    assert isinstance(model, ImageClassifier)
    prover = Certifier(
        model.logits, model.input_shape, bounds=model.bounds, device=model.device, effort=0.0
    )
    rng = torch.Generator().manual_seed(1)
    one = torch.rand(1, *model.input_shape, generator=rng)
    k = len(model.classes)
    for epsilon in (0.0, 1e-4, 0.01):
        inputs = Inputs.around(one, epsilon=epsilon, norm="linf", bounds=model.bounds)
        signs = torch.rand(8, *model.input_shape, generator=rng).round() * 2 - 1
        near = (one.double() + (1 - 1e-6) * epsilon * signs).clamp(*model.bounds).float()
        logits = model.predict(torch.cat([one, near])).double()
        label = int(logits[0].argmax())
        weights = -torch.eye(k, dtype=torch.float64)
        weights[:, label] += 1
        for kind, boxes in prover._bounds(inputs):
            if kind not in (INTERVAL, CROWN):
                break
            box = boxes[prover.output]
            with torch.no_grad():
                lower = lower_bounds(
                    prover.operations, boxes, inputs, weights[:, None],
                    start=prover.output, relaxed=kind == CROWN,
                )  # fmt: skip
            assert (logits >= box.low).all(), kind
            assert (logits <= box.high).all(), kind
            assert (logits @ weights.T >= lower).all(), kind
            if epsilon == 0.0 and name in ("digits-cnn", "fashion-lenet5") and kind == CROWN:
                assert float((logits[0] @ weights.T - lower).max()) < 0.5, "rounding is small"
