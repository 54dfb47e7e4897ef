"""Mirrors auditkit/render/tracked.py."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest

from auditkit.errors import MissingExtraError
from auditkit.render.tensorboard import render_tensorboard
from auditkit.render.tracked import numbers, settings, undefined
from auditkit.result import Result
from auditkit.track import track
from tests.diff.sample import outcome, share
from tests.render.sample import image_result


def test_every_number_has_the_name_of_its_finding() -> None:
    found = dict(numbers(image_result()))
    attack = "pgd-linf/robust_accuracy/all/epsilon=0.1"
    assert {part: found[f"{attack}/{part}"] for part in ("value", "n")} == {
        "value": 0.305,
        "n": 200,
    }
    assert found[f"{attack}/low"] < 0.305 < found[f"{attack}/high"]


def test_what_has_no_value_is_told_and_not_numbered() -> None:
    known = share("accuracy", np.ones(20, bool))
    gone = known.model_copy(
        update={"id": "x/y/all", "value": None, "low": None, "high": None, "undefined": "it broke"}
    )
    bare = known.model_copy(update={"id": "x/z/all", "low": None, "high": None})
    result = image_result().model_copy(update={"outcomes": [outcome(known, gone, bare)]})
    names = [name for name, _ in numbers(result)]
    start = "clean-accuracy/accuracy/all"
    ends = [f"{start}/{part}" for part in ("value", "low", "high", "n")]
    assert names == [*ends, "x/z/all/value", "x/z/all/n"]
    assert undefined(result) == {"x/y/all": "undefined: it broke"}


def test_settings_say_what_was_audited_and_how() -> None:
    found = settings(image_result())
    assert found["model"] == "digits-cnn"
    assert found["seed"] == "0"
    assert found["clean-accuracy/version"].isdigit()
    assert any(name.startswith("pgd-linf/") and name != "pgd-linf/version" for name in found)


@pytest.mark.parametrize(
    ("tracker", "use"), [("mlflow", track), ("tensorboard", render_tensorboard)]
)
def test_without_its_package_one_sentence_says_what_to_type(
    monkeypatch: pytest.MonkeyPatch, tracker: str, use: Callable[[Result], object]
) -> None:
    for name in [one for one in sys.modules if one.startswith(f"{tracker}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, tracker, None)
    with pytest.raises(MissingExtraError, match="which is missing") as caught:
        use(image_result())
    assert caught.value.hint == f'Type: pip install "auditkit-ml[{tracker}]"'
