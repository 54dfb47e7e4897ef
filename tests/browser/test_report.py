"""The report in a real browser: it renders, fits, asks for nothing and complains of nothing."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from auditkit.render.html import render_html
from tests.browser.chrome import WHY_NOT, Page, browser
from tests.golden.update import EXAMPLES
from tests.render.hostile import hostile
from tests.render.sample import image_result, text_result

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]

REPORTS = ("image", "text", "hostile-image", "hostile-text")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    for name, result in (("image", image_result()), ("text", text_result())):
        (folder / f"{name}.html").write_text(render_html(result), encoding="utf-8")
        (folder / f"hostile-{name}.html").write_text(render_html(hostile(result)), encoding="utf-8")
    return folder


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280])
@pytest.mark.parametrize("name", REPORTS)
def test_the_report_fits_and_is_silent(
    page: Page, reports: Path, name: str, width: int, dark: bool
) -> None:
    page.requests()
    page.console()
    file = reports / f"{name}.html"
    page.open(file, width=width, dark=dark)
    page.run("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert page.run("return document.documentElement.scrollWidth") == page.run(
        "return document.documentElement.clientWidth"
    )
    assert page.run("return innerWidth") == width
    assert page.console() == []
    assert page.requests() == [file.as_uri()]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("result", EXAMPLES, ids=lambda one: one.parent.name)
def test_a_screenshot_shows_the_report_of_a_built_in_model(
    page: Page, tmp_path: Path, result: Path, width: int
) -> None:
    page.requests()
    page.console()
    file = result.parent / "report.html"
    page.open(file, width=width)
    inside = page.run("return document.documentElement.clientWidth")  # without the scroll bar
    assert page.run("return document.documentElement.scrollWidth") == inside
    assert page.console() == []
    assert page.requests() == [file.as_uri()]
    page.screenshot(tmp_path / "report.png")
    with Image.open(tmp_path / "report.png") as shot:
        assert shot.width == inside
        assert shot.height > 1000
        first_screen = shot.convert("RGB").crop((0, 0, shot.width, 800))
        colours = first_screen.getcolors(maxcolors=width * 800)
    assert colours is not None
    share_of_most_common = max(count for count, _ in colours) / (width * 800)
    assert len(colours) > 50, "text is drawn"
    assert share_of_most_common < 0.95, "the page is not blank"


def test_the_verdict_is_on_the_first_screen_and_styled(page: Page, reports: Path) -> None:
    page.open(reports / "image.html", width=1280)
    assert page.run(
        "return document.querySelector('.verdict').getBoundingClientRect().bottom < 400"
    )
    colour = "return getComputedStyle(document.querySelector('.verdict .word')).color"
    light = page.run(colour)
    assert light == "rgb(168, 32, 26)"
    page.open(reports / "image.html", width=1280, dark=True)
    assert page.run(colour) != light


def test_every_picture_is_there(page: Page, reports: Path) -> None:
    page.open(reports / "image.html", width=1280)
    assert page.run("return document.querySelectorAll('svg use').length > 4")
    assert page.run(
        "return [...document.querySelectorAll('svg use')].every(one =>"
        " document.querySelector(one.getAttribute('href')).matches('image')"
        " && one.getBoundingClientRect().width > 50)"
    )
    pictures = page.run(
        "return [...document.querySelectorAll('image')].map(one => one.href.baseVal)"
    )
    assert isinstance(pictures, list)
    for one in pictures:
        content = str(one).removeprefix("data:image/png;base64,")
        Image.open(BytesIO(base64.b64decode(content))).load()


def test_the_skip_link_is_the_first_stop_and_a_finding_can_be_linked_to(
    page: Page, reports: Path
) -> None:
    page.open(reports / "image.html", width=1280)
    page.devtools("Input.dispatchKeyEvent", type="keyDown", key="Tab", windowsVirtualKeyCode=9)
    assert page.run("return document.activeElement.textContent") == "Skip to the summary"
    page.run("document.querySelector('.decisions a').click()")
    assert "30.5 %" in str(page.run("return document.querySelector(':target').textContent"))


def test_a_folded_finding_opens_when_linked_to(page: Page, reports: Path) -> None:
    page.open(reports / "image.html", width=1280)
    page.run("location.hash = 'finding-corruptions/accuracy/all/corruption=jpeg,severity=5'")
    assert page.run("return document.querySelector(':target').closest('details').open") is True
