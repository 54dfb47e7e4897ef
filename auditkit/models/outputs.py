"""Tells whether a network answers with probabilities instead of logits, and whether with slopes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.graph import Node

from auditkit.models.blackbox import BlackBox
from auditkit.models.classifier import Classifier, ImageClassifier, TextClassifier

_INPUTS = 8  # random images or texts that are looked at
_TOLERANCE = 1e-4  # of a sum of probabilities
_RESHAPES = ("View", "Squeeze", "Unsqueeze", "Reshape", "Alias", "Clone", "ToCopy", "Select")


def detect_probabilities(classifier: Classifier) -> str | None:
    """Let a classifier whose network gives probabilities p answer with log p, and return a note.

    k outputs are probabilities where they are not negative and sum to 1 for every one of some
    random images or texts. One output cannot be told so: it is a probability where a sigmoid
    computes it.

    Parameters
    ----------
    classifier : Classifier
        Of images or texts; others are left alone, and so is a `BlackBox`, which looks itself.
    """
    if isinstance(classifier.module, BlackBox) or classifier.probabilities:
        return None
    if not isinstance(classifier, ImageClassifier | TextClassifier):
        return None
    outputs = _outputs(classifier)
    if outputs.ndim == 2 and outputs.shape[1] > 1:
        found = _sum_to_one(outputs)
        said = "are not negative and sum to 1"
    else:
        found = outputs.grad_fn is not None and _is_sigmoid(outputs.grad_fn)
        said = "come from a sigmoid"
    if not found:
        return None
    classifier.probabilities = True
    return (
        f"The outputs {said}: they were taken for probabilities, and their logarithms for logits."
    )


def detect_refusal(classifier: Classifier) -> str | None:
    """Take a classifier whose network cannot be asked for slopes for one without; return a note.

    Such a network hands its inputs to another library, which refuses them while slopes are wanted.

    Parameters
    ----------
    classifier : Classifier
        Of images or texts; others are left alone.
    """
    if not (classifier.differentiable and isinstance(classifier, ImageClassifier | TextClassifier)):
        return None
    try:
        _outputs(classifier)
    except RuntimeError as error:
        if "requires grad" not in str(error):
            raise
        classifier.differentiable = False
        return (
            "The network hands its inputs to another library, which allows no gradients: it is"
            " audited as one that only answers."
        )
    return None


def _outputs(classifier: ImageClassifier | TextClassifier) -> Tensor:
    """Return what the network itself gives for random inputs, with its graph."""
    if isinstance(classifier, TextClassifier):
        return _outputs_of_texts(classifier)
    low, high = classifier.bounds
    rng = torch.Generator().manual_seed(0)
    images = low + (high - low) * torch.rand((_INPUTS, *classifier.input_shape), generator=rng)
    with torch.enable_grad():
        return classifier.outputs(images.requires_grad_(classifier.differentiable))


def _outputs_of_texts(classifier: TextClassifier) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    words = classifier.tokenizer.get_vocab_size()
    width = classifier.max_length if classifier.padded else min(_INPUTS, classifier.max_length)
    ids = torch.randint(0, words, (_INPUTS, width), generator=rng)
    with torch.enable_grad():
        embeddings = classifier.embed(ids).detach().requires_grad_(classifier.differentiable)
        return classifier.outputs(embeddings, torch.ones_like(ids, dtype=torch.bool))


def _sum_to_one(outputs: Tensor) -> bool:
    close = (outputs.sum(dim=1) - 1).abs() < _TOLERANCE
    return bool((outputs >= 0).all() and close.all())


def _is_sigmoid(node: Node) -> bool:
    """Say whether a sigmoid is the last thing that was computed."""
    while any(one in node.name() for one in _RESHAPES):
        before = node.next_functions[0][0]
        if before is None:
            return False
        node = before
    return "Sigmoid" in node.name() and "Log" not in node.name()
