"""Mirrors auditkit/description/describe.py and terminal.py."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rich.console import Console
from scipy import stats
from scipy.stats.contingency import association

from auditkit.cli import cli
from auditkit.data.load import DataSpec
from auditkit.description.describe import (
    Column,
    Description,
    cramers_v,
    describe,
    values_of,
    withheld,
)
from auditkit.description.terminal import render_description
from auditkit.errors import DataError
from auditkit.statistics import clopper_pearson


def table(folder: Path, columns: Mapping[str, Sequence[object]]) -> str:
    file = folder / "people.csv"
    pd.DataFrame(columns).to_csv(file, index=False)
    return str(file)


def people(folder: Path, *, n: int = 200) -> str:
    """Sex hides in `team` and partly in `pay`; `noise` tells nothing."""
    rng = np.random.default_rng(0)
    sex = rng.choice(["f", "m"], n)
    team = np.where(sex == "f", "red", "blue")
    pay = np.where(sex == "m", 100, 0) + rng.normal(0, 100, n)
    label = np.where(rng.random(n) < np.where(sex == "m", 0.7, 0.3), "yes", "no")
    return table(
        folder,
        {
            "sex": sex.tolist(),
            "team": team.tolist(),
            "pay": pay.tolist(),
            "noise": rng.random(n).tolist(),
            "label": label.tolist(),
        },
    )


def printed(one: Description, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    render_description(one, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def column(one: Description, name: str) -> Column:
    return next(each for each in one.columns if each.name == name)


def test_groups_labels_and_gaps_are_counted(tmp_path: Path) -> None:
    sites = ["a"] * 50 + ["b"] * 40 + [None] * 30
    source = table(tmp_path, {"site": sites, "label": ["no", "yes"] * 60, "z": ["q"] * 120})
    one = describe(DataSpec(source=source, sensitive=("site",)))
    assert (one.n, one.labels) == (120, {"no": 60, "yes": 60})
    groups = {group.name: group for group in column(one, "site").groups}
    assert {name: group.n for name, group in groups.items()} == {"a": 50, "b": 40, "(missing)": 30}
    assert groups["(missing)"].missing
    rate = groups["a"].rates[0]
    assert (rate.label, rate.count, rate.share) == ("yes", 25, 0.5)
    assert (rate.low, rate.high) == clopper_pearson(25, 50)
    gap = column(one, "site").gaps[0]
    assert gap.value == 0
    assert gap.p == 1
    assert [cell.count for cell in column(one, "site").small_cells] == [15, 15]


def test_a_gap_in_labels_and_a_proxy_are_found_and_noise_is_not(tmp_path: Path) -> None:
    one = describe(DataSpec(source=people(tmp_path), sensitive=("sex",)))
    gap = column(one, "sex").gaps[0]
    assert (gap.highest, gap.lowest) == ("m", "f")
    assert gap.p < 0.01
    assert gap.low > 0.1
    found = {row.feature: row for row in one.proxies}
    assert [row.feature for row in one.proxies] == ["team", "pay", "noise"]
    assert found["team"].strength == pytest.approx(1)
    assert found["pay"].strength > found["pay"].by_chance
    assert found["noise"].adjusted_p > 0.05
    assert found["noise"].strength <= 1.3 * found["noise"].by_chance
    said = printed(one)
    for word in ("team", "adjusted", "sensitive", "Cramer's V"):
        assert word in said


def test_cramers_v_is_scipys() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 3, 300), rng.integers(0, 4, 300)
    second[:100] = first[:100]
    cells = stats.contingency.crosstab(first, second).count
    assert cramers_v(first, second) == pytest.approx(association(cells, method="cramer"))
    assert cramers_v(first, np.zeros(300, dtype=int)) == 0


def test_features_become_few_values() -> None:
    numbers = values_of(pd.Series([*map(str, range(100)), None, None]))
    assert len(set(numbers.tolist())) == 11
    assert numbers[-1] == numbers[-2]
    texts = values_of(pd.Series([f"t{i}" for i in range(100)] + ["t1"] * 5))
    assert len(set(texts.tolist())) == 51
    assert len(set(values_of(pd.Series([0.0, 1.0] * 10)).tolist())) == 2


def test_what_would_tell_a_small_cell_is_withheld() -> None:
    cells = np.array([[50, 50], [40, 3], [20, 20]])
    assert withheld(cells, 10).tolist() == [1, 2]  # the next smallest, or it follows from the sum
    assert withheld(cells, 3).tolist() == []
    assert withheld(np.array([[50, 2], [30, 1], [9, 50], [70, 70]]), 10).tolist() == [0, 1, 2]
    assert withheld(np.array([[50, 0], [40, 60]]), 10).tolist() == []


def test_small_groups_are_pooled_and_small_cells_have_no_numbers(tmp_path: Path) -> None:
    sizes = {"a": (60, 60), "b": (50, 4), "c": (30, 30), "rare": (2, 1), "odd": (4, 4)}
    rows = [
        (name, label)
        for name, counts in sizes.items()
        for label, count in zip(("no", "yes"), counts, strict=True)
        for _ in range(count)
    ]
    source = table(tmp_path, {"g": [one for one, _ in rows], "label": [two for _, two in rows]})
    one = describe(DataSpec(source=source, sensitive=("g",)), min_cell=10)
    groups = {group.name: group for group in column(one, "g").groups}
    assert set(groups) == {"a", "b", "c", "(small groups)"}
    for name in ("b", "(small groups)"):
        assert groups[name].rates[0].share is None
    assert groups["a"].rates[0].share == 0.5
    text = one.model_dump_json()
    assert not re.search(r'"count":[1-9][,}]', text)
    assert "withheld" in printed(one)


def test_odd_tables_have_a_clear_outcome(tmp_path: Path) -> None:
    n = 1000
    names = [f"<script>{i}</script> \x1b[31m ü" for i in range(n)]
    label = ["no", "yes"] * (n // 2)
    source = table(tmp_path, {"many": names, "same": label, "one": ["x"] * n, "label": label})
    one = describe(DataSpec(source=source, sensitive=("many", "same", "one")))
    assert len(column(one, "many").groups) == n
    assert column(one, "many").gaps == []
    assert column(one, "same").gaps[0].value == 1
    assert column(one, "one").gaps == []
    assert len(column(one, "same").small_cells) == 2  # nobody is in them
    assert one.proxies == []
    said = printed(one)
    assert "\x1b" not in said
    assert "960 smaller groups" in said


def test_numbers_are_binned_visibly_and_missing_labels_are_a_class(tmp_path: Path) -> None:
    age = [*map(float, range(18, 97)), np.nan]
    source = table(tmp_path, {"age": age, "label": ["no"] * 40 + ["yes"] * 39 + [None]})
    one = describe(DataSpec(source=source, sensitive=("age",)))
    names = [group.name for group in column(one, "age").groups]
    assert "(missing)" in names
    assert sum("<" in name or ">=" in name for name in names) == 4
    assert one.labels["(missing)"] == 1
    assert len(column(one, "age").groups[0].rates) == 3


def test_attributes_are_joined_and_ids_must_be_unique(tmp_path: Path) -> None:
    source = people(tmp_path)
    file = tmp_path / "who.tsv"
    file.write_text("id\torigin\n" + "".join(f"{i}\t{'ab'[i % 2]}\n" for i in range(1, 191)))
    spec = DataSpec(source=source, sensitive=("sex", "origin"), attributes=str(file))
    one = describe(spec)
    assert {group.name for group in column(one, "origin").groups} == {"a", "b", "(missing)"}
    assert {row.column for row in one.proxies} == {"sex", "origin"}
    assert any("no row for 10 of the inputs" in note for note in one.notes)
    file.write_text("id\torigin\n1\ta\n1\tb\n")
    with pytest.raises(DataError, match="'1' stands 2 times"):
        describe(spec)


def test_known_data_and_folders_need_no_model(tmp_path: Path) -> None:
    known = describe(DataSpec(source="breast-cancer"))
    assert known.columns
    assert known.proxies == [] or known.columns[0].sensitive
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.new("L", (2, 2)).save(tmp_path / name / f"{i}.png")
    one = describe(DataSpec(source=str(tmp_path)))
    assert one.labels == {"cat": 3, "dog": 3}
    with pytest.raises(DataError, match="no file, folder or known data set 'breast-canser'"):
        describe(DataSpec(source="breast-canser"))


def test_the_command_answers_in_json_and_names_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["data", "describe", "--data", people(tmp_path), "--sensitive"]
    cli.main([*arguments, "sex", "--json"], standalone_mode=False)
    found = json.loads(capsys.readouterr().out)
    assert found["columns"][0]["name"] == "sex"
    cli.main([*arguments, "sex"], standalone_mode=False)
    assert "Possible proxies" in capsys.readouterr().out
    with pytest.raises(DataError, match="no column 'sxe'"):
        cli.main([*arguments, "sxe"], standalone_mode=False)
