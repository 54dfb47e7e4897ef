"""Coverage-guided search for a file that crashes or hangs a reader.

`python -m tests.hostile.fuzz models|arrays|tables|images [--seconds 1800]` needs atheris. It starts
from the hostile corpus, changes files at random, and keeps those that reach new lines. What is
found is written to the current folder; exit code 0 means nothing was found. A reader may only
return or raise one of auditkit's own errors, within five seconds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import atheris  # pyright: ignore[reportMissingImports]

with atheris.instrument_imports(include=["auditkit"]):  # pyright: ignore[reportAttributeAccessIssue]
    from auditkit.data.load import DataSpec, load_data
    from auditkit.errors import AuditkitError
    from auditkit.models.inspect import inspect_file
    from auditkit.models.load import ModelSpec, load_model

from tests.hostile.corpus import data_files, model_files

LARGEST = 65_536  # bytes of a changed file
SECONDS_PER_FILE = 5

DIGITS = load_model(ModelSpec(source="digits-cnn", device="cpu"))
PHRASES = load_model(ModelSpec(source="phrases-transformer", device="cpu"))


def _model(path: Path) -> None:
    inspect_file(path).as_text()
    load_model(ModelSpec(source=str(path), device="cpu"))


def _array(path: Path) -> None:
    data = load_data(DataSpec(source=str(path)), DIGITS)
    data.read(slice(None))


def _table(path: Path) -> None:
    data = load_data(DataSpec(source=str(path), columns=("text", "label")), PHRASES)
    data.read(slice(None))


def _image(path: Path) -> None:
    """One picture in a folder of its class."""
    load_data(DataSpec(source=str(path.parents[1])), DIGITS).read(slice(None))


READERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "models": (_model, "model.bin"),
    "arrays": (_array, "data.npz"),
    "tables": (_table, "data.csv"),
    "images": (_image, "images/0/0.png"),
}


def _seeds(folder: Path) -> None:
    for name, write in (model_files() | data_files()).items():
        if "device" not in name and "pipe" not in name:
            write(folder / name, folder / "canary")
    for path in folder.iterdir():
        if not path.is_file() or path.stat().st_size > LARGEST:
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        for inner in path.iterdir():
            _remove(inner)
        path.rmdir()
    else:
        path.unlink()


def main() -> None:
    """Search for so many seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("--seconds", type=int, default=1800)
    options = parser.parse_args()
    read, name = READERS[options.reader]
    with tempfile.TemporaryDirectory() as folder:
        corpus, target = Path(folder) / "corpus", Path(folder) / name
        corpus.mkdir()
        target.parent.mkdir(parents=True, exist_ok=True)
        _seeds(corpus)

        def once(data: bytes) -> None:
            target.write_bytes(data)
            with suppress(AuditkitError):
                read(target)

        limits = [
            f"-max_total_time={options.seconds}",
            f"-timeout={SECONDS_PER_FILE}",
            f"-max_len={LARGEST}",
            "-rss_limit_mb=4096",
        ]
        atheris.Setup([sys.argv[0], *limits, str(corpus)], once)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
