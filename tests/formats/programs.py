"""Files that hold code beside weights, or in place of them: refused, and with --trust-code."""

from __future__ import annotations

import argparse
import pickle
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from tests.formats.making import NET, Example, Truth, Writer, network, script, with_data

DATA = "--data test.npz"
TRUSTED = f"--trust-code {DATA}"
NEEDED = ("would run code", "--trust-code", "model.state_dict()")


def _of(save: Callable[[nn.Module, Path], object], file: str = "model.pt") -> Writer:
    def write(folder: Path) -> Truth:
        module = network()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about its own formats
            save(module, folder / file)
        return with_data(folder, module)

    return write


def _whole(module: nn.Module, path: Path) -> None:
    torch.save(module, path)


def _legacy(module: nn.Module, path: Path) -> None:
    torch.save(module, path, _use_new_zipfile_serialization=False)


def _checkpoint(module: nn.Module, path: Path) -> None:
    optimiser = torch.optim.Adam(module.parameters())
    torch.save({"epoch": 6, "model": module, "optimizer": optimiser}, path)


def _settings(module: nn.Module, path: Path) -> None:
    """Weights, and an object of the script beside them."""
    torch.save({"state_dict": module.state_dict(), "settings": script().Settings()}, path)


def _script(module: nn.Module, path: Path) -> None:
    torch.jit.save(torch.jit.trace(module, torch.zeros(1, *NET)), path)


def _exported(module: nn.Module, path: Path) -> None:
    batch = torch.export.Dim("n")
    example = (torch.zeros(2, *NET),)
    program = torch.export.export(module, example, dynamic_shapes=({0: batch},))
    torch.export.save(program, path)


def _pickled(module: nn.Module, path: Path) -> None:
    path.write_bytes(pickle.dumps(module))


def _harmless(module: nn.Module, path: Path) -> None:
    """The arguments of a script are known to be harmless."""
    torch.save({"state_dict": module.state_dict(), "args": argparse.Namespace(lr=0.1)}, path)


def _estimator(folder: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    (folder / "model.pkl").write_bytes(pickle.dumps(model))


def _refused(format: str, special: str, write: Writer, file: str = "model.pt") -> Example:
    return Example(
        format=format,
        special=special,
        write=write,
        file=file,
        options=DATA,
        inspected=1,
        outcome="needs trust",
        said=NEEDED,
        right=None,
    )


def _trusted(refused: Example, options: str, *said: str) -> Example:
    """The same file, whose code the user trusts."""
    return replace(refused, options=options, outcome="loads", said=said, right=1.0, slow=True)


_WHOLE = _refused("pickled module", "torch.save(model)", _of(_whole))
_CHECKPOINT = _refused(
    "pickled module", "in a checkpoint, beside a pickled optimizer", _of(_checkpoint)
)
_SETTINGS = _refused("pickled objects", "an object of the script beside weights", _of(_settings))
_SCRIPT = _refused("TorchScript", "torch.jit.trace", _of(_script))
_EXPORTED = replace(
    _refused("exported program", "torch.export.save", _of(_exported, "model.pt2"), "model.pt2"),
    slow=True,
)
PROGRAMS = (
    _WHOLE,
    _trusted(_WHOLE, TRUSTED, "scores alone", "gradients"),
    _trusted(_WHOLE, f"--arch net:Net {TRUSTED}", "process of its own"),
    _refused("pickled module", "torch.save(model), before torch 1.6", _of(_legacy)),
    _CHECKPOINT,
    _trusted(_CHECKPOINT, f"--arch net:Net {TRUSTED}", "'model'"),
    _refused("pickled module", "pickle.dump(model)", _of(_pickled, "model.pkl"), "model.pkl"),
    _SETTINGS,
    _trusted(_SETTINGS, f"--arch net:Net {TRUSTED}", "process of its own"),
    _SCRIPT,
    _trusted(_SCRIPT, TRUSTED, "scores alone"),
    _EXPORTED,
    _trusted(_EXPORTED, TRUSTED, "scores alone"),
    replace(
        _refused("scikit-learn", "a pickled estimator", _estimator, "model.pkl"),
        options="",
    ),
)
