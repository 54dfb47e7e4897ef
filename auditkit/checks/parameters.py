"""What the parameters of a check may be."""

from __future__ import annotations

from collections.abc import Sequence

from auditkit.checks.base import Check
from auditkit.errors import ConfigError


def require_least(check: Check, *, hint: str = "", **least: float) -> None:
    """Raise ConfigError if a parameter is below the least it may be.

    Parameters
    ----------
    check : Check
        Whose parameters are looked at.
    hint : str
        What to type next.
    **least : float
        The smallest value of each parameter, by its name.
    """
    for name, smallest in least.items():
        given = getattr(check, name)
        if not given >= smallest:  # NaN is below everything, too
            raise ConfigError(
                f"{check.meta.id}: {name} is {given}, expected at least {smallest}.", hint=hint
            )


def require_choice(check: str, name: str, chosen: Sequence[object]) -> None:
    """Raise ConfigError if a list parameter is empty or names something twice."""
    if not chosen:
        raise ConfigError(
            f"{check}: {name} is empty, expected at least one.",
            hint=f"Leave {name} out for the default.",
        )
    for one in chosen:
        if chosen.count(one) > 1:
            raise ConfigError(f"{check}: {name} names {one!r} twice.", hint="Name it once.")
