"""The flaws by id, each with its variants."""

from __future__ import annotations

from collections.abc import Iterable

from auditkit.errors import ConfigError, near_miss
from auditkit.selftest import (
    backdoored,
    biased,
    brittle,
    counterfactual_bias,
    forgetful,
    fragile_compression,
    masked_gradient,
    memorised,
    overconfident,
    shortcut,
)
from auditkit.selftest.base import Flaw

FLAWS: tuple[Flaw, ...] = (
    *shortcut.FLAWS,
    *biased.FLAWS,
    *counterfactual_bias.FLAWS,
    *masked_gradient.FLAWS,
    *overconfident.FLAWS,
    *memorised.FLAWS,
    *backdoored.FLAWS,
    *brittle.FLAWS,
    *forgetful.FLAWS,
    *fragile_compression.FLAWS,
)
IDS = tuple(dict.fromkeys(one.id for one in FLAWS))


def find_flaws(ids: Iterable[str]) -> tuple[Flaw, ...]:
    """Return all variants of the named flaws, or the one variant that a name like a.b means.

    Raises
    ------
    ConfigError
        If there is no such flaw, naming the nearest.
    """
    known = {*IDS, *(one.name for one in FLAWS)}
    wanted = tuple(ids)
    for one in wanted:
        if one not in known:
            raise ConfigError(
                f"There is no flaw {one!r}.{near_miss(one, sorted(known))}",
                hint=f"The flaws are {', '.join(IDS)}.",
            )
    return tuple(one for one in FLAWS if one.id in wanted or one.name in wanted)
