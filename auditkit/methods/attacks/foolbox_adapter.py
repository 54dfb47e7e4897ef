"""Attacks of foolbox, with its known faults kept out.

foolbox moves models to a GPU unasked, leaves gradients in parameters, refuses inputs that leave the
bounds by rounding, fails where no gradient reaches the input, draws from the global random state,
can ask for points that are not numbers for ever, and counts NaN as success. Here it sees a module
without parameters on a fixed device, inputs rescaled to [0, 1], logits that are finite and always
depend on the input, a random state of its own, and a number of questions after which there are no
more answers; its own opinion about success is not read. Callers judge what comes back.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, final

import numpy as np
import torch
from torch import Tensor, nn

from auditkit.errors import ConfigError, MissingExtraError, near_miss
from auditkit.methods.attacks.hyperplane import Measure
from auditkit.models.classifier import Logits
from auditkit.types import Keys

if TYPE_CHECKING:
    from foolbox.models.pytorch import PyTorchModel

Kind: TypeAlias = Literal["gradient", "answers", "transform"]
"""What an attack needs: gradients, answers alone, or only a way to distort the input."""


@final
@dataclass(frozen=True, kw_only=True)
class FoolboxAttack:
    """One attack of foolbox.

    Parameters
    ----------
    cls : str
        Its class in `foolbox.attacks`.
    options : mapping
        What it is made with, where foolbox's own value is far too dear or depends on the company.
    norm : Measure, optional
        What it makes small; None where a point counts in every norm.
    kind : Kind
        What it needs.
    alone : bool
        Whether inputs are attacked one by one, because it draws at random or ends all together.
    extra : str
        A package that it needs and foolbox does not install.
    """

    cls: str
    options: Mapping[str, object]
    norm: Measure | None
    kind: Kind
    alone: bool = False
    extra: str = ""


def _gradient(cls: str, norm: Measure, **options: object) -> FoolboxAttack:
    return FoolboxAttack(cls=cls, norm=norm, kind="gradient", options=options)


def _alone(cls: str, norm: Measure, **options: object) -> FoolboxAttack:
    return FoolboxAttack(cls=cls, norm=norm, kind="gradient", options=options, alone=True)


def _bethge(cls: str, norm: Measure) -> FoolboxAttack:
    options: dict[str, object] = {"steps": 200}
    return FoolboxAttack(
        cls=cls, norm=norm, kind="gradient", options=options, alone=True, extra="numba"
    )


def _answers(cls: str, norm: Measure, **options: object) -> FoolboxAttack:
    return FoolboxAttack(cls=cls, norm=norm, kind="answers", options=options, alone=True)


def _transform(cls: str, *, alone: bool = False, **options: object) -> FoolboxAttack:
    return FoolboxAttack(cls=cls, norm=None, kind="transform", options=options, alone=alone)


# abort_early looks at the loss of the whole batch, so that an input's fate would depend on others.
_OPTIMISED: dict[str, object] = {"steps": 200, "binary_search_steps": 5, "abort_early": False}

ATTACKS: dict[str, FoolboxAttack] = {
    "carlini-wagner": _gradient("L2CarliniWagnerAttack", "l2", **_OPTIMISED),
    "ead": _alone("EADAttack", "l1", decision_rule="L1", **_OPTIMISED),
    "deepfool-linf": _alone("LinfDeepFoolAttack", "linf"),
    "deepfool-l2": _alone("L2DeepFoolAttack", "l2"),
    "ddn": _alone("DDNAttack", "l2", steps=100),
    "brendel-bethge-linf": _bethge("LinfinityBrendelBethgeAttack", "linf"),
    "brendel-bethge-l2": _bethge("L2BrendelBethgeAttack", "l2"),
    "brendel-bethge-l1": _bethge("L1BrendelBethgeAttack", "l1"),
    "brendel-bethge-l0": _bethge("L0BrendelBethgeAttack", "l0"),
    "hop-skip-jump-linf": _answers("HopSkipJumpAttack", "linf", steps=10, constraint="linf"),
    "hop-skip-jump-l2": _answers("HopSkipJumpAttack", "l2", steps=10),
    "boundary": _answers("BoundaryAttack", "l2", steps=2000),
    "spatial": _transform("SpatialAttack"),
    "contrast": _transform("BinarySearchContrastReductionAttack"),
    "inversion": _transform("InversionAttack"),
    "blur": _transform("GaussianBlurAttack", steps=50, alone=True),
    "noise": _transform("LinearSearchBlendedUniformNoiseAttack", steps=100, alone=True),
    "salt-and-pepper": _transform("SaltAndPepperNoiseAttack", steps=100, alone=True),
}

QUESTIONS = 20_000  # per input; an attack that asks more gets no answer and has found nothing


def find_attack(name: str) -> FoolboxAttack:
    """Return an attack of foolbox by name.

    Raises
    ------
    ConfigError
        If there is none, naming the nearest.
    MissingExtraError
        If it needs a package that is not installed.
    """
    if name not in ATTACKS:
        raise ConfigError(
            f"foolbox has no attack {name!r} here.{near_miss(name, ATTACKS)}",
            hint=f"Choose among {', '.join(ATTACKS)}.",
        )
    found = ATTACKS[name]
    if found.extra and importlib.util.find_spec(found.extra) is None:
        raise MissingExtraError(
            f"{name} needs the package {found.extra}, which foolbox does not install.",
            hint=f"Install it: pip install {found.extra}",
        )
    return found


def run_foolbox(
    name: str,
    logits: Logits,
    inputs: Tensor,
    labels: Tensor,
    *,
    bounds: tuple[float, float],
    keys: Keys,
    batch_size: int = 128,
) -> Tensor:
    """Return what an attack of foolbox makes of inputs, within the bounds.

    A point may still have the right label, and is the input itself where the attack gave up. Judge
    before use.

    Parameters
    ----------
    name : str
        One of `ATTACKS`.
    logits : callable
        The model in its own precision.
    inputs : Tensor
        (n, c, h, w) inputs, all classified correctly, within the bounds.
    labels : Tensor
        (n,) int64.
    bounds : (low, high)
        Range of an input value.
    keys : ndarray
        (n,) one key per input, for what is drawn at random.
    batch_size : int
        Points per forward pass.

    Raises
    ------
    ConfigError, MissingExtraError
        If there is no such attack, or a package is missing.
    """
    attack = find_attack(name)
    points = inputs.clone()
    everything = torch.arange(len(inputs), device=inputs.device)
    for rows in everything.split(1 if attack.alone else batch_size):
        module = _Guarded(logits, bounds, questions=QUESTIONS * len(rows))
        with _own_random_state(int(keys[int(rows[0])]), inputs.device):
            points[rows] = _moved(attack, module, inputs[rows], labels[rows])
    return points


def _moved(attack: FoolboxAttack, module: _Guarded, inputs: Tensor, labels: Tensor) -> Tensor:
    made: Any = getattr(_foolbox_attacks(), attack.cls)(**attack.options)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = made.run(_model(module, inputs.device), module.shares(inputs), labels)
    except (_NoMoreAnswersError, ValueError, AssertionError):
        return inputs  # it found no point to start from, or none at all
    return module.points(torch.where(torch.isfinite(found), found, module.shares(inputs)))


def _foolbox_attacks() -> Any:
    with warnings.catch_warnings():  # it imports a deprecated name of scipy
        warnings.simplefilter("ignore", DeprecationWarning)
        import foolbox.attacks

    return foolbox.attacks


def _model(module: nn.Module, device: torch.device) -> PyTorchModel:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from foolbox.models.pytorch import PyTorchModel

    return PyTorchModel(module.eval(), bounds=(0, 1), device=device)


@contextmanager
def _own_random_state(seed: int, device: torch.device) -> Generator[None]:
    """Within the block torch and numpy draw from a seed; afterwards as if nothing was drawn."""
    numpy_state = np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed % (1 << 63))
        if device.type == "cuda":
            torch.cuda.manual_seed(seed % (1 << 63))
        np.random.seed(seed % (1 << 32))  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002


class _NoMoreAnswersError(Exception):
    """An attack asked too much, or about something that is not an image."""


@final
class _Guarded(nn.Module):
    """The model on inputs in [0, 1], without parameters that foolbox could move or write to."""

    def __init__(self, logits: Logits, bounds: tuple[float, float], *, questions: int) -> None:
        super().__init__()
        self._logits, self._bounds, self._left = logits, bounds, questions

    def shares(self, points: Tensor) -> Tensor:
        """Return points of the model as points in [0, 1]."""
        low, high = self._bounds
        return ((points - low) / (high - low)).clamp(0, 1)

    def points(self, shares: Tensor) -> Tensor:
        """Return points in [0, 1] as points of the model, within its bounds."""
        low, high = self._bounds
        return (low + (high - low) * shares).clamp(low, high)

    def forward(self, shares: Tensor) -> Tensor:
        """Map shares (n, ...) to finite logits (n, k)."""
        self._left -= len(shares)
        if self._left < 0 or not bool(shares.isfinite().all()):
            raise _NoMoreAnswersError
        low, high = self._bounds
        scores = self._logits(low + (high - low) * shares)
        scores = scores + 0.0 * shares.flatten(1).sum(dim=1, keepdim=True)  # keeps a graph
        return torch.nan_to_num(scores)
