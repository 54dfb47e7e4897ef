"""Curves and bars as charts: static SVG without script, style or identifiers.

Text and axes take the colour of the page (`currentColor`); marks use colours that stand out on a
light and on a dark page, and a shape of their own, so that colour is never the only sign. Nothing
is placed by measuring text, so the fonts of a machine cannot change a chart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar
from xml.etree import ElementTree

from markupsafe import Markup

from auditkit.findings import Bar, Bars, Curve, Series
from auditkit.render.words import bare, is_share, line, number, short, span, titled

if TYPE_CHECKING:
    import altair as alt

MAX_SERIES = 6
MAX_BARS = 40
MAX_POINTS = 30  # of a series with marks of their own; more would hide the line

_SVG = "http://www.w3.org/2000/svg"
_WIDTH, _HEIGHT = 360, 240
_BAND = 22  # height of one bar
COLOURS = ("#2f7fc1", "#c8690f", "#7d6bb8", "#1f8a70", "#b4527f", "#7b7f87")
_SHAPES = (  # in a box from -1 to 1
    "M1,0A1,1,0,1,1,-1,0A1,1,0,1,1,1,0Z",
    "M-.9,-.9H.9V.9H-.9Z",
    "M0,-1.1L1.1,.9H-1.1Z",
    "M0,-1.2L1.2,0L0,1.2L-1.2,0Z",
    "M-.35,-1H.35V-.35H1V.35H.35V1H-.35V.35H-1V-.35H-.35Z",
    "M0,1.1L1.1,-.9H-1.1Z",
)
_DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4], [1, 3])


_FIXED: dict[str, Any] = dict(  # room for text is set, not measured
    labelOverlap=False,
    labelFlush=False,
    labelFontSize=12,
    titleFontSize=12,
    titleFontWeight="normal",
    titlePadding=8,
)

_Row: TypeAlias = dict[str, "str | float | None"]
_Channel = TypeVar("_Channel", "alt.X", "alt.Y")


class Key(NamedTuple):
    """One entry of a chart's legend."""

    name: str
    swatch: Markup


# --- curves --------------------------------------------------------------------------------------


def curve_key(curve: Curve) -> list[Key]:
    """Return the legend of a curve."""
    drawn = [Key(line(one.name), _swatch(i)) for i, one in enumerate(curve.series[:MAX_SERIES])]
    if curve.diagonal:
        drawn.append(Key("ideal", _ideal_swatch()))
    return drawn


def curve_svg(curve: Curve, unit: str = "") -> Markup:
    """Return lines with points and interval bands; empty where no point is defined.

    Parameters
    ----------
    curve : Curve
        At most `MAX_SERIES` of its series are drawn.
    unit : str
        Unit of the values; shares are drawn in percent.
    """
    import altair as alt

    scale = 100 if is_share(unit) else 1
    series = curve.series[:MAX_SERIES]
    rows = [row for i, one in enumerate(series) for row in _points(i, one, unit, scale)]
    if not any(row["y"] is not None for row in rows):
        return Markup()
    if curve.diagonal:  # both axes have the same unit
        rows = [{**row, "x": _number(row["x"]) * scale} for row in rows]
        across = _across_axis(titled(curve.x_label, unit))
        x_domain = _with_zero(rows, ("x",), scale)
    else:
        x_domain = _across(rows)
        long = max(len(f"{end:.5g}") for end in x_domain) > 4
        across = _across_axis(curve.x_label, _ticks(rows), ticks=3 if long else 5)
    y_domain = _with_zero(rows, ("y", "low", "high"), scale)
    x = alt.X("x:Q", scale=_linear(x_domain), axis=across)
    y = alt.Y("y:Q", scale=_linear(y_domain), axis=_upward_axis(titled(curve.y_label, unit)))
    ideal = [_diagonal(x_domain, y_domain)] if curve.diagonal else []
    chart = alt.layer(*ideal, *_lines(x, y), data=alt.Data(values=rows)).properties(
        width=_WIDTH - 70,
        height=_HEIGHT - 76,
        padding={"left": 48, "right": 22, "top": 30, "bottom": 46},
    )
    return _drawn(chart, curve.title)


def _lines(x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Return band, line and points; colour, dashes and shape tell series apart."""
    import altair as alt

    def by_series(values: Sequence[Any]) -> dict[str, Any]:
        domain = list(range(MAX_SERIES))
        return dict(legend=None, scale=alt.Scale(domain=domain, range=list(values)))

    marks = alt.Chart().encode(x=x, color=alt.Color("series:O", **by_series(COLOURS)))
    dashes = alt.StrokeDash("series:O", **by_series(_DASHES))
    shapes = alt.Shape("series:O", **by_series(_SHAPES))
    return [
        marks.mark_area(opacity=0.18).encode(y=_on(y, "low"), y2="high:Q"),
        marks.mark_line(strokeWidth=2).encode(y=y, strokeDash=dashes),
        marks.mark_point(filled=True, opacity=1, size=52).encode(
            y=_on(y, "mark"), shape=shapes, description="says:N"
        ),
    ]


def _points(index: int, series: Series, unit: str, scale: float) -> list[_Row]:
    size = min(len(series.x), len(series.y))
    lows, highs = _padded(series.low, size), _padded(series.high, size)
    return [
        {
            "series": index,
            "x": x,
            "y": _scaled(y, scale),
            "mark": _scaled(y, scale) if size <= MAX_POINTS else None,
            "low": _scaled(low, scale),
            "high": _scaled(high, scale),
            "says": f"{short(series.name, 200)} at {bare(x)}: {_says(y, low, high, unit)}",
        }
        for x, y, low, high in zip(series.x, series.y, lows, highs, strict=False)
    ]


def _padded(values: Sequence[float | None] | None, size: int) -> list[float | None]:
    known = list(values or [])[:size]
    return [*known, *[None] * (size - len(known))]


def _scaled(value: float | None, scale: float) -> float | None:
    return None if value is None else value * scale


def _says(value: float | None, low: float | None, high: float | None, unit: str) -> str:
    if value is None:
        return "undefined"
    beside = f" ({span(low, high, unit)})" if low is not None and high is not None else ""
    return f"{number(value, unit)}{beside}"


def _diagonal(x: tuple[float, float], y: tuple[float, float]) -> alt.Chart:
    import altair as alt

    ends = [{"x": at, "y": at} for at in (max(x[0], y[0]), min(x[1], y[1]))]
    mark = alt.Chart(alt.Data(values=ends)).mark_line(
        stroke="currentColor", strokeWidth=1, strokeDash=[3, 3], opacity=0.7
    )
    return mark.encode(x="x:Q", y="y:Q")


# --- bars and dots -------------------------------------------------------------------------------


def bars_svg(bars: Bars, unit: str = "") -> Markup:
    """Return one row per bar: a dot with its interval where there are intervals, else a bar.

    At most `MAX_BARS` rows are drawn. Empty where no value is defined.
    """
    import altair as alt

    scale = 100 if is_share(unit) else 1
    drawn = bars.bars[:MAX_BARS]
    above = any(len(_bar_label(bar)) > _BESIDE for bar in drawn)
    rows = [_row(i, bar, unit, scale, _ABOVE if above else _BESIDE) for i, bar in enumerate(drawn)]
    labels, band = (_NARROW, 2 * _BAND) if above else (_LABELS, _BAND)
    plot = _WIDTH - labels - _SHOWN
    if not any(row["x"] is not None for row in rows):
        return Markup()
    dotted = any(bar.low is not None for bar in drawn)
    domain = _close(rows) if dotted else _with_zero(rows, ("x",), scale)
    across = _across_axis(titled(bars.value_label, unit), ticks=3)
    x = alt.X("x:Q", scale=_linear(domain), axis=across)
    up = alt.Scale(domain=[len(rows) - 0.5, -0.5], nice=False)
    marks = alt.Chart().encode(y=alt.Y("row:Q", axis=None, scale=up))
    said = marks.mark_text(
        align="left" if above else "right",
        baseline="middle",
        fontSize=12,
        dy=-_BAND if above else 0,
    ).encode(x=alt.value(0 if above else -10), text="label:N", description="full:N")
    layers = [
        said,
        marks.mark_text(align="left", baseline="middle", fontSize=12).encode(
            x=alt.value(plot + 8), text="shown:N"
        ),
        *(_dots(marks, x) if dotted else _plain_bars(marks, x)),
    ]
    layered = alt.layer(*layers, data=alt.Data(values=rows)).properties(
        width=plot,
        height=band * len(rows),
        padding={
            "left": labels, "right": _SHOWN, "top": _BAND - 4 if above else 8, "bottom": 46,
        },
    )  # fmt: skip
    return _drawn(layered, bars.title)


_LABELS, _NARROW, _SHOWN = 152, 8, 74  # a column of labels, or none where they stand above
_BESIDE, _ABOVE = 22, 50  # characters of a label beside its bar, or on a line of its own


def _bar_label(bar: Bar) -> str:
    label = line(bar.label)
    return label if bar.n is None else f"{label} ({bar.n:,})"


def _cut(bar: Bar, most: int) -> str:
    """Return the label with its n, of which the label alone gives way where there is no room."""
    whole = _bar_label(bar)
    if len(whole) <= most:
        return whole
    beside = whole[len(line(bar.label)) :]
    return f"{short(bar.label, most - len(beside))}{beside}"


def _row(index: int, bar: Bar, unit: str, scale: float, most: int) -> _Row:
    label = _cut(bar, most)
    return {
        "row": index,
        "label": label,
        "full": "" if label == _bar_label(bar) else _bar_label(bar),
        "x": _scaled(bar.value, scale),
        "low": _scaled(bar.low, scale),
        "high": _scaled(bar.high, scale),
        "shown": "undefined" if bar.value is None else _brief(bar.value, unit),
        "says": f"{short(bar.label, 200)}: {_says(bar.value, bar.low, bar.high, unit)}",
    }


def _brief(value: float, unit: str) -> str:
    return number(value, unit) if unit == "share" else bare(value, unit)


def _dots(chart: alt.Chart, x: alt.X) -> list[alt.Chart]:
    return [
        chart.mark_rule(stroke=COLOURS[0], strokeWidth=2, aria=False).encode(
            x=_on(x, "low"), x2="high:Q"
        ),
        chart.mark_point(filled=True, opacity=1, size=70, color=COLOURS[0]).encode(
            x=x, description="says:N"
        ),
    ]


def _plain_bars(chart: alt.Chart, x: alt.X) -> list[alt.Chart]:
    import altair as alt

    mark = chart.mark_rule(stroke=COLOURS[0], strokeWidth=_BAND - 8)
    return [mark.encode(x=x, x2=alt.datum(0), description="says:N")]


# --- axes ----------------------------------------------------------------------------------------


def _across(rows: Sequence[_Row]) -> tuple[float, float]:
    """Return the range of the swept quantity."""
    low, high = _extent(rows, ("x",))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _with_zero(rows: Sequence[_Row], fields: Sequence[str], scale: float) -> tuple[float, float]:
    """Return the range of values with zero in it, and the whole for shares above a half."""
    low, high = _extent(rows, fields)
    low, high = min(low, 0.0), max(high, 0.0)
    if scale / 2 < high <= scale:
        high = float(scale)
    return (low, high) if high > low else (low, low + 1)


def _close(rows: Sequence[_Row]) -> tuple[float, float]:
    """Return the range of dots and intervals with a margin: dots need no zero."""
    low, high = _extent(rows, ("x", "low", "high"))
    margin = 0.06 * (high - low) or 0.5
    return low - margin, high + margin


def _extent(rows: Sequence[_Row], fields: Sequence[str]) -> tuple[float, float]:
    values = [row[field] for row in rows for field in fields]
    numbers = [_number(one) for one in values if one is not None]
    return min(numbers), max(numbers)


def _number(value: str | float | None) -> float:
    if not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _ticks(rows: Sequence[_Row]) -> list[float] | None:
    """Return the swept values themselves where they leave room for their labels."""
    values = sorted({_number(row["x"]) for row in rows})
    if len(values) < 2:
        return None
    label = 7 * max(len(f"{value:.5g}") for value in values) + 6  # pixels, generously
    room = (values[-1] - values[0]) * label / (_WIDTH - 70)
    close = any(right - left < room for left, right in pairwise(values))
    return None if close else values


def _on(channel: _Channel, field: str) -> _Channel:
    """Return the same axis and scale for another field."""
    return type(channel)(f"{field}:Q", scale=channel["scale"], axis=channel["axis"])


def _linear(domain: tuple[float, float]) -> alt.Scale:
    import altair as alt

    return alt.Scale(domain=list(domain), nice=False, zero=False)


def _across_axis(title: str, values: list[float] | None = None, *, ticks: int = 5) -> alt.Axis:
    import altair as alt

    return alt.Axis(
        title=short(title, 52),
        values=alt.Undefined if values is None else values,
        format=alt.Undefined if values is None else ".5~g",
        grid=False,
        tickCount=ticks,
        minExtent=18,
        maxExtent=18,
        **_FIXED,
    )


def _upward_axis(title: str) -> alt.Axis:
    """Return a vertical axis whose title lies above it, where it is read without turning."""
    import altair as alt

    return alt.Axis(
        title=short(title, 52),
        tickCount=5,
        titleAngle=0,
        titleAlign="left",
        titleX=-44,
        titleY=-18,
        **_FIXED,
    )


# --- drawing -------------------------------------------------------------------------------------


def _drawn(chart: alt.LayerChart | alt.FacetChart, title: str) -> Markup:
    import altair as alt
    import vl_convert

    spec = (
        chart.properties(autosize=alt.AutoSizeParams(type="none"), background="transparent")
        .configure(text=alt.MarkConfig(color="currentColor"))
        .configure_axis(
            domainColor="currentColor", gridColor="currentColor", labelColor="currentColor",
            tickColor="currentColor", titleColor="currentColor",
            domainOpacity=0.5, gridOpacity=0.15, tickOpacity=0.5,
        )
        .configure_view(stroke=None)
    ).to_dict(validate=False)  # fmt: skip
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    return sanitised(vl_convert.vegalite_to_svg(spec, vl_version=version), title)


_TAGS = {"g", "path", "line", "rect", "text", "tspan"}
_ATTRIBUTES = {
    "d", "dx", "dy", "fill", "fill-opacity", "font-size", "font-weight", "height", "opacity",
    "stroke", "stroke-dasharray", "stroke-linecap", "stroke-opacity", "stroke-width",
    "text-anchor", "transform", "width", "x", "x1", "x2", "y", "y1", "y2",
}  # fmt: skip
_PLACES = {"d", "height", "transform", "width", "x", "x1", "x2", "y", "y1", "y2"}
_SAID_ALREADY = {  # by SVG itself, or by the root
    ("font-size", "12px"), ("font-weight", "normal"), ("opacity", "1"), ("stroke-width", "1"),
    ("stroke-dasharray", "1,0"), ("transform", "translate(0,0)"), ("x2", "0"), ("y2", "0"),
}  # fmt: skip
_INHERITED = {"fill", "stroke", "stroke-dasharray", "stroke-opacity", "stroke-width", "text-anchor"}


def sanitised(svg: str, title: str) -> Markup:
    """Return an SVG of known elements and attributes only, as an image with a title.

    Script, style, links, identifiers and event handlers have no way through. What a mark says when
    read aloud becomes its tooltip.
    """
    source = ElementTree.fromstring(svg)  # noqa: S314  # our own output, without entities
    root = ElementTree.Element(
        "svg",
        {
            "xmlns": _SVG,
            "viewBox": source.get("viewBox", f"0 0 {_WIDTH} {_HEIGHT}"),
            "class": "chart",
            "font-size": "12px",
            "role": "img",
            "aria-label": line(title),
        },
    )
    root.extend(_kept(list(source)))
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704  # rebuilt from known parts


def _kept(elements: Sequence[ElementTree.Element]) -> list[ElementTree.Element]:
    return [kept for element in elements for kept in _rebuilt(element)]


def _rebuilt(element: ElementTree.Element) -> list[ElementTree.Element]:
    tag = element.tag.removeprefix(f"{{{_SVG}}}")
    if tag not in _TAGS or element.get("class") in ("background", "foreground"):
        return []
    attributes = _needed(element)
    children = _kept(list(element))
    if (tag == "g" and not children) or (tag == "path" and "d" not in attributes):
        return []
    if tag == "g":
        attributes |= _hoisted(children)
    if tag == "g" and not attributes:
        return children
    new = ElementTree.Element(tag, attributes)
    new.text = element.text if tag in ("text", "tspan") else None
    says = element.get("aria-label")
    kind = element.get("aria-roledescription", "mark")
    marked = (tag == "path" and "mark" not in kind) or (tag == "line" and kind == "rule mark")
    if says and (marked or (tag == "text" and "…" in (element.text or ""))):  # a label that was cut
        ElementTree.SubElement(new, "title").text = says
    new.extend(children)
    return [new]


def _needed(element: ElementTree.Element) -> dict[str, str]:
    """Return the attributes that say something, with places to a tenth of a unit."""
    return {
        name: value
        for name, raw in element.attrib.items()
        if name in _ATTRIBUTES and "url(" not in raw
        if (name, value := _to_tenths(raw) if name in _PLACES else raw) not in _SAID_ALREADY
    }


def _to_tenths(places: str) -> str:
    """Return coordinates without the digits that nobody sees.

    Examples
    --------
    >>> _to_tenths("M0,135.20000000000002L2.97,-0.04")
    'M0,135.2L3,0'
    """
    return re.sub(
        r"-?\d*\.\d+(?:e-?\d+)?", lambda found: f"{float(found[0]):z.1f}".removesuffix(".0"), places
    )


def _hoisted(children: Sequence[ElementTree.Element]) -> dict[str, str]:
    """Take from elements what all of them say alike and inherit from their parent; return it."""
    first, *others = children
    alike = {
        name: value
        for name, value in first.attrib.items()
        if name in _INHERITED and all(one.get(name) == value for one in others)
    }
    for one in children if others else ():
        for name in alike:
            del one.attrib[name]
    return alike if others else {}


def _swatch(index: int) -> Markup:
    dash = " ".join(str(one) for one in _DASHES[index])
    return Markup(
        '<svg class="swatch" viewBox="0 0 28 12" aria-hidden="true">'
        '<path d="M0,6H28" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
        '<path d="{shape}" transform="translate(14,6) scale(4)" fill="{colour}"/></svg>'
    ).format(colour=COLOURS[index], dash=dash, shape=_SHAPES[index])


@cache
def _ideal_swatch() -> Markup:
    return Markup(
        '<svg class="swatch" viewBox="0 0 28 12" aria-hidden="true">'
        '<path d="M0,6H28" stroke="currentColor" stroke-dasharray="3 3" opacity=".7"/></svg>'
    )
