"""Skips tests that need published data where those are not here."""

from __future__ import annotations

import pytest

from auditkit.data.catalogue import DATA
from auditkit.data.files import find


def needs(name: str) -> pytest.MarkDecorator:
    """Skip unless the files of a data set are here, in AUDITKIT_DATA or the cache."""
    known = DATA[name]
    found = [find(file) is not None for file in known.files]
    here = any(found) if known.one_is_enough else all(found)
    return pytest.mark.skipif(not here, reason=f"the files of {name} are not here")
