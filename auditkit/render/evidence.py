"""Every kind of evidence as markup for the page."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, assert_never

from markupsafe import Markup

from auditkit.findings import (
    Bars,
    Curve,
    Heatmap,
    ImageExhibit,
    ImageRow,
    Matrix,
    Note,
    Outcome,
    Picture,
    Table,
    TextExhibit,
)
from auditkit.render import charts, images, words
from auditkit.result import Result

PICTURE_BUDGET = 700_000  # characters of pictures in one page
EVIDENCE_BUDGET = 1_100_000  # characters of all other evidence in one page
MAX_ROWS = 200  # of a table
MAX_CELLS = 20 * 20  # of a matrix with its numbers
MAX_PAIRS = 20  # largest values beside a larger matrix
_HIDDEN = ("Cc", "Cf", "Zl", "Zp")  # kinds of characters
TINTS = 5  # strengths of a tint
SHADES = 8  # steps of a shade

SELECTIONS = {
    "worst": "the worst cases",
    "random": "chosen at random",
    "boundary": "nearest to the decision boundary",
    "best": "the best cases",
    "mean": "mean over the inputs",
}


@dataclass(frozen=True)
class Tile:
    """One picture of a gallery, ready to be placed.

    Parameters
    ----------
    label : str
        What it shows.
    size : Size or None
        In pixels; None where there is nothing that can be shown.
    png : str
        Base64.
    under : str
        Base64 of the picture that a map lies over; empty where there is none.
    outline : str
        SVG path around the highest scores.
    scale : str
        The scores at both ends of the colour bar; empty for a photograph.
    signed : bool
        Which colour bar.
    doubt : str
        Why it is shown faded, in a few words.
    """

    label: str
    size: images.Size | None
    png: str = ""
    under: str = ""
    outline: str = ""
    scale: str = ""
    signed: bool = False
    doubt: str = ""


class Pictures:
    """The pictures of one page: each stands in it once, and is referred to where it comes again."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        self._counted: set[str] = set()

    def __contains__(self, png: str) -> bool:
        return png in self._ids

    def id_of(self, png: str) -> str:
        """Return the identifier of a picture (base64) in the page, which has it from now on."""
        return self._ids.setdefault(png, f"picture-{len(self._ids)}")

    def counted(self, tiles: Sequence[Tile]) -> int:
        """Return how many characters the pictures of a row add, beside all that were counted."""
        new = {png for tile in tiles for png in (tile.png, tile.under)} - self._counted
        self._counted |= new
        return sum(len(one) for one in new)

    @staticmethod
    def bar(*, signed: bool) -> str:
        """Return the colour bar of signed or of unsigned maps as a base64 PNG."""
        return images.scale_png(signed=signed)


@dataclass(frozen=True)
class Pair:
    """One cell of a matrix that is too large for a table."""

    row: str
    column: str
    value: float


@dataclass
class Exhibitor:
    """Draws evidence and keeps that of one page within its budgets.

    Parameters
    ----------
    macros : module
        The template macros, one per kind of evidence.
    left : int
        Characters of pictures that the page may still take.
    faded : mapping
        By check and label, what the policy calls maps that surely miss its limits.
    room : int
        Characters of evidence beside pictures that the page may still take.
    pictures : Pictures
        Those that the page has already.
    """

    macros: Any
    left: int = PICTURE_BUDGET
    faded: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    room: int = EVIDENCE_BUDGET
    pictures: Pictures = field(default_factory=Pictures)

    def draw(self, outcome: Outcome, key: str) -> Markup:
        """Return one piece of a check's evidence as markup, or that it is left out."""
        if self.room > 0:
            before = max(0, self.left)
            drawn = self._drawn(outcome, key)
            self.room -= len(drawn) - (before - max(0, self.left))
            if self.room > 0:
                return drawn
        return self.macros.left_out(outcome.evidence[key])

    def _drawn(self, outcome: Outcome, key: str) -> Markup:
        item, unit = outcome.evidence[key], unit_of(outcome, key)
        match item:
            case Table():
                return self.macros.table(item, _columns(item), MAX_ROWS)
            case Curve():
                unit = unit if _fits_share([y for one in item.series for y in one.y]) else ""
                svg, key_ = charts.curve_svg(item, unit), charts.curve_key(item)
                return self.macros.curve(item, svg, key_, unit, MAX_ROWS)
            case Bars():
                unit = unit if _fits_share([one.value for one in item.bars]) else ""
                return self.macros.bars(item, charts.bars_svg(item, unit), unit, MAX_ROWS)
            case Matrix():
                return self._matrix(item)
            case ImageExhibit():
                return self._images(item, self.faded.get(outcome.check, {}))
            case TextExhibit():
                return self.macros.text_exhibit(item, SELECTIONS[item.selection], tint, spelled)
            case Note():
                return self.macros.note(item)
            case _:
                assert_never(item)

    def _matrix(self, item: Matrix) -> Markup:
        if len(item.rows) * len(item.columns) <= MAX_CELLS:
            return self.macros.matrix(item, shades(item))
        drawn = images.drawn(item.values, signed=_is_signed(item))
        tile = None if drawn is None else _tile(item.title, drawn, signed=_is_signed(item))
        return self.macros.large_matrix(item, tile, largest(item), self.pictures)

    def _images(self, item: ImageExhibit, faded: Mapping[str, str]) -> Markup:
        shown: list[tuple[ImageRow, list[Tile]]] = []
        for row in item.rows:
            tiles = tiles_of(row, faded)
            self.left -= self.pictures.counted(tiles)
            if self.left < 0:
                break
            shown.append((row, tiles))
        return self.macros.image_exhibit(
            item, SELECTIONS[item.selection], shown, len(item.rows) - len(shown), self.pictures
        )


def faded_maps(result: Result) -> dict[str, dict[str, str]]:
    """Return what is called worst, by check and by what panels call it."""
    found: dict[str, dict[str, str]] = {}
    for one in result.verdict.ratings:
        if one.rank == 2:
            found.setdefault(one.check, {})[words.rated_thing(one)] = one.word
    return found


def unit_of(outcome: Outcome, key: str) -> str:
    """Return `share` where every finding that names the evidence is one, or a difference of two.

    Where all are differences, it is their unit.
    """
    units = {finding.unit for finding in outcome.findings if key in finding.evidence}
    if units == {words.DIFFERENCE}:
        return words.DIFFERENCE
    return "share" if units and units <= {"share", words.DIFFERENCE} else ""


def _fits_share(values: Sequence[float | None]) -> bool:
    return all(value is None or -1 <= value <= 1 for value in values)


class _Column(NamedTuple):
    """What a column of a table holds."""

    name: str
    unit: str
    is_number: bool


def _columns(item: Table) -> list[_Column]:
    cells = [[row[i] for row in item.rows if i < len(row)] for i in range(len(item.columns))]
    numbers = [all(_is_number(one) for one in column if one is not None) for column in cells]
    units = {name: unit for unit, names in item.units.items() for name in names}
    return [
        _Column(name, units.get(name, "") if is_number else "", is_number)
        for name, is_number in zip(item.columns, numbers, strict=True)
    ]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


# --- pictures ------------------------------------------------------------------------------------


def tiles_of(row: ImageRow, faded: Mapping[str, str]) -> list[Tile]:
    """Return the pictures of a row, those of maps called worst with what they are called.

    Signed maps share one scale, so that they can be compared.
    """
    pictures = [one for one in row.panels if isinstance(one, Picture)]
    signed = [one.values for one in row.panels if isinstance(one, Heatmap) and one.signed]
    reach = images.common_reach(signed)
    return [
        replace(tile, doubt=faded.get(panel.label, ""))
        for panel in row.panels
        for tile in _panel(panel, pictures, reach)
    ]


def _panel(
    panel: Picture | Heatmap, pictures: Sequence[Picture], reach: float | None
) -> list[Tile]:
    match panel:
        case Picture():
            return [Tile(panel.label, images.picture_size(panel.png), panel.png)]
        case Heatmap():
            drawn = images.drawn(panel.values, signed=panel.signed, reach=reach)
            if drawn is None:
                return [Tile(panel.label, None)]
            same = [one for one in pictures if images.picture_size(one.png) == drawn.size]
            alone = _tile(panel.label, drawn, signed=panel.signed)
            if len(pictures) != 1 or not same:  # beside a perturbed picture a map is a difference
                return [alone]
            return [alone, _tile("over the input", drawn, signed=panel.signed, under=same[0].png)]
        case _:
            assert_never(panel)


def _tile(label: str, drawn: images.Drawing, *, signed: bool, under: str = "") -> Tile:
    scale = f"{words.bare(drawn.low)} to {words.bare(drawn.high)}"
    return Tile(label, drawn.size, drawn.png, under, drawn.outline, scale, signed)


# --- characters ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spelt:
    """A run of plain text, then perhaps one character that needs to be named."""

    text: str
    code: str = ""  # "U+200B"; the character itself ends the text where it can be seen
    name: str = ""


def spelled(text: str, was: str | None) -> list[Spelt]:
    """Return a text in which hidden characters, and disguised ones of a changed word, are named.

    Hidden are format and control characters, which nobody sees or which turn the direction of
    writing; disguised are characters of other alphabets where the word was plain ASCII.

    Examples
    --------
    >>> [(one.text, one.code) for one in spelled("go\u200bod", None)]
    [('go', 'U+200B'), ('od', '')]
    """
    parts: list[Spelt] = []
    run = ""
    for c in text:
        hidden = unicodedata.category(c) in _HIDDEN and c not in "\n\t"
        disguised = was is not None and was.isascii() and not c.isascii()
        if hidden or disguised:
            name = unicodedata.name(c, "a control character").lower()
            parts.append(Spelt(run if hidden else run + c, f"U+{ord(c):04X}", name))
            run = ""
        else:
            run += c
    return [*parts, Spelt(run)] if run or not parts else parts


# --- shades --------------------------------------------------------------------------------------


def tint(weight: float | None) -> str:
    """Return the class of a signed score in [-1, 1]: `p` or `n` with a strength, or nothing."""
    if weight is None:
        return ""
    strength = min(TINTS, math.floor(abs(weight) * TINTS + 0.5))
    return f"{'p' if weight > 0 else 'n'}{strength}" if strength else ""


def shades(item: Matrix) -> list[list[str]]:
    """Return a class per cell: how near its value is to the largest one."""
    size = max((abs(one) for row in item.values for one in row if one is not None), default=0.0)
    if _is_signed(item):
        return [[tint(None if one is None else one / size) for one in row] for row in item.values]
    return [
        ["undefined" if one is None else f"s{round(SHADES * one / (size or 1))}" for one in row]
        for row in item.values
    ]


def _is_signed(item: Matrix) -> bool:
    return any(one is not None and one < 0 for row in item.values for one in row)


def largest(item: Matrix) -> list[Pair]:
    """Return the largest cells; of a square matrix of the same names those beside the diagonal."""
    square = item.rows == item.columns
    pairs = [
        Pair(row, column, value)
        for i, (row, values) in enumerate(zip(item.rows, item.values, strict=False))
        for j, (column, value) in enumerate(zip(item.columns, values, strict=False))
        if value and not (square and i == j)
    ]
    return sorted(pairs, key=lambda pair: -abs(pair.value))[:MAX_PAIRS]
