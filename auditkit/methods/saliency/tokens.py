"""Which tokens of a vision transformer are which patches of the image."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

EXTRAS = (
    0,
    1,
    2,
    5,
)  # tokens beside the patches: none, a class, one more for distilling, registers


class PatchGrid(NamedTuple):
    """Patches row by row, and how many other tokens stand in front of them."""

    rows: int
    columns: int
    before: int  # tokens before the first patch
    others: int  # tokens that are no patches, before and behind

    def of(self, tokens: Tensor) -> Tensor:
        """Return what belongs to patches, (n, rows, columns, ...), of tokens (n, t, ...)."""
        kept = tokens[:, self.before : self.before + self.rows * self.columns]
        return kept.unflatten(1, (self.rows, self.columns))


def patch_grid(
    count: int, height: int, width: int, *, answering: int | None = None
) -> PatchGrid | None:
    """Return how `count` tokens cover an image, or None where no grid of its shape fits.

    Patches are taken to be square and of one size. Class and register tokens come first, unless
    the answer is known to be read from the last token.

    Parameters
    ----------
    count : int
        Tokens, the class token among them.
    height, width : int
        Of the image in pixels.
    answering : int, optional
        The one token that the answer is read from, where it is known.

    Examples
    --------
    >>> patch_grid(50, 28, 28)
    PatchGrid(rows=7, columns=7, before=1, others=1)
    >>> patch_grid(50, 28, 28, answering=49).before
    0
    >>> patch_grid(50, 28, 30) is None
    True
    """
    for others in EXTRAS:
        for rows in range(1, height + 1):
            columns, rest = divmod(rows * width, height)
            whole = height % rows == 0 or others <= 1  # else too many counts would fit
            if whole and rest == 0 and rows * columns == count - others > 1:
                at_end = others == 1 and answering == count - 1
                return PatchGrid(rows, columns, 0 if at_end else others, others)
    return None
