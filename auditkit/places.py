"""Where in a policy file a limit stands, so that what it decided can be shown beside it."""

from __future__ import annotations

import re

_HEADER = re.compile(r"^\s*\[\[?([^\[\]]+)\]\]?\s*(#.*)?$")


def line_of_key(text: str, key: str, *, table: str = "") -> int | None:
    """Return the line on which a key of a table is set, counted from 1.

    Parameters
    ----------
    text : str
        A TOML file.
    key : str
        Such as `required`.
    table : str
        The table that it stands in, `tool.audit` say; the top of the file by default.
    """
    here = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _HEADER.match(line):
            here = found[1].strip()
        elif here == table and re.match(rf"\s*{re.escape(key)}\s*=", line):
            return number
    return None


def lines_of_limits(text: str, count: int, *, table: str = "") -> list[int | None]:
    """Return the line that names the finding of each limit, counted from 1.

    TOML readers do not say where something stood. Headers are counted instead; where their number
    is not that of the limits, every limit gets the line on which `limits` is set, if there is one.

    Parameters
    ----------
    text : str
        A TOML file.
    count : int
        How many limits it holds.
    table : str
        The table that they stand in, `tool.audit` say; the top of the file by default.
    """
    wanted = f"{table}.limits" if table else "limits"
    lines = text.splitlines()
    headers = [
        number
        for number, line in enumerate(lines)
        if (found := _HEADER.match(line)) and found[1].strip() == wanted
    ]
    if len(headers) != count:
        return [line_of_key(text, "limits", table=table)] * count
    return [_line_of_finding(lines, start) for start in headers]


def _line_of_finding(lines: list[str], header: int) -> int:
    """Return the line of `finding` below a header, or the header's own."""
    for number in range(header + 1, len(lines)):
        if _HEADER.match(lines[number]):
            break
        if re.match(r"\s*finding\s*=", lines[number]):
            return number + 1
    return header + 1
