"""Mirrors auditkit/render/card.py."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from huggingface_hub import EvalResult, ModelCard

from auditkit.render.card import render_card
from auditkit.render.markdown import render_markdown
from tests.render.hostile import hostile
from tests.render.sample import image_result, text_result


def metadata(text: str) -> dict[str, Any]:
    return yaml.safe_load(text.split("---\n")[1])


@pytest.mark.parametrize("make", [image_result, text_result])
def test_the_hub_reads_every_headline(make) -> None:
    result = make()
    card = ModelCard(render_card(result))
    results: list[EvalResult] = getattr(card.data, "eval_results")  # noqa: B009 - it has no type
    wanted = {
        finding.id: finding
        for one in result.outcomes
        for finding in one.findings
        if finding.id == one.headline
    }
    assert {(one.metric_args or {})["finding"] for one in results} == set(wanted)
    for one in results:
        assert one.metric_args is not None
        finding = wanted[one.metric_args["finding"]]
        assert (one.metric_type, one.metric_value) == (finding.metric, finding.value)
        assert one.metric_args["n"] == finding.n
        assert one.metric_args.get("low") == finding.low
        assert one.verified is False, "only the Hub verifies"
        assert one.dataset_name == result.data.name
        assert one.task_type == f"{result.model.modality}-classification"
    assert card.text.strip() == render_markdown(result).strip()


def test_a_headline_without_a_value_is_left_out() -> None:
    plain = text_result()
    gone = {"value": None, "low": None, "high": None, "undefined": "no input of this kind"}
    finding = plain.outcomes[0].findings[0].model_copy(update=gone)
    outcome = plain.outcomes[0].model_copy(update={"findings": [finding]})
    text = render_card(plain.model_copy(update={"outcomes": [outcome]}))
    assert metadata(text)["model-index"][0]["results"][0]["metrics"] == []


@pytest.mark.parametrize("value", [1e-05, 1.5e-07, 3.0, 1e22, -0.25])
def test_every_number_stays_a_number(value: float) -> None:
    plain = text_result()
    finding = plain.outcomes[0].findings[0].model_copy(update={"value": value})
    outcome = plain.outcomes[0].model_copy(update={"findings": [finding]})
    text = render_card(plain.model_copy(update={"outcomes": [outcome]}))
    [metric] = metadata(text)["model-index"][0]["results"][0]["metrics"]
    assert metric["value"] == value


def test_hostile_names_add_no_keys() -> None:
    plain, twisted = (
        metadata(render_card(one)) for one in (image_result(), hostile(image_result()))
    )
    assert shape(twisted) == shape(plain)


def shape(value: object) -> object:
    match value:
        case dict():
            return {key: shape(one) for key, one in value.items()}
        case list():
            return [shape(one) for one in value]
        case _:
            return type(value).__name__
