"""A whole classifier in one safetensors file: weights, architecture, preprocessing, classes.

The file's metadata holds one key, "auditkit", with a JSON description. Nothing in it names code to
run: an architecture is a built-in one, a nest of known layers, or one that the user must name.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias, final

import safetensors.torch
import torch
from pydantic import Field, ValidationError, model_validator
from safetensors import SafetensorError
from tokenizers import Tokenizer
from torch import Tensor, nn

from auditkit.data.schema import Feature, Schema
from auditkit.errors import DataError, ModelError
from auditkit.findings import Frozen
from auditkit.models.architectures import (
    Architecture,
    Builtin,
    Factory,
    Layers,
    build_builtin,
    build_described,
    build_named,
    check_fit,
    describe,
    fill,
    shapes_of,
)
from auditkit.models.archives import TensorFacts
from auditkit.models.blackbox import BlackBox
from auditkit.models.classifier import (
    Classifier,
    Identity,
    ImageClassifier,
    Layout,
    TextClassifier,
)
from auditkit.models.graphs import GraphClassifier
from auditkit.models.tabular import Encoding, TabularClassifier, width_of
from auditkit.models.texts.load import rebuilt
from auditkit.models.texts.split import plain_network
from auditkit.result import write_atomically
from auditkit.types import Modality

KEY = "auditkit"
VERSION = 1
HEADER_LIMIT = 100_000_000  # bytes, as in the safetensors format itself
ACTIVATIONS_LIMIT = 2**26  # numbers of one image that a layer may read or make

_DTYPES = {
    "F64": ("float64", 8),
    "F32": ("float32", 4),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "I64": ("int64", 8),
    "I32": ("int32", 4),
    "I16": ("int16", 2),
    "I8": ("int8", 1),
    "U8": ("uint8", 1),
    "BOOL": ("bool", 1),
}
_FOLDERS = "auditkit.models.huggingface"  # the package is heavy, and imports this one
_Size: TypeAlias = Annotated[int, Field(ge=1, le=2**24)]


@final
class Description(Frozen):
    """What a bundle says about itself.

    Parameters
    ----------
    version : int
        Of this description.
    modality : Modality
        What one input is.
    architecture : Architecture
        How the network is built.
    classes : list of str
        In the order of the logits.
    input_shape, bounds, mean, std, layout : optional
        Images: see `ImageClassifier`.
    tokenizer, max_length, padded : optional
        Texts: the tokenizer as JSON, and see `TextClassifier`.
    columns, encoding : optional
        Tables: see `Schema` and `TabularClassifier`.
    tags : list of str, optional
        Graphs: see `GraphClassifier`.
    differentiable : bool, optional
        False where the network has no useful gradients; absent where it has.
    data : str, optional
        Data set to audit on when none is given.
    card : dict
        What its author says of it.
    """

    version: int
    modality: Modality
    architecture: Architecture
    classes: list[str] = Field(min_length=2)
    input_shape: tuple[_Size, _Size, _Size] | None = None
    bounds: tuple[float, float] | None = None
    mean: list[float] | None = None
    std: list[float] | None = None
    layout: Layout | None = None
    tokenizer: str | None = None
    max_length: _Size | None = None
    padded: Literal[True] | None = None
    columns: list[Feature] | None = Field(default=None, min_length=1)
    encoding: Encoding | None = None
    tags: list[str] | None = Field(default=None, min_length=1)
    differentiable: Literal[False] | None = None
    data: str | None = None
    card: dict[str, str] = {}

    @model_validator(mode="after")
    def _of_sensible_size(self) -> Self:
        if self.input_shape is not None and math.prod(self.input_shape) > ACTIVATIONS_LIMIT:
            raise ValueError(f"the input shape {self.input_shape} is too large")
        return self


@final
@dataclass(frozen=True, kw_only=True)
class Header:
    """The head of a safetensors file."""

    tensors: tuple[TensorFacts, ...]
    metadata: dict[str, str]

    @property
    def is_bundle(self) -> bool:
        """Whether auditkit wrote it."""
        return KEY in self.metadata


def save(classifier: Classifier, path: str | Path) -> None:
    """Write a classifier as one file that `audit run FILE` can load safely.

    Parameters
    ----------
    classifier : Classifier
        Any but one around a `BlackBox`, whose function cannot be written. Networks made of
        auditkit's own architectures or of plain torch layers in `Sequential` load again without
        any option; any other class must be named by whoever loads the file, with
        `--arch package.module:Class`.
    path : str or Path
        Where to write; ".safetensors" is the usual ending.

    Raises
    ------
    ModelError
        If the network is a `BlackBox`, or its state holds something that is not a tensor.

    Examples
    --------
    >>> import tempfile
    >>> module = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    >>> model = ImageClassifier(module, classes=["no", "yes"], input_shape=(3, 2, 2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(model, Path(folder) / "mine.safetensors")
    ...     again = load_bundle(Path(folder) / "mine.safetensors")
    >>> again.classes
    ('no', 'yes')
    """
    if isinstance(classifier.module, BlackBox):
        raise ModelError(
            "A black box cannot be saved: a file holds no functions.",
            hint="Audit it where it is: auditkit.audit(classifier, data)",
        )
    if type(plain_network(classifier.module)).__module__.startswith(_FOLDERS):
        raise ModelError(
            "A model of a Hugging Face folder stays in its folder, which says all that a bundle"
            " would.",
            hint=f"Audit the folder: audit run {classifier.identity.name} --data DATA",
        )
    state: dict[str, Tensor] = {}
    for name, value in plain_network(classifier.module).state_dict().items():
        if not isinstance(value, Tensor):
            raise ModelError(f"{name} of the network's state is not a tensor; it cannot be saved.")
        state[name] = value.detach().cpu().contiguous().clone()  # tied weights become two copies
    text = _description_of(classifier).model_dump_json(exclude_none=True)
    write_atomically(Path(path), safetensors.torch.save(state, metadata={KEY: text}))


def _description_of(classifier: Classifier) -> Description:
    identity = classifier.identity
    common: dict[str, Any] = {
        "version": VERSION,
        "modality": classifier.modality,
        "architecture": describe(plain_network(classifier.module)),
        "classes": list(classifier.classes),
        "data": identity.data,
        "card": identity.card,
        "differentiable": None if classifier.differentiable else False,
    }
    if isinstance(classifier, ImageClassifier):
        return Description(
            **common,
            input_shape=classifier.input_shape,
            bounds=classifier.bounds,
            mean=None if classifier.mean is None else list(classifier.mean),
            std=None if classifier.std is None else list(classifier.std),
            layout=None if classifier.layout == "nchw" else classifier.layout,
        )
    if isinstance(classifier, TextClassifier):
        tokenizer = classifier.tokenizer.to_str()
        return Description(
            **common,
            tokenizer=tokenizer,
            max_length=classifier.max_length,
            padded=True if classifier.padded else None,
        )
    if isinstance(classifier, TabularClassifier):
        columns = list(classifier.schema.features)
        return Description(**common, columns=columns, encoding=classifier.encoding)
    if isinstance(classifier, GraphClassifier):
        return Description(**common, tags=list(classifier.tags))
    raise ModelError(
        f"{type(classifier).__name__} cannot be saved, expected an ImageClassifier, a"
        " TextClassifier, a TabularClassifier or a GraphClassifier."
    )


def load_bundle(path: Path, arch: str | None = None, *, known: bool = False) -> Classifier:
    """Return the classifier in a bundle, on the CPU.

    Nothing the file says is imported or called. Names, shapes and kinds of all tensors are checked
    before a number is read.

    Parameters
    ----------
    path : Path
        A file that `save` wrote.
    arch : str, optional
        "package.module:factory", instead of the architecture in the file.
    known : bool
        Whether the file is one of auditkit's own; its network is then not tried on shapes alone
        first, for which torch imports its compiler.

    Raises
    ------
    ModelError
        If the file is not a sound bundle, or needs `arch`.
    """
    header = read_header(path)
    description = read_description(path, header)
    module, name = _built(path, description, header, arch)
    check_fit(module, header.tensors, file=str(path), name=name)
    if arch is None and not known:
        _rehearse(path, module, description)
    fill(module, read_safetensors(path))
    notes = ()
    if arch is not None and not isinstance(description.architecture, Factory):
        notes = (f"--arch {arch} replaced the architecture that the file describes.",)
    identity = Identity(
        name=path.stem,
        architecture=name,
        sha256=file_sha256(path),
        data=description.data,
        card=description.card,
        notes=notes,
    )
    return _classifier(path, description, module, identity)


def _built(
    path: Path, description: Description, header: Header, arch: str | None
) -> tuple[nn.Module, str]:
    architecture = description.architecture
    if arch is not None:
        return build_named(arch), arch
    match architecture:
        case Builtin():
            return build_builtin(architecture, shapes_of(header.tensors)), architecture.name
        case Layers():
            return build_described(architecture), "torch layers"
        case Factory(name=name):
            # The name is only shown, and only where it looks like one.
            shown = name if re.fullmatch(r"[\w.]+:[\w.]+", name) else "package.module:Class"
            raise ModelError(
                f"{path} holds weights of the class {shown}, whose code is not in the file.",
                hint=f"If you trust that code, type: audit run {path} --arch {shown}",
            )


def _rehearse(path: Path, module: nn.Module, description: Description) -> None:
    """Run a described network on shapes alone: it must be possible and of sensible size."""
    if description.modality == "text":
        return
    inputs, what = _shapes(path, description)
    sizes: list[int] = []

    def measured(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        sizes.append(output.numel())
        if sizes[-1] > ACTIVATIONS_LIMIT:
            raise ModelError(f"{path}: one layer makes {sizes[-1]:,} numbers of one input.")

    hooks = [one.register_forward_hook(measured) for one in module.modules()]
    try:
        with torch.no_grad():
            module.eval()(*(torch.empty(1, *shape, device="meta") for shape in inputs))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(f"{path}: its layers cannot read {what}: {reason}") from error
    finally:
        for hook in hooks:
            hook.remove()


def _shapes(path: Path, description: Description) -> tuple[list[tuple[int, ...]], str]:
    """Return the shapes of what the network of one input reads, and what that is in words."""
    if description.modality == "tabular":
        schema, encoding = _columns(path, description)
        width = len(schema) if encoding == "raw" else sum(map(width_of, schema.features))
        return [(width,)], f"{width} features"
    if description.modality == "graph":
        d = len(_tags(path, description))
        return [(2, d), (2, 2)], f"graphs with {d} tags"
    shape = _image(path, description)[0]
    if (description.layout or "").startswith("nhwc"):
        shape = (shape[1], shape[2], shape[0])
    return [shape], f"images of shape {shape}"


def _image(
    path: Path, description: Description
) -> tuple[tuple[int, int, int], tuple[float, float]]:
    if description.input_shape is None or description.bounds is None:
        raise ModelError(f"{path} describes an image model without input shape or bounds.")
    return description.input_shape, description.bounds


def _columns(path: Path, description: Description) -> tuple[Schema, Encoding]:
    if description.columns is None or description.encoding is None:
        raise ModelError(f"{path} describes a model of tables without columns or encoding.")
    return Schema(tuple(description.columns)), description.encoding


def _tags(path: Path, description: Description) -> list[str]:
    if description.tags is None:
        raise ModelError(f"{path} describes a model of graphs without tags.")
    return description.tags


def _classifier(
    path: Path, description: Description, module: nn.Module, identity: Identity
) -> Classifier:
    if description.modality == "image":
        input_shape, bounds = _image(path, description)
        return ImageClassifier(
            module,
            classes=description.classes,
            input_shape=input_shape,
            bounds=bounds,
            mean=description.mean,
            std=description.std,
            layout=description.layout or "nchw",
            identity=identity,
        )
    differentiable = description.differentiable is None
    if description.modality == "tabular":
        schema, encoding = _columns(path, description)
        return TabularClassifier(
            module,
            schema=schema,
            classes=description.classes,
            encoding=encoding,
            differentiable=differentiable,
            identity=identity,
        )
    if description.modality == "graph":
        return GraphClassifier(
            module,
            tags=_tags(path, description),
            classes=description.classes,
            differentiable=differentiable,
            identity=identity,
        )
    if description.tokenizer is None or description.max_length is None:
        raise ModelError(f"{path} describes a text model without tokenizer or max_length.")
    tokenizer, length = _tokenizer(path, description.tokenizer), description.max_length
    return TextClassifier(
        rebuilt(module, tokenizer, length, name=identity.architecture),
        tokenizer=tokenizer,
        classes=description.classes,
        max_length=length,
        padded=description.padded is not None,
        identity=identity,
    )


def _tokenizer(path: Path, text: str) -> Tokenizer:
    try:
        return Tokenizer.from_str(text)
    except Exception as error:  # the library raises plain Exception
        raise ModelError(f"The tokenizer in {path} is broken: {error}.") from error


# --- the file ------------------------------------------------------------------------------------


def read_description(path: Path, header: Header) -> Description:
    """Return what a bundle says about itself.

    Raises
    ------
    ModelError
        If it says nothing, or nothing this version understands.
    """
    if not header.is_bundle:
        raise ModelError(f"{path} is a safetensors file, but not an auditkit bundle.")
    try:
        raw = json.loads(header.metadata[KEY])
        version = raw.get("version") if isinstance(raw, dict) else None
        if version != VERSION:
            raise ModelError(
                f"{path} is a bundle of version {version!r}; this auditkit reads {VERSION}.",
                hint="Install the auditkit that wrote the file, or save the model again.",
            )
        return Description.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ModelError(f"{path} is a broken bundle: {where}: {first['msg']}.") from error
    except DataError as error:  # impossible columns
        raise ModelError(f"{path} is a broken bundle: {error.message}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is a broken bundle: its description is no JSON.") from error


def read_header(path: Path) -> Header:
    """Read the head of a safetensors file and check that every tensor lies within the file.

    Raises
    ------
    ModelError
        If the file is damaged or cut off.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(HEADER_LIMIT, size - 8):
            raise ModelError(f"{path} is a safetensors file that is cut off in its header.")
        raw = file.read(length)
    try:
        head = json.loads(raw, object_pairs_hook=_unique)
        metadata = head.pop("__metadata__", {})
        tensors = [_facts(name, entry) for name, entry in head.items()]
        spans = sorted(tuple(entry["data_offsets"]) for entry in head.values())
        if not all(isinstance(v, str) for v in metadata.values()):
            raise ValueError("its metadata is not text")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path} has a broken safetensors header: {error}.") from error
    end = 0
    for begin, stop in spans:
        if begin != end:
            raise ModelError(f"{path} has a broken safetensors header: its tensors leave gaps.")
        end = stop
    if end != size - 8 - length:
        raise ModelError(
            f"{path} is cut off or padded: its tensors take {end:,} bytes, {size - 8 - length:,}"
            " are there."
        )
    return Header(tensors=tuple(tensors), metadata=metadata)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _facts(name: str, entry: dict[str, Any]) -> TensorFacts:
    if entry["dtype"] not in _DTYPES:
        raise ValueError(f"{name} has the unknown type {entry['dtype']!r}")
    dtype, width = _DTYPES[entry["dtype"]]
    shape = entry["shape"]
    begin, end = entry["data_offsets"]
    numbers = [*shape, begin, end]
    if not all(isinstance(value, int) and 0 <= value < 2**62 for value in numbers):
        raise ValueError(f"{name} has an impossible shape or place")
    if len(shape) > 32 or math.prod(shape) * width != end - begin:
        raise ValueError(f"{name} of shape {shape} does not take {end - begin} bytes")
    return TensorFacts(name=name, shape=tuple(shape), dtype=dtype)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file whose header was checked."""
    try:
        return safetensors.torch.load_file(path)
    except SafetensorError as error:
        raise ModelError(f"{path} is a broken safetensors file: {error}.") from error


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
