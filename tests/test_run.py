"""Mirrors auditkit/run.py: whole audits of the built-in models on real data."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, final

import numpy as np
import pandas as pd
import pytest

from auditkit.artifacts.base import Artifacts
from auditkit.checks import catalogue as catalogue_module
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.data.load import DataSpec
from auditkit.diff.against import judge_result
from auditkit.diff.sides import load
from auditkit.errors import ConfigError, ResultError
from auditkit.findings import Metric
from auditkit.models.load import ModelSpec
from auditkit.policy import Limit, Policy, load_policy
from auditkit.result import Execution, Result, read_result, to_json
from auditkit.run import Request, run

FAST = ("clean-accuracy", "pgd-linf", "corruptions", "calibration-error", "group-gap")
PARAMETERS = {
    "pgd-linf": {"epsilons": [0.02, 0.1], "steps": 5},
    "corruptions": {"severities": [1, 5]},
    "attack-controls": {"max_inputs": 10, "steps": 10, "queries": 50, "draws": 10},
}


def policy(**changes: object) -> Policy:
    base = {"checks": FAST, "parameters": PARAMETERS, "max_inputs": 60}
    return Policy.model_validate({**base, **changes})


def request(out: Path, **changes: object) -> Request:
    settings: dict[str, object] = {
        "model": ModelSpec(source="digits-cnn"),
        "policy": policy(),
        "out": out,
        "formats": ("json",),
        "execution": Execution(shard_size=25),
    }
    return Request(**{**settings, **changes})  # type: ignore[arg-type]


def timeless(result: Result) -> dict[str, object]:
    """Everything but timings, timestamps and how many processes did it."""
    content = json.loads(to_json(result))
    for outcome in content["outcomes"]:
        del outcome["seconds"]
    for key in ("seconds", "started", "workers", "command"):
        del content["provenance"][key]
    return content


@pytest.fixture(scope="module")
def first_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first")
    run(request(folder))
    return folder


@pytest.fixture(scope="module")
def first(first_folder: Path) -> Result:
    return read_result(first_folder)


def test_every_check_is_measured(first: Result) -> None:
    assert {one.check: one.status for one in first.outcomes} == dict.fromkeys(FAST, "measured")
    assert first.data.n == 60
    assert first.verdict.status == "not_judged"


def test_the_same_run_gives_the_same_bytes(first: Result, tmp_path: Path) -> None:
    again = run(request(tmp_path)).result
    assert timeless(again) == timeless(first)  # records by their hash
    assert again.records is not None


def test_two_workers_give_the_same_bytes(first: Result, tmp_path: Path) -> None:
    assert timeless(run(request(tmp_path, workers=2)).result) == timeless(first)


def test_a_reference_is_judged_as_assert_does_and_shown_in_the_report(
    first_folder: Path, first: Result, tmp_path: Path
) -> None:
    limit = Limit(finding="clean-accuracy/accuracy/all", max_drop_against=0.5)
    rules = policy(checks=("clean-accuracy",), limits=(limit,))
    asked = request(tmp_path, policy=rules, against=first_folder, formats=("html", "md"))
    found = run(asked).result
    [met] = found.verdict.passed
    assert met.high is not None
    assert 0 < met.high < 0.5, "of the difference, not of the accuracy"
    again = judge_result(
        found, tmp_path, rules, today=datetime.now(UTC).date(), reference=load(first_folder)
    )
    assert again == found == read_result(tmp_path)
    assert f"against the audit of {first.model.name}" in (tmp_path / "summary.md").read_text()
    assert "unchanged" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_reference_that_cannot_be_one_is_refused_before_anything_is_measured(
    first_folder: Path, tmp_path: Path
) -> None:
    kept = (first_folder / "result.json").read_bytes()
    with pytest.raises(ConfigError, match="lies where this audit is written"):
        run(request(first_folder, against=first_folder / "result.json"))
    assert (first_folder / "result.json").read_bytes() == kept
    other = DataSpec(source="digits", split="validation")
    with pytest.raises(ResultError, match="different data"):
        run(request(tmp_path, data=other, against=first_folder))
    assert not (tmp_path / "result.json").exists()
    with pytest.raises(ResultError, match="There is no result"):
        run(request(tmp_path, against=tmp_path))


@pytest.mark.parametrize(("name", "said"), [("htm", "no format 'htm'"), ("pdf", "finished result")])
def test_a_format_that_cannot_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path, name: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        run(request(tmp_path, formats=(name,)))
    assert not list(tmp_path.iterdir())


def test_another_seed_samples_and_starts_differently(first: Result, tmp_path: Path) -> None:
    other = run(request(tmp_path, policy=policy(seed=1))).result
    assert other.records != first.records


def test_records_stand_beside_the_result(tmp_path: Path) -> None:
    result = run(request(tmp_path)).result
    table = pd.read_parquet(tmp_path / "records.parquet")
    assert len(table) == result.data.n
    assert table["id"].is_unique
    accuracy = next(o for o in result.outcomes if o.check == "clean-accuracy").findings[0]
    correct = table["clean-accuracy/correct"].to_numpy(dtype=float)
    assert correct.mean() == pytest.approx(accuracy.value)
    assert read_result(tmp_path) == result


def test_inputs_that_fooled_the_model_stand_beside_the_result(tmp_path: Path) -> None:
    result = run(request(tmp_path)).result
    assert result.adversarial is not None
    (about,) = result.adversarial.inputs
    flips = pd.read_parquet(tmp_path / "records.parquet")["pgd-linf/flip_epsilon"].to_numpy(float)
    assert about.stored == about.found == np.isin(flips, [0.02, 0.1]).sum() > 5
    table = pd.read_parquet(tmp_path / "adversarial.parquet")
    assert set(table["check"]) == {"pgd-linf"}
    assert table["id"].is_unique
    assert set(table["budget"]) <= {0.02, 0.1}


def test_inputs_can_be_kept_out(tmp_path: Path) -> None:
    result = run(request(tmp_path), progress=_Interrupt("corruptions")).result
    assert result.adversarial is not None
    again = run(request(tmp_path, keep_inputs=False)).result
    assert again.adversarial is None
    assert not (tmp_path / "adversarial.parquet").exists(), "nor one of an earlier run"


def test_a_limit_around_a_measured_interval(first: Result, tmp_path: Path) -> None:
    """Just above fails, just below passes, inside is incomplete with the n needed."""
    wanted = "pgd-linf/robust_accuracy/all/epsilon=0.1"
    finding = next(f for o in first.outcomes for f in o.findings if f.id == wanted)
    assert finding.low is not None
    assert finding.high is not None
    for bound, code in (
        (finding.high + 1e-6, 1),
        (finding.low - 1e-6, 0),
        ((finding.low + finding.high) / 2, 3),
    ):
        limits = (Limit(finding=wanted, min=bound),)
        controls = load_policy(suite="quick").controls
        verdict = run(
            request(tmp_path, policy=policy(limits=limits, controls=controls))
        ).result.verdict
        assert verdict.exit_code == code, verdict
        if code == 3:
            needs = verdict.decided_by[0].needs_n
            assert needs is None or needs > finding.n


@final
class Raises(Check):
    """Raises on the second shard."""

    meta: ClassVar[Meta] = Meta(
        id="raises",
        family="performance",
        question="Does it raise?",
        explanation="-",
        not_shown="-",
        remedy="-",
        metrics={"x": Metric(label="x", definition="x.", unit="share", better="higher")},
        headline="raises/x/all",
    )

    def measure(self, artifacts: Artifacts) -> Records | NotApplicable:
        if artifacts.positions[0] > 0:
            raise RuntimeError("the disk <b>fell</b> off")
        return Records(artifacts.ids, x=np.ones(len(artifacts)))

    def summarise(self, records: Records, context: Context) -> Measured:
        return Measured(findings=[self.share("x", 1, n=1)])


@pytest.fixture
def with_raising(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(
        catalogue_module, "BUILT_IN", (*catalogue_module.BUILT_IN, Raises), raising=True
    )
    catalogue_module.catalogue.cache_clear()
    yield
    catalogue_module.catalogue.cache_clear()


@pytest.mark.usefixtures("with_raising")
@pytest.mark.parametrize(("required", "code"), [(("raises",), 3), ((), 0)])
def test_a_check_that_raises_is_recorded_and_the_rest_runs(
    tmp_path: Path, required: tuple[str, ...], code: int
) -> None:
    chosen = ("raises", "clean-accuracy")
    limits = (Limit(finding="clean-accuracy/accuracy/all", min=0.5),)
    rules = policy(checks=chosen, parameters={}, required=required, limits=limits)
    audit = run(request(tmp_path, policy=rules, formats=("html", "json", "junit", "md")))
    raised, measured = audit.result.outcomes
    assert raised.status == "errored"
    assert raised.reason == "RuntimeError: the disk <b>fell</b> off"
    assert measured.status == "measured"
    assert audit.result.verdict.exit_code == code
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;fell" in report
    assert "<b>fell" not in report


def test_a_spent_budget_skips_and_never_passes(tmp_path: Path) -> None:
    limits = (Limit(finding="clean-accuracy/accuracy/all", min=0.1),)
    rules = policy(checks=("clean-accuracy",), parameters={}, budget=1e-9, limits=limits)
    result = run(request(tmp_path, policy=rules)).result
    assert result.outcomes[0].status == "skipped"
    assert result.verdict.status == "incomplete"


class _Interrupt:
    """Presses Ctrl-C when a check starts."""

    def __init__(self, at: str) -> None:
        self.at = at

    def warned(self, doubt: str) -> None: ...

    def planned(self, plan: object) -> None: ...

    def stepped(self) -> None: ...

    def noted(self, incident: str, *, again: bool) -> None: ...

    def finished(self, outcome: object) -> None: ...

    def checking(self, check: Check) -> None:
        if check.meta.id == self.at:
            raise KeyboardInterrupt


def test_an_interrupted_run_writes_what_is_there_and_resumes(
    first: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = run(request(tmp_path), progress=_Interrupt("corruptions")).result
    assert stopped.provenance.partial
    assert stopped.verdict.exit_code == 3
    assert [one.status for one in stopped.outcomes] == ["measured"] * 2 + ["skipped"] * 3
    assert read_result(tmp_path) == stopped

    def never(self: Check, artifacts: Artifacts) -> None:
        raise AssertionError("what was finished is not measured again")

    monkeypatch.setattr("auditkit.checks.robustness.pgd_linf.PgdLinf.measure", never)
    resumed = run(request(tmp_path, resume=True)).result
    assert timeless(resumed) == timeless(first)


def test_resume_never_takes_a_stale_answer(tmp_path: Path) -> None:
    run(request(tmp_path))
    changed = {**PARAMETERS, "pgd-linf": {"epsilons": [0.3], "steps": 5}}
    result = run(request(tmp_path, resume=True, policy=policy(parameters=changed))).result
    pgd = next(one for one in result.outcomes if one.check == "pgd-linf")
    assert any("epsilon=0.3" in one.id for one in pgd.findings)
    assert not any("epsilon=0.02" in one.id for one in pgd.findings)


def test_a_whole_run_needs_no_network(tmp_path: Path) -> None:
    small = tmp_path / "small.toml"
    small.write_text(
        "[parameters]\nattack-controls = {max_inputs = 5, steps = 5, queries = 20, draws = 4}\n"
        "attribution-trust = {max_inputs = 4}\nrobustness-curve = {max_inputs = 5, queries = 20}\n"
    )
    code = f"""
import socket, sys
def blocked(*args, **kwargs):
    raise AssertionError("the network was used")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = blocked
socket.create_connection = blocked
from auditkit.cli import cli
try:
    cli.main(["run", "digits-cnn", "--max-inputs", "20", "--workers", "1",
              "--policy", {str(small)!r}, "--out", {str(tmp_path)!r}, "--quiet"],
             standalone_mode=False)
except SystemExit as stop:
    assert stop.code in (0, 1, 3), stop.code
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "report.html").stat().st_size > 10_000
    statuses = {one.check: one.status for one in read_result(tmp_path).outcomes}
    assert "errored" not in statuses.values(), statuses
