"""Any function from inputs to scores, in the place of a network: no parameters, no gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias, final

import numpy as np
import torch
from torch import Tensor, nn

from auditkit.errors import AuditkitError, ModelError
from auditkit.types import Floats

Output: TypeAlias = Literal["probabilities", "logits"]
_TOLERANCE = 1e-4  # of a sum of probabilities in single precision


@final
class BlackBox(nn.Module):
    """A function that is asked for answers and never looked into.

    It takes the place of the network in an `ImageClassifier`, a `TabularClassifier` or a
    `GraphClassifier`, which then has no gradients: checks that need them do not apply.

    Parameters
    ----------
    predict : callable
        Maps n raw inputs as float32 arrays to scores (n, k): images (n, c, h, w), rows of a table
        (n, c), or tags (n, v, d) and adjacency (n, v, v) of graphs. One column (n, 1) or (n,)
        stands for the second of two classes.
    output : {"probabilities", "logits"}, optional
        What the scores are. By default probabilities where k > 1 and the first answer is positive
        and sums to 1, else logits; a probability p becomes log p.
    incidents : list of str, optional
        Where the function says what it survived while it was asked, such as a request that had to
        be repeated; whoever reads a sentence takes it out.

    Raises
    ------
    ModelError
        When it is called: if the function fails, or answers with something else than numbers.

    Examples
    --------
    >>> box = BlackBox(lambda rows: np.stack([rows[:, 0], 1 - rows[:, 0]], axis=1))
    >>> box(torch.tensor([[0.25], [0.5]])).softmax(dim=1)
    tensor([[0.2500, 0.7500],
            [0.5000, 0.5000]])
    >>> box.output
    'probabilities'
    """

    def __init__(
        self,
        predict: Callable[..., object],
        *,
        output: Output | None = None,
        incidents: list[str] | None = None,
    ) -> None:
        super().__init__()
        self.predict = predict
        self.incidents: list[str] = [] if incidents is None else incidents
        self.output: Output | None = output
        self.detected = output is None
        self.n_parameters: int | None = None  # where whoever wraps the function knows it

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return logits (n, k), or (n, 1) for two classes."""
        scores = self._asked(*(one.detach().cpu().numpy() for one in inputs))
        if self.output is None:
            self.output = "probabilities" if _sum_to_one(scores) else "logits"
        if self.output == "logits":
            return torch.from_numpy(scores)
        return torch.from_numpy(self._log(scores))

    @property
    def note(self) -> str:
        """What was found out about the scores, in words."""
        if not self.detected or self.output is None:
            return ""
        seen = (
            "are positive and sum to 1, so they were taken for probabilities and their logarithms"
            " for logits"
            if self.output == "probabilities"
            else "do not sum to 1, so they were taken for logits"
        )
        return f"Its scores {seen}."

    def _asked(self, *inputs: Floats) -> Floats:
        try:
            answer = self.predict(*inputs)
        except AuditkitError:  # says itself what is wrong
            raise
        except Exception as error:  # whatever the function raises
            raise ModelError(
                f"The function failed on {len(inputs[0])} inputs: {type(error).__name__}: {error}.",
                hint="It is called with float32 arrays; see the docs of auditkit.BlackBox.",
            ) from error
        if isinstance(answer, Tensor):
            answer = answer.detach().cpu().numpy()
        try:
            scores = np.asarray(answer, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"The function returned {type(answer).__name__}, expected numbers (n, k).",
                hint="Return probabilities or logits, not class names.",
            ) from error
        return scores[:, None] if scores.ndim == 1 else scores

    def _log(self, scores: Floats) -> Floats:
        if np.nanmin(scores, initial=0.0) < 0 or np.nanmax(scores, initial=0.0) > 1 + _TOLERANCE:
            raise ModelError(
                "The function returned scores outside [0, 1], where probabilities are expected.",
                hint='Say what they are: BlackBox(predict, output="logits")',
            )
        if scores.ndim == 2 and scores.shape[1] == 1:
            scores = np.concatenate([1 - scores, scores], axis=1)
        return np.log(np.maximum(scores, np.finfo(np.float32).tiny))  # a logit has to be finite


def _sum_to_one(scores: Floats) -> bool:
    if scores.ndim != 2 or scores.shape[1] == 1 or len(scores) == 0:
        return False
    sums = scores.sum(axis=1)
    return bool((scores >= 0).all() and (np.abs(sums - 1) < _TOLERANCE).all())
