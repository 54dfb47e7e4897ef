"""Networks whose answers are known without training, and inputs that are labelled by them."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeAlias, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.models.networks import shaken

Shape: TypeAlias = tuple[int, int, int]
Truth: TypeAlias = Callable[[Any], Tensor]  # raw inputs, as auditkit reads them, to scores
Writer: TypeAlias = Callable[[Path], Truth | None]  # writes into a folder; None: never loaded
Outcome: TypeAlias = Literal["loads", "refused", "needs trust"]

NET: Shape = (3, 8, 8)  # what the networks in net.py read
CLASSES = ("ant", "bee", "cat", "dog")
SCRIPT = Path(__file__).with_name("net.py")


@final
@dataclass(frozen=True, kw_only=True)
class Example:
    """One row of the table: a file, what is typed, and what has to come of it.

    Parameters
    ----------
    format : str
        In words.
    special : str
        What is special about this file, in words.
    write : callable
        Writes the file, and what lies beside it, into an empty folder. Returns the network that
        was written, from raw inputs to scores, or None where it is not to be loaded.
    file : str
        Its name.
    options : str
        What a user types behind `audit run FILE`.
    inspected : int
        The exit code of `audit inspect`.
    outcome : str
        "loads", "refused", or "needs trust": refused, and the hint names --trust-code.
    said : tuple of str
        Words that notes, warnings or the refusal must hold.
    right : float, optional
        The share of its inputs that must be classified correctly; None where it is not known.
    slow : bool
        Whether it takes more than a second or two.
    """

    format: str
    special: str
    write: Writer
    file: str = "model.pt"
    options: str = ""
    inspected: int = 0
    outcome: Outcome = "loads"
    said: tuple[str, ...] = ()
    right: float | None = 1.0
    slow: bool = False
    id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", f"{self.format}: {self.special}")

    def is_about(self, word: str) -> bool:
        """Say whether a word is typed, or has to be said."""
        return word in " ".join((self.options, *self.said))


def script() -> ModuleType:
    """Return net.py as a module of its own, as it is for who works in its folder."""
    if "net" not in sys.modules:
        found = importlib.util.spec_from_file_location("net", SCRIPT)
        assert found is not None
        assert found.loader is not None
        module = importlib.util.module_from_spec(found)
        sys.modules["net"] = module
        found.loader.exec_module(module)
    return sys.modules["net"]


def images(shape: Shape, n: int, seed: int = 0) -> Tensor:
    """Patterns (n, c, h, w) of large and of single pixels, in 256 steps from 0 to 1."""
    c, h, w = shape
    rng = torch.Generator().manual_seed(seed)
    large = functional.interpolate(torch.rand(n, c, 4, 4, generator=rng), size=(h, w))
    small = torch.rand(n, c, h, w, generator=rng)
    return ((0.8 * large + 0.2 * small) * 255).round() / 255


def balanced(module: nn.Module, shape: Shape = NET, prepared: Truth = lambda x: x) -> nn.Module:
    """Let a random network answer every class about as often, each score with a spread of 3."""
    shaken(module)
    head = [one for one in module.modules() if isinstance(one, nn.Linear)][-1]
    with torch.no_grad():
        scores = module(prepared(images(shape, 400, seed=1)))
        spread = scores.std(dim=0) / 3
        head.weight.div_(spread[:, None])
        head.bias.sub_(scores.mean(dim=0)).div_(spread)
    return module


def network(name: str = "Net", prepared: Truth = lambda x: x) -> nn.Module:
    """Return one of the networks in net.py, which reads what `prepared` makes of images."""
    torch.manual_seed(0)
    module = script().Net()
    balanced(module, prepared=prepared)
    other = getattr(script(), name)()
    other.load_state_dict(module.state_dict())
    return other.eval()


def labelled(
    truth: Truth, shape: Shape, *, n: int = 100, high: float = 1.0, sure: bool = True
) -> tuple[Any, Any]:
    """Return images (n, c, h, w) in bytes, and labels: the network's own.

    Of many images those are taken that it is surest of, or those that it is least sure of, so that
    a small change of the images matters; never those that rounding could decide.
    """
    found = images(shape, 6 * n, seed=2)
    with torch.no_grad():
        scores = truth(high * found)
    if scores.shape[1] == 1:
        scores = torch.cat([torch.zeros_like(scores), scores], dim=1)
    first, second = scores.topk(2, dim=1).values.T
    order = (first - second).argsort(descending=sure)
    order = order[(first - second)[order] > 0.01]
    labels, k = scores.argmax(dim=1), scores.shape[1]
    kept = torch.cat([order[labels[order] == i][: n // k] for i in range(k)]).sort().values
    pixels = (found[kept] * 255).round().numpy().astype(np.uint8)
    return pixels, labels[kept].numpy()


def with_data(
    folder: Path, truth: Truth, shape: Shape = NET, *, high: float = 1.0, names: bool = True
) -> Truth:
    """Write test.npz, labelled by the network, and return the network."""
    x, y = labelled(truth, shape, high=high)
    k = int(y.max()) + 1
    known = CLASSES[:k] if k <= len(CLASSES) else tuple(map(str, range(k)))
    named: dict[str, Any] = {"class_names": np.array(known)} if names else {}
    np.savez(folder / "test.npz", x=x, y=y, **named)
    return truth
