"""Mirrors auditkit/data/tables.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditkit.data.dataset import Dataset
from auditkit.data.tables import load_table
from auditkit.errors import AuditkitError, ConfigError, DataError
from tests.data.models import text_model

SST2 = Path(__file__).parents[3] / "shared" / "data" / "sst2" / "test.tsv"


def load(file: Path, columns: tuple[str, ...] | None = None, **options: Any) -> Dataset:
    return load_table(file, text_model(), split="test", columns=columns, **options)


def texts(data: Dataset) -> list[str]:
    found = data.read(slice(None))
    assert isinstance(found, list)
    return found


def written(folder: Path, content: str, name: str = "reviews.csv") -> Path:
    file = folder / name
    file.write_text(content, encoding="utf-8")
    return file


def expect(
    file: Path,
    message: str,
    *,
    hint: str = "",
    kind: type[AuditkitError] = DataError,
    columns: tuple[str, ...] | None = None,
    **options: Any,
) -> None:
    with pytest.raises(kind, match=message) as caught:
        load(file, columns, **options)
    assert hint in caught.value.hint


def test_a_table_with_header(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        'id,text,label,site,year\nr1,"good, really",positive,A,1999\nr2,"a ""bad"" one",negative,,'
        "2001\n",
    )
    data = load(file, sensitive=["site"])
    assert texts(data) == ["good, really", 'a "bad" one']
    assert data.labels.tolist() == [1, 0]
    assert data.ids == ("r1", "r2")
    assert data.attributes.to_dict("list") == {"site": ["A", "(missing)"], "year": ["1999", "2001"]}
    assert (data.name, data.sensitive, data.derived) == ("reviews.csv", ("site",), ())
    assert data.input_shape is None


def test_without_an_id_column_rows_are_counted_from_one(tmp_path: Path) -> None:
    file = written(tmp_path, "sentence,label\na,0\nb c,1\n")
    data = load(file)
    assert data.ids == ("1", "2")
    assert data.derived == ("length",) == tuple(data.attributes)
    assert "0 is negative, 1 is positive" in data.notes[0]


def test_in_tsv_files_quotes_are_letters(tmp_path: Path) -> None:
    file = written(tmp_path, 'text\tlabel\n"good\t1\nbad" , truly\t0\n', "reviews.tsv")
    assert texts(load(file)) == ['"good', 'bad" , truly']


def test_words_that_look_like_missing_values_stay_words(tmp_path: Path) -> None:
    file = written(tmp_path, "text,label,site\nnull,1,NA\nNaN,0,None\nNone,0,x\n")
    data = load(file, sensitive=["site"])
    assert texts(data) == ["null", "NaN", "None"]
    assert data.attributes["site"].tolist() == ["NA", "None", "x"]


def test_a_byte_order_mark_and_spaces_around_names_are_ignored(tmp_path: Path) -> None:
    assert len(load(written(tmp_path, "\ufefftext , label\ngood,1\n"))) == 1


@pytest.mark.parametrize("columns", [("text", "label"), ("label", "text")])
def test_a_file_without_header(tmp_path: Path, columns: tuple[str, str]) -> None:
    first, second = ("good", "1") if columns[0] == "text" else ("1", "good")
    file = written(tmp_path, f"{first},{second},x\n{first} too,0\n".replace("1 too,0", "0,bad"))
    file.write_text(
        "good,1,x\nbad,0,y\n" if columns[0] == "text" else "1,good,x\n0,bad,y\n", encoding="utf-8"
    )
    data = load(file, columns)
    assert texts(data) == ["good", "bad"]
    assert data.labels.tolist() == [1, 0]
    assert data.attributes["column 3"].tolist() == ["x", "y"]
    named = load(file, (*columns, "site"), sensitive=["site"])
    assert named.attributes["site"].tolist() == ["x", "y"]


def test_columns_may_have_any_name(tmp_path: Path) -> None:
    file = written(tmp_path, "stars,body,who\n1,good,a\n0,bad,b\n")
    data = load(file, ("body", "stars"))
    assert texts(data) == ["good", "bad"]
    assert list(data.attributes) == ["who"]


def test_parquet(tmp_path: Path) -> None:
    file = tmp_path / "reviews.parquet"
    frame = pd.DataFrame(
        {"text": ["good", "bad"], "label": [1, 0], "age": [31.0, np.nan], "old": [True, False]}
    )
    frame.to_parquet(file)
    data = load(file, sensitive=["old"])
    assert texts(data) == ["good", "bad"]
    assert data.labels.tolist() == [1, 0]
    assert data.attributes.to_dict("list") == {
        "age": ["31", "(missing)"],
        "old": ["True", "False"],
    }
    frame.assign(text=[None, "bad"]).to_parquet(file)
    expect(file, "row 1 has no text")
    frame.assign(text=[3, 4]).to_parquet(file)
    expect(file, "row 1 has the number 3 in the column 'text'")
    file.write_bytes(b"PAR1 nonsense")
    expect(file, "cannot be read as a Parquet file")


LINE = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12
).filter(lambda text: text.strip() and "\r" not in text)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(lines=st.lists(LINE, min_size=1, max_size=8))
def test_what_was_written_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("round")
    frame = pd.DataFrame({"text": lines, "label": ["1"] * len(lines)})
    frame.to_csv(folder / "a.csv", index=False, lineterminator="\n")
    assert texts(load(folder / "a.csv")) == lines
    frame.to_parquet(folder / "a.parquet")
    assert texts(load(folder / "a.parquet")) == lines
    content = "".join(f"{line}\t1\n" for line in lines)
    assert texts(load(written(folder, content, "a.tsv"), ("text", "label"))) == lines


@pytest.mark.parametrize("name", ["reviews.csv", "reviews.tsv"])
def test_empty_files(tmp_path: Path, name: str) -> None:
    expect(written(tmp_path, "", name), "is empty")
    header = "text,label\n" if name.endswith("csv") else "text\tlabel\n"
    expect(written(tmp_path, header, name), "holds no rows")


def test_missing_texts_labels_and_ids_name_the_row(tmp_path: Path) -> None:
    expect(written(tmp_path, "text,label\ngood,1\n,0\n"), "reviews.csv: row 2 has no text")
    expect(written(tmp_path, "text,label\ngood,1\n  ,0\n"), "row 2 has no text", hint="Fill it in")
    expect(written(tmp_path, "text,label\ngood,1\nbad,\n"), "row 2 has no label")
    expect(written(tmp_path, "id,text,label\n,good,1\n"), "row 1 has no id", hint="drop")
    expect(written(tmp_path, "id,text,label\n7,good,1\n7,bad,0\n"), "'7' stands 2 times")


def test_unknown_labels_name_row_and_classes(tmp_path: Path) -> None:
    file = written(tmp_path, "text,label\ngood,positive\nbad,negativ\n")
    expect(file, r"row 2 has the label 'negativ'.*'negative', 'positive'.* mean 'negative'\?")
    expect(written(tmp_path, "text,label\ngood,2\n"), "row 1 has the label 2, .* 2 classes")


def test_missing_columns_are_named(tmp_path: Path) -> None:
    file = written(tmp_path, "txt,label\ngood,1\n")
    expect(file, r"has no text column .* its first row holds 'txt', 'label'", hint="text,label")
    expect(file, r"has no column 'text'; it has 'txt', 'label'", columns=("text", "label"))
    expect(written(tmp_path, "good,1\n"), "its first row holds 'good', '1'", hint="no header")
    expect(written(tmp_path, "text\ngood\n"), "has no label column")
    expect(
        written(tmp_path, "good\n"), "has 1 columns", columns=("text", "label"), hint="separator"
    )
    file = written(tmp_path, "text,label,gender\ngood,1,a\n")
    expect(file, r"no column 'gendre'.* mean 'gender'\?", sensitive=["gendre"])


def test_a_header_taken_for_data_is_pointed_out(tmp_path: Path) -> None:
    file = written(tmp_path, "body,stars\ngood,1\n")
    expect(
        file, "row 1 has the label 'stars'", columns=("text", "label"), hint="--columns body,stars"
    )


def test_columns_option(tmp_path: Path) -> None:
    file = written(tmp_path, "text,label\ngood,1\n")
    expect(file, "--columns names text, expected two", kind=ConfigError, columns=("text",))
    expect(file, "two different names", kind=ConfigError, columns=("text", "text"))


def test_ragged_and_wrongly_encoded_files(tmp_path: Path) -> None:
    file = written(tmp_path, "text,label\ngood,1\nbad, really,0\n")
    expect(file, "cannot be read as a table: .*line 3", hint="quote texts")
    file = written(tmp_path, "text,label\nbad, really,0\n")
    expect(file, "cannot be read as a table", hint="quote texts")
    file.write_bytes("text,label\ncafé,1\n".encode("latin1"))
    expect(file, "is not UTF-8", hint="iconv")


@pytest.mark.skipif(not SST2.is_file(), reason="the shared data sets are not beside this checkout")
def test_sst2() -> None:
    data = load(SST2, ("text", "label"))
    lines = SST2.read_text(encoding="utf-8").splitlines()
    assert len(data) == len(lines) == 1821
    assert np.bincount(data.labels).tolist() == [912, 909]
    for line, text, label in zip(lines, texts(data), data.labels, strict=True):
        assert line == f"{text}\t{label}"
    assert data.derived == ("length",)


def test_the_label_column_may_be_absent_where_that_is_said(tmp_path: Path) -> None:
    bare = written(tmp_path, "text,site\ngood,a\nbad,b\n")
    for columns in (None, ("text", "label")):
        data = load(bare, columns, unlabelled=True)
        assert data.labels.tolist() == [-1, -1]
        assert texts(data) == ["good", "bad"]
    expect(bare, "has no label column")
    with pytest.raises(DataError, match="has no text column"):
        load(written(tmp_path, "site\na\n"), unlabelled=True)
