"""Mirrors auditkit/diff/pairs.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from auditkit.diff.pairs import column_of
from auditkit.diff.sides import load
from auditkit.findings import Finding
from tests.diff.sample import CHECK, answers, mean, outcome, share, write

N = 40
RNG = np.random.default_rng(0)
FLIPS = np.where(np.arange(N) < 4, 0.0, RNG.choice([0.01, 0.05, np.inf], size=N))
FEW = np.where(np.arange(N) < 4, 0.0, RNG.choice([1.0, 2.0, np.inf], size=N))
CLEAN = answers(N, [0, 1, 2])[f"{CHECK}/correct"]
NOISY = CLEAN & (np.arange(N) % 5 != 0)
SWEPT = {"corruption": "noise", "severity": 3}


@pytest.mark.parametrize(
    ("finding", "columns", "expected"),
    [
        (share("accuracy", CLEAN), {}, CLEAN),
        (share("accuracy", CLEAN[1::2], slice_name="light=x"), {}, None),  # no such group
        (
            share("robust_accuracy", FLIPS > 0.02, swept={"epsilon": 0.02}),
            {"flip_epsilon": FLIPS},
            FLIPS > 0.02,
        ),
        (
            share("robust_accuracy", FEW > 1, swept={"columns": 1}),
            {"columns": FEW, "radius": FLIPS},
            FEW > 1,
        ),
        (share("accuracy", NOISY, swept=SWEPT), {"noise-3": NOISY, "noise-4": CLEAN}, NOISY),
        (mean("brier", FLIPS[:5]), {"brier": np.r_[FLIPS[:5], np.full(N - 5, np.nan)]}, None),
        (share("accuracy", ~CLEAN), {}, None),  # what is there has another value
        (share("something", CLEAN), {}, None),  # nothing is called so
    ],
)
def test_a_column_is_taken_where_it_gives_the_finding_back(
    tmp_path: Path, finding: Finding, columns: dict[str, np.ndarray], expected: np.ndarray | None
) -> None:
    everything = answers(N, [0, 1, 2]) | {f"{CHECK}/{k}": v for k, v in columns.items()}
    found = column_of(load(write(tmp_path, [outcome(finding)], everything)), finding, CHECK)
    if finding.metric == "brier":  # a mean over those that have a number
        assert found is not None
        assert np.count_nonzero(~np.isnan(found.values)) == 5
        assert not found.share
    elif expected is None:
        assert found is None
    else:
        assert found is not None
        assert np.array_equal(found.values, expected.astype(float))
        assert found.share


def test_a_slice_counts_its_own_rows_alone(tmp_path: Path) -> None:
    columns = answers(N, [0, 1, 2])
    night = columns["slice/light"] == "night"
    finding = share("accuracy", CLEAN[night], slice_name="light=night")
    found = column_of(load(write(tmp_path, [outcome(finding)], columns)), finding, CHECK)
    assert found is not None
    assert np.array_equal(~np.isnan(found.values), night)
