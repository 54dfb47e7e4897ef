"""Mirrors auditkit/data/adult.py."""

from __future__ import annotations

import numpy as np

from auditkit.data import adult
from auditkit.data.digest import digests
from auditkit.data.files import locate
from tests.published import needs


@needs("adult")
def test_rows_are_those_of_the_published_file() -> None:
    """Columns, categories, groups and labels, against the lines of the file."""
    data = adult.load("test")
    lines = locate(adult.TEST_FILE).read_text(encoding="utf-8").splitlines()
    cells = [line.rstrip(".").split(", ") for line in lines if "," in line]
    assert len(cells) == len(data) == 16_281
    rows = data.read(slice(None))
    assert not isinstance(rows, list)
    place = [0, 1, 3, 5, 6, 7, 10, 11, 12, 13]  # without fnlwgt, education-num, race, sex
    for i in range(0, len(data), 97):
        words = [one.in_words(v) for one, v in zip(adult.SCHEMA.features, rows[i], strict=True)]
        assert words == [cells[i][j].replace("?", "(missing)") for j in place]
        assert data.attributes.loc[i, ["sex", "race"]].tolist() == [cells[i][9], cells[i][8]]
        assert data.classes[data.labels[i]] == cells[i][14]
    assert data.ids[42] == "test-00042"
    assert np.isnan(rows).sum(axis=0).tolist() == [0, 963, 0, 0, 966, 0, 0, 0, 0, 274]


@needs("adult")
def test_sensitive_columns_are_groups_and_not_inputs() -> None:
    data = adult.load("test")
    assert data.sensitive == tuple(data.attributes) == ("sex", "race", "age group")
    assert not {"sex", "race"} & set(adult.SCHEMA.names)
    ages = np.array([17, 24, 25, 44, 45, 64, 65, 90])
    groups = ["under 25"] * 2 + ["25 to 44"] * 2 + ["45 to 64"] * 2 + ["65 and over"] * 2
    assert adult.age_groups(ages) == groups


@needs("adult")
def test_training_and_validation_share_no_row_and_leave_none_out() -> None:
    parts = [adult.load(split) for split in ("train", "validation")]
    assert [len(part) for part in parts] == [adult.SIZES["train"], adult.SIZES["validation"]]
    assert sum(map(len, parts)) == 32_561
    contents = [set(digests(part.reader, len(part))) for part in parts]
    assert not contents[0] & contents[1]
    assert parts[1].training_digests == contents[0]
    assert not set(parts[0].ids) & set(parts[1].ids)


def test_education_is_in_the_order_of_the_years() -> None:
    (education,) = (one for one in adult.SCHEMA.features if one.name == "education")
    assert len(education.categories) == 16
    order = [education.categories.index(one) for one in ("Preschool", "HS-grad", "Doctorate")]
    assert order == [0, 8, 15]  # education-num is 1, 9, 16
