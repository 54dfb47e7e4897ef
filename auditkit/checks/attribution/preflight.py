"""Can attribution methods be used on this model, and do they leave it as it was?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.behaviour import KeptState, hooks_on
from auditkit.checks.attribution._probes import key_for, probe_of
from auditkit.checks.base import Check, Context, Measured, Meta, Records
from auditkit.checks.parameters import require_least
from auditkit.findings import Evidence, Finding, Metric, Note, Scalar, Table
from auditkit.methods.saliency.catalogue import METHODS, Effort, completeness_error, map_of, why_not
from auditkit.methods.saliency.eager import eager
from auditkit.methods.saliency.exhibits import words
from auditkit.methods.saliency.gradient import gradient
from auditkit.methods.saliency.integrated_gradients import integrated_gradients
from auditkit.methods.saliency.probes.base import Probe
from auditkit.methods.saliency.scores import centred
from auditkit.models.classifier import Classifier
from auditkit.statistics import median_interval
from auditkit.types import Floats

_NEAR = 0.01  # share of the change that the integral may miss before it takes more nodes
_BLIND = "this model has no gradients"


@final
@dataclass(frozen=True, kw_only=True)
class Preflight(Check):
    """Every attribution method once on a few inputs, with the model looked at before and after.

    Parameters
    ----------
    max_inputs : int
        Inputs, drawn at random from all of them, at least 1.
    steps : int
        Most nodes of the integral that slopes are held against, at least 8.
    grid : int
        Images: cells along the longer side, at least 2.

    Raises
    ------
    ConfigError
        If a parameter lies outside its range.
    """

    meta: ClassVar[Meta] = Meta(
        id="preflight",
        version=2,
        family="attribution",
        question="Can attribution methods be used on this model, and do they leave it as it was?",
        explanation=(
            "A map can be wrong without any error: hooks that were left on a network bend its"
            " slopes, rules do not reach into compiled programs, a rounding front end has no"
            " slopes at all. So every method runs once on a few inputs, and the slopes are held"
            " against the model's own answers: added up along the way from the reference to the"
            " input they must give the change of the score. The model is compared before and"
            " after."
        ),
        not_shown=(
            "That a method can be used does not mean that its maps are faithful; that is the"
            " question of attribution-trust. What a network keeps in plain attributes, and what"
            " goes on outside Python, is not compared."
        ),
        remedy=(
            "Remove hooks that an earlier tool left behind. Hand in the network as it was written"
            " instead of a compiled program. Where slopes do not add up, use methods that ask for"
            " scores alone: occlusion, KernelSHAP, LIME, Shapley sampling, RISE."
        ),
        metrics={
            "usable_methods": Metric(
                label="usable methods",
                definition="Attribution methods that give a map on at least one of the inputs.",
                unit="methods",
                better="higher",
            ),
            "path_error": Metric(
                label="sum of slopes beside the change of the score",
                definition=(
                    "Median over inputs of |slopes added up from the reference to the input -"
                    " change of the class score| / |change|. 0 where slopes are those of the"
                    " score. Inputs on which the score changes by less than 0.01 are left out."
                ),
                unit="share of the change",
                better="lower",
            ),
            "zero_gradient_share": Metric(
                label="share of zero gradients",
                definition=(
                    "Share of the inputs at which the gradient of the class score is zero"
                    " everywhere or not finite."
                ),
                unit="share",
                better="lower",
            ),
            "changed_answer_share": Metric(
                label="answers changed by explaining",
                definition=(
                    "Share of the inputs whose logits differ in any bit after all methods have run,"
                    " of those that get the same logits twice before."
                ),
                unit="share",
                better="lower",
            ),
            "left_behind_share": Metric(
                label="models changed by explaining",
                definition=(
                    "Share of the inputs after which a parameter, a buffer, a mode or a hook of the"
                    " network is not what it was. It is put back."
                ),
                unit="share",
                better="lower",
            ),
        },
        headline="preflight/path_error/all",
        references=("Sundararajan et al., 2017, arXiv:1703.01365",),
    )
    max_inputs: int = 8
    steps: int = 256
    grid: int = 4

    def __post_init__(self) -> None:
        require_least(self, max_inputs=1, steps=8, grid=2)

    def measure(self, artifacts: Artifacts) -> Records:
        """Run every method on those of the shard's inputs that were drawn."""
        drawn = artifacts.drawn("preflight", self.max_inputs)
        kept = KeptState(artifacts.classifier.module)
        flights = {i: self._flight(artifacts, i, kept) for i in np.flatnonzero(drawn).tolist()}
        reasons = {
            f"reason/{method}": np.array(
                [flights[i].reasons[method] if i in flights else "" for i in range(len(drawn))],
                dtype=np.str_,
            )
            for method in METHODS
        }
        n = len(artifacts)
        columns = {name: np.zeros(n, dtype=np.bool_) for name in _FLAGS}
        path_error = np.full(n, np.nan)
        left = [""] * n
        for i, one in flights.items():
            for name in _FLAGS:
                columns[name][i] = getattr(one, name)
            path_error[i], left[i] = one.path_error, ", ".join(one.left)
        return Records(
            artifacts.ids,
            examples=(),
            drawn=drawn,
            path_error=path_error,
            left=np.array(left, dtype=np.str_),
            gradients=np.full(n, artifacts.classifier.differentiable),
            found=np.full(n, _found_on(artifacts.classifier)),
            **columns,
            **reasons,
        )

    def _flight(self, artifacts: Artifacts, i: int, kept: KeptState) -> _Flight:
        model = artifacts.classifier
        probe = probe_of(artifacts, i, grid=self.grid)
        key = key_for(artifacts, "preflight", "draws", i)
        first, second = _answer(probe), _answer(probe)
        effort = Effort(steps=8, copies=2, sets=32, key=key, references=_others(artifacts, probe))
        reasons: dict[str, str] = {}
        left: list[str] = []
        for method in METHODS:
            reasons[method] = why_not(method, model) or _why_none(probe, method, effort)
            left += [f"{method}: {name}" for name in kept.put_back()]
        error, zero = (float("nan"), False)
        if model.differentiable:
            with eager():
                error, zero = _path_error(probe, self.steps), _is_flat(probe)
        last = _answer(probe)
        return _Flight(
            reasons=reasons,
            left=left,
            path_error=error,
            zero_gradient=zero,
            repeats=torch.equal(first, second),
            changed=not torch.equal(second, last),
        )

    def summarise(self, records: Records, context: Context) -> Measured:
        """Count what can be used, what changed, and by how much slopes miss the score."""
        drawn = records["drawn"]
        n, level = int(drawn.sum()), context.level
        repeats = drawn & records["repeats"]
        usable = [name for name in METHODS if (records[f"reason/{name}"][drawn] == "").any()]
        gradients = bool(records["gradients"].any())
        shown = ["methods", "network"]
        findings = [
            self._path_error(records["path_error"], gradients=gradients, level=level),
            self.value(
                "usable_methods", len(usable), n=n, interval=None, method="none", evidence=shown
            ),
            self.share(
                "zero_gradient_share",
                int(records["zero_gradient"].sum()),
                n=n,
                evidence=shown,
                level=level,
            )
            if gradients
            else self.undefined("zero_gradient_share", _BLIND, n=n),
            self.share(
                "changed_answer_share",
                int((records["changed"] & repeats).sum()),
                n=int(repeats.sum()),
                evidence=shown,
                level=level,
            ),
            self.share(
                "left_behind_share",
                int((records["left"][drawn] != "").sum()),
                n=n,
                evidence=shown,
                level=level,
            ),
        ]
        return Measured(findings=findings, evidence=_evidence(records, drawn))

    def _path_error(self, errors: Floats, *, gradients: bool, level: float) -> Finding:
        known = np.sort(errors[~np.isnan(errors)])
        if len(known) == 0:
            why = (
                "the score of no input differs from that of its reference" if gradients else _BLIND
            )
            return self.undefined("path_error", why, n=0)
        ends = median_interval(known, level=level)
        sure = bool(np.isfinite([ends.low, ends.high]).all())
        return self.value(
            "path_error",
            float(np.quantile(known, 0.5, method="inverted_cdf")),
            n=len(known),
            interval=ends if sure else None,
            method="order-statistics" if sure else "none",
            evidence=["methods", "network"],
            level=level,
        )


_FLAGS = ("zero_gradient", "repeats", "changed")


class _Flight(NamedTuple):
    """What happened to one input."""

    reasons: dict[str, str]  # why a method has no map, by method; empty where it has one
    left: list[str]  # what each method left behind
    path_error: float
    zero_gradient: bool
    repeats: bool
    changed: bool


def _answer(probe: Probe) -> Tensor:
    with torch.no_grad():
        return probe.logits(probe.point)


def _why_none(probe: Probe, method: str, effort: Effort) -> str:
    found = map_of(probe, method, effort)
    if found.unsuited:
        return found.unsuited
    return "" if np.isfinite(found.scores).all() else "its map is not finite"


def _path_error(probe: Probe, steps: int) -> float:
    found = integrated_gradients(
        centred(probe.logits),
        probe.point,
        probe.classes(),
        reference=probe.origin,
        steps=steps,
        tolerance=_NEAR,
        batch_size=probe.batch_size,
    )
    return completeness_error(found)


def _is_flat(probe: Probe) -> bool:
    slopes = gradient(centred(probe.logits), probe.point, probe.classes())
    return not bool(slopes.any()) or not bool(slopes.isfinite().all())


def _others(artifacts: Artifacts, probe: Probe) -> Tensor | None:
    """Return the reference as the one other input that expected gradients start from."""
    return probe.origin if artifacts.classifier.modality in ("image", "tabular") else None


def _found_on(model: Classifier) -> str:
    """Say what was found on the network before anything ran."""
    hooks = [f"{count} {kind}" for kind, count in hooks_on(model.module).items()]
    said = [f"Hooks on its modules: {', '.join(hooks)}." if hooks else "No hooks on its modules."]
    kind = type(model.module)
    if isinstance(model.module, torch.jit.ScriptModule):
        said.append("It is a TorchScript program, into which no rule reaches.")
    elif kind.__name__ == "OptimizedModule":
        said.append("It was compiled; maps are made of the network as it was written.")
    if any(one.training for one in model.module.modules()):
        said.append("Parts of it stay in training mode.")
    return " ".join(said)


def _evidence(records: Records, drawn: np.ndarray) -> dict[str, Evidence]:
    rows: list[list[Scalar]] = []
    for method in METHODS:
        reasons = records[f"reason/{method}"][drawn]
        why = next((str(one) for one in reasons if one), "")
        rows.append([words(method), int((reasons == "").sum()), why])
    left = sorted({str(one) for one in records["left"][drawn] if one})
    said = [str(records["found"][0]), *(f"Left behind by {one}." for one in left)]
    return {
        "methods": Table(
            title="Attribution methods on this model",
            columns=["method", f"inputs with a map, of {int(drawn.sum())}", "why not"],
            rows=rows,
        ),
        "network": Note(title="The network before and after", text=" ".join(said)),
    }
