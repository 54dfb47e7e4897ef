"""The attribution methods by name, and what each can be asked of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, final

import numpy as np
from torch import Tensor
from torch.nn.functional import interpolate

from auditkit.methods.saliency.attention import Attended, attended
from auditkit.methods.saliency.attention_maps import grid_of
from auditkit.methods.saliency.attention_rollout import attention_rollout
from auditkit.methods.saliency.deeplift import deeplift
from auditkit.methods.saliency.eager import eager
from auditkit.methods.saliency.expected_gradients import expected_gradients
from auditkit.methods.saliency.gradcam import CamKind, gradcam
from auditkit.methods.saliency.gradient_weighted_attention import gradient_weighted_attention
from auditkit.methods.saliency.guided_backprop import guided_backprop
from auditkit.methods.saliency.integrated_gradients import Attributed, integrated_gradients
from auditkit.methods.saliency.kernel_shap import kernel_shap
from auditkit.methods.saliency.lime import lime
from auditkit.methods.saliency.lrp import lrp
from auditkit.methods.saliency.occlusion import Value, occlusion
from auditkit.methods.saliency.probes.base import Map, Probe, floats
from auditkit.methods.saliency.probes.text import TextProbe
from auditkit.methods.saliency.rise import rise
from auditkit.methods.saliency.scores import centred
from auditkit.methods.saliency.shapley_sampling import shapley_sampling
from auditkit.methods.saliency.smoothgrad import smoothgrad
from auditkit.methods.saliency.unsuited import Unsuited
from auditkit.models.classifier import Classifier
from auditkit.randomness import normal_in_batches, uniform
from auditkit.types import Floats, Keys

# What a method promises: that its scores add up to a change, their sign, or only their size.
Promise: TypeAlias = Literal["sum", "sign", "size"]
NEGLIGIBLE = 0.01  # nats: a smaller change of a score moves a probability by less than 1 %


@final
@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much a method may spend on one input.

    Parameters
    ----------
    steps : int
        Most nodes of an integral.
    copies : int
        Noisy copies of the input.
    sets : int
        Random sets of units.
    key : ndarray
        (1,) the input's own key, from which all draws are made.
    references : Tensor, optional
        (r, ...) points of other inputs of the data, where these are of one shape.
    """

    steps: int
    copies: int
    sets: int
    key: Keys
    references: Tensor | None = None


@final
@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to make a map."""

    make: Callable[[Probe, Effort], Map]
    promise: Promise
    gradients: bool = True  # whether it needs them
    draws: bool = False  # whether luck is in its scores
    reference: bool = False  # whether they depend on the reference
    modalities: tuple[str, ...] = ("image", "text", "tabular", "graph")


class _OfSets(Protocol):
    def __call__(
        self, value: Value, units: int, *, samples: int, seed: int, batch_size: int
    ) -> Floats: ...


def map_of(probe: Probe, method: str, effort: Effort) -> Map:
    """Return the map of one of `METHODS`.

    Raises
    ------
    ValueError
        If there is no method of that name.
    """
    if method not in METHODS:
        raise ValueError(f"no map is called {method!r}")
    with eager():
        return METHODS[method].make(probe, effort)


def why_not(method: str, model: Classifier) -> str | None:
    """Return why a method cannot be used on a model, or None."""
    one = METHODS[method]
    if model.modality not in one.modalities:
        return f"it is about {' and '.join(one.modalities)} models"
    if one.gradients and not model.differentiable:
        return "it needs gradients, and this model has none"
    return None


def completeness_error(found: Attributed) -> float:
    """Return |sum of the scores - change| / |change| of one input; NaN where nothing changes."""
    change, delta = float(found.change), float(found.delta)
    return abs(delta / change) if abs(change) > NEGLIGIBLE else float("nan")


def _gradient(probe: Probe, _: Effort) -> Map:
    return Map(floats(probe.steepest(probe.slopes)), signed=False)


def _input_x_gradient(probe: Probe, _: Effort) -> Map:
    return Map(floats(probe.summed(probe.slopes * probe.point)), signed=True)


def _smoothgrad(probe: Probe, effort: Effort) -> Map:
    shape = tuple(probe.point.shape[1:])
    noise = normal_in_batches(effort.key, effort.copies, shape, batch_size=probe.batch_size)
    slopes = smoothgrad(centred(probe.quick_logits), probe.point, probe.classes(), noise=noise)
    return Map(floats(probe.steepest(slopes)), signed=False)


def _integrated_gradients(probe: Probe, effort: Effort) -> Map:
    found = integrated_gradients(
        centred(probe.quick_logits), probe.point, probe.classes(),
        reference=probe.origin, steps=effort.steps, batch_size=probe.batch_size,
    )  # fmt: skip
    return _summed(probe, found)


def _expected_gradients(probe: Probe, effort: Effort) -> Map:
    assert effort.references is not None
    found = expected_gradients(
        centred(probe.quick_logits), probe.point, probe.classes(),
        references=effort.references, batch_size=probe.batch_size,
    )  # fmt: skip
    return _summed(probe, found)


def _summed(probe: Probe, found: Attributed) -> Map:
    return Map(floats(probe.summed(found.scores)), True, completeness_error(found))


def _occlusion(probe: Probe, _: Effort) -> Map:
    return Map(probe.spread(occlusion(probe.scores, probe.units)), signed=True)


def _word_occlusion(probe: Probe, _: Effort) -> Map:
    """Occlusion of words; the tokens of a word share its score evenly."""
    assert isinstance(probe, TextProbe)
    of_word = probe.words  # (u,)
    tokens = np.bincount(of_word)  # (w,)
    falls = occlusion(lambda removed: probe.scores(removed[:, of_word]), len(tokens))
    return Map((falls / tokens)[of_word], signed=True)


def _of_sets(method: _OfSets) -> Callable[[Probe, Effort], Map]:
    """Return a maker from a method that asks for the score of random sets of units."""

    def make(probe: Probe, effort: Effort) -> Map:
        if probe.units < 2:  # nothing to tell apart
            return _occlusion(probe, effort)
        found = method(
            probe.scores,
            probe.units,
            samples=effort.sets,
            seed=int(effort.key[0]),
            batch_size=probe.batch_size,
        )
        return Map(probe.spread(found), signed=True)

    return make


def _rise(probe: Probe, effort: Effort) -> Map:
    draws = uniform(effort.key, (max(2, effort.sets), probe.units))[0]
    return Map(probe.spread(rise(probe.scores, draws=draws)), signed=True)


def _deeplift(probe: Probe, _: Effort) -> Map:
    found = deeplift(
        centred(probe.logits), probe.point, probe.classes(),
        reference=probe.origin, batch_size=probe.batch_size,
    )  # fmt: skip
    if found.unseen:
        return _out_of_sight(probe, found.unseen, signed=True)
    return _summed(probe, Attributed(*found[:3]))


def _lrp(probe: Probe, _: Effort) -> Map:
    found = lrp(
        centred(probe.logits), probe.point, probe.classes(), batch_size=probe.batch_size
    )  # its sum is not promised: biases keep a share
    if found.unseen:
        return _out_of_sight(probe, found.unseen, signed=True)
    return Map(floats(probe.summed(found.scores)), signed=True)


def _guided_backprop(probe: Probe, _: Effort) -> Map:
    found = guided_backprop(
        centred(probe.logits), probe.point, probe.classes(), batch_size=probe.batch_size
    )
    if found.unseen:
        return _out_of_sight(probe, found.unseen, signed=False)
    return Map(floats(probe.steepest(found.scores)), signed=False)


def _of_activations(kind: CamKind) -> Callable[[Probe, Effort], Map]:
    """Return a maker of one of the GradCAM family."""

    def make(probe: Probe, _: Effort) -> Map:
        found = gradcam(centred(probe.logits), probe.point, probe.classes(), kind=kind)
        signed = kind == "hirescam"
        if isinstance(found, Unsuited):
            return _none(probe, found.reason, signed=signed)
        return Map(floats(found.maps[0]), signed=signed)

    return make


def _guided_gradcam(probe: Probe, effort: Effort) -> Map:
    """Guided backpropagation where GradCAM points to (Selvaraju et al., 2017, section 3.2)."""
    guided, cam = _guided_backprop(probe, effort), _of_activations("gradcam")(probe, effort)
    unsuited = guided.unsuited or cam.unsuited
    if unsuited:
        return _none(probe, unsuited, signed=False)
    return Map(guided.scores * cam.scores, signed=False)


def _of_attention(
    method: Callable[[Attended], Tensor | Unsuited],
) -> Callable[[Probe, Effort], Map]:
    """Return a maker of a map that is made of attention weights."""

    def make(probe: Probe, _: Effort) -> Map:
        attention = attended(centred(probe.logits), probe.point, probe.classes())
        if isinstance(attention, Unsuited):
            return _none(probe, attention.reason, signed=False)
        found = method(attention)
        if isinstance(found, Unsuited):
            return _none(probe, found.reason, signed=False)
        grid = grid_of(attention, probe.point)
        if isinstance(grid, Unsuited):
            return _none(probe, grid.reason, signed=False)
        if isinstance(probe, TextProbe):
            return Map(floats(probe.summed(found[:, :, None])), signed=False)
        return Map(floats(_enlarged(grid.of(found), probe.shape)), signed=False)

    return make


def _enlarged(maps: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return a grid of patches (1, h', w') as a map (h, w), nearest patch."""
    return interpolate(maps[:, None].float(), size=shape, mode="nearest")[0, 0]


def _out_of_sight(probe: Probe, unseen: Sequence[str], *, signed: bool) -> Map:
    reason = (
        f"no rule reaches {', '.join(unseen)}, which the network runs in a compiled program, in an"
        " autograd function of its own or in a hook on slopes"
    )
    return _none(probe, reason, signed=signed)


def _none(probe: Probe, reason: str, *, signed: bool) -> Map:
    """Return the map of a method that does not suit the network: nothing is finite in it."""
    return Map(np.full(probe.shape, np.nan), signed=signed, unsuited=reason)


METHODS: dict[str, Method] = {
    "integrated-gradients": Method(make=_integrated_gradients, promise="sum", reference=True),
    "occlusion": Method(make=_occlusion, promise="sign", gradients=False, reference=True),
    "word-occlusion": Method(
        make=_word_occlusion, promise="sign", gradients=False, reference=True, modalities=("text",)
    ),
    "gradient": Method(make=_gradient, promise="size"),
    "input-x-gradient": Method(make=_input_x_gradient, promise="sign"),
    "smoothgrad": Method(make=_smoothgrad, promise="size", draws=True),
    "expected-gradients": Method(
        make=_expected_gradients, promise="sum", modalities=("image", "tabular")
    ),
    "deeplift": Method(make=_deeplift, promise="sum", reference=True),
    "lrp": Method(make=_lrp, promise="sign"),
    "guided-backprop": Method(make=_guided_backprop, promise="size"),
    "gradcam": Method(make=_of_activations("gradcam"), promise="size", modalities=("image",)),
    "gradcam++": Method(make=_of_activations("gradcam++"), promise="size", modalities=("image",)),
    "layercam": Method(make=_of_activations("layercam"), promise="size", modalities=("image",)),
    "hirescam": Method(make=_of_activations("hirescam"), promise="sign", modalities=("image",)),
    "guided-gradcam": Method(make=_guided_gradcam, promise="size", modalities=("image",)),
    "attention-rollout": Method(
        make=_of_attention(attention_rollout), promise="size", modalities=("image", "text")
    ),
    "gradient-weighted-attention": Method(
        make=_of_attention(gradient_weighted_attention),
        promise="size",
        modalities=("image", "text"),
    ),
    "kernel-shap": Method(
        make=_of_sets(kernel_shap), promise="sign", gradients=False, draws=True, reference=True
    ),
    "lime": Method(
        make=_of_sets(lime), promise="sign", gradients=False, draws=True, reference=True
    ),
    "shapley-sampling": Method(
        make=_of_sets(shapley_sampling), promise="sign", gradients=False, draws=True, reference=True
    ),
    "rise": Method(make=_rise, promise="sign", gradients=False, draws=True, reference=True),
}
DEFAULT = ("integrated-gradients", "occlusion", "gradient")
