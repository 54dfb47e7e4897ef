"""Result as a summary on the terminal: verdict first, then what decided it, then every check."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

from auditkit.render import outline, words
from auditkit.render.outline import Decision, Reading
from auditkit.result import Result, Verdict, VerdictStatus

if TYPE_CHECKING:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

MAX_DECISIONS = 10
WIDE = 110  # columns from which a check fits on one line

_COLOURS: dict[str, str] = {
    "fail": "bold red",
    "incomplete": "bold yellow",
    "errored": "bold yellow",
    "waived": "yellow",
    "pass": "green",
}
_VERDICT_COLOURS: dict[VerdictStatus, str] = {
    "pass": "bold green",
    "fail": "bold red",
    "incomplete": "bold yellow",
    "not_judged": "bold",
}


def render_terminal(result: Result, console: Console) -> None:
    """Print the summary; nothing from the result can move the cursor or colour the screen."""
    from rich.text import Text

    model, data = result.model, result.data
    _verdict(result.verdict, console)
    about = (
        f"{model.name} ({words.short(model.sha256, 12) or 'no hash'}) on {data.name}, {data.split}"
    )
    console.print(Text(words.line(f"{about}: {words.count(data.n, 'input')}"), style="dim"))
    if result.verdict.decided_by:
        console.print()
        _decided(result, console)
    console.print()
    if console.width >= WIDE:
        _checks_wide(result, console)
    else:
        _checks_narrow(result, console)
    for reading in outline.readings(result):
        _ratings(reading, console)
    for incident in result.provenance.incidents:
        console.print(Text(f"Survived: {words.line(incident)}", style="dim"))


def terminal_text(result: Result, width: int = 120) -> str:
    """Return the summary as plain text."""
    from rich.console import Console

    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None, force_jupyter=False)
    render_terminal(result, console)
    return file.getvalue()


def _ratings(reading: Reading, console: Console) -> None:
    from rich.text import Text

    if reading.ratings:
        said = f"{reading.outcome.check}: {words.ratings(reading.ratings)}"
        console.print(Text(words.line(said)))


def render_verdict(result: Result, console: Console) -> None:
    """Print the verdict and what decided it, and nothing else that the result holds."""
    from rich.text import Text

    _verdict(result.verdict, console)
    _decided(result, console)
    for note in result.verdict.notes:
        console.print(Text(words.line(note), style="dim"))


def _verdict(verdict: Verdict, console: Console) -> None:
    from rich.text import Text

    word = words.VERDICTS[verdict.status]
    sentence = words.verdict_sentence(verdict)
    text = Text.assemble((word, _VERDICT_COLOURS[verdict.status]), ": ")
    console.print(text.append(f"{sentence[:1].lower()}{sentence[1:]}"))


def _decided(result: Result, console: Console) -> None:
    if not result.verdict.decided_by:  # a pass was decided by every limit
        return
    decisions = outline.decisions(result)
    for one in decisions[:MAX_DECISIONS]:
        console.print(_decision(one))
    _left(len(decisions) - MAX_DECISIONS, console)


def _decision(one: Decision) -> Padding:
    from rich.padding import Padding

    text = _badge(one.judgement.status)
    text.pad_right(10 - len(text))
    said = f"{one.interval}, limit {one.limit}" if one.interval else one.limit
    text.append(f"  {words.line(one.about)}: {said}; {words.reason_of(one.judgement)}")
    if one.finding is not None:
        text.append(f" [{words.line(one.finding.id)}]", style="dim")
    return Padding(text, (0, 0, 0, 2), expand=False)


def _left(n: int, console: Console) -> None:
    if n > 0:
        console.print(f"  and {words.count(n, 'more limit')}", style="dim", highlight=False)


def _readings(result: Result) -> Iterable[Reading]:
    return (reading for chapter in outline.chapters(result) for reading in chapter.readings)


def _checks_wide(result: Result, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=False)
    for head in ("family", "check", "finding", "value", "n", "status"):
        right = head in ("value", "n")
        table.add_column(
            head,
            justify="right" if right else "left",
            header_style="dim",
            no_wrap=head != "finding",
        )
    for reading in _readings(result):
        outcome, finding = reading.outcome, reading.headline
        about = outcome.question if finding is None else words.subject(outcome, finding)
        table.add_row(
            words.FAMILY_TITLES[outcome.family].lower(),
            Text(words.line(outcome.check)),
            Text(_why_missing(reading) or words.line(about)),
            Text("" if finding is None else _value(reading)),
            "" if finding is None else f"{finding.n:,}",
            _badge(reading.standing),
        )
    console.print(table)


def _checks_narrow(result: Result, console: Console) -> None:
    from rich.padding import Padding
    from rich.text import Text

    for reading in _readings(result):
        outcome, finding = reading.outcome, reading.headline
        family = words.FAMILY_TITLES[outcome.family].lower()
        head = _badge(reading.standing)
        console.print(head.append(f"  {family}: {words.line(outcome.check)}", style="default"))
        said = _why_missing(reading) or (
            outcome.question if finding is None else words.statement(outcome, finding)
        )
        console.print(Padding(Text(words.line(said)), (0, 0, 0, 2), expand=False))


def _why_missing(reading: Reading) -> str:
    outcome = reading.outcome
    return "" if outcome.status == "measured" else words.short(outcome.reason or "no reason", 200)


def _value(reading: Reading) -> str:
    finding = reading.headline
    if finding is None:
        return ""
    if finding.low is None or finding.high is None:
        return words.value_of(finding)
    return f"{words.value_of(finding)} ({words.span(finding.low, finding.high, finding.unit)})"


def _badge(standing: outline.Standing) -> Text:
    from rich.text import Text

    return Text(outline.STANDINGS[standing].lower(), style=_COLOURS.get(standing, "dim"))
