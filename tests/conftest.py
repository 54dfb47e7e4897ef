"""Settings of every test."""

import os
from pathlib import Path

# Several processes with several threads each slow each other tenfold; torch reads this once.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

# No deadline: machines are shared. Derandomised: the same commit gives the same answer.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

# Published data lie beside the checkout where they are there at all; tests never download them.
SHARED = Path(__file__).parents[2] / "shared" / "data"
if SHARED.is_dir():
    os.environ.setdefault("AUDITKIT_DATA", str(SHARED))


@pytest.fixture(autouse=True)
def _no_download(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a test tried to download a file")

    import pooch

    monkeypatch.setattr(pooch, "retrieve", refuse)
