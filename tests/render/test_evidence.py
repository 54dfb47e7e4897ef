"""Mirrors auditkit/render/evidence.py."""

from __future__ import annotations

from typing import get_args

import pytest
from markupsafe import Markup

from auditkit.findings import (
    Bar,
    Bars,
    Curve,
    Evidence,
    Heatmap,
    ImageExhibit,
    ImageRow,
    Matrix,
    Note,
    Picture,
    Series,
    Table,
    TextExhibit,
    TextRow,
    Token,
)
from auditkit.render import evidence
from auditkit.render.page import TEMPLATES, environment
from tests.render.sample import clean_accuracy, digit, image_result, png, relevance, text_result

EMPTY: list[Evidence] = [
    Table(title="t", columns=[], rows=[]),
    Curve(title="c", x_label="x", y_label="y", series=[]),
    Bars(title="b", value_label="v", bars=[]),
    Matrix(title="m", row_label="r", column_label="c", rows=[], columns=[], values=[], unit=""),
    ImageExhibit(title="i", selection="best", rows=[]),
    TextExhibit(title="t", selection="boundary", rows=[]),
    Note(title="n", text=""),
]


def drawn(item: Evidence, *, left: int = evidence.PICTURE_BUDGET) -> Markup:
    outcome = clean_accuracy().model_copy(update={"evidence": {"it": item}})
    macros = environment(TEMPLATES, {}).get_template("evidence.html").module
    return evidence.Exhibitor(macros, left).draw(outcome, "it")


def kinds() -> set[type]:
    union, *_ = get_args(Evidence)
    return set(get_args(union))


def test_the_samples_hold_every_kind_and_every_kind_is_drawn() -> None:
    results = (image_result(), text_result())
    seen = {type(e) for r in results for o in r.outcomes for e in o.evidence.values()}
    assert seen == kinds() == {type(one) for one in EMPTY}


@pytest.mark.parametrize("item", EMPTY, ids=lambda one: one.kind)
def test_empty_evidence_is_drawn(item: Evidence) -> None:
    assert f"<h5>{item.title}" in drawn(item)


def test_a_matrix_shows_numbers_shades_and_what_is_undefined() -> None:
    page = drawn(
        Matrix(
            title="Confusion", row_label="true", column_label="predicted", rows=["a", "b"],
            columns=["a", "b"], values=[[8, 0], [None, 4]], unit="inputs",
        )
    )  # fmt: skip
    assert '<td class="s8 same">8</td>' in page
    assert '<td class="s0">0</td>' in page
    assert '<td class="s4 same">4</td>' in page
    assert 'title="undefined"' in page


def test_a_signed_matrix_has_two_directions() -> None:
    item = Matrix(
        title="", row_label="", column_label="", rows=["a"], columns=["x", "y", "z"],
        values=[[-0.5, 0.0, 1.0]], unit="share",
    )  # fmt: skip
    assert evidence.shades(item) == [["n3", "", "p5"]]


def test_a_large_matrix_is_a_picture_with_its_largest_pairs() -> None:
    names = [f"class {i}" for i in range(30)]
    values: list[list[float | None]] = [[float(i == j) for j in range(30)] for i in range(30)]
    values[4][7] = 9.0
    item = Matrix(
        title="Confusion", row_label="true", column_label="predicted", rows=names, columns=names,
        values=values, unit="inputs",
    )  # fmt: skip
    assert evidence.largest(item) == [evidence.Pair("class 4", "class 7", 9.0)]
    page = drawn(item)
    assert "beside the diagonal" in page
    assert "data:image/png;base64," in page


def test_a_map_has_a_range_an_outline_and_lies_over_its_input() -> None:
    row = ImageRow(
        id="a.png",
        caption="",
        panels=[
            Picture(label="input", png=png(digit())),
            Heatmap(label="gradient", values=relevance(signed=True), signed=True),
        ],
    )
    page = drawn(ImageExhibit(title="Maps", selection="random", rows=[row]))
    assert "-0.909 to 0.909" in page
    assert "Orange is above zero" in page
    assert "over the input" in page
    assert page.count('class="outline"') == 2
    beside = row.model_copy(update={"panels": [row.panels[0], *row.panels]})
    page = drawn(ImageExhibit(title="Difference", selection="worst", rows=[beside]))
    assert "over the input" not in page


def test_signed_maps_of_a_row_share_one_scale() -> None:
    small, large = [[-1.0, 0.5]] * 30, [[4.0, -4.0]] * 30
    panels = [
        Heatmap(label="small", values=small, signed=True),
        Heatmap(label="large", values=large, signed=True),
        Heatmap(label="other", values=[[0.0, 9.0]], signed=False),
        Heatmap(label="nothing", values=[[0.0, 0.0]], signed=True),
    ]
    row = ImageRow(id="a.png", caption="", panels=[*panels])
    tiles = {one.label: one for one in evidence.tiles_of(row, {})}
    assert tiles["small"].scale == tiles["large"].scale == tiles["nothing"].scale == "-4 to 4"
    assert tiles["other"].scale == "0 to 8.91"
    blank = row.model_copy(update={"panels": [panels[3]]})
    assert evidence.tiles_of(blank, {})[0].scale == "-1 to 1"


def test_a_broken_picture_says_so() -> None:
    panels = [Picture(label="input", png="AAAA"), Heatmap(label="map", values=[[]], signed=True)]
    row = ImageRow(id="a.png", caption="", panels=panels)
    page = drawn(ImageExhibit(title="Maps", selection="random", rows=[row]))
    assert page.count("This picture cannot be shown.") == 2


def test_pictures_over_the_budget_are_left_out_and_counted() -> None:
    pictures = [png(digit(shift)) for shift in (0.0, 0.5, 1.0, 1.5, 2.0)]
    rows = [
        ImageRow(id=f"{i}.png", caption="", panels=[Picture(label="input", png=one)])
        for i, one in enumerate(pictures)
    ]
    item = ImageExhibit(title="Many", selection="worst", rows=rows)
    page = drawn(item, left=len(pictures[0]) + len(pictures[1]))
    assert page.count("<image") == 2
    assert "3 rows left out to keep this page small" in page


def test_a_picture_that_comes_again_stands_in_the_page_once() -> None:
    row = ImageRow(id="a.png", caption="", panels=[Picture(label="input", png=png(digit()))])
    item = ImageExhibit(title="Many", selection="worst", rows=[row] * 5)
    page = drawn(item, left=len(png(digit())))
    assert page.count("data:image/png") == 1
    assert page.count('<use href="#picture-0"/>') == 4
    assert page.count('role="img"') == 5


@pytest.mark.parametrize(
    ("weight", "name"),
    [(None, ""), (0, ""), (0.05, ""), (0.2, "p1"), (-0.5, "n3"), (1, "p5"), (-9, "n5")],
)
def test_a_tint_has_sign_and_strength(weight: float | None, name: str) -> None:
    assert evidence.tint(weight) == name


def test_tokens_show_weight_what_stood_there_and_what_people_marked() -> None:
    tokens = [
        Token(text="very", weight=0.2),
        Token(text=" good", weight=-1, was=" bad", gold=True),
        Token(text=" <b>"),
    ]
    row = TextRow(id="row 1", caption="c", tokens=tokens)
    page = drawn(TextExhibit(title="Words", selection="worst", rows=[row]))
    marked = page.split('class="marked" dir="auto">')[1].split("</p>")[0]
    assert marked == (
        '<span class="tok p1" title="weight +0.20">very</span> <del><span class="hidden">instead of'
        ' </span>bad</del><ins><span class="tok n5 gold" title="weight -1.00">good</span></ins> '
        '<span class="tok">&lt;b&gt;</span>'
    )
    assert "dotted frame" in page
    assert "<td>marked by people, instead of  bad</td>" in page


def test_a_long_table_is_folded_and_its_end_counted() -> None:
    rows: list[list[str | int | float | bool | None]] = [[i, None, "x"] for i in range(250)]
    page = drawn(Table(title="Long", columns=["n", "nothing", "text"], rows=rows))
    assert "All 250 rows" in page
    assert "50 rows more in the result file." in page
    assert '<td class="undefined num">undefined</td>' in page


def test_columns_of_a_table_with_a_unit_say_it_in_their_head() -> None:
    page = drawn(
        Table(
            title="Units",
            columns=["group", "share", "drop", "area"],
            rows=[["a", 0.684, 0.21, 0.684], ["b", None, 1, 0.5]],
            units={"share": ["share"], "share difference": ["drop"]},
        )
    )
    for text in ("share (%)", ">68.4<", "drop (points)", ">21.0<", ">100<", ">area<", ">0.684<"):
        assert text in page


def test_only_shares_are_drawn_in_percent() -> None:
    outcome = clean_accuracy()
    bars = Bars(title="b", value_label="recall", bars=[Bar(label="a", value=0.5)])
    counts = Bars(title="b", value_label="inputs", bars=[Bar(label="a", value=12)])
    macros = environment(TEMPLATES, {}).get_template("evidence.html").module
    for item, text in ((bars, "50.0 %"), (counts, ">12<")):
        changed = outcome.model_copy(update={"evidence": {"recall": item}})
        page = evidence.Exhibitor(macros).draw(changed, "recall")
        assert text in page
        assert ("%" in page) == (item is bars)


def test_differences_of_shares_are_drawn_in_points() -> None:
    outcome = clean_accuracy()
    gaps = [one.model_copy(update={"unit": "share difference"}) for one in outcome.findings]
    bars = Bars(title="b", value_label="gap", bars=[Bar(label="a", value=0.5)])
    drawn = {"evidence": {"recall": bars}}
    macros = environment(TEMPLATES, {}).get_template("evidence.html").module
    page = evidence.Exhibitor(macros).draw(
        outcome.model_copy(update={**drawn, "findings": gaps}), "recall"
    )
    assert "gap (points)" in page
    assert "50.0 points" in page
    assert "%" not in page
    some = outcome.model_copy(update={**drawn, "findings": [gaps[0], *outcome.findings]})
    assert evidence.unit_of(some, "recall") == "share"


def test_every_kind_that_is_swept_names_its_axes() -> None:
    curve = Curve(
        title="c", x_label="steps", y_label="loss", series=[Series(name="s", x=[1], y=[2])]
    )
    page = drawn(curve)
    assert ">steps<" in page
    assert ">loss<" in page


def test_hidden_and_disguised_characters_are_named_and_escaped() -> None:
    tokens = [
        Token(text="a <b> "),
        Token(text="g\u200bo\u202edo\u202c", was="good"),
        Token(text=" f\u0456lm", was="film"),
        Token(text=" caf\u00e9 \u0444"),
        Token(text=" na\u00efve", was="na\u00edve"),  # the word itself was no plain ASCII
    ]
    row = TextRow(id="1", caption="c", tokens=tokens)
    markup = drawn(TextExhibit(title="t", selection="worst", rows=[row]))
    for hidden in "\u200b\u202e\u202c":
        assert hidden not in markup
    assert "a &lt;b&gt;" in markup
    assert 'g<code title="zero width space">[U+200B]</code>o' in markup
    assert '<code title="right-to-left override">[U+202E]</code>do' in markup
    assert '\u0456<code title="cyrillic small letter byelorussian-ukrainian i">' in markup
    assert "caf\u00e9 \u0444</span>" in markup
    assert "na\u00efve</span>" in markup
    assert "a character that is not shown" in markup
    plain = TextExhibit(title="t", selection="worst", rows=[row.model_copy(update={"tokens": []})])
    assert "not shown" not in drawn(plain)


def test_what_was_put_in_stands_for_nothing() -> None:
    row = TextRow(id="1", caption="c", tokens=[Token(text="new", was=""), Token(text=" a text")])
    markup = drawn(TextExhibit(title="t", selection="worst", rows=[row]))
    assert "<del>" not in markup
    assert '<ins><span class="tok">new</span></ins>' in markup
    assert "put in" in markup
    assert "what stood there" not in markup
