"""The table of flaws on the terminal: the sentence first, then a row per way to plant a flaw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditkit.render import words
from auditkit.selftest.report import Count, Row, Selftest, Standing

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

WIDE = 120  # columns from which a flaw fits on one line
_COLOURS: dict[Standing, str] = {"green": "green", "red": "bold red", "no check": "yellow"}
_WORDS: dict[Standing, str] = {"green": "caught", "red": "not told apart", "no check": "no check"}


def render_terminal(selftest: Selftest, console: Console) -> None:
    """Print the table; nothing in it can move the cursor or colour the screen."""
    from rich.text import Text

    word, colour = ("Fail", "bold red") if selftest.exit_code else ("Pass", "bold green")
    console.print(Text.assemble((word, colour), f": {words.line(selftest.sentence)}"))
    console.print(Text(about(selftest), style="dim"))
    console.print()
    if console.width >= WIDE:
        _table(selftest, console)
    else:
        _lines(selftest, console)


def _table(selftest: Selftest, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=False)
    for head in ("flaw", "", "caught", "missed", "undecided", "cried wolf", "flaw shows"):
        table.add_column(head, header_style="dim", no_wrap=head != "flaw shows")
    for row in selftest.rows:
        name, shows = Text(words.line(row.name)), Text(symptom(row))
        checked = row.standing != "no check"
        table.add_row(
            name,
            _badge(row.standing),
            counted(row.caught, with_interval=True) if checked else "-",
            counted(row.missed),
            counted(row.undecided) if checked else "-",
            counted(row.cried_wolf, with_interval=True) if checked else "-",
            shows,
        )
    console.print(table)


def _lines(selftest: Selftest, console: Console) -> None:
    from rich.padding import Padding
    from rich.text import Text

    for row in selftest.rows:
        console.print(_badge(row.standing).append(f"  {words.line(row.name)}", style="default"))
        parts = [f"missed {counted(row.missed)}"]
        if row.standing != "no check":
            parts.insert(0, f"caught {counted(row.caught)}")
            parts += [f"undecided {counted(row.undecided)}"] if row.undecided.count else []
            parts.append(f"cried wolf {counted(row.cried_wolf)}")
        said = f"{', '.join(parts)}. {symptom(row)}"
        console.print(Padding(Text(said), (0, 0, 0, 2), expand=False))


def about(selftest: Selftest) -> str:
    """Return on which seeds and what the numbers mean."""
    seeds = ", ".join(map(str, selftest.seeds))
    return (
        f"Training seeds {seeds}, none of them used to choose a limit. Caught: a limit fails on the"
        " flawed model. Cried wolf: one fails on its sound twin. Flaw shows: what one who knows it"
        " measures, flawed / sound."
    )


def counted(count: Count, *, with_interval: bool = False) -> str:
    """Return a count as `5 of 5`, with its interval on demand."""
    beside = f" ({words.span(count.low, count.high, 'share')})" if with_interval else ""
    return f"{count.count} of {count.n}{beside}"


def symptom(row: Row) -> str:
    """Return what one who knows the flaw measures on both twins, mean over seeds."""
    values = [row.mean_symptom("flawed"), row.mean_symptom("sound")]
    if None in values:
        return "not trained here"
    both = " / ".join(words.number(round(one, 3), "share") for one in values if one is not None)
    return f"{both} {words.line(row.symptom)}"


def _badge(standing: Standing) -> Text:
    from rich.text import Text

    return Text(_WORDS[standing], style=_COLOURS[standing])
