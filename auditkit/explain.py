"""Checks, metrics, models, data sets and suites in words: for `audit list`, `explain`, the docs."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable
from importlib import resources
from typing import Any

from auditkit.errors import ConfigError, near_miss
from auditkit.percent import percent
from auditkit.policy import SUITES


def listing(what: str) -> list[dict[str, object]]:
    """Return one object per check, model, data set or suite, each with `id` and `summary`."""
    return _LISTINGS[what]()


def explain(name: str) -> str:
    """Return what a name means, as Markdown.

    Raises
    ------
    ConfigError
        If nothing has that name.
    """
    from auditkit.checks.catalogue import catalogue

    checks = catalogue()
    if name in checks:
        return check_page(name)
    if name in SUITES:
        return _suite_page(name)
    from auditkit.models.catalogue import MODELS

    if name in MODELS:
        return model_page(name)
    from auditkit.models.generative import sample_text, trained_cards

    if name in trained_cards():
        samples = f"Some of what it makes:\n\n```text\n{sample_text(name)}\n```\n"
        return f"{generative_page(name)}\n{samples}"
    from auditkit.data.catalogue import DATA

    if name in DATA:
        return data_page(name)
    measuring = [one for one, kind in checks.items() if name in kind.meta.metrics]
    if measuring:
        return "\n\n".join(_metric_text(name, check) for check in measuring) + "\n"
    metrics = [metric for kind in checks.values() for metric in kind.meta.metrics]
    known = [*checks, *SUITES, *MODELS, *trained_cards(), *DATA, *metrics]
    raise ConfigError(
        f"Nothing is called {name!r}.{near_miss(name, known)}",
        hint="See the names with: audit list checks   (or models, data, suites)",
    )


def check_page(check_id: str) -> str:
    """Return the reference page of a check."""
    from auditkit.checks.catalogue import find_check

    kind = find_check(check_id)
    meta = kind.meta
    parts = [f"# {meta.id}", f"**{meta.question}**", meta.explanation]
    parts.append(
        f"Family: {meta.family}. Applies to: {', '.join(meta.modalities)}."
        f" Version {meta.version}." + (" Needs gradients." if meta.needs_gradients else "")
    )
    parts.append("## What it measures")
    parts.append(
        "\n".join(
            f"- `{name}` ({metric.unit}, {_better(metric.better)}): {metric.definition}"
            for name, metric in meta.metrics.items()
        )
    )
    parameters = _parameters(kind)
    if parameters:
        parts += ["## Parameters", f"Set them in a policy file under `[parameters.{meta.id}]`."]
        parts.append("\n".join(f"- `{name} = {default}`" for name, default in parameters))
    parts += ["## What it does not show", meta.not_shown]
    parts += ["## When the numbers are bad", meta.remedy]
    if meta.references:
        parts += ["## References", "\n".join(f"- {one}" for one in meta.references)]
    return "\n\n".join(parts) + "\n"


def model_page(name: str) -> str:
    """Return the card of a built-in model."""
    from auditkit.models.catalogue import MODELS

    card = MODELS[name]
    facts = {**card.facts(), "classes": ", ".join(card.classes), "recipe": card.recipe_text}
    lines = "\n".join(f"- {key}: {value}" for key, value in facts.items() if value)
    commands = f"Audit it: `audit run {name}`\n\nRetrain it: `audit models train {name}`"
    return f"# {name}\n\n{lines}\n\n{commands}\n"


def generative_page(name: str) -> str:
    """Return the card of a built-in network that makes images."""
    from auditkit.models.generative import generative_card

    facts = generative_card(name).facts()
    lines = "\n".join(f"- {key}: {value}" for key, value in facts.items() if value)
    commands = f"See what it makes: `audit models sample {name}`"
    return f"# {name}\n\n{lines}\n\n{commands}\n\nRetrain it: `audit models train {name}`\n"


def data_page(name: str) -> str:
    """Return what is known about a data set."""
    from auditkit.data.catalogue import DATA

    return f"# {name}\n\n{DATA[name].as_text()}\n"


def _suite_page(name: str) -> str:
    file = resources.files("auditkit").joinpath("suites", f"{name}.toml")
    return f"# {name}\n\n```toml\n{file.read_text(encoding='utf-8')}```\n"


def _metric_text(name: str, check_id: str) -> str:
    from auditkit.checks.catalogue import find_check

    metric = find_check(check_id).meta.metrics[name]
    return (
        f"**{name}** of `{check_id}`: {metric.label}, in {metric.unit}, {_better(metric.better)}."
        f" {metric.definition}"
    )


def _better(better: str) -> str:
    return {"higher": "higher is better", "lower": "lower is better"}.get(better, "no direction")


def _parameters(kind: type[Any]) -> list[tuple[str, str]]:
    """Return name and default of each parameter, as they are written in a policy file."""
    return [(one.name, _toml(one.default)) for one in dataclasses.fields(kind)]


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _checks() -> list[dict[str, object]]:
    from auditkit.checks.catalogue import catalogue

    return [
        {
            "id": one,
            "summary": kind.meta.question,
            "family": kind.meta.family,
            "modalities": list(kind.meta.modalities),
            "version": kind.meta.version,
            "metrics": list(kind.meta.metrics),
        }
        for one, kind in catalogue().items()
    ]


def _models() -> list[dict[str, object]]:
    from auditkit.models.catalogue import MODELS
    from auditkit.models.generative import trained_cards

    classifiers: list[dict[str, object]] = [
        {
            "id": name,
            "summary": (
                f"{card.summary} Held-out accuracy {percent(card.accuracy)} (n ="
                f" {card.measured.n:,})."
            ),
            "kind": "classifier",
            "modality": card.modality,
            "data": card.data,
            "parameters": card.measured.parameters,
            "accuracy": card.accuracy,
            "n": card.measured.n,
            "flops": card.measured.flops,
        }
        for name, card in MODELS.items()
    ]
    generative: list[dict[str, object]] = [
        {
            "id": name,
            "summary": f"{card.summary} It makes images, so there is no accuracy to audit.",
            "kind": "generative",
            "modality": "image",
            "data": card.data,
            "parameters": card.measured.parameters,
            "quality": str(card.measured.quality),
        }
        for name, card in trained_cards().items()
    ]
    return classifiers + generative


def _data() -> list[dict[str, object]]:
    from auditkit.data.catalogue import DATA

    return [{"id": name, **one.facts()} for name, one in DATA.items()]


def _suites() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for name in SUITES:
        file = resources.files("auditkit").joinpath("suites", f"{name}.toml")
        text = file.read_text(encoding="utf-8")
        settings = tomllib.loads(text)
        summary = text.splitlines()[0].removeprefix("# ")
        rows.append(
            {
                "id": name,
                "summary": summary,
                "max_inputs": settings.get("max_inputs"),
                "aim": settings.get("aim"),
                "limits": len(settings.get("limits", [])),
            }
        )
    return rows


_LISTINGS: dict[str, Callable[[], list[dict[str, object]]]] = {
    "checks": _checks,
    "models": _models,
    "data": _data,
    "suites": _suites,
}
