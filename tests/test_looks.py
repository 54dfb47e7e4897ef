"""Mirrors auditkit/looks.py: audits that stop when their limits are decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from auditkit.checks.performance.clean_accuracy import CleanAccuracy
from auditkit.data.load import DataSpec, load_data
from auditkit.errors import ConfigError
from auditkit.findings import Finding, Outcome
from auditkit.looks import FACTOR, FEWEST, level_of_each, planned_looks
from auditkit.models.load import ModelSpec, load_model
from auditkit.plan import outcome_of
from auditkit.policy import Limit, Policy
from auditkit.reproduce import Question, reproduce
from auditkit.result import Execution, Result, read_result
from auditkit.run import Request, run
from auditkit.statistics import bootstrap_mean, clopper_pearson
from auditkit.types import Bools, Floats
from auditkit.verdict import judge, undecided_checks
from tests.published import needs

ACCURACY = "clean-accuracy/accuracy/all"
SURE = "selective/selective_accuracy/all/coverage=0.9,score=confidence"


# --- the plan of looks ---------------------------------------------------------------------------


@given(n=st.integers(1, 10**7))
def test_looks_grow_fourfold_up_to_everything(n: int) -> None:
    looks = planned_looks(n)
    assert looks[-1] == n
    assert len(looks) == 1 or looks[0] >= FEWEST
    assert looks[0] < FACTOR * FEWEST
    for fewer, more in pairwise(looks):
        assert fewer == -(-more // FACTOR)
    assert sum(looks[:-1]) <= looks[-1] / 3 + len(looks), "what is measured again stays little"


@given(level=st.floats(0.6, 0.999), looks=st.integers(1, 12))
def test_the_levels_of_all_looks_add_up(level: float, looks: int) -> None:
    assert looks * (1 - level_of_each(level, looks)) == pytest.approx(1 - level)


# --- whole audits --------------------------------------------------------------------------------


def audited(out: Path, *limits: Limit, **changes: Any) -> Result:
    settings = {
        "checks": ("clean-accuracy", "selective", "group-gap"),
        "max_inputs": 200,
        "limits": limits,
        **{name: value for name, value in changes.items() if name in Policy.model_fields},
    }
    request = Request(
        model=ModelSpec(source="digits-cnn"),
        policy=Policy.model_validate(settings),
        out=out,
        formats=("json",),
        execution=Execution(shard_size=50),
        workers=changes.get("workers", 1),
        resume=changes.get("resume", False),
    )
    return run(request, progress=changes.get("progress")).result


def of(result: Result, check: str) -> Outcome:
    return next(one for one in result.outcomes if one.check == check)


def finding(result: Result, name: str) -> Finding:
    return next(one for outcome in result.outcomes for one in outcome.findings if one.id == name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An audit in which one limit is clear at the first look and another one never."""
    made = tmp_path_factory.mktemp("looked")
    plain = audited(made / "plain")
    measured = finding(plain, SURE).value
    limits = Limit(finding=ACCURACY, min=0.5), Limit(finding=SURE, min=measured)
    audited(made / "looked", *limits, until_decided=True)
    return made


@pytest.fixture
def looked(folder: Path) -> Result:
    return read_result(folder / "looked")


def test_more_inputs_only_where_a_limit_is_open(looked: Result) -> None:
    given = {one.check: one.inputs for one in looked.outcomes}
    assert given == {"clean-accuracy": 50, "selective": 200, "group-gap": 50}
    assert looked.provenance.looks == [50, 200]
    assert looked.data.n == 200
    assert looked.verdict.status == "incomplete"
    said = " ".join(looked.verdict.notes)
    assert "2 checks with 50 inputs, 1 check with 200 inputs" in said
    assert "level 0.975" in said
    assert "at any of 2 looks" in said


@pytest.mark.parametrize(("check", "inputs"), [("clean-accuracy", 50), ("selective", 200)])
def test_a_look_is_an_ordinary_audit_of_its_inputs(
    looked: Result, tmp_path: Path, check: str, inputs: int
) -> None:
    alone = audited(tmp_path, checks=(check,), max_inputs=inputs, level=0.975)
    assert of(alone, check).findings == of(looked, check).findings


def test_records_leave_open_what_a_check_was_not_given(folder: Path, looked: Result) -> None:
    table = pd.read_parquet(folder / "looked" / "records.parquet")
    correct = table["clean-accuracy/correct"].dropna().to_numpy(dtype=float)
    assert len(table) == 200
    assert len(correct) == 50
    assert correct.mean() == finding(looked, ACCURACY).value
    assert len(table["selective/correct"].dropna()) == 200


def test_it_stops_where_everything_is_decided(tmp_path: Path) -> None:
    result = audited(tmp_path, Limit(finding=ACCURACY, min=0.5), until_decided=True)
    assert result.verdict.status == "pass"
    assert result.data.n == 50


def test_workers_and_a_resumed_run_give_the_same(folder: Path, tmp_path: Path) -> None:
    looked = read_result(folder / "looked")
    limits = (
        Limit(finding=ACCURACY, min=0.5),
        Limit(finding=SURE, min=finding(looked, SURE).value),
    )
    for changes in ({"workers": 2}, {"progress": _Told(interrupt_at=2)}, {"resume": True}):
        again = audited(tmp_path, *limits, until_decided=True, **changes)
        if "progress" in changes:
            assert again.provenance.partial
            assert again.verdict.exit_code == 3
            assert of(again, "selective").inputs == 50, "the first look stands"
            continue
        assert [one.findings for one in again.outcomes] == [one.findings for one in looked.outcomes]
        assert again.verdict == looked.verdict
        assert again.records == looked.records


class _Told:
    """Presses Ctrl-C when a look starts, and counts what is finished."""

    def __init__(self, interrupt_at: int | None = None) -> None:
        self.interrupt_at, self.looks, self.outcomes = interrupt_at, 0, 0

    def warned(self, doubt: str) -> None: ...

    def planned(self, plan: object) -> None:
        self.looks += 1
        if self.looks == self.interrupt_at:
            raise KeyboardInterrupt

    def checking(self, check: object) -> None: ...

    def stepped(self) -> None: ...

    def noted(self, incident: str, *, again: bool) -> None: ...

    def finished(self, outcome: object) -> None:
        self.outcomes += 1


@pytest.mark.parametrize(
    ("after", "given"),
    [
        (2, {"clean-accuracy": 50, "selective": 50, "group-gap": None}),
        (4, {"clean-accuracy": 200, "selective": 50, "group-gap": 50}),
    ],
    ids=["at the first look", "at the second look"],
)
def test_what_was_measured_before_the_budget_was_spent_stands(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    after: int,
    given: dict[str, int | None],
) -> None:
    told = _Told()
    monkeypatch.setattr("auditkit.run._Run.seconds", lambda _: 0.0 if told.outcomes < after else 99)
    plain = read_result(folder / "plain")
    limits = [Limit(finding=one, min=finding(plain, one).value) for one in (ACCURACY, SURE)]
    result = audited(tmp_path, *limits, budget=60.0, progress=told)
    measured = {one.check: one.inputs for one in result.outcomes if one.status == "measured"}
    assert measured == {check: inputs for check, inputs in given.items() if inputs}
    assert all(one.status == "skipped" for one in result.outcomes if one.check not in measured)
    assert result.verdict.status == "incomplete"


def test_it_needs_limits(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no limits are set"):
        audited(tmp_path, until_decided=True)
    other = Limit(finding="typos/accuracy/all", min=0.5, modality="text")
    with pytest.raises(ConfigError, match="no limits are set"):
        audited(tmp_path, other, until_decided=True)


def test_a_budget_without_limits_looks_once(tmp_path: Path) -> None:
    result = audited(tmp_path, checks=("clean-accuracy",), budget=600.0)
    assert result.data.n == 200
    assert result.provenance.looks == []
    assert finding(result, ACCURACY).level == 0.95


@pytest.mark.parametrize("name", [ACCURACY, SURE])
def test_findings_of_any_look_are_reproduced(folder: Path, name: str) -> None:
    question = Question(result=folder / "looked", finding=name, recompute=True)
    assert reproduce(question).reproduction.reproduced


# --- error rates and inputs saved ----------------------------------------------------------------

REPETITIONS = 1000
TAIL = 0.025  # of the level .95: how often a limit may be passed wrongly, or any failed wrongly
Sampled = Callable[[int, float], Finding]  # the finding of the first inputs at a level


def accepts(misses: int, nominal: float) -> bool:
    """Whether a simulated error rate is compatible with the nominal one (one-sided, 99 %)."""
    return float(stats.binom.sf(misses - 1, REPETITIONS, nominal)) >= 0.01


def tell(figure: str) -> None:
    """Show a figure under `pytest -s`."""
    print(figure)  # noqa: T201


def decided(n: int, sampled: Sequence[Sampled], limits: Sequence[Limit]) -> tuple[str, int]:
    """Return the verdict of a run that stops when all is decided, and after how many inputs.

    Every check has its own outcome, and is looked at again only while it is open.
    """
    looks = planned_looks(n)
    level = level_of_each(0.95, len(looks))
    policy = Policy(limits=tuple(limits))
    outcomes: list[Outcome] = []
    open_ = set(range(len(sampled)))
    for inputs in looks:
        for i in open_:
            one = sampled[i](inputs, level)
            outcome = outcome_of(CleanAccuracy(), status="measured", findings=[one])
            renamed = outcome.model_copy(update={"check": f"check-{i}", "inputs": inputs})
            outcomes = [*(o for o in outcomes if o.check != renamed.check), renamed]
        verdict = judge(
            outcomes, policy, modality="image", today=date(2026, 1, 1), looks=len(looks)
        )
        open_ = {int(check.removeprefix("check-")) for check in undecided_checks(verdict)}
        if not open_ or inputs == n:
            return verdict.status, inputs
    raise AssertionError("the last look is at everything")


def limited(i: int, **bound: float) -> Limit:
    return Limit(finding=f"check-{i}/*", **bound)  # type: ignore[arg-type]


def named(i: int, **numbers: Any) -> Finding:
    base = {"id": f"check-{i}/accuracy/all", "metric": "accuracy", "unit": "share"}
    return Finding(**base, better="higher", **numbers)  # type: ignore[arg-type]


def share_of(i: int, right: Bools) -> Sampled:
    def at(n: int, level: float) -> Finding:
        count = int(right[:n].sum())
        low, high = clopper_pearson(count, n, level=level)
        return named(
            i, value=count / n, n=n, low=low, high=high, level=level, interval="clopper-pearson"
        )

    return at


def mean_of(i: int, values: Floats, seed: int) -> Sampled:
    def at(n: int, level: float) -> Finding:
        low, high = bootstrap_mean(values[:n], seed=seed, level=level)
        mean = float(values[:n].mean())
        return named(i, value=mean, n=n, low=low, high=high, level=level, interval="bootstrap")

    return at


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "n"),
    [
        ("one share", 200),
        ("one share", 1000),
        ("one share", 10_000),
        ("five shares", 200),
        ("five shares", 1000),
        ("five shares", 10_000),
        ("a mean", 200),
        ("a mean", 1000),
        ("shares and means", 1000),
    ],
)
def test_wrong_verdicts_stay_at_their_rate(kind: str, n: int) -> None:
    """The truth stands exactly at every limit: a pass and a fail are both wrong."""
    rng = np.random.default_rng([n, len(kind)])
    wrong = Counter[str]()
    shares = {"one share": 1, "five shares": 5, "shares and means": 3}.get(kind, 0)
    means = {"a mean": 1, "shares and means": 2}.get(kind, 0)
    for repetition in range(REPETITIONS):
        sampled = [share_of(i, rng.random(n) < 0.8) for i in range(shares)]
        sampled += [mean_of(shares + i, rng.beta(2, 2, n), repetition) for i in range(means)]
        limits = [limited(i, min=0.8) for i in range(shares)]
        limits += [limited(shares + i, min=0.5) for i in range(means)]
        wrong[decided(n, sampled, limits)[0]] += 1
    tell(f"{kind}, n {n}: {dict(wrong)} of {REPETITIONS}")
    assert accepts(wrong["fail"], TAIL)
    assert accepts(wrong["pass"], TAIL)


@pytest.fixture(scope="module")
def answers() -> Bools:
    """Whether a built-in model answers each of 10,000 real images rightly."""
    model = load_model(ModelSpec(source="fashion-lenet5"))
    data = load_data(DataSpec(source="fashion-mnist"), model)
    right = [
        model.predict(torch.as_tensor(data.read(slice(i, i + 500)))).argmax(dim=1).numpy()
        == data.labels[i : i + 500]
        for i in range(0, len(data), 500)
    ]
    return np.concatenate(right)


@needs("fashion-mnist")
@pytest.mark.slow
def test_wrong_verdicts_on_a_real_model(answers: Bools) -> None:
    """Samples with replacement of all its answers: their mean is the truth."""
    rng = np.random.default_rng(0)
    truth, wrong = float(answers.mean()), Counter[str]()
    for _ in range(REPETITIONS):
        right = answers[rng.integers(0, len(answers), 1000)]
        wrong[decided(1000, [share_of(0, right)], [limited(0, min=truth)])[0]] += 1
    tell(f"accuracy {truth:.4f}: {dict(wrong)} of {REPETITIONS}")
    assert accepts(wrong["fail"], TAIL)
    assert accepts(wrong["pass"], TAIL)


@needs("fashion-mnist")
@pytest.mark.slow
@pytest.mark.parametrize("margin", [-0.09, -0.05, 0.05, 0.1, 0.2, 0.3])
def test_inputs_saved_on_a_real_model(answers: Bools, margin: float) -> None:
    """A limit that is clearly met or missed takes at most a third of the inputs."""
    rng = np.random.default_rng(0)
    limit = limited(0, min=float(answers.mean()) - margin)
    spent: list[int] = []
    for _ in range(200):
        right = answers[rng.integers(0, len(answers), 1000)]
        looks, (_, last) = planned_looks(1000), decided(1000, [share_of(0, right)], [limit])
        spent.append(sum(one for one in looks if one <= last))
    tell(f"margin {margin:+.2f}: {1000 / np.mean(spent):.1f} times fewer inputs")
    if abs(margin) >= 0.09:
        assert 1000 / np.mean(spent) >= 3
