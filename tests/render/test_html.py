"""Mirrors auditkit/render/html.py."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
import time
import unicodedata
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from auditkit.findings import Finding, ImageExhibit, Outcome, Table, TextExhibit
from auditkit.render import with_tables
from auditkit.render.finding_table import LEAST_ROWS, MAX_ROWS
from auditkit.render.html import render_html
from auditkit.render.page import TEMPLATES, anchor, prose
from auditkit.render.words import VERDICTS
from auditkit.result import Judgement, Result, Verdict, to_json
from auditkit.types import Scalar
from tests.render.hostile import hostile
from tests.render.sample import clean_accuracy, image_result, text_result

RESULTS = {"image": image_result, "text": text_result}
VOID = {"meta", "link", "img", "br", "image"}


class Document(HTMLParser):
    """Tags, texts and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.styles: list[str] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.styles.append(data)
        elif self.open and self.open[-1] == "script":
            self.scripts.append(data)
        else:
            self.text += data


@cache
def sample_page() -> str:
    return render_html(image_result())


@pytest.fixture(scope="module", params=[*RESULTS, "hostile-image", "hostile-text"])
def page(request: pytest.FixtureRequest) -> str:
    name = request.param.removeprefix("hostile-")
    if request.param == "image":
        return sample_page()
    result = RESULTS[name]()
    return render_html(hostile(result) if request.param != name else result)


def test_nothing_on_the_page_can_act(page: str) -> None:
    document = Document(page)
    tags = {tag for tag, _ in document.tags}
    assert not tags & {"iframe", "object", "embed", "form", "base", "foreignobject", "a:"}
    for tag, attributes in document.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in ("href", "src", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:image/png;base64,", "data:,"))
    assert [one for tag, one in document.tags if tag == "script"] == [{}]
    assert document.unbalanced == []
    assert document.open == []


def test_characters_that_act_are_shown_as_escapes(page: str) -> None:
    acting = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert {c for c in page if unicodedata.category(c) in acting} <= {"\n"}
    page.encode()


def test_the_content_policy_allows_one_style_and_one_script_and_nothing_else(page: str) -> None:
    document = Document(page)
    (style,) = document.styles
    (script,) = document.scripts
    assert script == (TEMPLATES / "report.js").read_text(encoding="utf-8")
    (policy,) = [a["content"] for t, a in document.tags if t == "meta" and "http-equiv" in a]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest(style)}';"
        f" script-src 'sha256-{digest(script)}'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_the_script_reaches_for_nothing_outside_the_page() -> None:
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    assert not re.search(
        r"fetch|XMLHttp|WebSocket|import\b|eval|Function\(|innerHTML|insertAdjacent|document\.write"
        r"|https?:|localStorage|cookie|</",
        script.replace("nothing is fetched, stored or evaluated", ""),
    )


def test_identifiers_are_unique_and_links_lead_somewhere(page: str) -> None:
    tags = Document(page).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    linked = [a["href"][1:] for t, a in tags if t == "a"]
    assert set(linked) <= set(ids)
    labels = [a["aria-labelledby"] for _, a in tags if "aria-labelledby" in a]
    assert set(labels) <= set(ids)


def test_headings_go_down_one_level_at_a_time(page: str) -> None:
    levels = [int(t[1]) for t, _ in Document(page).tags if re.fullmatch(r"h[1-6]", t)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    steps = [below - above for above, below in pairwise(levels)]
    assert max(steps) == 1


def test_pictures_have_words_and_landmarks_are_there(page: str) -> None:
    tags = Document(page).tags
    assert {"main", "nav", "header", "footer"} <= {tag for tag, _ in tags}
    assert all("alt" in a for t, a in tags if t == "img")
    assert all(
        a.get("role") == "img" or a.get("aria-hidden") == "true" for t, a in tags if t == "svg"
    )
    assert ("html", {"lang": "en"}) in tags


def test_the_verdict_stands_first_and_every_finding_is_there() -> None:
    result, page = image_result(), sample_page()
    text = " ".join(Document(page).text.split())
    first = text.index("1 of 5 limits are missed. 1 waived. 2 are not decided.")
    assert first < text.index("What decided it") < text.index("By family")
    assert text.index("Do predictions survive small worst-case") < text.rindex("Are groups treated")
    for outcome in result.outcomes:
        assert outcome.question in text
        for finding in outcome.findings:
            assert f'id="{anchor("finding", finding.id)}"' in page


def test_the_word_for_each_method_has_its_reason_and_the_worst_map_is_faded() -> None:
    page = render_html(image_result())
    text = " ".join(Document(page).text.split())
    reason = "similarity after weight randomisation at most 0.7: surely missed (0.810 to 0.930)"
    assert f"not informative occlusion: {reason}" in text
    assert "occlusion (not informative)" in text
    faded = re.findall(r'<figure class="tile[^"]*faded".*?</figure>', page, re.DOTALL)
    assert faded
    assert all("occlusion" in one or "over the input" in one for one in faded)
    assert "integrated gradients" in text.replace("integrated gradients (not informative)", "")
    assert "integrated gradients (not informative)" not in text


def test_why_checks_do_not_apply_is_folded_and_why_others_are_missing_is_not() -> None:
    page = sample_page()
    before, after = page.split("Why 1 check does not apply</summary>")
    assert before.endswith("<details><summary>")
    assert "the time budget of 60 s was used up" in before.split('id="untested"')[1].lower()
    assert "It is about text models" in after.split("</details>")[0]
    assert "It is about text models" not in before.split('id="untested"')[1]


def test_what_is_missing_says_so() -> None:
    text = " ".join(Document(sample_page()).text.split())
    assert "undefined: no input belongs to its denominator" in text
    assert "RuntimeError: CUDA error" in text
    assert "the time budget of 60 s was used up" in text
    assert "It is about text models" in text
    assert "needs about 940 inputs (an extrapolation)" in text
    assert "dana@example.org, until 2031-01-31" in text


def test_code_in_sentences_is_marked_and_nothing_in_it_acts() -> None:
    assert prose("a `b` c") == "a <code>b</code> c"
    assert prose("`<b>` & `x\ny` `") == "<code>&lt;b&gt;</code> &amp; `x\ny` `"
    assert prose("`\x1b[31m`") == "<code>\\x1b[31m</code>"
    outcome = image_result().outcomes[0]
    texts: dict[str, object] = dict.fromkeys(
        ("explanation", "not_shown", "remedy"), "below `minimum_n`, <i>"
    )
    changed = outcome.model_copy(update=texts)
    page = render_html(image_result().model_copy(update={"outcomes": [changed]}))
    assert page.count("below <code>minimum_n</code>, &lt;i&gt;") == 3


def test_a_card_is_shown_as_its_maker_s_words_and_a_missing_one_is_said() -> None:
    assert "auditkit did not check these sentences" in sample_page()
    result = image_result()
    bare = result.model_copy(update={"model": result.model.model_copy(update={"card": {}})})
    assert "The model came without a card" in render_html(bare)


@pytest.mark.parametrize("status", list(VERDICTS))
def test_every_verdict_has_its_word(status: str) -> None:
    verdict = Verdict.model_validate(
        {"status": status, "exit_code": 0, "sentence": "It is said.", "decided_by": []}
    )
    result = image_result().model_copy(update={"verdict": verdict, "outcomes": []})
    document = Document(render_html(result))
    assert VERDICTS[verdict.status] in document.text
    assert ("div", {"class": f"verdict {status}"}) in document.tags


def test_an_audit_without_outcomes_still_renders() -> None:
    result = image_result()
    bare = result.model_copy(
        update={
            "outcomes": [],
            "verdict": Verdict(
                status="incomplete",
                exit_code=3,
                sentence="Incomplete: 1 of 1 questions are not decided.",
                decided_by=[
                    Judgement(
                        limit="the whole audit", finding="*", status="incomplete",
                        reason="interrupted",
                    )
                ],
            ),
            "provenance": result.provenance.model_copy(update={"partial": True}),
        }
    )  # fmt: skip
    text = Document(render_html(bare)).text
    assert "interrupted" in text
    assert "No check gave a number." in text


def test_the_same_result_gives_the_same_page() -> None:
    assert render_html(image_result()) == sample_page()


def test_rendering_imports_nothing_heavy(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_text(to_json(image_result()), encoding="utf-8")
    script = (
        "import sys, pathlib\n"
        "from auditkit.render import FORMATS, render\n"
        "from auditkit.result import read_result\n"
        "result = read_result(pathlib.Path(sys.argv[1]))\n"
        "assert all(render(result, name) for name in FORMATS if name != 'parquet')\n"
        "heavy = {'torch', 'captum', 'foolbox', 'sklearn', 'scipy'}\n"
        "found = (heavy | {'pandas'}) & set(sys.modules)\n"
        "assert not found, found\n"
        "assert render(result, 'parquet')\n"  # pyarrow itself imports pandas
        "assert not heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(file)], check=True, timeout=60)


# --- colours -------------------------------------------------------------------------------------


def themes() -> dict[str, dict[str, str]]:
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
        for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    )
    return {"light": light, "dark": dark}


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2.2, section 1.4.3."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_its_background(theme: str) -> None:
    colours = themes()[theme]
    assert set(colours) == set(themes()["light"])
    pairs = [(ink, page) for ink in ("ink", "soft", "link") for page in ("page", "paper", "sunken")]
    pairs += [(kind, f"{kind}-page") for kind in ("fail", "open", "pass", "calm")]
    pairs += [("ink", f"{kind}-page") for kind in ("fail", "open", "pass", "calm")]
    pairs += [("ink", f"{sign}{i}") for sign in "pn" for i in range(1, 6)]
    pairs += [("ink", f"s{i}") for i in range(9)]
    assert {p: round(contrast(colours[p[0]], colours[p[1]]), 2) for p in pairs
            if contrast(colours[p[0]], colours[p[1]]) < 4.5} == {}  # fmt: skip


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_marks_stand_out_from_the_page(theme: str) -> None:
    from auditkit.render.charts import COLOURS

    paper = themes()[theme]["paper"]
    assert min(contrast(one, paper) for one in COLOURS) >= 3


# --- size ----------------------------------------------------------------------------------------


def large(checks: int, findings: int) -> Result:
    made: list[Outcome] = []
    for i in range(checks):
        outcome = clean_accuracy()
        template = outcome.findings[0]
        own = [
            template.model_copy(
                update={"id": f"check-{i}/accuracy/group={j}", "slice": f"group={j}"}
            )
            for j in range(findings)
        ]
        made.append(outcome.model_copy(update={"check": f"check-{i}", "findings": own}))
    return image_result().model_copy(update={"outcomes": made})


def test_a_check_with_many_findings_keeps_the_judged_ones_and_counts_the_rest() -> None:
    result = large(1, 4000)
    last: Finding = result.outcomes[0].findings[-1]
    verdict = Verdict(
        status="fail", exit_code=1, sentence="Fail: 1 of 1 limits are missed.",
        decided_by=[Judgement(limit="accuracy >= 1", finding=last.id, status="fail", reason="no")],
    )  # fmt: skip
    page = render_html(result.model_copy(update={"verdict": verdict}))
    assert f'id="finding-{last.id}"' in page
    assert page.count('<tr id="finding-') == 3000  # room is kept for the one that missed its limit
    assert "The page has no room for 1,000 more findings" in page
    assert '<a href="findings.csv">' in page


def test_what_missed_a_limit_is_never_left_out() -> None:
    result = large(10, 700)
    missed = [one.id for outcome in result.outcomes for one in outcome.findings[200:]]
    verdict = Verdict(
        status="fail", exit_code=1, sentence="Fail: 5,000 of 5,000 limits are missed.",
        decided_by=[
            Judgement(limit="accuracy >= 1", finding=one, status="fail", reason="no")
            for one in missed
        ],
    )  # fmt: skip
    page = render_html(result.model_copy(update={"verdict": verdict}))
    assert len(missed) > MAX_ROWS
    shown = set(re.findall(r'<tr id="finding-([^"]+)"', page))
    assert set(missed) < shown
    assert len(shown) == len(missed) + 10 * LEAST_ROWS
    assert len(page) < 2_000_000
    assert with_tables(result, ["html", "md"]) == ["html", "md", "csv"]
    assert with_tables(image_result(), ["html"]) == ["html"]
    assert with_tables(result, ["md"]) == ["md"]


def test_a_page_stays_small_whatever_the_input() -> None:
    """Many checks with many findings and long tables: what is left out is said."""
    result = large(60, 500)
    cells: list[list[Scalar]] = [["a long cell " * 20] * 6 for _ in range(150)]
    wordy = Table(title="Long table", columns=list("abcdef"), rows=cells)
    outcomes = [
        one.model_copy(update={"evidence": {"one": wordy, "two": wordy}}) for one in result.outcomes
    ]
    page = render_html(result.model_copy(update={"outcomes": outcomes}))
    assert 1_500_000 < len(page.encode()) < 2_500_000
    assert "Left out to keep this page small; the result file has it." in page
    assert "The page has no room for 450 more findings" in page
    ids = re.findall(r' id="([^"]+)"', page)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


@pytest.mark.slow
@pytest.mark.parametrize(("checks", "findings"), [(1, 10_000), (100, 100)])
def test_ten_thousand_findings_render_in_five_seconds(checks: int, findings: int) -> None:
    result = large(checks, findings)
    render_html(image_result())  # warm: the chart engine starts once
    start = time.perf_counter()
    page = render_html(result)
    assert time.perf_counter() - start < 5 + 0.2 * checks  # two charts per check besides
    assert len(page) < 10_000_000


def test_evidence_without_rows_says_none() -> None:
    result = image_result()
    first = result.outcomes[0]
    empty = {
        "doubles": Table(title="Repeated inputs", columns=["ids"], rows=[]),
        "worst": ImageExhibit(title="Mistakes", selection="worst", rows=[]),
        "texts": TextExhibit(title="Texts", selection="worst", rows=[]),
    }
    changed = first.model_copy(update={"evidence": empty})
    page = render_html(result.model_copy(update={"outcomes": [changed]}))
    assert page.count('<p class="soft">None.</p>') == 3
