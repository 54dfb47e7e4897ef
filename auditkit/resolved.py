"""What a run would follow, as a policy file that says beside each key who set it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date

from auditkit.policy import Policy

_TABLES = ("limits", "controls", "waivers", "ratings")


def config_text(policy: Policy, origins: Mapping[str, str], others: Mapping[str, str]) -> str:
    """Return a policy as TOML that can be saved and used as it is.

    Parameters
    ----------
    policy : Policy
        As it applies, options of the command line included.
    origins : mapping
        Who set each key: an option, an environment variable, a file, a suite, nobody.
    others : mapping
        Options that no policy holds, such as the model, in words; they stand on top as comments.
    """
    lines = [f"# {name}: {said}" for name, said in others.items()]
    content = policy.model_dump(mode="python")
    for key, value in content.items():
        if key in _TABLES or key == "parameters":
            continue
        origin = f"  # {origins[key]}"
        lines.append(f"# {key} is not set" if value is None else f"{key} = {_toml(value)}{origin}")
    lines += _parameters(content["parameters"], origins)
    for key in _TABLES:
        places = [one.place for one in policy.limits] if key == "limits" else []
        lines += _tables(key, content[key], places, origins[key])
    return "\n".join(lines) + "\n"


def _parameters(
    checks: Mapping[str, Mapping[str, object]], origins: Mapping[str, str]
) -> list[str]:
    lines: list[str] = []
    for check, values in checks.items():
        lines += ["", f"[parameters.{_key(check)}]  # {origins[f'parameters.{check}']}"]
        lines += [f"{_key(name)} = {_toml(value)}" for name, value in values.items()]
    return lines


def _tables(
    key: str, rows: Sequence[Mapping[str, object]], places: Sequence[str | None], origin: str
) -> list[str]:
    if not rows:
        return ["", f"# no {key}  # {origin}"]
    lines: list[str] = []
    for i, row in enumerate(rows):
        place = places[i] if i < len(places) else None
        lines += ["", f"[[{key}]]  # {place or origin}"]
        lines += [f"{name} = {_toml(value)}" for name, value in row.items() if value is not None]
    return lines


def _key(name: str) -> str:
    return name if name.replace("-", "").replace("_", "").isalnum() else json.dumps(name)


def _toml(value: object) -> str:
    """Return a value in TOML.

    Examples
    --------
    >>> _toml(True), _toml(("a", 1.0)), _toml({"min": 0.5, "max": None})
    ('true', '["a", 1.0]', '{min = 0.5}')
    """
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case date():
            return value.isoformat()
        case list() | tuple():
            return "[" + ", ".join(_toml(one) for one in value) + "]"
        case dict():
            pairs = [f"{_key(k)} = {_toml(one)}" for k, one in value.items() if one is not None]
            return "{" + ", ".join(pairs) + "}"
        case _:
            return repr(value)
