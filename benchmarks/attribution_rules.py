"""Attribution rules on functions beside captum's: `python benchmarks/attribution_rules.py`.

Three Markdown tables. DeepLIFT promises scores that add up to a change: printed is by how much they
miss it, median / largest |sum of scores - change| / |change|. Small networks that write the same
things in different ways get 16 images and a reference of zeros, the built-in networks their own
data; counted are inputs whose score changes by 0.01 nats or more, and by 0.1 or more. Guided
backpropagation and LRP have a right answer on networks of ReLUs: what the network with a module for
each use gives (largest difference), and, without biases, relevance that adds up to the score.
"""

from __future__ import annotations

import argparse
import copy
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from captum.attr import LRP, DeepLift, GuidedBackprop
from torch import Tensor, nn

from auditkit.data.load import DataSpec, load_data
from auditkit.methods.saliency.deeplift import deeplift
from auditkit.methods.saliency.guided_backprop import guided_backprop
from auditkit.methods.saliency.lrp import lrp
from auditkit.methods.saliency.probes.text import TextProbe
from auditkit.methods.saliency.reference import reference_images
from auditkit.methods.saliency.scores import centred
from auditkit.models.catalogue import CARDS
from auditkit.models.classifier import Classifier, ImageClassifier, Logits, TextClassifier
from auditkit.models.graphs import GraphClassifier
from auditkit.models.load import ModelSpec, load_model
from auditkit.models.tabular import TabularClassifier

sys.path.insert(0, str(Path(__file__).parents[1]))  # to find the tests, from wherever it is run
from tests.methods.saliency.styles import ACTIVATIONS, ATTENTIONS, MODULES, RELUS, network

SMALLEST = 0.1  # nats; the share of a smaller change says little


class Case(NamedTuple):
    """One input, where it is counted from, and what is explained."""

    logits: Logits
    inputs: Tensor
    reference: Tensor
    target: Tensor


def cases_of(model: Classifier, n: int) -> Iterator[Case]:
    """Give n inputs of the model's own data; texts come one at a time, for their masks."""
    assert model.identity.data
    data = load_data(DataSpec(source=model.identity.data), model).sample(n, seed=0)
    inputs = data.read(slice(None))
    if isinstance(model, TextClassifier):
        assert isinstance(inputs, list)
        for text in inputs:
            probe = TextProbe(model=model, text=text, target=0, batch_size=1)
            with torch.no_grad():
                target = probe.logits(probe.point).argmax(1)
            yield Case(centred(probe.logits), probe.point, probe.origin, target)
        return
    points, logits = torch.as_tensor(inputs), centred(model.logits)
    if isinstance(model, ImageClassifier):
        reference = reference_images(points, model.bounds, "mean")
    elif isinstance(model, TabularClassifier):
        points, logits = model.encode(points), centred(model.logits_from_features)
        reference = points.mean(0, keepdim=True).expand_as(points)
    else:
        assert isinstance(model, GraphClassifier)
        d = len(model.tags)
        reference = points.clone()
        reference[:, :, d:] = 0  # the same atoms without any bond
    with torch.no_grad():
        target = logits(points).argmax(1)
    yield Case(logits, points, reference, target)


def in_words(misses: Tensor) -> str:
    if not len(misses):
        return "-"
    return f"{float(misses.median()):.0e} / {float(misses.max()):.0e}"


def theirs(
    kind: type[DeepLift | GuidedBackprop | LRP], module: nn.Module, *points: Tensor, target: Tensor
) -> Tensor | str:
    """Return captum's scores, or what it raises; on a copy, for it leaves things behind."""
    try:
        method = kind(copy.deepcopy(module))
        return method.attribute(points[0].clone(), *points[1:], target=target).detach()
    except Exception as error:  # noqa: BLE001 - whatever it raises is its answer
        return type(error).__name__


def style_row(style: str, images: Tensor, target: Tensor, pool: str = "max") -> str:
    """Return by how much DeepLIFT's scores miss the change, theirs and ours."""
    module, reference = network(style, pool=pool), torch.zeros_like(images)
    found = deeplift(module, images, target, reference=reference)
    change = (module(images) - module(reference)).gather(1, target[:, None])[:, 0]
    cells: list[str] = []
    for scores in (theirs(DeepLift, module, images, reference, target=target), found.scores):
        if isinstance(scores, Tensor):
            missed = (scores.flatten(1).sum(1) - change).abs() / change.abs()
            cells.append(in_words(missed[change.abs() >= SMALLEST / 10]))
        else:
            cells.append(scores)
    words = style if pool == "max" else f"{style}, {pool} pooling"
    return f"| {words} | {' | '.join(cells)} | {', '.join(found.unruled) or '-'} |"


def relu_row(style: str, images: Tensor, target: Tensor) -> str:
    """Return how far guided backpropagation and LRP are from the right answer, theirs and ours."""
    right = theirs(GuidedBackprop, network("module"), images, target=target)
    assert isinstance(right, Tensor)
    guided = guided_backprop(network(style), images, target).scores
    bare = network(style, bias=False)
    score = bare(images).gather(1, target[:, None])[:, 0]
    relevance = lrp(bare, images, target, epsilon=1e-9).scores
    cells: list[str] = []
    for scores in (theirs(GuidedBackprop, network(style), images, target=target), guided):
        far = scores if isinstance(scores, str) else f"{float((scores - right).abs().max()):.0e}"
        cells.append(far)
    for scores in (theirs(LRP, bare, images, target=target), relevance):
        if isinstance(scores, Tensor):
            missed = (scores.flatten(1).sum(1) - score).abs() / score.abs()
            cells.append(in_words(missed))
        else:
            cells.append(scores)
    return f"| {style} | {' | '.join(cells)} |"


def built_in_row(name: str, n: int) -> str:
    model = load_model(ModelSpec(source=name, device="cpu"))
    if not model.differentiable:
        return f"| {name} | no gradients | | | |"
    missed: list[Tensor] = []
    kept: list[Tensor] = []
    unruled: set[str] = set()
    for case in cases_of(model, n):
        found = deeplift(case.logits, case.inputs, case.target, reference=case.reference)
        enough = found.change.abs() >= SMALLEST
        missed.append((found.delta / found.change).abs()[enough])
        relevance = lrp(case.logits, case.inputs, case.target)
        kept.append(-relevance.delta / relevance.change)
        unruled |= {*found.unruled, *relevance.unruled}
    share, misses = torch.cat(kept), torch.cat(missed)
    return (
        f"| {name} | {len(share)} | {in_words(misses)} | {float(share.median()):.0%} |"
        f" {', '.join(sorted(unruled)) or '-'} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=32, help="of each built-in network")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    rng = torch.Generator().manual_seed(0)
    images, target = torch.rand(16, 3, 8, 8, generator=rng), torch.arange(16) % 5
    print("| network | captum DeepLift | here | without an exact rule |")
    print("|---|---|---|---|")
    print(style_row("module", images, target, pool="mean"), flush=True)
    for style in (*MODULES, *ACTIVATIONS, *ATTENTIONS):
        print(style_row(style, images, target), flush=True)
    print("\n| network | captum guided | here | captum LRP | here |")
    print("|---|---|---|---|---|")
    for style in (*MODULES, *RELUS):
        print(relu_row(style, images, target), flush=True)
    print("\n| built-in network | n | DeepLIFT here | LRP: kept by biases | without a rule |")
    print("|---|---|---|---|---|")
    for name in CARDS:
        print(built_in_row(name, options.inputs), flush=True)


if __name__ == "__main__":
    main()
