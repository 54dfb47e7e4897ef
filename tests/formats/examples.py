"""Every row of the table of formats, by section."""

from __future__ import annotations

from tests.formats import graphs, harmful, programs, reading, weights
from tests.formats.making import Example

FAMILIES: dict[str, tuple[Example, ...]] = {
    "auditkit bundles": weights.BUNDLES,
    "Weights alone": weights.STATES,
    "Architectures": weights.ARCHITECTURES,
    "ONNX": graphs.GRAPHS,
    # Further formats go here, each with a module of its own: folders of Hugging Face, scikit-learn
    # by skops, Python callables, HTTP endpoints, text networks with a vocabulary, ONNX of texts.
    "Files with code in them": programs.PROGRAMS,
    "How images are prepared": reading.PREPARED,
    "How labels are written": reading.LABELS,
    "Files that are broken, made to harm, or no models": (*harmful.HARMFUL, *graphs.HOSTILE),
}
