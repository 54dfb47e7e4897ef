"""What a path leads to, said before anything of it is read."""

from __future__ import annotations

import stat
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def special(path: Path) -> str | None:
    """Return what a path is that is neither a file nor a folder; reading it might never end."""
    return _KINDS.get(stat.S_IFMT(path.stat().st_mode))
