"""Mirrors auditkit/render/words.py."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.findings import Finding, Metric
from auditkit.render import words
from auditkit.result import BoundKind, Judgement, Verdict, read_result
from tests.golden.update import EXAMPLES
from tests.render.sample import clean_accuracy, image_result, pgd, provenance, share, value


def the(outcome, finding_id: str) -> Finding:
    return next(one for one in outcome.findings if one.id == finding_id)


@given(st.floats(0, 1, exclude_min=True, exclude_max=True, allow_subnormal=False))
def test_only_nothing_reads_as_0_and_only_everything_as_100_percent(share: float) -> None:
    text = words.number(share, "share")
    assert text.endswith(" %")
    if 1e-8 < share < 1 - 1e-8:
        assert float(text.removesuffix(" %")) not in (0, 100)
        assert float(text.removesuffix(" %")) == pytest.approx(100 * share, abs=0.05)


def test_how_many_parameters_there_are_may_be_unknown() -> None:
    model = image_result().model
    assert words.parameters_of(model) == "77,546 parameters"
    unknown = model.model_copy(update={"parameters": None})
    assert words.parameters_of(unknown) == "number of parameters unknown"


@given(st.floats(-1e6, 1e6))
def test_other_numbers_keep_three_digits(number: float) -> None:
    text = words.number(number, "nats")
    assert text.endswith(" nats")
    read = float(text.removesuffix(" nats").replace(",", ""))
    assert read == pytest.approx(number, rel=0.005, abs=1e-300)


def test_numbers_read_as_people_write_them() -> None:
    assert words.number(0.615, "share") == "61.5 %"
    assert words.span(0.55, 0.677, "share") == "55.0 to 67.7 %"
    assert words.number(0, "share") == "0 %"
    assert words.number(1, "share") == "100 %"
    assert words.number(-0.0962, "share") == "-9.6 %"
    assert words.number(0.0713, "input units") == "0.0713 input units"
    assert words.number(77546) == "77,546"
    assert words.number(0.031, "p-value") == "0.0310"
    assert words.number(0.0000123) == "1.23e-05"


@given(st.text())
def test_a_clean_text_cannot_act(text: str) -> None:
    cleaned = words.clean(text)
    kinds = {unicodedata.category(c) for c in cleaned if c not in "\n\t\u200c\u200d"}
    assert not kinds & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    cleaned.encode()
    assert words.clean(cleaned) == cleaned


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S"])))
def test_a_clean_text_keeps_what_people_write(text: str) -> None:
    assert words.clean(text) == text


@pytest.mark.parametrize("joiner", ["\u200c", "\u200d"])
def test_a_joiner_stays_where_it_joins(joiner: str) -> None:
    escaped = ascii(joiner)[1:-1]
    assert words.clean(f"ب{joiner}ب 👩{joiner}💻") == f"ب{joiner}ب 👩{joiner}💻"
    for before, after in [("", ""), ("a", ""), ("a", " b"), (" ", "b"), ("\u200b", "b")]:
        assert words.clean(before + joiner + after) == words.clean(before) + escaped + after


def test_a_line_is_one_line_and_a_short_one_is_short() -> None:
    assert words.line("a\n b\t\u2028c") == "a b \\u2028c"
    assert words.short("abcdef", 4) == "abc…"
    assert words.short("abcd", 4) == "abcd"


def test_a_finding_becomes_a_sentence() -> None:
    outcome = pgd()
    finding = the(outcome, "pgd-linf/robust_accuracy/all/epsilon=0.1")
    assert words.statement(outcome, finding) == (
        "Robust accuracy at epsilon 0.1 is 30.5 % (95 % interval 24.2 to 37.4 %), n = 200."
    )
    assert words.fixed_settings(outcome) == [("restarts", "1"), ("steps", "40")]


def test_an_undefined_finding_says_why_and_names_its_slice() -> None:
    outcome = clean_accuracy()
    finding = the(outcome, "clean-accuracy/recall/class=9")
    assert words.statement(outcome, finding) == (
        "Recall for class=9 is undefined: no input belongs to its denominator, n = 0."
    )


def test_named_settings_stand_in_parentheses_and_grey_levels_as_fractions() -> None:
    finding = share("c", "m", 1, 2, swept={"corruption": "jpeg", "severity": 3})
    outcome = clean_accuracy().model_copy(
        update={"metrics": {"m": Metric(label="m", definition="", unit="share", better="lower")}}
    )
    assert words.subject(outcome, finding) == "M (jpeg, severity 3)"
    assert words.scalar(8 / 255, "epsilon") == "8/255"
    assert words.scalar(8 / 255, "temperature") == "0.0314"
    assert words.scalar(0.2, "epsilon") == "0.2"


def test_what_matters_is_said_for_readers_outside_the_field() -> None:
    outcome = pgd()
    finding = the(outcome, "pgd-linf/robust_accuracy/all/epsilon=0.1")
    metric = outcome.metrics["robust_accuracy"]

    def said(plain: str) -> str:
        metrics = {"robust_accuracy": metric.model_copy(update={"plain": plain})}
        return words.plainly(outcome.model_copy(update={"metrics": metrics}), finding)

    assert said("changed by {epsilon}, {value} stay right") == (
        "Changed by 0.1, 30.5 % stay right (95 % interval 24.2 to 37.4 %), n = 200."
    )
    assert said("") == said("a {setting} that is not swept") == words.statement(outcome, finding)
    assert "{value.__class__:>9999}" in said("{value.__class__:>9999} is no name")


@pytest.mark.parametrize("result", EXAMPLES, ids=lambda one: one.parent.name)
def test_plain_sentences_name_settings_that_are_swept(result: Path) -> None:
    plain = [
        words.plainly(outcome, finding)
        for outcome in read_result(result).outcomes
        for finding in outcome.findings
        if outcome.metrics[finding.metric].plain and finding.value is not None
    ]
    assert plain
    assert not [one for one in plain if "{" in one]
    statements = [
        words.statement(outcome, finding)
        for outcome in read_result(result).outcomes
        for finding in outcome.findings
    ]
    assert not set(plain) & set(statements)


def test_a_null_band_is_not_called_an_interval() -> None:
    finding = value("c", "ece", 0.04, (0.01, 0.03), n=9, unit="share", method="null-band")
    assert words.range_of(finding) == "by chance alone 1.0 to 3.0 %"
    plain = value("c", "ece", 0.04, None, n=9, unit="share")
    assert words.range_of(plain) == ""


def test_an_open_limit_says_how_many_inputs_it_needs_and_that_this_is_a_guess() -> None:
    judgement = Judgement(
        limit="x >= 1", finding="f", status="incomplete", reason="open", needs_n=1200
    )
    assert words.reason_of(judgement) == "open: needs about 1,200 inputs (an extrapolation)"
    said = judgement.model_copy(update={"reason": "open: needs about 1,200 inputs"})
    assert words.reason_of(said) == "open: needs about 1,200 inputs (an extrapolation)"
    decided = judgement.model_copy(update={"status": "fail"})
    assert words.reason_of(decided) == "open"


@pytest.mark.parametrize(
    ("bound", "bound_is", "unit", "said"),
    [
        (0.3, "min", "share", "at least 30 %"),
        (0.12345, "max", "share", "at most 12.345 %"),  # never rounded
        (0.01, "max", "share difference", "at most 1 point"),
        (0.05, "max_drop_against", "share", "worse than the reference by at most 5 points"),
        (1500, "max", "ms", "at most 1,500 ms"),
        (None, None, "share", "x >= 1"),  # a result that does not keep it
    ],
)
def test_a_limit_is_said_in_the_unit_of_the_finding(
    bound: float | None, bound_is: BoundKind | None, unit: str, said: str
) -> None:
    judgement = Judgement(
        limit="x >= 1", finding="f", status="pass", reason="met", bound=bound, bound_is=bound_is
    )
    assert words.limit(judgement, unit) == said


def test_the_interval_of_a_drop_of_percentages_is_in_points() -> None:
    judgement = Judgement(
        limit="x", finding="f", status="pass", reason="met", low=0.01, high=0.03,
        bound=0.05, bound_is="max_drop_against",
    )  # fmt: skip
    assert words.judged_interval(judgement, "share") == "1.0 to 3.0 points"
    plain = judgement.model_copy(update={"bound_is": "max"})
    assert words.judged_interval(plain, "share") == "1.0 to 3.0 %"


def test_the_verdict_word_is_not_said_twice() -> None:
    verdict = Verdict(status="fail", exit_code=1, sentence="Fail: it broke.", decided_by=[])
    assert words.verdict_sentence(verdict) == "It broke."
    other = verdict.model_copy(update={"sentence": "It broke."})
    assert words.verdict_sentence(other) == "It broke."


def test_a_fail_says_how_many_limits_are_open() -> None:
    one = Judgement(limit="x >= 1", finding="f", status="fail", reason="no")
    two = one.model_copy(update={"status": "incomplete"})
    verdict = Verdict(
        status="fail", exit_code=1, sentence="Fail: 1 limit missed.", decided_by=[one, two]
    )
    assert words.verdict_sentence(verdict) == "1 limit missed. 1 is not decided."


def test_the_command_that_runs_one_check_again_is_quoted() -> None:
    made = provenance("audit run digits-cnn --suite quick")
    assert words.replay(made, "pgd-linf") == "audit run digits-cnn --suite quick --check pgd-linf"
    assert words.replay(made, "a; rm x").endswith("--check 'a; rm x'")
    chosen = provenance("audit run digits-cnn --check attribution-trust")
    assert (
        words.replay(chosen, "attribution-trust")
        == "audit run digits-cnn --check attribution-trust"
    )


def test_settings_name_what_was_fixed_what_was_swept_and_lists_of_the_policy() -> None:
    result = image_result()
    outcome = next(one for one in result.outcomes if one.check == "pgd-linf")
    policy = {
        "parameters": {"pgd-linf": {"epsilons": [0.1, 8 / 255], "steps": 7, "odd": ({}, None)}}
    }
    changed = result.model_copy(
        update={"provenance": result.provenance.model_copy(update={"policy": policy})}
    )
    found = dict(words.all_settings(changed, outcome))
    assert found["epsilons"] == "0.1, 8/255"
    assert found["odd"] == "{}, undefined"
    assert found["epsilon"].startswith("0, ")
    assert dict(words.fixed_settings(outcome)).items() <= found.items()
    assert "epsilons" not in dict(words.all_settings(result, outcome))
    none = result.provenance.model_copy(update={"policy": {"parameters": [1]}})
    words.all_settings(result.model_copy(update={"provenance": none}), outcome)


def test_a_plural_has_its_verb() -> None:
    outcome = image_result().outcomes[0]
    finding = outcome.findings[0]

    def said(label: str) -> str:
        metric = outcome.metrics[finding.metric].model_copy(update={"label": label})
        named = outcome.model_copy(update={"metrics": {finding.metric: metric}})
        return words.statement(named, finding)

    assert said("answers that change").startswith("Answers that change are ")
    assert said("loss of accuracy").startswith("Loss of accuracy is ")
    assert said("bias amplification").startswith("Bias amplification is ")
