"""`audit view` in a real browser: the list, a comparison of two results, a trend, and back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from auditkit.view.history import open_history
from auditkit.view.server import Server, start
from tests.browser import axe
from tests.browser.chrome import WHY_NOT, Page, browser
from tests.diff.sample import accurate
from tests.render.hostile import PAYLOAD

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("runs")
    accurate(folder / "a", 200, [0], started="2026-01-01T00:00:00+00:00")
    accurate(folder / "b", 200, range(40), started="2026-01-02T00:00:00+00:00")
    name = PAYLOAD.replace("\ud800", "")
    accurate(folder / "c", 60, [], model=name, data="e" * 64, started="2025-01-01T00:00:00+00:00")
    with start(open_history(folder)) as one:
        threading.Thread(target=one.serve_forever, daemon=True).start()
        yield one
        one.shutdown()


def heading(page: Page) -> object:
    return page.run("return document.querySelector('h1').textContent.trim()")


def waited(page: Page, script: str) -> None:
    for _ in range(100):
        if page.run(f"return document.readyState === 'complete' && ({script})"):
            return
        time.sleep(0.1)
    raise AssertionError(f"{script}: not within 10 s, at {page.run('return location.href')}")


@pytest.mark.parametrize("width", [390, 1280])
def test_two_results_are_found_and_compared(page: Page, server: Server, width: int) -> None:
    page.console()
    page.requests()
    page.visit(server.address, width=width)
    assert page.run("return document.querySelectorAll('.runs tbody tr').length") == 3
    fits = "document.documentElement.scrollWidth === document.documentElement.clientWidth"
    assert page.run(f"return {fits}")
    # The latest and the one before on its data are chosen already.
    page.run("document.querySelector('.go button').click()")
    waited(page, "location.pathname === '/compare' && document.querySelector('.verdict')")
    assert page.run("return document.querySelector('.verdict .word').textContent") == "Regression"
    page.run("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert page.run(f"return {fits}")
    page.run("document.querySelector('.brand a').click()")
    waited(page, "location.pathname === '/'")
    page.run("document.querySelector('#q').value = 'eeee'")
    page.run("document.querySelector('[role=search] button').click()")
    waited(page, "document.querySelectorAll('.runs tbody tr').length === 1")
    page.run("document.querySelector('#finding').value = 'clean-accuracy/accuracy/all'")
    page.run("document.querySelector('form[action=\"/trend\"] button').click()")
    waited(page, "document.querySelector('.trend svg')")
    assert heading(page) == "Accuracy"
    assert page.run(f"return {fits}")
    assert page.console() == []
    assert all(one.startswith(server.address) for one in page.requests())


def tabbed_to(page: Page, selector: str) -> None:
    """Press Tab until what is meant has the focus."""
    for _ in range(40):
        page.press("Tab", 9)
        if page.run(f"return document.activeElement.matches({selector!r})"):
            return
    raise AssertionError(f"{selector}: not reached in 40 steps")


def test_two_results_are_compared_with_the_keyboard_alone(page: Page, server: Server) -> None:
    page.visit(server.address, width=1280)
    tabbed_to(page, ".go button")
    page.press("Enter", 13)
    waited(page, "location.pathname === '/compare' && document.querySelector('.verdict')")
    tabbed_to(page, ".brand a")
    page.press("Enter", 13)
    waited(page, "location.pathname === '/'")


@pytest.mark.skipif(bool(axe.WHY_NOT), reason=axe.WHY_NOT)
@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_axe_finds_no_violation(page: Page, server: Server, width: int, dark: bool) -> None:
    page.visit(server.address, width=width)
    picked = "document.querySelector('[name={}]:checked').value"
    after, before = (page.run(f"return {picked.format(one)}") for one in ("after", "before"))
    for place in (
        "",
        f"compare?before={before}&after={after}",
        "trend?finding=clean-accuracy/accuracy/all",
        f"report/{after}",
    ):
        page.visit(f"{server.address.rstrip('/')}/{place}", width=width, dark=dark)
        page.run("document.querySelectorAll('details').forEach(one => { one.open = true })")
        assert axe.violations(page) == [], place
