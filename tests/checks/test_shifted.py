"""Mirrors auditkit/checks/shifted.py."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.beside import merged_by_name
from auditkit.checks.shifted import PIECE, hash_of, none_named, recorded, shifted
from auditkit.errors import AuditkitError, ConfigError, DataError
from auditkit.models.classifier import ImageClassifier
from tests.subjects import LinearSubject, Subject, linear_subject, table_subject


@pytest.fixture(scope="module")
def subject() -> LinearSubject:
    return linear_subject(0)


def saved(file: Path, subject: Subject, n: int, *, labelled: bool = True) -> Path:
    """The subject's images again, as often as it takes."""
    rows = np.arange(n) % len(subject.data)
    arrays = {"x": np.asarray(subject.data.read(rows))}
    if labelled:
        arrays["y"] = subject.data.labels[rows]
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file


def columns_of(piece: Artifacts) -> Mapping[str, np.ndarray]:
    assert len(piece) <= PIECE
    return {"predicted": piece[Predictions].predicted.numpy(), "labels": piece.labels.numpy()}


@pytest.mark.parametrize("shard_size", [7, 40])
@pytest.mark.parametrize("m", [3, 40, 601])
def test_every_input_is_read_once_whatever_the_shards(
    subject: LinearSubject, tmp_path: Path, shard_size: int, m: int
) -> None:
    source = saved(tmp_path / "spring.npz", subject, m)
    (one,) = shifted("x", [str(source)], subject.model, most=10_000)
    n, shared = len(subject.data), {}
    parts = [
        recorded(
            Artifacts(
                subject.model, subject.data, np.arange(i, min(n, i + shard_size)), shared=shared
            ),
            [one],
            columns_of,
        )
        for i in range(0, n, shard_size)
    ]
    found = merged_by_name(parts)["spring.npz"]
    assert found.ids == one.data.ids
    expected = subject.artifacts[Predictions].predicted.numpy()[np.arange(m) % n]
    assert np.array_equal(found["predicted"], expected)
    assert np.array_equal(found["labels"], subject.data.labels[np.arange(m) % n])
    assert f"{m} inputs, SHA-256 {one.data.sha256}" in found.notes[0]


def test_a_second_check_finds_the_answers_and_inputs_are_let_go(
    subject: LinearSubject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = saved(tmp_path / "a.npz", subject, 30, labelled=False)
    asked: list[int] = []
    predict = ImageClassifier.predict

    def counted(self: ImageClassifier, inputs: object, **options: object) -> object:
        asked.append(len(inputs))  # type: ignore[arg-type]
        return predict(self, inputs, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(ImageClassifier, "predict", counted)
    artifacts, seen = subject.artifacts, []
    for _ in range(2):
        sets = shifted("x", [f"spring={source}"], subject.model, most=100)
        found = recorded(artifacts, sets, lambda piece: (seen.append(piece), columns_of(piece))[1])
        assert set(found["spring"]["labels"].tolist()) == {-1}
    assert asked == [30]
    assert all(piece._inputs is None for piece in seen)


def test_names_and_samples(subject: LinearSubject, tmp_path: Path) -> None:
    plain = saved(tmp_path / "a.npz", subject, 40)
    odd = saved(tmp_path / "x=1.npz", subject, 20, labelled=False)
    sets = shifted("x", [f"spring={plain}", str(odd), str(plain)], subject.model, most=30)
    assert [one.name for one in sets] == ["spring", "x=1.npz", "a.npz"]
    assert [one.labelled for one in sets] == [True, False, True]
    assert [len(one.data) for one in sets] == [30, 20, 30]
    assert "30 inputs, drawn from 40" in sets[0].notes[0]
    assert sets[0].slice_name == "shift=spring"
    assert none_named([]) is not None
    assert none_named(["a"]) is None


def test_what_cannot_be_read_is_refused_in_a_sentence(
    subject: LinearSubject, tmp_path: Path
) -> None:
    def refused(said: str, *shift: str, most: int = 5, kind: type[AuditkitError]) -> None:
        with pytest.raises(kind, match=said):
            shifted("drift", shift, subject.model, most=most)

    file = str(saved(tmp_path / "a.npz", subject, 20))
    refused("There is no file", "absent.npz", kind=DataError)
    refused("expected DATA or NAME=DATA", "", kind=ConfigError)
    refused("expected DATA or NAME=DATA", "spring=", kind=ConfigError)
    refused("two deployment samples are called 'a'", f"a={file}", f"a={file}", kind=ConfigError)
    refused("most is 0", file, most=0, kind=ConfigError)
    refused("holds images of shape", "digits", kind=DataError)
    with pytest.raises(DataError, match="--shift phrases: phrases holds texts") as caught:
        shifted("drift", ["phrases"], subject.model, most=5)
    assert "--data" not in caught.value.hint


def test_columns_are_for_tables_alone(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("age,work,wage,old\n20,State,1\n70,Private,\n".replace("1\n", "1,0\n")
                    .replace("Private,", "Private,,1"), encoding="utf-8")  # fmt: skip
    model = table_subject().model
    (known,) = shifted("x", [str(file)], model, columns=["old"], most=9)
    (unknown,) = shifted("x", [str(file)], model, most=9)
    assert known.data.labels.tolist() == [0, 1]
    assert not unknown.labelled


def test_the_hash_is_that_of_the_files(tmp_path: Path) -> None:
    assert hash_of([]) == {}
    assert hash_of(["a=digits"]) == {"shift": "a=digits", "shift_sha256": "digits"}
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "b.txt").write_text("b" if name != "three" else "c")
    one, two, three = (
        hash_of([str(tmp_path / name)])["shift_sha256"] for name in ("one", "two", "three")
    )
    assert one == two != three
