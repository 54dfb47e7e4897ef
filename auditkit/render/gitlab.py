"""Result to GitLab's Code Quality JSON, for the widget of a merge request."""

from __future__ import annotations

import json
from pathlib import PurePath

from auditkit.render import words
from auditkit.render.problems import Problem, problems
from auditkit.result import LimitStatus, Result

SEVERITIES: dict[LimitStatus, str] = {"fail": "critical", "incomplete": "major"}


def render_gitlab(result: Result) -> str:
    """Return the JSON text: one entry per limit that failed or is incomplete, none for a pass."""
    entries = [_entry(one) for one in problems(result)]
    return json.dumps(entries, indent=1, ensure_ascii=False) + "\n"


def _entry(one: Problem) -> dict[str, object]:
    return {
        "description": f"{words.VERDICTS[one.judgement.status]}. {one.message}",
        "check_name": one.check,
        "fingerprint": one.fingerprint,
        "severity": SEVERITIES[one.judgement.status],
        "location": {
            "path": PurePath(one.place.file).as_posix(),
            "lines": {"begin": one.place.line},
        },
    }
