"""Mirrors auditkit/data/joined.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from auditkit.data.columns import MISSING
from auditkit.data.dataset import Dataset
from auditkit.data.joined import read_attributes, with_attributes
from auditkit.data.load import DataSpec, load_data
from auditkit.description.read import read_sample
from auditkit.errors import ConfigError, DataError, ResultError
from auditkit.models.load import ModelSpec, load_model
from auditkit.policy import Policy
from auditkit.reproduce import Question, reproduce
from auditkit.result import Execution
from auditkit.run import Request, run
from auditkit.subject import SubjectSpec, load_subject
from tests.subjects import image_data, table_subject


def data_of(n: int = 8) -> Dataset:
    """Ids 00000 on, one own column and nothing sensitive."""
    return image_data(
        torch.zeros(n, 1, 1, 1), [0, 1] * (n // 2), attributes={"site": ["x", "y"] * (n // 2)}
    )


def written(
    folder: Path, columns: Mapping[str, Sequence[object]], name: str = "people.csv"
) -> Path:
    file = folder / name
    frame = pd.DataFrame(columns)
    if file.suffix == ".parquet":
        frame.to_parquet(file)
    else:
        frame.to_csv(file, index=False, sep="\t" if file.suffix == ".tsv" else ",")
    return file


def joined(data: Dataset, file: Path, *sensitive: str) -> Dataset:
    return with_attributes(data, read_attributes(file), file=file, sensitive=sensitive)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.parquet"])
def test_columns_are_joined_by_id_whatever_the_order(tmp_path: Path, name: str) -> None:
    data = data_of()
    ids = [*reversed(data.ids)]
    file = written(tmp_path, {"sex": list("hgfedcba"), "id": ids}, name)
    found = joined(data, file, "sex")
    assert found.attributes["sex"].tolist() == list("abcdefgh")
    assert found.attributes["site"].tolist() == data.attributes["site"].tolist()
    assert found.sensitive == ("sex",)
    assert "sex come from" in found.notes[0]
    assert "belong to none" not in found.notes[0]
    assert "no row for" not in found.notes[0]
    turned = written(tmp_path, {"id": ids[::-1], "sex": list("abcdefgh")}, f"b{file.suffix}")
    again = joined(data, turned, "sex")
    assert again.sha256 == found.sha256 != data.sha256
    assert again.attributes_sha256 != found.attributes_sha256


def test_nothing_is_dropped_silently(tmp_path: Path) -> None:
    data = data_of()
    ids = [*data.ids[:5], "nobody", "else"]
    file = written(tmp_path, {"id": ids, "sex": ["m", "f", None, "m", "f", "m", "m"]})
    found = joined(data, file, "sex")
    assert found.attributes["sex"].tolist() == ["m", "f", MISSING, "m", "f"] + [MISSING] * 3
    assert "no row for 3 of the inputs, such as '00005': they are in '(missing)'" in found.notes[0]
    assert "2 of its rows belong to none" in found.notes[0]


def test_where_small_groups_are_pooled_their_size_cannot_be_worked_out(tmp_path: Path) -> None:
    """Neither from those without a row, nor from the rows of the file that are left over."""
    model = ModelSpec(source="digits-cnn")
    ids = load_data(DataSpec(source="digits"), load_model(model)).ids
    known = [*ids[:-3], "nobody", "else"]
    file = written(tmp_path, {"id": known, "sex": ["m", *("f" * (len(known) - 1))]})
    source = DataSpec(source="digits", sensitive=("sex",), attributes=str(file))
    audited = load_subject(
        SubjectSpec(model=model, data=source, max_inputs=None, seed=0, min_cell=4)
    ).data
    described = read_sample(source, min_cell=4).data
    for data in (audited, described):
        said = next(one for one in data.notes if "come from" in one)
        assert "It has no row for some of the inputs: they are in '(missing)'." in said
        assert "Some of its rows belong to none of the inputs." in said
        assert ids[-3] not in said


def test_numbers_are_cut_into_quarters_that_are_named(tmp_path: Path) -> None:
    data = data_of(100)
    ages: list[object] = [float(i) for i in range(99)]
    file = written(tmp_path, {"id": list(data.ids), "age": [*ages, "NaN"], "other": [*ages, 0.0]})
    found = joined(data, file, "age")
    groups = found.attributes["age"]
    assert sorted(set(groups)) == sorted(
        [MISSING, "< 24.5", "24.5 to < 49", "49 to < 73.5", ">= 73.5"]
    )
    assert groups.tolist().count(MISSING) == 1
    assert "other" not in found.attributes
    assert "into quarters, whose names state the edges: age." in found.notes[1]
    assert "other (" in found.notes[2]


def test_derived_slices_go_where_people_are_compared(tmp_path: Path) -> None:
    model = load_model(ModelSpec(source="digits-cnn"))
    plain = load_data(DataSpec(source="digits"), model)
    who = [("a", "b")[i % 2] for i in range(len(plain))]
    file = written(tmp_path, {"id": list(plain.ids), "who": who})
    spec = DataSpec(source="digits", attributes=str(file))
    assert set(load_data(spec, model).derived) == set(plain.derived)
    found = load_data(DataSpec(source="digits", attributes=str(file), sensitive=("who",)), model)
    assert (found.derived, found.sensitive) == ((), ("who",))
    assert list(found.attributes) == [
        *(one for one in plain.attributes if one not in plain.derived), "who"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"id": ["00000", "00001", "00001"], "a": [1, 2, 3]}, "the id '00001' stands 2 times"),
        ({"name": ["00000"], "a": [1]}, "no column 'id' to join by; it has 'name', 'a'"),
        ({"id": ["00000"]}, "has ids and no attributes"),
        ({"id": ["00000", None], "a": [1, 2]}, "row 2 has no id"),
        ({"id": [], "a": []}, "holds no rows"),
        ({"id": ["p", "q"], "a": [1, 2]}, "none of the ids of made-up: it has 'p', 'q'"),
        ({"id": ["00000"], "site": [1]}, "brings a column 'site', which made-up has already"),
    ],
)
def test_what_cannot_be_joined_is_refused(
    tmp_path: Path, columns: Mapping[str, Sequence[object]], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        joined(data_of(), written(tmp_path, columns))


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    for file, said in (
        (tmp_path / "no.csv", "There is no file"),
        (tmp_path, "is a folder"),
        (written(tmp_path, {"id": [1], "a": [2]}, "a.txt"), "no known format"),
    ):
        with pytest.raises(DataError, match=said):
            read_attributes(file)
    twice = tmp_path / "twice.parquet"
    frame = pd.DataFrame([["00000", 1, 2]], columns=["id", "a", "b"])
    frame.to_parquet(twice)
    assert list(read_attributes(twice)) == ["a", "b"]


def test_a_column_of_the_model_is_not_brought_again(tmp_path: Path) -> None:
    data = table_subject().data
    file = written(tmp_path, {"id": list(data.ids), "age": [1, 2, 3, 4]})
    with pytest.raises(DataError, match="'age', which made-up has already"):
        joined(data, file)


def test_names_of_any_characters_and_a_thousand_groups_are_kept(tmp_path: Path) -> None:
    data = data_of(1000)
    names = [f"<script>{i}</script> ü/=,{chr(0x202E)}" for i in range(1000)]
    file = written(tmp_path, {"id": list(data.ids), "<b>who</b>": names})
    found = joined(data, file, "<b>who</b>")
    assert found.attributes["<b>who</b>"].tolist() == names


def test_an_audit_with_attributes_is_reproduced(tmp_path: Path) -> None:
    model = load_model(ModelSpec(source="digits-cnn"))
    ids = load_data(DataSpec(source="digits"), model).ids
    rng = np.random.default_rng(0)
    file = written(tmp_path, {"id": list(ids), "who": rng.choice(["a", "b"], len(ids)).tolist()})
    audit = run(
        Request(
            model=ModelSpec(source="digits-cnn"),
            data=DataSpec(source="digits", attributes=str(file), sensitive=("who",)),
            policy=Policy(checks=("group-gap",), max_inputs=60),
            out=tmp_path / "out",
            formats=("json",),
            execution=Execution(),
        )
    )
    facts = audit.result.data
    assert facts.attributes_sha256 is not None
    assert [one.name for one in facts.slices if one.sensitive] == ["who"]
    finding = "group-gap/accuracy/who=a"
    question = Question(result=tmp_path / "out", finding=finding)
    assert reproduce(question).reproduction.reproduced
    moved = file.rename(tmp_path / "moved.csv")
    with pytest.raises(ConfigError, match="attributes of this result, is not here"):
        reproduce(question)
    there = Question(result=tmp_path / "out", finding=finding, attributes=str(moved))
    assert reproduce(there).reproduction.reproduced
    frame = pd.read_csv(moved, dtype=str)
    frame["who"] = frame["who"].to_numpy()[::-1]
    frame.to_csv(moved, index=False)
    with pytest.raises(ResultError, match="The attributes are not those of the audit"):
        reproduce(there)
