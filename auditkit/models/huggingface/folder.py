"""Says what a Hugging Face model folder holds, without transformers and without running any of it.

A model folder is told from a folder of images by its config.json, which names a model type.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, final

from auditkit.errors import ModelError
from auditkit.models.archives import TensorFacts
from auditkit.models.bundle import file_sha256, read_header

Task: TypeAlias = Literal["text", "image"]
Json: TypeAlias = dict[str, Any]

CONFIG, WEIGHTS, SHARDS = "config.json", "model.safetensors", "model.safetensors.index.json"
PREPROCESSOR = "preprocessor_config.json"
TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "tokenizer.model")
_BESIDE = (
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt"),
    *(PREPROCESSOR, *TOKENIZERS),
)
_TASKS: dict[str, Task] = {
    "ForSequenceClassification": "text",
    "ForImageClassification": "image",
    "ForImageClassificationWithTeacher": "image",
}
_BYTES_LIMIT = 16 * 2**20  # of a JSON file that is no tokenizer
_PICKLES = (
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "tf_model.h5",
    "flax_model.msgpack",
)
# Keys of a config that make transformers run or fetch more than the model's own code.
_FOREIGN = {
    "auto_map": "names code of its own (auto_map), which is never run",
    "custom_pipelines": "names code of its own (custom_pipelines), which is never run",
    "quantization_config": "asks for a quantisation that needs further packages",
    "kernel_config": "asks for kernels that would be downloaded",
    "use_kernels": "asks for kernels that would be downloaded",
    "transformers_weights": "names another file for its weights",
}
_OTHER = "Name the folder of a model that was fine-tuned to classify."
_SAVE = (
    "Where you trust it, load it with transformers yourself, and write it anew:"
    ' model.save_pretrained("FOLDER"), tokenizer.save_pretrained("FOLDER")'
)


@final
@dataclass(frozen=True, kw_only=True)
class Folder:
    """What a model folder says of itself.

    Parameters
    ----------
    path : Path
        The folder.
    architecture : str
        Class of transformers, such as "BertForSequenceClassification"; or the model type.
    task : {"text", "image"}, optional
        None where it is no classifier of these.
    config, preprocessor, tokenizer : dict
        What the JSON files hold; empty where a file is missing.
    weights : tuple of Path
        Safetensors files.
    tensors : tuple of TensorFacts
        Of all of them.
    oddities : tuple of str
        Why it is not loaded.
    hint : str
        What to do then.
    """

    path: Path
    architecture: str
    task: Task | None
    config: Json
    preprocessor: Json = field(default_factory=dict[str, Any])
    tokenizer: Json = field(default_factory=dict[str, Any])
    weights: tuple[Path, ...] = ()
    tensors: tuple[TensorFacts, ...] = ()
    oddities: tuple[str, ...] = ()
    hint: str = ""

    @property
    def seems(self) -> str:
        """What it is, in words."""
        what = {"text": "a text classifier", "image": "an image classifier", None: "a model"}
        return f"a Hugging Face folder with {what[self.task]} ({self.architecture})"

    @property
    def numbers(self) -> int:
        """How many its tensors hold."""
        return sum(math.prod(one.shape) for one in self.tensors)

    def sha256(self) -> str:
        """Return one hash of all files that make the model."""
        whole = hashlib.sha256()
        names = {CONFIG, *_BESIDE, *(one.name for one in self.weights)}
        for name in sorted(names):
            if (self.path / name).is_file():
                whole.update(f"{name}\0{file_sha256(self.path / name)}\n".encode())
        return whole.hexdigest()

    def facts(self) -> dict[str, str]:
        """Return what is worth reading, by name."""
        found = {"model type": str(self.config.get("model_type", "not said"))}
        labels = self.config.get("id2label")
        if isinstance(labels, dict):
            names = [str(one) for one in labels.values()]
            found["classes"] = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        if self.preprocessor:
            size = self.preprocessor.get("crop_size") or self.preprocessor.get("size")
            found["images"] = (
                f"size {size}, mean {self.preprocessor.get('image_mean')}, std"
                f" {self.preprocessor.get('image_std')}"
            )
        return found


def is_model_folder(path: Path) -> bool:
    """Say whether a folder is that of a model, and not one of images."""
    if not (path / CONFIG).is_file():
        return False
    try:
        config = _json(path / CONFIG)
    except ModelError:
        return False
    return isinstance(config.get("architectures"), list) or isinstance(
        config.get("model_type"), str
    )


def read_folder(path: Path) -> Folder:
    """Return what a model folder holds; see `is_model_folder`.

    Raises
    ------
    ModelError
        If one of its files is damaged.
    """
    config = _json(path / CONFIG)
    preprocessor, tokenizer = _json(path / PREPROCESSOR), _json(path / "tokenizer_config.json")
    named = config.get("architectures")
    architecture = str(named[0]) if isinstance(named, list) and named else ""
    task = _task(architecture)
    if not architecture:
        task = "image" if preprocessor else "text" if _tokenizer_of(path) else None
    weights, trouble = _weights(path)
    about = {CONFIG: config, PREPROCESSOR: preprocessor, "tokenizer_config.json": tokenizer}
    oddities = [trouble] if trouble else []
    oddities += [said for name, content in about.items() for said in _foreign(name, content)]
    if task is None:
        oddities.append(
            f"{architecture or 'its model'} is no classifier of texts or images"
            " (...ForSequenceClassification, ...ForImageClassification)"
        )
    elif task == "text" and _tokenizer_of(path) is None:
        oddities.append(f"it holds no tokenizer ({', '.join(TOKENIZERS)})")
    oddities += list(_other_task(config))
    return Folder(
        path=path,
        architecture=architecture or str(config.get("model_type")),
        task=task,
        config=config,
        preprocessor=preprocessor,
        tokenizer=tokenizer,
        weights=weights,
        tensors=tuple(one for file in weights for one in read_header(file).tensors),
        oddities=tuple(oddities),
        hint=_SAVE.replace("FOLDER", str(path)) if task else _OTHER,
    )


def _task(architecture: str) -> Task | None:
    return next((task for end, task in _TASKS.items() if architecture.endswith(end)), None)


def _tokenizer_of(path: Path) -> str | None:
    return next((name for name in TOKENIZERS if (path / name).is_file()), None)


def _other_task(config: Json) -> Iterator[str]:
    kind = config.get("problem_type")
    if kind in ("multi_label_classification", "regression"):
        yield f"its problem type is {kind}; auditkit audits classifiers with one label per input"
    labels = config.get("id2label")
    if config.get("num_labels") == 1 or (isinstance(labels, dict) and len(labels) == 1):
        yield "it answers with one number, as regression does"


def _foreign(name: str, content: Json) -> Iterator[str]:
    for key, why in _FOREIGN.items():
        if content.get(key):
            yield f"{name} {why}"
    for key, value in content.items():
        if "implementation" in key and "/" in str(value):
            yield f"{name} asks for kernels that would be downloaded ({str(value)[:60]})"


def _weights(path: Path) -> tuple[tuple[Path, ...], str]:
    """Return the safetensors files, or why there are none."""
    if (path / WEIGHTS).is_file():
        return (path / WEIGHTS,), ""
    if (path / SHARDS).is_file():
        places = _json(path / SHARDS).get("weight_map")
        names = sorted({str(one) for one in places.values()}) if isinstance(places, dict) else []
        files = tuple(path / name for name in names)
        if not names or any(Path(one).name != one for one in names):
            return (), f"{SHARDS} names no files of this folder"
        absent = [one.name for one in files if not one.is_file()]
        return ((), f"{absent[0]} is missing") if absent else (files, "")
    others = [name for name in _PICKLES if (path / name).exists()]
    if others:
        return (), f"its weights are in {others[0]}, which is read from {WEIGHTS} alone"
    return (), f"it holds no {WEIGHTS}"


def _json(file: Path) -> Json:
    """Return the content of a JSON file, or nothing where there is no such file."""
    if not file.is_file():
        return {}
    if file.stat().st_size > _BYTES_LIMIT:
        raise ModelError(f"{file} is larger than any such file ({file.stat().st_size:,} bytes).")
    try:
        content = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{file} is no valid JSON: {error}.") from error
    if not isinstance(content, dict):
        raise ModelError(f"{file} holds {type(content).__name__}, expected an object.")
    return content
