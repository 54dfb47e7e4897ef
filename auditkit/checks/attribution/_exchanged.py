"""What exchanging a part with that of another input did."""

from __future__ import annotations

from typing import NamedTuple

from auditkit.checks.base import Example
from auditkit.types import Bools, Ints


class Exchanged(NamedTuple):
    """What exchanging a part did to m inputs."""

    rows: Ints  # (m,) places in the shard
    follows: Bools  # (m,) whether the answer became that of the donor, of another class
    disturbed: Bools  # (m,) whether it changed with the part of a donor of the same class
    background: Bools | None  # (m,) whether it followed when all that is beside the point changed
    examples: list[Example]
