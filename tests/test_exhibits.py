"""Mirrors auditkit/exhibits.py."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import nn

from auditkit.checks.catalogue import BUILT_IN
from auditkit.cli import cli
from auditkit.data.load import DataSpec
from auditkit.data.schema import Feature, Schema
from auditkit.exhibits import MOST_PIXELS, Names, private, private_result, record_names
from auditkit.findings import (
    Heatmap,
    ImageExhibit,
    ImageRow,
    Note,
    Outcome,
    Picture,
    Table,
    TextExhibit,
    TextRow,
    Token,
)
from auditkit.models.classifier import Classifier
from auditkit.models.load import ModelSpec
from auditkit.models.tabular import TabularClassifier
from auditkit.policy import Exhibits, Policy
from auditkit.render import render_text
from auditkit.result import Execution, Result, read_result, to_json
from auditkit.run import Request, run
from tests.render.hostile import hostile
from tests.render.sample import image_result, text_result

CANARY = "zanzibarquux"  # in every text
PERSON = "annamaria"  # in every id
RESULTS = {"image": image_result, "text": text_result}


def rows_of(outcome: Outcome) -> list[ImageRow | TextRow]:
    return [
        row
        for item in outcome.evidence.values()
        if isinstance(item, (ImageExhibit, TextExhibit))
        for row in item.rows
    ]


def everything(result: Result) -> list[ImageRow | TextRow]:
    return [row for outcome in result.outcomes for row in rows_of(outcome)]


@pytest.mark.parametrize("name", RESULTS)
def test_without_exhibits_numbers_stay_and_no_gallery_is_left(name: str) -> None:
    before = RESULTS[name]()
    after = private_result(before, "none")
    assert everything(before)
    assert not everything(after)
    for old, new in zip(before.outcomes, after.outcomes, strict=True):
        assert [one.value for one in new.findings] == [one.value for one in old.findings]
        assert all(key in new.evidence for one in new.findings for key in one.evidence)
        assert ("left-out" in new.evidence) == bool(rows_of(old))
    page = render_text(after, "html")
    assert "(--no-exhibits)" in page
    pictures = {
        panel.png
        for row in everything(before)
        if isinstance(row, ImageRow)
        for panel in row.panels
        if isinstance(panel, Picture)
    }
    assert not any(one in page or one in to_json(after) for one in pictures)


@pytest.mark.parametrize("name", RESULTS)
def test_blurred_rows_keep_their_number_and_lose_names_and_texts(name: str) -> None:
    before = RESULTS[name]()
    after = private_result(before, "blurred")
    assert len(everything(after)) == len(everything(before))
    for old, new in zip(everything(before), everything(after), strict=True):
        assert new.id.startswith("input ")
        assert old.id not in new.caption
        if isinstance(old, TextRow) and isinstance(new, TextRow):
            assert [one.weight for one in new.tokens] == [one.weight for one in old.tokens]
            assert {one.text.strip() for one in new.tokens} <= {"•••", ""}
            assert {(one.was or "").strip() for one in new.tokens} <= {"•••", ""}
    render_text(after, "html")


@pytest.mark.parametrize("exhibits", ["blurred", "none"])
@pytest.mark.parametrize("name", RESULTS)
def test_hostile_names_cannot_act_in_what_is_left(name: str, exhibits: Exhibits) -> None:
    page = render_text(private_result(hostile(RESULTS[name]()), exhibits), "html")
    assert page.count("<script>") == 1
    assert "<img src=x" not in page


def picture(pixels: np.ndarray) -> Picture:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return Picture(label="input", png=base64.b64encode(buffer.getvalue()).decode())


def blurred(panel: Picture | Heatmap) -> Picture | Heatmap:
    row = ImageRow(id="x", caption="", panels=[panel])
    item = ImageExhibit(title="t", selection="worst", rows=[row])
    (after,) = rows_of(private(measured({"worst": item}), "blurred", Names.of(["x"])))
    assert isinstance(after, ImageRow)
    return after.panels[0]


def measured(evidence: dict) -> Outcome:
    first = image_result().outcomes[0]
    return first.model_copy(update={"evidence": evidence, "findings": []})


@pytest.mark.parametrize("side", [1, 3, 8, 32, 224])
def test_a_blurred_picture_is_a_few_mean_colours(side: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    after = blurred(picture(pixels))
    assert isinstance(after, Picture)
    with Image.open(io.BytesIO(base64.b64decode(after.png))) as image:
        assert max(image.size) <= min(MOST_PIXELS, max(1, side // 4))
        mean = np.asarray(image, dtype=float).mean(axis=(0, 1))
    assert mean == pytest.approx(pixels.mean(axis=(0, 1)), abs=3)


@pytest.mark.parametrize("png", ["", "no base64", base64.b64encode(b"\x89PNG broken").decode()])
def test_a_picture_that_cannot_be_opened_becomes_grey(png: str) -> None:
    after = blurred(Picture(label="input", png=png))
    assert isinstance(after, Picture)
    with Image.open(io.BytesIO(base64.b64decode(after.png))) as image:
        assert image.size == (1, 1)


def test_a_blurred_map_holds_means_of_blocks() -> None:
    scores = np.arange(64.0).reshape(8, 8)
    after = blurred(Heatmap(label="map", values=scores.tolist(), signed=False))
    assert isinstance(after, Heatmap)
    expected = [[scores[:4, :4].mean(), scores[:4, 4:].mean()],
                [scores[4:, :4].mean(), scores[4:, 4:].mean()]]  # fmt: skip
    assert after.values == expected
    odd = blurred(Heatmap(label="map", values=[[1.0], [1.0, 2.0]], signed=False))
    assert isinstance(odd, Heatmap)
    assert odd.values == [[0.0]]


@pytest.mark.parametrize("exhibits", ["blurred", "none"])
def test_names_are_replaced_in_tables_and_notes(exhibits: Exhibits) -> None:
    outcome = measured(
        {
            "doubles": Table(title="t", columns=["ids", "n"], rows=[["a/anna.png, a/b.png", 2]]),
            "words": Table(title="t", columns=["part", "share"], rows=[["anna", 0.5]]),
            "note": Note(title="t", text="Put on a/anna.png; b/a/anna.pngs stays."),
            "nomination": Note(title="t", text="the word anna"),
        }
    )
    after = private(outcome, exhibits, Names.of(["a/anna.png", "a/b.png"]))
    doubles, words = after.evidence["doubles"], after.evidence["words"]
    assert isinstance(doubles, Table)
    assert isinstance(words, Table)
    assert doubles.rows == [["input 1, input 2", 2]]
    assert words.rows == [["(withheld)", 0.5]]
    note = after.evidence["note"]
    assert isinstance(note, Note)
    assert note.text.startswith("Put on input 1;")
    assert "anna" not in after.evidence["nomination"].model_dump_json()


def test_what_an_error_quotes_is_withheld() -> None:
    outcome = measured({"traceback": Note(title="What went wrong", text="'anna' is no word")})
    failed = outcome.model_copy(
        update={"status": "errored", "reason": "ValueError: 'anna' is no word"}
    )
    after = private(failed, "none", Names.of([]))
    assert "anna" not in after.model_dump_json()
    assert str(after.reason).startswith("ValueError (")


def test_nothing_changes_where_everything_is_shown() -> None:
    result = image_result()
    assert private_result(result, "shown") is result


# --- whole runs ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Audit sentences that people wrote about a person, without exhibits."""
    place = tmp_path_factory.mktemp("private")
    texts = [
        f"the {CANARY} food was {'great' if i % 2 else 'awful'} and the {CANARY} room was "
        f"{'lovely' if i % 2 else 'dirty'} {i}"
        for i in range(24)
    ]
    pd.DataFrame(
        {
            "id": [f"{PERSON}-{i}" for i in range(24)],
            "text": texts,
            "label": ["positive" if i % 2 else "negative" for i in range(24)],
            "site": ["here", "there"] * 12,
        }
    ).to_csv(place / "people.csv", index=False)
    checks = ("clean-accuracy", "token-swap", "shortcut", "typos")
    run(
        Request(
            model=ModelSpec(source="phrases-transformer"),
            data=DataSpec(source=str(place / "people.csv"), columns=("text", "label")),
            policy=Policy(checks=checks, exhibits="none"),
            out=place / "out",
            execution=Execution(),
        )
    )
    return place / "out"


def test_no_file_holds_an_input_or_its_name(folder: Path) -> None:
    result = read_result(folder)
    measured = [one.check for one in result.outcomes if one.status == "measured"]
    assert {"clean-accuracy", "token-swap", "typos"} <= set(measured)
    files = {one.name: one.read_bytes().lower() for one in folder.rglob("*") if one.is_file()}
    assert "adversarial.parquet" not in files
    records = pd.read_parquet(folder / "records.parquet")
    assert re.fullmatch(r"input 1 of [0-9a-f]{12}", str(records["id"].iloc[0]))
    assert records["id"].is_unique
    files["records"] = records.to_csv().lower().encode()
    for name, content in files.items():
        assert CANARY.encode() not in content, name
        assert PERSON.encode() not in content, name


def quoted(out: Path, said: set[str]) -> dict[str, list[str]]:
    """Return what the result and its page quote of what was said, by file."""
    texts = {
        name: (out / name).read_text("utf-8").lower() for name in ("result.json", "report.html")
    }
    return {
        name: found
        for name, text in texts.items()
        if (found := [one for one in said if re.search(rf"(?<![\w.]){one}(?![\w])", text)])
    }


QUICK_TEXTS = ("clean-accuracy", "embedding-changes", "insertion", "shortcut", "character")
QUICK_ROWS = ("clean-accuracy", "feature-changes", "individual", "slice-scan")
FEW = {
    "insertion": {"length": 1, "targets": 1, "search_inputs": 8, "candidates": 4},
    "embedding-changes": {"max_inputs": 12, "rounds": 1},
    "shortcut": {"steps": 2},
    "character": {"max_changes": 1, "queries": 4},
    "individual": {"columns": ["years", "sex"]},
}


def blurred_audit(
    model: ModelSpec | Classifier, data: DataSpec, checks: tuple[str, ...], out: Path
) -> dict[str, TextExhibit]:
    """Return the galleries of a blurred audit, by their checks."""
    ours = {name: FEW[name] for name in FEW if name in checks}
    policy = Policy(checks=checks, parameters=ours, exhibits="blurred")
    run(Request(model=model, data=data, policy=policy, out=out, execution=Execution()))
    return {
        one.check: item
        for one in read_result(out).outcomes
        for item in one.evidence.values()
        if isinstance(item, TextExhibit)
    }


ALL = tuple(one.meta.id for one in BUILT_IN)
EVERY_CHECK = pytest.param(ALL, id="all", marks=pytest.mark.slow)


@pytest.mark.parametrize("checks", [pytest.param(QUICK_TEXTS, id="quick"), EVERY_CHECK])
def test_no_blurred_page_quotes_a_word_of_a_text(checks: tuple[str, ...], tmp_path: Path) -> None:
    opinions = (("shoddy", "dreadful", "tiresome"), ("superb", "delightful", "splendid"))
    things = ("soundtrack", "dessert", "balcony", "drummer", "narrator")
    texts = [
        f"the {things[i % 5]} of my {CANARY} was {opinions[i % 2][i // 2 % 3]},"
        f" said the {('german', 'kenyan')[i % 3 % 2]} teacher"
        for i in range(48)
    ]
    labels = ["positive" if i % 2 == (i % 7 > 0) else "negative" for i in range(48)]
    pd.DataFrame(
        {"id": [f"{PERSON}-{i}" for i in range(48)], "text": texts, "label": labels,
         "site": [("here", "there")[i % 3 % 2] for i in range(48)]}
    ).to_csv(tmp_path / "people.csv", index=False)  # fmt: skip
    data = DataSpec(source=str(tmp_path / "people.csv"), columns=("text", "label"))
    model = ModelSpec(source="phrases-transformer")
    assert {*QUICK_TEXTS} <= {*blurred_audit(model, data, checks, tmp_path / "out")}
    said = {word for text in texts for word in re.findall(r"[a-z]{5,}", text)}
    ours = {"german", "kenyan"}  # terms of counterfactual-identity
    assert quoted(tmp_path / "out", {*said, PERSON} - ours) == {}


@pytest.mark.parametrize("checks", [pytest.param(QUICK_ROWS, id="quick"), EVERY_CHECK])
def test_no_blurred_page_quotes_a_number_of_a_row(checks: tuple[str, ...], tmp_path: Path) -> None:
    years = [10007 + 31 * i for i in range(60)]
    labels = ["low" if (i < 30) == (i % 9 > 0) else "high" for i in range(60)]
    sexes = [("woman", "man")[i // 3 % 2] for i in range(60)]
    frame = {"id": [f"{PERSON}-{i}" for i in range(60)], "years": years, "sex": sexes}
    pd.DataFrame({**frame, "label": labels}).to_csv(tmp_path / "rows.csv", index=False)
    network = nn.Linear(3, 2)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[-1.0, 0.5, -0.5], [1.0, -0.5, 0.5]]))
        network.bias.zero_()
    schema = Schema(
        (
            Feature(name="years", mean=10921.0, std=540.0, integer=True),
            Feature(name="sex", kind="categorical", categories=("man", "woman")),
        )
    )
    model = TabularClassifier(network, schema=schema, classes=("low", "high"))
    data = DataSpec(source=str(tmp_path / "rows.csv"), columns=("label",), sensitive=("sex",))
    shown = blurred_audit(model, data, checks, tmp_path / "out")
    assert {*QUICK_ROWS} - {"slice-scan"} <= {*shown}
    assert quoted(tmp_path / "out", {*map(str, years), PERSON}) == {}


def test_rendering_again_can_leave_out_or_blur(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_text(to_json(text_result()), encoding="utf-8")
    some = next(row for row in everything(text_result()) if isinstance(row, TextRow))
    word = max((one.text.strip() for one in some.tokens), key=len)
    for option in ("--no-exhibits", "--blur"):
        out = tmp_path / option
        ran = CliRunner().invoke(cli, ["render", str(file), option, "--out", str(out)])
        assert ran.exit_code == 0, ran.output
        for name in ("report.html", "result.json"):
            text = (out / name).read_text(encoding="utf-8")
            assert some.id not in text
            assert f">{word}<" not in text
            assert ("•••" in text) == (option == "--blur")
    figures = ["render", str(file), "--no-exhibits", "--figures", str(tmp_path / "figures")]
    assert CliRunner().invoke(cli, figures).exit_code == 0
    drawn = [one.read_text(encoding="utf-8") for one in (tmp_path / "figures").glob("*.svg")]
    assert not any(some.id in one for one in drawn)


def test_numbers_of_different_samples_are_never_alike() -> None:
    first, other = record_names(["a", "b"]), record_names(["b", "a"])
    assert len({*first, *other}) == 4
    assert record_names(["a", "b"]) == first


def test_dots_keep_the_spaces_of_a_token() -> None:
    row = TextRow(
        id="x", caption="", tokens=[Token(text=" good"), Token(text=" "), Token(text="!")]
    )
    item = TextExhibit(title="t", selection="worst", rows=[row])
    (after,) = rows_of(private(measured({"worst": item}), "blurred", Names.of(["x"])))
    assert isinstance(after, TextRow)
    assert [one.text for one in after.tokens] == [" •••", " ", "•••"]
