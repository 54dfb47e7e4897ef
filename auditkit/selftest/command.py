"""What `audit selftest` does, apart from parsing and printing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from auditkit.errors import ConfigError
from auditkit.result import write_atomically
from auditkit.selftest.bench import QUICK_SEEDS, SEEDS, run_bench
from auditkit.selftest.catalogue import FLAWS, find_flaws
from auditkit.selftest.html import render_html
from auditkit.selftest.report import Selftest, to_json
from auditkit.selftest.store import COMMITTED, Store, cache_folder


def run_selftest(
    *,
    quick: bool = False,
    train: bool = False,
    flaws: Sequence[str] = (),
    seeds: int | None = None,
    out: Path | None = None,
    told: Callable[[str], None] = lambda _line: None,
) -> Selftest:
    """Return the table of planted flaws, and write it where a folder is named.

    Parameters
    ----------
    quick : bool
        Only the flaws and seeds whose networks come with auditkit.
    train : bool
        Train networks that are neither there nor in the cache.
    flaws : sequence of str
        Ids, or one variant as `shortcut.tag`; all by default.
    seeds : int, optional
        How many training seeds, 1 to 5; all five by default, two if quick.
    out : Path, optional
        Folder for selftest.json and selftest.html.
    told : callable
        Called with a line for each step.

    Raises
    ------
    ConfigError
        If a flaw or the number of seeds is unknown.
    ModelError
        If a network is missing and none may be trained.
    """
    known = QUICK_SEEDS if quick else SEEDS
    if seeds is not None and not 1 <= seeds <= len(known):
        raise ConfigError(
            f"--seeds is {seeds}, expected 1 to {len(known)}.",
            hint="Limits are frozen: more seeds than these were not set aside to be counted.",
        )
    chosen = find_flaws(flaws) if flaws else FLAWS
    if quick:
        chosen = tuple(one for one in chosen if one.quick)
    if not chosen:
        raise ConfigError(
            f"{', '.join(flaws)} does not come with trained networks.",
            hint="Leave out --quick, and train them: audit selftest --train",
        )
    store = Store(read=(COMMITTED, cache_folder()), told=told)
    if train:
        store = replace(store, write=cache_folder())
    selftest = run_bench(chosen, known[:seeds], store, quick=quick, told=told)
    if out is not None:
        write_atomically(out / "selftest.json", to_json(selftest))
        write_atomically(out / "selftest.html", render_html(selftest))
    return selftest
