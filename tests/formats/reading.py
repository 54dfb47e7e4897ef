"""How images are prepared and labels written: what is known, what is warned of, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.formats.making import CLASSES, NET, Example, Truth, Writer, labelled, network

OWN = "--arch net:Net --data test.npz"
WEIGHTS = "weights alone"


def _normalised(x: Tensor) -> Tensor:
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (x - mean.view(3, 1, 1)) / std.view(3, 1, 1)


def _scaled(x: Tensor) -> Tensor:
    return 255 * x


def _blue_first(x: Tensor) -> Tensor:
    return x.flip(1)


def _as_is(x: Tensor) -> Tensor:
    return x


def _trained(
    prepared: Callable[[Tensor], Tensor],
    name: str = "Net",
    *,
    given: Callable[[Tensor], Tensor] | None = None,
    last: bool = False,
    floats: bool = False,
) -> Writer:
    """Weights of a network that reads prepared images, which the options describe as `given`."""

    def write(folder: Path) -> Truth:
        module = network(name, prepared) if name != "Last" else network("Last")
        torch.save(module.state_dict(), folder / "model.pt")

        def answers(x: Tensor, prepare: Callable[[Tensor], Tensor]) -> Tensor:
            return module(prepare(x).permute(0, 2, 3, 1) if last else prepare(x))

        x, y = labelled(lambda images: answers(images, prepared), NET, sure=False)
        stored = x.astype(np.float32) if floats else x
        np.savez(folder / "test.npz", x=stored, y=y, class_names=np.array(CLASSES))
        factor = 1 / 255 if floats else 1
        read = given or prepared
        if name == "Sure":
            return lambda images: answers(factor * images, read).log()
        return lambda images: answers(factor * images, read)

    return write


def _read(
    special: str, write: Writer, options: str, *said: str, right: float | None = 1.0
) -> Example:
    return Example(
        format=WEIGHTS, special=special, write=write, options=f"{options} --data test.npz",
        said=said, right=right,
    )  # fmt: skip


NET_ARCH = "--arch net:Net"
PREPARED = (
    _read("trained with ImageNet's normalisation, not said",
          _trained(_normalised, given=_as_is), NET_ARCH, "did you mean --normalise imagenet?",
          right=None),
    _read("trained with ImageNet's normalisation", _trained(_normalised),
          f"{NET_ARCH} --normalise imagenet"),
    _read("the same by mean and std", _trained(_normalised),
          f"{NET_ARCH} --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225"),
    _read("trained without normalisation, one is said", _trained(_as_is, given=_normalised),
          f"{NET_ARCH} --normalise imagenet", "did you mean --normalise none?", right=None),
    _read("trained on pixels from 0 to 255, not said", _trained(_scaled, given=_as_is), NET_ARCH,
          "did you mean --scale 255?", right=None),
    _read("trained on pixels from 0 to 255", _trained(_scaled), f"{NET_ARCH} --scale 255"),
    _read("images stored as floats from 0 to 255, trained on 0 to 1, not said",
          _trained(_as_is, given=_scaled, floats=True),
          f"{NET_ARCH} --bounds 0,255", "did you mean --scale 0.003921569?", right=None),
    _read("images stored as floats from 0 to 255, trained on 0 to 1",
          _trained(_as_is, given=_as_is, floats=True),
          f"{NET_ARCH} --bounds 0,255 --scale 0.003921569"),
    _read("trained on colours with blue first, not said", _trained(_blue_first, given=_as_is),
          NET_ARCH, "did you mean --layout bgr?", right=None),
    _read("trained on colours with blue first", _trained(_blue_first), f"{NET_ARCH} --layout bgr"),
    Example(format=WEIGHTS, special="images stored as floats from 0 to 255, range not said",
            write=_trained(_as_is, floats=True), options=OWN, outcome="refused",
            said=("--bounds",)),
    Example(format=WEIGHTS, special="reads colours last, not said",
            write=_trained(_as_is, "Last", last=True),
            options="--arch net:Last --data test.npz", outcome="refused", said=("--layout",)),
    _read("reads colours last", _trained(_as_is, "Last", last=True),
          "--arch net:Last --layout nhwc"),
    _read("answers with probabilities", _trained(_as_is, "Sure"), "--arch net:Sure",
          "probabilities"),
)  # fmt: skip


# --- labels --------------------------------------------------------------------------------------


def _with_labels(change: Callable[[np.ndarray], np.ndarray], *, names: bool = False) -> Writer:
    def write(folder: Path) -> Truth:
        module = network()
        torch.save(module.state_dict(), folder / "model.pt")
        x, y = labelled(module, NET)
        named: dict[str, Any] = {"class_names": np.array(CLASSES)} if names else {}
        np.savez(folder / "test.npz", x=x, y=change(y), **named)
        return module

    return write


def _label(special: str, change: Callable[[np.ndarray], np.ndarray], *said: str) -> Example:
    return Example(
        format="labels",
        special=special,
        write=_with_labels(change),
        options=f"--arch net:Net --classes {','.join(CLASSES)} --data test.npz",
        said=said,
    )


def _wrong(special: str, change: Callable[[np.ndarray], np.ndarray], *said: str) -> Example:
    return Example(
        format="labels",
        special=special,
        write=_with_labels(change),
        options=f"--arch net:Net --classes {','.join(CLASSES)} --data test.npz",
        said=said,
        outcome="refused",
    )


def _smooth(y: np.ndarray) -> np.ndarray:
    return 0.9 * np.eye(4)[y] + 0.025


LABELS = (
    _label("names", lambda y: np.array(CLASSES)[y]),
    _label("numbers from 0", lambda y: y, "0 is ant, 1 is bee"),
    _label("numbers from 1", lambda y: y + 1, "1 was taken off"),
    _label("one-hot rows", lambda y: np.eye(4, dtype=int)[y], "one-hot"),
    _label("whole numbers as floats", lambda y: y.astype(np.float64)),
    Example(
        format="labels",
        special="names of the classes in the data alone",
        write=_with_labels(lambda y: y, names=True),
        options=OWN,
        said=("ant, bee, cat, dog",),
    ),
    Example(
        format="labels",
        special="classes named nowhere",
        write=_with_labels(lambda y: y),
        options=OWN,
        outcome="refused",
        said=("--classes 0,1,2,3",),
    ),
    _wrong("fractions", _smooth, "y=labels.argmax(axis=1)"),
    _wrong("two classes at once", lambda y: np.eye(4, dtype=int)[y] | np.eye(4, dtype=int)[0],
           "a single 1 among zeros"),
    _wrong("a number too high", lambda y: y + 2, "numbered 0 to 3"),
    _wrong("a name that the model does not know",
           lambda y: np.array(("ant", "bee", "cat", "dogs"))[y], "Did you mean 'dog'"),
)  # fmt: skip
