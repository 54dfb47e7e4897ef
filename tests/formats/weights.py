"""Bundles, and weights alone as training scripts save them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import safetensors.torch
import torch
from torch import Tensor, nn

from auditkit.models.bundle import save
from auditkit.models.classifier import Classifier, ImageClassifier
from auditkit.models.load import ModelSpec, load_model
from tests.formats.making import (
    CLASSES,
    NET,
    Example,
    Outcome,
    Shape,
    Truth,
    Writer,
    balanced,
    network,
    with_data,
)
from tests.models.networks import Block, Bottleneck, Residual, TutorialNet, Vgg

State = dict[str, Tensor]
OWN = "--arch net:Net --data test.npz"
BUNDLE = "auditkit bundle"
TORCH = "torch.save"
LEGACY = "torch.save before 1.6"
SAFETENSORS = "safetensors"


# --- bundles -------------------------------------------------------------------------------------


def _network_of(model: Classifier) -> Truth:
    """The torch network itself where it reads images; what reads texts or tables, as a whole."""
    if not isinstance(model, ImageClassifier):
        return model.predict
    low, spread = (torch.tensor(one or (d,)) for one, d in ((model.mean, 0.0), (model.std, 1.0)))
    return lambda x: model.module((x - low.view(-1, 1, 1)) / spread.view(-1, 1, 1))


def _builtin(name: str) -> Writer:
    """A built-in model, as a user saves it."""

    def write(folder: Path) -> Truth:
        model = load_model(ModelSpec(source=name, device="cpu"))
        save(model, folder / "model.pt")
        return _network_of(model)

    return write


def _layers(folder: Path) -> Truth:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4))
    balanced(module)
    save(ImageClassifier(module, classes=CLASSES, input_shape=NET), folder / "model.pt")
    return with_data(folder, module)


def _own_class(folder: Path) -> Truth:
    module = network()
    save(ImageClassifier(module, classes=CLASSES, input_shape=NET), folder / "model.pt")
    return with_data(folder, module)


# --- weights -------------------------------------------------------------------------------------


def _saved(
    wrap: Callable[[nn.Module], object],
    *,
    stored: torch.dtype = torch.float32,
    legacy: bool = False,
    where: str = "cpu",
) -> Writer:
    """What torch.save writes of what `wrap` makes of the network."""

    def write(folder: Path) -> Truth:
        module = network().to(stored)
        content = wrap(module)
        with patch.object(torch.serialization, "location_tag", lambda _: where):
            path = folder / "model.pt"
            torch.save(content, path, _use_new_zipfile_serialization=not legacy)
        return with_data(folder, module.float())  # what the numbers were rounded to

    return write


def _state(module: nn.Module) -> State:
    return dict(module.state_dict())


def _under(*keys: str) -> Callable[[nn.Module], object]:
    def wrap(module: nn.Module) -> object:
        content: object = _state(module)
        for key in reversed(keys):
            content = {key: content}
        return content

    return wrap


def _prefixed(prefix: str) -> Callable[[nn.Module], State]:
    return lambda module: {f"{prefix}{name}": one for name, one in _state(module).items()}


def _checkpoint(module: nn.Module) -> object:
    optimiser = torch.optim.Adam(module.parameters())
    torch.stack([p.sum() for p in module.parameters()]).sum().backward()
    optimiser.step()
    optimiser.zero_grad()
    return {
        "epoch": 3,
        "arch": "net",
        "state_dict": _prefixed("module.")(module),
        "optimizer": optimiser.state_dict(),
        "args": argparse.Namespace(lr=0.1),
        "best_acc": torch.tensor(0.9),
    }


def _averaged(module: nn.Module) -> object:
    return {"model": _state(module), "ema": {k: 0 * v for k, v in _state(module).items()}}


def _chosen(module: nn.Module) -> object:
    return {"model": {k: 0 * v for k, v in _state(module).items()}, "ema": _state(module)}


def _two(module: nn.Module) -> object:
    return {"teacher_net": _state(module), "student_net": _state(module)}


def _with(**more: Tensor) -> Callable[[nn.Module], State]:
    return lambda module: {**_state(module), **{k.replace("_", "."): v for k, v in more.items()}}


def _without(word: str) -> Callable[[nn.Module], State]:
    return lambda module: {name: one for name, one in _state(module).items() if word not in name}


def _counted(module: nn.Module) -> State:
    return {**_state(module), "total_ops": torch.zeros(1), "conv.total_params": torch.zeros(1)}


def _safetensors(prefix: str = "", stored: torch.dtype = torch.float32) -> Writer:
    def write(folder: Path) -> Truth:
        module = network().to(stored)
        state = {f"{prefix}{name}": one for name, one in _state(module).items()}
        safetensors.torch.save_file(state, folder / "model.safetensors", {"format": "pt"})
        return with_data(folder, module.float())

    return write


def _row(
    special: str,
    wrap: Callable[[nn.Module], object],
    *said: str,
    outcome: Outcome = "loads",
    options: str = OWN,
    inspected: int = 0,
    **how: Any,
) -> Example:
    return Example(
        format=LEGACY if how.get("legacy") else TORCH,
        special=special,
        write=_saved(wrap, **how),
        options=options,
        said=said,
        outcome=outcome,
        inspected=inspected,
    )


def _of_builtin(folder: Path) -> Truth:
    model = load_model(ModelSpec(source="digits-cnn", device="cpu"))
    torch.save(model.module.state_dict(), folder / "model.pt")
    return _network_of(model)


def _builtin_legacy(folder: Path) -> Truth:
    model = load_model(ModelSpec(source="digits-cnn", device="cpu"))
    path = folder / "model.pt"
    torch.save(model.module.state_dict(), path, _use_new_zipfile_serialization=False)
    return _network_of(model)


def _proposed(build: Callable[[], nn.Module], shape: Shape, prefix: str = "") -> Writer:
    """A checkpoint of a usual network whose code is not there."""

    def write(folder: Path) -> Truth:
        torch.manual_seed(0)
        module = balanced(build(), shape)
        state = {f"{prefix}{name}": one for name, one in module.state_dict().items()}
        torch.save({"state_dict": state, "epoch": 9}, folder / "model.pt")
        return with_data(folder, module, shape)

    return write


AUTO = "--arch auto --data test.npz"
BUNDLES = (
    Example(
        format=BUNDLE,
        special="images, plain layers",
        write=_layers,
        options="--data test.npz",
    ),
    Example(
        format=BUNDLE,
        special="images, a class of one's own without its code",
        write=_own_class,
        options="--data test.npz",
        outcome="refused",
        said=("--arch",),
    ),
    Example(format=BUNDLE, special="images, a class of one's own", write=_own_class, options=OWN),
    Example(
        format=BUNDLE,
        special="images, a built-in network, which names its data",
        write=_builtin("digits-cnn"),
        right=None,
    ),
    Example(format=BUNDLE, special="texts", write=_builtin("phrases-transformer"), right=None),
    Example(format=BUNDLE, special="a table", write=_builtin("breast-cancer-mlp"), right=None),
)
STATES = (
    _row("plain state dict", _state),
    _row("plain state dict, one's own class not named", _state, "--arch", outcome="refused",
         options="--data test.npz"),
    _row("under state_dict", _under("state_dict"), "'state_dict'"),
    _row("under model", _under("model"), "'model'"),
    _row("under net", _under("net"), "'net'"),
    _row("under model / module", _under("model", "module"), "'model / module'"),
    _row("in a list", lambda m: [{"epoch": 3}, _state(m)], "'1'"),
    _row("names with module. (DataParallel)", _prefixed("module."), "'module.'"),
    _row("names with _orig_mod. (torch.compile)", _prefixed("_orig_mod."), "'_orig_mod.'"),
    _row("names with module._orig_mod.", _prefixed("module._orig_mod."), "'module._orig_mod.'"),
    _row("training checkpoint: optimizer, epoch, arguments, module.", _checkpoint, "'state_dict'",
         "'module.'"),
    _row("saved on a GPU", _state, where="cuda:0"),
    _row("half precision (float16)", _state, "float16", stored=torch.float16),
    _row("half precision (bfloat16)", _state, "bfloat16", stored=torch.bfloat16),
    _row("double precision (float64)", _state, "float64", stored=torch.float64),
    _row("counters of a profiler among the weights", _counted, "total_ops"),
    _row("without num_batches_tracked", _without("num_batches"), "num_batches_tracked"),
    _row("a weight too many", _with(extra_weight=torch.zeros(3)), "unexpected extra.weight",
         outcome="refused"),
    _row("a weight too few", _without("head.bias"), "missing head.bias", outcome="refused"),
    _row("a weight of another shape", _with(head_bias=torch.zeros(3)), "head.bias",
         outcome="refused"),
    _row("model and its moving average (ema)", _averaged, "'model'", "not used: ema"),
    _row("several networks with equal right", _two, "--weights", outcome="refused",
         inspected=2),
    _row("the moving average (ema) beside the model", _chosen, "'ema'", "not used: model",
         options=f"--weights ema {OWN}"),
    _row("several networks with equal right, one chosen", _two, "'student_net'",
         options=f"--weights student_net {OWN}", inspected=2),
    _row("no weights at all", lambda _: {"epoch": 3, "loss": torch.zeros(1)}, "state_dict",
         outcome="refused", inspected=2),
    _row("plain state dict", _state, legacy=True),
    _row("saved on a GPU, under state_dict", _under("state_dict"), legacy=True, where="cuda:0"),
    Example(format=SAFETENSORS, special="weights", write=_safetensors(), file="model.safetensors",
            options=OWN),
    Example(format=SAFETENSORS, special="half precision (float16)",
            write=_safetensors(stored=torch.float16), file="model.safetensors", options=OWN,
            said=("float16",)),
    Example(format=SAFETENSORS, special="names with module.", write=_safetensors("module."),
            file="model.safetensors", options=OWN, said=("'module.'",)),
)  # fmt: skip
ARCHITECTURES = (
    Example(
        format=TORCH,
        special="built-in architecture, recognised by its tensors",
        write=_of_builtin,
        said=("fit the architecture digits-cnn",),
        right=None,
    ),
    Example(
        format=LEGACY,
        special="built-in architecture, recognised by its tensors",
        write=_builtin_legacy,
        said=("fit the architecture digits-cnn",),
        right=None,
    ),
    Example(
        format=TORCH,
        special="the LeNet of the PyTorch tutorial, nothing typed",
        write=_proposed(TutorialNet, (3, 32, 32)),
        options="--data test.npz",
        outcome="refused",
        said=("--arch auto",),
    ),
    Example(
        format=TORCH,
        special="the LeNet of the PyTorch tutorial",
        write=_proposed(TutorialNet, (3, 32, 32)),
        options=AUTO,
        said=("--arch auto chose",),
    ),
    Example(
        format=TORCH,
        special="a stack like VGG, names with module.",
        write=_proposed(Vgg, (3, 32, 32), "module."),
        slow=True,
        options=AUTO,
        said=("--arch auto chose",),
    ),
    Example(
        format=TORCH,
        special="a ResNet as in torchvision",
        write=_proposed(
            lambda: Residual(Bottleneck, (1, 1, 1, 1), kind="downsample", kernel=7, head="fc"),
            (3, 64, 64),
        ),
        options=AUTO,
        said=("--arch auto chose",),
    ),
    Example(
        format=TORCH,
        special="a ResNet as in common CIFAR scripts, names with module.",
        write=_proposed(
            lambda: Residual(Block, (1, 1, 1), kind="shortcut"), (3, 32, 32), "module."
        ),
        options=AUTO,
        said=("--arch auto chose",),
    ),
    Example(
        format=TORCH,
        special="a network that --arch auto does not know",
        write=_proposed(lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.Flatten(),
                                              nn.Linear(8 * 36, 4)), NET),
        options=AUTO,
        outcome="refused",
        said=("found no network",),
    ),
)  # fmt: skip
