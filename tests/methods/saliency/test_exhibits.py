"""Rows of a gallery keep every character, and mark what they should."""

import numpy as np

from auditkit.findings import Heatmap, Picture
from auditkit.methods.saliency.exhibits import image_row, words_row
from auditkit.methods.saliency.probes.base import Map
from auditkit.methods.saliency.probes.text import TextProbe
from tests.methods.saliency.nets import noise, small_cnn, word_model
from tests.methods.saliency.subjects import image_probe


def text_probe(text: str, max_length: int = 16) -> TextProbe:
    model = word_model(["good", "bad"], max_length=max_length)
    return TextProbe(model=model, text=text, target=1, batch_size=8)


def test_text_rows_keep_every_character_and_scale_to_the_largest_score():
    probe = text_probe("  good, <b>bad</b> ")
    scores = np.arange(len(probe.spans)) - 2.0
    row = words_row("1", "c", probe, Map(scores, True), probe.relevant([(2, 6)]))
    assert "".join(token.text for token in row.tokens) == probe.text
    assert row.tokens[0].text == "  good"
    assert row.tokens[0].gold
    assert not any(token.gold for token in row.tokens[1:])
    weights = [token.weight for token in row.tokens if token.weight is not None]
    assert max(np.abs(weights)) == 1.0
    assert weights[0] < 0


def test_text_rows_show_what_the_model_cannot_read_without_a_weight():
    probe = text_probe("good bad good bad", max_length=3)
    row = words_row("1", "c", probe, Map(np.array([0.0, 0.0]), True), None)
    assert [token.weight for token in row.tokens] == [0.0, 0.0, None]
    assert row.tokens[2].text == " good bad"


def test_image_rows_hold_the_input_each_map_and_the_region():
    probe = image_probe(small_cnn(), noise(1, 8, 8))
    maps = {"integrated-gradients": Map(np.eye(8), True), "gradient": Map(np.zeros((8, 8)), False)}
    panels = image_row("1", "c", probe, maps, np.eye(8, dtype=bool)).panels
    assert isinstance(panels[0], Picture)
    assert [panel.label for panel in panels] == [
        "input", "integrated gradients", "gradient", "what truly matters",
    ]  # fmt: skip
    shown = [panel for panel in panels if isinstance(panel, Heatmap)]
    assert [panel.signed for panel in shown] == [True, False, False]
    assert shown[2].values == np.eye(8).tolist()
