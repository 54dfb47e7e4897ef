"""A table to render: a green row, a red one, and one without a check."""

from __future__ import annotations

from functools import cache

from auditkit.selftest.bench import run_bench
from auditkit.selftest.report import Selftest
from tests.selftest.stubs import NOWHERE, flaw, limits

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202eevil"


@cache
def table() -> Selftest:
    flaws = [flaw("first"), flaw("second", flawed=10), flaw("third", untrained=[0, 1])]
    return run_bench(flaws, (0, 1), NOWHERE, limits=limits("first", "second"))


def hostile() -> Selftest:
    """Return a table whose every word acts up."""
    row = table().rows[0]
    words = ("variant", "planted", "twin", "must_reveal", "revealed_by", "symptom")
    rows = [row.model_copy(update={**dict.fromkeys(words, HOSTILE), "flaw": HOSTILE})]
    return table().model_copy(update={"rows": rows, "sentence": HOSTILE})
