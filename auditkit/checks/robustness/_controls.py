"""The controls that an attack has to stand before its robust accuracy may pass a limit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from auditkit.findings import Metric

CHECK = "attack-controls"  # which measures them


@final
@dataclass(frozen=True)
class Control:
    """One way in which an attack can fail without saying so."""

    label: str
    definition: str
    points_to: str


GAINS = {
    "unmasked": Control(
        "share that fell once masks were got around",
        "Share of the tested inputs whose answer held against plain projected gradient descent and"
        " fell to the same attack with gradients past rounding, past a softmax or sigmoid at the"
        " end, and past preprocessing without gradients.",
        "masked gradients: a step of the model hides them",
    ),
    "one_step": Control(
        "share that fell to one large step alone",
        "Share of the tested inputs that one full step along the gradient changed and many small"
        " ones did not.",
        "shattered gradients: they point nowhere a short way on",
    ),
    "more_steps": Control(
        "share that only twice as many steps changed",
        "Share of the tested inputs that fell when the attack had twice as many steps, or queries.",
        "an attack that has not converged",
    ),
    "other_losses": Control(
        "share that only other losses or starts changed",
        "Share of the tested inputs that held and fell to ascent on the log odds or on the ratio of"
        " logits, with step sizes of its own, from another start.",
        "a loss that saturates, or an unlucky start",
    ),
    "random": Control(
        "share that only random points changed",
        "Share of the tested inputs that held and fell to a point drawn at random from the ball's"
        " corners.",
        "masked gradients: chance does better than they do",
    ),
    "black_box": Control(
        "share that only random squares changed",
        "Share of the tested inputs that held against every attack that knows the gradient and fell"
        " to random squares, which see scores alone.",
        "masked gradients: scores alone tell more than they do",
    ),
    "transfer": Control(
        "share that only a stand-in's attack changed",
        "Share of the tested inputs that held and fell to an attack on a small network that was"
        " taught the model's answers.",
        "masked gradients: another network's tell more than its own",
    ),
    "larger_ball": Control(
        "share that a larger ball saved",
        "Share of the tested inputs that fell, but not to the same attack from a fresh start with"
        " twice the radius, or that held, but not against the same attack with half of it.",
        "an attack that gets lost: a larger ball holds every change of a smaller one",
    ),
}
FAULTS = {
    "zero_gradient": Control(
        "share of zero gradients",
        "Share of the tested inputs whose loss gradient, masks got around, is zero everywhere or"
        " not finite.",
        "saturated or masked gradients",
    ),
    "misleading_gradient": Control(
        "share of misleading gradients",
        "Share of the tested inputs whose loss does not rise by a step of half the radius along"
        " the sign of its gradient.",
        "shattered or random gradients",
    ),
    "unraised_loss": Control(
        "share whose loss the attack did not raise",
        "Share of the tested inputs that held and whose loss is no higher where the attack ended.",
        "an attack that does nothing",
    ),
    "unstable": Control(
        "share of answers that change when asked again",
        "Share of the tested inputs whose logits, scaled to length 1, differ by more than 0.0001"
        " between two answers to the same batch.",
        "random steps in the model: every success and failure is partly luck",
    ),
    "unbounded": Control(
        "share that holds without a bound",
        "Share of the tested inputs that the attack cannot change although every pixel may take any"
        " value.",
        "an attack that fails",
    ),
}
WHITE_BOX = {
    "unmasked",
    "one_step",
    "other_losses",
    "black_box",
    "zero_gradient",
    "misleading_gradient",
    "unraised_loss",
}


def metric_of(control: Control) -> Metric:
    """Return the metric of a control: a share, better low, with what it points to."""
    return Metric(
        label=control.label,
        definition=f"{control.definition} High: {control.points_to}.",
        unit="share",
        better="lower",
    )


def controls_of(names: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of the findings that hold these controls."""
    return tuple(f"{CHECK}/{one}_{'gain' if one in GAINS else 'share'}/all" for one in names)


OF_PLAIN_DESCENT = controls_of((*GAINS, *FAULTS))
# The ensemble gets around masks itself, and tries more steps, other losses and squares.
OF_THE_ENSEMBLE = controls_of(
    ("random", "transfer", "larger_ball", "zero_gradient", "misleading_gradient", "unstable")
)
WITHOUT_GRADIENTS = controls_of(("more_steps", "random", "transfer", "unstable", "unbounded"))
