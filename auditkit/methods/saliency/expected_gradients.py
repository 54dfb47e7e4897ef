"""Expected gradients: integrated gradients, averaged over references drawn from the data.

Erion et al., 2021, arXiv:1906.10670, section 3; also known as gradient SHAP.
"""

from __future__ import annotations

from torch import Tensor

from auditkit.methods.saliency.integrated_gradients import Attributed, integrated_gradients
from auditkit.models.classifier import Logits


def expected_gradients(
    logits: Logits,
    inputs: Tensor,
    target: Tensor,
    *,
    references: Tensor,
    steps: int = 8,
    batch_size: int = 128,
) -> Attributed:
    """Return scores of one input that add up to the target logit less its mean over references.

    The integral of each reference is computed by nodes, not by one random point: the noise that is
    left is that of the references.

    Parameters
    ----------
    logits : callable
        Maps inputs (m, ...) to (m, k).
    inputs : Tensor
        (1, ...) one input.
    target : Tensor
        (1,) class whose logit is explained.
    references : Tensor
        (r, ...) inputs like it; r at least 1.
    steps : int
        Nodes of each integral.
    batch_size : int
        Inputs per forward pass.

    Examples
    --------
    >>> import torch
    >>> linear = lambda x: 3 * x
    >>> found = expected_gradients(
    ...     linear, torch.ones(1, 1), torch.tensor([0]), references=torch.tensor([[0.0], [1.0]])
    ... )
    >>> round(float(found.scores), 5), float(found.change)
    (1.5, 1.5)
    """
    many = len(references)
    found = integrated_gradients(
        logits,
        inputs.expand(many, *inputs.shape[1:]),
        target.expand(many),
        reference=references,
        steps=steps,
        batch_size=batch_size,
    )
    means = (part.mean(dim=0, keepdim=True) for part in found)
    return Attributed(*means)
