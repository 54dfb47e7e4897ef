"""Mirrors auditkit/render/junit.py."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from auditkit.render.junit import render_junit
from auditkit.result import Judgement, Result, Verdict
from tests.render.hostile import hostile
from tests.render.sample import image_result, text_result


def cases(result: Result) -> dict[str, ElementTree.Element]:
    root = ElementTree.fromstring(render_junit(result))
    return {case.get("name", ""): case for case in root.iter("testcase")}


def outcome(case: ElementTree.Element) -> tuple[str, str | None] | None:
    return (case[0].tag, case[0].get("type")) if len(case) else None


def test_each_limit_is_a_case_and_only_a_met_one_passes() -> None:
    found = {name: outcome(case) for name, case in cases(image_result()).items()}
    assert found == {
        "digits-cnn on digits": ("failure", "fail"),
        "accuracy >= 0.9 [clean-accuracy/accuracy/all]": None,
        "robust_accuracy >= 0.5 [pgd-linf/robust_accuracy/all/epsilon=0.1]": ("failure", "fail"),
        "fgsm-linf is required [fgsm-linf]": ("failure", "incomplete"),
        "gap <= 0.15 [group-gap/gap/brightness]": ("failure", "incomplete"),
        "ece <= 0.03 [calibration-error/ece/all]": ("skipped", None),
        "robustness-curve runs": ("skipped", None),
        "fgsm-linf runs": ("skipped", None),
        "token-swap runs": ("skipped", None),
    }


def test_a_check_that_errored_is_an_error_only_where_a_limit_needs_it() -> None:
    """An optional check that errored leaves verdict and exit code alone, and so CI too."""
    plain = image_result()
    needed = Judgement(
        limit="robustness-curve is required",
        finding="robustness-curve",
        status="incomplete",
        reason="-",
    )
    decided = [*plain.verdict.decided_by, needed]
    verdict = plain.verdict.model_copy(update={"decided_by": decided})
    found = cases(plain.model_copy(update={"verdict": verdict}))
    assert outcome(found["robustness-curve runs"]) == ("error", "errored")


def test_the_counts_are_those_of_the_cases() -> None:
    root = ElementTree.fromstring(render_junit(image_result()))
    for element in root.iter():
        if element.tag in ("testsuites", "testsuite"):
            for name, tag in (("tests", "testcase"), ("failures", "failure"),
                              ("errors", "error"), ("skipped", "skipped")):  # fmt: skip
                assert int(element.get(name, "-1")) == len(list(element.iter(tag)))


@pytest.mark.parametrize(
    ("status", "expected"),
    [("pass", None), ("fail", "failure"), ("incomplete", "failure"), ("not_judged", "skipped")],
)
def test_the_verdict_is_a_case_of_its_own(status: str, expected: str | None) -> None:
    verdict = Verdict.model_validate(
        {"status": status, "exit_code": 0, "sentence": "Said.", "decided_by": []}
    )
    result = text_result().model_copy(update={"verdict": verdict})
    said = outcome(cases(result)["phrases-transformer on phrases"])
    assert (said[0] if said else None) == expected


def test_a_limit_on_a_check_that_is_missing_does_not_vanish() -> None:
    judgement = Judgement(
        limit="the whole audit", finding="*", status="incomplete", reason="interrupted"
    )
    verdict = Verdict(status="incomplete", exit_code=3, sentence="Said.", decided_by=[judgement])
    result = text_result().model_copy(update={"verdict": verdict})
    assert outcome(cases(result)["the whole audit [*]"]) == ("failure", "incomplete")


@pytest.mark.parametrize("result", [image_result, text_result])
def test_hostile_names_give_valid_xml_with_the_same_cases(result) -> None:
    text = render_junit(hostile(result()))
    text.encode()
    ElementTree.fromstring(text)
    tags = [one.tag for one in ElementTree.fromstring(text).iter()]
    assert tags == [one.tag for one in ElementTree.fromstring(render_junit(result())).iter()]
