"""The attribution methods by name, and what each can be asked of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, final

from torch import Tensor

from auditkit.methods.saliency.expected_gradients import expected_gradients
from auditkit.methods.saliency.gradient import gradient
from auditkit.methods.saliency.integrated_gradients import Attributed, integrated_gradients
from auditkit.methods.saliency.kernel_shap import kernel_shap
from auditkit.methods.saliency.lime import lime
from auditkit.methods.saliency.occlusion import Value, occlusion
from auditkit.methods.saliency.probes.base import Map, Probe, floats
from auditkit.methods.saliency.rise import rise
from auditkit.methods.saliency.scores import centred
from auditkit.methods.saliency.shapley_sampling import shapley_sampling
from auditkit.methods.saliency.smoothgrad import smoothgrad
from auditkit.models.classifier import Classifier
from auditkit.randomness import normal, uniform
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
    slopes = gradient(centred(probe.logits), probe.point, probe.classes())
    return Map(floats(probe.steepest(slopes)), signed=False)


def _input_x_gradient(probe: Probe, _: Effort) -> Map:
    slopes = gradient(centred(probe.logits), probe.point, probe.classes())
    return Map(floats(probe.summed(slopes * probe.point)), signed=True)


def _smoothgrad(probe: Probe, effort: Effort) -> Map:
    noise = normal(effort.key, (effort.copies, *probe.point.shape[1:]))[0]
    slopes = smoothgrad(
        centred(probe.logits), probe.point, probe.classes(),
        noise=noise, batch_size=probe.batch_size,
    )  # fmt: skip
    return Map(floats(probe.steepest(slopes)), signed=False)


def _integrated_gradients(probe: Probe, effort: Effort) -> Map:
    found = integrated_gradients(
        centred(probe.logits), probe.point, probe.classes(),
        reference=probe.origin, steps=effort.steps, batch_size=probe.batch_size,
    )  # fmt: skip
    return _summed(probe, found)


def _expected_gradients(probe: Probe, effort: Effort) -> Map:
    assert effort.references is not None
    found = expected_gradients(
        centred(probe.logits), probe.point, probe.classes(),
        references=effort.references, batch_size=probe.batch_size,
    )  # fmt: skip
    return _summed(probe, found)


def _summed(probe: Probe, found: Attributed) -> Map:
    return Map(floats(probe.summed(found.scores)), True, completeness_error(found))


def _occlusion(probe: Probe, _: Effort) -> Map:
    return Map(probe.spread(occlusion(probe.scores, probe.units)), signed=True)


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


METHODS: dict[str, Method] = {
    "integrated-gradients": Method(make=_integrated_gradients, promise="sum", reference=True),
    "occlusion": Method(make=_occlusion, promise="sign", gradients=False, reference=True),
    "gradient": Method(make=_gradient, promise="size"),
    "input-x-gradient": Method(make=_input_x_gradient, promise="sign"),
    "smoothgrad": Method(make=_smoothgrad, promise="size", draws=True),
    "expected-gradients": Method(
        make=_expected_gradients, promise="sum", modalities=("image", "tabular")
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
