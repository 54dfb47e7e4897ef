"""Mirrors auditkit/methods/attacks/minimum_norm.py."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.hyperplane import MEASURES, Measure, size_of, smallest_change
from auditkit.methods.attacks.minimum_norm import minimum_norm
from auditkit.methods.attacks.nearest import Nearest
from tests.methods.attacks.subjects import clear_subject, trained_digits
from tests.subjects import LinearSubject

WIDE, TIGHT = (-9.0, 9.0), (0.25, 0.75)


def correct_digits(n: int) -> tuple[torch.nn.Module, Tensor, Tensor]:
    subject = trained_digits()
    right = subject.model.predict(subject.artifacts.images).argmax(1) == subject.artifacts.labels
    return (
        subject.model.module,
        subject.artifacts.images[right][:n],
        subject.artifacts.labels[right][:n],
    )


def on_linear(
    subject: LinearSubject, norm: Measure, bounds: tuple[float, float]
) -> tuple[Nearest, Tensor, Tensor]:
    """What is found, margins in favour of the label, and directions against it (m, d)."""
    (rows,) = torch.where(subject.margins > 0)
    images, labels = subject.artifacts.images[rows], subject.artifacts.labels[rows]
    found = minimum_norm(subject.model.logits, images, labels, norm=norm, bounds=bounds, rounds=1)
    against = (1 - 2 * labels.double())[:, None] * subject.weight.double()
    return found, subject.margins[rows].double(), against


@pytest.mark.parametrize("seed", range(3))
def test_distances_equal_the_closed_form_on_a_linear_model(seed: int) -> None:
    """Linf margin / ||w||_1, L2 margin / ||w||_2, L1 margin / max |w| where no bound is near."""
    subject = clear_subject(seed)
    for norm, dual in (("linf", "l1"), ("l2", "l2"), ("l1", "linf")):
        found, margins, _ = on_linear(subject, norm, WIDE)  # type: ignore[arg-type]
        expected = margins / size_of(dual, subject.weight[None])  # type: ignore[arg-type]
        assert found.distances.tolist() == pytest.approx(expected.tolist(), abs=1e-4)
    found, margins, against = on_linear(subject, "l0", WIDE)
    gains = (9 + against.sign() * -found.inputs.flatten(1)).mul(against.abs())
    most = gains.sort(dim=1, descending=True).values.cumsum(dim=1)
    assert found.distances.tolist() == ((most < margins[:, None]).sum(dim=1) + 1).tolist()


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("classes", [3, 10])
def test_the_nearest_of_several_boundaries_is_found(norm: Measure, classes: int) -> None:
    """Linear logits: the least margin over the dual norm of the difference of weights."""
    rng = torch.Generator().manual_seed(classes)
    weight, bias = torch.randn(classes, 20, generator=rng), torch.randn(classes, generator=rng)
    inputs = 0.4 + 0.2 * torch.rand(60, 20, generator=rng)
    labels = (inputs @ weight.T + bias).argmax(dim=1)
    found = minimum_norm(
        lambda x: x @ weight.T + bias, inputs, labels, norm=norm, bounds=(-50.0, 50.0), rounds=1
    )
    dual: dict[Measure, Measure] = {"linf": "l1", "l2": "l2", "l1": "linf"}
    logits = (inputs @ weight.T + bias).double()
    expected = torch.full((60,), torch.inf, dtype=torch.float64)
    for other in range(classes):
        margin = logits.gather(1, labels[:, None])[:, 0] - logits[:, other]
        slope = size_of(dual[norm], (weight[labels] - weight[other]).double())
        away = torch.where(labels == other, torch.inf, margin / slope.clamp_min(1e-12))
        expected = expected.minimum(away)
    ratio = found.distances / expected
    clear = expected > 0.01  # below, the share that a success must clear decides
    assert (ratio[clear] <= 1.002).all()
    assert (found.distances >= expected - 1e-6).all()


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("norm", MEASURES)
def test_distances_are_exact_where_the_bounds_are_in_the_way(norm: Measure, seed: int) -> None:
    found, margins, against = on_linear(clear_subject(seed), norm, TIGHT)
    flat = found.inputs.double().flatten(1)
    low, high = TIGHT[0] - flat, TIGHT[1] - flat
    best = smallest_change(norm, against, margins, low=low, high=high)
    reached = (best * against).sum(dim=1) > margins - 1e-9
    clear = torch.maximum(against * low, against * high).sum(dim=1) > margins + 1e-3
    expected = size_of(norm, best)[reached & clear]
    assert len(expected) > 10
    assert found.distances[reached & clear].tolist() == pytest.approx(expected.tolist(), abs=1e-4)


@pytest.mark.parametrize("norm", MEASURES)
def test_more_rounds_never_give_a_larger_distance(norm: Measure) -> None:
    module, images, labels = correct_digits(20)
    found = [
        minimum_norm(module, images, labels, norm=norm, bounds=(0.0, 1.0), rounds=rounds)
        for rounds in (1, 2)
    ]
    assert (found[1].distances <= found[0].distances).all()
    assert found[1].found.all()
    assert judged(module, found[1].points, labels).all()


def test_an_input_has_its_own_distance_whatever_stands_beside_it() -> None:
    module, images, labels = correct_digits(12)
    rows = torch.tensor([7, 2])
    alone = minimum_norm(module, images[rows], labels[rows], norm="l2", bounds=(0.0, 1.0), rounds=1)
    both = minimum_norm(
        module, images, labels, norm="l2", bounds=(0.0, 1.0), rounds=1, batch_size=5
    )
    assert torch.allclose(alone.distances, both.distances[rows], rtol=1e-3)


def test_a_search_that_lies_finds_only_what_the_model_confirms() -> None:
    """The cheap model says that everything is misclassified."""
    module, images, labels = correct_digits(6)

    def liar(points: Tensor) -> Tensor:
        return module(points) - 100 * torch.nn.functional.one_hot(labels[: len(points)], 10)

    found = minimum_norm(
        module, images, labels, norm="linf", bounds=(0.0, 1.0), rounds=1, search=liar
    )
    told = found.found
    assert judged(module, found.points[told], labels[told]).all()
    assert (found.distances[told] > 0).all()


PEERS: dict[Measure, list[tuple[str, dict[str, int]]]] = {
    "linf": [("LInfFMNAttack", {"steps": 100}), ("LinfDeepFoolAttack", {"steps": 50})],
    "l2": [("DDNAttack", {"steps": 100}), ("L2DeepFoolAttack", {"steps": 50})],
    "l1": [("L1FMNAttack", {"steps": 100})],
    "l0": [("L0FMNAttack", {"steps": 100})],
}


@pytest.mark.parametrize("norm", MEASURES)
def test_no_minimum_norm_attack_of_foolbox_is_nearer(norm: Measure) -> None:
    """In the median; foolbox's points are judged as ours are."""
    module, images, labels = correct_digits(40)
    ours = minimum_norm(module, images, labels, norm=norm, bounds=(0.0, 1.0), rounds=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import foolbox.attacks
        from foolbox.models.pytorch import PyTorchModel
    model = PyTorchModel(module, bounds=(0, 1), device="cpu")
    for name, options in PEERS[norm]:
        torch.manual_seed(0)
        points = getattr(foolbox.attacks, name)(**options).run(model, images, labels)
        size = size_of(norm, points.double() - images.double())
        theirs = torch.where(judged(module, points, labels), size, torch.inf)
        assert np.median(ours.distances) <= np.median(theirs), name
