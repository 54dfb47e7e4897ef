"""Mirrors auditkit/policy.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from auditkit.checks.catalogue import find_check
from auditkit.errors import ConfigError
from auditkit.policy import SUITES, Limit, load_policy, read_suite

OWN = """
suite = "quick"
max_inputs = 50

[parameters.pgd-linf]
steps = 7

[[limits]]
finding = "pgd-linf/robust_accuracy/*"
min = 0.3
"""


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(text: str, name: str = "audit.toml") -> Path:
    Path(name).write_text(text, encoding="utf-8")
    return Path(name)


@pytest.mark.parametrize("suite", SUITES)
def test_ratings_of_suites_ask_for_numbers_that_exist(suite: str) -> None:
    ratings = load_policy(suite=suite).ratings
    assert ratings
    for one in ratings:
        metrics = find_check(one.check).meta.metrics
        assert {limit.metric for limit in one.limits} <= set(metrics)
        for limit in one.limits:
            assert metrics[limit.metric].better == ("lower" if limit.min is None else "higher")


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_is_a_valid_policy_with_limits(suite: str) -> None:
    policy = load_policy(suite=suite)
    assert policy.suite == suite
    assert policy.limits, "a first run has a verdict"
    assert policy.controls, "controls have limits"
    for limit in (*policy.limits, *policy.controls):
        assert limit.reason, f"{limit.finding} says why"


def test_own_settings_override_the_suite_key_by_key() -> None:
    policy = load_policy(written(OWN))
    assert policy.max_inputs == 50
    assert [one.finding for one in policy.limits] == ["pgd-linf/robust_accuracy/*"]
    assert policy.parameters["pgd-linf"]["steps"] == 7
    preset = read_suite("quick")["parameters"]["pgd-linf"]
    assert {**policy.parameters["pgd-linf"], "steps": None} == {**preset, "steps": None}


def test_files_in_the_current_folder_are_found() -> None:
    assert load_policy().max_inputs == read_suite("quick")["max_inputs"]
    written("[tool.other]\na = 1\n[tool.audit]\nmax_inputs = 61\n", "pyproject.toml")
    assert load_policy().max_inputs == 61
    written(OWN)
    assert load_policy().max_inputs == 50


def test_the_flag_beats_the_file() -> None:
    policy = load_policy(written(OWN), suite="deep")
    assert policy.suite == "deep"


def test_none_judges_nothing_and_reads_no_file() -> None:
    written(OWN)
    policy = load_policy("none")
    assert policy.limits == ()
    assert policy.max_inputs == read_suite("quick")["max_inputs"]


def test_selecting_checks_drops_recommended_limits_on_others_but_never_own_ones() -> None:
    policy = load_policy(checks=["clean-accuracy"])
    assert policy.checks == ("clean-accuracy",)
    assert {one.finding.split("/")[0] for one in policy.limits} == {"clean-accuracy"}
    policy = load_policy(written(OWN), checks=["clean-accuracy"])
    assert [one.finding for one in policy.limits] == ["pgd-linf/robust_accuracy/*"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_input = 3\n", "audit.toml:1: unknown key 'max_input'. Did you mean 'max_inputs'?"),
        ("\nsuite = 'quik'\n", "There is no suite 'quik'; there are quick, standard, deep. Did"),
        ("max_inputs = 0\n", "audit.toml:1: max_inputs: Input should be greater than or equal"),
        ("[[limits]]\nfinding = 'a/b'\n", "give either min or max"),
        ("[[limits]]\nfinding = 'a/b'\nmin = 1\nmax = 2\n", "give either min or max"),
        ("[[waivers]]\nfinding = 'a'\nreason = 'b'\nowner = 'c'\n", "waivers.0.expires"),
        ("budget = '10 minutes'\n", "audit.toml:1: budget:"),
        ("a = [\n", "audit.toml is not TOML"),
    ],
)
def test_errors_name_file_line_and_near_miss(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_policy(written(text))
    assert said in error.value.message


def test_a_missing_policy_file_says_what_to_type() -> None:
    with pytest.raises(ConfigError, match=r"There is no policy file nowhere\.toml") as error:
        load_policy("nowhere.toml")
    assert "audit init" in error.value.hint


def test_durations() -> None:
    assert load_policy(written("budget = '90s'\n")).budget == 90
    assert load_policy(written("budget = '2h'\n")).budget == 7200


@pytest.mark.parametrize(
    "bounds", [{}, {"min": 0.1, "max_drop_against": 0.1}, {"max_drop_against": -0.1}]
)
def test_a_limit_has_one_bound_and_no_drop_is_negative(bounds: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Limit(finding="a/b/all", **bounds)  # type: ignore[arg-type]
