"""Time the image corruptions against the obvious loop over images, side by side.

Run on a quiet machine: ``python benchmarks/shift.py [--images 200] [--sizes 32,224]``. The loop is
written after the published code: one image at a time, numpy and Pillow. Where the package
`imagecorruptions` can be imported it is timed as well.
"""

from __future__ import annotations

import argparse
import importlib
import time
import warnings
from collections.abc import Callable
from io import BytesIO

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

from auditkit.methods.corruptions.brightness import RISE
from auditkit.methods.corruptions.catalogue import CORRUPTIONS
from auditkit.methods.corruptions.defocus_blur import RADIUS, SOFTENING, disk
from auditkit.methods.corruptions.gaussian_noise import SIGMA
from auditkit.methods.corruptions.jpeg_compression import QUALITY
from auditkit.methods.corruptions.pixelate import KEPT
from auditkit.randomness import keys_of

SEVERITY = 3


def noise_loop(image: np.ndarray) -> np.ndarray:
    sigma = SIGMA[len(image)][SEVERITY - 1]
    rng = np.random.default_rng(0)
    return np.clip(image / 255 + rng.normal(size=image.shape, scale=sigma), 0, 1)


def defocus_loop(image: np.ndarray) -> np.ndarray:
    size = len(image)
    kernel = disk(RADIUS[size][SEVERITY - 1], SOFTENING[size][SEVERITY - 1])
    channels = [ndimage.correlate(image[..., c] / 255, kernel, mode="mirror") for c in range(3)]
    return np.clip(np.stack(channels, axis=-1), 0, 1)


def brightness_loop(image: np.ndarray) -> np.ndarray:
    from matplotlib.colors import hsv_to_rgb, rgb_to_hsv  # what scikit-image does, vectorised

    hsv = rgb_to_hsv(image / 255)
    hsv[..., 2] = np.clip(hsv[..., 2] + RISE[len(image)][SEVERITY - 1], 0, 1)
    return hsv_to_rgb(hsv)


def jpeg_loop(image: np.ndarray) -> np.ndarray:
    file = BytesIO()
    quality = int(QUALITY[len(image)][SEVERITY - 1])
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)) / 255


def pixelate_loop(image: np.ndarray) -> np.ndarray:
    size = len(image)
    small = int(size * KEPT[size][SEVERITY - 1])
    picture = Image.fromarray(image).resize((small, small), Image.Resampling.BOX)
    return np.asarray(picture.resize((size, size), Image.Resampling.BOX)) / 255


LOOPS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "gaussian-noise": noise_loop,
    "defocus-blur": defocus_loop,
    "brightness": brightness_loop,
    "jpeg-compression": jpeg_loop,
    "pixelate": pixelate_loop,
}


def peer() -> Callable[[np.ndarray, str], np.ndarray] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            corrupt = importlib.import_module("imagecorruptions").corrupt
    except Exception as error:  # noqa: BLE001 - it fails in many ways on current packages
        print(f"imagecorruptions cannot be imported: {error}")
        return None
    return lambda image, name: corrupt(image, SEVERITY, name.replace("-", "_"))


def milliseconds_per_image(work: Callable[[], object], n: int, repeats: int = 3) -> float:
    times: list[float] = []
    work()  # warm up
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * min(times) / n


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--sizes", default="32,224")
    options = parser.parse_args()
    torch.set_num_threads(1)
    n, other = options.images, peer()
    keys = keys_of(0, "benchmark", [str(i) for i in range(n)])
    print(f"severity {SEVERITY}, {n} colour images, one thread, milliseconds per image, best of 3")
    print(f"{'corruption':18} {'side':>5} {'auditkit':>9} {'loop':>9} {'times':>6} {'peer':>9}")
    for size in map(int, options.sizes.split(",")):
        levels = np.random.default_rng(0).integers(0, 256, (n, size, size, 3), dtype=np.uint8)
        images = torch.from_numpy(levels.transpose(0, 3, 1, 2) / np.float32(255)).contiguous()
        for name, corrupt in CORRUPTIONS.items():
            ours = milliseconds_per_image(lambda: corrupt(images, SEVERITY, keys), n)  # noqa: B023
            loop = milliseconds_per_image(lambda: [LOOPS[name](one) for one in levels], n)  # noqa: B023
            theirs = "-"
            if other is not None:
                spent = milliseconds_per_image(lambda: [other(one, name) for one in levels], n)  # noqa: B023
                theirs = f"{spent:.3f}"
            print(f"{name:18} {size:5} {ours:9.3f} {loop:9.3f} {loop / ours:6.1f} {theirs:>9}")


if __name__ == "__main__":
    main()
