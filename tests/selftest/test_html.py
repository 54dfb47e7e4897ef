"""Mirrors auditkit/selftest/html.py."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

from auditkit.render.words import VERDICTS
from auditkit.selftest.html import render_html
from tests.selftest.sample import HOSTILE, hostile, table

VOID = {"meta", "link", "br"}


class Document(HTMLParser):
    """Tags and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def test_the_page_shows_every_row_and_its_seeds() -> None:
    document = Document(render_html(table()))
    assert document.open == []
    text = " ".join(document.text.split())
    assert VERDICTS["fail"] in text
    for row in table().rows:
        assert row.name in text
        assert row.planted in text
    assert "2 of 2 15.8 to 100 %" in text
    assert "clean-accuracy/accuracy/all" in text
    assert "No check" in text
    assert "nothing yet: no check exists" not in text  # the stubs name something
    targets = {attributes.get("id") for _, attributes in document.tags}
    links = [attributes["href"][1:] for tag, attributes in document.tags if tag == "a"]
    assert len(links) == 1 + len(table().rows)
    assert {*links} <= targets


def test_the_page_runs_nothing_and_loads_nothing() -> None:
    page = render_html(table())
    document = Document(page)
    assert not {tag for tag, _ in document.tags} & {"script", "iframe", "object", "img", "form"}
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = next(a["content"] for _, a in document.tags if "http-equiv" in a)
    assert "default-src 'none'" in policy
    assert f"'sha256-{digest}'" in policy


def test_nothing_in_the_table_can_act() -> None:
    page = render_html(hostile())
    assert HOSTILE not in page
    assert "<script" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    Document(page)
