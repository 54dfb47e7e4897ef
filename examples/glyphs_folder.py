"""You have a folder of images, one folder per class, and a network trained on another such folder.

    python glyphs_folder.py                    writes out/glyphs/{train,test}/ and the model
    audit run out/glyphs-folder-model.pt --data out/glyphs/test

The images are auditkit's rendered glyphs, so that the example needs no download.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

import auditkit
from auditkit.data import glyphs
from auditkit.models.card import Recipe
from auditkit.models.training.images import fit_image


def write_images(folder: Path, *, images: int) -> None:
    """Write `images` training images and at most as many test images."""
    for split in ("train", "test"):
        data = glyphs.load(split).sample(images, seed=0)
        glyphs.write_folder(data, folder / split)


def read_folder(folder: Path) -> tuple[Tensor, list[int], list[str]]:
    """Return images (n, 3, 32, 32) in [0, 1], labels and class names of `folder/CLASS/*.png`."""
    classes = sorted(one.name for one in folder.iterdir())
    files = [file for name in classes for file in sorted((folder / name).glob("*.png"))]
    pixels = np.stack([np.asarray(Image.open(file)) for file in files])  # (n, h, w, 3)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    return images, [classes.index(file.parent.name) for file in files], classes


def network(n_classes: int) -> nn.Sequential:
    """Map images (n, 3, 32, 32) in [0, 1] to logits (n, n_classes)."""

    def stage(inputs: int, outputs: int) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, kernel_size=3, stride=2, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]

    layers = [*stage(3, 24), *stage(24, 48), *stage(48, 96)]  # (n, 96, 4, 4)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(96 * 4 * 4, n_classes))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder to write to")
    parser.add_argument("--images", type=int, default=6000, help="training images")
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args()

    folder = options.out / "glyphs"
    write_images(folder, images=options.images)
    images, labels, classes = read_folder(folder / "train")
    torch.manual_seed(0)
    module = network(len(classes))
    recipe = Recipe(seed=0, epochs=options.epochs, batch_size=64, learning_rate=3e-3, shift=2)
    fit_image(module, images, labels, recipe, progress=print)

    model = auditkit.ImageClassifier(module, classes=classes, input_shape=(3, 32, 32))
    file = options.out / "glyphs-folder-model.pt"
    auditkit.save(model, file)
    print(f"Now: audit run {file} --data {folder / 'test'}")


if __name__ == "__main__":
    main()
