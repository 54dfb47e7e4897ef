"""The process that runs a file's code: it loads the file, then answers what it is asked.

`TrustedProcess` starts it as `python -m auditkit.models.trusted.child`; nothing imports it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, final

import joblib
import numpy as np
import torch
from torch import Tensor, nn

from auditkit.limits import block_network, limit_memory, resident
from auditkit.models.trusted.wire import Array, Message, receive, send
from auditkit.processes import end_with

_KEYS = ("model", "net", "network", "module", "ema", "model_ema", "state_dict")
_DEPTH = 3  # of the dictionaries of a checkpoint
_LONGEST = 300  # characters of an error that are passed on


@final
@dataclass(frozen=True, kw_only=True)
class _Loaded:
    """What the file holds: a network, or tensors by name."""

    network: nn.Module | None
    state: Mapping[str, Tensor]
    where: str = ""
    input_shape: tuple[int, ...] | None = None
    batch: int | None = None  # the only size that it takes


_Operation: TypeAlias = Callable[[_Loaded, Message], Message]


def main(arguments: list[str]) -> None:
    """Load what the first message names, then answer until the other end closes."""
    questions, answers, alive = map(int, arguments)
    end_with(alive)
    about = receive(questions).words
    limited = limit_memory(resident() + int(about["memory"]))
    kept_off = block_network()
    try:
        loaded = _load(Path(about["path"]), str(about["kind"]), about["definitions"])
    except BaseException as error:  # noqa: BLE001 - whatever the code raises, SystemExit too
        send(answers, Message(_failure(error)))
        return
    send(answers, Message(_facts(loaded) | {"limited": limited, "kept_off": kept_off}))
    while True:
        try:
            question = receive(questions)
        except EOFError:
            return
        try:
            answer = _OPERATIONS[str(question.words["do"])](loaded, question)
        except BaseException as error:  # noqa: BLE001 - the same
            answer = Message(_failure(error))
        send(answers, answer)


def _failure(error: BaseException) -> dict[str, object]:
    return {"error": f"{type(error).__name__}: {error}"[:_LONGEST]}


# --- loading -------------------------------------------------------------------------------------


def _load(path: Path, kind: str, definitions: str | None) -> _Loaded:
    if definitions is not None:
        _define(definitions)
    if kind == "torchscript":
        return _found(torch.jit.load(str(path), map_location="cpu"))
    if kind == "torch-export":
        return _exported(path)
    if kind == "pickle":
        return _found(joblib.load(path))
    return _found(torch.load(path, map_location="cpu", weights_only=False))


def _define(module: str) -> None:
    """Let names that a script pickled as its own be found in the module it can be imported as."""
    main = sys.modules["__main__"]
    for name, value in vars(importlib.import_module(module)).items():
        if not name.startswith("_"):
            setattr(main, name, value)


def _exported(path: Path) -> _Loaded:
    program = torch.export.load(path)
    names = program.graph_signature.user_inputs
    nodes = [one for one in program.graph.nodes if one.op == "placeholder" and one.name in names]
    if len(nodes) != 1:
        raise ValueError(f"the program reads {len(nodes)} inputs, expected 1")
    first, *shape = nodes[0].meta["val"].shape
    whole = all(isinstance(one, int) for one in shape)
    network = program.module()
    return _Loaded(
        network=network,
        state=network.state_dict(),
        input_shape=tuple(shape) if whole else None,
        batch=first if isinstance(first, int) else None,
    )


def _found(content: object, where: tuple[str, ...] = ()) -> _Loaded:
    """Return the network in what was loaded, or the tensors; in a checkpoint, where they are."""
    if isinstance(content, nn.Module):
        network = content.float().eval()
        return _Loaded(network=network, state=network.state_dict(), where=".".join(where))
    if not isinstance(content, Mapping):
        raise TypeError(f"the file holds {_name(content)}, which is no torch network")
    inside: dict[str, Any] = {str(key): value for key, value in content.items()}
    tensors = {key: value for key, value in inside.items() if isinstance(value, Tensor)}
    if tensors:
        return _Loaded(network=None, state=tensors, where=".".join(where))
    order = sorted(inside, key=lambda key: _KEYS.index(key) if key in _KEYS else len(_KEYS))
    for key in order:
        if isinstance(inside[key], nn.Module | Mapping) and len(where) < _DEPTH:
            try:
                return _found(inside[key], (*where, key))
            except TypeError:
                continue
    raise TypeError(f"the file holds {', '.join(order[:6])}, and no torch network among them")


def _name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _facts(loaded: _Loaded) -> dict[str, object]:
    network = loaded.network
    return {
        "network": None if network is None else _name(network),
        "parameters": sum(one.numel() for one in network.parameters()) if network else 0,
        "where": loaded.where,
        "input_shape": loaded.input_shape,
    }


# --- answering -----------------------------------------------------------------------------------


@torch.no_grad()
def _scores(loaded: _Loaded, question: Message) -> Message:
    """Return what the network gives for inputs (n, ...)."""
    torch.set_num_threads(int(question.words["threads"]))
    network, inputs = loaded.network, torch.from_numpy(question.arrays["inputs"])
    assert network is not None
    if loaded.batch is None:
        return Message({}, {"scores": _array(network(inputs))})
    parts = [_array(network(_filled(one, loaded.batch))) for one in inputs.split(loaded.batch)]
    return Message({}, {"scores": np.concatenate(parts)[: len(inputs)]})


def _filled(part: Tensor, size: int) -> Tensor:
    """Return a batch of one size; the last input is repeated."""
    return torch.cat([part, part[-1:].expand(size - len(part), *part.shape[1:])])


def _array(output: object) -> Array:
    if not isinstance(output, Tensor):
        raise TypeError(f"the network returned {_name(output)}, expected a tensor (n, k)")
    return output.float().numpy()


def _state(loaded: _Loaded, _question: Message) -> Message:
    """Return the tensors, as numbers that numpy knows."""
    arrays = {str(i): _plain(value) for i, value in enumerate(loaded.state.values())}
    return Message({"names": list(loaded.state)}, arrays)


def _plain(value: Tensor) -> Array:
    value = value.detach()
    return (value.float() if value.is_floating_point() else value).numpy()


_OPERATIONS: dict[str, _Operation] = {"scores": _scores, "state": _state}

if __name__ == "__main__":
    main(sys.argv[1:])
