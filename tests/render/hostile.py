"""The sample results with an attack in every text that a file or a user could have written."""

from __future__ import annotations

from urllib.parse import quote

from auditkit.result import Result
from tests.render.sample import image_result, text_result

PAYLOAD = (
    "\"'></style></title><script>alert(1)</script><img src=x onerror=alert(1)> {{7*7}} {% raw %}"
    " \x1b[31m\x1b]0;owned\x07\x00\x7f \u2028\u2029\u202e\u2066\u200f\ufeff &lt; | `tick` **bold**"
    " [link](javascript:alert(1)) @octocat #123 https://evil.example ]]> <!-- \ud800 שלום"
)
CHECK = PAYLOAD.replace("\ud800", "")  # a check's name stands percent-encoded in finding ids
FIXED = {  # fields whose values are choices, numbers in words or pictures
    "status", "bound_is", "kind", "modality", "family", "selection", "better", "interval", "png",
    "layout", "search_dtype", "unit",
}  # fmt: skip
OPEN_KEYS = {"classes", "groups", "card", "packages", "params", "evidence", "metrics", "policy"}


def hostile(result: Result) -> Result:
    """Return the result with the payload after every open text, keys of open mappings included."""
    return Result.model_validate(_poisoned(result.model_dump(mode="python", by_alias=True), ""))


def _poisoned(value: object, name: str) -> object:
    match value:
        case str():
            return value if name in FIXED else _poisoned_text(value, name)
        case list() | tuple():
            return [_poisoned(one, name) for one in value]
        case dict():
            return {
                (key + PAYLOAD if name in OPEN_KEYS else key): _poisoned(
                    one, "" if name in OPEN_KEYS else key
                )
                for key, one in value.items()
            }
        case _:
            return value


CHECKS = {one.check for result in (image_result(), text_result()) for one in result.outcomes}


def _poisoned_text(value: str, name: str) -> str:
    if name == "check":
        return value + CHECK
    check, slash, rest = value.partition("/")
    if name in ("id", "finding", "headline") and check in CHECKS:
        return quote(check + CHECK, safe="") + (slash + rest + PAYLOAD if slash else "")
    return value + PAYLOAD
