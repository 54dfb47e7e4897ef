"""Hold metrics of `group-gap` and `individual` against fairlearn and AIF360: show where they part.

``python benchmarks/bias_peers.py [--python VENV/bin/python]``: the peers live in an environment of
their own (``python -m venv VENV; VENV/bin/pip install fairlearn aif360``), whose Python reads the
same labels, predictions and groups from a file. Each line is the largest difference over groups;
where definitions agree it is rounding. Data: the built-in models of Adult and COMPAS on their test
sets (AUDITKIT_DATA), then small data that a peer answers otherwise.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

Case = dict[str, Any]  # labels, predicted, scores, groups: lists of equal length
Answer = dict[str, Any]

RATES = ("accuracy", "selection_rate", "tpr", "fpr", "fnr", "ppv")
NULL_SETS = 36
ALTERNATING = 40  # inputs on a line


# --- the other environment -----------------------------------------------------------------------


def fairlearn_of(case: Case) -> Answer:
    from fairlearn import metrics as fair
    from sklearn import metrics as sk

    labels, predicted = np.array(case["labels"]), np.array(case["predicted"])
    groups = np.array(case["groups"], dtype=object)
    of = {"y_true": labels, "y_pred": predicted, "sensitive_features": groups}
    if labels.max() > 1:  # most of it refuses more than two classes; this does not
        return {"selection_rate_gap": fair.demographic_parity_difference(**of)}
    frame = fair.MetricFrame(
        metrics={
            "accuracy": sk.accuracy_score,
            "selection_rate": fair.selection_rate,
            "tpr": fair.true_positive_rate,
            "fpr": fair.false_positive_rate,
            "fnr": fair.false_negative_rate,
            "ppv": sk.precision_score,
        },
        **of,
    )
    scores = fair.MetricFrame(
        metrics=fair.mean_prediction,
        y_true=labels,
        y_pred=np.array(case["scores"]),
        sensitive_features=groups,
    )
    cells = fair.MetricFrame(
        metrics=sk.accuracy_score,
        y_true=labels,
        y_pred=predicted,
        sensitive_features={"group": groups, "label": labels},
    )
    answer: Answer = {
        f"{rate}/{group}": float(value)
        for rate in RATES
        for group, value in frame.by_group[rate].items()
    }
    answer |= {f"mean_score/{group}": float(value) for group, value in scores.by_group.items()}
    answer |= {f"{rate}_gap": float(frame.difference()[rate]) for rate in RATES if rate != "fnr"}
    answer["score_gap"] = float(scores.difference())
    answer["worst_group_accuracy"] = float(cells.group_min())
    answer["equalized_odds_difference"] = fair.equalized_odds_difference(**of)
    answer["equal opportunity"] = fair.equal_opportunity_difference(**of)
    answer["selection_rate_ratio"] = fair.demographic_parity_ratio(**of)
    return answer


def aif360_of(case: Case) -> Answer:
    """Two groups: the first in the alphabet is the one it calls privileged."""
    import pandas as pd
    from aif360.datasets import BinaryLabelDataset
    from aif360.metrics import ClassificationMetric

    names = sorted(set(case["groups"]))
    group = np.array([names.index(one) for one in case["groups"]])

    def data(labels: list[int]) -> BinaryLabelDataset:
        return BinaryLabelDataset(
            df=pd.DataFrame({"y": labels, "a": group}),
            label_names=["y"],
            protected_attribute_names=["a"],
        )

    metric = ClassificationMetric(
        data(case["labels"]),
        data(case["predicted"]),
        unprivileged_groups=[{"a": 1}],
        privileged_groups=[{"a": 0}],
    )
    ask = {
        "accuracy": metric.accuracy,
        "selection_rate": metric.selection_rate,
        "tpr": metric.true_positive_rate,
        "fpr": metric.false_positive_rate,
        "fnr": metric.false_negative_rate,
        "ppv": metric.positive_predictive_value,
    }
    answer: Answer = {
        f"{rate}/{name}": float(how(privileged=i == 0))
        for rate, how in ask.items()
        for i, name in enumerate(names)
    }
    answer["selection_rate_gap"] = abs(float(metric.statistical_parity_difference()))
    answer["tpr_gap"] = abs(float(metric.equal_opportunity_difference()))
    answer["fpr_gap"] = abs(float(metric.false_positive_rate_difference()))
    answer["disparate impact"] = float(metric.disparate_impact())
    impact = answer["disparate impact"]
    answer["selection_rate_ratio"] = min(impact, 1 / impact) if impact else 0.0
    answer["equalized_odds_difference"] = float(metric.equalized_odds_difference())
    answer["theil_index"] = float(metric.theil_index())
    answer["generalised_entropy"] = float(metric.generalized_entropy_index(alpha=2))
    return answer


def own_neighbour() -> Answer:
    """Return what AIF360 says of answers that alternate along a line, with one neighbour each."""
    import pandas as pd
    from aif360.datasets import BinaryLabelDataset
    from aif360.metrics import BinaryLabelDatasetMetric

    points = np.arange(ALTERNATING)
    data = BinaryLabelDataset(
        df=pd.DataFrame({"y": points % 2, "a": points // 2 % 2, "x": points}),
        label_names=["y"],
        protected_attribute_names=["a"],
    )
    return {"consistency": float(BinaryLabelDatasetMetric(data).consistency(n_neighbors=1)[0])}


def null_bootstrap(case: Case) -> Answer:
    """Whether fairlearn's bootstrap interval of a difference excludes 0 on data without a gap."""
    from fairlearn import metrics as fair

    excluded = 0
    for seed in range(NULL_SETS):
        rng = np.random.default_rng(seed)
        labels, predicted = rng.integers(0, 2, (2, case["n"]))
        frame = fair.MetricFrame(
            metrics=fair.selection_rate,
            y_true=labels,
            y_pred=predicted,
            sensitive_features=rng.integers(0, 4, case["n"]),
            n_boot=100,
            ci_quantiles=[0.025, 0.975],
            random_state=seed,
        )
        excluded += bool(frame.difference_ci()[0] > 0)
    return {"excluded": excluded, "of": NULL_SETS}


def answers(file: Path) -> None:
    """Write what the peers say of each case beside it."""
    warnings.simplefilter("ignore")
    cases = json.loads(file.read_text())
    said: dict[str, Answer] = {}
    for name, case in cases.items():
        if name == "null":
            said[name] = null_bootstrap(case)
            continue
        if name == "neighbours":
            said[name] = own_neighbour()
            continue
        said[name] = {}
        for peer, ask in (("fairlearn", fairlearn_of), ("AIF360", aif360_of)):
            try:
                said[name][peer] = ask(case)
            except Exception as error:  # noqa: BLE001 - what they raise is their answer
                said[name][peer] = {"error": f"{type(error).__name__}: {error}"}
    file.with_suffix(".answers.json").write_text(json.dumps(said))


# --- this environment ----------------------------------------------------------------------------


def ours(case: Case) -> Answer:
    """Return what `group-gap` finds, by the peers' names."""
    import pandas as pd

    from auditkit.checks.base import Context, Measured, Records
    from auditkit.checks.bias.group_gap import GroupGap
    from auditkit.data.dataset import Dataset, InMemory
    from auditkit.methods.metrics.individual import benefits, generalised_entropy, theil_index

    labels, predicted = np.array(case["labels"]), np.array(case["predicted"])
    n = len(labels)
    classes = tuple(map(str, range(max(2, 1 + int(max(labels.max(), predicted.max()))))))
    data = Dataset(
        name="case",
        split="test",
        modality="tabular",
        classes=classes,
        ids=tuple(map(str, range(n))),
        labels=labels,
        attributes=pd.DataFrame({"group": pd.Series(case["groups"], dtype=object)}),
        sensitive=("group",),
        reader=InMemory(np.zeros((n, 1), np.float32)),
        sha256="0" * 64,
    )
    records = Records(
        data.ids, predicted=predicted, correct=predicted == labels, score=np.array(case["scores"])
    )
    outcome = GroupGap(minimum_n=1).summarise(records, Context(data=data, seed=0))
    assert isinstance(outcome, Measured)
    answer: Answer = {}
    for one in outcome.findings:
        where = one.slice.removeprefix("group").removeprefix("=")
        answer[f"{one.metric}/{where}" if where else one.metric] = one.value
    answer["equal opportunity"] = answer["tpr_gap"]
    shares = np.bincount(benefits(predicted == 1, labels == 1), minlength=3) / n
    answer["theil_index"] = float(theil_index(shares))
    answer["generalised_entropy"] = float(generalised_entropy(shares))
    for one in outcome.findings:
        if one.low is not None and one.metric.endswith("_gap"):
            answer[f"{one.metric} interval"] = [one.low, one.high]
    return answer


def real(model_name: str, column: str, groups: int | None = None) -> Case:
    """Predictions of a built-in model on its test set; perhaps only the largest groups."""
    from auditkit.artifacts.base import Artifacts
    from auditkit.artifacts.predictions import Predictions
    from auditkit.data.load import DataSpec, load_data
    from auditkit.models.load import ModelSpec, load_model

    model = load_model(ModelSpec(source=model_name, device="cpu"))
    data = load_data(DataSpec(source=model.identity.data or ""), model)
    clean = Artifacts(model, data, np.arange(len(data)))[Predictions]
    values = data.attributes[column].astype(str)
    kept = values.isin(values.value_counts().index[:groups]).to_numpy()
    return {
        "labels": data.labels[kept].tolist(),
        "predicted": clean.predicted.numpy()[kept].tolist(),
        "scores": clean.logits.double().softmax(dim=1)[:, 1].numpy()[kept].tolist(),
        "groups": values[kept].tolist(),
    }


def made_up() -> dict[str, Case]:
    """Return data that the peers answer otherwise."""
    groups = ["a"] * 40 + ["b"] * 40
    labels = [0, 1] * 20 + [0] * 40
    right = {"labels": labels, "predicted": labels, "scores": [0.5] * 80, "groups": groups}
    nobody = {**right, "labels": [0, 1] * 40, "predicted": [0, 1] * 20 + [0] * 40}
    half = [0, 1] * 40
    missing = ["a"] * 30 + ["b"] * 30 + [None] * 20
    wrong_there = half[:60] + [1 - one for one in half[60:]]
    three = [0, 1, 2, 0] * 10 + [0, 1, 0, 0] * 10
    return {
        "a group without positives, all predictions right": right,
        "a group in which nobody is predicted positive": nobody,
        "a missing attribute, its group all wrong": {
            **right,
            "labels": half,
            "predicted": wrong_there,
            "groups": missing,
        },
        "three classes, class 2 for one group alone": {
            **right,
            "labels": three,
            "predicted": three,
        },
    }


def apart(mine: Answer, theirs: Answer) -> dict[str, float]:
    """Return the largest absolute difference of each metric that both know."""
    worst: dict[str, float] = {}
    for name, value in theirs.items():
        if name in mine and isinstance(value, float):
            metric, one = name.split("/")[0], mine[name]
            off = math.inf if one is None or math.isnan(value) else abs(one - value)
            worst[metric] = max(worst.get(metric, 0.0), off)
    return worst


def alike(one: object, other: object) -> bool:
    """Return whether two answers are the same but for rounding."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, abs_tol=1e-12)
    return one == other


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="of the peers' environment")
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.answer:
        answers(options.answer)
        return
    from auditkit.methods.metrics.individual import agreement, neighbour_weights

    agree: dict[str, Case] = {
        "Adult by sex (adult-mlp)": real("adult-mlp", "sex"),
        "Adult by race (adult-mlp)": real("adult-mlp", "race"),
        "COMPAS, two largest races (compas-mlp)": real("compas-mlp", "race", 2),
    }
    part = made_up()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cases.json"
        others = {"neighbours": {}, "null": {"n": 400}}
        file.write_text(json.dumps({**agree, **part, **others}))
        subprocess.run([options.python, __file__, "--answer", str(file)], check=True)
        said = json.loads(file.with_suffix(".answers.json").read_text())
    for name, case in agree.items():
        mine = ours(case)
        print(f"\n{name}, n = {len(case['labels'])}: largest difference to")
        off = {peer: apart(mine, said[name][peer]) for peer in ("fairlearn", "AIF360")}
        several = len(set(case["groups"])) > 2
        for metric in off["fairlearn"] | off["AIF360"]:
            cells = [
                "-"
                if metric not in off[p] or (several and p == "AIF360")
                else f"{off[p][metric]:.1e}"
                for p in ("fairlearn", "AIF360")
            ]
            print(f"  {metric:28} fairlearn {cells[0]:8} AIF360 {cells[1]:8}")
    for name, case in part.items():
        mine, peers = ours(case), [said[name][peer] for peer in ("fairlearn", "AIF360")]
        print(f"\n{name}")
        for metric in sorted(peers[0] | peers[1]):
            values = [peer.get(metric, "-") for peer in peers]
            if any(value != "-" and not alike(value, mine.get(metric)) for value in values):
                theirs = f"fairlearn {values[0]}, AIF360 {values[1]}"
                print(f"  {metric:28} {theirs}, ours {mine.get(metric)}")
    points = np.arange(float(ALTERNATING))[:, None]
    mine = agreement(neighbour_weights(points, 1), np.arange(ALTERNATING) % 2).value
    print(
        "\nanswers that alternate along a line, one neighbour each: consistency"
        f" AIF360 {said['neighbours']['consistency']}, ours {mine}"
    )
    null = said["null"]
    calls = 0
    for seed in range(NULL_SETS):
        rng = np.random.default_rng(seed)
        labels, predicted = rng.integers(0, 2, (2, 400))
        groups = rng.integers(0, 4, 400).astype(str).tolist()
        case = {"labels": labels, "predicted": predicted, "scores": [0.5] * 400, "groups": groups}
        calls += ours(case)["selection_rate_gap interval"][0] > 0
    print(
        f"\nfour groups without a gap, n = 400: intervals of the selection rate gap that exclude 0:"
        f" fairlearn {null['excluded']} of {null['of']}, ours {calls} of {NULL_SETS}"
    )


if __name__ == "__main__":
    main()
