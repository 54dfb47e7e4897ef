"""The list of checks, and how one is made from a policy's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from inspect import isclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from auditkit.checks.attribution.attention_faithfulness import AttentionFaithfulness
from auditkit.checks.attribution.attribution_drift import AttributionDrift
from auditkit.checks.attribution.attribution_gap import AttributionGap
from auditkit.checks.attribution.attribution_regression import AttributionRegression
from auditkit.checks.attribution.attribution_trust import AttributionTrust
from auditkit.checks.attribution.concepts import Concepts
from auditkit.checks.attribution.counterfactual_patch import CounterfactualPatch
from auditkit.checks.attribution.errors_explained import ErrorsExplained
from auditkit.checks.attribution.preflight import Preflight
from auditkit.checks.attribution.shortcut import Shortcut
from auditkit.checks.base import Check
from auditkit.checks.bias.bias_amplification import BiasAmplification
from auditkit.checks.bias.counterfactual_identity import CounterfactualIdentity
from auditkit.checks.bias.counterfactual_image import CounterfactualImage
from auditkit.checks.bias.group_alarms import GroupAlarms
from auditkit.checks.bias.group_confidence import GroupConfidence
from auditkit.checks.bias.group_gap import GroupGap
from auditkit.checks.bias.group_robustness import GroupRobustness
from auditkit.checks.bias.group_shift import GroupShift
from auditkit.checks.bias.individual import Individual
from auditkit.checks.bias.label_bias_sensitivity import LabelBiasSensitivity
from auditkit.checks.bias.proxy import Proxy
from auditkit.checks.bias.reject_option import RejectOption
from auditkit.checks.bias.slice_scan import SliceScan
from auditkit.checks.bias.threshold_sweep import ThresholdSweep
from auditkit.checks.bias.what_if import WhatIf
from auditkit.checks.calibration.calibration_error import CalibrationError
from auditkit.checks.calibration.conformal import Conformal
from auditkit.checks.calibration.selective import Selective
from auditkit.checks.performance.clean_accuracy import CleanAccuracy
from auditkit.checks.performance.efficiency import Efficiency
from auditkit.checks.performance.generalisation import Generalisation
from auditkit.checks.robustness.attack_controls import AttackControls
from auditkit.checks.robustness.backdoor import Backdoor
from auditkit.checks.robustness.certified import Certified
from auditkit.checks.robustness.character import Character
from auditkit.checks.robustness.edge_flips import EdgeFlips
from auditkit.checks.robustness.embedding_changes import EmbeddingChanges
from auditkit.checks.robustness.feature_changes import FeatureChanges
from auditkit.checks.robustness.fgsm_linf import FgsmLinf
from auditkit.checks.robustness.insertion import Insertion
from auditkit.checks.robustness.patch import Patch
from auditkit.checks.robustness.pgd_linf import PgdLinf
from auditkit.checks.robustness.robustness_curve import RobustnessCurve
from auditkit.checks.robustness.smoothing import Smoothing
from auditkit.checks.robustness.spatial import Spatial
from auditkit.checks.robustness.token_swap import TokenSwap
from auditkit.checks.robustness.transfer import Transfer
from auditkit.checks.robustness.universal import Universal
from auditkit.checks.robustness.worst_case import WorstCase
from auditkit.checks.shift.capabilities import Capabilities
from auditkit.checks.shift.corruptions import Corruptions
from auditkit.checks.shift.drift import Drift
from auditkit.checks.shift.frequency import Frequency
from auditkit.checks.shift.graph_shift import GraphShift
from auditkit.checks.shift.label_free_accuracy import LabelFreeAccuracy
from auditkit.checks.shift.natural_variation import NaturalVariation
from auditkit.checks.shift.out_of_distribution import OutOfDistribution
from auditkit.checks.shift.regression import Regression
from auditkit.checks.shift.table_shift import TableShift
from auditkit.checks.shift.texture_shape import TextureShape
from auditkit.checks.shift.typos import Typos
from auditkit.checks.shift.user_shift import UserShift
from auditkit.checks.shift.wording import Wording
from auditkit.errors import ConfigError, near_miss

BUILT_IN: tuple[type[Check], ...] = (
    CleanAccuracy,
    Generalisation,
    Efficiency,
    AttackControls,
    PgdLinf,
    FgsmLinf,
    WorstCase,
    Transfer,
    RobustnessCurve,
    Certified,
    Smoothing,
    TokenSwap,
    Character,
    Insertion,
    EmbeddingChanges,
    EdgeFlips,
    FeatureChanges,
    Universal,
    Patch,
    Spatial,
    Backdoor,
    Corruptions,
    NaturalVariation,
    Frequency,
    TextureShape,
    Typos,
    OutOfDistribution,
    Drift,
    UserShift,
    Regression,
    Wording,
    Capabilities,
    TableShift,
    GraphShift,
    LabelFreeAccuracy,
    CalibrationError,
    Selective,
    Conformal,
    GroupGap,
    GroupRobustness,
    GroupShift,
    GroupConfidence,
    GroupAlarms,
    CounterfactualIdentity,
    CounterfactualImage,
    SliceScan,
    Individual,
    Proxy,
    BiasAmplification,
    LabelBiasSensitivity,
    ThresholdSweep,
    RejectOption,
    WhatIf,
    Preflight,
    AttributionTrust,
    Shortcut,
    AttentionFaithfulness,
    CounterfactualPatch,
    Concepts,
    AttributionDrift,
    AttributionGap,
    AttributionRegression,
    ErrorsExplained,
)


@cache
def catalogue() -> dict[str, type[Check]]:
    """Return every check by id: the built-in ones, then those of the entry-point group.

    Raises
    ------
    ConfigError
        If an entry point of `auditkit.checks` is not a check, or an id is taken twice.
    """
    known = {kind.meta.id: kind for kind in BUILT_IN}
    for point in entry_points(group="auditkit.checks"):
        kind = point.load()
        if not (isclass(kind) and issubclass(kind, Check)):
            raise ConfigError(
                f"The entry point {point.name!r} ({point.value}) is not a subclass of Check."
            )
        if kind.meta.id in known:
            raise ConfigError(
                f"The check id {kind.meta.id!r} is taken twice: {point.value} and"
                f" {known[kind.meta.id].__module__}.",
                hint="Rename the check, or uninstall one of the two packages.",
            )
        known[kind.meta.id] = kind
    return known


def find_check(check_id: str) -> type[Check]:
    """Return a check by id.

    Raises
    ------
    ConfigError
        If there is none, naming the nearest.
    """
    known = catalogue()
    if check_id not in known:
        raise ConfigError(
            f"There is no check {check_id!r}.{near_miss(check_id, known)}",
            hint="See all with: audit list checks",
        )
    return known[check_id]


def make_check(check_id: str, parameters: Mapping[str, Any]) -> Check:
    """Return a check with the given parameters, the rest at their defaults.

    Raises
    ------
    ConfigError
        If the check or a parameter is unknown, or a value is not allowed.
    """
    kind = find_check(check_id)
    known = list(getattr(kind, "__dataclass_fields__", {}))
    for name in parameters:
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise ConfigError(
                f"{check_id} has no parameter {name!r}; {has}.{near_miss(name, known)}",
                hint=f"See them with: audit explain {check_id}",
            )
    if not known:
        return kind()
    try:
        return TypeAdapter(kind).validate_python(dict(parameters))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"{check_id}: {name} is {first['input']!r}: {first['msg']}.",
            hint=f"See its parameters with: audit explain {check_id}",
        ) from error
