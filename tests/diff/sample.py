"""Results with records whose differences are known; no model is run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from auditkit.findings import Evidence, Finding, ImageExhibit, Metric, Outcome, finding_id
from auditkit.result import (
    DataFacts,
    Execution,
    ModelFacts,
    Provenance,
    RecordsFile,
    Result,
    Verdict,
    to_json,
)
from auditkit.statistics import bootstrap_mean, clopper_pearson
from auditkit.types import Better, Bools, Floats, Params

CHECK = "clean-accuracy"


def share(
    metric: str,
    hits: Bools,
    *,
    check: str = CHECK,
    slice_name: str = "all",
    swept: Params | None = None,
    fixed: Params | None = None,
    better: Better = "higher",
) -> Finding:
    """Return a share with its interval."""
    n, count = len(hits), int(hits.sum())
    low, high = clopper_pearson(count, n)
    return Finding(
        id=finding_id(check, metric, slice_name, swept or {}), metric=metric, value=count / n,
        unit="share", n=n, low=low, high=high, level=0.95, interval="clopper-pearson",
        better=better, slice=slice_name, params={**(fixed or {}), **(swept or {})},
    )  # fmt: skip


def mean(metric: str, values: Floats, *, check: str = CHECK, better: Better = "lower") -> Finding:
    """Return a mean with its bootstrap interval."""
    low, high = bootstrap_mean(values, seed=0)
    return Finding(
        id=finding_id(check, metric, "all", {}), metric=metric, value=float(values.mean()),
        unit="nats", n=len(values), low=low, high=high, level=0.95, interval="bootstrap",
        better=better,
    )  # fmt: skip


def outcome(
    *findings: Finding,
    check: str = CHECK,
    version: int = 1,
    status: str = "measured",
    evidence: Mapping[str, Evidence] | None = None,
) -> Outcome:
    """Return a check's outcome; its first finding stands for it."""
    return Outcome(
        check=check, version=version, family="performance", question="Is it right?",
        metrics={
            one.metric: Metric(
                label=one.metric.replace("_", " "), definition="", unit=one.unit, better=one.better
            )
            for one in findings
        },
        status=status, reason=None if status == "measured" else "it could not",  # type: ignore[arg-type]
        headline=findings[0].id if findings else None, findings=list(findings),
        evidence=dict(evidence or {}),
    )  # fmt: skip


def write(
    folder: Path,
    outcomes: Sequence[Outcome],
    columns: Mapping[str, Any] | None = None,
    *,
    model: str = "net",
    data: str = "d" * 64,
    classes: Sequence[str] = ("cat", "dog"),
    started: str = "2026-01-01T00:00:00+00:00",
    policy: dict[str, object] | None = None,
) -> Path:
    """Write a result and its records; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    records = None
    n = 0
    if columns is not None:
        table = {name: pa.array(np.asarray(one)) for name, one in columns.items()}
        pq.write_table(pa.table(table), folder / "records.parquet")
        content = (folder / "records.parquet").read_bytes()
        records = RecordsFile(file="records.parquet", sha256=hashlib.sha256(content).hexdigest())
        n = len(next(iter(columns.values())))
    result = Result(
        auditkit="0.1.0",
        model=ModelFacts(
            name=model, sha256=hashlib.sha256(model.encode(errors="replace")).hexdigest(),
            modality="image", architecture="Net", parameters=7, classes=list(classes),
        ),
        data=DataFacts(
            name="pets", split="test", sha256=data, n=n, available=n, classes={}, slices=[]
        ),
        outcomes=list(outcomes),
        records=records,
        verdict=Verdict(status="pass", exit_code=0, sentence="Pass: fine.", decided_by=[]),
        provenance=Provenance(
            command="audit run net", policy=policy or {}, suite="quick", seed=0, started=started,
            seconds=1.0, python="3", platform="x", packages={}, device="cpu", dtype="float32",
            workers=1, execution=Execution(),
        ),
    )  # fmt: skip
    (folder / "result.json").write_text(to_json(result), encoding="utf-8")
    return folder


def answers(n: int, wrong: Sequence[int]) -> dict[str, Any]:
    """Return records of n inputs, half cats and half dogs, that are right but for some rows."""
    labels = np.array(["cat", "dog"])[np.arange(n) % 2]
    correct = np.ones(n, dtype=bool)
    correct[list(wrong)] = False
    predicted = np.where(correct, np.arange(n) % 2, 1 - np.arange(n) % 2)
    return {
        "id": [f"i{k:04d}" for k in range(n)],
        "label": labels,
        "slice/light": np.array(["day", "night"])[(np.arange(n) // 2) % 2],
        f"{CHECK}/correct": correct,
        f"{CHECK}/predicted": predicted,
    }


def accurate(
    folder: Path, n: int, wrong: Sequence[int], *, evidence: ImageExhibit | None = None, **more: Any
) -> Path:
    """Write a result about accuracy, overall, per class and per slice."""
    columns = answers(n, wrong)
    correct, labels = columns[f"{CHECK}/correct"], columns["label"]
    findings = [
        share("accuracy", correct),
        *(share("recall", correct[labels == c], slice_name=f"class={c}") for c in ("cat", "dog")),
    ]
    shown = {} if evidence is None else {"mistakes": evidence}
    return write(folder, [outcome(*findings, evidence=shown)], columns, **more)
