"""How fast `group-gap` is, beside fairlearn's MetricFrame with its bootstrap.

``python benchmarks/bias.py [--inputs 100000] [--groups 8] [--replicates 100]``: two attributes of
eight groups each and their intersection, two classes. auditkit reports every metric of the check
with its intervals, tests and adjusted p-values; fairlearn the six rates that it shares with it,
their differences and ratios, with bootstrap intervals, once per attribute and once for both.
Everything runs in this process on one thread; the median of auditkit's runs is printed, and
fairlearn's single one.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from fairlearn import metrics as fair
from sklearn import metrics as sk

from auditkit.checks.base import Context, Measured, Records
from auditkit.checks.bias.group_gap import GroupGap
from auditkit.data.dataset import Dataset, InMemory

RATES = {
    "accuracy": sk.accuracy_score,
    "selection_rate": fair.selection_rate,
    "tpr": fair.true_positive_rate,
    "fpr": fair.false_positive_rate,
    "fnr": fair.false_negative_rate,
    "ppv": sk.precision_score,
}


def made_up(n: int, groups: int) -> tuple[Dataset, Records]:
    rng = np.random.default_rng(0)
    columns = {
        name: rng.choice([f"{name}{i}" for i in range(groups)], size=n) for name in ("a", "b")
    }
    labels = rng.integers(0, 2, size=n)
    score = np.clip(0.6 * rng.beta(2, 2, size=n) + 0.4 * labels * rng.random(n), 0, 1)
    predicted = (score > 0.5).astype(np.int64)
    data = Dataset(
        name="made-up",
        split="test",
        modality="tabular",
        classes=("no", "yes"),
        ids=tuple(map(str, range(n))),
        labels=labels,
        attributes=pd.DataFrame(columns),
        sensitive=tuple(columns),
        reader=InMemory(np.zeros((n, 1), np.float32)),
        sha256="0" * 64,
    )
    correct = predicted == labels
    return data, Records(data.ids, predicted=predicted, correct=correct, score=score)


def frames(data: Dataset, records: Records, replicates: int) -> list[object]:
    """Return what fairlearn says of each attribute and of both."""
    said: list[object] = []
    for columns in (["a"], ["b"], ["a", "b"]):
        frame = fair.MetricFrame(
            metrics=RATES,
            y_true=data.labels,
            y_pred=records["predicted"],
            sensitive_features=data.attributes[columns],
            n_boot=replicates,
            ci_quantiles=[0.025, 0.975],
            random_state=0,
        )
        said += [frame.by_group_ci, frame.difference_ci(), frame.ratio_ci()]
    return said


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--groups", type=int, default=8)
    parser.add_argument("--replicates", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    data, records = made_up(options.inputs, options.groups)
    check, context = GroupGap(), Context(data=data, seed=0)
    outcome = check.summarise(records, context)  # warm up
    assert isinstance(outcome, Measured)
    times = [seconds(lambda: check.summarise(records, context)) for _ in range(options.repeats)]
    mine = statistics.median(times)
    print(
        f"{options.inputs} inputs, two attributes of {options.groups} groups and their"
        f" intersection\nauditkit: {mine:.2f} s ({len(outcome.findings)} findings),"
        f" {min(times):.2f} to {max(times):.2f} s in {options.repeats} runs",
        flush=True,
    )
    theirs = seconds(lambda: frames(data, records, options.replicates))
    print(f"fairlearn, {options.replicates} bootstrap replicates: {theirs:.1f} s")
    print(f"ratio: {theirs / mine:.0f}")


if __name__ == "__main__":
    main()
