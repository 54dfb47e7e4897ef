"""Comparison of two results to a few lines on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditkit.diff.report import Diff, Side
from auditkit.render import diff_words as said
from auditkit.render import words

if TYPE_CHECKING:
    from rich.console import Console
    from rich.padding import Padding

MAX_ROWS = 15
MAX_FLIPS = 10
_COLOURS = {
    "fail": "bold red",
    "incomplete": "bold yellow",
    "waived": "yellow",
    "pass": "green",
}


def render_diff_terminal(diff: Diff, console: Console) -> None:
    """Print the summary; nothing from the results can move the cursor or colour the screen."""
    from rich.text import Text

    word = Text(said.STATUSES[diff.status], _COLOURS[said.CLASSES[diff.status]])
    sentence = words.line(diff.sentence)
    console.print(word.append(f": {sentence[:1].lower()}{sentence[1:]}", style="default"))
    for when, side in (("before", diff.before), ("now", diff.after)):
        console.print(Text(words.line(f"{when:<6} {_about(side)}"), style="dim"))
    for note in [*diff.notes, *([diff.why_no_flips] if diff.why_no_flips else [])]:
        console.print(Text(words.line(note), style="dim"))
    for one in diff.refused:
        console.print(Text(words.line(f"Not compared: {one}"), style="yellow"))
    judged = said.judged(diff)
    if judged:
        console.print()
    for one in judged[:MAX_ROWS]:
        kind, word_ = said.standing(one)
        because = said.because(one)
        text = said.statement(one) + (f"; {because}" if because and one.difference else "")
        console.print(_line(kind, word_, text))
    _left(len(judged) - MAX_ROWS, "more judged finding", console)
    if diff.moves:
        console.print()
    for move in diff.moves[:MAX_ROWS]:
        text = f"{move.about}: {move.limit}; {move.reason}"
        console.print(_line(said.MOVE_CLASSES[move.move], said.MOVES[move.move], text))
    _left(len(diff.moves) - MAX_ROWS, "more limit", console)
    _flips(diff, console)


def _about(side: Side) -> str:
    return (
        f"{side.model} ({words.short(side.model_sha256, 12) or 'no hash'}) on {side.data},"
        f" {side.split}: {words.count(side.n, 'input')}. {side.verdict}"
    )


def _flips(diff: Diff, console: Console) -> None:
    from rich.text import Text

    flips = diff.flips
    if flips is None:
        return
    console.print()
    text = f"Of {words.count(flips.n, 'input')}, {flips.lost} became wrong, {flips.gained} right"
    if flips.changed is not None:
        text += f"; {words.count(flips.changed, 'answer')} changed"
    console.print(Text(f"{text}."))
    for one in said.pressing_groups(diff, 5):
        sure = "few inputs" if one.p_holm is None else f"p {one.p_holm:.2g} (Holm)"
        line = (
            f"  {said.group_name(one)}: {one.lost} lost, {one.gained} gained of {one.n}"
            f" ({said.signed(one.after - one.before, 'share')}, {sure})"
        )
        console.print(Text(line))
    lost = [one for one in flips.listed if one.lost]
    for flip in lost[:MAX_FLIPS]:
        answers = f", answered {flip.before}, now {flip.after}" if flip.after else ""
        console.print(Text(words.line(f"  lost {flip.id}: {flip.label}{answers}"), style="dim"))
    _left(flips.lost - MAX_FLIPS, "more lost input", console)


def _line(kind: str, word: str, text: str) -> Padding:
    from rich.padding import Padding
    from rich.text import Text

    head = Text(word.lower(), style=_COLOURS.get(kind, "dim"))
    head.pad_right(max(0, 15 - len(head)))
    return Padding(
        head.append(f"  {words.line(text)}", style="default"), (0, 0, 0, 2), expand=False
    )


def _left(n: int, what: str, console: Console) -> None:
    if n > 0:
        console.print(f"  and {words.count(n, what)}", style="dim", highlight=False)
