"""Mirrors auditkit/diff/flips.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditkit.diff.flips import flips_of
from auditkit.diff.report import Flips
from auditkit.diff.sides import load
from auditkit.findings import Heatmap, ImageExhibit, ImageRow, Picture
from auditkit.statistics import holm_adjusted, mcnemar_p
from tests.diff.sample import CHECK, accurate

CAT_ROWS = range(0, 60, 2)  # thirty cats
GALLERY = ImageExhibit(
    title="Mistakes",
    selection="worst",
    rows=[
        ImageRow(
            id="i0002",
            caption="x",
            panels=[
                Picture(label="input", png="AAAA"),
                Heatmap(label="map", values=[[1.0]], signed=False),
            ],
        )
    ],
)


def flips(before: Path, after: Path, minimum_n: int = 20) -> Flips:
    found = flips_of(load(before), load(after), minimum_n=minimum_n, level=0.95, checks=[CHECK])
    assert found is not None
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Flips:
    folder = tmp_path_factory.mktemp("flips")
    before = accurate(folder / "a", 100, [1, 3])
    return flips(before, accurate(folder / "b", 100, [3, *CAT_ROWS], evidence=GALLERY))


def test_lost_and_gained_inputs_are_listed_by_id(found: Flips) -> None:
    assert (found.n, found.lost, found.gained, found.changed) == (100, 30, 1, 31)
    lost = [one for one in found.listed if one.lost]
    assert [one.id for one in lost] == [f"i{k:04d}" for k in CAT_ROWS]
    assert (lost[0].label, lost[0].before, lost[0].after) == ("cat", "cat", "dog")
    (gained,) = [one for one in found.listed if not one.lost]
    assert (gained.id, gained.before, gained.after) == ("i0001", "cat", "dog")


def test_groups_carry_their_own_test(found: Flips) -> None:
    groups = {(one.column, one.group): one for one in found.groups}
    cat, dog = groups["class", "cat"], groups["class", "dog"]
    assert (cat.n, cat.lost, cat.gained, cat.before, cat.after) == (50, 30, 0, 1.0, 0.4)
    assert cat.high < 0
    assert (dog.lost, dog.gained) == (0, 1)
    assert set(groups) == {("class", "cat"), ("class", "dog"), ("light", "day"), ("light", "night")}
    p_values = [mcnemar_p(one.lost, one.gained) for one in found.groups]
    assert [one.p_holm for one in found.groups] == pytest.approx(holm_adjusted(p_values))


def test_small_groups_have_no_p(tmp_path: Path) -> None:
    sides = [accurate(tmp_path / name, 30, wrong) for name, wrong in (("a", []), ("b", [0]))]
    assert all(one.small and one.p_holm is None for one in flips(sides[0], sides[1]).groups)


def test_cells_that_may_not_be_told_are_left_out(tmp_path: Path) -> None:
    sides = [accurate(tmp_path / name, 30, [], policy={"min_cell": 40}) for name in ("a", "b")]
    assert flips(sides[0], sides[1]).groups == []


def test_a_flip_shows_the_input_that_a_gallery_holds(found: Flips) -> None:
    shown = {one.id: one.exhibit for one in found.listed if one.exhibit is not None}
    assert set(shown) == {"i0002"}
    row = shown["i0002"]
    assert isinstance(row, ImageRow)
    assert [one.kind for one in row.panels] == ["picture"]  # a map of one model says nothing here


def test_records_that_do_not_note_answers_tell_nothing(tmp_path: Path) -> None:
    side = load(accurate(tmp_path / "a", 30, []))
    assert flips_of(side, side, minimum_n=20, level=0.95, checks=["other"]) is None
