"""Finds the network that weights belong to: a built-in one, known layers, or one the user names."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, final

import torch
from pydantic import Field
from torch import Tensor, nn

from auditkit.errors import AuditkitError, ModelError, near_miss
from auditkit.findings import Frozen
from auditkit.models.archives import TensorFacts
from auditkit.models.card import Config, Network, Shapes
from auditkit.models.catalogue import ARCHITECTURES
from auditkit.models.common_resnet import CommonResnet
from auditkit.models.importing import current_folder_importable, imported, is_name
from auditkit.models.layers import LayerSpec, build_layers, describe_layers

# Networks without weights of their own: those of other people's files, proposed by `auto`.
_COMMON: dict[str, type[Network]] = {CommonResnet.__name__: CommonResnet}
_KNOWN = ARCHITECTURES | _COMMON


@final
class Builtin(Frozen):
    """One of auditkit's own architectures."""

    kind: Literal["builtin"] = "builtin"
    name: str  # of its class
    config: Config


@final
class Layers(Frozen):
    """A nest of known torch layers."""

    kind: Literal["layers"] = "layers"
    root: LayerSpec


@final
class Factory(Frozen):
    """Somebody's own class; a file can say its name, and only the user can have it imported."""

    kind: Literal["factory"] = "factory"
    name: str  # "package.module:Class"


Architecture: TypeAlias = Annotated[Builtin | Layers | Factory, Field(discriminator="kind")]


def describe(module: nn.Module) -> Architecture:
    """Return how a network can be built again."""
    if isinstance(module, Network) and _KNOWN.get(type(module).__name__) is type(module):
        return Builtin(name=type(module).__name__, config=module.config)
    root = describe_layers(module)
    return Factory(name=_import_name(type(module))) if root is None else Layers(root=root)


def _import_name(kind: type) -> str:
    """Return "module:Class"; a class of the running script is found under the script's name."""
    module = kind.__module__
    if module == "__main__":
        file = getattr(sys.modules["__main__"], "__file__", None)
        module = Path(file).stem if file else module
    return f"{module}:{kind.__qualname__}"


def shapes_of(tensors: Iterable[TensorFacts]) -> Shapes:
    """Return the shape of each tensor by name."""
    return {one.name: one.shape for one in tensors}


def recognise(shapes: Shapes) -> Builtin | None:
    """Return the built-in architecture whose tensors have exactly these names and shapes."""
    for name, build in ARCHITECTURES.items():
        config = config_fitting(build, shapes)
        if config is not None:
            return Builtin(name=name, config=config)
    return None


def config_fitting(build: type[Network], shapes: Shapes) -> Config | None:
    """Return the constructor arguments that give exactly these tensors, or None."""
    try:
        config = build.config_of(shapes)
        module = _empty(build, config)
    except (KeyError, ValueError, IndexError, StopIteration, RuntimeError, AuditkitError):
        return None
    built = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    return config if built == dict(shapes) else None


def build_builtin(architecture: Builtin, shapes: Shapes) -> nn.Module:
    """Return a built-in network without numbers, as large as the tensors that will fill it.

    Raises
    ------
    ModelError
        If there is no such architecture, or the tensors are not of it.
    """
    build = _KNOWN.get(architecture.name)
    if build is None:
        raise ModelError(
            f"The file needs the built-in architecture {architecture.name!r}, which this auditkit"
            f" does not have.{near_miss(architecture.name, ARCHITECTURES)}",
            hint="Install the auditkit that wrote the file.",
        )
    # A config that differs from its tensors could ask for any amount of memory.
    fitting = config_fitting(build, shapes)
    free = {name: architecture.config.get(name) for name in build.free}
    if fitting is None or {*free.values()} - {0, 1} or fitting | free != architecture.config:
        raise ModelError(
            f"The file announces {architecture.name} with {architecture.config}; its tensors are"
            " different."
        )
    return _empty(build, architecture.config)


def build_described(architecture: Layers) -> nn.Module:
    """Return a network of known layers without numbers."""
    return build_layers(architecture.root)


def _empty(build: type[Network], config: Config) -> nn.Module:
    with torch.device("meta"):  # shapes only, no memory
        return build(**config)


def build_named(arch: str) -> nn.Module:
    """Import and call what the user named as "package.module:factory".

    Raises
    ------
    ModelError
        If it cannot be imported, fails, or does not return a Module.
    """
    if not is_name(arch):
        raise ModelError(
            f"--arch is {arch!r}, expected the form package.module:factory.",
            hint="For a function build() in net.py, type: --arch net:build",
        )
    with current_folder_importable(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        factory = imported(arch, option="--arch")
        if not callable(factory):
            raise ModelError(f"--arch: {arch} is not a function or class.")
        try:
            module: object = factory()
        except Exception as error:
            raise ModelError(
                f"Calling {arch} without arguments failed: {type(error).__name__}: {error}.",
                hint="Name a function that takes no arguments and returns the network.",
            ) from error
    if not isinstance(module, nn.Module):
        raise ModelError(
            f"{arch} returned {type(module).__name__}, expected a torch.nn.Module.",
            hint="Name a function that takes no arguments and returns the network.",
        )
    return module


def check_fit(module: nn.Module, tensors: Iterable[TensorFacts], *, file: str, name: str) -> None:
    """Compare names, shapes and kinds of number before anything is read.

    Raises
    ------
    ModelError
        Naming what is missing, unexpected or different.
    """
    there = {one.name: one for one in tensors}
    wanted = {key: value for key, value in module.state_dict().items() if isinstance(value, Tensor)}
    wrong = [f"missing {key}" for key in wanted if key not in there]
    wrong += [f"unexpected {key}" for key in there if key not in wanted]
    for key, value in wanted.items():
        if key in there and there[key].shape != tuple(value.shape):
            wrong.append(f"{key} is {there[key].shape}, expected {tuple(value.shape)}")
        elif key in there and _is_float(there[key].dtype) != value.is_floating_point():
            wrong.append(f"{key} holds {there[key].dtype}, expected {value.dtype}")
    if wrong:
        more = f" and {len(wrong) - 6} more" if len(wrong) > 6 else ""
        raise ModelError(
            f"{file} does not fit {name}: {'; '.join(wrong[:6])}{more}.",
            hint="Name what builds the network that these weights were saved from: --arch"
            " package.module:factory",
        )


def fill(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put checked tensors into a network; they keep the precision that they have in the file."""
    module.load_state_dict(dict(state), strict=True, assign=True)


def _is_float(dtype: str) -> bool:
    return "float" in dtype
