"""The scores of strangeness by name."""

from __future__ import annotations

from collections.abc import Callable

from auditkit.methods.ood import energy, knn, mahalanobis, msp, react, vim
from auditkit.methods.ood.known import Known, Score

SCORES: dict[str, Callable[[Known], Score]] = {
    "msp": msp.fit,
    "energy": energy.fit,
    "mahalanobis": mahalanobis.fit,
    "knn": knn.fit,
    "vim": vim.fit,
    "react": react.fit,
}
