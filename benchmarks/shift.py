"""Time the image corruptions beside imagecorruptions, and hold the values against its own.

Run on a quiet machine: ``python benchmarks/shift.py [--images 1000] [--sizes 32,224]``. Without the
package `imagecorruptions` only our times are printed. The package needs an old setuptools, so it
gets an environment of its own, which then looks for everything else where auditkit is installed::

    python -m venv peer && peer/bin/pip install 'setuptools<82' imagecorruptions
    python -c "import site; print(*site.getsitepackages())" > zz.pth
    mv zz.pth peer/lib/python3.*/site-packages/
    PYTHONPATH=$PWD peer/bin/python benchmarks/shift.py

On current numpy and scikit-image glass blur, gaussian blur and fog fail in the package; two names
that were removed are given back to it, so that all nineteen run its own code. It takes and gives
levels, image by image; auditkit takes and gives batches of floats, as models read them. For JPEG
and pixelation, whose work is short, that is a good part of the time, so the package is shown twice:
as it is, and with its levels brought to a batch of floats. Processor time is compared, and the two
take turns, so that other work on the machine bears on both. Beside the times stands how far the
values lie apart at 224 pixels when both are given the same random numbers, in grey levels; frost
(another texture) and the elastic transform (other constants) cannot be compared.
"""

from __future__ import annotations

import argparse
import importlib
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.shift._graded import Cell
from auditkit.checks.shift.corruptions import Corruptions
from auditkit.data.dataset import Dataset
from auditkit.data.load import DataSpec, load_data
from auditkit.methods.corruptions._magnified import read_by
from auditkit.methods.corruptions.catalogue import CORRUPTIONS
from auditkit.methods.corruptions.snow import ZOOM
from auditkit.models.load import ModelSpec, load_model
from auditkit.randomness import generator, keys_of

SEVERITY = 3
NOT_COMPARABLE = ("generated-frost", "elastic-transform", "shot-noise", "impulse-noise")
Peer = Callable[[np.ndarray, str, int], np.ndarray]


def peer() -> Peer | None:
    """Return the package's function, given back the names that it lost, or None."""
    setattr(np, "float_", np.float64)  # noqa: B010
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module("cv2").setNumThreads(1)
            module = importlib.import_module("imagecorruptions.corruptions")
            corrupt = importlib.import_module("imagecorruptions").corrupt
            smoothed = importlib.import_module("skimage.filters").gaussian
    except Exception as error:  # noqa: BLE001 - it fails in many ways on current packages
        print(f"imagecorruptions cannot be imported: {error}")
        return None

    def gaussian(image: np.ndarray, *args: object, **options: object) -> np.ndarray:
        axis = -1 if options.pop("multichannel", False) else None
        return smoothed(image, *args, channel_axis=axis, **options)

    module.gaussian = gaussian
    return lambda image, name, severity: corrupt(image, severity, peer_name(name))


def peer_name(name: str) -> str:
    return name.removeprefix("generated-").replace("-", "_")


def cifar() -> Dataset:
    loaded = load_model(ModelSpec(source="cifar-resnet20", device="cpu"))
    return load_data(DataSpec(source="cifar10"), loaded)


def pictures(n: int, size: int) -> np.ndarray:
    """Return photographs (n, size, size, 3) as levels; larger ones are enlarged."""
    data = cifar()
    images = np.asarray(data.read(np.arange(n) % len(data)))  # (n, 3, 32, 32)
    levels = np.rint(images * 255).astype(np.uint8).transpose(0, 2, 3, 1)
    if size == levels.shape[1]:
        return np.ascontiguousarray(levels)
    resized = [
        np.asarray(Image.fromarray(one).resize((size, size), Image.Resampling.BICUBIC))
        for one in levels
    ]
    return np.stack(resized)


def floats(levels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(levels.transpose(0, 3, 1, 2) / np.float32(255)).contiguous()


def fastest(*works: Callable[[], object], repeats: int = 3) -> list[float]:
    """Return the processor seconds of the fastest run of each; they take turns."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(repeats + 1):  # the first warms up
        for work, mine in zip(works, times, strict=True):
            start = time.process_time()
            work()
            mine.append(time.process_time() - start)
    return [min(mine[1:]) for mine in times]


def compare_times(sizes: list[int], n: int, n_peer: int, other: Peer | None) -> None:
    print(f"severity {SEVERITY}, {n} colour images, one thread, milliseconds per image, best of 3")
    print(
        f"{'corruption':18} {'side':>5} {'auditkit':>9} {'peer':>9} {'times':>6} {'to floats':>9}"
    )
    for size in sizes:
        levels = pictures(n, size)
        images = floats(levels)
        # In blocks, as shards of a check come.
        blocks = [slice(i, i + 128) for i in range(0, n, 128)]
        (converting,) = fastest(lambda: [floats(levels[b]) for b in blocks])  # noqa: B023
        totals = np.zeros(3)
        for name, corrupt in CORRUPTIONS.items():
            keys = keys_of(0, "benchmark", [str(i) for i in range(n)])
            works: list[Callable[[], object]] = [
                lambda: [corrupt(images[b], SEVERITY, keys[b]) for b in blocks]  # noqa: B023
            ]
            few = levels[: n_peer if name != "glass-blur" or size < 100 else 2]
            if other is not None:
                works.append(lambda: [other(one, name, SEVERITY) for one in few])  # noqa: B023
            ours, *theirs = fastest(*works)
            peers = theirs[0] / len(few) if theirs else np.nan
            row = np.array([ours / n, peers, peers + converting / n]) * 1000
            totals += row
            print_row(name, size, row)
        print_row("all", size, totals)


def print_row(name: str, size: int, row: np.ndarray) -> None:
    ours, theirs, converted = row
    times = f"{theirs / ours:6.1f} {converted / ours:9.1f}"
    print(f"{name:18} {size:5} {ours:9.3f} {theirs:9.3f} {times}")


@contextmanager
def same_draws(name: str, severity: int, key: np.uint64) -> Iterator[None]:
    """Give the package the numbers that we draw for a key, in the order in which it asks."""
    rng = generator(key)

    def normal(loc: float = 0, scale: float = 1, size: tuple[int, ...] = ()) -> np.ndarray:
        if name == "snow":  # we draw the part that is enlarged
            part = read_by(size[0], ZOOM[224][severity - 1])
            noise = np.zeros(size)
            side = part.stop - part.start
            noise[part, part] = rng.standard_normal((side, side), dtype=np.float32)
        elif len(size) == 3:
            noise = rng.standard_normal((3, *size[:2]), dtype=np.float32).transpose(1, 2, 0)
        else:
            noise = rng.standard_normal(size, dtype=np.float32)
        return loc + scale * noise

    def uniform(low: float, high: float, size: tuple[int, ...] | None = None) -> object:
        if size is None:
            return rng.uniform(low, high)
        return low + (high - low) * rng.random(size, dtype=np.float32).astype(np.float64)

    offsets: list[np.ndarray] = []

    def randint(low: int, high: int, size: tuple[int, ...]) -> np.ndarray:
        if not offsets:
            drawn = rng.integers(low, high, size=(3 * 224 * 224, *size), dtype=np.int8)
            offsets.extend(drawn[::-1].astype(np.int64))
        return offsets.pop()

    with patch.multiple(np.random, normal=normal, uniform=uniform, randint=randint):
        yield


def compare_values(other: Peer, n: int = 3) -> None:
    """Print how far values lie apart at 224 pixels, on the same random numbers."""
    levels = pictures(n, 224)
    images = floats(levels)
    keys = keys_of(0, "benchmark", [str(i) for i in range(n)])
    print("\ngrey levels apart at 224 pixels, all severities: mean, largest, share above 1")
    for name, corrupt in CORRUPTIONS.items():
        if name in NOT_COMPARABLE:
            continue
        apart: list[np.ndarray] = []
        for severity in (1, 2, 3, 4, 5):
            ours = corrupt(images, severity, keys).numpy().transpose(0, 2, 3, 1) * 255
            for i in range(n if name != "glass-blur" else 1):
                with same_draws(name, severity, keys[i]):
                    theirs = other(levels[i], name, severity)
                apart.append(np.abs(np.floor(ours[i] + 1e-3) - theirs.astype(float)).ravel())
        far = np.concatenate(apart)
        print(f"{name:18} {far.mean():8.4f} {far.max():8.1f} {(far > 1).mean():10.6f}")


def share_of_the_model(n: int) -> None:
    """Print how much of the check's time passes inside the model, on cifar-resnet20."""
    loaded = load_model(ModelSpec(source="cifar-resnet20", device="cpu"))
    data = cifar()
    inside = 0.0
    read = Cell.read.__func__  # type: ignore[attr-defined]

    def timed(cls: type[Cell], *args: object) -> Cell:
        nonlocal inside
        start = time.process_time()
        cell = read(cls, *args)
        inside += time.process_time() - start
        return cell

    artifacts = Artifacts(loaded, data, np.arange(n))
    artifacts[Predictions]
    with patch.object(Cell, "read", classmethod(timed)):
        start = time.process_time()
        Corruptions().measure(artifacts)
        whole = time.process_time() - start
    print(
        f"\ncheck on cifar-resnet20, {n} images, all 19 at 5 severities, {whole:.1f} s of"
        " processor time:"
    )
    print(f"{inside / whole:.0%} of it in the model's forward passes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--peer-images", type=int, default=100, help="it is slow")
    parser.add_argument("--sizes", default="32,224")
    parser.add_argument("--only", choices=("times", "values", "share"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    other = peer()
    if options.only in (None, "times"):
        sizes = [int(size) for size in options.sizes.split(",")]
        n_peer = min(options.images, options.peer_images)
        compare_times(sizes, options.images, n_peer, other)
    if other is not None and options.only in (None, "values"):
        compare_values(other)
    if options.only in (None, "share"):
        share_of_the_model(min(options.images, 500))


if __name__ == "__main__":
    main()
