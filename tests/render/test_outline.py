"""Mirrors auditkit/render/outline.py."""

from __future__ import annotations

from auditkit.render import outline
from auditkit.result import Judgement, Verdict
from tests.render.sample import image_result, text_result


def test_the_worst_family_and_the_worst_check_come_first() -> None:
    chapters = outline.chapters(image_result())
    order = [(one.family, one.first.standing) for one in chapters]
    assert order == [
        ("robustness", "fail"),
        ("bias", "incomplete"),
        ("calibration", "waived"),
        ("performance", "pass"),
        ("shift", "unjudged"),
        ("attribution", "unjudged"),
    ]
    assert [one.standing for one in chapters[0].readings] == [
        "fail", "incomplete", "errored", "not_applicable",
    ]  # fmt: skip
    assert chapters[0].counts[0] == ("fail", 1)


def test_a_required_check_that_was_skipped_is_incomplete_not_skipped() -> None:
    readings = {one.outcome.check: one for one in outline.readings(image_result())}
    assert readings["fgsm-linf"].standing == "incomplete"
    assert readings["robustness-curve"].standing == "errored"
    assert not readings["fgsm-linf"].has_run


def test_nothing_counts_as_passed_unless_a_limit_was_met() -> None:
    result = image_result()
    nothing = Verdict(status="not_judged", exit_code=0, sentence="No limits.", decided_by=[])
    standings = {
        one.standing for one in outline.readings(result.model_copy(update={"verdict": nothing}))
    }
    assert standings == {"unjudged", "errored", "skipped", "not_applicable"}


def test_the_headline_of_a_failed_check_is_what_failed() -> None:
    result = image_result()
    failed = "pgd-linf/attack_success_rate/all/epsilon=0.2"
    verdict = result.verdict.model_copy(
        update={
            "decided_by": [
                Judgement(limit="rate <= 0.1", finding=failed, status="fail", reason="no"),
                Judgement(
                    limit="x", finding="pgd-linf/robust_accuracy/all/epsilon=0", status="pass",
                    reason="yes",
                ),
            ]
        }
    )  # fmt: skip
    judged = outline.readings(result.model_copy(update={"verdict": verdict}))
    reading = next(one for one in judged if one.outcome.check == "pgd-linf")
    assert reading.headline is not None
    assert reading.headline.id == failed


def test_what_matters_most_is_what_failed_then_what_is_open_then_what_is_surely_wrong() -> None:
    checks = [one.reading.outcome.check for one in outline.matters_most(image_result())]
    assert checks == ["pgd-linf", "group-gap", "corruptions"]
    passed = [one.reading.outcome.check for one in outline.matters_most(text_result())]
    assert passed == ["token-swap", "clean-accuracy", "text-attribution-trust"]


def told(*headlines: tuple[str, str, str, float, float]) -> list[str]:
    """Return the order of checks given as (id, family, metric, low, high); higher is better."""
    result = image_result()
    first = result.outcomes[0]
    finding = first.findings[0]
    outcomes = [
        first.model_copy(
            update={
                "check": check, "family": family, "headline": f"{check}/x", "evidence": {},
                "findings": [
                    finding.model_copy(
                        update={"id": f"{check}/x", "metric": metric, "value": (low + high) / 2,
                                "low": low, "high": high}
                    )
                ],
            }
        )
        for check, family, metric, low, high in headlines
    ]  # fmt: skip
    nothing = Verdict(status="not_judged", exit_code=0, sentence="", decided_by=[])
    bare = result.model_copy(update={"outcomes": outcomes, "verdict": nothing})
    return [one.reading.outcome.check for one in outline.matters_most(bare, at_most=9)]


def test_a_wide_interval_is_no_bad_news() -> None:
    sure, vague = ("sure", "robustness", "acc", 0.7, 0.8), ("vague", "shift", "acc", 0.2, 0.95)
    assert told(vague, sure) == ["sure", "vague"]


def test_explanations_and_proofs_come_after_wrong_answers() -> None:
    order = told(
        ("flips", "attribution", "acc", 0, 0.1),
        ("proved", "robustness", "certified_accuracy", 0, 0.1),
        ("clean", "performance", "acc", 0.9, 0.95),
        ("perfect", "shift", "acc", 0.9, 1),
    )
    assert order == ["clean", "perfect", "flips", "proved"]


def test_one_weakness_takes_two_places_at_most() -> None:
    attacks = [(f"attack-{i}", "robustness", "acc", 0.1 * i, 0.1 * i) for i in range(4)]
    assert told(*attacks, ("gap", "bias", "acc", 0.8, 0.9))[:3] == ["attack-0", "attack-1", "gap"]


def test_of_unjudged_checks_what_is_surely_wrong_stands_for_the_family() -> None:
    result = image_result()
    first = next(one for one in result.outcomes if one.check == "corruptions")
    worse = [
        one.model_copy(update={"id": one.id.replace("corruptions/", "worse/"), "value": 0.1,
                               "low": 0.05, "high": 0.2})
        for one in first.findings
    ]  # fmt: skip
    assert first.headline is not None
    other = first.model_copy(
        update={"check": "worse", "findings": worse,
                "headline": first.headline.replace("corruptions/", "worse/")}
    )  # fmt: skip
    shift = next(
        one
        for one in outline.chapters(
            result.model_copy(update={"outcomes": [*result.outcomes, other]})
        )
        if one.family == "shift"
    )
    assert [one.outcome.check for one in shift.readings] == ["worse", "corruptions"]


def test_a_check_that_passed_tells_its_own_headline_not_its_limit_s() -> None:
    result = text_result()
    reading = next(one for one in outline.readings(result) if one.outcome.check == "token-swap")
    (insight,) = [
        one for one in outline.matters_most(result) if one.reading.outcome == reading.outcome
    ]
    assert reading.standing == "pass"
    assert insight.finding.id == reading.outcome.headline


def test_marks_name_waivers_and_a_judgement_counts_once() -> None:
    result = image_result()
    readings = {one.outcome.check: one for one in outline.readings(result)}
    waived = readings["calibration-error"]
    assert waived.headline is not None
    assert waived.marks_on(waived.headline) == [("waived", "ece <= 0.03", "at most 3 %")]
    twice = result.verdict.model_copy(
        update={"passed": [*result.verdict.passed, *result.verdict.decided_by]}
    )
    once = outline.judgements(result)
    assert outline.judgements(result.model_copy(update={"verdict": twice})) == once
    assert [one.status for one in once] == ["fail", "incomplete", "incomplete", "pass"]


def test_a_pass_was_decided_by_the_limits_that_were_met() -> None:
    assert [one.about for one in outline.decisions(text_result())] == [
        "Accuracy",
        "Robust accuracy at swaps 1",
    ]


def test_what_gave_no_number_is_listed_errored_first() -> None:
    untested = [one.outcome.check for one in outline.untested(image_result())]
    assert untested == ["robustness-curve", "fgsm-linf", "token-swap"]
