"""Attribution rules on functions beside captum's on modules: `python benchmarks/attribution_rules.py`.

Two Markdown tables. The first has one small network per way to write an activation, and four vision
transformers; the second has the built-in networks on their own data. Printed is by how much scores
miss the change of the score that they promise to add up to: median and largest
|sum of scores - change| / |change| over the inputs whose score changes by 0.1 nats or more.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from captum.attr import DeepLift
from torch import Tensor, nn
from torch.nn import functional

from auditkit.data.load import DataSpec, load_data
from auditkit.methods.saliency.deeplift import deeplift
from auditkit.methods.saliency.integrated_gradients import embedding_logits
from auditkit.methods.saliency.lrp import lrp
from auditkit.methods.saliency.reference import reference_images
from auditkit.methods.saliency.rules import Ruled
from auditkit.methods.saliency.scores import centred
from auditkit.models.catalogue import CARDS
from auditkit.models.classifier import Classifier, ImageClassifier, Logits, TextClassifier
from auditkit.models.graphs import GraphClassifier
from auditkit.models.load import ModelSpec, load_model
from auditkit.models.tabular import TabularClassifier

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
            encoded = model.encode([text])
            unknown = torch.where(encoded.special, encoded.ids, model.unk_id)
            points = model.embed(encoded.ids)
            logits = embedding_logits(model, encoded.mask[0])
            with torch.no_grad():
                target = logits(points).argmax(1)
            yield Case(logits, points, model.embed(unknown), target)
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


def missed(found: Ruled) -> Tensor:
    """Return the relative miss of each input whose score changes enough."""
    return (found.delta / found.change).abs()[found.change.abs() >= SMALLEST]


def in_words(misses: Tensor) -> str:
    if not len(misses):
        return "-"
    return f"{float(misses.median()):.0e} / {float(misses.max()):.0e}"


def built_in(name: str, n: int) -> str:
    model = load_model(ModelSpec(source=name, device="cpu"))
    if not model.differentiable:
        return f"| {name} | no gradients | | |"
    shares: list[Tensor] = []
    relevance: list[Tensor] = []
    unruled: set[str] = set()
    for case in cases_of(model, n):
        found = deeplift(case.logits, case.inputs, case.target, reference=case.reference)
        shares.append(missed(found))
        layered = lrp(case.logits, case.inputs, case.target)
        relevance.append((layered.delta / layered.change).abs())
        unruled |= {*found.unruled, *layered.unruled}
    left = torch.cat(relevance)
    return (
        f"| {name} | {in_words(torch.cat(shares))} | {float(left.median()):.2f} |"
        f" {', '.join(sorted(unruled)) or '-'} |"
    )
