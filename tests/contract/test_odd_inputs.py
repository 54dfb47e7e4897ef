"""What every check says of models and data on which many would fall over."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from torch import nn

from auditkit.checks.other_model import given
from auditkit.errors import AuditkitError
from auditkit.findings import Finding, Outcome
from auditkit.models.classifier import Classifier
from auditkit.policy import Policy
from auditkit.render import render_text
from auditkit.render.terminal import render_terminal
from auditkit.result import Execution, Result
from auditkit.run import Request, run
from tests.odd.cases import CASES, Case
from tests.odd.kinds import MARKUP

FEW: dict[str, dict[str, Any]] = {
    "generalisation": {"halvings": 20},
    "efficiency": {"max_inputs": 4},
    "attack-controls": {"epsilons": [0.05], "max_inputs": 8, "steps": 4, "queries": 10, "draws": 4},
    "pgd-linf": {"epsilons": [0.05], "steps": 2},
    "fgsm-linf": {"epsilons": [0.05]},
    "worst-case": {"linf": [0.05], "queries": 10},
    "transfer": {"steps": 4},
    "robustness-curve": {"linf": [0.05], "l2": [0.5], "max_inputs": 8, "rounds": 1, "queries": 10},
    "certified": {"linf": [0.01], "max_inputs": 8},
    "smoothing": {"sigmas": [0.25], "radii": [0.1], "max_inputs": 4, "selection": 10,
                  "samples": 50, "draws": 2, "steps": 2},
    "token-swap": {"max_changes": 1, "queries": 4, "beam": 1},
    "character": {"max_changes": 1, "queries": 4},
    "insertion": {"length": 1, "targets": 1, "search_inputs": 8, "candidates": 4},
    "embedding-changes": {"radii": [0.1], "max_inputs": 8, "rounds": 1},
    "edge-flips": {"max_flips": 1, "beam": 1, "queries": 4, "exact": 20},
    "feature-changes": {"columns": [1], "radii": [0.25], "values": 3, "beam": 1, "queries": 4,
                        "steps": 2},
    "universal": {"epsilons": [0.05], "steps": 2, "inputs": 8},
    "patch": {"areas": [0.1], "steps": 2, "inputs": 8},
    "spatial": {"degrees": [20.0], "tries": 1},
    "backdoor": {"inputs": 8, "steps": 5, "searches": 2},
    "corruptions": {"severities": [3], "kinds": ["gaussian-noise", "glass-blur"]},
    "natural-variation": {"severities": [3]},
    "typos": {"severities": [3], "alone": ["keyboard"]},
    "drift": {"permutations": 20, "splits": 4, "repetitions": 2, "sizes": [1.0]},
    "label-free-accuracy": {"severities": [3], "corruptions": ["gaussian-noise", "contrast"],
                            "typos": ["keyboard", "drop"]},
    "wording": {"severities": [3]},
    "capabilities": {"max_inputs": 20},
    "table-shift": {"severities": [3]},
    "graph-shift": {"severities": [3]},
    "calibration-error": {"simulations": 100, "kinds": ["gaussian-noise"], "severities": [3]},
    "conformal": {"kinds": ["gaussian-noise"], "severities": [3]},
    "group-gap": {"permutations": 100},
    "group-robustness": {"permutations": 100},
    "group-shift": {"permutations": 100},
    "group-confidence": {"permutations": 100},
    "group-alarms": {"permutations": 100},
    "counterfactual-identity": {"max_inputs": 20},
    "counterfactual-image": {"max_inputs": 8, "sizes": [0.2]},
    "preflight": {"max_inputs": 2, "steps": 8},
    "attribution-trust": {"max_inputs": 6, "steps": 4, "copies": 2, "sets": 8, "grid": 2,
                          "deletion_steps": 2, "neighbours": 1, "costly_inputs": 2},
    "shortcut": {"max_inputs": 10, "grid": 3, "steps": 2},
    "attention-faithfulness": {"max_inputs": 6},
    "counterfactual-patch": {"max_inputs": 6, "grid": 2, "orders": 2},
    "concepts": {"max_inputs": 40, "repeats": 4, "vectors": 10},
    "attribution-drift": {"max_inputs": 6, "steps": 2, "grid": 2, "nodes": 2,
                          "kinds": ["gaussian-noise"]},
    "attribution-gap": {"max_inputs": 20, "permutations": 100},
    "attribution-regression": {"max_inputs": 6, "steps": 2, "grid": 2},
    "errors-explained": {"max_inputs": 6, "steps": 2, "grid": 2, "nodes": 2},
}  # fmt: skip
ALTERNATING = [i % 2 for i in range(40)]


WITH_SHIFT = ("drift", "user-shift", "out-of-distribution", "label-free-accuracy")
WITH_OTHER = ("transfer", "regression", "attribution-regression", "label-free-accuracy")
POINTS = ("exact", "none")  # kinds of findings that have no interval
QUICK = {
    "image: one input",
    "text: one input",
    "tabular: five inputs",
    "tabular: hostile names of groups",
    "graph: one class",
    "graph: NaN",
}


def marked(case: Case) -> Any:
    return pytest.param(
        case, id=str(case), marks=() if str(case) in QUICK or case.refused else pytest.mark.slow
    )


EACH = pytest.mark.parametrize("case", [marked(case) for case in CASES])


def audited(case: Case, model: Classifier, folder: Path) -> Result:
    """Return an audit by all checks, also by those that want more data or another model."""
    data = case.data(folder / "data", case.labels)
    training = case.data(folder / "training", [*case.labels, *case.labels])
    parameters = {name: dict(values) for name, values in FEW.items()}
    parameters["generalisation"]["train"] = training.source
    for name in WITH_SHIFT:
        parameters.setdefault(name, {})["shift"] = [f"later={data.source}"]
    for name in WITH_OTHER:
        parameters.setdefault(name, {})["other"] = "the-other"
    request = Request(
        model=model,
        data=data,
        policy=Policy(parameters=parameters),
        out=folder / "report",
        formats=("json",),
        execution=Execution(shard_size=25),
    )
    with given("the-other", case.classifier()):
        return run(request).result


@EACH
def test_every_check_says_what_happened(case: Case, tmp_path: Path) -> None:
    model = case.classifier()
    if case.refused:
        with pytest.raises(AuditkitError, match=case.refused) as refusal:
            audited(case, model, tmp_path)
        assert refusal.value.hint
        return
    before = traces(model.module)
    result = audited(case, model, tmp_path)
    assert traces(model.module) == before
    assert [said for one in result.outcomes for said in wrong_with(one, case, result)] == []
    page = [] if str(case) in QUICK else ["html"]  # whose charts take seconds
    assert unreadable(result, ["md", "junit", *page]) == []


def traces(network: nn.Module) -> list[object]:
    """Return what an audit could leave behind in a network."""
    tensors = [(name, one.tolist()) for name, one in network.state_dict().items()]
    slopes = [(one.requires_grad, one.grad) for one in network.parameters()]
    hooks = [
        (one.training, list(one._forward_hooks), list(one._forward_pre_hooks))
        for one in network.modules()
    ]
    behind = [list(one._backward_hooks) for one in network.modules()]
    return [tensors, slopes, hooks, behind]


def wrong_with(outcome: Outcome, case: Case, result: Result) -> list[str]:
    """Return what is wrong with an outcome, as sentences."""
    said = outcome.reason or ""
    if outcome.status == "measured":
        return [
            f"{one.id}: {wrong}"
            for one in outcome.findings
            if (wrong := wrong_number(one, result.data.n))
        ]
    if outcome.status == "errored" and case.errored and case.errored in said:
        return []
    if outcome.status == "not_applicable" and says_why(said):
        return []
    return [f"{outcome.check}: {outcome.status}, {said!r}"]


def wrong_number(finding: Finding, inputs: int) -> str:
    value, low, high = finding.value, finding.low, finding.high
    if value is None:
        return "" if says_why(finding.undefined or "") else f"undefined, {finding.undefined!r}"
    if not 0 < finding.n <= inputs:
        return f"of {finding.n} inputs, there are {inputs}"
    if low is None or high is None:
        return "" if finding.interval in POINTS else f"no interval, and it is {finding.interval}"
    if not low - 1e-9 <= value <= high + 1e-9:
        return f"{value} lies outside [{low}, {high}]"
    if finding.interval == "bootstrap" and low == high:
        return "a spread of inputs that have none"
    return ""


def says_why(reason: str) -> bool:
    """Whether a reason is a sentence for people, rather than an exception or a number."""
    return len(reason.split()) >= 3 and not re.match(r"\w+(Error|Exception|Warning)\b", reason)


def unreadable(result: Result, formats: Sequence[str]) -> list[str]:
    """Return what could act in a report, or cannot be shown."""
    screen = io.StringIO()
    render_terminal(result, Console(file=screen, width=100, color_system=None))
    texts = {name: render_text(result, name) for name in formats}
    found: list[str] = []
    for name, text in {**texts, "terminal": screen.getvalue()}.items():
        acting = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
        found += [f"{name}: {c!a}" for c in sorted(acting - {"\n", "\t"})]
        found += [f"{name}: markup"] * (name != "terminal" and MARKUP in text)
    return found
