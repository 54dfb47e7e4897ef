"""Numbers with their nouns, in reports and in what checks say."""

from __future__ import annotations


def count(n: int, one: str, many: str = "") -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> count(1, "check"), count(1200, "input")
    ('1 check', '1,200 inputs')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"
