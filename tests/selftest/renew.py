"""Train the networks that come with auditkit again: `python -m tests.selftest.renew`."""

from __future__ import annotations

import sys

from auditkit.selftest.bench import QUICK_SEEDS
from auditkit.selftest.catalogue import FLAWS
from auditkit.selftest.store import COMMITTED, Store
from tests.selftest.planting import files_of


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def main() -> None:
    """Train what is missing, and remove what nobody asks for any more."""
    store = Store(read=(), write=COMMITTED, told=_say)
    names = files_of([one for one in FLAWS if one.quick], QUICK_SEEDS, store)
    for file in COMMITTED.glob("*.safetensors"):
        if file.name not in names:
            file.unlink()


if __name__ == "__main__":
    main()
