"""Mirrors auditkit/render/charts.py."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
import vl_convert

from auditkit.findings import Bar, Bars, Curve, Series
from auditkit.render import charts
from tests.render.hostile import PAYLOAD

CURVE = Curve(
    title="Robust accuracy",
    x_label="epsilon",
    y_label="accuracy",
    series=[
        Series(name="one", x=[0, 1, 2], y=[1.0, 0.5, 0.0], low=[0.9, 0.4, 0], high=[1, 0.6, 0.1]),
        Series(name="two", x=[0, 1, 2], y=[1.0, None, 0.2]),
    ],
)
BARS = Bars(
    title="Groups",
    value_label="accuracy",
    bars=[Bar(label="a", value=0.5, low=0.4, high=0.6, n=12), Bar(label="b", value=None, n=0)],
)


def tooltips(svg: str) -> list[str]:
    return [one.text or "" for one in ElementTree.fromstring(svg).iter() if "title" in one.tag]


def heights(svg: str) -> list[float]:
    """Return the vertical places of the points, from top to bottom of the list of tooltips."""
    marks = [one for one in ElementTree.fromstring(svg).iter() if len(one) and "path" in one.tag]
    places = [one.get("transform", "translate(0,0)") for one in marks]
    return [float(one.removesuffix(")").split(",")[1]) for one in places]


def test_points_lie_where_their_values_say() -> None:
    top, middle, bottom, second_top, second_low = heights(charts.curve_svg(CURVE, "share"))
    assert top == pytest.approx(second_top)
    assert top < middle < bottom
    assert middle == pytest.approx((top + bottom) / 2)
    assert second_low == pytest.approx(top + 0.8 * (bottom - top))


def test_hovering_tells_value_and_interval_and_undefined_points_are_not_drawn() -> None:
    assert tooltips(charts.curve_svg(CURVE, "share")) == [
        "one at 0: 100 % (90.0 to 100 %)",
        "one at 1: 50.0 % (40.0 to 60.0 %)",
        "one at 2: 0 % (0 to 10.0 %)",
        "two at 0: 100 %",
        "two at 2: 20.0 %",
    ]
    assert tooltips(charts.bars_svg(BARS, "share")) == ["a: 50.0 % (40.0 to 60.0 %)"]
    assert ">undefined<" in charts.bars_svg(BARS, "share")


def test_places_are_tenths_and_what_elements_share_is_said_once() -> None:
    svg = charts.curve_svg(CURVE, "share")
    assert not re.search(r' (?:d|transform|[xy][12]?)="[^"]*\.\d\d', svg)
    for name in ("opacity", "stroke-width", "font-weight"):
        assert f' {name}="1"' not in svg
    grid = next(one for one in ElementTree.fromstring(svg).iter() if one.get("stroke-opacity"))
    assert len(grid) > 2
    assert all("stroke-opacity" not in one.attrib for one in grid)


def test_a_line_of_many_points_has_no_marks() -> None:
    many = [float(i) for i in range(charts.MAX_POINTS + 1)]
    dense = Series(name="dense", x=many, y=[*many])
    few = Series(name="few", x=many[:3], y=[*many[:3]])
    svg = charts.curve_svg(Curve(title="", x_label="", y_label="", series=[dense, few]))
    assert [one.split(" at ")[0] for one in tooltips(svg)] == ["few"] * 3


def test_nothing_defined_draws_nothing() -> None:
    empty = Curve(title="", x_label="", y_label="", series=[Series(name="", x=[1], y=[None])])
    assert charts.curve_svg(empty) == ""
    assert charts.bars_svg(Bars(title="", value_label="", bars=[Bar(label="", value=None)])) == ""


@pytest.mark.parametrize(
    "series",
    [
        Series(name="longer x", x=[1, 2, 3], y=[1]),
        Series(name="one point", x=[1], y=[0]),
        Series(name="short interval", x=[1, 2], y=[1, 2], low=[0], high=[2]),
        Series(name="huge", x=[1e-9, 1e9], y=[-1e12, 1e12]),
    ],
)
def test_odd_curves_are_drawn(series: Series) -> None:
    svg = charts.curve_svg(Curve(title="", x_label="", y_label="", series=[series]))
    assert len(tooltips(svg)) == min(len(series.x), len(series.y))


def test_a_curve_draws_six_lines_and_its_key_names_them() -> None:
    series = [Series(name=str(i), x=[0, 1], y=[0, i]) for i in range(9)]
    curve = CURVE.model_copy(update={"series": series, "diagonal": True})
    assert [one.name for one in charts.curve_key(curve)] == [*"012345", "ideal"]
    assert len(tooltips(charts.curve_svg(curve))) == 12
    assert len(set(charts.COLOURS)) == charts.MAX_SERIES


def test_names_cannot_act_in_a_chart() -> None:
    curve = Curve(
        title=PAYLOAD,
        x_label=PAYLOAD,
        y_label=PAYLOAD,
        series=[Series(name=PAYLOAD, x=[0, 1], y=[0, 1])],
    )
    bars = Bars(title=PAYLOAD, value_label=PAYLOAD, bars=[Bar(label=PAYLOAD, value=1, n=3)])
    for svg in (charts.curve_svg(curve), charts.bars_svg(bars)):
        root = ElementTree.fromstring(svg)
        tags = {one.tag.rpartition("}")[2] for one in root.iter()}
        assert tags <= {"svg", "g", "path", "line", "rect", "text", "title"}
        assert "<script" not in svg
        assert "style=" not in svg


def test_what_a_chart_engine_might_add_is_dropped() -> None:
    svg = charts.sanitised(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" onload="alert(1)">'
        "<style>text{}</style><script>alert(1)</script><foreignObject><p/></foreignObject>"
        '<a href="https://evil.example"><text>linked</text></a><image href="https://evil.example"/>'
        '<path d="M0 0h1" style="fill:red" id="x" class="y" onclick="z()" fill="url(#x)"'
        ' stroke="red"/></svg>',
        "title",
    )
    root = ElementTree.fromstring(svg)
    assert [one.tag.rpartition("}")[2] for one in root.iter()] == ["svg", "path"]
    assert dict(root[0].attrib) == {"d": "M0 0h1", "stroke": "red"}
    assert root.get("role") == "img"


def swept(*x: float) -> Curve:
    return CURVE.model_copy(update={"series": [Series(name="s", x=list(x), y=[0.1] * len(x))]})


def labels(svg: str) -> list[str]:
    """Return the labels under the chart."""
    return re.findall(r'<text transform="translate\(\d[^"]*,1\d\)"[^>]*>([^<]+)<', svg)


def test_swept_values_are_labelled_where_there_is_room() -> None:
    assert labels(charts.curve_svg(swept(0, 0.05, 0.1, 0.2))) == ["0", "0.05", "0.1", "0.2"]
    crowded = labels(charts.curve_svg(swept(0, 0.011111, 0.022222, 0.1)))
    assert crowded == ["0.00", "0.02", "0.04", "0.06", "0.08", "0.10"]
    long = labels(charts.curve_svg(swept(123456.0, 123456.1, 123456.5)))
    assert long == ["123,456.0", "123,456.2", "123,456.4"]


def test_a_chart_is_the_same_every_time_and_with_every_font(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def everything() -> list[str]:
        curves = [charts.curve_svg(one, "share") for one in (CURVE, swept(123456.0, 123456.5))]
        return [*curves, charts.bars_svg(BARS, "share")]

    before = everything()
    draw = vl_convert.vegalite_to_svg

    def with_another_font(spec: dict, *, vl_version: str) -> str:
        spec["config"]["font"] = "DejaVu Sans Mono"
        return draw(spec, vl_version=vl_version)

    monkeypatch.setattr(vl_convert, "vegalite_to_svg", with_another_font)
    assert everything() == before


def texts(svg: str) -> list[str]:
    return [
        one.text or "" for one in ElementTree.fromstring(svg).iter() if one.tag.endswith("text")
    ]


def test_long_labels_have_a_line_of_their_own_and_the_whole_of_a_cut_one_is_a_tooltip() -> None:
    long, longer = "a name of some thirty letters", "a name " * 12 + "in full"
    bars = BARS.model_copy(
        update={"bars": [Bar(label=long, value=0.5, n=12), Bar(label=longer, value=0.2, n=3)]}
    )
    svg = charts.bars_svg(bars, "share")
    assert f"{long} (12)" in texts(svg)
    (cut,) = [one for one in texts(svg) if one.endswith("… (3)")]
    assert len(cut) == 50
    assert f"{longer} (3)" in tooltips(svg)
    assert f"{longer}: 20.0 %" in tooltips(svg)
    short = charts.bars_svg(BARS, "share")
    assert float(re.findall(r"viewBox=.0 0 \S+ ([\d.]+)", short)[0]) < 130
