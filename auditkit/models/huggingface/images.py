"""How a Hugging Face image processor prepares images, in auditkit's own terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast, final

from auditkit.errors import ModelError
from auditkit.models.classifier import Layout
from auditkit.models.huggingface.folder import PREPROCESSOR, Folder, Json
from auditkit.models.normalisations import Normalisation

_LARGEST = 4096  # pixels of a side
_ABOUT_SIZE = ("do_resize", "size", "resample", "do_center_crop", "crop_size", "crop_pct")
_KNOWN = (
    *_ABOUT_SIZE,
    *("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std"),
    *("do_flip_channel_order", "do_convert_rgb", "default_to_square", "size_divisor"),
    *("image_processor_type", "feature_extractor_type", "processor_class", "data_format"),
    *("input_data_format", "return_tensors", "device", "disable_grouping", "_valid_processor_keys"),
)
_FILTERS = {0: "nearest", 1: "Lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "Hamming"}


@final
@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What an `ImageClassifier` has to be told; raw pixels are in [0, 1].

    Parameters
    ----------
    input_shape : (c, h, w)
        Of an image as the network reads it.
    normalisation : Normalisation
        Applied inside the model.
    layout : Layout
        Order of the channels.
    notes : tuple of str
        What the processor does that an audit leaves to the user.
    """

    input_shape: tuple[int, int, int]
    normalisation: Normalisation
    layout: Layout
    notes: tuple[str, ...]


def prepared(folder: Folder) -> Prepared:
    """Return how images are prepared.

    Parameters
    ----------
    folder : Folder
        Of an image classifier.

    Raises
    ------
    ModelError
        If the size is not said, or the processor does something that has no equal here.
    """
    found = folder.preprocessor
    unknown = [
        key for key, value in found.items() if key not in _KNOWN and value not in (None, False)
    ]
    if unknown:
        raise ModelError(
            f"{folder.path / PREPROCESSOR} asks for {unknown[0]}, which auditkit cannot do.",
            hint="Build the classifier in Python, with the preprocessing inside its module:"
            " auditkit.ImageClassifier(module, ...)",
        )
    channels = folder.config.get("num_channels", 3)
    height, width = _size(folder)
    mean, std = _normalisation(folder, channels)
    factor = _number(folder, found.get("rescale_factor", 1 / 255))
    # The processor reads pixels from 0 to 255, the audit pixels in [0, 1].
    scale = 255 * (factor if found.get("do_rescale", True) else 1.0)
    how = Normalisation(mean, std)
    return Prepared(
        input_shape=(channels, height, width),
        normalisation=how if abs(scale - 1) < 1e-6 else how.after(scale),
        layout="bgr" if found.get("do_flip_channel_order") else "nchw",
        notes=tuple(_notes(folder, height, width)),
    )


def _notes(folder: Folder, height: int, width: int) -> list[str]:
    found = folder.preprocessor
    if not found:
        return [
            f"There is no {PREPROCESSOR}: images are assumed to be given in [0, 1] without"
            " normalisation."
        ]
    if not found.get("do_resize", True):
        return []
    resample = found.get("resample", 2)
    by = _FILTERS.get(resample, "its own filter") if isinstance(resample, int) else "its own filter"
    cut = ", and the middle is cut out" if _cuts(found) else ""
    return [
        f"Images are expected at {width} by {height} pixels; the processor of the model resizes"
        f" others to {found.get('size')} ({by}){cut}."
    ]


def _cuts(found: Json) -> bool:
    return bool(found.get("do_center_crop")) or bool(found.get("crop_pct"))


def _normalisation(
    folder: Folder, channels: int
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    found = folder.preprocessor
    if not found.get("do_normalize", "image_mean" in found):
        return None, None
    if found.get("do_flip_channel_order"):
        raise ModelError(
            f"{folder.path / PREPROCESSOR} both normalises and turns the channels around, whose"
            " order"
            " is not said.",
            hint="Set do_normalize to false in it, and pass --mean and --std in the order of red,"
            " green and blue.",
        )
    values: list[tuple[float, ...]] = []
    for key in ("image_mean", "image_std"):
        given = found.get(key)
        if given is None:
            raise ModelError(
                f"{folder.path / PREPROCESSOR} does not say {key}.",
                hint="Write it into that file, as the model's processor has it.",
            )
        numbers = cast("list[Any]", given if isinstance(given, list) else [given])
        values.append(tuple(_number(folder, one) for one in numbers))
        if len(numbers) not in (1, channels):
            raise ModelError(
                f"{folder.path / PREPROCESSOR} has {len(numbers)} values of {key}, and images have"
                f" {channels} channels."
            )
    return values[0], values[1]


def _number(folder: Folder, value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ModelError(f"{folder.path / PREPROCESSOR} has {str(value)[:40]!r} for a number.")


def _size(folder: Folder) -> tuple[int, int]:
    """Return height and width of what reaches the network."""
    found = folder.preprocessor
    cut = found.get("crop_size") if found.get("do_center_crop") else None
    for said in (cut, found.get("size"), folder.config.get("image_size")):
        if (size := _sides(said)) is not None:
            return size
    raise ModelError(
        f"{folder.path} does not say which size of images it reads.",
        hint='Write "image_size" into its config.json.',
    )


def _sides(said: object) -> tuple[int, int] | None:
    if isinstance(said, dict):
        given = cast("Json", said)
        side = given.get("shortest_edge")
        sides = (given.get("height", side), given.get("width", side))
    elif isinstance(said, list):
        sides = tuple(cast("list[object]", said))
    else:
        sides = (said, said)
    if len(sides) != 2 or not all(isinstance(one, int) and 0 < one <= _LARGEST for one in sides):
        return None
    return cast("tuple[int, int]", sides)
