"""Mirrors auditkit/render/figures.py."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from auditkit.findings import (
    Bars,
    Curve,
    Heatmap,
    ImageExhibit,
    Matrix,
    TextExhibit,
    TextRow,
    Token,
)
from auditkit.render.figures import figures_of, file_name
from auditkit.result import Result
from tests.render.hostile import hostile
from tests.render.sample import image_result, text_result

RESULTS = (image_result(), text_result())
SVG = "{http://www.w3.org/2000/svg}"


def figures(result: Result) -> dict[str, str]:
    made = list(figures_of(result))
    assert len({one.name for one in made}) == len(made), "names are unique"
    return {one.name: one.svg for one in made}


@pytest.mark.parametrize("result", [*RESULTS, *(hostile(one) for one in RESULTS)])
def test_every_figure_is_well_formed_stands_alone_and_cannot_act(result: Result) -> None:
    for name, svg in figures(result).items():
        assert re.fullmatch(r"[\w.=-]+\.svg", name)
        root = ElementTree.fromstring(svg)
        assert root.tag == f"{SVG}svg"
        for one in root.iter():
            assert one.tag.removeprefix(SVG) in {
                "svg", "title", "rect", "text", "tspan", "g", "path", "line", "image",
            }  # fmt: skip
            for key, value in one.attrib.items():
                assert not key.lower().startswith("on")
                if "href" in key:
                    assert value.startswith("data:image/png;base64,")


@pytest.mark.parametrize("result", RESULTS)
def test_everything_that_can_be_drawn_is(result: Result) -> None:
    expected = 0
    for outcome in result.outcomes:
        for item in outcome.evidence.values():
            if isinstance(item, ImageExhibit | TextExhibit):
                expected += len(item.rows)
            expected += isinstance(item, Curve | Bars | Matrix)
    assert len(figures(result)) == expected


def test_a_chart_has_its_title_and_its_legend() -> None:
    outcome = next(one for one in image_result().outcomes if one.check == "pgd-linf")
    key, curve = next((k, v) for k, v in outcome.evidence.items() if isinstance(v, Curve))
    svg = figures(image_result())[f"pgd-linf-{key}.svg"]
    texts = [one.text for one in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert curve.title in texts
    assert all(one.name in texts for one in curve.series)


def test_a_row_of_maps_has_labels_scales_and_fades_what_is_not_informative() -> None:
    outcome = next(one for one in image_result().outcomes if one.check == "attribution-trust")
    key, exhibit = next((k, v) for k, v in outcome.evidence.items() if isinstance(v, ImageExhibit))
    row = exhibit.rows[0]
    assert any(isinstance(one, Heatmap) for one in row.panels)
    root = ElementTree.fromstring(
        figures(image_result())[file_name("attribution-trust", key, row.id)]
    )
    texts = [one.text or "" for one in root.iter(f"{SVG}text")]
    assert "occlusion (not informative)" in texts
    assert "integrated gradients" in texts
    assert any(re.fullmatch(r"-[\d.]+ to [\d.]+", one) for one in texts), "a signed scale"
    assert {one.get("opacity") for one in root.iter(f"{SVG}svg")} >= {"1", "0.35"}


def test_tokens_keep_their_order_their_spaces_and_their_weights() -> None:
    found = next(
        (outcome.check, key, item)
        for outcome in text_result().outcomes
        for key, item in outcome.evidence.items()
        if isinstance(item, TextExhibit) and any(one.weight for one in item.rows[0].tokens)
    )
    check, key, exhibit = found
    row = exhibit.rows[0]
    root = ElementTree.fromstring(figures(text_result())[file_name(check, key, row.id)])
    placed = [one for one in root.iter(f"{SVG}text") if one.get("font-family") == "monospace"]
    assert [one.text for one in placed] == [one.text.strip() for one in row.tokens]
    for one, after in pairwise(placed):
        if one.get("y") == after.get("y"):
            end = float(one.get("x", 0)) + float(one.get("textLength", 0))
            assert float(after.get("x", 0)) >= end - 1e-6
    weighed = sum(bool(one.weight) for one in row.tokens)
    assert len([one for one in root.iter(f"{SVG}path") if one.get("stroke-width")]) == weighed


@pytest.mark.parametrize("texts", [["one", " two"], ["one ", "two"]])
def test_a_space_before_or_behind_a_token_is_a_gap(texts: list[str]) -> None:
    tokens = [Token(text=one, weight=0.5) for one in texts]
    row = TextRow(id="t", caption="", tokens=tokens)
    exhibit = TextExhibit(title="Texts", selection="random", rows=[row])
    outcome = text_result().outcomes[0].model_copy(update={"evidence": {"it": exhibit}})
    result = text_result().model_copy(update={"outcomes": [outcome]})
    (svg,) = figures(result).values()
    first, second = (
        one for one in ElementTree.fromstring(svg).iter(f"{SVG}text") if one.get("textLength")
    )
    end = float(first.get("x", 0)) + float(first.get("textLength", 0))
    assert float(second.get("x", 0)) - end == pytest.approx(8.4)


def drawn(tokens: list[Token], caption: str = "") -> ElementTree.Element:
    """The figure of one text."""
    exhibit = TextExhibit(
        title="Texts", selection="random", rows=[TextRow(id="t", caption=caption, tokens=tokens)]
    )
    outcome = text_result().outcomes[0].model_copy(update={"evidence": {"it": exhibit}})
    (svg,) = figures(text_result().model_copy(update={"outcomes": [outcome]})).values()
    return ElementTree.fromstring(svg)


def test_a_changed_word_stands_behind_what_it_was_and_a_new_line_begins_one() -> None:
    tokens = [Token(text="Before: "), Token(text="good"), Token(text="\nAfter: ")]
    root = drawn([*tokens, Token(text="fine", was="good", weight=1.0), Token(text=" film")])
    placed = [one for one in root.iter(f"{SVG}text") if one.get("font-family") == "monospace"]
    assert [one.text for one in placed] == ["Before:", "good", "After:", "good", "fine", "film"]
    assert [one.get("text-decoration") for one in placed[2:5]] == [None, "line-through", None]
    assert (
        len({one.get("y") for one in placed[:2]}) == len({one.get("y") for one in placed[2:]}) == 1
    )
    assert placed[1].get("y") != placed[2].get("y")


def test_long_captions_and_long_tokens_are_broken_into_lines() -> None:
    root = drawn([Token(text="a word and more " * 30)], caption="It says a lot. " * 30)
    assert float(root.get("width", 0)) < 700
    assert max(len(one.text or "") for one in root.iter(f"{SVG}text")) <= 92
