"""Reads hostile files in a process that notes whatever they make it do.

`python -m tests.hostile.watched models|data|unsafe FOLDER` prints one line of JSON per file. With
"unsafe" every file is unpickled as it is: that shows that the notes would be taken.
"""

from __future__ import annotations

import json
import pickle
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 20  # seconds per file, until a file counts as hanging

NEVER = (
    "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.kill",
    "subprocess.Popen", "socket.", "shutil.", "os.remove", "os.rename", "os.mkdir", "os.rmdir",
    "os.chmod", "os.chown", "os.link", "os.symlink", "os.truncate", "ctypes.dlopen", "webbrowser.",
    "pickle.find_class", "urllib.", "ftplib.", "smtplib.", "tempfile.",
)  # fmt: skip

noted: list[str] = []


def note(event: str, arguments: tuple[object, ...]) -> None:
    """Put down what should never happen while a file is read."""
    if event.startswith(NEVER):
        noted.append(f"{event} {arguments!r:.80}")
    elif event == "open" and _writes(arguments):
        noted.append(f"open for writing {arguments!r:.80}")
    elif event == "import" and str(arguments[0]).partition(".")[0] in FOREIGN:
        noted.append(f"import {arguments[0]}")


FOREIGN = {"canary_module", "pip", "runpy", "webbrowser", "cProfile", "timeit", "distutils"}


def _writes(arguments: tuple[object, ...]) -> bool:
    mode, flags = arguments[1], arguments[2]
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & 3)


def peak() -> int:
    """Return the highest memory in use so far, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    raise AssertionError("no VmHWM")


def forget_peak() -> None:
    """Let the peak start anew at what is in use now."""
    Path("/proc/self/clear_refs").write_text("5")


def yardstick() -> float:
    """Return the processor time of a fixed piece of work: how fast this machine is just now."""
    times: list[float] = []
    for _ in range(3):
        start = time.process_time()
        sorted(str(i) for i in range(300_000))
        times.append(time.process_time() - start)
    return sorted(times)[1]


def _give_up(*_: object) -> None:
    raise TimeoutError(f"more than {PATIENCE} s")


def read(path: Path, what: Callable[[Path], None]) -> dict[str, object]:
    """Read one file; say what came of it."""
    forget_peak()
    before, start = peak(), time.process_time()  # others may keep the machine busy
    noted.clear()
    signal.alarm(PATIENCE)
    said = "loaded"
    try:
        what(path)
    except BaseException as error:  # noqa: BLE001 - whatever a file can raise is what is asked
        said = f"{type(error).__module__}.{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    events = [*noted]
    return {
        "file": path.name,
        "said": said[:2000],
        "seconds": time.process_time() - start,
        "memory": peak() - before,
        "events": events,
    }


def _model(path: Path) -> None:
    """Do what `audit inspect` and `audit run` do with a model file."""
    from auditkit.models.inspect import inspect_file
    from auditkit.models.load import ModelSpec, load_model

    found = inspect_file(path)
    json.dumps(found.as_dict())
    found.as_text()
    load_model(ModelSpec(source=str(path), device="cpu"))


def _data(path: Path) -> None:
    """Do what `audit run --data` does with a data file."""
    import numpy as np

    from auditkit.data.load import DataSpec, load_data
    from auditkit.data.peek import peek
    from auditkit.models.load import ModelSpec, load_model

    text = path.suffix in (".csv", ".parquet")
    model = load_model(ModelSpec(source="phrases-transformer" if text else "digits-cnn"))
    columns = ("text", "label") if text else None
    peek(DataSpec(source=str(path)))
    data = load_data(DataSpec(source=str(path), columns=columns), model)
    data.read(np.arange(len(data)))


def _unsafe(path: Path) -> None:
    if path.suffix == ".pkl":
        with path.open("rb") as file:
            pickle.load(file)


KINDS = {"models": _model, "data": _data, "unsafe": _unsafe}


def main() -> None:
    """Read every file of a folder."""
    what, folder = KINDS[sys.argv[1]], Path(sys.argv[2])
    unit = yardstick()
    signal.signal(signal.SIGALRM, _give_up)
    for path in sorted((folder / "sound").iterdir()):  # so that what is imported late is imported
        read(path, what)
    sys.addaudithook(note)
    for path in sorted((folder / "hostile").iterdir()):
        found = read(path, what)
        line = found | {"effort": float(str(found["seconds"])) / unit}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
