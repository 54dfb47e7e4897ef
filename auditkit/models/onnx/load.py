"""An ONNX file becomes the classifier under audit, with gradients where torch computes the same."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from auditkit.data.schema import Feature, Schema
from auditkit.errors import ModelError
from auditkit.models.classifier import Classifier, Identity, ImageClassifier
from auditkit.models.onnx.external import place_of
from auditkit.models.onnx.facts import OnnxFile, read_onnx
from auditkit.models.onnx.network import convert
from auditkit.models.onnx.operators.node import UnsupportedError
from auditkit.models.onnx.reading import Reading, reading_of
from auditkit.models.onnx.rewrite import read_model, refuse_bombs, without_maps
from auditkit.models.onnx.scores import Raw, choose_batches, choose_scores, settled
from auditkit.models.tabular import TabularClassifier

if TYPE_CHECKING:
    from auditkit.models.load import ModelSpec


def load_onnx(path: Path, spec: ModelSpec, *, sha256: str) -> Classifier:
    """Return the classifier of an ONNX file that was inspected and found safe.

    Parameters
    ----------
    path : Path
        The file.
    spec : ModelSpec
        What the file does not say itself.
    sha256 : str
        Hash of the file.

    Raises
    ------
    ModelError
        If it is no classifier of images or rows, or onnxruntime cannot run it.
    """
    if spec.arch is not None:
        raise ModelError(f"{path} holds its own architecture.", hint="Leave out --arch.")
    try:
        if spec.texts.given:
            from auditkit.models.onnx.texts import load_onnx_texts

            return load_onnx_texts(path, spec, sha256=_hash(read_onnx(path), path, sha256))
        return _loaded(path, spec, sha256)
    except UnsupportedError as error:  # never of an operator: those only cost the gradients
        raise ModelError(f"{path} has {error}, which auditkit cannot read.") from error
    except TimeoutError as error:
        raise ModelError(
            f"{path} cannot be asked: {error}.", hint="Export it with loops that end soon."
        ) from error


def _loaded(path: Path, spec: ModelSpec, sha256: str) -> Classifier:
    facts, model = read_onnx(path), read_model(path)
    names = without_maps(model)
    refuse_bombs(model)
    reading = reading_of(model.graph, input_shape=spec.input_shape, features=spec.features)
    probe = _probe(reading, spec)
    reading, promise = settled(model, reading, probe)
    chosen = choose_scores(model, reading, probe, classes=spec.classes)
    scorer = choose_batches(chosen.model, reading, probe)
    network = convert(chosen, scorer, probe, parameters=facts.parameters())
    identity = Identity(
        name=path.stem,
        architecture=f"ONNX graph by {facts.producer}" if facts.producer else "ONNX graph",
        sha256=_hash(facts, path, sha256),
        notes=(
            reading.in_words(),
            *_notes_on_pixels(reading, spec),
            *chosen.notes,
            *([promise] if promise else []),
            *network.notes,
        ),
        loose=not spec.prepared and not reading.whole,  # nobody normalises whole pixels
    )
    classes = spec.classes or _classes(names, chosen.k)
    if not reading.of_images:
        assert spec.features is not None
        return TabularClassifier(
            network.module,
            schema=Schema(tuple(Feature(name=name) for name in spec.features)),
            classes=classes,
            encoding="raw",
            identity=identity,
        )
    return ImageClassifier(
        network.module,
        classes=classes,
        input_shape=reading.image_shape,
        bounds=_bounds(reading, spec),
        mean=spec.mean,
        std=spec.std,
        identity=identity,
    )


def _hash(facts: OnnxFile, path: Path, sha256: str) -> str:
    """Return the hash of the file, or of it and its outside numbers together."""
    places = sorted({place_of(n, path).path for n in facts.numbers() if n.external is not None})
    if not places:
        return sha256
    together = hashlib.sha256(bytes.fromhex(sha256))
    for place in places:
        with place.open("rb") as file:
            together.update(hashlib.file_digest(file, "sha256").digest())
    return together.hexdigest()


def _bounds(reading: Reading, spec: ModelSpec) -> tuple[float, float]:
    return spec.bounds or ((0.0, 255.0) if reading.dtype == torch.uint8 else (0.0, 1.0))


def _notes_on_pixels(reading: Reading, spec: ModelSpec) -> list[str]:
    if not reading.of_images:
        return []
    notes: list[str] = []
    if spec.bounds is None:
        low, high = _bounds(reading, spec)
        notes.append(f"Pixels are assumed to lie in [{low:g}, {high:g}]; --bounds says otherwise.")
    if reading.whole:
        notes.append(
            "The model reads whole numbers: pixels are rounded, and gradients pass the rounding as"
            " if it were not there."
        )
    return notes


def _classes(names: tuple[str, ...], k: int) -> tuple[str, ...]:
    k = max(k, 2)  # one score stands for the second of two classes
    return names if len(names) == k else tuple(map(str, range(k)))


def _probe(reading: Reading, spec: ModelSpec) -> Raw:
    """Return what makes random inputs, as they reach the network."""

    def make(n: int, seed: int) -> Tensor:
        rng = torch.Generator().manual_seed(seed)
        if not reading.of_images:
            return torch.randn(n, *reading.shape, generator=rng) * 10.0 ** (seed % 2)
        low, high = _bounds(reading, spec)
        images = low + (high - low) * torch.rand(n, *reading.shape, generator=rng)
        for values, change in ((spec.mean, torch.sub), (spec.std, torch.div)):
            if values is not None:
                images = change(images, torch.tensor(values).view(1, -1, 1, 1))
        return images

    return make
