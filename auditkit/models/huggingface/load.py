"""A Hugging Face model folder becomes the classifier under audit, offline and without its code."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor, nn

from auditkit.errors import AuditkitError, MissingExtraError, ModelError
from auditkit.models.classifier import Classifier, Identity, ImageClassifier, TextClassifier
from auditkit.models.huggingface.folder import Folder, read_folder
from auditkit.models.huggingface.images import prepared
from auditkit.models.normalisations import Normalisation
from auditkit.models.texts.split import Call, split, word_embeddings

if TYPE_CHECKING:
    from auditkit.models.load import ModelSpec

_LONGEST = 512  # tokens of a text, where the model allows more
_SPARE = 10_000_000  # numbers that a config may describe beyond twice those in the files
_EXAMPLES = ("a", "The film of 1999 isn't bad, is it?")
_CLOSE = 1e-3  # relative difference of logits that is rounding
_OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}


@final
class Logits(nn.Module):
    """A model of transformers that answers with its logits alone.

    Parameters
    ----------
    network : Module
        A classifier of transformers.
    reads : str
        What it calls its input: "input_ids" or "pixel_values".
    """

    def __init__(self, network: nn.Module, reads: str) -> None:
        super().__init__()
        self.network = network
        self.reads = reads

    def forward(self, inputs: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Map images (n, c, h, w), or token ids (n, t) under a mask (n, t), to logits (n, k)."""
        beside = {} if attention_mask is None else {"attention_mask": attention_mask}
        return self.network(**{self.reads: inputs}, **beside).logits


def load_huggingface(path: Path, spec: ModelSpec, *, sha256: str) -> Classifier:
    """Return the classifier in a folder that was inspected and found safe.

    Parameters
    ----------
    path : Path
        Holds config.json, safetensors, and tokenizer or preprocessor.
    spec : ModelSpec
        What the user typed.
    sha256 : str
        Hash of the folder.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    ModelError
        If transformers cannot load it, weights are missing, or it cannot be audited.
    """
    folder = read_folder(path)
    _refuse_options(folder, spec)
    with _offline():
        try:
            import transformers
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"{path} is a model of Hugging Face; loading it needs transformers ({error.name} is"
                " missing).",
                hint='Type: pip install "auditkit-ml[hf]"',
            ) from error
        before = transformers.logging.get_verbosity()
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return _loaded(folder, spec, sha256)
        except AuditkitError:
            raise
        except Exception as error:  # transformers raises many kinds
            reason = next((one for one in str(error).splitlines() if one.strip()), "")
            raise ModelError(
                f"transformers {transformers.__version__} cannot load {path}:"
                f" {type(error).__name__}: {reason.strip().rstrip('.')}.",
                hint="Check that the folder is complete, and that transformers is new enough"
                " for it.",
            ) from error
        finally:
            transformers.logging.set_verbosity(before)


@contextmanager
def _offline() -> Generator[None]:
    """Within the block transformers, where it is imported first, never asks a server."""
    kept = {name: os.environ.get(name) for name in _OFFLINE}
    os.environ.update(_OFFLINE)
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _refuse_options(folder: Folder, spec: ModelSpec) -> None:
    own = {"--arch": spec.arch, "--features": spec.features}
    allowed = ("--max-length",) if folder.task == "text" else ()
    typed = [option for option, value in own.items() if value is not None]
    typed += [option for option in spec.texts.given if option not in allowed]
    if typed:
        raise ModelError(
            f"{folder.path} says itself what {typed[0]} would say.", hint=f"Leave out {typed[0]}."
        )


def _loaded(folder: Folder, spec: ModelSpec, sha256: str) -> Classifier:
    network = _network(folder)
    notes: list[str] = []
    identity = Identity(
        name=folder.path.resolve().name,
        architecture=type(network).__name__,
        sha256=sha256,
        card={"model type": str(folder.config.get("model_type", ""))},
        notes=(),
        loose=folder.task == "image" and not folder.preprocessor,
    )
    classes = _classes(network, notes)
    if folder.task == "image":
        return _image_classifier(folder, network, classes, identity, notes)
    return _text_classifier(folder, network, classes, identity, notes, spec)


def _network(folder: Folder) -> nn.Module:
    """Return the model with its weights, all of them from the safetensors files."""
    from transformers import (
        AutoConfig,
        AutoModelForImageClassification,
        AutoModelForSequenceClassification,
    )

    auto: Any = (
        AutoModelForImageClassification
        if folder.task == "image"
        else AutoModelForSequenceClassification
    )
    safely: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    config = AutoConfig.from_pretrained(folder.path, **safely)
    _refuse_bomb(folder, auto, config)
    network, found = auto.from_pretrained(
        folder.path,
        config=config,
        use_safetensors=True,
        dtype=torch.float32,
        attn_implementation="eager",
        output_loading_info=True,
        **safely,
    )
    _refuse_gaps(folder, found)
    return network


def _refuse_bomb(folder: Folder, auto: Any, config: Any) -> None:
    """Refuse a config that describes far more numbers than the files hold."""
    deep = [
        key
        for key, value in folder.config.items()
        if isinstance(value, int) and "layer" in key and value > max(1, len(folder.tensors))
    ]
    if deep:
        raise ModelError(
            f"{folder.path} describes {folder.config[deep[0]]} {deep[0]}, and holds"
            f" {len(folder.tensors)} tensors."
        )
    with torch.device("meta"):
        model = auto.from_config(config, trust_remote_code=False, attn_implementation="eager")
    described = sum(one.numel() for one in model.state_dict().values())
    if described > 2 * folder.numbers + _SPARE:
        raise ModelError(
            f"{folder.path} describes a network of {described:,} numbers, and holds"
            f" {folder.numbers:,}."
        )


def _refuse_gaps(folder: Folder, found: Mapping[str, Any]) -> None:
    """Refuse weights that transformers would have drawn at random."""
    for what, keys in (("lacks", "missing_keys"), ("has another shape for", "mismatched_keys")):
        names = sorted(str(one) for one in found[keys])
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise ModelError(
                f"{folder.path} {what} {', '.join(names[:3])}{more}, which transformers would"
                " draw at"
                " random.",
                hint="Pass the folder of the model that was fine-tuned, with its classification"
                " head.",
            )


def _classes(network: Any, notes: list[str]) -> tuple[str, ...]:
    """Return the names of the outputs, every one different."""
    labels = network.config.id2label
    names = [str(labels[i]) for i in range(len(labels))]
    counts = Counter(names)
    if max(counts.values()) > 1:
        twice = next(name for name, count in counts.items() if count > 1)
        notes.append(f"Several classes are called {twice!r} or alike; their numbers were added.")
        names = [f"{one} ({i})" if counts[one] > 1 else one for i, one in enumerate(names)]
    return tuple(names)


# --- images --------------------------------------------------------------------------------------


def _image_classifier(
    folder: Folder,
    network: nn.Module,
    classes: tuple[str, ...],
    identity: Identity,
    notes: list[str],
) -> ImageClassifier:
    how = prepared(folder)
    normalisation: Normalisation = how.normalisation
    return ImageClassifier(
        Logits(network, "pixel_values"),
        classes=classes,
        input_shape=how.input_shape,
        bounds=(0.0, 1.0),
        mean=normalisation.mean,
        std=normalisation.std,
        layout=how.layout,
        identity=_noted(identity, [*notes, *how.notes]),
    )


# --- texts ---------------------------------------------------------------------------------------


def _text_classifier(
    folder: Folder,
    network: Any,
    classes: tuple[str, ...],
    identity: Identity,
    notes: list[str],
    spec: ModelSpec,
) -> TextClassifier:
    from transformers import AutoTokenizer

    reader: Any = AutoTokenizer.from_pretrained(
        folder.path, local_files_only=True, trust_remote_code=False
    )
    tokenizer = getattr(reader, "backend_tokenizer", None)
    if tokenizer is None:
        raise ModelError(
            f"{folder.path} has a tokenizer without tokenizer.json, which auditkit cannot read.",
            hint='Write it: AutoTokenizer.from_pretrained("FOLDER").save_pretrained("FOLDER")',
        )
    pad: int | None = reader.pad_token_id
    if pad is None:
        raise ModelError(
            f"The tokenizer of {folder.path} has no padding token.",
            hint="Give it the one of training: tokenizer.pad_token = tokenizer.eos_token, and"
            " save it.",
        )
    unk: int | None = reader.unk_token_id
    if unk is None:
        unk = pad
        notes.append("The tokenizer knows every text; padding stands in for unknown words.")
    module = Logits(network, "input_ids")
    length = spec.texts.max_length or _longest(reader, folder)
    size = 1 + max(tokenizer.get_vocab().values())
    found = split(
        module,
        name=identity.architecture,
        rows=min(one for one in word_embeddings(module).values() if one >= size),
        pad=pad,
        special=sorted({*reader.all_special_ids} - {pad})[:4],
        max_length=length,
        calls=[Call(name="attention_mask", what="real", dtype=torch.int64)],
    )
    if spec.texts.max_length is not None and found.reach < length:
        raise ModelError(
            f"{identity.architecture} reads texts of at most {found.reach} tokens, and"
            " --max-length is"
            f" {length}.",
            hint=f"Type --max-length {found.reach}, or leave it out.",
        )
    model = TextClassifier(
        found.module,
        tokenizer=tokenizer,
        classes=classes,
        max_length=min(length, found.reach),
        padded=found.padded,
        pad_id=pad,
        unk_id=unk,
        identity=_noted(identity, notes),
    )
    _prove(model, network, reader)
    return model


@torch.no_grad()
def _prove(model: TextClassifier, network: nn.Module, reader: Any) -> None:
    """Compare with what transformers itself makes of texts, whatever else it tells the network."""
    for text in _EXAMPLES:
        given = reader(text, truncation=True, max_length=model.max_length, return_tensors="pt")
        truth = network(**given).logits
        gap = float((model.logits([text]) - truth).abs().max())
        if not gap <= _CLOSE * (1 + float(truth.abs().max())):
            raise ModelError(
                f"{model.identity.architecture} reads more of a text than its tokens"
                f" ({', '.join(map(str, given))}): without it, logits differ by {gap:.2g}.",
                hint="Build the classifier in Python, around a module with embed and"
                " forward_embeddings: auditkit.TextClassifier(module, ...)",
            )


def _longest(reader: Any, folder: Folder) -> int:
    """Return how many tokens a text may have, as far as tokenizer and config say."""
    positions = folder.config.get("max_position_embeddings", _LONGEST)
    said = [one for one in (reader.model_max_length, positions) if isinstance(one, int) and one > 0]
    return min(_LONGEST, *said)


def _noted(identity: Identity, notes: list[str]) -> Identity:
    return replace(identity, notes=tuple(notes))
