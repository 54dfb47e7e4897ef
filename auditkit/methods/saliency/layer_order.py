"""The layers of a network in the order in which it uses them.

Parameters are recognised in the arguments of functions while the network runs, so that the order
is that of the computation and not that in which someone wrote the layers down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast, final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


def layer_order(module: nn.Module, run: Callable[[], object]) -> list[list[str]]:
    """Return the names of the parameters of each layer, the layer used first at the front.

    Parameters of one module are one layer. Layers that no function was seen to use come first.

    Parameters
    ----------
    module : Module
        The network; it is not changed.
    run : callable
        Runs the network once.

    Examples
    --------
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    >>> layer_order(net, lambda: net(torch.zeros(1, 2)))
    [['0.weight', '0.bias'], ['1.weight', '1.bias']]
    """
    names = {id(value): name for name, value in module.named_parameters()}
    watch = _Watch(names)
    with torch.no_grad(), watch:
        run()
    layers: dict[str, list[str]] = {}
    for name in names.values():
        layers.setdefault(name.rpartition(".")[0], []).append(name)
    first = {name: i for i, name in enumerate(watch.met)}

    def place(layer: list[str]) -> int:
        return min((first[name] for name in layer if name in first), default=-1)

    return sorted(layers.values(), key=place)


@final
class _Watch(TorchFunctionMode):
    """Writes down which parameters functions get, in the order of their first use."""

    def __init__(self, names: Mapping[int, str]) -> None:
        super().__init__()
        self._names = names
        self.met: dict[str, None] = {}

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """Note the parameters among the arguments and call the function."""
        kwargs = kwargs or {}
        for one in _tensors([args, kwargs]):
            if (name := self._names.get(id(one))) is not None:
                self.met.setdefault(name)
        return func(*args, **kwargs)


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from _tensors(list(cast("Mapping[str, object]", value).values()))
    elif isinstance(value, list | tuple):
        for one in cast("Sequence[object]", value):
            yield from _tensors(one)
