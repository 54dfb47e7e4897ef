"""The last linear layer of a network: from features to logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from auditkit.types import Floats

_TOLERANCE = 1e-3  # of the spread of the logits: float32 layers are far closer


@final
@dataclass(frozen=True)
class Head:
    """Weights such that logits are features @ weight + bias."""

    weight: Floats  # (d, k)
    bias: Floats  # (k,)

    def logits(self, features: Floats) -> Floats:
        """Return logits (n, k) of features (n, d)."""
        return features @ self.weight + self.bias

    @classmethod
    def seen(cls, matrix: Floats | None, features: Floats, logits: Floats) -> Head | None:
        """Return the layer whose matrix was seen at work, if the logits are what it makes.

        The bias is what the matrix leaves over, which must be the same for all inputs. None where
        it is not: something else stands between the layer and the answer, such as a softmax.

        Parameters
        ----------
        matrix : ndarray, optional
            (d, k), or (d, 1) of a network whose one logit z stands for [0, z].
        features, logits : ndarray
            (n, d) and (n, k).

        Examples
        --------
        >>> features = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> Head.seen(np.eye(2), features, features + 3.0).bias.tolist()
        [3.0, 3.0]
        """
        if matrix is None or len(features) == 0:
            return None
        if matrix.shape[1] == 1 and logits.shape[1] == 2:
            matrix = np.concatenate([np.zeros_like(matrix), matrix], axis=1)
        left = logits - features @ matrix  # (n, k), the bias in every row
        bias = np.median(left, axis=0)
        scale = max(float(np.ptp(logits)), 1e-12)
        close = np.abs(left - bias).max() <= _TOLERANCE * scale
        return cls(matrix, bias) if close else None
