"""Evidence as figures for a paper or a slide: one SVG file each, that stands alone."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from markupsafe import Markup

from auditkit.findings import (
    Bars,
    Curve,
    Evidence,
    ImageExhibit,
    ImageRow,
    Matrix,
    TextExhibit,
    TextRow,
    Token,
)
from auditkit.render import charts, images, words
from auditkit.render.evidence import Tile, faded_maps, tiles_of, unit_of
from auditkit.result import Result

_INK = "#1b2026"
_MARK = "#c8690f"  # of cells and positive tokens
_AGAINST = "#2f7fc1"  # of negative tokens
_LINE = 20  # height of a line of text
_TILE = 160  # side of a picture
_CELL = 96, 26  # of a matrix
_LETTER = 8.4  # width of a letter of 14 px monospace
_PER_LINE = 76  # letters in a line of text
_PER_CAPTION = 92  # letters in a line of a caption
_PER_ROW = 4  # pictures


class Figure(NamedTuple):
    """A file."""

    name: str
    svg: str


def figures_of(result: Result) -> Iterator[Figure]:
    """Yield every chart, matrix, gallery row of pictures and highlighted text of a result.

    Names are those of the check and of its evidence, with the input's id for rows of a gallery.
    Tables and notes are no figures: they are in the result itself.
    """
    faded = faded_maps(result)
    for outcome in result.outcomes:
        for key, item in outcome.evidence.items():
            unit = unit_of(outcome, key)
            for part, svg in _drawn(item, unit, faded.get(outcome.check, {})):
                yield Figure(file_name(outcome.check, key, part), svg)


def file_name(*parts: str) -> str:
    """Return a name without characters that a file system might mind.

    Examples
    --------
    >>> file_name("pgd-linf", "worst", "test/0003.png")
    'pgd-linf-worst-test-0003.png.svg'
    """
    words_of = (re.sub(r"[^\w.=-]+", "-", part).strip("-.")[:80] for part in parts if part)
    return "-".join(words_of) + ".svg"


def _drawn(item: Evidence, unit: str, faded: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the figures of one piece of evidence, each with what tells it from its neighbours."""
    match item:
        case Curve():
            if svg := charts.curve_svg(item, unit):
                yield "", _chart(item.title, svg, charts.curve_key(item))
        case Bars():
            if svg := charts.bars_svg(item, unit):
                yield "", _chart(item.title, svg, [])
        case Matrix():
            yield "", _matrix(item)
        case ImageExhibit():
            for row in item.rows:
                yield row.id, _pictures(item.title, row, tiles_of(row, faded))
        case TextExhibit():
            for row in item.rows:
                yield row.id, _tokens(item.title, row)
        case _:
            return


# --- parts ---------------------------------------------------------------------------------------


def _page(title: str, width: float, height: float, body: Markup) -> str:
    """Return a page with a title over what is drawn from y = 32 on."""
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w:g} {h:g}" width="{w:g}"'
        ' height="{h:g}" color="{ink}" fill="{ink}" font-family="sans-serif" font-size="12">'
        '<title>{title}</title><rect width="{w:g}" height="{h:g}" fill="#fff"/>'
        '<text x="8" y="20" font-size="14" font-weight="600">{title}</text>{body}</svg>\n'
    ).format(w=width, h=height, ink=_INK, title=words.line(title), body=body)


def _text(x: float, y: float, text: str, **more: str | float) -> Markup:
    rest = Markup("").join(
        Markup(' {}="{}"').format(name.replace("_", "-"), value) for name, value in more.items()
    )
    return Markup('<text x="{:g}" y="{:g}"{}>{}</text>').format(x, y, rest, words.line(text))


def _lines(texts: Sequence[str], y: float) -> Markup:
    placed = (_text(8, y + i * _LINE, one) for i, one in enumerate(texts))
    return Markup("").join(placed)


def _chart(title: str, svg: Markup, key: Sequence[charts.Key]) -> str:
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert box is not None  # every chart has one
    width, height = float(box[1]), float(box[2])
    parts = [_placed(svg, 0, 32, width, height)]
    for i, one in enumerate(key):
        y = height + 40 + i * _LINE
        parts += [_placed(one.swatch, 8, y, 28, 12), _text(44, y + 10, one.name)]
    wide = max(width, 16 + 8 * len(title))
    return _page(title, wide, height + 48 + _LINE * len(key), Markup("").join(parts))


def _placed(svg: Markup, x: float, y: float, width: float, height: float) -> Markup:
    at = f'<svg x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
    return Markup(str(svg).replace("<svg ", at, 1))  # noqa: S704  # numbers alone were put in


def _matrix(item: Matrix) -> str:
    wide, high = _CELL
    left = 16 + 7 * max((len(one) for one in item.rows), default=0)
    largest = max((abs(one) for row in item.values for one in row if one is not None), default=0)
    parts: list[Markup] = [
        _text(left + j * wide + 4, 52, words.short(one, 12)) for j, one in enumerate(item.columns)
    ]
    for i, (name, row) in enumerate(zip(item.rows, item.values, strict=False)):
        y = 60 + i * high
        parts.append(_text(8, y + 17, name))
        for j, value in enumerate(row):
            share = 0.0 if value is None or not largest else abs(value) / largest
            parts.append(
                Markup(
                    '<rect x="{:g}" y="{:g}" width="{}" height="{}" fill="{}" fill-opacity="{:.3g}"'
                    ' stroke="#fff"/>'
                ).format(left + j * wide, y, wide, high, _AGAINST if (value or 0) < 0 else _MARK,
                         0.75 * share)
            )  # fmt: skip
            said = "undefined" if value is None else words.bare(value)
            parts.append(_text(left + j * wide + 6, y + 17, said))
    width = left + wide * len(item.columns) + 8
    height = 68 + high * len(item.rows)
    return _page(item.title, max(width, 16 + 8 * len(item.title)), height, Markup("").join(parts))


def _pictures(title: str, row: ImageRow, tiles: Sequence[Tile]) -> str:
    caption = _caption(f"{row.id}: {row.caption}")
    top = 56 + _LINE * (len(caption) - 1)
    high = _TILE + 4 * _LINE
    parts = [
        _lines(caption, 44),
        *(
            _tile(one, 8 + i % _PER_ROW * (_TILE + 12), top + i // _PER_ROW * high)
            for i, one in enumerate(tiles)
        ),
    ]
    rows = -(-max(1, len(tiles)) // _PER_ROW)
    width = 8 + (_TILE + 12) * min(_PER_ROW, max(1, len(tiles)))
    long = max(len(one) for one in (title, *caption))
    return _page(title, max(width, 16 + 7 * long), top + rows * high, Markup("").join(parts))


def _caption(text: str) -> list[str]:
    return textwrap.wrap(words.line(text), _PER_CAPTION) or [""]


def _tile(tile: Tile, x: float, y: float) -> Markup:
    said = f"{tile.label} ({tile.doubt})" if tile.doubt else tile.label
    below = _text(x, y + _TILE + 24, said)
    if tile.size is None:
        return _text(x, y + 24, "cannot be shown") + below
    if tile.scale and not tile.under:
        below += Markup(
            '<image x="{:g}" y="{:g}" width="{}" height="8" preserveAspectRatio="none"'
            ' href="data:image/png;base64,{}"/>'
        ).format(x, y + _TILE + 32, _TILE, images.scale_png(signed=tile.signed))
        below += _text(x, y + _TILE + 54, tile.scale)
    size = Markup('width="{}" height="{}"').format(tile.size.width, tile.size.height)
    under, outline = Markup(""), Markup("")
    if tile.under:
        under = Markup('<image {} href="data:image/png;base64,{}"/>').format(size, tile.under)
    if tile.outline:
        path = Markup(
            '<path d="{}" fill="none" stroke="{}" stroke-width="{}"'
            ' vector-effect="non-scaling-stroke"/>'
        )
        outline = path.format(tile.outline, "#fff", 3) + path.format(tile.outline, _INK, 1.2)
    return Markup(
        '<svg x="{:g}" y="{:g}" width="{}" height="{}" viewBox="0 0 {} {}" opacity="{}"'
        ' style="image-rendering: pixelated">{}<image {} opacity="{}"'
        ' href="data:image/png;base64,{}"/>{}</svg>{}'
    ).format(
        x, y, _TILE, _TILE, tile.size.width, tile.size.height, 0.35 if tile.doubt else 1,
        under, size, 0.55 if tile.under else 1, tile.png, outline, below,
    )  # fmt: skip


def _tokens(title: str, row: TextRow) -> str:
    """Return tokens in lines, each tinted and underlined as strongly as its weight."""
    caption = _caption(row.caption)
    parts = [_lines(caption, 44)]
    column, y = 0, 74 + _LINE * (len(caption) - 1)
    for token in row.tokens:
        if column and token.text.startswith("\n"):
            column, y = 0, y + 28
        column += column > 0 and token.text[:1].isspace()
        for said, draw in _spans(token):
            if column and column + len(said) > _PER_LINE:
                column, y = 0, y + 28
            parts.append(draw(said, 8 + column * _LETTER, y))
            column += len(said) + (draw is _former)
        column += token.text[-1:].isspace()
    width = max(24 + _PER_LINE * _LETTER, 16 + 7 * max(len(one) for one in (title, *caption)))
    return _page(title, width, y + 24, Markup("").join(parts))


def _spans(token: Token) -> Iterator[tuple[str, Callable[[str, float, float], Markup]]]:
    """Yield what a token says in parts that fit a line, each with how it is drawn."""
    for said in textwrap.wrap(words.line(token.was or ""), _PER_LINE):
        yield said, _former
    for said in textwrap.wrap(words.line(token.text), _PER_LINE):
        yield said, partial(_token, token)


def _former(said: str, x: float, y: float) -> Markup:
    """Return what stood here before, struck out."""
    return _text(
        x, y, said, font_family="monospace", font_size=14, textLength=f"{len(said) * _LETTER:g}",
        text_decoration="line-through", fill="#59636e",
    )  # fmt: skip


def _token(token: Token, said: str, x: float, y: float) -> Markup:
    weight = token.weight or 0.0
    colour, wide = (_MARK if weight > 0 else _AGAINST), len(said) * _LETTER
    tint = Markup(
        '<rect x="{:g}" y="{:g}" width="{:g}" height="20" fill="{}" fill-opacity="{:.3g}"/>'
        '<path d="M{:g},{:g}h{:g}" stroke="{}" stroke-width="{:.3g}"/>'
    ).format(x, y - 15, wide, colour, 0.45 * abs(weight), x, y + 7, wide, colour, 4 * abs(weight))
    text = _text(
        x, y, said, font_family="monospace", font_size=14, textLength=f"{wide:g}",
        font_weight="700" if token.gold else "400",
    )  # fmt: skip
    return (tint if weight else Markup("")) + text
