"""Mirrors auditkit/render/glossary.py."""

from __future__ import annotations

from auditkit.render import glossary
from auditkit.render.html import render_html
from tests.render.sample import image_result, text_result


def names(result) -> list[str]:
    return [one.name for one in glossary.terms(result)]


def test_terms_are_those_that_the_report_uses() -> None:
    image, text = names(image_result()), names(text_result())
    assert image == sorted(image, key=str.lower)
    assert {"Epsilon", "Corruption, severity", "Interval", "Limit", "n"} <= set(image)
    assert "Corruption, severity" not in text
    empty = image_result().model_copy(update={"outcomes": []})
    assert names(empty) == ["Interval", "Limit", "n"]


def test_a_metric_is_explained_once_and_names_its_checks() -> None:
    result = image_result()
    first = result.outcomes[0]
    twin = first.model_copy(update={"check": "twin"})
    found = glossary.metrics(result.model_copy(update={"outcomes": [first, twin]}))
    used = {one.metric for one in first.findings}
    assert len(found) == len({first.metrics[name].label for name in used})
    assert {tuple(one.checks) for one in found} == {(first.check, "twin")}


def test_a_paper_stands_once_in_the_list_and_checks_link_to_it() -> None:
    result = image_result()
    outcomes = [
        one.model_copy(update={"references": ["A, 2020", "B <i>, 2021"]}) for one in result.outcomes
    ]
    changed = result.model_copy(update={"outcomes": outcomes})
    assert glossary.references(changed) == {"A, 2020": 1, "B <i>, 2021": 2}
    page = render_html(changed)
    assert page.count('<li id="reference-1">A, 2020</li>') == 1
    assert page.count('href="#reference-2"') > 3
    assert "B &lt;i&gt;, 2021" in page
