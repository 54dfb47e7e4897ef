"""Result to JUnit XML: one test case per limit, so that any CI shows what failed.

What is incomplete is a failure of that type, never a pass.
"""

from __future__ import annotations

from xml.etree import ElementTree

from auditkit.findings import Finding, Outcome
from auditkit.render import outline, words
from auditkit.result import Judgement, Result, Waived


def render_junit(result: Result) -> str:
    """Return the XML text; the same result always gives the same text."""
    suites = ElementTree.Element("testsuites", name="auditkit")
    _verdict_suite(suites, result)
    for reading in outline.readings(result):
        _check_suite(suites, reading)
    _stray_suite(suites, result)
    _count(suites)
    for empty in [suite for suite in suites if len(suite) == 0]:
        suites.remove(empty)
    ElementTree.indent(suites)
    body = ElementTree.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _verdict_suite(suites: ElementTree.Element, result: Result) -> None:
    """Add the verdict itself, so that the file as a whole agrees with the exit code."""
    verdict = result.verdict
    about = f"{result.model.name} on {result.data.name}"
    suite = _suite(suites, "verdict", result.provenance.seconds)
    case = _case(suite, "auditkit.verdict", about)
    match verdict.status:
        case "fail" | "incomplete":
            _add(case, "failure", verdict.sentence, kind=verdict.status)
        case "not_judged":
            _add(case, "skipped", verdict.sentence)
        case "pass":
            pass


def _check_suite(suites: ElementTree.Element, reading: outline.Reading) -> None:
    outcome = reading.outcome
    name = f"auditkit.{outcome.family}.{outcome.check}"
    suite = _suite(suites, f"{outcome.family}.{outcome.check}", outcome.seconds)
    findings = {one.id: one for one in outcome.findings}
    for one in reading.judgements:
        _judged(_case(suite, name, _title(one)), one, outcome, findings.get(one.finding))
    for one in reading.waived:
        _waived(_case(suite, name, _title(one.judgement)), one)
    match outcome.status:
        case "errored" if reading.judgements:
            _add(
                _case(suite, name, f"{outcome.check} runs"),
                "error",
                outcome.reason or "",
                kind="errored",
            )
        case "errored":  # nothing depends on it: the verdict, and so CI, stays as it is
            _add(
                _case(suite, name, f"{outcome.check} runs"),
                "skipped",
                f"errored, but not required: {outcome.reason or ''}",
            )
        case "skipped" | "not_applicable":
            said = outline.STATUSES[outcome.status].lower()
            _add(
                _case(suite, name, f"{outcome.check} runs"),
                "skipped",
                f"{said}: {outcome.reason or ''}",
            )
        case "measured":
            pass


def _stray_suite(suites: ElementTree.Element, result: Result) -> None:
    """Add limits on checks that are not part of the result."""
    known = {one.check for one in result.outcomes}
    strays = [
        one for one in outline.judgements(result) if outline.check_of(one.finding) not in known
    ]
    if not strays:
        return
    suite = _suite(suites, "missing", 0.0)
    for one in strays:
        _judged(_case(suite, "auditkit.missing", _title(one)), one, None, None)


def _judged(
    case: ElementTree.Element, one: Judgement, outcome: Outcome | None, finding: Finding | None
) -> None:
    if one.status == "pass":
        return
    details = words.reason_of(one)
    if outcome is not None and finding is not None:
        details += f"\n{words.statement(outcome, finding)}"
    _add(case, "failure", words.reason_of(one), kind=one.status, text=details)


def _waived(case: ElementTree.Element, one: Waived) -> None:
    _add(case, "skipped", f"waived by {one.owner} until {one.expires}: {one.reason}")


def _title(one: Judgement) -> str:
    return f"{one.limit} [{one.finding}]"


def _suite(parent: ElementTree.Element, name: str, seconds: float) -> ElementTree.Element:
    attributes = {"name": words.line(name), "time": f"{seconds:.3f}"}
    return ElementTree.SubElement(parent, "testsuite", attributes)


def _case(suite: ElementTree.Element, classname: str, name: str) -> ElementTree.Element:
    attributes = {"classname": words.line(classname), "name": words.line(name)}
    return ElementTree.SubElement(suite, "testcase", attributes)


def _add(
    case: ElementTree.Element, tag: str, message: str, *, kind: str = "", text: str = ""
) -> None:
    attributes = {"message": words.line(message)}
    if kind:
        attributes["type"] = kind
    ElementTree.SubElement(case, tag, attributes).text = text or None


def _count(suites: ElementTree.Element) -> None:
    for element in (*suites, suites):
        for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"),
                          ("skipped", "skipped")):  # fmt: skip
            element.set(name, str(sum(1 for _ in element.iter(tag))))
