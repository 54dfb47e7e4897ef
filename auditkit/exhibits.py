"""Private data: inputs, texts and names left out of a result, or shown so that nobody knows them.

Numbers stay. What cannot be told from inside a result, and so is not done: names of classes, of
columns and of their groups stay (see `--min-cell` for small groups), and so does the command line.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from auditkit.findings import (
    Evidence,
    Heatmap,
    ImageExhibit,
    ImageRow,
    Note,
    Outcome,
    Picture,
    Table,
    TextExhibit,
    TextRow,
    Token,
)
from auditkit.policy import Exhibits
from auditkit.result import Result
from auditkit.types import Scalar

MOST_PIXELS = 4  # on a side of a blurred picture
WITHHELD = "(withheld)"
_OF_INPUTS = {"id", "ids", "input"}  # columns of tables that name inputs
_OF_TEXTS = {"part", "text", "token", "word"}  # columns of tables that quote texts
_QUOTING = {"nomination", "traceback"}  # notes that quote inputs
_DOTS = "•••"
_LONGEST_PICTURE = 8_000_000  # characters; a larger one is left out rather than opened


@dataclass(frozen=True)
class Names:
    """What inputs are called instead, and which of their names occur in a text.

    Parameters
    ----------
    instead : mapping
        By the input's id.
    """

    instead: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, ids: Iterable[str]) -> Names:
        """Return names for inputs: their numbers, in the order of the ids."""
        return cls({one: f"input {i}" for i, one in enumerate(dict.fromkeys(ids), start=1)})

    def named(self, one: str) -> str:
        """Return what an input is called."""
        return self.instead.get(one, WITHHELD)

    def within(self, texts: Sequence[str]) -> Names:
        """Return those that any of the texts mentions; numbers are no names to look for."""
        everything = "\n".join(texts)
        return Names(
            {k: v for k, v in self.instead.items() if not k.isdigit() and k and k in everything}
        )

    def masked(self, text: str) -> str:
        """Return the text with the names replaced, the longest ones first."""
        for one in sorted(self.instead, key=len, reverse=True):
            text = re.sub(rf"(?<![\w-]){re.escape(one)}(?![\w-])", self.instead[one], text)
        return text


def record_names(ids: Sequence[str]) -> list[str]:
    """Return what inputs are called in records: their number in this very sample.

    A short hash of all names together tells samples apart, so that rows of different ones are never
    taken for the same input; from it no name can be told.
    """
    digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()[:12]
    return [f"input {i} of {digest}" for i in range(1, len(ids) + 1)]


def private_result(result: Result, exhibits: Exhibits) -> Result:
    """Return a result in which no input is shown, for `audit render`."""
    if exhibits == "shown":
        return result
    names = Names.of(one for outcome in result.outcomes for one in _ids(outcome))
    return result.model_copy(
        update={"outcomes": [private(one, exhibits, names) for one in result.outcomes]}
    )


def private(outcome: Outcome, exhibits: Exhibits, names: Names) -> Outcome:
    """Return an outcome in which no input is shown or named.

    Parameters
    ----------
    outcome : Outcome
        What a check came to.
    exhibits : {"shown", "blurred", "none"}
        Galleries are kept, made unrecognisable, or left out.
    names : Names
        Of the inputs.
    """
    if exhibits == "shown":
        return outcome
    mentioned = names.within(_texts(outcome))
    shown = {
        key: changed
        for key, one in outcome.evidence.items()
        if (changed := _evidence(key, one, exhibits, names, mentioned)) is not None
    }
    left_out = len(outcome.evidence) - len(shown)
    if left_out:
        said = "1 gallery" if left_out == 1 else f"{left_out} galleries"
        shown["left-out"] = Note(
            title="Examples", text=f"{said} of single inputs left out (--no-exhibits)."
        )
    findings = [
        one.model_copy(update={"evidence": [key for key in one.evidence if key in shown]})
        for one in outcome.findings
    ]
    return outcome.model_copy(
        update={"evidence": shown, "findings": findings, "reason": _reason(outcome)}
    )


def _reason(outcome: Outcome) -> str | None:
    """Return why there is no number; of an error its kind alone, since its text may quote data."""
    if outcome.status != "errored" or outcome.reason is None:
        return outcome.reason
    kind = outcome.reason.split(":", maxsplit=1)[0]
    if not kind.isidentifier():
        return outcome.reason
    return f"{kind} (what it said is withheld: it may quote the data)"


# --- evidence ------------------------------------------------------------------------------------


def _evidence(
    key: str, item: Evidence, exhibits: Exhibits, names: Names, mentioned: Names
) -> Evidence | None:
    """Return a piece of evidence without inputs; None where it is left out."""
    match item:
        case ImageExhibit() | TextExhibit() if exhibits == "none":
            return None
        case ImageExhibit():
            images = [_image_row(row, names, mentioned) for row in item.rows]
            return item.model_copy(update={"rows": images, "title": _blurred(item.title)})
        case TextExhibit():
            texts = [_text_row(row, names, mentioned) for row in item.rows]
            return item.model_copy(update={"rows": texts, "title": _blurred(item.title)})
        case Table():
            return _table(item, names, mentioned)
        case Note() if key in _QUOTING:
            return item.model_copy(update={"text": "Withheld: it quotes inputs."})
        case Note():
            return item.model_copy(update={"text": mentioned.masked(item.text)})
        case _:
            return item


def _blurred(title: str) -> str:
    return f"{title}, blurred"


def _image_row(row: ImageRow, names: Names, mentioned: Names) -> ImageRow:
    panels = [_picture(one) if isinstance(one, Picture) else _map(one) for one in row.panels]
    return ImageRow(id=names.named(row.id), caption=mentioned.masked(row.caption), panels=panels)


def _text_row(row: TextRow, names: Names, mentioned: Names) -> TextRow:
    return TextRow(
        id=names.named(row.id),
        caption=mentioned.masked(row.caption),
        tokens=[_token(one) for one in row.tokens],
    )


def _token(one: Token) -> Token:
    return one.model_copy(
        update={"text": _dotted(one.text), "was": None if one.was is None else _dotted(one.was)}
    )


def _dotted(text: str) -> str:
    """Return dots, as many for any word, with the spaces around them."""
    word = text.strip()
    if not word:
        return text
    before = text[: len(text) - len(text.lstrip())]
    return f"{before}{_DOTS}{text[len(text.rstrip()) :]}"


def _table(item: Table, names: Names, mentioned: Names) -> Table:
    kinds = [name.lower() for name in item.columns]
    rows = [
        [
            _cell(value, kinds[i] if i < len(kinds) else "", names, mentioned)
            for i, value in enumerate(row)
        ]
        for row in item.rows
    ]
    return item.model_copy(update={"rows": rows})


def _cell(value: Scalar, kind: str, names: Names, mentioned: Names) -> Scalar:
    if kind in _OF_TEXTS and value is not None:
        return WITHHELD
    if kind in _OF_INPUTS and value is not None:
        parts = [part.strip() for part in str(value).split(",")]
        return ", ".join(names.named(part) for part in parts)
    return mentioned.masked(value) if isinstance(value, str) else value


# --- pictures ------------------------------------------------------------------------------------


def _picture(one: Picture) -> Picture:
    """Return a picture as its mean colours in a few squares; an unreadable one as grey."""
    from PIL import Image

    try:
        if len(one.png) > _LONGEST_PICTURE:
            raise ValueError("too large")
        with Image.open(io.BytesIO(base64.b64decode(one.png, validate=True))) as source:
            image = source.convert("RGB")
    except (OSError, ValueError, binascii.Error, Image.DecompressionBombError):
        image = Image.new("RGB", (1, 1), (128, 128, 128))
    small = image.resize((_few(image.width), _few(image.height)), Image.Resampling.BOX)
    buffer = io.BytesIO()
    small.save(buffer, format="PNG")
    return one.model_copy(update={"png": base64.b64encode(buffer.getvalue()).decode()})


def _map(one: Heatmap) -> Heatmap:
    """Return a map as its means over a few squares."""
    if not one.values or len({len(row) for row in one.values}) != 1 or not one.values[0]:
        return one.model_copy(update={"values": [[0.0]]})
    scores = np.asarray(one.values, dtype=np.float64)  # (h, w)
    rows = np.array_split(scores, _few(scores.shape[0]), axis=0)
    blocks = [np.array_split(row, _few(scores.shape[1]), axis=1) for row in rows]
    values = [[float(block.mean()) for block in row] for row in blocks]
    return one.model_copy(update={"values": values})


def _few(side: int) -> int:
    return max(1, min(MOST_PIXELS, side // MOST_PIXELS))


# --- what a result names -------------------------------------------------------------------------


def _ids(outcome: Outcome) -> Iterable[str]:
    """Yield the inputs that galleries and tables name."""
    for item in outcome.evidence.values():
        if isinstance(item, (ImageExhibit, TextExhibit)):
            yield from (row.id for row in item.rows)
        if isinstance(item, Table):
            places = [i for i, name in enumerate(item.columns) if name.lower() in _OF_INPUTS]
            for row in item.rows:
                for i in places:
                    if i < len(row) and row[i] is not None:
                        yield from (part.strip() for part in str(row[i]).split(","))


def _texts(outcome: Outcome) -> list[str]:
    """Return the texts in which an input may be named."""
    found: list[str] = []
    for item in outcome.evidence.values():
        match item:
            case ImageExhibit() | TextExhibit():
                found += [row.caption for row in item.rows]
            case Table():
                found += [cell for row in item.rows for cell in row if isinstance(cell, str)]
            case Note():
                found.append(item.text)
            case _:
                pass
    return found
