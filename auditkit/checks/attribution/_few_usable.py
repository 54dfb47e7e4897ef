"""Why too few of the explained inputs have a number."""

from __future__ import annotations

from auditkit.plurals import count


def few_usable(usable: int, explained: int, why: str) -> str:
    """Return why there is no mean over the explained inputs.

    Parameters
    ----------
    usable, explained : int
        Inputs that have a number, and those that could.
    why : str
        What keeps the others from having one.

    Examples
    --------
    >>> few_usable(1, 1, "the map is zero")
    'only 1 input was explained, and an interval needs 2'
    >>> few_usable(1, 4, "the map is zero")
    'only 1 of 4 explained inputs can be used: the map is zero'
    """
    if usable == explained == 1:
        return "only 1 input was explained, and an interval needs 2"
    return f"only {usable} of {count(explained, 'explained input')} can be used: {why}"
