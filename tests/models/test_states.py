"""Mirrors auditkit/models/states.py."""

from __future__ import annotations

import io
import pickle
import zipfile
from typing import Any

import pytest
import torch

from auditkit.models.archives import TensorFacts
from auditkit.models.pickles import Value, read_pickle
from auditkit.models.states import find_weights, nearest, readings


def content(thing: object) -> Value:
    """What the pickle of a torch file would return."""
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    with zipfile.ZipFile(buffer) as archive:
        name = next(one for one in archive.namelist() if one.endswith("data.pkl"))
        return read_pickle(archive.read(name)).result


def weights(size: int = 2) -> dict[str, torch.Tensor]:
    return {"fc.weight": torch.zeros(size, 3), "fc.bias": torch.zeros(size)}


def facts(*names: str) -> dict[str, TensorFacts]:
    return {name: TensorFacts(name=name, shape=(1,), dtype="float32") for name in names}


@pytest.mark.parametrize(
    ("saved", "path"),
    [
        (weights(), ()),
        ({"t0": torch.zeros(1)}, ()),  # names that say nothing
        ({"epoch": 3, "state_dict": weights(), "lr": 0.1}, ("state_dict",)),
        ({"model": weights(), "ema": weights(), "loss": torch.zeros(1)}, ("model",)),
        ({"ema": weights(), "loss": torch.zeros(1)}, ("ema",)),
        ({"ema": {"module": weights()}, "model": {"module": weights()}}, ("model", "module")),
        ({"whatever": weights(), "epoch": 1}, ("whatever",)),
        ({"teacher": weights(), "student": weights()}, ("student",)),
        ([{"epoch": 1}, weights()], (1,)),
        ((3, [weights()]), (1, 0)),
    ],
)
def test_weights_are_found_where_scripts_put_them(saved: object, path: tuple[Any, ...]) -> None:
    nest = find_weights(content(saved)).nest
    assert nest is not None
    assert nest.path == path


@pytest.mark.parametrize(
    "saved",
    [
        {"lr": 0.1},
        {"epoch": 3, "loss": torch.zeros(1)},
        {"generator": weights(), "discriminator": weights()},
        [weights(), weights()],
        {"optimizer": weights()},
    ],
)
def test_no_weights_or_several_with_equal_right_are_none(saved: object) -> None:
    assert find_weights(content(saved)).nest is None


def test_what_lies_beside_and_what_is_passed_over_is_told() -> None:
    optimiser = torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))])
    saved = {"epoch": 1, "model": weights(), "ema": weights(), "optimizer": optimiser.state_dict()}
    found = find_weights(content(saved))
    assert found.beside == ("epoch", "optimizer")
    assert [one.where for one in found.passed_over] == ["ema"]


def test_a_knot_of_lists_takes_no_time() -> None:
    knot: list[Any] = []
    for _ in range(40):
        knot = [knot] * 16
    knot[0].append(knot)
    assert find_weights(read_pickle(pickle.dumps({"a": knot})).result).nest is None


@pytest.mark.parametrize(
    ("names", "prefixes"),
    [
        (("a.weight", "b"), [""]),
        (("module.a", "module.b"), ["", "module."]),
        (
            ("module._orig_mod.model.a", "module._orig_mod.model.b"),
            ["", "module.", "module._orig_mod.", "module._orig_mod.model."],
        ),
        (("module.a", "b"), [""]),
        (("module.a", "module.b", "n_averaged"), ["", "module."]),
    ],
)
def test_prefixes_that_all_names_share_come_off(
    names: tuple[str, ...], prefixes: list[str]
) -> None:
    found = readings(facts(*names))
    assert [one.prefix for one in found] == prefixes
    last = found[-1]
    assert {old: prefixes[-1] + new for new, old in last.names.items()} == {
        name: name for name in names if name != "n_averaged"
    }


def test_counters_and_copies_are_left_out_and_missing_counters_filled() -> None:
    found = readings(
        facts("bn.weight", "bn.running_mean", "bn.running_var", "bn.total_ops", "ema.bn.weight")
    )[0]
    assert found.left_out == ("bn.total_ops", "ema.bn.weight")
    assert found.filled == ("bn.num_batches_tracked",)
    assert found.shapes["bn.num_batches_tracked"] == ()
    assert "bn.num_batches_tracked" not in found.names


def test_the_network_decides_how_many_prefixes_come_off() -> None:
    options = readings(facts("module.model.a", "module.model.b"))
    assert nearest(options, ["model.a", "model.b"]).prefix == "module."
    assert nearest(options, ["a", "b"]).prefix == "module.model."


def test_a_network_that_counts_no_batches_gets_no_counters() -> None:
    options = readings(facts("bn.running_var", "other.num_batches_tracked"))
    found = nearest(options, ["bn.running_var"])
    assert set(found.tensors) == {"bn.running_var"}
    assert found.filled == ()
    assert found.left_out == ("other.num_batches_tracked",)
