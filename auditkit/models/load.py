"""A name or a file becomes the classifier under audit; nothing in the file is ever run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import final

import torch
from torch import Tensor, nn

from auditkit.data.hints import Hints
from auditkit.errors import ConfigError, MissingExtraError, ModelError, near_miss
from auditkit.models.architectures import (
    Builtin,
    build_builtin,
    build_named,
    check_fit,
    fill,
    recognise,
)
from auditkit.models.archives import TensorFacts
from auditkit.models.auto import AUTO, Candidate, candidates, sketch
from auditkit.models.blackbox import BlackBox, Output
from auditkit.models.bundle import file_sha256, load_bundle, read_safetensors
from auditkit.models.card import ModelCard
from auditkit.models.catalogue import MODELS
from auditkit.models.choose import Option
from auditkit.models.classifier import (
    Classifier,
    Identity,
    ImageClassifier,
    Inputs,
    Layout,
    TextClassifier,
    TextModule,
    frozen,
)
from auditkit.models.endpoint import Endpoint, load_endpoint, shown
from auditkit.models.function import load_function
from auditkit.models.graphs import GraphClassifier
from auditkit.models.huggingface.folder import is_model_folder
from auditkit.models.huggingface.load import load_huggingface
from auditkit.models.importing import is_name
from auditkit.models.inspect import KINDS, Inspection, command_for_words, inspect_file, missing
from auditkit.models.normalisations import Normalisation, normalisation_of
from auditkit.models.outputs import detect_probabilities, detect_refusal
from auditkit.models.plain import allowed_beside_weights
from auditkit.models.skops.facts import looks_like_skops
from auditkit.models.skops.load import load_skops
from auditkit.models.states import Reading, nearest, path_of, readings
from auditkit.models.tabular import TabularClassifier
from auditkit.models.texts.load import reads_words, text_classifier
from auditkit.models.texts.options import TextOptions
from auditkit.models.texts.sketch import sketch_text
from auditkit.models.trusted.load import load_trusted
from auditkit.types import INPUTS


@final
@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """What the user typed about a model; small enough to send to another process.

    Parameters
    ----------
    source : str
        A built-in name, a file, or "package.module:function".
    arch : str, optional
        "package.module:factory", called without arguments, returns the network; or "auto", or one
        of the candidates that `candidates_of` names.
    input_shape : (c, h, w), optional
        Of one raw image.
    bounds : (low, high), optional
        Range of a raw pixel.
    mean, std : tuple of float, optional
        Normalisation per channel.
    normalise : str, optional
        Name of a usual normalisation, instead of mean and std.
    scale : float, optional
        What a raw pixel is multiplied by before normalisation.
    layout : Layout, optional
        How the network wants its images.
    classes : tuple of str, optional
        Names in the order of the logits.
    features : tuple of str, optional
        Columns of a table that an ONNX model reads, in its order.
    weights : str, optional
        Keys that lead to the weights in a torch file with several.
    texts : TextOptions
        How weights alone read texts.
    device : str
        "auto" takes a GPU where there is one.
    trust_code : bool
        Whether code in the file may be run, in a process of its own.
    memory : int, optional
        Bytes that this code may use.
    notes : tuple of str
        What was decided from the data before; becomes part of the classifier's identity.
    scores : {"probabilities", "logits"}, optional
        What something that is only asked answers with.
    hints : Hints, optional
        What the data tell about something that is only asked.
    endpoint : Endpoint, optional
        Asked in place of a file; `source` then only says so in messages.

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
    normalise: str | None = None
    scale: float | None = None
    layout: Layout | None = None
    classes: tuple[str, ...] | None = None
    features: tuple[str, ...] | None = None
    weights: str | None = None
    texts: TextOptions = field(default_factory=TextOptions)
    device: str = "auto"
    trust_code: bool = False
    memory: int | None = None
    notes: tuple[str, ...] = ()
    scores: Output | None = None
    hints: Hints | None = None
    endpoint: Endpoint | None = None

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
        if self.scale is not None and not self.scale > 0:
            raise ConfigError(
                f"--scale is {self.scale}, expected a positive number.",
                hint="A network that reads pixels from 0 to 255 needs --scale 255.",
            )

    @property
    def prepared(self) -> bool:
        """Whether the user said how images are normalised."""
        return (self.mean, self.std, self.normalise, self.scale) != (None,) * 4

    def normalisation(self, bounds: tuple[float, float], channels: int) -> Normalisation | None:
        """Return what the options ask for, or None where none does."""
        return normalisation_of(
            name=self.normalise,
            mean=self.mean,
            std=self.std,
            scale=self.scale,
            bounds=bounds,
            channels=channels,
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
    if spec.endpoint is not None:
        return load_endpoint(spec)
    if re.match("https?://", spec.source):
        raise ModelError(
            f"{shown(spec.source)} is an address, not a file.",
            hint="To ask a model that is served there, type: audit run --endpoint URL --data DATA;"
            " a file has to be downloaded first.",
        )
    if spec.source in MODELS:
        if spec.arch is not None:
            raise ModelError(
                f"{spec.source} is built in and has its own architecture.", hint="Leave out --arch."
            )
        if spec.weights is not None:
            raise ModelError(
                f"{spec.source} is built in and has one set of weights.",
                hint="Leave out --weights.",
            )
        _refuse_text_options(spec)
        return _builtin(MODELS[spec.source])
    if names_function(spec):
        return load_function(spec)
    path = Path(spec.source)
    if not path.exists():
        raise missing(spec.source)
    inspection = inspect_file(path, weights=spec.weights)
    _refuse_other_weights(spec, inspection)
    if inspection.kind == "skops":
        return _skops(path, inspection, spec)
    if not inspection.safe and spec.trust_code and KINDS[inspection.kind].code:
        _refuse_auto(spec, inspection)
        return load_trusted(path, inspection, spec, from_weights=_from_state_dict)
    if not inspection.safe:
        raise _refusal(inspection)
    if inspection.kind == "onnx":
        return _onnx(path, inspection, spec)
    if inspection.kind == "huggingface":
        return load_huggingface(path, spec, sha256=inspection.sha256 or "")
    if inspection.kind not in (*_ALONE, "onnx"):
        _refuse_text_options(spec)
    if inspection.kind == "bundle":
        return load_bundle(path, spec.arch)
    return _from_state_dict(path, inspection, spec)


_ALONE = ("torch-weights", "torch-legacy", "safetensors")  # kinds of files


def _refuse_text_options(spec: ModelSpec) -> None:
    if spec.texts.given:
        raise ModelError(
            f"{spec.source} needs no {spec.texts.given[0]}, which is about the weights of a"
            " network of"
            " words.",
            hint=f"Leave out {spec.texts.given[0]}.",
        )


def _builtin(card: ModelCard) -> Classifier:
    path = card.weights
    if not path.exists():
        raise ModelError(f"The weights of {card.name} are missing.", hint="Reinstall auditkit.")
    if file_sha256(path) != card.measured.sha256:
        raise ModelError(
            f"The weights of {card.name} are not the ones its card describes.",
            hint="Reinstall auditkit.",
        )
    classifier = load_bundle(path, known=True)
    classifier.identity = replace(classifier.identity, name=card.name, card=card.facts())
    return classifier


def _refusal(inspection: Inspection) -> ModelError:
    """Return the one sentence that says why a file is not loaded."""
    message = f"{inspection.path} seems to be {inspection.seems}"
    odd = inspection.oddities[0].rstrip(".") if inspection.oddities else ""
    if odd.startswith(inspection.path):
        message = odd
    elif odd:
        message += f"{': ' if inspection.kind == 'damaged' else ', but '}{odd}"
    elif KINDS[inspection.kind].code:
        message += "; loading it would run code from the file"
    return ModelError(f"{message}.", hint=inspection.hint)


def _refuse_auto(spec: ModelSpec, inspection: Inspection) -> None:
    if KINDS[inspection.kind].code and _is_auto(spec):
        raise ModelError(
            f"{spec.source} seems to be {inspection.seems}; --arch auto is for files with weights"
            " alone.",
            hint="Name the class: --arch package.module:factory; or leave out --arch, to ask the"
            " file for scores alone.",
        )


def _refuse_other_weights(spec: ModelSpec, inspection: Inspection) -> None:
    """Refuse a choice among weights where there is none, or none of this name."""
    if spec.weights is None or path_of(spec.weights) == tuple(map(str, inspection.keys)):
        return
    found = [one for one in (inspection.nested_in, *inspection.passed_over) if one is not None]
    if not found:
        raise ModelError(
            f"{spec.source} seems to be {inspection.seems}, and --weights chooses among several"
            " state dicts in a torch file.",
            hint="Leave out --weights.",
        )
    raise ModelError(
        f"{spec.source} holds no weights under {spec.weights!r}; it holds some under"
        f" {', '.join(found[:12])}.{near_miss(spec.weights, found)}",
        hint=f'Type: --weights "{found[0]}"',
    )


def _is_auto(spec: ModelSpec) -> bool:
    return spec.arch is not None and spec.arch.partition(":")[0] == AUTO


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


def _skops(path: Path, inspection: Inspection, spec: ModelSpec) -> Classifier:
    if find_spec("skops") is None:
        raise MissingExtraError(
            f"{path} is a scikit-learn estimator that skops wrote; reading it needs skops.",
            hint='Type: pip install "auditkit-ml[skops]"',
        )
    if not inspection.safe:
        raise _refusal(inspection)
    return load_skops(path, spec, sha256=inspection.sha256 or "")


# --- state dicts ---------------------------------------------------------------------------------


def _from_state_dict(path: Path, inspection: Inspection, spec: ModelSpec) -> Classifier:
    """Load weights alone; what they do not say comes from a card or from the user."""
    network = _network(path, inspection, spec)
    module, name, card, reading = network.module, network.name, network.card, network.reading
    check_fit(module, reading.tensors.values(), file=str(path), name=name)
    fill(module, _state_dict(path, inspection, reading))
    identity = Identity(
        name=path.stem,
        architecture=name,
        sha256=inspection.sha256 or "",
        data=card.data if card else None,
        notes=(*_notes(inspection, reading, card), *spec.notes),
        loose=True,
    )
    if part := _inseparable(name, card):
        raise ModelError(
            f"{path} holds the weights of a network without {part}.",
            hint="Save both in one file: auditkit.save(classifier, path)",
        )
    plain = spec.texts.vocabulary is None
    if not plain or (card is None and spec.input_shape is None and reads_words(module)):
        return text_classifier(path, module, spec, identity)
    if isinstance(module, TextModule):
        return _text_classifier(path, module, card, identity)
    _refuse_text_options(spec)
    return _image_classifier(path, module, card, spec, identity)


@final
@dataclass(frozen=True)
class _Network:
    """A network without numbers, and how the tensors that fill it are called."""

    module: nn.Module
    name: str
    reading: Reading
    card: ModelCard | None = None


def _network(path: Path, inspection: Inspection, spec: ModelSpec) -> _Network:
    options = _readings(inspection)
    if _is_auto(spec):
        candidate = _candidate(spec, inspection)
        return _Network(candidate.build(), candidate.words, candidate.reading)
    if spec.arch is not None:
        module = build_named(spec.arch)
        return _Network(module, spec.arch, nearest(options, module.state_dict()))
    for reading in options:
        if architecture := recognise(reading.shapes):
            module = build_builtin(architecture, reading.shapes)
            return _Network(module, architecture.name, reading, _card_of(architecture))
    raise _unrecognised(path, inspection)


def _readings(inspection: Inspection) -> list[Reading]:
    return readings({one.name: one for one in inspection.tensors})


def _candidate(spec: ModelSpec, inspection: Inspection) -> Candidate:
    """Return the candidate that was chosen, or the only one."""
    undecided = ModelError(
        f"Several networks may fit {spec.source}, and only labelled data can tell which it is.",
        hint=f"Type: audit run {spec.source} --arch auto --data DATA",
    )
    if spec.arch == AUTO and spec.input_shape is None:
        raise undecided
    found = _candidates(spec, inspection)
    if spec.arch == AUTO and len(found) > 1:
        raise undecided
    return next(one for one in found if spec.arch in (AUTO, one.id))


def _candidates(spec: ModelSpec, inspection: Inspection) -> list[Candidate]:
    if spec.input_shape is None and sketch_text(_readings(inspection)[-1].shapes) is None:
        raise ModelError(
            "--arch auto has to know the shape of an image.",
            hint=f"Add: --input-shape {_shape_hint(inspection)}",
        )
    shape = spec.input_shape
    found = candidates(_readings(inspection), shape) if shape is not None else []
    if not found and sketch_text(_readings(inspection)[-1].shapes) is not None:
        raise ModelError(
            f"--arch auto knows no networks of words, and {spec.source} seems to hold one.",
            hint=f"Name yours: {command_for_words(Path(spec.source))}",
        )
    if not found:
        seen = sketch(_readings(inspection))
        why = f"it holds {seen.family}" if seen else "its tensors are of none that it knows"
        raise ModelError(
            f"--arch auto found no network for {spec.source} and images of shape"
            f" {spec.input_shape}: {why}.",
            hint="Check --input-shape, or name the network: --arch package.module:factory",
        )
    return found


def _shape_hint(inspection: Inspection) -> str:
    seen = sketch(_readings(inspection))
    if seen is None:
        return "C,H,W"
    if seen.input_shape is None:
        return f"{seen.channels or 'C'},H,W"
    return ",".join(map(str, seen.input_shape))


def _classes_hint(inspection: Inspection) -> str:
    seen = sketch(_readings(inspection))
    return ",".join(map(str, range(seen.n_classes))) if seen and seen.n_classes < 20 else "a,b,c"


def options_of(spec: ModelSpec) -> Iterator[Option]:
    """Yield a classifier around every network that the tensors of a file fit.

    Parameters
    ----------
    spec : ModelSpec
        A file with weights alone, and its input shape and classes.

    Raises
    ------
    ModelError
        If the file is of another kind, no network fits, or the first cannot read its inputs.
    """
    inspection = inspect_file(Path(spec.source), weights=spec.weights)
    _refuse_auto(spec, inspection)
    _refuse_other_weights(spec, inspection)
    found = _candidates(spec, inspection)
    first = load_model(replace(spec, arch=found[0].id))
    assert isinstance(first, ImageClassifier)
    state = first.module.state_dict()
    held = {found[0].reading.names.get(new): value for new, value in state.items()}
    for candidate in found:
        module = candidate.build()
        fill(
            module,
            {
                new: held[old] if old is not None else torch.tensor(0)
                for new in candidate.reading.tensors
                for old in (candidate.reading.names.get(new),)
            },
        )
        other = copy(first)
        other.module = frozen(module)
        yield Option(id=candidate.id, words=candidate.words, classifier=other)


def leaves_open(spec: ModelSpec) -> bool:
    """Say whether a file leaves open what its network reads and answers."""
    path = Path(spec.source)
    if is_asked(spec) or spec.source in MODELS or not path.exists():
        return False
    inspection = inspect_file(path, weights=spec.weights)
    if spec.trust_code and KINDS[inspection.kind].code:
        return True
    alone = inspection.kind in _ALONE
    return alone and inspection.safe and (spec.arch is not None or inspection.architecture is None)


def names_function(spec: ModelSpec) -> bool:
    """Say whether the source is "package.module:function", and no file of that name is there."""
    is_other = spec.endpoint is not None or spec.source in MODELS
    return not is_other and is_name(spec.source) and not Path(spec.source).exists()


def is_asked(spec: ModelSpec) -> bool:
    """Say whether the model is only asked for answers, so that the data say what it reads."""
    if spec.endpoint is not None or names_function(spec):
        return True
    path = Path(spec.source)
    return spec.source not in MODELS and path.is_file() and looks_like_skops(path)


def _state_dict(path: Path, inspection: Inspection, reading: Reading) -> dict[str, Tensor]:
    """Return the tensors of a file that was inspected and found safe, as float32."""
    stored = _stored(path, inspection)
    state = {new: _single(stored[old].detach()) for new, old in reading.names.items()}
    return state | {name: torch.tensor(0) for name in reading.filled}


def _single(value: Tensor) -> Tensor:
    return value.float() if value.is_floating_point() else value


def _stored(path: Path, inspection: Inspection) -> dict[str, Tensor]:
    if inspection.kind == "safetensors":
        return read_safetensors(path)
    try:
        with allowed_beside_weights():
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds on a file that it cannot follow
        reason = str(error).partition("\n")[0]
        raise ModelError(f"torch cannot read {path}: {reason}") from error
    for key in inspection.keys:
        content = content[key]
    return content


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


def _unrecognised(path: Path, inspection: Inspection) -> ModelError:
    first = ", ".join(one.name for one in inspection.tensors[:3])
    if is_model_folder(path.parent):
        return ModelError(
            f"{path} holds the weights of a Hugging Face folder, and not how they are read.",
            hint=f"Name the folder: audit run {path.parent} --data DATA",
        )
    seen = sketch(_readings(inspection))
    if seen is not None:
        return ModelError(
            f"{path} holds {len(inspection.tensors)} tensors ({first}, ...) of no architecture that"
            f" auditkit has; they look like {seen.family}.",
            hint=f"Try: audit run {path} --arch auto --data DATA; or name yours: --arch"
            f" package.module:factory --input-shape {_shape_hint(inspection)} --classes"
            f" {_classes_hint(inspection)}",
        )
    words = sketch_text(_readings(inspection)[-1].shapes)
    if words is not None:
        return ModelError(
            f"{path} holds {len(inspection.tensors)} tensors ({first}, ...) of no architecture that"
            f" auditkit has; they look like {words.family}.",
            hint=f"Name yours: {command_for_words(path)}",
        )
    return ModelError(
        f"{path} holds {len(inspection.tensors)} tensors ({first}, ...) of no architecture that"
        " auditkit has.",
        hint=f"Name yours: audit run {path} --arch package.module:factory --input-shape C,H,W"
        " --classes a,b,c",
    )


def _notes(inspection: Inspection, reading: Reading, card: ModelCard | None) -> Iterator[str]:
    if inspection.nested_in is not None:
        yield f"The weights were read from the key {inspection.nested_in!r} of a checkpoint."
    if inspection.passed_over:
        passed_over = ", ".join(inspection.passed_over[:6])
        yield f"Other tensors in the file were not used: {passed_over}; --weights chooses."
    if reading.prefix:
        yield f"The prefix {reading.prefix!r} was taken off the names of all tensors."
    if reading.left_out:
        first = ", ".join(reading.left_out[:3])
        yield f"{len(reading.left_out)} tensors that no network needs were left out: {first}."
    if reading.filled:
        yield (
            "Counters of batches (num_batches_tracked) that are not in the file were set to 0:"
            f" {len(reading.filled)}. They change no answer."
        )
    kinds = sorted({one.dtype for one in _floats(reading)} - {"float32"})
    if kinds:
        yield f"Weights stored as {', '.join(kinds)} were turned into float32."
    if card is not None:
        yield (
            f"The weights fit the architecture {card.name}; classes and preprocessing are assumed"
            " to be those of its card."
        )


def _floats(reading: Reading) -> list[TensorFacts]:
    return [one for one in reading.tensors.values() if "float" in one.dtype]


def _image_classifier(
    path: Path, module: nn.Module, card: ModelCard | None, spec: ModelSpec, identity: Identity
) -> Classifier:
    input_shape = card.input_shape if card else spec.input_shape
    classes = card.classes if card else spec.classes
    if input_shape is None or classes is None:
        example = _classes_hint(inspect_file(path, weights=spec.weights))
        options = {"--input-shape C,H,W": input_shape, f"--classes {example}": classes}
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
    own = Normalisation(card.mean, card.std) if card else None
    given = spec.normalisation(bounds or (0.0, 1.0), input_shape[0])
    how = own or given or Normalisation()
    return ImageClassifier(
        module,
        classes=classes,
        input_shape=input_shape,
        bounds=bounds or (0.0, 1.0),
        mean=how.mean,
        std=how.std,
        layout=spec.layout or "nchw",
        identity=identity,
    )


def _text_classifier(
    path: Path, module: nn.Module, card: ModelCard | None, identity: Identity
) -> Classifier:
    if card is None or getattr(module, "config", None) != card.config:
        raise ModelError(
            f"{path} holds the weights of a text network without its tokenizer.",
            hint="Add the words and the most tokens of a text: --vocabulary vocab.json --max-length"
            " 64; or save both in one file: auditkit.save(classifier, path)",
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
    if spec.scores is not None and not isinstance(classifier.module, BlackBox):
        raise ModelError(
            f"--scores says what a function or an endpoint answers with; {spec.source} is neither.",
            hint="Leave out --scores.",
        )
    if spec.features is not None and classifier.modality != "tabular":
        raise ModelError(
            f"{spec.source} reads {INPUTS[classifier.modality]}; --features names columns of a"
            " table.",
            hint="Leave out --features.",
        )
    if isinstance(classifier, ImageClassifier):
        return _adjusted_image(classifier, spec)
    if foreign := [one for one in _OF_IMAGES if getattr(spec, one) is not None]:
        option = _option(foreign[0])
        raise ModelError(
            f"{spec.source} reads {INPUTS[classifier.modality]}; {option} is about images.",
            hint=f"Leave out {option}.",
        )
    if spec.classes in (None, classifier.classes):
        return classifier
    renamed = copy(classifier)
    renamed.classes = spec.classes or classifier.classes
    renamed.identity = _noted(classifier.identity, [_replaced("--classes", classifier.classes)])
    return renamed


def _adjusted_image(classifier: ImageClassifier, spec: ModelSpec) -> ImageClassifier:
    plain = ("input_shape", "bounds", "layout", "classes")
    notes = [
        _replaced(_option(one), getattr(classifier, one))
        for one in plain
        if getattr(spec, one) not in (None, getattr(classifier, one))
    ]
    bounds = spec.bounds or classifier.bounds
    shape = spec.input_shape or classifier.input_shape
    own = Normalisation(classifier.mean, classifier.std)
    how = spec.normalisation(bounds, shape[0]) or own
    if spec.normalise is None and spec.scale is None:  # one of mean and std may stay
        how = Normalisation(spec.mean or own.mean, spec.std or own.std)
    for option, before, now in (("--mean", own.mean, how.mean), ("--std", own.std, how.std)):
        if before != now:
            typed = option if spec.normalise is None else f"--normalise {spec.normalise}"
            notes.append(_replaced(typed, f"{option[2:]} {before}" if before else None))
    if not notes:
        return classifier
    return ImageClassifier(
        classifier.module,
        classes=spec.classes or classifier.classes,
        input_shape=shape,
        bounds=bounds,
        mean=how.mean,
        std=how.std,
        layout=spec.layout or classifier.layout,
        identity=_noted(classifier.identity, notes),
    )


def _noted(identity: Identity, notes: list[str]) -> Identity:
    return replace(identity, notes=(*identity.notes, *notes))


def _replaced(option: str, before: object) -> str:
    return f"{option} replaced {before or 'nothing'}, which the file or its card gives."


_OF_IMAGES = ("input_shape", "bounds", "mean", "std", "normalise", "scale", "layout")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def rehearse(classifier: Classifier) -> None:
    """Run the model once, so that a wrong shape or number of classes is said at once.

    What it answers shows whether it gives probabilities or logits; the former is noted, and of a
    black box both.

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
            f"{classifier.identity.architecture} cannot read {what}: {reason.rstrip('.')}.",
            hint=_other_inputs(classifier, reason),
        ) from error
    for detect in (detect_refusal, detect_probabilities):
        if note := detect(classifier):
            classifier.identity = _noted(classifier.identity, [note])
    box, identity = classifier.module, classifier.identity
    if isinstance(box, BlackBox) and box.note not in ("", *identity.notes):
        classifier.identity = replace(identity, notes=(*identity.notes, box.note))


def _other_inputs(model: Classifier, reason: str) -> str:
    """Return what to do about a model that cannot read its inputs."""
    if "required positional argument" in reason:
        return "Wrap it in a module whose forward takes the inputs alone and fills in the rest."
    return _other_shape(model) if isinstance(model, ImageClassifier) else ""


def _other_shape(model: ImageClassifier) -> str:
    """Return what to type for a network that cannot read its images."""
    turned = copy(model)
    turned.layout = "nhwc"
    try:
        turned.predict(torch.full((1, *model.input_shape), model.bounds[0]))
    except (RuntimeError, ValueError, TypeError, IndexError, ModelError):
        return "Check --input-shape."
    return "It can read images with their colours last. Add: --layout nhwc"


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
