"""Every row of the table of formats, by section."""

from __future__ import annotations

from tests.formats import asked, graphs, harmful, programs, reading, weights, words
from tests.formats.making import Example

FAMILIES: dict[str, tuple[Example, ...]] = {
    "auditkit bundles": weights.BUNDLES,
    "Weights alone": weights.STATES,
    "Architectures": weights.ARCHITECTURES,
    "ONNX": graphs.GRAPHS,
    "Texts": words.WORDS,
    "Models that are only asked": asked.ASKED,
    "Files with code in them": programs.PROGRAMS,
    "How images are prepared": reading.PREPARED,
    "How labels are written": reading.LABELS,
    "Files that are broken, made to harm, or no models": (*harmful.HARMFUL, *graphs.HOSTILE),
}
