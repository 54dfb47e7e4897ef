"""A commented policy file to start from, optionally with limits that a result passes today."""

from __future__ import annotations

import math
from importlib import resources

from auditkit.findings import Finding
from auditkit.result import Result

_HEAD = """\
# Policy of `audit run` and `audit assert`; all keys: docs, reference "Policy file".
suite = "{suite}"        # quick, standard or deep: checks, parameters and number of inputs
seed = 0
# max_inputs = 500     # override the suite's sample size
# until_decided = true # few inputs first, and more only where a limit is not decided
# budget = "10m"       # the same, and nothing starts later; what never ran counts as not passed
level = 0.95           # confidence level of every interval
minimum_n = 20         # limits on smaller groups are incomplete

# Checks that must give a number, whatever it is:
required = [{required}]

# A limit passes if the whole interval meets it, fails if the whole interval misses it, and is
# incomplete (exit code 3) otherwise. `finding` may hold * wildcards; give min or max,
# or max_drop_against for `audit assert RESULT --against REFERENCE`.
"""

_WAIVER = """
# [[waivers]]
# finding = "pgd-linf/robust_accuracy/*"
# reason = "retraining is planned"
# owner = "name@example.org"
# expires = 2030-01-31
"""


def policy_text(suite: str, result: Result | None) -> str:
    """Return the text of an `audit.toml`.

    Parameters
    ----------
    suite : str
        The preset to start from.
    result : Result, optional
        Limits are set where this result's intervals end; without it the suite's recommended limits
        and controls are copied.
    """
    if result is None:
        return _HEAD.format(suite=suite, required="") + _recommended(suite) + _WAIVER
    measured = [one for one in result.outcomes if one.status == "measured" and one.headline]
    required = ", ".join(f'"{one.check}"' for one in measured)
    headlines = [f for one in measured for f in one.findings if f.id == one.headline]
    limits = [text for f in headlines if (text := _limit_passed_by(f)) is not None]
    head = _HEAD.format(suite=result.provenance.suite, required=required)
    return head + "\n" + "\n".join(limits) + _WAIVER


def _recommended(suite: str) -> str:
    text = (
        resources.files("auditkit").joinpath("suites", f"{suite}.toml").read_text(encoding="utf-8")
    )
    start = text.find("[[limits]]")
    return "\n" + text[start:] if start >= 0 else ""


def _limit_passed_by(finding: Finding) -> str | None:
    if finding.low is None or finding.high is None or finding.better == "neither":
        return None
    if finding.better == "higher":
        bound = f"min = {math.floor(finding.low * 100) / 100:g}"
    else:
        bound = f"max = {math.ceil(finding.high * 100) / 100:g}"
    today = f"{finding.value:.3g} ({finding.low:.3g} to {finding.high:.3g}), n = {finding.n}"
    return f'[[limits]]\nfinding = "{finding.id}"\n{bound}  # today {today}\n'
