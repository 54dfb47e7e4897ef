"""Mirrors auditkit/data/load.py."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from auditkit.data import breast_cancer, digits, fashion_mnist, files, glyphs, mutag
from auditkit.data.catalogue import DATA
from auditkit.data.files import locate
from auditkit.data.load import DataSpec, load_data
from auditkit.data.schema import Feature, Schema
from auditkit.errors import AuditkitError, ConfigError, DataError
from auditkit.models.classifier import ImageClassifier
from tests.data.models import graph_model, image_model, table_model, text_model
from tests.published import needs

DIGITS = image_model(tuple("0123456789"), shape=(1, 8, 8))
TEXT = text_model()


def expect(
    source: object,
    model: object,
    message: str,
    *,
    hint: str = "",
    kind: type[AuditkitError] = DataError,
    **options: object,
) -> None:
    with pytest.raises(kind, match=message) as caught:
        load_data(DataSpec(source=str(source), **options), model)  # type: ignore[arg-type]
    assert hint in caught.value.hint


def test_embedded_data_by_name() -> None:
    data = load_data(DataSpec(source="digits"), DIGITS)
    known = digits.load("test")
    assert (data.ids, data.sha256, data.split) == (known.ids, known.sha256, "test")
    assert data.training_digests == known.training_digests
    assert len(load_data(DataSpec(source="digits", split="validation"), DIGITS)) == 269
    assert load_data(DataSpec(source="phrases"), TEXT).sensitive == ("identity",)


def test_embedded_labels_follow_the_models_order_of_classes() -> None:
    backwards = image_model(tuple("9876543210"), shape=(1, 8, 8))
    data = load_data(DataSpec(source="digits"), backwards)
    assert data.classes == backwards.classes
    assert np.array_equal(data.labels, 9 - digits.load("test").labels)
    assert data.sha256 == digits.load("test").sha256
    named = image_model(("zero", "one"), shape=(1, 8, 8))
    expect("digits", named, "label", hint="--classes 0,1,2")


def test_embedded_images_are_scaled_to_the_models_bounds() -> None:
    wide = image_model(tuple("0123456789"), shape=(1, 8, 8), bounds=(-1.0, 1.0))
    data, known = load_data(DataSpec(source="digits"), wide), digits.load("test")
    some = slice(3, 9)
    assert np.asarray(data.read(some)) == pytest.approx(2 * np.asarray(known.read(some)) - 1)
    assert np.asarray(data.read(some)).dtype == np.float32
    assert data.training_digests is None
    shapes = image_model(glyphs.CLASSES, shape=(3, 32, 32), bounds=(0.0, 255.0))
    scaled = load_data(DataSpec(source="glyphs"), shapes)
    assert np.array_equal(
        np.asarray(scaled.relevance(some)), np.asarray(glyphs.load("test").relevance(some))
    )


def test_a_column_of_embedded_data_may_be_named_sensitive() -> None:
    data = load_data(DataSpec(source="digits", sensitive=("ink",)), DIGITS)
    assert data.sensitive == ("ink",)
    expect("digits", DIGITS, r"digits has no column 'inc'.* mean 'ink'\?", sensitive=("inc",))


def test_modalities_must_agree(tmp_path: Path) -> None:
    expect(
        "phrases",
        DIGITS,
        "phrases holds texts, and model reads images",
        hint="digits or glyphs or fashion-mnist",
    )
    expect("digits", TEXT, "digits holds images, and model reads texts", hint="phrases")
    expect(tmp_path, TEXT, "is a folder, and model reads texts", hint=".csv")
    table = tmp_path / "a.csv"
    table.write_text("text,label\ngood,1\n")
    expect(table, DIGITS, "is a table, and model reads images", hint="folder of images")
    assert len(load_data(DataSpec(source=str(table)), TEXT)) == 1


def test_what_is_not_there(tmp_path: Path) -> None:
    expect("digts", DIGITS, r"no file, folder .* 'digts'. Did you mean 'digits'\?", hint="phrases")
    expect(tmp_path / "gone.csv", TEXT, "There is no file")
    other = tmp_path / "a.xlsx"
    other.write_bytes(b"x")
    expect(
        other, TEXT, r"a.xlsx is of no known format \(.xlsx\); expected a folder", hint="Convert"
    )
    expect(tmp_path, image_model(), "holds no images")


def test_columns_are_for_tables() -> None:
    expect("digits", DIGITS, "digits is no table", kind=ConfigError, columns=("a", "b"))


def test_a_path_may_have_the_name_of_an_embedded_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    glyphs.write_folder(digits.load("validation").take(np.arange(5)), tmp_path / "digits")
    monkeypatch.chdir(tmp_path)
    assert len(load_data(DataSpec(source="./digits"), DIGITS)) == 5
    assert len(load_data(DataSpec(source="digits"), DIGITS)) == 450


def test_a_spec_crosses_processes() -> None:
    spec = DataSpec(source="a.csv", columns=("text", "label"), sensitive=("age",))
    assert pickle.loads(pickle.dumps(spec)) == spec


@pytest.mark.parametrize("name", [pytest.param(one, marks=needs(one)) for one in DATA])
def test_loading_twice_gives_the_same(name: str) -> None:
    first, second = DATA[name].load("test"), DATA[name].load("test")
    assert first.sha256 == second.sha256
    some = slice(0, 20)
    left, right = first.read(some), second.read(some)
    np.testing.assert_array_equal(left, right)  # nan is nan


@needs("fashion-mnist")
def test_a_folder_with_the_published_files_is_the_published_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where AUDITKIT_DATA names no folder, and nothing else is here."""
    known = fashion_mnist.IMAGES["test"], fashion_mnist.LABELS["test"]
    for file in known:
        (tmp_path / file.name).symlink_to(locate(file))
    monkeypatch.delenv("AUDITKIT_DATA")
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "nothing")
    model = ImageClassifier(
        nn.Sequential(nn.Flatten(), nn.Linear(784, 10)),
        classes=fashion_mnist.CLASSES,
        input_shape=(1, 28, 28),
    )
    data = load_data(DataSpec(source=str(tmp_path)), model)
    assert (data.name, len(data)) == ("fashion-mnist", 10_000)
    assert data.training_digests is None  # the training images are not here


def test_tables_come_in_the_columns_of_the_model() -> None:
    own = breast_cancer.load("test")
    same = table_model(breast_cancer.CLASSES, schema=breast_cancer.SCHEMA)
    data = load_data(DataSpec(source="breast-cancer"), same)
    assert data.training_digests == own.training_digests
    some = Schema((Feature(name="worst radius"), Feature(name="mean radius", mean=3.0)))
    data = load_data(DataSpec(source="breast-cancer"), table_model(own.classes, schema=some))
    rows, known = data.read(slice(None)), own.read(slice(None))
    assert np.array_equal(rows, np.asarray(known)[:, [20, 0]])
    assert (data.schema, data.training_digests, data.ids) == (some, None, own.ids)
    other = Schema((Feature(name="radius"),))
    expect(
        "breast-cancer",
        table_model(own.classes, schema=other),
        "breast-cancer lacks columns that the model reads: 'radius'",
    )


@needs("adult")
def test_categories_come_in_the_order_of_the_model() -> None:
    places = ("Never-worked", "Without-pay", "State-gov", "Self-emp-not-inc", "Self-emp-inc",
              "Private", "Local-gov", "Federal-gov")  # fmt: skip
    turned = Schema((Feature(name="workclass", kind="categorical", categories=places),))
    data = load_data(DataSpec(source="adult"), table_model(("<=50K", ">50K"), schema=turned))
    words = [turned.in_words(row) for row in np.asarray(data.read(slice(0, 5)))]
    assert words[:3] == ["workclass Private", "workclass Private", "workclass Local-gov"]
    assert words[4] == "workclass (missing)"
    fewer = Schema((Feature(name="workclass", kind="categorical", categories=places[:3]),))
    expect(
        "adult",
        table_model(("<=50K", ">50K"), schema=fewer),
        "adult: row 1 has 'Private' in the column 'workclass', which the model does not know",
    )


@needs("mutag")
def test_graphs_need_the_tags_of_the_model(tmp_path: Path) -> None:
    model = graph_model(mutag.CLASSES, tags=mutag.TAGS)
    assert load_data(DataSpec(source="mutag"), model).tags == mutag.TAGS
    expect("mutag", graph_model(mutag.CLASSES), "mutag tags its nodes C, N, O, .* tags C, O, N")
    expect(tmp_path, model, "no file called NAME_A.txt")


def test_tables_and_graphs_refuse_what_they_cannot_read(tmp_path: Path) -> None:
    table, graph = table_model(), graph_model()
    expect(tmp_path, table, "is a folder, and model reads rows of a table", hint="model's columns")
    expect("digits", graph, "digits holds images, and model reads graphs", hint="mutag")
    file = tmp_path / "a.csv"
    file.write_text("age,work,wage,label\n39,State,1,yes\n")
    expect(file, graph, "is a table, and model reads graphs", hint="TU collection")
    assert len(load_data(DataSpec(source=str(file)), table)) == 1


def test_known_data_of_other_classes_have_no_labels_where_they_may_be_absent() -> None:
    model = image_model(shape=(1, 8, 8))
    data = load_data(DataSpec(source="digits"), model, unlabelled=True)
    assert not data.labelled
    assert data.classes == model.classes
    with pytest.raises(DataError, match="the label"):
        load_data(DataSpec(source="digits"), model)
