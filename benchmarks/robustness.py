"""Time projected gradient descent here and in the peers, side by side in one process.

Run on a quiet machine: ``python benchmarks/robustness.py [--model digits-cnn] [--epsilons 0.05]``.
Same model, inputs, epsilon and number of steps; robust accuracy, judged by the same function,
stands beside every time, because an attack that gives up early is fast. foolbox runs with its own
step (epsilon / 30) and with ours (epsilon / 4), torchattacks, where it can be imported, with ours.
Random starts move robust accuracy by one or two
inputs.
``resnet20-random`` is a ResNet-20 with random weights: its times mean something, its accuracies do
not, so that none is printed.

``--ensemble`` times the attacks of `worst-case` against the reference AutoAttack (standard),
where the package `autoattack` can be imported (from a checkout: PYTHONPATH=auto-attack).
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import math
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from plain import Plain
from torch import Tensor, nn

from auditkit.data.load import DataSpec, load_data
from auditkit.limits import keep_freed_memory
from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.ensemble import Ensemble
from auditkit.methods.attacks.narrowing import narrow
from auditkit.methods.attacks.pgd_linf import pgd_linf
from auditkit.models.classifier import ImageClassifier
from auditkit.models.load import ModelSpec, load_model
from auditkit.randomness import keys_of, uniform
from auditkit.result import Execution

RANDOM = "resnet20-random"
LAYOUTS = (
    Execution(),
    Execution(layout="channels_last"),
    Execution(layout="channels_last", search_dtype="bfloat16"),
)


@dataclass(frozen=True)
class Workload:
    """What is attacked; random weights have a speed but no robustness."""

    model: ImageClassifier
    images: Tensor
    labels: Tensor
    start: Tensor
    meaningful: bool

    @property
    def correct(self) -> Tensor:
        """Right before any attack (n,)."""
        return self.model.predict(self.images).argmax(dim=1) == self.labels


class Block(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        stride = outside // inside
        self.body = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(),
            nn.Conv2d(outside, outside, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outside),
        )
        same = inside == outside
        self.skip = nn.Identity() if same else nn.Conv2d(inside, outside, 1, stride, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, c', h / stride, w / stride)."""
        return (self.body(images) + self.skip(images)).relu()


def resnet20() -> nn.Module:
    torch.manual_seed(0)
    widths = [16] * 4 + [32] * 3 + [64] * 3
    blocks = [Block(a, b) for a, b in pairwise(widths)]
    stem = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def workload(name: str, inputs: int) -> Workload:
    """Load a model with its own data; with random weights, random images as it labels them."""
    if name == RANDOM:
        classes = [str(i) for i in range(10)]
        model = ImageClassifier(resnet20(), classes=classes, input_shape=(3, 32, 32))
        images = torch.rand(inputs, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        ids = [str(i) for i in range(inputs)]
        labels = model.predict(images).argmax(dim=1)
    else:
        loaded = load_model(ModelSpec(source=name, device="cpu"))
        if not isinstance(loaded, ImageClassifier):
            raise SystemExit(f"{name} reads no images; try digits-cnn.")
        model = loaded
        data = load_data(DataSpec(source=loaded.identity.data or "digits"), loaded)
        data = data.sample(inputs, seed=0)
        images, labels = torch.as_tensor(data.read(slice(None))), torch.as_tensor(data.labels)
        ids = list(data.ids)
    draws = 2 * uniform(keys_of(0, "pgd-linf", ids), tuple(images.shape[1:])) - 1
    return Workload(model, images, labels, torch.as_tensor(draws).float(), name != RANDOM)


def ours(work: Workload, *, epsilon: float, steps: int) -> Tensor:
    model = work.model
    return pgd_linf(
        model.logits,
        work.images,
        work.labels,
        epsilon=epsilon,
        steps=steps,
        start=work.start,
        bounds=model.bounds,
        search=model.search_logits if model.searches_apart else None,
    )


def theirs(work: Workload, step: float, *, epsilon: float, steps: int) -> Tensor:
    """Run foolbox as its documentation shows: all inputs at once."""
    with warnings.catch_warnings():  # it imports a deprecated name of scipy
        warnings.simplefilter("ignore", DeprecationWarning)
        from foolbox.attacks.projected_gradient_descent import (
            LinfProjectedGradientDescentAttack,
        )
        from foolbox.models.pytorch import PyTorchModel

    torch.manual_seed(0)
    model = PyTorchModel(Plain(work.model).eval(), bounds=work.model.bounds, device="cpu")
    attack = LinfProjectedGradientDescentAttack(steps=steps, rel_stepsize=step)
    return attack(model, work.images, work.labels, epsilons=epsilon)[1]


def torchattacks_pgd(work: Workload, *, epsilon: float, steps: int) -> Tensor:
    """Run torchattacks with a step of a quarter of epsilon, all inputs at once."""
    torch.manual_seed(0)
    kinds = importlib.import_module("torchattacks")
    attack = kinds.PGD(Plain(work.model).eval(), eps=epsilon, alpha=epsilon / 4, steps=steps)
    return attack(work.images, work.labels).detach()


def timed(
    attack: Callable[[], Tensor], repeats: int, *, fastest: float = math.inf
) -> tuple[float, Tensor]:
    """Return the median time and the points; once is enough for what is five times `fastest`."""
    begin = time.perf_counter()
    points = attack()  # warm up, imports included
    once = time.perf_counter() - begin
    if once > 5 * fastest:
        return once, points
    seconds: list[float] = []
    for _ in range(repeats):
        begin = time.perf_counter()
        points = attack()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds), points


def compare(work: Workload, *, epsilon: float, steps: int, repeats: int) -> None:
    width = work.model.bounds[1] - work.model.bounds[0]
    rows: list[tuple[str, float, Tensor]] = []
    for execution in LAYOUTS:
        work.model.configure(execution)
        attack = partial(ours, work, epsilon=epsilon * width, steps=steps)
        name = f"auditkit, {execution.layout}, {execution.search_dtype}"
        fastest = min((seconds for _, seconds, _ in rows), default=math.inf)
        rows.append((name, *timed(attack, repeats, fastest=fastest)))
    work.model.configure(Execution())
    for step in (1 / 30, 1 / 4):
        attack = partial(theirs, work, step, epsilon=epsilon * width, steps=steps)
        rows.append((f"foolbox, step epsilon / {1 / step:.0f}", *timed(attack, repeats)))
    if importlib.util.find_spec("torchattacks") is not None and work.model.bounds == (0.0, 1.0):
        attack = partial(torchattacks_pgd, work, epsilon=epsilon * width, steps=steps)
        rows.append(("torchattacks, step epsilon / 4", *timed(attack, repeats)))
    fastest_peer = min(seconds for name, seconds, _ in rows if not name.startswith("auditkit"))
    for name, seconds, points in rows:
        kept = ~judged(work.model.logits, points, work.labels) & work.correct
        accuracy = f"{float(kept.float().mean()):.4f}" if work.meaningful else "(random weights)"
        ratio = fastest_peer / seconds
        print(f"  {name:<38} {seconds:8.3f} s {ratio:7.1f} x   robust accuracy {accuracy}")


def ensemble(work: Workload, *, epsilon: float) -> Tensor:
    model = work.model
    attacks = Ensemble(
        logits=model.logits,
        search=model.search_logits if model.searches_apart else None,
        images=work.images,
        labels=work.labels,
        norm="linf",
        bounds=model.bounds,
        keys=lambda name: keys_of(0, name, [str(i) for i in range(len(work.images))]),
        queries=500,  # as in the standard suite
    ).attacks()
    radius = epsilon / (model.bounds[1] - model.bounds[0])
    found = narrow(
        model.logits,
        work.images,
        work.labels,
        work.correct,
        attacks=tuple(attacks.values()),
        radii=(radius,),
    )
    print("   ", {name: int((found.attack == i).sum()) for i, name in enumerate(attacks)})
    return found.points


def autoattack(work: Workload, *, epsilon: float) -> Tensor:
    attack = importlib.import_module("autoattack").AutoAttack(
        work.model.logits, norm="Linf", eps=epsilon, version="standard", device="cpu", seed=0
    )
    attack.verbose = False
    return attack.run_standard_evaluation(work.images, work.labels, bs=len(work.images))


def compare_ensembles(work: Workload, *, epsilon: float, execution: Execution) -> None:
    """Time both once: they take minutes, and a warm-up as long would add nothing."""
    rows: list[tuple[str, float, Tensor]] = []
    for name, run in (
        ("auditkit, worst-case", partial(ensemble, work, epsilon=epsilon)),
        ("AutoAttack, standard", partial(autoattack, work, epsilon=epsilon)),
    ):
        if name.startswith("AutoAttack") and importlib.util.find_spec("autoattack") is None:
            print("  autoattack cannot be imported")
            continue
        work.model.configure(execution if name.startswith("auditkit") else Execution())
        begin = time.perf_counter()
        points = run()
        rows.append((name, time.perf_counter() - begin, points))
    work.model.configure(Execution())
    for name, seconds, points in rows:
        kept = float(
            (~judged(work.model.logits, points, work.labels) & work.correct).float().mean()
        )
        ratio = rows[-1][1] / seconds
        print(f"  {name:<38} {seconds:8.1f} s {ratio:7.1f} x   robust accuracy {kept:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", nargs="+", default=["digits-cnn", RANDOM])
    parser.add_argument("--epsilons", default="0.05,0.1", help="shares of the input range")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--inputs", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ensemble", action="store_true", help="worst-case and AutoAttack")
    parser.add_argument("--layout", choices=["contiguous", "channels_last"], default="contiguous")
    parser.add_argument("--search-dtype", choices=["float32", "bfloat16"], default="float32")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()  # as every audit does; the peers have it, too
    for name in options.model:
        work = workload(name, options.inputs)
        for epsilon in map(float, options.epsilons.split(",")):
            if options.ensemble:
                print(f"{name}, {len(work.images)} images, epsilon {epsilon},")
                print(f"  {options.threads} threads; x: how much faster than the reference")
                execution = Execution(layout=options.layout, search_dtype=options.search_dtype)
                width = work.model.bounds[1] - work.model.bounds[0]
                compare_ensembles(work, epsilon=epsilon * width, execution=execution)
                continue
            print(f"{name}, {len(work.images)} images, epsilon {epsilon}, {options.steps} steps,")
            print(
                f"  {options.threads} threads, median of {options.repeats}; x: the fastest peer = 1"
            )
            compare(work, epsilon=epsilon, steps=options.steps, repeats=options.repeats)


if __name__ == "__main__":
    main()
