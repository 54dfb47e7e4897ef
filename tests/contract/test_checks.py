"""What every check has to keep, whatever it measures."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import torch

from auditkit.checks.base import Check, Context, Measured, NotApplicable, Records
from auditkit.checks.catalogue import BUILT_IN, catalogue
from auditkit.explain import check_page
from auditkit.findings import Finding
from auditkit.statistics import LEVEL
from tests.subjects import Subject, measured, recorded

ROOT = Path(__file__).parents[2]
CHECKS = pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.meta.id)


def test_module(kind: type[Check]) -> ModuleType:
    stem = kind.meta.id.replace("-", "_")
    return importlib.import_module(f"tests.checks.{kind.meta.family}.test_{stem}")


test_module.__test__ = False  # type: ignore[attr-defined]


@cache
def records(kind: type[Check], which: str) -> tuple[Records, Context]:
    module = test_module(kind)
    found = recorded(module.CHECK, getattr(module, which)())
    assert not isinstance(found, NotApplicable), found
    return found


@cache
def outcome(kind: type[Check], which: str, level: float = LEVEL) -> Measured:
    merged, context = records(kind, which)
    found = test_module(kind).CHECK.summarise(merged, replace(context, level=level))
    assert isinstance(found, Measured), found
    return found


@CHECKS
def test_one_name_everywhere(kind: type[Check]) -> None:
    name, family = kind.meta.id, kind.meta.family
    stem = name.replace("-", "_")
    assert Path(inspect.getfile(kind)) == ROOT / "auditkit" / "checks" / family / f"{stem}.py"
    assert kind.__name__ == "".join(part.capitalize() for part in name.split("-"))
    assert (ROOT / "tests" / "checks" / family / f"test_{stem}.py").is_file()
    page = ROOT / "docs" / "reference" / "checks" / f"{name}.md"
    assert page.read_text(encoding="utf-8") == check_page(name), "run: python docs/generate.py"


def test_no_check_is_left_out_of_the_catalogue() -> None:
    files = {
        path.stem.replace("_", "-")
        for path in (ROOT / "auditkit" / "checks").glob("*/*.py")
        if not path.stem.startswith("_")
    }
    assert files == set(catalogue())


@CHECKS
def test_words(kind: type[Check]) -> None:
    meta = kind.meta
    module = inspect.getmodule(kind)
    assert module is not None
    assert (module.__doc__ or "").splitlines()[0] == meta.question
    assert meta.question.endswith("?")
    assert meta.explanation
    assert meta.not_shown
    assert meta.remedy
    for metric in meta.metrics.values():
        assert metric.definition.endswith("."), metric.label
        assert metric.label == metric.label.lstrip()


@CHECKS
def test_broken_is_told_from_sound(kind: type[Check]) -> None:
    """No constant can satisfy this: the same metric must be worse where the flaw is."""
    metric = test_module(kind).REVEALS
    broken = first_defined(outcome(kind, "broken"), metric)
    sound = first_defined(outcome(kind, "sound"), metric)
    assert broken.better != "neither"
    worse = broken.value < sound.value if broken.better == "higher" else broken.value > sound.value  # type: ignore[operator]
    assert worse, f"{metric}: broken {broken.value}, sound {sound.value}"


def first_defined(outcome: Measured, metric: str) -> Finding:
    """Return the finding of a metric that stands for the check, or else the first defined one."""
    defined = [one for one in outcome.findings if one.metric == metric and one.value is not None]
    return next((one for one in defined if one.id == outcome.headline), defined[0])


@CHECKS
def test_findings_are_whole(kind: type[Check]) -> None:
    for which in ("broken", "sound"):
        result = outcome(kind, which)
        ids = [one.id for one in result.findings]
        assert len(ids) == len(set(ids)), "finding ids are unique"
        for one in result.findings:
            assert one.id.startswith(f"{kind.meta.id}/{one.metric}/")
            assert one.metric in kind.meta.metrics
            assert one.value is None or one.n > 0
            assert set(one.evidence) <= set(result.evidence)
            others = [name for name in one.controls if name not in ids]
            controllers = {name.split("/")[0] for name in others}
            assert controllers <= set(kind.meta.controlled_by), "controls run along"
            if one.low is not None and one.high is not None and one.value is not None:
                assert one.low - 1e-9 <= one.value <= one.high + 1e-9, one.id
        assert any(fnmatchcase(one, kind.meta.headline) for one in ids), kind.meta.headline


@CHECKS
def test_intervals_have_the_level_that_is_asked_for(kind: type[Check]) -> None:
    usual = {one.id: one for one in outcome(kind, "sound").findings}
    for one in outcome(kind, "sound", 0.99).findings:
        if one.low is None or one.high is None or one.interval == "exact":
            continue
        assert one.level >= 0.99, one.id
        other = usual[one.id]
        assert other.low is not None
        assert other.high is not None
        if one.value != other.value:  # it counts alarms, which are raised at the level
            continue
        assert one.low <= other.low + 1e-9, one.id
        assert one.high >= other.high - 1e-9, one.id


@CHECKS
def test_another_run_in_shards_changes_neither_numbers_nor_model(kind: type[Check]) -> None:
    whole = outcome(kind, "sound")
    subject: Subject = test_module(kind).sound()
    network = subject.model.module
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.random.get_rng_state()
    again = measured(test_module(kind).CHECK, subject, shard_size=7)
    assert torch.equal(torch.random.get_rng_state(), state), "global random state was used"
    assert not network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    for part in network.modules():
        assert not part._forward_hooks
        assert not part._backward_hooks
    assert not any(p.requires_grad or p.grad is not None for p in network.parameters())
    assert [one.id for one in again.findings] == [one.id for one in whole.findings]
    for new, old in zip(again.findings, whole.findings, strict=True):
        assert new.n == old.n
        for end in ("value", "low", "high"):
            assert getattr(new, end) == pytest.approx(getattr(old, end), abs=1e-5), new.id
