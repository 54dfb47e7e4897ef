"""After how many inputs an audit that stops early looks at its limits, and how sure each look is.

The level is shared out equally over the looks that are planned, so that by the union bound all
their intervals hold together: whoever stops at any of them, for whatever reason, keeps the level.
Each look is an ordinary audit of the first inputs of one random order, and takes four times as many
as the one before; what is measured again is then at most a third of the last look.
"""

from __future__ import annotations

FEWEST = 50  # inputs of a first look
FACTOR = 4


def planned_looks(n: int) -> tuple[int, ...]:
    """Return the number of inputs of each look at a sample of n, the smallest first.

    Examples
    --------
    >>> planned_looks(1000)
    (63, 250, 1000)
    >>> planned_looks(30)
    (30,)
    """
    sizes = [n]
    while -(-sizes[0] // FACTOR) >= FEWEST:
        sizes.insert(0, -(-sizes[0] // FACTOR))
    return tuple(sizes)


def level_of_each(level: float, looks: int) -> float:
    """Return the level of each of several looks that together have a level.

    Examples
    --------
    >>> level_of_each(0.95, 5)
    0.99
    """
    return 1 - (1 - level) / looks
