"""Masked gradient: the network is as easy to fool as before, but its gradients no longer show how.

The masks are modules around the same weights. They are put on when the twins are made, because a
bundle holds no such module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn

from auditkit.data import digits
from auditkit.data.dataset import Dataset
from auditkit.methods.attacks.pgd_linf import pgd_linf
from auditkit.models.classifier import Classifier, ImageClassifier
from auditkit.selftest.base import Flaw, Symptom, Twins
from auditkit.selftest.plain import plain_digits
from auditkit.selftest.store import Store
from auditkit.selftest.symptoms import share_changed
from auditkit.selftest.teach import as_digit_reader, images_of, labels_of

EPSILON = 0.1  # of the symptom
_ATTACKED = 200  # images of the symptom


@final
class QuantisedInput(nn.Module):
    """Pixels are rounded to nine levels: the gradient of a step is zero."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 1, 8, 8) to logits (n, k)."""
        return self.inner((images * 8).round() / 8)


@final
class SaturatedLogits(nn.Module):
    """Probabilities of logits 10,000 times too large: in float32 all are 0 or 1, and so flat."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 1, 8, 8) to probabilities (n, k) in the place of logits."""
        return (1e4 * self.inner(images)).softmax(dim=1)


@final
class StochasticLayer(nn.Module):
    """Noise is added to every image, anew each time it is read."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.rng = torch.Generator().manual_seed(0)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 1, 8, 8) to logits (n, k)."""
        return self.inner(images + 0.15 * torch.randn(images.shape, generator=self.rng))


@final
class OpaquePreprocessing(nn.Module):
    """Pixels are cut to sixteen levels by code that autograd does not follow."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 1, 8, 8) to logits (n, k)."""
        levels = (images.detach().cpu().numpy() * 16).clip(0, 15).astype("int64")
        return self.inner(torch.from_numpy(levels).to(images) / 15)


def _plant(mask: Callable[[nn.Module], nn.Module]) -> Callable[[int, Store], Twins]:
    def plant(seed: int, store: Store) -> Twins:
        sound = store.taught(plain_digits, seed)
        return Twins(seed=seed, flawed=as_digit_reader(mask(sound.module)), sound=sound)

    return plant


def _audited() -> Dataset:
    return digits.load("test")


def _claimed(model: Classifier, twins: Twins) -> float:
    """Return the robust accuracy that a plain attack claims beyond that of the weights as such."""
    return _robust(model) - _robust(twins.sound)


def _robust(model: Classifier) -> float:
    assert isinstance(model, ImageClassifier)
    data = _audited().sample(_ATTACKED, seed=0)
    images, labels = images_of(data), labels_of(data)
    moved = pgd_linf(
        model.logits,
        images,
        labels,
        epsilon=EPSILON,
        steps=10,
        start=torch.zeros_like(images),
        bounds=model.bounds,
    )
    clean, found = (model.predict(one).argmax(dim=1) == labels for one in (images, moved))
    return float((clean & found).float().mean())


def _undecided(model: Classifier, _twins: Twins) -> float:
    images = images_of(_audited())
    return share_changed(model, images, images)


_FALSE = Symptom(label="robust accuracy claimed beyond that of the same weights", measure=_claimed)
_TWIN = "the same weights without the mask"
_CONTROLS = (
    "the attack's own controls: no gradient may be zero, and without a bound nothing may hold; and"
    " attack-controls: past the mask the same attack finds many more"
)

FLAWS = (
    Flaw(
        id="masked-gradient",
        variant="quantised",
        modality="image",
        planted="the input is rounded to nine levels",
        twin=_TWIN,
        must_reveal="attack controls",
        revealed_by=_CONTROLS,
        symptom=_FALSE,
        plant=_plant(QuantisedInput),
        data=_audited,
        quick=True,
    ),
    Flaw(
        id="masked-gradient",
        variant="saturated",
        modality="image",
        planted="logits 10,000 times too large pass through a softmax",
        twin=_TWIN,
        must_reveal="attack controls",
        revealed_by=_CONTROLS + ". Large logits alone mask nothing here: the attack's loss does"
        " not saturate.",
        symptom=_FALSE,
        plant=_plant(SaturatedLogits),
        data=_audited,
        quick=True,
    ),
    Flaw(
        id="masked-gradient",
        variant="preprocessing",
        modality="image",
        planted="the input passes through code that autograd does not follow",
        twin=_TWIN,
        must_reveal="attack controls",
        revealed_by=_CONTROLS,
        symptom=_FALSE,
        plant=_plant(OpaquePreprocessing),
        data=_audited,
        quick=True,
    ),
    Flaw(
        id="masked-gradient",
        variant="stochastic",
        modality="image",
        planted="noise is added to the input each time it is read",
        twin=_TWIN,
        must_reveal="attack controls",
        revealed_by="attack-controls: answers change when the same batch is asked again",
        symptom=Symptom(
            label="answers that change when the same image is read again", measure=_undecided
        ),
        plant=_plant(StochasticLayer),
        data=_audited,
        quick=True,
    ),
)
