"""A watch sees every function by one name, whatever spelling called it, and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from auditkit.methods.saliency.rules import tensors_in
from auditkit.methods.saliency.watch import Watch


class Names(Watch):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, int, object]] = []

    def saw(self, name: str, given: Sequence[object], output: object) -> None:
        self.calls.append((name, len(tensors_in(list(given))), output))
        torch.relu(torch.zeros(1))  # what a watch itself calls is not watched


def test_every_spelling_has_one_name() -> None:
    values = torch.tensor([-1.0, 2.0])
    with Names() as watch:
        results = [torch.relu(values), functional.relu(values), values.relu(), torch.relu_(+values)]
    assert {name for name, _, _ in watch.calls} >= {"relu"}
    assert [name for name, _, _ in watch.calls].count("relu") >= len(results)
    assert all(torch.equal(one, torch.tensor([0.0, 2.0])) for one in results)


def test_arguments_by_position_and_by_name_are_shown() -> None:
    left, right = torch.eye(2), torch.ones(2, 2)
    with Names() as watch:
        torch.add(left, other=right)
        torch.cat([left, right, left])
    assert [(name, n) for name, n, _ in watch.calls] == [("add", 2), ("cat", 3)]
    assert all(isinstance(output, Tensor) for _, _, output in watch.calls)
