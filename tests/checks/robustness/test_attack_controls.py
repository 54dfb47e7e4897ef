"""Mirrors auditkit/checks/robustness/attack_controls.py, _controls.py and _trial.py."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from auditkit.checks.base import Measured, NotApplicable
from auditkit.checks.robustness._controls import (
    FAULTS,
    GAINS,
    OF_PLAIN_DESCENT,
    OF_THE_ENSEMBLE,
    WITHOUT_GRADIENTS,
)
from auditkit.checks.robustness.attack_controls import AttackControls
from auditkit.checks.robustness.pgd_linf import PgdLinf
from auditkit.errors import ConfigError
from auditkit.findings import Note, Table
from auditkit.models.blackbox import BlackBox
from tests.methods.attacks.subjects import (
    Hidden,
    Wrapped,
    clear_subject,
    feature_subject,
    like,
    trained_digits,
)
from tests.subjects import Subject, measured, run_check, values

CHECK = AttackControls(epsilons=(0.05,), max_inputs=20, steps=10, queries=20, draws=5)
REVEALS = "missed_share"
SMALL = AttackControls(epsilons=(0.1,), max_inputs=60, steps=10, queries=40, draws=10)


def broken() -> Subject:
    """Pixels are rounded, so that plain gradients are zero."""
    subject = feature_subject(robust=False)
    return like(subject, Wrapped(subject.model.module, quantised=True))


def sound() -> Subject:
    """The same network without the rounding."""
    return feature_subject(robust=False)


def controls_in(outcome: Measured) -> dict[str, float]:
    """Return the controls that saw anything."""
    return {
        one.metric: one.value
        for one in outcome.findings
        if one.value and one.metric.rsplit("_", 1)[0] in (*GAINS, *FAULTS)
    }


def test_a_working_attack_on_a_linear_model_misses_nothing() -> None:
    """Descent reaches the closed form there, so that nothing else can find more."""
    subject = clear_subject(3)
    outcome = measured(replace(CHECK, max_inputs=100), subject)
    assert controls_in(outcome) == {}
    right = subject.margins > 0
    held = (subject.margins - 0.05 * subject.weight.abs().sum() > 0) & right
    found = values(outcome)
    assert found["missed_share"] == 0
    for name in ("robust_accuracy", "remedied_robust_accuracy"):
        assert found[f"{name}/epsilon=0.05"] == pytest.approx(float(held.float().mean()))


def test_only_right_answers_of_the_sample_are_tested() -> None:
    subject = trained_digits()
    outcome = measured(replace(SMALL, max_inputs=30), subject)
    sizes = {one.metric: one.n for one in outcome.findings}
    artifacts = subject.artifacts
    drawn = torch.from_numpy(artifacts.drawn("attack-controls", 30))
    correct = subject.model.predict(artifacts.images).argmax(dim=1) == artifacts.labels
    assert sizes["robust_accuracy"] == 30
    assert sizes["missed_share"] == int((drawn & correct).sum()) < 30


class Saturated(Wrapped):
    """Probabilities that are all 0 or 1."""

    def forward(self, images: Tensor) -> Tensor:
        return (1e5 * self.network(images)).softmax(dim=1)


@pytest.mark.parametrize("kind", ["rounding", "saturated output"])
def test_masks_are_named_and_got_around(kind: str) -> None:
    subject = trained_digits()
    network = subject.model.module
    mask = Wrapped(network, quantised=True) if kind == "rounding" else Saturated(network)
    masked = like(subject, mask)
    outcome, bare = measured(SMALL, masked), values(measured(SMALL, subject))
    found = values(outcome)
    note = outcome.evidence["masks"]
    assert isinstance(note, Note)
    assert kind in note.text
    truth = bare["remedied_robust_accuracy/epsilon=0.1"] or 0.0
    assert (found["robust_accuracy/epsilon=0.1"] or 0.0) > truth + 0.2
    assert found["remedied_robust_accuracy/epsilon=0.1"] == pytest.approx(truth, abs=0.05)
    assert (found["unmasked_gain"] or 0.0) > 0.2
    assert found["zero_gradient_share"] == 0


def test_a_mask_that_nothing_gets_around_shows_in_other_controls() -> None:
    subject = trained_digits()
    network = subject.model.module
    assert isinstance(network, nn.Sequential)
    check = replace(SMALL, epsilons=(0.2,), queries=100, draws=50)
    found = values(measured(check, like(subject, Hidden(network))))
    assert found["zero_gradient_share"] == 1
    assert found["misleading_gradient_share"] == 1
    assert (found["black_box_gain"] or 0) > 0.1
    assert (found["transfer_gain"] or 0) > 0.1
    assert found["missed_share"] >= max(found["black_box_gain"], found["transfer_gain"])  # type: ignore[type-var]


class Restless(nn.Module):
    """Answers with noise of its own."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.rng = network, torch.Generator().manual_seed(0)

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images + 0.05 * torch.randn(images.shape, generator=self.rng))


def test_answers_that_change_are_seen_and_their_average_is_measured() -> None:
    subject = trained_digits()
    found = values(measured(SMALL, like(subject, Restless(subject.model.module))))
    bare = values(measured(SMALL, subject))
    assert found["unstable_share"] == 1
    assert bare["unstable_share"] == 0
    assert "averaged_robust_accuracy/epsilon=0.1" not in bare
    # The average of such small noise is close to the network itself.
    assert found["averaged_robust_accuracy/epsilon=0.1"] == pytest.approx(
        bare["remedied_robust_accuracy/epsilon=0.1"], abs=0.1
    )


class Deaf(nn.Module):
    """Answers class 0 whatever it sees."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.tensor([[1.0, 0.0]]).expand(len(images), 2) + 0 * images.sum()


def test_a_model_that_cannot_be_changed_fails_the_controls_instead_of_looking_robust() -> None:
    found = values(measured(CHECK, like(feature_subject(robust=False), Deaf())))
    assert found["robust_accuracy/epsilon=0.05"] == pytest.approx(0.5, abs=0.3)
    for name in ("zero_gradient", "misleading_gradient", "unraised_loss", "unbounded"):
        assert found[f"{name}_share"] == 1, name


def test_a_black_box_is_tested_by_what_needs_no_gradient() -> None:
    subject = trained_digits()
    network = subject.model.module
    box = BlackBox(lambda x: network(torch.from_numpy(x)).numpy(), output="logits")
    outcome = measured(replace(SMALL, queries=150), like(subject, box))
    found = values(outcome)
    assert (found["robust_accuracy/epsilon=0.1"] or 1) < 0.9
    assert (found["unbounded_share"] or 0) < 0.2
    assert not {"unmasked_gain", "black_box_gain", "zero_gradient_share"} & set(found)
    ids = {one.id for one in outcome.findings}
    assert set(WITHOUT_GRADIENTS) <= ids


def test_every_control_that_a_check_names_is_measured() -> None:
    ids = {one.id for one in measured(CHECK, sound()).findings}
    assert set(OF_PLAIN_DESCENT) | set(OF_THE_ENSEMBLE) <= ids
    named = measured(PgdLinf(epsilons=(0.05,), steps=2), sound()).findings[0].controls
    assert set(OF_PLAIN_DESCENT) <= set(named)


def test_the_table_says_what_each_control_points_to() -> None:
    outcome = measured(CHECK, broken())
    table = outcome.evidence["controls"]
    assert isinstance(table, Table)
    assert len(table.rows) == len(GAINS) + len(FAULTS)
    first = next(row for row in table.rows if row[0] == GAINS["unmasked"].label)
    assert first[1] == values(outcome)["unmasked_gain"]
    assert isinstance(first[1], float)
    assert first[1] > 0.5
    assert first[-1] == GAINS["unmasked"].points_to


def test_without_a_right_answer_there_is_nothing_to_test() -> None:
    subject = feature_subject(robust=True)
    wrong = replace(subject.data, labels=1 - subject.data.labels)
    assert isinstance(run_check(CHECK, Subject(subject.model, wrong)), NotApplicable)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"epsilons": (0.1, 0.6)}, "epsilons"),
        ({"epsilons": ()}, "epsilons"),
        ({"max_inputs": 0}, "max_inputs"),
        ({"draws": 0}, "draws"),
    ],
)
def test_impossible_parameters_are_refused(parameters: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        AttackControls(**parameters)  # type: ignore[arg-type]
