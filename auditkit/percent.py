"""Shares in percent, as every reader sees them."""

from __future__ import annotations


def percent(share: float, digits: int = 1) -> str:
    """Return a share in percent.

    What is not quite everything never reads as 100 %, and what is not quite nothing never as 0 %.

    Parameters
    ----------
    share : float
        Usually in [0, 1]; a difference of shares may be negative.
    digits : int
        Behind the point, at least; none where the share is exactly nothing or everything.

    Examples
    --------
    >>> percent(0.615), percent(0.5, 0), percent(0.9999), percent(1.0)
    ('61.5 %', '50 %', '99.99 %', '100 %')
    """
    return f"{bare_percent(share, digits)} %"


def percent_range(low: float, high: float, digits: int = 1) -> str:
    """Return a range of shares in percent.

    Examples
    --------
    >>> percent_range(0.55, 0.677)
    '55.0 to 67.7 %'
    """
    return f"{bare_percent(low, digits)} to {percent(high, digits)}"


def plain_percent(share: float) -> str:
    """Return a share that somebody chose, a level say, in percent, without zeros at its end.

    Examples
    --------
    >>> plain_percent(0.95), plain_percent(0.975)
    ('95 %', '97.5 %')
    """
    return f"{100 * share:.4g} %"


def bare_percent(share: float, digits: int = 1) -> str:
    """Return the number that `percent` says, without its sign."""
    number = 100 * share
    if number in (-100, 0, 100):
        return f"{number:.0f}"
    for more in range(digits, 7):
        text = f"{number:.{more}f}"
        if float(text) not in (-100, 0, 100):
            return text
    return f"{number:.3g}"
