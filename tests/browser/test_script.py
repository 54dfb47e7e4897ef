"""What the page gains with script, and that it lacks nothing without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from auditkit.render.html import render_html
from tests.browser import axe
from tests.browser.chrome import WHY_NOT, Page, browser
from tests.golden.update import EXAMPLES
from tests.render.sample import image_result, text_result

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]

OPEN = "document.querySelectorAll('details').forEach(one => { one.open = true })"
TABLE = "const table = document.querySelector('#check-pgd-linf .findings');"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    for name, result in (("image", image_result()), ("text", text_result())):
        (folder / f"{name}.html").write_text(render_html(result), encoding="utf-8")
    return folder


@pytest.fixture
def image(page: Page, reports: Path) -> Page:
    page.open(reports / "image.html", width=1280)
    return page


def values(page: Page) -> list[str]:
    found = page.run(
        TABLE + "return [...table.tBodies[0].querySelectorAll('tr:not([hidden]) .value')]"
        ".map(cell => cell.textContent)"
    )
    assert isinstance(found, list)
    return found


def test_a_table_is_sorted_by_the_column_that_is_clicked(image: Page) -> None:
    before = values(image)
    click = "[...table.querySelectorAll('.sort')].find(one => one.textContent == 'value').click();"
    image.run(TABLE + click)
    up = values(image)
    assert sorted(before) == sorted(up)
    numbers = [float(one.split()[0]) for one in up]
    assert numbers == sorted(numbers)
    assert before != up
    image.run(TABLE + click)
    down = [float(one.split()[0]) for one in values(image)]
    assert down == sorted(down, reverse=True)
    assert image.run(
        TABLE + "return table.querySelectorAll('[aria-sort]').length == 1"
        " && !!table.querySelector('[aria-sort=descending] .sort')"
    )
    heading = TABLE + "return table.tBodies[0].rows[0].querySelector('th[scope=rowgroup]') != null"
    assert image.run(heading) is True


def test_gaps_stay_below_their_groups_when_groups_are_sorted(page: Page) -> None:
    (example,) = [one.parent for one in EXAMPLES if one.parent.name == "digits-vit"]
    page.open(example / "report.html", width=1280)
    page.run("document.querySelectorAll('.groups .sort')[4].click()")
    kinds = page.run(
        "return [...document.querySelectorAll('.groups tbody')].map(body =>"
        " [...body.rows].map(row => row.classList.contains('gap')))"
    )
    assert kinds == [[False] * 10, *[[False, False, True]] * 3]  # classes have no gap
    values = page.run(
        "return [...document.querySelectorAll('.groups tbody')].slice(1).map(body =>"
        " [...body.rows].slice(0, 2).map(row => parseFloat(row.cells[4].textContent)))"
    )
    assert isinstance(values, list)
    assert all(low <= high for low, high in values)


def test_a_filter_hides_the_rows_that_do_not_hold_its_text(image: Page) -> None:
    typed = image.run(
        "const field = document.querySelector('.filter input');"
        "const table = field.closest('label').nextElementSibling.querySelector('table');"
        "const rows = () => [...table.tBodies].flatMap(body => [...body.rows])"
        ".filter(row => !row.hidden && !row.querySelector('th[scope=rowgroup]'));"
        "const all = rows().length; const word = rows()[1].cells[0].textContent.trim();"
        "const put = text => { field.value = text; field.dispatchEvent(new Event('input')); };"
        "put(word.toUpperCase()); const some = rows();"
        "const fits = some.every(row => (row.parentElement.rows[0].textContent + row.textContent)"
        ".toLowerCase().includes(word.toLowerCase()));"
        "put('no such row'); const none = rows().length; put(''); return [all, some.length, fits,"
        " none, rows().length]"
    )
    assert isinstance(typed, list)
    everything, some, fits, none, again = typed
    assert 0 < some < everything
    assert fits is True
    assert none == 0
    assert again == everything


def test_everything_unfolds_and_folds(image: Page) -> None:
    press_button = "[...document.querySelectorAll('.tools button')].find(one => one.textContent =="
    image.run(f"{press_button} 'Expand all').click()")
    assert image.run("return document.querySelector('details:not([open])') === null") is True
    image.run(f"{press_button} 'Collapse all').click()")
    assert image.run("return document.querySelector('details[open]') === null") is True


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_colours_change_with_a_button_and_back(page: Page, reports: Path, dark: bool) -> None:
    page.open(reports / "image.html", width=1280, dark=dark)
    colour = "return getComputedStyle(document.body).backgroundColor"
    toggle = "document.querySelectorAll('.tools button')[2].click()"
    before = page.run(colour)
    page.run(toggle)
    after = page.run(colour)
    assert {before, after} == {"rgb(246, 247, 248)", "rgb(18, 21, 26)"}
    page.run(toggle)
    assert page.run(colour) == before


def test_links_and_commands_are_copied(image: Page) -> None:
    image.run("window.kept = []; navigator.clipboard.writeText = async text => { kept.push(text) }")
    image.run("document.querySelector('#check-pgd-linf .above .copy').click()")
    image.run(
        "const command = document.querySelector('#check-pgd-linf code.command');"
        "command.nextElementSibling.click()"
    )
    link, command = image.run("return kept")  # type: ignore[misc]
    assert link.endswith("image.html#check-pgd-linf")
    assert command.startswith("audit run")
    said = "return document.querySelector('[role=status]').textContent"
    assert image.run(said) == "The command is copied."


def test_keys_walk_from_check_to_check(image: Page) -> None:
    focused = "return document.activeElement.id"
    down, up, alt = ("ArrowDown", 40), ("ArrowUp", 38), 1
    image.press(*down, alt)
    first = image.run(focused)
    assert first == image.run("return document.querySelector('.check h3').id")
    image.press(*down, alt)
    assert image.run(focused) == image.run("return document.querySelectorAll('.check h3')[1].id")
    image.press(*up, alt)
    assert image.run(focused) == first


def test_a_walk_to_a_finding_and_back_needs_only_keys(image: Page) -> None:
    for _ in range(60):
        image.press("Tab", 9)
        if image.run("return !!document.activeElement.closest('.decisions')"):
            break
    image.press("Enter", 13)
    image.devtools("Input.dispatchKeyEvent", type="char", text="\r")
    assert "30.5 %" in str(image.run("return document.querySelector(':target').textContent"))
    image.run("history.back()")
    image.run("return new Promise(done => setTimeout(done, 200))")
    assert image.run("return location.hash") == ""


def test_a_link_into_something_folded_opens_it(image: Page) -> None:
    image.run("document.querySelectorAll('details').forEach(one => { one.open = false })")
    image.run("location.hash = 'finding-corruptions/accuracy/all/corruption=jpeg,severity=5'")
    image.run("return new Promise(done => setTimeout(done, 200))")
    closed = "let one = document.querySelector(':target'); let all = true;"
    closed += "while ((one = one.parentElement.closest('details'))) all &&= one.open; return all"
    assert image.run(closed) is True


def test_without_script_everything_is_there(page: Page, reports: Path) -> None:
    page.open(reports / "image.html", width=1280)
    text = "return document.querySelector('main').textContent.replace(/\\s+/g, ' ')"
    with_script = str(page.run(text))
    page.devtools("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.open(reports / "image.html", width=1280)
        tree = str(page.devtools("DOM.getDocument", depth=1))
        assert "document" in tree
        root = page.devtools("DOM.getDocument", depth=0)
        assert isinstance(root, dict)
        html = page.devtools("DOM.getOuterHTML", nodeId=root["root"]["nodeId"])
        assert isinstance(html, dict)
    finally:
        page.devtools("Emulation.setScriptExecutionDisabled", value=False)
    assert 'class="tools"' not in html["outerHTML"]
    assert 'type="search"' not in html["outerHTML"]
    for said in ("What decided it", "Findings and evidence", "Robust accuracy", "Glossary"):
        assert said in html["outerHTML"]
        assert said in with_script


def test_paper_shows_what_is_folded(image: Page) -> None:
    image.run("document.querySelectorAll('details').forEach(one => { one.open = false })")
    height = "return document.querySelector('#check-pgd-linf').getBoundingClientRect().height"
    folded = image.run(height)
    image.devtools("Emulation.setEmulatedMedia", media="print")
    try:
        unfolded = image.run(height)
        assert isinstance(folded, (int, float))
        assert isinstance(unfolded, (int, float))
        assert unfolded > 2 * folded
        bar = "return getComputedStyle(document.querySelector('.tools')).display"
        assert image.run(bar) == "none"
    finally:
        image.devtools("Emulation.setEmulatedMedia", media="")


# --- accessibility -------------------------------------------------------------------------------


@pytest.mark.skipif(bool(axe.WHY_NOT), reason=axe.WHY_NOT)
@pytest.mark.parametrize(
    ("name", "width", "dark"), [("image", 1280, False), ("image", 390, True), ("text", 1280, True)]
)
def test_axe_finds_no_violation(
    page: Page, reports: Path, name: str, width: int, dark: bool
) -> None:
    page.open(reports / f"{name}.html", width=width, dark=dark)
    page.run(OPEN)
    assert axe.violations(page) == []


@pytest.mark.slow
@pytest.mark.skipif(bool(axe.WHY_NOT), reason=axe.WHY_NOT)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("result", EXAMPLES, ids=lambda one: one.parent.name)
def test_axe_finds_no_violation_in_the_reports_of_built_in_models(
    page: Page, result: Path, dark: bool
) -> None:
    page.open(result.parent / "report.html", width=1280, dark=dark)
    page.run(OPEN)
    assert axe.violations(page) == []
