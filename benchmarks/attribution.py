"""How fast `attribution-trust` and integrated gradients are.

``python benchmarks/attribution.py [--model cifar-resnet20] [--inputs 64] [--threads 2]``: first the
whole check with five methods, in an audit of so many images that chooses its processes itself;
then, in this process, integrated gradients of the same images by captum with its
defaults (50 steps, all at once), by captum in batches of 128, and by auditkit as it makes maps,
which takes nodes until the sum of each image misses the change by no more than captum's did in
the median. The three take turns; medians are printed.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from auditkit.data.load import DataSpec, load_data
from auditkit.limits import keep_freed_memory
from auditkit.methods.saliency.integrated_gradients import integrated_gradients
from auditkit.methods.saliency.scores import centred
from auditkit.models.classifier import ImageClassifier
from auditkit.models.load import ModelSpec, load_model
from auditkit.policy import Policy
from auditkit.result import Execution
from auditkit.run import Request, run

FIVE = ("integrated-gradients", "occlusion", "gradient", "smoothgrad", "input-x-gradient")


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def of_the_check(model: str, *, inputs: int) -> tuple[float, int]:
    """Return the seconds of `attribution-trust` in an audit, and how many processes it took."""
    policy = Policy(
        checks=("attribution-trust",),
        max_inputs=inputs,
        parameters={"attribution-trust": {"max_inputs": inputs, "methods": FIVE}},
    )
    with TemporaryDirectory() as folder:
        request = Request(
            model=ModelSpec(source=model, device="cpu"),
            policy=policy,
            out=Path(folder),
            formats=("json",),
            workers=None,
        )
        result = run(request).result
    (outcome,) = result.outcomes
    return outcome.seconds, result.provenance.workers


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="cifar-resnet20")
    parser.add_argument("--inputs", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()  # as every audit does
    warnings.simplefilter("ignore")
    model = load_model(ModelSpec(source=options.model, device="cpu"))
    if not isinstance(model, ImageClassifier):
        raise SystemExit(f"{options.model} reads no images; try cifar-resnet20.")
    data = load_data(DataSpec(source=model.identity.data or "digits"), model)
    data = data.sample(options.inputs, seed=0)

    model.configure(Execution())
    print(f"{options.model}, {len(data)} images, {options.threads} threads")
    spent, workers = of_the_check(options.model, inputs=options.inputs)
    print(f"attribution-trust, five methods, {workers} processes: {spent:.1f} s")

    images = torch.as_tensor(data.read(slice(None)))
    target = model.predict(images).argmax(dim=1)
    reference = images.mean(dim=(2, 3), keepdim=True).expand_as(images).contiguous()
    logits, quick = centred(model.logits), centred(model.quick_logits)
    peer = IntegratedGradients(logits)
    with torch.no_grad():
        change = (logits(images) - logits(reference)).gather(1, target[:, None])[:, 0]

    def error(scores: Tensor) -> float:
        missed = (scores.flatten(1).sum(dim=1).float() - change).abs() / change.abs()
        return float(missed.median())

    theirs = peer.attribute(images, reference, target=target, internal_batch_size=128)
    tolerance = error(theirs)

    def ours() -> Tensor:
        return integrated_gradients(
            quick, images, target, reference=reference, steps=64, tolerance=tolerance
        ).scores

    times: dict[str, list[float]] = {"captum": [], "captum in batches": [], "auditkit": []}
    for _ in range(options.repeats):
        times["captum"].append(seconds(lambda: peer.attribute(images, reference, target=target)))
        times["captum in batches"].append(
            seconds(
                lambda: peer.attribute(images, reference, target=target, internal_batch_size=128)
            )
        )
        times["auditkit"].append(seconds(ours))
    middle = {name: statistics.median(some) for name, some in times.items()}
    print("| integrated gradients | seconds | median completeness error |\n|---|---|---|")
    print(f"| captum, 50 steps | {middle['captum']:.2f} | {tolerance:.2%} |")
    print(f"| the same in batches | {middle['captum in batches']:.2f} | {tolerance:.2%} |")
    print(f"| auditkit, until that error | {middle['auditkit']:.2f} | {error(ours()):.2%} |")
    print(f"\nauditkit is {middle['captum'] / middle['auditkit']:.1f} times as fast.")


if __name__ == "__main__":
    main()
