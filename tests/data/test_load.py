"""Mirrors auditkit/data/load.py."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from auditkit.data import digits, glyphs
from auditkit.data.catalogue import EMBEDDED
from auditkit.data.load import DataSpec, load_data
from auditkit.errors import AuditkitError, ConfigError, DataError
from tests.data.models import image_model, text_model

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
        "phrases", DIGITS, "phrases holds texts, and model reads images", hint="digits or glyphs"
    )
    expect("digits", TEXT, "digits holds images, and model reads texts", hint="phrases")
    expect(tmp_path, TEXT, "holds images, and model reads texts", hint=".csv")
    table = tmp_path / "a.csv"
    table.write_text("text,label\ngood,1\n")
    expect(table, DIGITS, "holds texts, and model reads images", hint="folder of images")
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


@pytest.mark.parametrize("name", list(EMBEDDED))
def test_loading_twice_gives_the_same(name: str) -> None:
    first, second = EMBEDDED[name].load("validation"), EMBEDDED[name].load("validation")
    assert first.sha256 == second.sha256
    some = slice(0, 20)
    left, right = first.read(some), second.read(some)
    assert np.array_equal(left, right)
