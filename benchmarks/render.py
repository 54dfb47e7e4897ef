"""Measure how long, and in how much memory, each format of a result with many findings takes.

    python benchmarks/render.py [--findings 10000]

Each format is rendered in a process of its own, which reads the result first. The aim: every one
in less than 5 s and 500 MB.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from auditkit.findings import Finding, Metric, Outcome
from auditkit.render import DEFAULT, FORMATS, render
from auditkit.result import Judgement, Result, read_result, to_json

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "tests" / "golden" / "image" / "result.json"
PER_CHECK = 500
SECONDS, MEGABYTES = 5.0, 500.0


def made(findings: int) -> Result:
    """Return a result with so many findings, every one judged: a third failed, a third open."""
    plain = read_result(SAMPLE)
    metric = Metric(label="accuracy", definition="Correct.", unit="share", better="higher")
    outcomes = [
        Outcome(
            check=f"check-{start // PER_CHECK}",
            version=1,
            family="bias",
            question="How often is the model right in each group?",
            metrics={"accuracy": metric},
            status="measured",
            headline=f"check-{start // PER_CHECK}/accuracy/group={start}",
            findings=[
                finding(f"check-{start // PER_CHECK}", i)
                for i in range(start, min(findings, start + PER_CHECK))
            ],
        )
        for start in range(0, findings, PER_CHECK)
    ]
    limits = [judged(one.id, i) for i, one in enumerate(f for o in outcomes for f in o.findings)]
    verdict = plain.verdict.model_copy(
        update={
            "decided_by": [one for one in limits if one.status != "pass"],
            "passed": [one for one in limits if one.status == "pass"],
        }
    )
    return plain.model_copy(update={"outcomes": outcomes, "verdict": verdict})


def finding(check: str, i: int) -> Finding:
    """Return the accuracy of one group."""
    return Finding(
        id=f"{check}/accuracy/group={i}", metric="accuracy", value=0.9, unit="share", n=200,
        low=0.85, high=0.94, level=0.95, interval="clopper-pearson", better="higher",
        slice=f"group={i}",
    )  # fmt: skip


def judged(name: str, i: int) -> Judgement:
    """Return what its limit said."""
    status = ("fail", "incomplete", "pass")[i % 3]
    return Judgement.model_validate(
        {"limit": "accuracy >= 0.9", "finding": name, "status": status, "reason": "-",
         "low": 0.85, "high": 0.94}
    )  # fmt: skip


def one(file: Path, name: str) -> None:
    """Read and render in this process; print seconds and megabytes, and the size."""
    start = time.perf_counter()
    result = read_result(file)
    read = time.perf_counter() - start
    text = render(result, name)
    spent = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{read:.2f} {spent:.2f} {peak:.0f} {len(text) / 1e6:.2f}")


def main() -> None:
    """Print one line per format."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--findings", type=int, default=10_000)
    parser.add_argument("--one", nargs=2, metavar=("FILE", "FORMAT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(Path(options.one[0]), options.one[1])
        return
    print(f"{options.findings:,} findings; seconds with reading, peak memory, size")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "result.json"
        file.write_text(to_json(made(options.findings)), encoding="utf-8")
        for name in FORMATS:
            command = [sys.executable, __file__, "--one", str(file), name]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            read, spent, peak, size = map(float, done.stdout.split())
            good = spent < SECONDS and peak < MEGABYTES
            mark = "" if good else "   OVER THE AIM"
            usual = "*" if name in DEFAULT else " "
            print(f"{usual} {name:8} {spent:6.2f} s (read {read:.2f}) {peak:5.0f} MB "
                  f"{size:7.2f} MB{mark}")  # fmt: skip


if __name__ == "__main__":
    main()
