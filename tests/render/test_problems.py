"""Mirrors auditkit/render/problems.py."""

from __future__ import annotations

from auditkit.render.problems import problems
from auditkit.result import Judgement, Result, Verdict, to_json
from tests.render.sample import image_result, text_result


def verdict_of(result: Result, *judgements: Judgement) -> Result:
    verdict = result.verdict.model_copy(update={"decided_by": list(judgements)})
    return result.model_copy(update={"verdict": verdict})


def test_each_limit_that_is_not_met_is_a_problem_and_waived_ones_are_none() -> None:
    found = problems(image_result())
    assert [(one.check, one.judgement.status) for one in found] == [
        ("pgd-linf", "fail"),
        ("group-gap", "incomplete"),
        ("fgsm-linf", "incomplete"),
    ]
    assert problems(text_result()) == []


def test_a_limit_of_a_policy_stands_on_its_line_and_others_in_the_result() -> None:
    result = image_result()
    ours, shipped, missing = problems(result)
    assert (ours.place.file, ours.place.line, ours.in_policy) == ("audit.toml", 12, True)
    assert shipped.place.file == missing.place.file == "reports/digits-cnn/result.json"
    assert not shipped.in_policy
    lines = to_json(result).splitlines()
    assert lines[shipped.place.line - 1].strip() == '"id": "group-gap/gap/brightness",'
    assert lines[missing.place.line - 1].strip() == '"check": "fgsm-linf",'


def test_a_windows_path_keeps_its_colon_and_a_broken_place_is_not_used() -> None:
    one = image_result().verdict.decided_by[0]
    moved = [one.model_copy(update={"place": text}) for text in ("C:\\a.toml:7", "a.toml", "x:-1")]
    found = problems(verdict_of(image_result(), *moved))
    assert (found[0].place.file, found[0].place.line) == ("C:\\a.toml", 7)
    assert {one.place.file for one in found[1:]} == {"reports/digits-cnn/result.json"}


def test_a_verdict_without_judgements_leaves_a_problem_unless_it_is_a_pass() -> None:
    for status, expected in (("fail", 1), ("incomplete", 1), ("pass", 0), ("not_judged", 0)):
        verdict = Verdict.model_validate(
            {"status": status, "exit_code": 0, "sentence": "Said.", "decided_by": []}
        )
        result = text_result().model_copy(update={"verdict": verdict})
        assert len(problems(result)) == expected, status


def test_fingerprints_tell_limits_apart_and_outlive_new_numbers() -> None:
    found = problems(image_result())
    assert len({one.fingerprint for one in found}) == len(found)
    one = image_result().verdict.decided_by[0]
    later = one.model_copy(update={"place": "audit.toml:90", "low": 0.1, "reason": "another"})
    assert problems(verdict_of(image_result(), later))[0].fingerprint == found[0].fingerprint
