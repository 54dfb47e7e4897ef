"""The model and the sample an audit is about, made again from plain words in every worker."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import ceil, inf
from typing import Any, final

import numpy as np
import torch

from auditkit.artifacts.base import Artifacts
from auditkit.data.dataset import Dataset
from auditkit.data.hints import hints_of
from auditkit.data.load import DataSpec, load_data
from auditkit.data.peek import peek
from auditkit.errors import ConfigError, DataError
from auditkit.models.auto import AUTO
from auditkit.models.choose import choose, shuffled
from auditkit.models.classifier import Classifier, ImageClassifier, Inputs, TextClassifier
from auditkit.models.load import (
    ModelSpec,
    is_asked,
    leaves_open,
    load_model,
    options_of,
    rehearse,
)
from auditkit.models.preprocessing import doubt
from auditkit.models.texts.choose import choose_wording, doubt_of_texts
from auditkit.models.texts.load import reader_of
from auditkit.privacy import coarsened
from auditkit.result import Execution
from auditkit.types import Floats

_BATCH = 256
_HELD_BYTES = 256 * 1024 * 1024  # inputs of one process that may stay in memory between checks


@final
@dataclass(frozen=True, kw_only=True)
class SubjectSpec:
    """Plain words that say which model, which data and which sample of it.

    `data` may be None where the model itself names its data set. `model` may be a classifier that
    is in memory already, which then has to be audited in this process.
    """

    model: ModelSpec | Classifier
    data: DataSpec | None
    max_inputs: int | None
    seed: int
    min_cell: int | None = None


@final
@dataclass(frozen=True)
class Subject:
    """A loaded model and the sample it is audited on."""

    model: Classifier
    data: Dataset
    doubt: str | None = None  # what speaks against its preprocessing

    def shard(
        self,
        start: int,
        stop: int,
        *,
        seed: int,
        execution: Execution,
        shared: dict[Hashable, Any] | None = None,
    ) -> Artifacts:
        """Return the inputs at [start, stop) with nothing computed about them yet."""
        positions = np.arange(start, stop)
        return Artifacts(
            self.model, self.data, positions, seed=seed, execution=execution, shared=shared
        )

    def configure(self, execution: Execution) -> None:
        """Use the layout and search precision that were chosen for this run."""
        if isinstance(self.model, ImageClassifier):
            self.model.configure(execution)

    @property
    def fits_in_memory(self) -> bool:
        """Whether all inputs together are small enough to be kept between checks."""
        first = self.data.read(slice(0, 1))
        per_input = 4096 if isinstance(first, list) else first.nbytes
        return per_input * len(self.data) <= _HELD_BYTES


def settle(spec: SubjectSpec) -> SubjectSpec:
    """Return the specification with everything decided that only the data can decide.

    Weights alone do not say shape and classes of their inputs, and functions and endpoints say
    nothing at all: both are then taken from the data. `--arch auto` becomes the candidate that
    answers best. Whatever was decided is noted.

    Raises
    ------
    ModelError, DataError
        If no candidate works, or the data cannot be loaded.
    """
    model = spec.model
    if not isinstance(model, ModelSpec) or spec.data is None:
        return spec
    if is_asked(model):
        return replace(spec, model=replace(model, hints=hints_of(spec.data)))
    if model.texts.vocabulary is None and not leaves_open(model):
        return spec
    model = _with_facts_of(spec.data, model)
    if model.texts.vocabulary is not None and model.texts.words is None:
        model = _with_words(model, spec.data, spec.seed)
    if model.arch == AUTO:
        model = _with_network(model, spec.data, spec.seed)
    return replace(spec, model=model)


def _with_facts_of(data: DataSpec, model: ModelSpec) -> ModelSpec:
    if model.input_shape is not None and model.classes is not None:
        return model
    seen = peek(data)
    notes: list[str] = []
    if model.input_shape is None and seen.input_shape is not None:
        model = replace(model, input_shape=seen.input_shape)
        notes.append(f"The input shape {seen.input_shape} was taken from {data.source}.")
    if model.classes is None and seen.classes is not None:
        model = replace(model, classes=seen.classes)
        order = ", ".join(seen.classes[:12]) + (", ..." if len(seen.classes) > 12 else "")
        notes.append(f"Classes are assumed in the order of {data.source}: {order}.")
    return replace(model, notes=(*model.notes, *notes))


def _with_network(model: ModelSpec, source: DataSpec, seed: int) -> ModelSpec:
    options = options_of(model)
    first = next(options)
    data = load_data(source, first.classifier)
    positions = shuffled(len(data), data.labels, seed)
    images = data.read(positions)
    assert not isinstance(images, list)
    choice = choose(
        chain([first], options),
        torch.from_numpy(images),
        torch.from_numpy(data.labels[positions]),
        file=model.source,
        prepared=model.prepared,
    )
    return replace(model, arch=choice.id, notes=(*model.notes, choice.note))


def _with_words(model: ModelSpec, source: DataSpec, seed: int) -> ModelSpec:
    loaded = load_model(model)
    if not isinstance(loaded, TextClassifier):
        return model
    reader = reader_of(loaded.module, model, name=loaded.identity.architecture)
    if not reader.wordings:
        return model  # a whole tokenizer
    data = load_data(source, loaded)
    texts, labels = _some_texts(data, seed)
    wording, note = choose_wording(loaded, reader, texts, labels)
    decided = replace(model.texts, words=wording.typed)
    return replace(model, texts=decided, notes=(*model.notes, note))


def _some_texts(data: Dataset, seed: int) -> tuple[list[str], torch.Tensor]:
    """Return texts in random order and their class numbers (n,)."""
    positions = shuffled(len(data), data.labels, seed)
    texts = data.read(positions)
    assert isinstance(texts, list)
    return texts, torch.from_numpy(data.labels[positions])


def load_subject(spec: SubjectSpec) -> Subject:
    """Load the model, then the data it is audited on, then take the sample.

    Raises
    ------
    ModelError, DataError
        If either cannot be loaded.
    ConfigError
        If no data is given and the model names none.
    """
    return subject_of(load_model_of(spec), spec)


def subject_of(model: Classifier, spec: SubjectSpec) -> Subject:
    """Load the data that a loaded model is audited on, and take the sample.

    The samples of one seed are nested: a smaller one is part of a larger one.

    Raises
    ------
    DataError
        If they cannot be loaded.
    ConfigError
        If no data is given and the model names none.
    """
    source = spec.data or _own_data(model)
    data = load_data(source, model, min_cell=spec.min_cell)
    if isinstance(model, ImageClassifier) and data.input_shape != model.input_shape:
        raise DataError(
            f"{data.name} holds images of shape {data.input_shape}, the model reads"
            f" {model.input_shape}.",
            hint="Pass data of the model's size, or the right --input-shape.",
        )
    if spec.max_inputs is not None:
        data = data.sample(spec.max_inputs, seed=spec.seed)
    data = coarsened(data, spec.min_cell)
    return Subject(model, _with_note_on_cut_texts(model, data))


def load_model_of(spec: SubjectSpec) -> Classifier:
    """Return the classifier, which was run once.

    Raises
    ------
    ModelError
        If it cannot be loaded, or cannot read its inputs.
    """
    if isinstance(spec.model, ModelSpec):
        return load_model(spec.model)
    rehearse(spec.model)
    return spec.model


def as_inputs(batch: Floats | list[str]) -> Inputs:
    """Return what a data set reads as what a classifier reads."""
    return batch if isinstance(batch, list) else torch.from_numpy(batch)


def _with_note_on_cut_texts(model: Classifier, data: Dataset) -> Dataset:
    if not isinstance(model, TextClassifier):
        return data
    cut = 0
    for start in range(0, len(data), _BATCH):
        texts = data.read(slice(start, start + _BATCH))
        assert isinstance(texts, list)
        cut += model.count_cut(texts)
    if cut == 0:
        return data
    note = (
        f"{cut} of {len(data)} texts are longer than {model.max_length} tokens: their ends are cut."
    )
    return replace(data, notes=(*data.notes, note))


def _own_data(model: Classifier) -> DataSpec:
    if model.identity.data is None:
        raise ConfigError(
            f"{model.identity.name} does not say which data to audit it on.",
            hint="Pass it: audit run MODEL --data FOLDER | FILE.npz | FILE.csv | NAME",
        )
    return DataSpec(source=model.identity.data)


def examine(subject: Subject, *, seed: int) -> Subject:
    """Return the subject, with a note where another preprocessing is far better.

    Bundles and built-in models are not examined: they say how they read their inputs. Nor is an
    ONNX model whose preprocessing the user gave.
    """
    model = subject.model
    if not model.identity.loose:
        return subject
    if isinstance(model, TextClassifier):
        said = doubt_of_texts(model, *_some_texts(subject.data, seed))
    elif isinstance(model, ImageClassifier):
        positions = shuffled(len(subject.data), subject.data.labels, seed)
        images = subject.data.read(positions)
        assert not isinstance(images, list)
        labels = torch.from_numpy(subject.data.labels[positions])
        said = doubt(model, torch.from_numpy(images), labels)
    else:
        return subject
    if said is not None:
        model.identity = replace(model.identity, notes=(*model.identity.notes, said))
    return replace(subject, doubt=said)


def choose_execution(subject: Subject, *, clock: Callable[[], float]) -> Execution:
    """Choose layout and search precision by a short measurement on the model at hand.

    Plain float32 stays unless another setting is at least half as fast again, twice: small gains
    are not worth a choice that could differ between two runs.
    """
    base = plain_execution(subject)
    model = subject.model
    if not (isinstance(model, ImageClassifier) and model.differentiable):
        return base
    batch = subject.data.read(slice(0, min(64, len(subject.data))))
    assert not isinstance(batch, list)
    images = torch.from_numpy(batch)
    plain = list(_passes(model, images, base, clock))
    best, best_seconds = base, min(plain) / 1.5
    for layout in ("contiguous", "channels_last"):
        for dtype in ("float32", "bfloat16"):
            candidate = base.model_copy(update={"layout": layout, "search_dtype": dtype})
            if candidate == base:
                continue
            seconds = _unless_hopeless(_passes(model, images, candidate, clock), plain)
            if seconds < best_seconds:
                best, best_seconds = candidate, seconds
    if best == base:
        return base
    again, plain_again = (min(_passes(model, images, one, clock)) for one in (best, base))
    return best if again < plain_again / 1.5 else base


def plain_execution(subject: Subject) -> Execution:
    """Return the settings that need no measurement."""
    return Execution(shard_size=_shard_size(len(subject.data)), batch_size=128)


def _shard_size(n: int) -> int:
    """Return inputs per step: enough to batch well, in steps that two processes share evenly."""
    if n > 2000:
        return 250
    return ceil(n / (2 * ceil(n / 200))) if n > 50 else 100


def _passes(
    model: ImageClassifier, images: torch.Tensor, execution: Execution, clock: Callable[[], float]
) -> Iterator[float]:
    """Yield the seconds of one gradient after the other; the first ones are slower."""
    model.configure(execution)
    for _ in range(4):
        start = clock()
        leaf = images.clone().requires_grad_(True)
        torch.autograd.grad(model.search_logits(leaf).sum(), leaf)
        yield clock() - start


def _unless_hopeless(passes: Iterator[float], plain: Sequence[float]) -> float:
    """Return the shortest pass, infinity once twice as slow as the plain passes up to there.

    A precision that the processor emulates takes ten times as long, for which nobody should wait.
    """
    shortest = shortest_plain = inf
    for seconds, of_plain in zip(passes, plain, strict=False):
        shortest, shortest_plain = min(shortest, seconds), min(shortest_plain, of_plain)
        if shortest > 2 * shortest_plain:
            return inf
    return shortest
