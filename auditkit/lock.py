"""One audit at a time in one folder."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from auditkit.errors import ConfigError

FILE = ".lock"


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Hold a folder for this process, and no longer than it lives.

    The operating system drops the lock when the process ends, however it ends, so that a killed
    audit never blocks the next one. Where it has no such locks (Windows), nothing is locked.

    Raises
    ------
    ConfigError
        If another audit is writing there, or the folder cannot be written.
    """
    handle = _taken(folder)
    try:
        yield
    finally:
        if handle is not None:
            (folder / FILE).unlink(missing_ok=True)
            os.close(handle)


def _taken(folder: Path) -> int | None:
    """Return an open, locked file that is still the one at this path."""
    try:
        import fcntl
    except ImportError:
        return None
    file = folder / FILE
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise cannot_write(folder, error) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(handle, 20, 0).decode(errors="replace").strip()
            os.close(handle)
            who = f", process {holder}" if holder.isdigit() else ""
            raise ConfigError(
                f"Another audit{who}, is writing into {folder}.",
                hint="Wait for it to finish, or pass another folder: --out FOLDER",
            ) from error
        except OSError:  # a file system without locks
            os.close(handle)
            return None
        if _is_at(handle, file):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
            return handle
        os.close(handle)  # its holder took the file away between opening and locking


def _is_at(handle: int, file: Path) -> bool:
    try:
        return os.fstat(handle).st_ino == file.stat().st_ino
    except FileNotFoundError:
        return False


def cannot_write(folder: Path, error: OSError) -> ConfigError:
    """Return the error to raise where the report's folder takes no files."""
    return ConfigError(
        f"{folder} cannot be written: {error.strerror or error}.",
        hint="Free some space or pass another folder (--out FOLDER), then add --resume.",
    )
