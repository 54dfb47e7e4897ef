"""Mirrors auditkit/render/notebook.py."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from auditkit.render.notebook import MOST, render_notebook
from auditkit.result import Judgement, Result
from tests.render.hostile import hostile
from tests.render.sample import image_result, text_result

ALLOWED = {
    "div", "style", "p", "span", "strong", "bdi", "ul", "li", "code",
    "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip


class Read(HTMLParser):
    """What stands in a piece of HTML: tags, the names of attributes, cells of the rows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()


def test_a_row_says_value_interval_n_and_limit() -> None:
    text = render_notebook(image_result())
    heads, first, *_ = Read(text).rows
    assert heads == ["Family", "Status", "Headline", "Value", "Interval", "n", "Limit"]
    assert first == [
        "Robustness", "Failed", "Robust accuracy at epsilon 0.1", "30.5 %", "24.2 to 37.4 %", "200",
        "at least 50\xa0%",
    ]  # fmt: skip
    assert "1 of 5 limits are missed. 1 waived." in text
    assert "needs about 940 inputs" in text


@pytest.mark.parametrize("result", [image_result(), text_result()], ids=["image", "text"])
def test_names_cannot_act(result: Result) -> None:
    read = Read(render_notebook(hostile(result)))
    assert set(read.tags) <= ALLOWED
    assert read.tags.count("style") == 1
    assert read.attributes <= {"class", "scope", "colspan", "title"}


def test_many_open_limits_are_counted() -> None:
    result = image_result()
    open_ = Judgement(limit="x >= 1", finding="x", status="incomplete", reason="no")
    verdict = result.verdict.model_copy(update={"decided_by": [open_] * (MOST + 2)})
    text = render_notebook(result.model_copy(update={"verdict": verdict}))
    assert Read(text).tags.count("li") == MOST
    assert "2 more limits in the report." in text


def test_a_result_shows_itself() -> None:
    """IPython asks for these by name."""
    result = image_result()
    assert result._repr_html_() == render_notebook(result)
    said: list[str] = []

    class Printer:
        def text(self, text: str) -> None:
            said.append(text)

    result._repr_pretty_(Printer(), False)
    [summary] = said
    assert summary.startswith("Fail: 1 of 5 limits are missed.")
    assert "\x1b" not in summary
