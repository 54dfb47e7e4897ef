"""Mirrors auditkit/checks/attribution/preflight.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.checks.attribution.preflight import Preflight
from auditkit.checks.base import Measured
from auditkit.data.load import DataSpec, load_data
from auditkit.errors import ConfigError
from auditkit.findings import Finding, Note, Table
from auditkit.methods.saliency import catalogue
from auditkit.methods.saliency.catalogue import METHODS
from auditkit.methods.saliency.exhibits import words
from auditkit.models.blackbox import BlackBox
from auditkit.models.catalogue import MODELS
from auditkit.models.classifier import ImageClassifier
from auditkit.models.load import ModelSpec, load_model
from tests.methods.saliency.nets import assert_untouched, noise, state_of
from tests.methods.saliency.programs import OUT_OF_SIGHT, SEEN, Written, hooked
from tests.subjects import Subject, image_data, measured, table_subject

CHECK = Preflight(max_inputs=3)
REVEALS = "path_error"


def subject(module: nn.Module) -> Subject:
    model = ImageClassifier(module, classes=["a", "b", "c"], input_shape=(1, 8, 8))
    return Subject(model, image_data(noise(6, 1, 8, 8), [0] * 6, classes=model.classes))


def broken() -> Subject:
    """Guided backpropagation was left on the network."""
    return subject(hooked())


def sound() -> Subject:
    return subject(Written())


def found(outcome: Measured, metric: str) -> Finding:
    return next(one for one in outcome.findings if one.metric == metric)


def reasons(outcome: Measured) -> dict[str, str]:
    table = outcome.evidence["methods"]
    assert isinstance(table, Table)
    return {str(name): str(why) for name, _, why in table.rows}


def note(outcome: Measured) -> str:
    one = outcome.evidence["network"]
    assert isinstance(one, Note)
    return one.text


def test_a_sound_network_passes_and_is_left_as_it_was() -> None:
    before = sound()
    state = state_of(before.model.module)
    outcome = measured(CHECK, before)
    assert_untouched(before.model.module, state)
    assert found(outcome, "path_error").value is not None
    assert float(found(outcome, "path_error").value or 1) < 0.01
    unsuited = {name for name, why in reasons(outcome).items() if why}
    assert unsuited == {"attention rollout", "gradient weighted attention", "word occlusion"}
    assert found(outcome, "usable_methods").value == len(METHODS) - 3
    for metric in ("zero_gradient_share", "changed_answer_share", "left_behind_share"):
        assert (found(outcome, metric).value, found(outcome, metric).n) == (0.0, 3)
    assert note(outcome) == "No hooks on its modules."


def test_a_hook_on_slopes_is_named_refused_by_rules_and_stays_where_it_is() -> None:
    one = broken()
    outcome = measured(CHECK, one)
    assert float(found(outcome, "path_error").value or 0) > 0.2
    assert note(outcome).startswith("Hooks on its modules: 1 backward hooks.")
    assert "backward_hook_function" in reasons(outcome)["deeplift"]
    assert found(outcome, "left_behind_share").value == 0
    assert len(one.model.module.second._backward_hooks) == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("how", [*SEEN, *OUT_OF_SIGHT])
def test_every_kind_of_program_gets_an_outcome(how: str) -> None:
    outcome = measured(CHECK, subject({**SEEN, **OUT_OF_SIGHT}[how]()))
    refused = {name for name, why in reasons(outcome).items() if "no rule reaches" in why}
    assert len(refused) == (4 if how in OUT_OF_SIGHT else 0)
    assert found(outcome, "changed_answer_share").value == 0


class Rounding(Written):
    """Images are rounded to two levels before the network sees them."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.round())


class Constant(Written):
    def forward(self, images: Tensor) -> Tensor:
        return 0 * super().forward(images)


class Blurred(nn.Module):
    """Dropout that does not stop, so that answers change by themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Written()

    def forward(self, images: Tensor) -> Tensor:
        return self.inner(torch.dropout(images, 0.5, train=True))


def test_a_front_end_without_slopes_shows_zero_gradients() -> None:
    outcome = measured(CHECK, subject(Rounding()))
    assert found(outcome, "zero_gradient_share").value == 1
    assert float(found(outcome, "path_error").value or 0) == pytest.approx(1)


def test_a_constant_answer_leaves_the_path_error_undefined() -> None:
    one = found(measured(CHECK, subject(Constant())), "path_error")
    assert one.value is None
    assert one.undefined is not None
    assert "differs from that of its reference" in one.undefined


def test_answers_that_change_by_themselves_are_not_blamed_on_methods() -> None:
    one = found(measured(CHECK, subject(Blurred())), "changed_answer_share")
    assert (one.value, one.n) == (None, 0)


def test_a_black_box_gets_the_methods_that_ask_for_scores() -> None:
    def means(images: np.ndarray) -> np.ndarray:
        mean = images.mean(axis=(1, 2, 3))
        return np.stack([mean, 1 - mean], axis=1)

    model = ImageClassifier(BlackBox(means), classes=["a", "b"], input_shape=(1, 8, 8))
    data = image_data(noise(6, 1, 8, 8), [0] * 6, classes=model.classes)
    outcome = measured(CHECK, Subject(model, data))
    assert found(outcome, "path_error").undefined == "this model has no gradients"
    assert found(outcome, "zero_gradient_share").value is None
    usable = {name for name, why in reasons(outcome).items() if not why}
    assert usable == {"occlusion", "kernel shap", "lime", "shapley sampling", "rise"}


def test_what_a_method_leaves_behind_is_named_counted_and_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = sound()
    method = METHODS["gradient"]

    def litter(probe: object, effort: object) -> catalogue.Map:
        module = one.model.module
        module.first.register_forward_hook(lambda *_: None)  # type: ignore[union-attr, operator]
        module.second.bias += 1  # type: ignore[union-attr, operator]
        return method.make(probe, effort)  # type: ignore[arg-type]

    messy = catalogue.Method(make=litter, promise="size")
    monkeypatch.setitem(METHODS, "gradient", messy)
    state = state_of(one.model.module)
    outcome = measured(CHECK, one)
    assert_untouched(one.model.module, state)
    assert found(outcome, "left_behind_share").value == 1
    assert found(outcome, "changed_answer_share").value == 0, "it was put back"
    assert "gradient: second.bias" in note(outcome)
    assert "gradient: first._forward_hooks" in note(outcome)


class Shifted(Written):
    """Keeps a number in a plain attribute, where nobody looks for what was left behind."""

    shift = 0.0

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) + self.shift


def test_answers_that_explaining_changed_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    one = subject(Shifted())
    method = METHODS["lrp"]

    def push(probe: object, effort: object) -> catalogue.Map:
        one.model.module.shift += 1  # type: ignore[operator]
        return method.make(probe, effort)  # type: ignore[arg-type]

    monkeypatch.setitem(METHODS, "lrp", catalogue.Method(make=push, promise="sign"))
    outcome = measured(CHECK, one)
    assert found(outcome, "changed_answer_share").value == 1
    assert found(outcome, "left_behind_share").value == 0


def test_tables_are_looked_at_too() -> None:
    outcome = measured(CHECK, table_subject())
    assert found(outcome, "changed_answer_share").value == 0
    assert found(outcome, "usable_methods").n == 3


@pytest.mark.parametrize("broken_one", [{"max_inputs": 0}, {"steps": 7}, {"grid": 1}])
def test_parameters_out_of_range_are_refused(broken_one: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="expected at least"):
        Preflight(**broken_one)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_every_built_in_classifier_gets_a_map_from_each_method_or_a_reason(name: str) -> None:
    model = load_model(ModelSpec(source=name, device="cpu"))
    data = load_data(DataSpec(source=model.identity.data or "digits"), model).sample(2, seed=0)
    outcome = measured(Preflight(max_inputs=2, steps=64), Subject(model, data))
    table = outcome.evidence["methods"]
    assert isinstance(table, Table)
    assert [row[0] for row in table.rows] == [words(one) for one in METHODS]
    for method, maps, why in table.rows:
        assert maps == (0 if why else 2), method
    unsuited = {str(why) for _, _, why in table.rows if why}
    assert not {one for one in unsuited if "not finite" in one or "reaches" in one}
    for metric in ("changed_answer_share", "left_behind_share"):
        assert found(outcome, metric).value == 0
