"""The printed verdict, the exit code, JUnit, SARIF, GitLab and GitHub say the same of every result.

Absence never passes in any of them: an errored, skipped or missing check that is required, an
expired waiver, an interrupted run.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from auditkit.findings import Outcome
from auditkit.policy import Limit, Policy, Waiver
from auditkit.render import render_text, words
from auditkit.render.github import commands
from auditkit.render.terminal import render_terminal
from auditkit.result import Result, VerdictStatus, read_result
from auditkit.verdict import EXIT_CODES, judge
from tests.render.sample import clean_accuracy, image_result, text_result

TODAY = date(2030, 6, 1)
GOLDEN = Path(__file__).parents[1] / "golden"
EXAMPLES = Path(__file__).parents[2] / "reports" / "examples"


def judged(policy: Policy, *outcomes: Outcome, interrupted: bool = False) -> Result:
    """A result with these outcomes, judged by the verdict's own rules."""
    plain = image_result()
    verdict = judge(outcomes, policy, modality="image", today=TODAY, interrupted=interrupted)
    made = plain.provenance.model_copy(update={"partial": interrupted})
    return plain.model_copy(
        update={"outcomes": list(outcomes), "verdict": verdict, "provenance": made}
    )


def accuracy(bound: float) -> tuple[Limit, ...]:
    return (Limit(finding="clean-accuracy/accuracy/all", min=bound),)


def without(status: str) -> Outcome:
    return Outcome.model_validate(
        {
            **clean_accuracy().model_dump(),
            "status": status,
            "reason": "no memory",
            "findings": [],
            "evidence": {},
            "headline": None,
        }
    )


def waiver(expires: date) -> tuple[Waiver, ...]:
    return (Waiver(finding="clean-accuracy", reason="known", owner="me", expires=expires),)


def waived(expires: date, bound: float = 0.999) -> Policy:
    return Policy(limits=accuracy(bound), waivers=waiver(expires))


NEEDS = Policy(required=("clean-accuracy",))
OTHER = Policy(required=("no-such-check",))
MISSPELT = Policy(limits=(Limit(finding="clean-accuracy/acuracy/all", min=0.5),))
JUDGED: dict[str, tuple[VerdictStatus, Callable[[], Result]]] = {
    "met": ("pass", lambda: judged(Policy(limits=accuracy(0.5)), clean_accuracy())),
    "missed": ("fail", lambda: judged(Policy(limits=accuracy(0.999)), clean_accuracy())),
    "straddled": ("incomplete", lambda: judged(Policy(limits=accuracy(0.96)), clean_accuracy())),
    "no limits": ("not_judged", lambda: judged(Policy(), clean_accuracy())),
    "required and measured": ("pass", lambda: judged(NEEDS, clean_accuracy())),
    "required and errored": ("incomplete", lambda: judged(NEEDS, without("errored"))),
    "required and skipped": ("incomplete", lambda: judged(NEEDS, without("skipped"))),
    "required and not applicable": ("incomplete", lambda: judged(NEEDS, without("not_applicable"))),
    "required and missing": ("incomplete", lambda: judged(OTHER, clean_accuracy())),
    "limit on an errored check": (
        "incomplete", lambda: judged(Policy(limits=accuracy(0.5)), without("errored")),
    ),
    "limit that nothing matches": ("incomplete", lambda: judged(MISSPELT, clean_accuracy())),
    "errored and nothing asked": ("not_judged", lambda: judged(Policy(), without("errored"))),
    "waived": ("pass", lambda: judged(waived(date(2030, 6, 1)), clean_accuracy())),
    "waiver expired": ("fail", lambda: judged(waived(date(2030, 5, 31)), clean_accuracy())),
    "waiver of an open limit expired": (
        "incomplete", lambda: judged(waived(date(2030, 5, 31), 0.96), clean_accuracy()),
    ),
    "interrupted": (
        "incomplete", lambda: judged(Policy(limits=accuracy(0.5)), clean_accuracy(),
                                     interrupted=True),
    ),
    "interrupted without limits": (
        "incomplete", lambda: judged(Policy(), clean_accuracy(), interrupted=True),
    ),
    "fail beats incomplete": (
        "fail",
        lambda: judged(
            Policy(limits=accuracy(0.999), required=("no-such-check",)), clean_accuracy()
        ),
    ),
    "sample, failed": ("fail", image_result),
    "sample, passed": ("pass", text_result),
    "golden image": ("fail", partial(read_result, GOLDEN / "image")),
    "golden text": ("pass", partial(read_result, GOLDEN / "text")),
}  # fmt: skip
EVERY: dict[str, Callable[[], Result]] = {
    **{name: make for name, (_, make) in JUDGED.items()},
    **{
        f"example {file.parent.name}": partial(read_result, file)
        for file in sorted(EXAMPLES.glob("*/result.json"))
    },
}


@pytest.mark.parametrize("name", JUDGED)
def test_the_verdict_is_the_expected_one(name: str) -> None:
    status, make = JUDGED[name]
    assert make().verdict.status == status


@pytest.mark.parametrize("name", EVERY)
def test_all_outputs_say_the_same(name: str) -> None:
    result = EVERY[name]()
    status = result.verdict.status
    bad = status in ("fail", "incomplete")
    assert result.verdict.exit_code == EXIT_CODES[status]

    screen = io.StringIO()
    render_terminal(result, Console(file=screen, width=200, color_system=None))
    assert screen.getvalue().startswith(f"{words.VERDICTS[status]}: ")

    junit = ElementTree.fromstring(render_text(result, "junit"))
    failures = list(junit.iter("failure"))
    assert bool(failures or list(junit.iter("error"))) is bad
    assert ("fail" in {one.get("type") for one in failures}) is (status == "fail")

    [run] = json.loads(render_text(result, "sarif"))["runs"]
    statuses = [one["properties"]["status"] for one in run["results"]]
    assert bool(statuses) is bad
    assert len(statuses) == sum(one.status != "pass" for one in result.verdict.decided_by)
    assert ("fail" in statuses) is (status == "fail")
    assert {one["level"] for one in run["results"]} <= {"error"}
    assert run["properties"]["verdict"] == status
    assert run["invocations"][0]["exitCode"] == EXIT_CODES[status]

    severities = [one["severity"] for one in json.loads(render_text(result, "gitlab"))]
    assert len(severities) == len(statuses)
    assert ("critical" in severities) is (status == "fail")

    annotations = commands(result)
    assert bool(annotations) is bad
    assert any("title=Fail%3A" in one for one in annotations) is (status == "fail")

    assert f" {words.VERDICTS[status]}: " in render_text(result, "github").splitlines()[0]
    assert f'aria-label="audit: {words.VERDICTS[status].lower()}"' in render_text(result, "badge")
