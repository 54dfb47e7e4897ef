"""Numbers outside an ONNX file: where they lie, and whether they may be read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import final

from auditkit.errors import ModelError
from auditkit.models.onnx.facts import Numbers


@final
@dataclass(frozen=True, kw_only=True)
class Place:
    """A checked stretch of a file beside the model, in bytes."""

    path: Path
    offset: int
    length: int

    def read(self) -> bytes:
        """Return the bytes.

        Raises
        ------
        ModelError
            If the file has become shorter.
        """
        with self.path.open("rb") as file:
            file.seek(self.offset)
            data = file.read(self.length)
        if len(data) != self.length:
            raise ModelError(f"{self.path} became shorter while it was read.")
        return data


def place_of(numbers: Numbers, model: Path) -> Place:
    """Return where the numbers of a tensor lie, after checking the reference; nothing is read.

    Only a file in the model's own folder, or below it, is accepted, and no link out of it.

    Parameters
    ----------
    numbers : Numbers
        With `external`.
    model : Path
        The ONNX file.

    Raises
    ------
    ModelError
        If the reference leads elsewhere, to nothing, or beyond the end of the file.
    """
    reference = numbers.external or {}
    location = reference.get("location", "")
    path = _within(location, model.parent, numbers.name)
    offset, length = _number(reference, "offset", 0), _number(reference, "length", numbers.n_bytes)
    if length != numbers.n_bytes:
        raise ModelError(
            f"the tensor {numbers.name!r} of shape {numbers.shape} needs {numbers.n_bytes:,} bytes,"
            f" its reference to {location!r} gives {length:,}."
        )
    size = path.stat().st_size
    if offset + length > size:
        raise ModelError(
            f"the tensor {numbers.name!r} lies at bytes {offset:,} to {offset + length:,} of"
            f" {location!r}, which has {size:,}."
        )
    return Place(path=path, offset=offset, length=length)


def _within(location: str, folder: Path, name: str) -> Path:
    windows = PureWindowsPath(location)
    parts = PurePosixPath(location.replace("\\", "/")).parts
    outside = ".." in parts or location.startswith(("/", "\\")) or windows.drive != ""
    if outside or not location or "\0" in location:
        raise ModelError(f"the tensor {name!r} refers to {location!r}, outside the model's folder.")
    path = folder / location
    if not path.is_file():
        raise ModelError(f"the tensor {name!r} refers to {location!r}, which is no file here.")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ModelError(f"the tensor {name!r} refers to {location!r}, a link out of the folder.")
    return path


def _number(reference: dict[str, str], key: str, default: int) -> int:
    given = reference.get(key, "")
    if not given:
        return default
    if not (given.isascii() and given.isdigit() and len(given) < 20):
        raise ModelError(f"a reference has the {key} {given[:40]!r}, expected a number of bytes.")
    return int(given)
