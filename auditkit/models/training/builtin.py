"""Trains the built-in models by the recipes of their cards."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from auditkit.data.catalogue import DATA
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError, near_miss
from auditkit.models.builtin.quantised_resnet import QuantisedResNet
from auditkit.models.builtin.resnet import ResNet
from auditkit.models.bundle import file_sha256, load_bundle, save
from auditkit.models.card import (
    MEASUREMENTS,
    Adversarial,
    Distilled,
    Measured,
    ModelCard,
    Quantised,
    Recipe,
    Robust,
    measurements,
)
from auditkit.models.catalogue import CARDS
from auditkit.models.classifier import Classifier, Identity, ImageClassifier, TextClassifier
from auditkit.models.graphs import GraphClassifier
from auditkit.models.tabular import TabularClassifier
from auditkit.models.tokenizer import word_tokenizer
from auditkit.models.training.fit import Epoch, Progress, repeatable
from auditkit.models.training.graphs import train_graph
from auditkit.models.training.images import fit_image
from auditkit.models.training.language import pretrain
from auditkit.models.training.report import TrainingReport, accuracy, robust
from auditkit.models.training.tables import train_table
from auditkit.models.training.texts import fit_text
from auditkit.result import write_atomically


@final
@dataclass(frozen=True, kw_only=True)
class _Job:
    """One training: what is trained on what, and how."""

    card: ModelCard
    recipe: Recipe
    training: Dataset
    validation: Dataset | None
    device: torch.device
    progress: Progress | None
    checkpoint: Path | None

    def identity(self) -> Identity:
        return Identity(
            name=self.card.name,
            architecture=self.card.architecture,
            data=self.card.data,
            card={
                "trained on": f"{self.card.data}, split train, seed {self.recipe.seed}",
                "data terms": self.card.terms,
            },
        )

    def options(self) -> _Options:
        return _Options(
            validation=self.validation,
            identity=self.identity(),
            device=self.device,
            progress=self.progress,
            checkpoint=self.checkpoint,
        )


class _Options(TypedDict):
    validation: Dataset | None
    identity: Identity
    device: torch.device
    progress: Progress | None
    checkpoint: Path | None


def train(
    name: str,
    *,
    out: Path | None = None,
    seed: int | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    clock: Callable[[], float] = lambda: 0.0,
) -> TrainingReport:
    """Train a built-in model by its recipe; the same seed on the same machine gives the same bytes.

    Parameters
    ----------
    name : str
        A built-in model.
    out : Path, optional
        Where to write the bundle; without it nothing is written. OUT.resume holds what a stopped
        training needs to go on, and is removed at the end.
    seed : int, optional
        Instead of the recipe's.
    device : str
        "cpu" or "cuda"; a GPU's numbers differ from the CPU's by rounding.
    progress : callable, optional
        Called with every `Epoch`.
    clock : callable
        Seconds, for the report.

    Raises
    ------
    ConfigError
        If there is no such model.
    DataError
        If its training data are neither here nor to be had.
    """
    if name not in CARDS:
        raise ConfigError(
            f"There is no built-in model {name!r}.{near_miss(name, CARDS)}",
            hint="See them all: audit list models",
        )
    card = CARDS[name]
    data = DATA[card.data]
    job = _Job(
        card=card,
        recipe=card.recipe if seed is None else replace(card.recipe, seed=seed),
        training=data.load("train"),
        validation=data.load("validation") if "validation" in data.sizes else None,
        device=torch.device(device),
        progress=progress,
        checkpoint=None if out is None else out.with_name(f"{out.name}.resume"),
    )
    leftovers = [] if out is None else list(out.parent.glob(f"{out.name}.resume*"))
    start = clock()
    classifier, epochs = _TRAINERS[card.modality](job)
    seconds = None if leftovers else round(clock() - start, 1)
    classifier.module.requires_grad_(False).cpu()
    if out is not None:
        save(classifier, out)
        for leftover in out.parent.glob(f"{out.name}.resume*"):
            leftover.unlink()
    return TrainingReport(
        name=name,
        recipe=job.recipe,
        validation=None if job.validation is None else accuracy(classifier, job.validation),
        test=accuracy(classifier, data.load("test")),
        epochs=tuple(epochs),
        seconds=seconds,
        parameters=sum(one.numel() for one in classifier.module.parameters()),
        flops=_flops(classifier),
        robust=_robust(classifier, job.recipe, data.load("test")),
        path=out,
        sha256=None if out is None else file_sha256(out),
    )


def _robust(classifier: Classifier, recipe: Recipe, data: Dataset) -> Robust | None:
    match classifier, recipe.hardening:
        case ImageClassifier(), Adversarial() as how:
            return robust(classifier, data, how)
        case _:
            return None


def install(report: TrainingReport) -> None:
    """Make freshly trained weights the ones that come with auditkit, and record their figures."""
    assert report.path is not None
    assert report.sha256 is not None
    write_atomically(CARDS[report.name].weights, report.path.read_bytes())
    measured = Measured(
        sha256=report.sha256,
        split=report.test.split,
        correct=report.test.correct,
        n=report.test.n,
        parameters=report.parameters,
        flops=report.flops,
        seconds=report.seconds,
        recipe=replace(CARDS[report.name], recipe=report.recipe).recipe_text,
        trained_with=f"torch {torch.__version__.partition('+')[0]}",
        robust=report.robust,
    )
    measurements.cache_clear()  # another training may have written meanwhile
    table = {**measurements(), report.name: measured}
    rows = {name: table[name].model_dump(exclude_none=True) for name in sorted(table)}
    write_atomically(MEASUREMENTS, json.dumps(rows, indent=1) + "\n")
    measurements.cache_clear()


def _image_model(job: _Job) -> tuple[Classifier, list[Epoch]]:
    card = job.card
    assert card.input_shape is not None
    assert card.bounds is not None
    if isinstance(job.recipe.hardening, Quantised):
        module, epochs = _quantised(job, job.recipe.hardening), []
    else:
        module = _built(job)
        epochs = _fit_images(job, module)
    classifier = ImageClassifier(
        module,
        classes=card.classes,
        input_shape=card.input_shape,
        bounds=card.bounds,
        mean=card.mean,
        std=card.std,
        identity=job.identity(),
    )
    return classifier, epochs


def _fit_images(job: _Job, module: nn.Module) -> list[Epoch]:
    how, held_out = job.recipe.hardening, job.validation
    return fit_image(
        _normalised(module, job.card).to(job.device),
        _images(job.training),
        _labels(job.training),
        job.recipe,
        validation=None if held_out is None else (_images(held_out), _labels(held_out)),
        progress=job.progress,
        checkpoint=job.checkpoint,
        teacher=_other(how.teacher, job.device) if isinstance(how, Distilled) else None,
    )


def _quantised(job: _Job, how: Quantised) -> nn.Module:
    """Return the parent in eight bits, with ranges measured on some training images."""
    parent = _other(how.parent, job.device)
    rows = np.arange(how.images)
    images = torch.from_numpy(job.training.read(rows))
    module = parent.module
    assert isinstance(module, ResNet)
    return QuantisedResNet.of(module, parent.normalise(images))


def _other(name: str, device: torch.device) -> _Normalised:
    """Return another built-in model, as it comes with auditkit."""
    card = CARDS[name]
    return _normalised(load_bundle(card.weights).module, card).to(device).eval()


def _text_model(job: _Job) -> tuple[Classifier, list[Epoch]]:
    card, texts = job.card, _texts(job.training)
    max_length = card.config.get("max_length", _MAX_LENGTH)
    tokenizer = word_tokenizer(
        texts, vocabulary_size=card.config["vocabulary_size"], max_length=max_length
    )
    module = _built(job).to(job.device)
    epochs: list[Epoch] = []
    if job.recipe.pretraining_epochs:
        epochs += pretrain(
            module,
            tokenizer,
            texts,
            job.recipe,
            progress=job.progress,
            checkpoint=job.checkpoint and job.checkpoint.with_suffix(".resume-pretraining"),
        )
    epochs += fit_text(
        module,
        tokenizer,
        texts,
        _labels(job.training),
        job.recipe,
        validation=None
        if job.validation is None
        else (_texts(job.validation), _labels(job.validation)),
        progress=job.progress,
        checkpoint=job.checkpoint,
    )
    classifier = TextClassifier(
        module,
        tokenizer=tokenizer,
        classes=card.classes,
        max_length=max_length,
        identity=job.identity(),
    )
    return classifier, epochs


def _table_model(job: _Job) -> tuple[Classifier, list[Epoch]]:
    return train_table(job.card, job.recipe, job.training, **job.options())


def _graph_model(job: _Job) -> tuple[Classifier, list[Epoch]]:
    return train_graph(job.card, job.recipe, job.training, **job.options())


_MAX_LENGTH = 64  # tokens; of networks that could read texts of any length

_TRAINERS: dict[str, Callable[[_Job], tuple[Classifier, list[Epoch]]]] = {
    "image": _image_model,
    "text": _text_model,
    "tabular": _table_model,
    "graph": _graph_model,
}


def _built(job: _Job) -> nn.Module:
    with repeatable(job.recipe.seed):
        return job.card.build(**job.card.config)


@final
class _Normalised(nn.Module):
    """Normalises raw images per channel, so that augmentation acts on raw ones."""

    mean: Tensor
    std: Tensor

    def __init__(self, module: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.module = module
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def normalise(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std

    def forward(self, images: Tensor) -> Tensor:
        return self.module(self.normalise(images))


def _normalised(module: nn.Module, card: ModelCard) -> _Normalised:
    return _Normalised(module, card.mean or (0.0,), card.std or (1.0,))


def _images(data: Dataset) -> Tensor:
    batch = data.read(np.arange(len(data)))
    assert not isinstance(batch, list)
    return torch.from_numpy(batch)


def _texts(data: Dataset) -> list[str]:
    batch = data.read(np.arange(len(data)))
    assert isinstance(batch, list)
    return batch


def _labels(data: Dataset) -> Tensor:
    return torch.from_numpy(data.labels.copy()).long()


def _flops(classifier: Classifier) -> int:
    """Return additions and multiplications for one input; texts of the greatest length."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        if isinstance(classifier, TextClassifier):
            ids = torch.full((1, classifier.max_length), classifier.unk_id)
            classifier.logits_from_ids(ids, torch.ones_like(ids, dtype=torch.bool))
        elif isinstance(classifier, ImageClassifier):
            classifier.logits(torch.zeros(1, *classifier.input_shape))
        elif isinstance(classifier, TabularClassifier | GraphClassifier):
            classifier.logits(classifier.example())
    return counter.get_total_flops()
