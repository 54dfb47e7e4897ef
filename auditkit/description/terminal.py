"""A description of data as tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditkit.description.describe import Column, Description, Group
from auditkit.percent import percent, percent_range, plain_percent
from auditkit.render import words

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_MOST_GROUPS = 40  # rows of one table
_MOST_CELLS = 12
_MOST_PROXIES = 15


def render_description(one: Description, console: Console) -> None:
    """Print group counts, label rates, gaps, small cells and possible proxies."""
    _say(f"{one.name}, {one.split}: {words.count(one.n, 'input')}", console, style="bold")
    labels = ", ".join(
        f"{name} {count} ({percent(count / one.n)})" for name, count in one.labels.items()
    )
    _say(f"Labels: {labels}", console)
    for column in one.columns:
        console.print()
        _column(column, one, console)
    if one.proxies:
        console.print()
        _proxies(one, console)
    console.print()
    for note in one.notes:
        _say(f"Note: {note}", console, style="dim")


def _say(text: str, console: Console, *, style: str = "") -> None:
    from rich.text import Text

    console.print(Text(words.line(text), style=style))


def _table(*columns: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(columns):
        table.add_column(words.line(name), justify="left" if i == 0 else "right", overflow="fold")
    return table


def _column(column: Column, one: Description, console: Console) -> None:
    from rich.text import Text

    kind = ", sensitive" if column.sensitive else ", derived from the inputs" * column.derived
    _say(f"{column.name}{kind}", console, style="bold")
    shown = sorted(column.groups, key=lambda group: -group.n)
    labels = [rate.label for rate in shown[0].rates] if shown else []
    wide = len(labels) > 4
    table = _table(
        "group", "n", "share", *([] if wide else [f"labelled {name}" for name in labels])
    )
    for group in shown[:_MOST_GROUPS]:
        cells = [group.name, str(group.n), percent(group.share), *([] if wide else _rates(group))]
        table.add_row(*(Text(words.line(cell)) for cell in cells))
    console.print(table)
    if len(shown) > _MOST_GROUPS:
        _say(f"and {len(shown) - _MOST_GROUPS} smaller groups (--json has all)", console)
    for gap in sorted(column.gaps, key=lambda gap: -gap.value)[:3]:
        _say(
            f"Gap in {gap.label}: {words.number(gap.value, words.DIFFERENCE)}"
            f" ({plain_percent(one.level)} interval"
            f" {words.span(gap.low, gap.high, words.DIFFERENCE)}), {gap.highest} most,"
            f" {gap.lowest} least; p = {gap.p:.2g}, adjusted {gap.adjusted_p:.2g}",
            console,
        )
    if not column.gaps:
        _say("Fewer than two groups are large enough to compare.", console)
    if column.small_cells:
        _say(_small(column, one), console, style="yellow")


def _rates(group: Group) -> list[str]:
    return [
        "withheld"
        if rate.share is None or rate.low is None or rate.high is None
        else f"{percent(rate.share)} ({percent_range(rate.low, rate.high)})"
        for rate in group.rates
    ]


def _small(column: Column, one: Description) -> str:
    named = [
        f"{cell.group} and {cell.label} ({'withheld' if cell.count is None else cell.count})"
        for cell in column.small_cells[:_MOST_CELLS]
    ]
    more = len(column.small_cells) - len(named)
    return (
        f"Fewer than {one.small} inputs: {'; '.join(named)}{f'; and {more} more' if more else ''}."
        " Rates of so few are mostly noise."
    )


def _proxies(one: Description, console: Console) -> None:
    from rich.text import Text

    _say("Possible proxies: what a column tells about a sensitive one", console, style="bold")
    table = _table("column", "tells about", "Cramer's V", "by chance", "adjusted p")
    for row in one.proxies[:_MOST_PROXIES]:
        cells = (
            row.feature, row.column, f"{row.strength:.2f}", f"up to {row.by_chance:.2f}",
            f"{row.adjusted_p:.2g}",
        )  # fmt: skip
        table.add_row(*(Text(words.line(cell)) for cell in cells))
    console.print(table)
    _say(
        "0 tells nothing, 1 everything. That a column tells something need not be wrong; a model"
        " that reads it can tell groups apart without being told.",
        console,
    )
