"""What does a model file hold? Answered without running any of it."""

from __future__ import annotations

import math
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, final

from auditkit.errors import ModelError, near_miss
from auditkit.models.architectures import Layers, recognise
from auditkit.models.archives import (
    HARMLESS,
    PICKLE_LIMIT,
    SCHEMA,
    Archive,
    TensorFacts,
    odd_calls,
    read_archive,
)
from auditkit.models.auto import sketch
from auditkit.models.bundle import file_sha256, read_description, read_header
from auditkit.models.catalogue import MODELS
from auditkit.models.generative import generative_cards
from auditkit.models.huggingface.folder import is_model_folder, read_folder
from auditkit.models.importing import is_name
from auditkit.models.legacy import is_legacy, read_legacy
from auditkit.models.onnx.facts import read_onnx
from auditkit.models.onnx.oddities import odd_parts
from auditkit.models.onnx.words import described, reads_tokens
from auditkit.models.pickles import Call, Name, Program, Stored, Value, read_pickle
from auditkit.models.skops.facts import HARMLESS as HARMLESS_TYPES
from auditkit.models.skops.facts import read_skops, untrusted_types
from auditkit.models.states import Chosen, find_weights, readings
from auditkit.models.texts.load import beside
from auditkit.models.texts.sketch import TextSketch, sketch_text
from auditkit.paths import special

HASHED = 2**30  # bytes of a file of no known format that are worth a hash
SHOWN = 200  # tensors that are listed
_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")

_SAVE_ALONE = 'Save the weights alone: torch.save(model.state_dict(), "weights.pt")'
_SAVE_WEIGHTS = (
    "Where you trust it, type: audit run FILE --trust-code --data DATA, which runs its code in a"
    ' process of its own. Safer to pass on: torch.save(model.state_dict(), "weights.pt"), then:'
    " audit run weights.pt --arch package.module:factory --data DATA."
)


# What opens doors, and no network needs. That a name is not here says nothing: a list is no
# boundary.
_DOORS = frozenset(
    {
        *("os", "posix", "nt", "subprocess", "pty", "shutil", "socket", "ctypes", "webbrowser"),
        *("runpy", "pip", "pkgutil", "importlib", "marshal", "pickle", "_pickle", "codeop"),
        *("timeit", "cProfile", "urllib", "http", "requests"),
    }
)
_RUN_ALSO = frozenset(
    f"{module}.{name}"
    for module in ("builtins", "__builtin__")
    for name in ("eval", "exec", "compile", "open", "__import__", "execfile")
) | {"_codecs.decode"}
_NO_TRUST = (
    "Do not run it: no network needs {}. Ask whoever sent it for the weights alone, as safetensors."
)


def _doors(callables: Iterable[str]) -> list[str]:
    """Return names that no network needs, among those that pickles in a file name."""
    return [one for one in callables if one.partition(".")[0] in _DOORS or one in _RUN_ALSO]


@final
@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file.

    Parameters
    ----------
    seems : str
        Continues the sentence "FILE seems to be".
    loads : bool
        Whether auditkit can load it.
    code : bool
        Whether loading it would run what it holds.
    hint : str
        What to type instead.
    """

    seems: str
    loads: bool = False
    code: bool = False
    hint: str = ""


KINDS = {
    "bundle": Kind(seems="an auditkit bundle", loads=True),
    "safetensors": Kind(seems="a safetensors file with weights", loads=True),
    "torch-weights": Kind(seems="a state dict that torch.save wrote", loads=True),
    "torch-other": Kind(
        seems="a torch file without a state dict",
        hint=_SAVE_ALONE,
    ),
    "torch-pickle": Kind(seems="a torch file with pickled objects", code=True, hint=_SAVE_WEIGHTS),
    "torchscript": Kind(seems="a TorchScript program", code=True, hint=_SAVE_WEIGHTS),
    "torch-export": Kind(seems="an exported torch program (.pt2)", code=True, hint=_SAVE_WEIGHTS),
    "torch-legacy": Kind(seems="a state dict in the format before torch 1.6", loads=True),
    "pickle": Kind(seems="a Python pickle", code=True, hint=_SAVE_WEIGHTS),
    "onnx": Kind(
        seems="an ONNX model",
        loads=True,
        hint="Export it anew from the network it was made of, as one file.",
    ),
    "skops": Kind(
        seems="a scikit-learn estimator that skops wrote",
        loads=True,
        hint="Where you trust it, load it in a file of your own, such as mine.py, write there"
        " def predict(rows): return estimator.predict_proba(rows), and type: audit run"
        " mine:predict --data DATA",
    ),
    "keras": Kind(
        seems="a Keras model, which this version cannot read",
        hint="Rebuild the network in torch and write it with auditkit.save(classifier, path).",
    ),
    "hdf5": Kind(
        seems="an HDF5 file, probably of Keras, which this version cannot read",
        hint="Rebuild the network in torch and write it with auditkit.save(classifier, path).",
    ),
    "npz": Kind(
        seems="a numpy archive, which holds data rather than a model",
        hint="To audit a model on it, type: audit run MODEL --data FILE",
    ),
    "gguf": Kind(seems="a GGUF language model", hint="auditkit audits classifiers."),
    "zip": Kind(
        seems="a zip archive that torch did not write", hint="Unpack it and name the model in it."
    ),
    "gzip": Kind(seems="a compressed file (gzip)", hint="Unpack it first: gunzip FILE"),
    "html": Kind(
        seems="a web page, probably of a download that failed",
        hint="Download it again, from the link of the raw file.",
    ),
    "git-lfs": Kind(
        seems="a Git LFS pointer in place of the model",
        hint="Fetch the model itself: git lfs pull",
    ),
    "empty": Kind(seems="an empty file", hint="Download or save it again."),
    "huggingface": Kind(seems="a Hugging Face model folder", loads=True),
    "directory": Kind(
        seems="a folder without the config.json of a model",
        hint="Name the file in it: .safetensors, .pt or .pth",
    ),
    "special": Kind(
        seems="a pipe, device or socket", hint="Write it into a file first, and name that."
    ),
    "damaged": Kind(seems="a damaged file", hint="Download or save it again."),
    "unknown": Kind(
        seems="of no format that auditkit knows",
        hint="Save a torch network with auditkit.save(classifier, path).",
    ),
}


@final
@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a file holds, as far as can be said without running it.

    A help, not a boundary: "safe" means that loading it as auditkit does imports and calls nothing
    the file names, and needs no more memory than its size suggests.

    Parameters
    ----------
    path, kind, seems, hint : str
        The file, what it seems to be, in words, and what to type where it cannot be loaded.
    size : int
        In bytes.
    sha256 : str, optional
        None for a folder, and for a large file of no known format.
    safe : bool
        Whether auditkit loads it without running anything from it.
    tensors : tuple of TensorFacts
        All of them; `as_dict` and `as_text` list the first 200.
    parameters : int, optional
        The trained numbers in them, without running statistics; None where that cannot be told.
    architecture : str, optional
        The built-in architecture that fits, or the one a bundle describes.
    likely : str, optional
        What the tensors look like where they are of no built-in architecture.
    likely_input : (c, h, w), optional
        The shape of an image that they seem to read.
    outputs : int, optional
        How many they seem to answer with.
    dtypes : dict
        Numbers of each kind.
    next_command : str
        What to type next, where it can be loaded.
    nested_in : str, optional
        The keys of the checkpoint that lead to the weights, in words.
    keys : tuple of str or int
        The same keys.
    prefix : str
        What all names of the tensors begin with, such as "module.".
    beside : tuple of str
        What else the checkpoint holds: "epoch", "optimizer".
    passed_over : tuple of str
        Where in the checkpoint other tensors lie.
    callables : tuple of str
        Everything that pickles in the file name for import.
    oddities : tuple of str
        Why a file that looks like weights is not loaded, or what is damaged.
    facts : dict
        What else the file says, such as inputs and outputs, by name.
    """

    path: str
    kind: str
    seems: str
    hint: str
    size: int
    sha256: str | None
    safe: bool
    tensors: tuple[TensorFacts, ...] = ()
    parameters: int | None = None
    architecture: str | None = None
    likely: str | None = None
    likely_input: tuple[int, int, int] | None = None
    outputs: int | None = None
    dtypes: dict[str, int] = field(default_factory=dict[str, int])
    next_command: str = ""
    nested_in: str | None = None
    keys: tuple[str | int, ...] = ()
    prefix: str = ""
    beside: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    callables: tuple[str, ...] = ()
    oddities: tuple[str, ...] = ()
    facts: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def exit_code(self) -> int:
        """0: safe to load; 1: would need trust in its code or size; 2: unreadable."""
        if self.safe:
            return 0
        return 1 if KINDS[self.kind].code or KINDS[self.kind].loads else 2

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain data, for JSON."""
        tensors = [asdict(one) for one in self.tensors[:SHOWN]]
        counts = {"n_tensors": len(self.tensors), "exit_code": self.exit_code}
        return asdict(replace(self, tensors=())) | {"tensors": tensors} | counts

    def as_text(self) -> str:
        """Return everything worth reading, line by line."""
        answers = {0: "safe to load", 1: "not loaded without trust", 2: "not readable"}
        lines = [
            f"{self.path}: {self.seems}; {answers[self.exit_code]}",
            f"  size: {self.size:,} bytes",
        ]
        if self.sha256:
            lines.append(f"  sha256: {self.sha256}")
        if self.tensors:
            kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.dtypes.items())
            many = "unknown" if self.parameters is None else f"{self.parameters:,}"
            lines.append(f"  tensors: {len(self.tensors)}, {many} parameters ({kinds})")
        if self.nested_in:
            lines.append(f"  weights under: {self.nested_in}")
        if self.beside:
            lines.append(f"  beside them: {', '.join(self.beside[:12])}")
        if self.passed_over:
            lines.append(f"  other tensors under: {', '.join(self.passed_over[:6])}")
        if self.prefix:
            lines.append(f"  prefix of all names: {self.prefix}")
        if self.architecture:
            lines.append(f"  architecture: {self.architecture}")
        if self.likely:
            lines.append(f"  looks like: {self.likely}; {self._reads_and_answers()}")
        lines += [f"  {name}: {said}" for name, said in self.facts.items()]
        if self.callables:
            lines.append(f"  pickles name: {', '.join(self.callables)}")
        lines.append(f"  run when loaded: {self._run_when_loaded()}")
        lines += [f"  odd: {oddity}" for oddity in self.oddities]
        lines += [f"  {one.name}: {one.dtype} {one.shape}" for one in self.tensors[:SHOWN]]
        if len(self.tensors) > SHOWN:
            lines.append(f"  ... and {len(self.tensors) - SHOWN} more tensors")
        if self.hint and not self.safe:
            lines.append(f"  {self.hint}")
        if self.next_command:
            lines.append(f"Next: {self.next_command}")
        return "\n".join(lines)

    def _reads_and_answers(self) -> str:
        shape = f"images of shape {self.likely_input}, " if self.likely_input else ""
        return f"{shape}{self.outputs or 'some'} classes"

    def _run_when_loaded(self) -> str:
        """Say what loading would import or call beside what weights need."""
        foreign = [one for one in self.callables if one not in HARMLESS]
        if foreign:
            return f"{', '.join(foreign[:8])}, so it is not loaded"
        if self.kind == "skops" and not self.safe:
            return "what the file names, so it is not loaded"
        if KINDS[self.kind].code:
            return "a program, so it is not loaded"
        return "nothing from the file"


@final
@dataclass(frozen=True, kw_only=True)
class _Found:
    """What the readers below find out."""

    kind: str
    seems: str = ""
    tensors: tuple[TensorFacts, ...] = ()
    architecture: str | None = None
    nested_in: str | None = None
    keys: tuple[str | int, ...] = ()
    prefix: str = ""
    beside: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    callables: tuple[str, ...] = ()
    oddities: tuple[str, ...] = ()
    facts: dict[str, str] = field(default_factory=dict[str, str])
    parameters: int | None = None  # where names and shapes of the tensors do not say it
    hint: str = ""
    sha256: str | None = None
    tokens: bool = False  # whether a graph reads token ids


def inspect_file(path: Path, *, weights: str | None = None) -> Inspection:
    """Say what a model file holds, by its content and not by its ending.

    Parameters
    ----------
    path : Path
        Any file or folder.
    weights : str, optional
        Keys that lead to the weights to look at, where a file holds several.

    Raises
    ------
    ModelError
        If nothing is there, or it may not be read.
    """
    if not path.exists():
        raise missing(str(path))
    if special(path):
        return Inspection(
            path=str(path),
            kind="special",
            seems=f"{special(path)} rather than a file",
            hint=KINDS["special"].hint,
            size=0,
            sha256=None,
            safe=False,
        )
    try:
        found = _look(path, weights)
        # Of what cannot be loaded anyway, nobody should wait for the hash of terabytes.
        skipped = found.kind in ("directory", "unknown") and path.stat().st_size > HASHED
        sha256 = found.sha256 if path.is_dir() or skipped else file_sha256(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from error
    except ModelError as error:
        found = _Found(kind="damaged", oddities=(error.message,))
        sha256 = None if path.is_dir() else file_sha256(path)
    kind = KINDS[found.kind]
    safe = kind.loads and not found.oddities
    seen = sketch(readings(_by_name(found.tensors))) if found.architecture is None else None
    words = None if seen or found.architecture else _words(found.tensors)
    return Inspection(
        path=str(path),
        kind=found.kind,
        seems=found.seems or kind.seems,
        hint=found.hint or _hint(kind, found).replace("FILE", str(path)),
        size=_size(path),
        sha256=sha256,
        safe=safe,
        tensors=found.tensors,
        parameters=_parameters(found),
        architecture=found.architecture,
        likely=seen.family if seen else words.family if words else None,
        likely_input=seen.input_shape if seen else None,
        outputs=seen.n_classes if seen else words.n_classes if words else None,
        dtypes=_dtypes(found.tensors),
        next_command=_next_command(path, found, known=seen is not None, words=words)
        if safe
        else "",
        nested_in=found.nested_in,
        keys=found.keys,
        prefix=found.prefix,
        beside=found.beside,
        passed_over=found.passed_over,
        callables=found.callables,
        oddities=found.oddities[:10],
        facts=found.facts,
    )


def _hint(kind: Kind, found: _Found) -> str:
    if found.kind == "torch-other" and found.passed_over:
        return f'Choose one: --weights "{found.passed_over[0]}"'
    doors = _doors(found.callables)
    return _NO_TRUST.format(", ".join(doors[:3])) if doors and kind.code else kind.hint


def _parameters(found: _Found) -> int | None:
    if not found.tensors or found.kind == "onnx":
        return found.parameters
    kept = (one for one in found.tensors if not one.name.endswith(_BUFFERS))
    return sum(math.prod(one.shape) for one in kept)


def _words(found: Iterable[TensorFacts]) -> TextSketch | None:
    options = readings(_by_name(found))
    return sketch_text(options[-1].shapes) if options else None


def _size(path: Path) -> int:
    """Return the bytes of a file, or of the files in a folder."""
    if not path.is_dir():
        return path.stat().st_size
    return sum(one.stat().st_size for one in path.iterdir() if one.is_file())


def _dtypes(tensors: Iterable[TensorFacts]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for one in tensors:
        counts[one.dtype] += math.prod(one.shape)
    return dict(counts.most_common())


def _next_command(path: Path, found: _Found, *, known: bool, words: TextSketch | None) -> str:
    if found.kind == "onnx" and found.tokens:
        return command_for_words(path, arch=False)
    if found.kind in ("skops", "onnx"):
        return f"audit run {path} --data DATA"
    if not found.tensors:
        return ""
    if found.kind in ("bundle", "huggingface"):
        return f"audit run {path} --data DATA"
    if found.kind == "safetensors" and is_model_folder(path.parent):
        return f"audit run {path.parent} --data DATA"
    if found.architecture is not None:
        return f"audit run {path}"
    if words is not None:
        return command_for_words(path)
    return f"audit run {path} --arch {'auto' if known else 'package.module:factory'} --data DATA"


def command_for_words(path: Path, *, arch: bool = True) -> str:
    """Return what to type for a network of words, whose class has to be named or not."""
    named = " --arch package.module:factory" if arch else ""
    return f"audit run {path}{named} --vocabulary {beside(path) or 'vocab.json'} --data DATA"


def missing(source: str) -> ModelError:
    """Return the error for a model that is neither built in nor a file."""
    if source in generative_cards():
        return ModelError(
            f"{source} makes images and does not classify them, so there is nothing to audit.",
            hint=f"Name a classifier (audit list models), or see its card: audit explain {source}",
        )
    if is_name(source):
        return ModelError(
            f"{source} names a function, which is code and no file to look at.",
            hint=f"To audit it, which imports it, type: audit run {source} --data DATA",
        )
    path = Path(source)
    if path.is_symlink():
        return ModelError(
            f"{path} is a link that leads nowhere.", hint="Name the file itself, or mend the link."
        )
    neighbours = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    guess = near_miss(source, MODELS) or near_miss(path.name, neighbours)
    return ModelError(
        f"There is no file and no built-in model {source!r}.{guess}",
        hint="See the built-in ones: audit list models",
    )


def _look(path: Path, weights: str | None = None) -> _Found:
    if path.is_dir():
        return _hugging_face(path) if is_model_folder(path) else _Found(kind="directory")
    with path.open("rb") as file:
        head = file.read(4096)
    if head[8:9] == b"{":
        return _safetensors(path)
    for kind, matches in _FIRST_BYTES.items():
        if matches(head):
            return _onnx(path) if kind == "onnx" else _Found(kind=kind)
    if head.startswith(b"PK\x03\x04") or _ends_as_zip(path):
        archive = read_archive(path)
        is_skops = SCHEMA in archive.entries and not archive.root
        return _skops(path, archive) if is_skops else _zip(archive, weights)
    return _pickle(path, weights, certain=head[:1] == b"\x80")


def _hugging_face(path: Path) -> _Found:
    folder = read_folder(path)
    return _Found(
        kind="huggingface",
        seems=folder.seems,
        hint=folder.hint,
        tensors=folder.tensors,
        architecture=folder.architecture,
        oddities=folder.oddities,
        facts=folder.facts(),
        sha256=folder.sha256(),
    )


def _ends_as_zip(path: Path) -> bool:
    """Whether a zip archive ends the file, whatever stands before it."""
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile as error:
        raise ModelError(f"{path} is a damaged zip archive: {error}.") from error


def _is_html(head: bytes) -> bool:
    start = head.lstrip(b"\xef\xbb\xbf \r\n\t")[:14].lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head"))


def _is_onnx(head: bytes) -> bool:
    """Protocol buffers: field 1 (the version, a small number), then one of the next fields."""
    second = b"\x12\x1a\x22\x28\x32\x3a\x42"
    return len(head) > 8 and head[0] == 0x08 and head[1] < 0x20 and head[2] in second


_FIRST_BYTES: dict[str, Callable[[bytes], bool]] = {
    "empty": lambda head: not head,
    "git-lfs": lambda head: head.startswith(b"version https://git-lfs"),
    "html": _is_html,
    "hdf5": lambda head: head.startswith(b"\x89HDF\r\n\x1a\n"),
    "gguf": lambda head: head.startswith(b"GGUF"),
    "gzip": lambda head: head.startswith(b"\x1f\x8b"),
    "onnx": _is_onnx,
}


def _safetensors(path: Path) -> _Found:
    header = read_header(path)
    if header.is_bundle:
        architecture = read_description(path, header).architecture
        name = architecture.kind if isinstance(architecture, Layers) else architecture.name
        return _Found(kind="bundle", tensors=header.tensors, architecture=name)
    return _Found(
        kind="safetensors",
        tensors=header.tensors,
        architecture=_likely(header.tensors),
        prefix=_prefix(header.tensors),
    )


def _onnx(path: Path) -> _Found:
    file = read_onnx(path)
    return _Found(
        kind="onnx",
        tensors=tuple(
            TensorFacts(name=one.name, shape=one.shape, dtype=one.dtype)
            for one in file.graph.initialisers
        ),
        oddities=tuple(odd_parts(file, path)),
        facts=described(file),
        parameters=file.parameters(),
        tokens=reads_tokens(file),
    )


def _skops(path: Path, archive: Archive) -> _Found:
    file = read_skops(path)
    oddities = [*archive.oddities, *file.oddities]
    facts = {
        "estimator": file.estimator,
        "written by": f"skops {file.skops or '?'}, scikit-learn {file.sklearn or '?'}",
        "arrays": f"{file.arrays}, {file.numbers:,} numbers",
        "names": ", ".join(file.types),
    }
    untrusted = untrusted_types(path) if not oddities else ()
    if untrusted is None:
        facts["not trusted by skops"] = 'needs skops to tell: pip install "auditkit-ml[skops]"'
        oddities.append("which of its types are trusted needs skops to tell")
    elif untrusted:
        facts["not trusted by skops"] = ", ".join(untrusted)
        harmful = [one for one in untrusted if one not in HARMLESS_TYPES]
        oddities += [f"it names {one}, which skops does not trust" for one in harmful]
        if known := [one for one in untrusted if one in HARMLESS_TYPES]:
            facts["of these harmless"] = f"{', '.join(known)}: plain values, or checked when loaded"
    return _Found(kind="skops", oddities=tuple(oddities), facts=facts)


def _likely(found: Iterable[TensorFacts]) -> str | None:
    """Return the built-in architecture that fits, whatever prefix its names have."""
    for one in readings(_by_name(found)):
        if architecture := recognise(one.shapes):
            return architecture.name
    return None


def _by_name(found: Iterable[TensorFacts]) -> dict[str, TensorFacts]:
    return {one.name: one for one in found}


def _prefix(found: Iterable[TensorFacts]) -> str:
    options = readings(_by_name(found))
    return options[-1].prefix if options else ""


def _zip(archive: Archive, weights: str | None) -> _Found:
    names = {name for program in archive.programs.values() for name in program.names}
    callables = tuple(sorted(names))
    if archive.has("code") or archive.has("constants.pkl"):
        return _Found(kind="torchscript", callables=callables, oddities=archive.oddities)
    if archive.main is not None:
        return _torch(archive, archive.main, callables, weights)
    if archive.oddities:
        seems = "a zip archive that is damaged, or made to harm"
        return _Found(kind="damaged", seems=seems, callables=callables, oddities=archive.oddities)
    kind = _zip_kind([*archive.entries])
    return _Found(kind=kind, callables=callables, oddities=archive.oddities)


def _zip_kind(entries: list[str]) -> str:
    ends = {entry.rpartition("/")[2] for entry in entries}
    if ends & {"archive_format", "serialized_exported_program.json", "model.json"}:
        return "torch-export"
    if "model.weights.h5" in ends:
        return "keras"
    return "npz" if entries and all(entry.endswith(".npy") for entry in entries) else "zip"


def _torch(
    archive: Archive, program: Program, callables: tuple[str, ...], weights: str | None
) -> _Found:
    if set(program.names) - HARMLESS:
        return _Found(
            kind="torch-pickle",
            seems=_objects(program),
            callables=callables,
            oddities=archive.oddities,
        )
    oddities = (*archive.oddities, *dict.fromkeys(odd_calls(program, archive.sizes)))
    chosen = find_weights(program.result, weights)
    return _weights("torch-weights", chosen, callables=callables, oddities=oddities)


def _weights(
    kind: str, chosen: Chosen, *, callables: tuple[str, ...], oddities: tuple[str, ...]
) -> _Found:
    """Return what is known of a state dict, or of a checkpoint that holds one."""
    nest = chosen.nest
    passed_over = tuple(one.where for one in chosen.passed_over)
    if nest is None:
        several = f"a torch file with several sets of weights ({', '.join(passed_over[:5])})"
        seems = several if passed_over else ""
        return _Found(
            kind="torch-other",
            seems=seems,
            passed_over=passed_over,
            callables=callables,
            oddities=oddities,
        )
    facts = tuple(nest.tensors.values())
    return _Found(
        kind=kind,
        tensors=facts,
        architecture=_likely(facts),
        nested_in=nest.where if nest.path else None,
        keys=nest.path,
        prefix=_prefix(facts),
        beside=chosen.beside,
        passed_over=passed_over,
        callables=callables,
        oddities=oddities,
    )


def _legacy(path: Path, weights: str | None) -> _Found:
    file = read_legacy(path)
    if set(file.names) - HARMLESS:
        return _Found(
            kind="torch-pickle",
            seems=_objects(file.main),
            callables=file.names,
            oddities=file.oddities,
        )
    oddities = (*file.oddities, *dict.fromkeys(odd_calls(file.main, file.sizes)))
    chosen = find_weights(file.main.result, weights)
    return _weights("torch-legacy", chosen, callables=file.names, oddities=oddities)


def _objects(program: Program) -> str:
    """Say what a pickle that names foreign things seems to be."""
    foreign = [name for name in program.names if name not in HARMLESS]
    foreign.sort(key=lambda name: name.partition(".")[0] in _CONTAINERS)
    if doors := _doors(foreign):
        return f"a torch file that would run {', '.join(doors[:3])}"
    made = _class_of(program.result) if isinstance(program.result, Call) else ""
    if made and made.partition(".")[0] not in _CONTAINERS:
        return f"a whole pickled module ({made})"
    more = ", ..." if len(foreign) > 3 else ""
    return f"a checkpoint that holds more than weights ({', '.join(foreign[:3])}{more})"


_CONTAINERS = ("builtins", "__builtin__", "collections")  # say the least of what a file holds


def _class_of(value: Value) -> str:
    match value:
        case Call(Name(text)) | Call(Stored(("module", Name(text), *_))):  # the latter before 1.6
            return text
        case _:
            return "?"


def _pickle(path: Path, weights: str | None, *, certain: bool) -> _Found:
    """Look at a file that may be one pickle after another."""
    with path.open("rb") as file:
        data = file.read(PICKLE_LIMIT)
    programs: list[Program] = []
    while data and len(programs) < 8 and not is_legacy(programs):
        try:
            programs.append(read_pickle(data))
        except ModelError:
            break
        data = data[programs[-1].size :]
    if is_legacy(programs):
        return _legacy(path, weights)
    if not programs and not certain:
        return _Found(kind="unknown")
    names = sorted({name for program in programs for name in program.names})
    return _Found(kind="pickle", callables=tuple(names))
