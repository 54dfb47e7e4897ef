"""A file with code in it becomes a classifier; its code runs in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import save_file

from auditkit.errors import ModelError
from auditkit.models.blackbox import BlackBox
from auditkit.models.classifier import Classifier, Identity, ImageClassifier, numbered
from auditkit.models.inspect import Inspection, inspect_file
from auditkit.models.normalisations import Normalisation
from auditkit.models.trusted.process import TrustedProcess

if TYPE_CHECKING:
    from auditkit.models.load import ModelSpec

_COMPARED = 4  # random images on which two networks are compared
_TOLERANCE = 1e-3  # of the largest logit

FromWeights = Callable[[Path, Inspection, "ModelSpec"], Classifier]


def load_trusted(
    path: Path, inspection: Inspection, spec: ModelSpec, *, from_weights: FromWeights
) -> Classifier:
    """Return a classifier around the network that the code in a file makes.

    Where the network is built in or named by `--arch`, only its weights are taken from the file,
    so that it has gradients and layers; otherwise it stays in its process and is asked for scores.

    Parameters
    ----------
    path : Path
        A file whose code the user trusts.
    inspection : Inspection
        What it seems to be.
    spec : ModelSpec
        What the user said.
    from_weights : callable
        Makes a classifier of a file with weights alone.

    Raises
    ------
    ModelError
        If it cannot be loaded, or the named architecture answers otherwise than the file.
    """
    definitions = spec.arch.partition(":")[0] if spec.arch else None
    code = TrustedProcess(path, inspection.kind, memory=spec.memory, definitions=definitions)
    notes = (code.note, *_where(code))
    rebuilt = _rebuilt(code, spec, from_weights)
    if rebuilt is None:
        return _asked(code, inspection, spec, notes)
    about = rebuilt.identity
    rebuilt.identity = replace(
        about, name=path.stem, sha256=inspection.sha256 or "", notes=(*notes, *about.notes)
    )
    if isinstance(rebuilt, ImageClassifier) and code.facts["network"] is not None:
        _compare(rebuilt, code)
    return rebuilt


def _names_network(spec: ModelSpec) -> bool:
    """Say whether `--arch` names a factory, rather than the module with a file's classes alone."""
    return spec.arch is not None and ":" in spec.arch


def _where(code: TrustedProcess) -> list[str]:
    where = code.facts["where"]
    return [f"The network was read from the key {where!r} of a checkpoint."] if where else []


def _rebuilt(code: TrustedProcess, spec: ModelSpec, from_weights: FromWeights) -> Classifier | None:
    """Return a classifier of the weights alone, or None where nothing says what network it is."""
    with tempfile.TemporaryDirectory(prefix="auditkit-") as folder:
        weights = Path(folder) / code.path.with_suffix(".safetensors").name
        state = {name: one.contiguous() for name, one in code.state_dict().items()}
        if not state:
            return None
        save_file(state, weights)
        inspection = inspect_file(weights)
        known = _names_network(spec) or inspection.architecture is not None
        if not known and code.facts["network"] is not None:
            return None
        return from_weights(weights, inspection, spec)


def _asked(
    code: TrustedProcess, inspection: Inspection, spec: ModelSpec, notes: tuple[str, ...]
) -> Classifier:
    given = code.facts["input_shape"]
    shape = spec.input_shape or (tuple(given) if given is not None and len(given) == 3 else None)
    if shape is None:
        raise ModelError(
            f"{code.path} does not say what its network reads.", hint="Add: --input-shape C,H,W"
        )
    if spec.classes is None:
        raise ModelError(
            f"{code.path} does not name the classes of its network.",
            hint=f"Add: --classes {numbered(_outputs(code, shape))}",
        )
    how = spec.normalisation(spec.bounds or (0.0, 1.0), shape[0]) or Normalisation()
    return ImageClassifier(
        BlackBox(code.scores),
        classes=spec.classes,
        input_shape=shape,
        bounds=spec.bounds or (0.0, 1.0),
        mean=how.mean,
        std=how.std,
        layout=spec.layout or "nchw",
        identity=Identity(
            name=code.path.stem,
            architecture=str(code.facts["network"]),
            sha256=inspection.sha256 or "",
            notes=(*notes, _SCORES_ALONE, *spec.notes),
            loose=True,
        ),
    )


def _outputs(code: TrustedProcess, shape: tuple[int, ...]) -> int:
    """Return how many scores the network gives, 0 where it cannot read an image of zeros."""
    try:
        return code.scores(np.zeros((1, *shape), np.float32)).shape[-1]
    except RuntimeError:
        return 0


_SCORES_ALONE = (
    "The network stayed in its process and was asked for scores alone, so checks that need its"
    " gradients or layers do not apply; --arch package.module:factory gives them."
)


def _compare(rebuilt: ImageClassifier, code: TrustedProcess) -> None:
    """Refuse a network that answers otherwise than the one in the file."""
    low, high = rebuilt.bounds
    rng = torch.Generator().manual_seed(0)
    images = low + (high - low) * torch.rand((_COMPARED, *rebuilt.input_shape), generator=rng)
    original = copy(rebuilt)
    original.module = BlackBox(code.scores, output="logits")
    here, there = rebuilt.outputs(images), original.outputs(images)
    if here.shape == there.shape:
        off = float((here - there).abs().max())
        if off <= _TOLERANCE * max(1.0, float(there.abs().max())):
            return
    raise ModelError(
        f"{rebuilt.identity.architecture} with the weights of {code.path} answers otherwise than"
        " the network in the file.",
        hint="Name the class it was made of, or leave out --arch, to ask it for scores alone.",
    )
