"""Metrics of attributions beside those of Quantus, on the same maps, inputs and draws.

``python benchmarks/quantus_metrics.py [--inputs 32]``, in an environment of its own that has
auditkit and ``pip install quantus`` (0.6): auditkit does not depend on it. Of `digits-cnn` these
are integrated gradients from black, one channel of 8x8 pixels; both sides get the same neighbours,
sets of pixels and networks with random weights. Printed are means over inputs, the largest
difference on one, how many images each side asks the network about, and seconds of one thread (of
processor time): all of them, and those that are spent neither in the network nor in making maps,
which both sides make with the same function. Two rows at the end are of five methods: what no map
changes is asked once here, and once per method there, where a metric knows one map alone.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from copy import deepcopy
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from auditkit.data.load import DataSpec, load_data
from auditkit.methods.metrics.deletion import deletion_order
from auditkit.methods.metrics.infidelity import infidelity
from auditkit.methods.metrics.localisation import relevance_mass, relevance_rank_accuracy
from auditkit.methods.metrics.max_sensitivity import max_sensitivity
from auditkit.methods.metrics.output_stability import relative_output_stability
from auditkit.methods.metrics.rank_correlation import rank_correlation
from auditkit.methods.metrics.road import noisy_linear_imputation
from auditkit.methods.metrics.set_correlation import set_correlation
from auditkit.methods.saliency.gradient import gradient
from auditkit.methods.saliency.integrated_gradients import integrated_gradients
from auditkit.methods.saliency.smoothgrad import smoothgrad
from auditkit.models.classifier import ImageClassifier
from auditkit.models.load import ModelSpec, load_model
from auditkit.randomness import keys_of, uniform

try:
    import quantus
except ModuleNotFoundError:
    sys.exit("Quantus is not installed here; in an environment of its own: pip install quantus")

Array = NDArray[np.float64]
NEIGHBOURS, SUBSETS, SUBSET_SIZE, BLOCK, COPIES = 3, 50, 16, 2, 16
PERCENTAGES = (10, 30, 50, 70, 90)


class Logits(nn.Module):
    """What Quantus explains: logits of raw images."""

    def __init__(self, classifier: ImageClassifier) -> None:
        super().__init__()
        self.network = classifier.module
        self._classifier = [classifier]  # not a part: its weights are those of the network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (n, k)."""
        METER.images += len(images)
        with METER:
            return self._classifier[0].logits(images)


class Meter:
    """Counts the images that a network is asked about, and the seconds in it and in maps."""

    def __init__(self) -> None:
        self.images, self.seconds = 0, 0.0
        self._starts: list[float] = []

    def __enter__(self) -> None:
        self._starts.append(time.process_time())

    def __exit__(self, *_: object) -> None:
        start = self._starts.pop()
        if not self._starts:  # a network asked for a map is a part of the map
            self.seconds += time.process_time() - start


METER = Meter()


def explained(model: nn.Module, inputs: object, targets: object, **_: object) -> Array:
    """Return integrated gradients from black (n, 1, h, w)."""
    images = torch.as_tensor(np.asarray(inputs), dtype=torch.float32)
    target = torch.as_tensor(np.asarray(targets), dtype=torch.int64)
    with METER:
        found = integrated_gradients(
            model, images, target, reference=torch.zeros_like(images), steps=32
        )
    return found.scores.numpy().astype(np.float64)


def slopes_of(model: nn.Module, inputs: object, targets: object, **_: object) -> Array:
    """Return gradients (n, 1, h, w), which are zero nowhere."""
    images = torch.as_tensor(np.asarray(inputs), dtype=torch.float32)
    target = torch.as_tensor(np.asarray(targets), dtype=torch.int64)
    with METER:
        return gradient(model, images, target).numpy().astype(np.float64)


def products_of(model: nn.Module, inputs: object, targets: object, **_: object) -> Array:
    """Return input x gradient (n, 1, h, w)."""
    return np.asarray(inputs, dtype=np.float64) * slopes_of(model, inputs, targets)


def smooth_slopes_of(model: nn.Module, inputs: object, targets: object, **_: object) -> Array:
    """Return SmoothGrad (n, 1, h, w)."""
    images = torch.as_tensor(np.asarray(inputs), dtype=torch.float32)
    target = torch.as_tensor(np.asarray(targets), dtype=torch.int64)
    noise = np.random.default_rng(3).standard_normal((COPIES, *images.shape[1:]))
    with METER:
        found = [
            smoothgrad(model, images[i : i + 1], target[i : i + 1], noise=[noise])
            for i in range(len(images))
        ]
    return torch.cat(found).numpy().astype(np.float64)


def falls_of(model: nn.Module, inputs: object, targets: object, **_: object) -> Array:
    """Return occlusion of single pixels (n, 1, h, w)."""
    images = torch.as_tensor(np.asarray(inputs), dtype=torch.float32)
    pixels = images[0].numel()
    found = []
    with METER, torch.no_grad():
        for image, target in zip(images, np.asarray(targets).tolist(), strict=True):
            hidden = image.flatten().repeat(pixels + 1, 1)
            hidden[:pixels].fill_diagonal_(0)
            scores = model(hidden.view(-1, *image.shape))[:, target]
            found.append((scores[-1] - scores[:-1]).view(image.shape))
    return torch.stack(found).numpy().astype(np.float64)


METHODS = (explained, slopes_of, products_of, smooth_slopes_of, falls_of)


def line(name: str, ours: Callable[[], object], theirs: Callable[[], object]) -> None:
    found: list[Array] = []
    spent: list[Spent] = []
    for run in (ours, theirs):
        start, images, inside = time.process_time(), METER.images, METER.seconds
        found.append(np.asarray(run(), dtype=np.float64).ravel())
        whole, inside = time.process_time() - start, METER.seconds - inside
        spent.append(Spent(METER.images - images, whole, whole - inside))
    a, b = found
    TOTAL.append((spent[0], spent[1]))
    print(
        f"| {name} | {a.mean():.5g} | {b.mean():.5g} | {np.abs(a - b).max():.1e} | {beside(*spent)}"
    )


class Spent(NamedTuple):
    """What one side of a comparison costs."""

    images: int
    seconds: float
    outside: float  # seconds in neither the network nor maps


def beside(ours: Spent, theirs: Spent) -> str:
    """Return the cells of a row."""
    ratios = (theirs.seconds / ours.seconds, theirs.outside / ours.outside)
    return (
        f"{ours.images} | {theirs.images} | {ours.seconds:.3f} | {theirs.seconds:.3f} |"
        f" {ratios[0]:.1f} | {ours.outside:.4f} | {theirs.outside:.4f} | {ratios[1]:.1f} |"
    )


TOTAL: list[tuple[Spent, Spent]] = []


class Setting:
    """A network, images, their predicted classes and their maps."""

    def __init__(self, count: int) -> None:
        classifier = load_model(ModelSpec(source="digits-cnn", device="cpu"))
        assert isinstance(classifier, ImageClassifier)
        data = load_data(DataSpec(source="digits"), classifier).sample(count, seed=0)
        self.model = Logits(classifier).eval()
        self.images = np.asarray(data.read(slice(None)), dtype=np.float32)
        self.targets = self.logits(self.images).argmax(axis=1)
        self.maps = explained(self.model, self.images, self.targets)
        rng = np.random.default_rng(0)
        self.masks = np.zeros(self.images.shape, dtype=bool)
        for mask, (row, column) in zip(self.masks, rng.integers(0, 5, (count, 2)), strict=True):
            mask[0, row : row + 4, column : column + 3] = True

    def logits(self, images: Array | NDArray[np.float32]) -> Array:
        """Return logits (n, k)."""
        with torch.no_grad():
            found = self.model(torch.as_tensor(images, dtype=torch.float32))
        return found.numpy().astype(np.float64)

    def falls(self, removed: NDArray[np.bool_]) -> Array:
        """Return by how much logits (n, m) fall without sets of pixels (n, m, h * w)."""
        whole = self.logits(self.images)[np.arange(len(self.images)), self.targets]
        rows = []
        for image, target, some in zip(self.images, self.targets, removed, strict=True):
            hidden = np.where(some, 0, image.ravel()).reshape(-1, *image.shape)
            rows.append(self.logits(hidden.astype(np.float32))[:, target])
        return whole[:, None] - np.stack(rows)

    def theirs(
        self,
        metric: object,
        maps: Array | None = None,
        explain: Callable[..., Array] = explained,
        **more: object,
    ) -> object:
        """Return what a metric of Quantus says."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert callable(metric)
            return metric(
                model=self.model, x_batch=self.images, y_batch=self.targets,
                a_batch=self.maps if maps is None else maps, explain_func=explain,
                device="cpu", softmax=False, **more,
            )  # fmt: skip


def localisation(one: Setting) -> None:
    plain = {"abs": True, "normalise": False, "disable_warnings": True}
    pairs = list(zip(one.maps, one.masks, strict=True))
    for name, ours, theirs in (
        ("relevance mass", relevance_mass, quantus.RelevanceMassAccuracy),
        ("relevance rank accuracy", relevance_rank_accuracy, quantus.RelevanceRankAccuracy),
    ):
        line(
            name,
            lambda ours=ours: [ours(*two) for two in pairs],
            lambda theirs=theirs: one.theirs(theirs(**plain), s_batch=one.masks),
        )
    line(
        "pointing game",
        lambda: [float(mask.flat[np.abs(scores).argmax()]) for scores, mask in pairs],
        lambda: one.theirs(quantus.PointingGame(**plain), s_batch=one.masks),
    )


def neighbourhood(one: Setting) -> None:
    """Both get the same neighbours, drawn anew in the same order for each metric."""

    def sensitivity() -> list[float]:
        return sensitivities(one.maps, explained_all(one, explained, neighbours(one)))

    def stability(explain: Callable[..., Array], maps: Array) -> list[float]:
        moved = neighbours(one)
        near = explained_all(one, explain, moved)
        return stabilities(maps, near, *answers(one, moved))

    def peer(
        kind: Callable[..., object],
        maps: Array | None = None,
        explain: Callable[..., Array] = explained,
    ) -> object:
        return one.theirs(nearby(kind), maps, explain)

    line("max-sensitivity", sensitivity, lambda: peer(quantus.MaxSensitivity))
    for name, explain in (("integrated gradients", explained), ("gradient", slopes_of)):
        maps = explain(one.model, one.images, one.targets)
        line(
            f"relative output stability, {name}",
            lambda explain=explain, maps=maps: stability(explain, maps),
            lambda explain=explain, maps=maps: peer(quantus.RelativeOutputStability, maps, explain),
        )


def moving() -> Callable[..., Array]:
    """Return what moves images a little, always by the same draws."""
    rng = np.random.default_rng(1)
    return lambda arr, **_: arr + rng.uniform(-0.02, 0.02, arr.shape)


def neighbours(one: Setting) -> list[Array]:
    """Return images (n, 1, h, w) near those of the setting, as Quantus draws them."""
    move, flat = moving(), one.images.reshape(len(one.images), -1)
    return [move(arr=flat).reshape(one.images.shape) for _ in range(NEIGHBOURS)]


def nearby(kind: Callable[..., object]) -> object:
    """Return a metric of Quantus that looks at the same neighbours."""
    return kind(perturb_func=moving(), nr_samples=NEIGHBOURS, disable_warnings=True)


def explained_all(one: Setting, explain: Callable[..., Array], moved: list[Array]) -> Array:
    """Return the maps (n, neighbours, 1, h, w) of neighbours."""
    return np.stack([explain(one.model, some, one.targets) for some in moved], axis=1)


def answers(one: Setting, moved: list[Array]) -> tuple[Array, Array]:
    """Return logits (n, k) of the images and (n, neighbours, k) of neighbours."""
    return one.logits(one.images), np.stack([one.logits(some) for some in moved], axis=1)


def sensitivities(maps: Array, near: Array) -> list[float]:
    return [max_sensitivity(*two) for two in zip(maps, near, strict=True)]


def stabilities(maps: Array, near: Array, before: Array, after: Array) -> list[float]:
    return [
        relative_output_stability(scores.ravel(), some.reshape(NEIGHBOURS, -1), *logits)
        for scores, some, *logits in zip(maps, near, before, after, strict=True)
    ]


def drawn_sets(one: Setting) -> NDArray[np.bool_]:
    """Return the sets (n, m, h * w) that faithfulness correlation of Quantus draws."""
    count, pixels = len(one.images), one.images[0].size
    np.random.seed(0)  # noqa: NPY002 - what Quantus draws from
    removed = np.zeros((count, SUBSETS, pixels), dtype=bool)
    for k in range(SUBSETS):
        for i in range(count):
            chosen = np.random.choice(pixels, SUBSET_SIZE, replace=False)  # noqa: NPY002
            removed[i, k, chosen] = True
        np.random.uniform(size=count)  # noqa: NPY002 - Quantus draws these and does not use them
    return removed


def as_many_sets(one: Setting) -> NDArray[np.bool_]:
    """Return sets as auditkit draws them, for the time that takes; those of Quantus are used."""
    keys = keys_of(0, "sets", [str(i) for i in range(len(one.images))])
    draws = uniform(keys, (SUBSETS, one.images[0].size))
    return draws.argsort(axis=2).argsort(axis=2) < SUBSET_SIZE


def correlations(maps: Array, removed: NDArray[np.bool_], fell: Array) -> list[float]:
    rows = zip(maps.reshape(len(maps), -1), removed, fell, strict=True)
    return [set_correlation(*row) for row in rows]


def peer_correlations(one: Setting, maps: Array) -> object:
    metric = quantus.FaithfulnessCorrelation(
        nr_runs=SUBSETS, subset_size=SUBSET_SIZE, perturb_baseline="black", normalise=False,
        abs=False, return_aggregate=False, disable_warnings=True,
    )  # fmt: skip
    np.random.seed(0)  # noqa: NPY002
    return one.theirs(metric, maps)


def sets(one: Setting) -> None:
    """Compare where sets of pixels are black; the score is the logit of the class."""
    count, removed = len(one.images), drawn_sets(one)

    def our_correlations() -> list[float]:
        as_many_sets(one)
        return correlations(one.maps, removed, one.falls(removed))

    line(
        "faithfulness correlation",
        our_correlations,
        lambda: peer_correlations(one, one.maps),
    )
    flat = one.maps.reshape(count, -1)

    side = one.images.shape[2]
    blocks = np.arange(side) // BLOCK
    which = (blocks[:, None] * (side // BLOCK) + blocks[None, :]).ravel()
    alone = np.stack([which == k for k in range(which.max() + 1)])
    theirs = quantus.Infidelity(
        perturb_patch_sizes=[BLOCK], n_perturb_samples=1, perturb_baseline="black",
        normalise=False, disable_warnings=True,
    )  # fmt: skip
    slopes = np.divide(one.maps, one.images, out=np.zeros_like(one.maps), where=one.images != 0)

    def infidelities(some: NDArray[np.bool_]) -> list[float]:
        fell = one.falls(np.broadcast_to(some, (count, *some.shape)))
        return [infidelity(flat[i], some, fell[i]) for i in range(count)]

    for name, some in (("alone", alone), ("added up", np.cumsum(alone, axis=0) > 0)):
        line(
            f"infidelity, blocks of 2x2 {name}",
            lambda some=some: infidelities(some),
            lambda: one.theirs(theirs, slopes),  # it multiplies by the change itself
        )


def road(one: Setting) -> None:
    """Without noise, so that both guess the same; most relevant pixels first."""
    ties = 1e-9 * np.random.default_rng(2).random(one.maps.shape)  # both sort them their own way

    def guesses(image: NDArray[np.float32], scores: Array) -> tuple[NDArray[np.bool_], Array]:
        order = deletion_order(scores.ravel())
        hidden = np.zeros((len(PERCENTAGES), scores.size), dtype=bool)
        for row, share in zip(hidden, PERCENTAGES, strict=True):
            row[order[: scores.size * share // 100]] = True
        there, cut = torch.from_numpy(image), torch.from_numpy(hidden)
        guessed = noisy_linear_imputation(
            there, cut.view(-1, *image.shape[1:]), torch.zeros_like(there)
        )
        return hidden, guessed.numpy()

    def accuracies() -> Array:
        every = [guesses(*two)[1] for two in zip(one.images, one.maps + ties, strict=True)]
        answers = one.logits(np.concatenate(every)).argmax(axis=1).reshape(len(every), -1)
        return (answers == one.targets[:, None]).mean(axis=0)

    farthest = 0.0
    for image, scores in zip(one.images, one.maps + ties, strict=True):
        for row, mine in zip(*guesses(image, scores), strict=True):
            places = np.flatnonzero(row)
            peer = quantus.perturb_func.noisy_linear_imputation(image, places, noise=0.0)
            farthest = max(farthest, float(np.abs(peer - mine).max()))
    theirs = quantus.ROAD(
        percentages=list(PERCENTAGES), noise=0.0, normalise=False, disable_warnings=True
    )

    def curve() -> list[float]:
        answer = one.theirs(theirs, one.maps + ties)
        assert isinstance(answer, dict)
        return list(answer.values())

    line("ROAD, accuracy at 10 to 90 %", accuracies, curve)
    print(f"ROAD, largest difference of a guessed pixel: {farthest:.1e}", file=sys.stderr)


def randomisation(one: Setting) -> None:
    """Compare rank correlations after each layer, with the networks that Quantus makes."""
    theirs = quantus.MPRT(
        similarity_func=quantus.similarity_func.correlation_spearman, layer_order="top_down",
        abs=True, normalise=False, seed=42, disable_warnings=True,
    )  # fmt: skip
    order: list[str] = []
    wrapped = quantus.helpers.utils.get_wrapped_model(
        one.model, channel_first=True, softmax=False, device="cpu"
    )

    def similarities() -> list[float]:
        found: list[float] = []
        for name, network in wrapped.get_random_layer_generator(order="top_down", seed=42):
            order.append(name)
            maps = np.abs(explained(network, one.images, one.targets))
            pairs = zip(np.abs(one.maps), maps, strict=True)
            found += [rank_correlation(a.ravel(), b.ravel()) for a, b in pairs]
        return found

    def peer() -> list[float]:
        answer = one.theirs(theirs)
        assert isinstance(answer, dict)
        return [value for name in order for value in answer[name]]

    line("parameter randomisation, all layers", similarities, peer)


def several(one: Setting) -> None:
    """Compare what maps of five methods cost together."""
    maps = {explain: explain(one.model, one.images, one.targets) for explain in METHODS}
    removed = drawn_sets(one)

    def our_correlations() -> list[float]:
        as_many_sets(one)
        fell = one.falls(removed)
        return [value for some in maps.values() for value in correlations(some, removed, fell)]

    line(
        "five methods: faithfulness correlation",
        our_correlations,
        lambda: [peer_correlations(one, some) for some in maps.values()],
    )

    def ours() -> list[float]:
        moved, found = neighbours(one), list[float]()
        logits = answers(one, moved)
        for explain, some in maps.items():
            near = explained_all(one, explain, moved)
            stabilities(some, near, *logits)
            found += sensitivities(some, near)
        return found

    def theirs() -> list[object]:
        found: list[object] = []
        for explain, some in maps.items():
            one.theirs(nearby(quantus.RelativeOutputStability), some, explain)
            found.append(one.theirs(nearby(quantus.MaxSensitivity), some, explain))
        return found

    line("five methods: max-sensitivity beside relative output stability", ours, theirs)


def unsound(one: Setting) -> None:
    """Print what the definitions of Quantus give where they are not sound."""
    signed = quantus.RelevanceMassAccuracy(abs=False, normalise=False, disable_warnings=True)
    found = np.asarray(one.theirs(signed, s_batch=one.masks))
    print(f"\nsigned relevance mass: {found.min():.3g} to {found.max():.3g}")
    complete = quantus.Completeness(normalise=False, disable_warnings=True)
    exact = np.asarray(one.theirs(complete))
    change = one.logits(one.images) - one.logits(0 * one.images)
    change = change[np.arange(len(change)), one.targets]
    missed = np.abs(one.maps.sum(axis=(1, 2, 3)) - change) / np.abs(change)
    print(f"completeness: true on {exact.mean():.0%}; the sum misses by {np.median(missed):.1e}")
    color = deepcopy(one)
    color.images = np.repeat(one.images, 3, axis=1)
    color.maps = np.repeat(one.maps, 3, axis=1)
    color.model = Grey(one.model).eval()
    try:
        color.theirs(quantus.ROAD(normalise=False, disable_warnings=True))
        print("ROAD on three channels: ran")
    except (IndexError, ValueError) as error:
        print(f"ROAD on three channels: {type(error).__name__}: {error}")


class Grey(nn.Module):
    """A network of three channels that reads their mean."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (n, k) of images (n, 3, h, w)."""
        return self.inner(images.mean(dim=1, keepdim=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=32)
    torch.set_num_threads(1)
    one = Setting(
        parser.parse_args().inputs
    )  # which asks the network and makes maps: no cold start
    print(f"Quantus {version('quantus')}, {len(one.images)} images of digits")
    print(
        "| metric | auditkit | Quantus | largest difference | images | images, Quantus | s |"
        " s, Quantus | ratio | s outside | s outside, Quantus | ratio outside |"
    )
    print("|---" * 12 + "|")
    for part in (localisation, neighbourhood, sets, road, randomisation):
        part(one)
    sums = (
        Spent(*(sum(some) for some in zip(*side, strict=True))) for side in zip(*TOTAL, strict=True)
    )
    print(f"| all of them | | | | {beside(*sums)}")
    several(one)
    unsound(one)


if __name__ == "__main__":
    main()
