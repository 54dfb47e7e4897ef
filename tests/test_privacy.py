"""Mirrors auditkit/privacy.py."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from auditkit.checks.bias.proxy import Proxy
from auditkit.data.dataset import Dataset
from auditkit.data.load import DataSpec, load_data
from auditkit.findings import Bar, Bars, Finding, Note, Outcome, Table
from auditkit.models.load import ModelSpec, load_model
from auditkit.policy import Policy
from auditkit.privacy import POOLED, coarsened, names_a_group, suppressed
from auditkit.result import Execution
from auditkit.run import Request, run
from tests.checks.bias.test_proxy import broken
from tests.subjects import Subject, image_data, measured

steady = settings(deadline=None, derandomize=True)


def data_of(groups: Sequence[object]) -> Dataset:
    n = len(groups)
    data = image_data(torch.zeros(n, 1, 1, 2), [0] * n)
    attributes = pd.DataFrame({"who": pd.Series(groups, dtype=object)})
    return dataclasses.replace(data, attributes=attributes)


# --- groups --------------------------------------------------------------------------------------


@steady
@given(
    st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=80),
    st.integers(1, 15),
)
def test_no_group_is_smaller_and_no_input_is_lost(groups: list[object], least: int) -> None:
    before = data_of(groups)
    after = coarsened(before, least).attributes["who"]
    sizes = after.value_counts()
    assert sizes.sum() == len(groups)
    assert len(sizes) == 1 or int(sizes.min()) >= least
    plain = before.attributes["who"].fillna("(missing)")
    pairs = list(zip(after.tolist(), plain.tolist(), strict=True))
    assert all(new in (old, POOLED) for new, old in pairs)
    if int(plain.value_counts().min()) >= least:
        assert all(new == old for new, old in pairs)


def test_a_single_small_group_is_joined_by_the_next_larger() -> None:
    """Alone it would still be told: all inputs less the other groups'."""
    after = coarsened(data_of(["a"] * 30 + ["b"] * 12 + ["c"] * 3), 10)
    assert after.attributes["who"].value_counts().to_dict() == {"a": 30, POOLED: 15}
    assert after.min_cell == 10
    assert "columns who" in after.notes[-1]


def test_without_a_least_nothing_changes() -> None:
    data = data_of(["a", "b"])
    assert coarsened(data, None) is data


# --- numbers -------------------------------------------------------------------------------------


def finding(n: int, where: str) -> Finding:
    return Finding(
        id=f"c/m/{where}", metric="m", value=0.5, unit="share", n=n, low=0.1, high=0.9, level=0.95,
        interval="exact", better="higher", slice=where,
    )  # fmt: skip


def outcome() -> Outcome:
    return Outcome(
        check="c",
        version=1,
        family="bias",
        question="?",
        status="measured",
        findings=[finding(3, "who=a"), finding(10, "who=b"), finding(3, "all")],
        evidence={
            "t": Table(
                title="T", columns=["group", "share", "n"], rows=[["a", 0.5, 3], ["b", 0.4, 10]]
            ),
            "b": Bars(
                title="B",
                value_label="v",
                bars=[Bar(label="a", value=0.5, low=0.1, high=0.9, n=3), Bar(label="b", value=1)],
            ),
            "other": Table(title="O", columns=["x", "y"], rows=[["a", 3]]),
            "note": Note(title="N", text="3"),
        },
    )


def test_numbers_about_few_inputs_of_a_slice_are_withheld() -> None:
    few, enough, whole = suppressed(outcome(), 10).findings
    assert (few.value, few.low, few.high, few.n, few.interval) == (None, None, None, 0, "none")
    assert few.undefined == "withheld: fewer than 10 inputs (--min-cell)"
    assert enough == finding(10, "who=b")
    assert whole == finding(3, "all")


def test_rows_and_bars_of_few_inputs_are_blank() -> None:
    evidence = suppressed(outcome(), 10).evidence
    table, bars = evidence["t"], evidence["b"]
    assert isinstance(table, Table)
    assert table.rows == [["a", None, None], ["b", 0.4, 10]]
    assert "withheld" in table.title
    assert isinstance(bars, Bars)
    assert bars.bars == [Bar(label="a", value=None), Bar(label="b", value=1)]
    assert evidence["other"] == outcome().evidence["other"]
    assert evidence["note"] == outcome().evidence["note"]


def test_nothing_is_withheld_unless_asked() -> None:
    assert suppressed(outcome(), None) == outcome()
    assert suppressed(outcome(), 3) == outcome()


# --- a whole audit -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Audit a model on data with a group of four, and write every file."""
    place = tmp_path_factory.mktemp("private")
    model = load_model(ModelSpec(source="digits-cnn"))
    digits = load_data(DataSpec(source="digits"), model)
    rows = np.arange(120)
    images = np.asarray(digits.read(rows))
    np.savez(
        place / "digits.npz",
        images=images,
        labels=digits.labels[rows],
        who=np.array(["many"] * 70 + ["some"] * 46 + ["rarest"] * 4),
        site=np.tile(["here", "there"], 60),
    )
    run(
        Request(
            model=ModelSpec(source="digits-cnn"),
            data=DataSpec(source=str(place / "digits.npz"), sensitive=("who", "site")),
            policy=Policy(checks=("group-gap", "calibration-error", "proxy"), min_cell=10),
            out=place / "out",
            execution=Execution(),
        )
    )
    return place / "out"


def test_no_file_names_a_small_group(folder: Path) -> None:
    files = [one for one in folder.rglob("*") if one.is_file()]
    assert {"report.html", "summary.md", "junit.xml", "result.json", "records.parquet"} <= {
        one.name for one in files
    }
    assert not any(b"rarest" in one.read_bytes() for one in files)
    assert POOLED in (folder / "report.html").read_text()


def test_no_number_is_about_few_inputs(folder: Path) -> None:
    result = json.loads((folder / "result.json").read_text())
    (slices,) = [one["groups"] for one in result["data"]["slices"] if one["name"] == "who"]
    assert slices == {"many": 70, POOLED: 50}
    seen = 0
    for one in result["outcomes"]:
        for found in one["findings"]:
            if found["slice"] != "all" and found["value"] is not None:
                assert found["n"] >= 10
                seen += 1
        for item in one["evidence"].values():
            if item["kind"] == "table" and "n" in item["columns"]:
                place = item["columns"].index("n")
                assert all(row[place] is None or row[place] >= 10 for row in item["rows"])
            if item["kind"] == "bars":
                assert all(bar["n"] is None or bar["n"] >= 10 for bar in item["bars"])
    assert seen > 10


def test_records_hold_no_groups(folder: Path) -> None:
    columns = pd.read_parquet(folder / "records.parquet").columns
    assert "label" in columns
    assert not [one for one in columns if one.startswith("slice/")]
    assert "proxy/searched" in columns
    assert not [one for one in columns if "=" in one or one.endswith(("/who", "/site"))]


def test_columns_about_groups_are_told_from_others() -> None:
    data = dataclasses.replace(data_of(["a", "b"]), min_cell=2)
    for name in ("group/scores/who=a", "shuffled/who", "who"):
        assert names_a_group(name, data)
        assert not names_a_group(name, data_of(["a", "b"]))
    for name in ("score", "brightness-1", "whole"):
        assert not names_a_group(name, data)


def test_readers_are_not_asked_about_fewer_members_than_a_cell_holds(folder: Path) -> None:
    result = json.loads((folder / "result.json").read_text())
    (proxy,) = [one for one in result["outcomes"] if one["check"] == "proxy"]
    members = proxy["evidence"]["table"]
    place = members["columns"].index("members")
    assert all(row[place] >= 10 for row in members["rows"])
    subject = broken()
    held = dataclasses.replace(subject.data, min_cell=len(subject.data) // 2)
    found = measured(Proxy(), Subject(subject.model, held))
    said = {one.undefined for one in found.findings if one.metric == "auc"}
    assert said == {"a half has too few members or others (minimum_n, --min-cell)"}
