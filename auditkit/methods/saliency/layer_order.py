"""The layers of a network in the order in which it uses them.

Parameters are recognised in the arguments of functions while the network runs, so that the order
is that of the computation and not that in which someone wrote the layers down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import final

import torch
from torch import nn

from auditkit.methods.saliency.rules import tensors_in
from auditkit.methods.saliency.watch import Watch


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
class _Watch(Watch):
    """Writes down which parameters functions get, in the order of their first use."""

    def __init__(self, names: Mapping[int, str]) -> None:
        super().__init__()
        self._names = names
        self.met: dict[str, None] = {}

    def saw(self, name: str, given: Sequence[object], output: object) -> None:  # noqa: ARG002
        """Note the parameters among what a function was given."""
        for one in tensors_in(list(given)):
            if (parameter := self._names.get(id(one))) is not None:
                self.met.setdefault(parameter)
