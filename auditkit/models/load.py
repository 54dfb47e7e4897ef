"""A name or a file becomes the classifier under audit; nothing in the file is ever run."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import torch
from torch import Tensor, nn

from auditkit.errors import ConfigError, MissingExtraError, ModelError
from auditkit.models.architectures import (
    Builtin,
    build_builtin,
    build_named,
    check_fit,
    fill,
    recognise,
)
from auditkit.models.blackbox import BlackBox
from auditkit.models.bundle import load_bundle, read_safetensors
from auditkit.models.card import ModelCard
from auditkit.models.catalogue import MODELS
from auditkit.models.classifier import (
    Classifier,
    Identity,
    ImageClassifier,
    Inputs,
    TextClassifier,
    TextModule,
)
from auditkit.models.graphs import GraphClassifier
from auditkit.models.inspect import KINDS, Inspection, inspect_file, missing
from auditkit.models.tabular import TabularClassifier
from auditkit.types import INPUTS


@final
@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """What the user typed about a model; small enough to send to another process.

    Parameters
    ----------
    source : str
        A built-in name or a file.
    arch : str, optional
        "package.module:factory", called without arguments, returns the network.
    input_shape : (c, h, w), optional
        Of one raw image.
    bounds : (low, high), optional
        Range of a raw pixel.
    mean, std : tuple of float, optional
        Normalisation per channel.
    classes : tuple of str, optional
        Names in the order of the logits.
    features : tuple of str, optional
        Columns of a table that an ONNX model reads, in its order.
    device : str
        "auto" takes a GPU where there is one.

    Raises
    ------
    ConfigError
        If a shape or bounds have the wrong length.
    """

    source: str
    arch: str | None = None
    input_shape: tuple[int, int, int] | None = None
    bounds: tuple[float, float] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    classes: tuple[str, ...] | None = None
    features: tuple[str, ...] | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        for option, values, count, example in (
            ("--input-shape", self.input_shape, 3, "3,32,32"),
            ("--bounds", self.bounds, 2, "0,1"),
        ):
            if values is not None and len(values) != count:
                raise ConfigError(
                    f"{option} has {len(values)} numbers, expected {count}.",
                    hint=f"Write it like {option} {example}",
                )


def load_model(spec: ModelSpec) -> Classifier:
    """Return the classifier that a specification names, in evaluation mode, on its device.

    A file is told by its content: an auditkit bundle, or a state dict (of torch.save or
    safetensors) that belongs to a built-in architecture or to the one named by `arch`.

    Parameters
    ----------
    spec : ModelSpec
        Name or file, and what the file does not say itself.

    Raises
    ------
    ModelError
        If there is no such model, or it is of a kind that cannot be loaded safely; the message
        says what the file seems to be, the hint what to type instead.
    ConfigError
        If the device does not exist.
    """
    device = _device(spec.device)
    classifier = _adjusted(_loaded(spec), spec)
    rehearse(classifier)
    classifier.module.to(device)
    return classifier


def _loaded(spec: ModelSpec) -> Classifier:
    if spec.source in MODELS:
        if spec.arch is not None:
            raise ModelError(
                f"{spec.source} is built in and has its own architecture.", hint="Leave out --arch."
            )
        return _builtin(MODELS[spec.source])
    path = Path(spec.source)
    if not path.exists():
        raise missing(spec.source)
    inspection = inspect_file(path)
    if not inspection.safe:
        raise _refusal(inspection)
    if inspection.kind == "onnx":
        return _onnx(path, inspection, spec)
    if inspection.kind == "bundle":
        return load_bundle(path, spec.arch)
    return _from_state_dict(path, inspection, spec)


def _builtin(card: ModelCard) -> Classifier:
    path = card.weights
    if not path.exists():
        raise ModelError(f"The weights of {card.name} are missing.", hint="Reinstall auditkit.")
    classifier = load_bundle(path)
    if classifier.identity.sha256 != card.measured.sha256:
        raise ModelError(
            f"The weights of {card.name} are not the ones its card describes.",
            hint="Reinstall auditkit.",
        )
    classifier.identity = replace(classifier.identity, name=card.name, card=card.facts())
    return classifier


def _refusal(inspection: Inspection) -> ModelError:
    """Return the one sentence that says why a file is not loaded."""
    message = f"{inspection.path} seems to be {inspection.seems}"
    if inspection.oddities:
        message += f", but {inspection.oddities[0].rstrip('.')}"
    elif KINDS[inspection.kind].code:
        message += "; loading it would run code from the file"
    return ModelError(f"{message}.", hint=inspection.hint)


def _onnx(path: Path, inspection: Inspection, spec: ModelSpec) -> Classifier:
    try:
        from auditkit.models.onnx.load import load_onnx
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith(("onnx", "google.protobuf")):
            raise
        raise MissingExtraError(
            f"{path} is an ONNX model; running it needs onnx and onnxruntime ({error.name} is"
            " missing).",
            hint='Type: pip install "auditkit-ml[onnx]"',
        ) from error
    return load_onnx(path, spec, sha256=inspection.sha256 or "")


# --- state dicts ---------------------------------------------------------------------------------


def _from_state_dict(path: Path, inspection: Inspection, spec: ModelSpec) -> Classifier:
    """Load weights alone; what they do not say comes from a card or from the user."""
    state = _state_dict(path, inspection)
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    if spec.arch is not None:
        module, name, card = build_named(spec.arch), spec.arch, None
    else:
        architecture = recognise(shapes)
        if architecture is None:
            raise _unrecognised(path, [*state])
        module, name = build_builtin(architecture, shapes), architecture.name
        card = _card_of(architecture)
    check_fit(module, inspection.tensors, file=str(path), name=name)
    fill(module, state)
    identity = Identity(
        name=path.stem,
        architecture=name,
        sha256=inspection.sha256 or "",
        data=card.data if card else None,
        notes=tuple(_notes(inspection, card)),
    )
    if part := _inseparable(name, card):
        raise ModelError(
            f"{path} holds the weights of a network without {part}.",
            hint="Save both in one file: auditkit.save(classifier, path)",
        )
    if isinstance(module, TextModule):
        return _text_classifier(path, module, card, identity)
    return _image_classifier(path, module, card, spec, identity)


def _state_dict(path: Path, inspection: Inspection) -> dict[str, Tensor]:
    """Return the tensors of a file that was inspected and found safe."""
    if inspection.kind == "safetensors":
        return read_safetensors(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds on a file that it cannot follow
        reason = str(error).partition("\n")[0]
        raise ModelError(f"torch cannot read {path}: {reason}") from error
    if inspection.nested_in is not None:
        content = content[inspection.nested_in]
    return {name: value.detach() for name, value in content.items()}


def _card_of(architecture: Builtin) -> ModelCard | None:
    """Return the built-in model that weights of an architecture are most like.

    None where models of this architecture read different data: then the user must say more.
    """
    read = architecture.config
    alike = [
        card
        for card in MODELS.values()
        if card.architecture == architecture.name
        and all(card.config.get(key) == read.get(key) for key in _WHAT_IS_READ)
    ]
    return alike[0] if len({card.data for card in alike}) == 1 else None


_WHAT_IS_READ = ("side", "channels", "inputs", "max_length", "n_classes")  # keys of a config


def _inseparable(architecture: str, card: ModelCard | None) -> str:
    """Return what weights alone cannot do without; nothing where options can say the rest."""
    cards = [card] if card else [c for c in MODELS.values() if c.architecture == architecture]
    parts = {
        {"tabular": "the columns that it reads", "graph": "its tags"}.get(one.modality, "")
        for one in cards
    }
    return parts.pop() if len(parts) == 1 else ""


def _unrecognised(path: Path, names: list[str]) -> ModelError:
    first = ", ".join(names[:3])
    return ModelError(
        f"{path} holds {len(names)} tensors ({first}, ...) of no architecture that auditkit has.",
        hint=f"Name yours: audit run {path} --arch package.module:factory --input-shape C,H,W"
        " --classes a,b,c",
    )


def _notes(inspection: Inspection, card: ModelCard | None) -> Iterator[str]:
    if inspection.nested_in is not None:
        yield f"The weights were read from the key {inspection.nested_in!r} of a checkpoint."
    if card is not None:
        yield (
            f"The weights fit the architecture {card.name}; classes and preprocessing are assumed"
            " to be those of its card."
        )


def _image_classifier(
    path: Path, module: nn.Module, card: ModelCard | None, spec: ModelSpec, identity: Identity
) -> Classifier:
    input_shape = card.input_shape if card else spec.input_shape
    classes = card.classes if card else spec.classes
    if input_shape is None or classes is None:
        options = {"--input-shape C,H,W": input_shape, "--classes a,b,c": classes}
        absent = [option for option, value in options.items() if value is None]
        raise ModelError(
            f"{path} holds weights alone, so {' and '.join(o.split()[0] for o in absent)} must say"
            " what the network reads and answers.",
            hint=f"Add: {' '.join(absent)}",
        )
    bounds = card.bounds if card else spec.bounds
    if bounds is None:
        note = "Pixels are assumed to lie in [0, 1]; --bounds says otherwise."
        identity = replace(identity, notes=(*identity.notes, note))
    return ImageClassifier(
        module,
        classes=classes,
        input_shape=input_shape,
        bounds=bounds or (0.0, 1.0),
        mean=card.mean if card else spec.mean,
        std=card.std if card else spec.std,
        identity=identity,
    )


def _text_classifier(
    path: Path, module: nn.Module, card: ModelCard | None, identity: Identity
) -> Classifier:
    if card is None or getattr(module, "config", None) != card.config:
        raise ModelError(
            f"{path} holds the weights of a text network without its tokenizer.",
            hint="Save both in one file: auditkit.save(classifier, path)",
        )
    own = _builtin(card)
    assert isinstance(own, TextClassifier)
    note = f"The tokenizer is assumed to be that of {card.name}."
    return TextClassifier(
        module,
        tokenizer=own.tokenizer,
        classes=own.classes,
        max_length=own.max_length,
        identity=replace(identity, notes=(*identity.notes, note)),
    )


# --- options -------------------------------------------------------------------------------------


def _adjusted(classifier: Classifier, spec: ModelSpec) -> Classifier:
    """Let explicit options win over what the file or the card says, and say so."""
    image = isinstance(classifier, ImageClassifier)
    if spec.features is not None and classifier.modality != "tabular":
        raise ModelError(
            f"{spec.source} reads {INPUTS[classifier.modality]}; --features names columns of a"
            " table.",
            hint="Leave out --features.",
        )
    if not image and (foreign := [one for one in _OF_IMAGES if getattr(spec, one) is not None]):
        option = _option(foreign[0])
        raise ModelError(
            f"{spec.source} reads {INPUTS[classifier.modality]}; {option} is about images.",
            hint=f"Leave out {option}.",
        )
    notes = [
        f"{_option(one)} replaced {getattr(classifier, one) or 'nothing'}, which the file or its"
        " card gives."
        for one in ((*_OF_IMAGES, "classes") if image else ("classes",))
        if getattr(spec, one) not in (None, getattr(classifier, one))
    ]
    if not notes:
        return classifier
    identity = replace(classifier.identity, notes=(*classifier.identity.notes, *notes))
    if isinstance(classifier, ImageClassifier):
        return ImageClassifier(
            classifier.module,
            classes=spec.classes or classifier.classes,
            input_shape=spec.input_shape or classifier.input_shape,
            bounds=spec.bounds or classifier.bounds,
            mean=spec.mean or classifier.mean,
            std=spec.std or classifier.std,
            identity=identity,
        )
    renamed = copy(classifier)
    renamed.classes, renamed.identity = spec.classes or classifier.classes, identity
    return renamed


_OF_IMAGES = ("input_shape", "bounds", "mean", "std")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def rehearse(classifier: Classifier) -> None:
    """Run the model once, so that a wrong shape or number of classes is said at once.

    What a black box answers shows what its scores are; that is noted.

    Raises
    ------
    ModelError
        If the model cannot read its inputs.
    """
    if isinstance(classifier, ImageClassifier):
        low, high = classifier.bounds
        inputs: Inputs = torch.full((1, *classifier.input_shape), (low + high) / 2)
        what = f"images of shape {classifier.input_shape}"
    elif isinstance(classifier, TabularClassifier | GraphClassifier):
        inputs, what = classifier.example(), INPUTS[classifier.modality]
    else:
        inputs, what = ["a"], "texts"
    try:
        classifier.predict(inputs)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(
            f"{classifier.identity.architecture} cannot read {what}: {reason}",
            hint="Check --input-shape." if isinstance(classifier, ImageClassifier) else "",
        ) from error
    box, identity = classifier.module, classifier.identity
    if isinstance(box, BlackBox) and box.note not in ("", *identity.notes):
        classifier.identity = replace(identity, notes=(*identity.notes, box.note))


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"There is no device {name!r} here.", hint="Leave --device out, or type --device cpu."
        ) from error
    return device
