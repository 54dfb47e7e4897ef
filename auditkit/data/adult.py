"""Adult: 48,842 people of the US census of 1994, and whether they earned over 50,000 dollars."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from auditkit.data.dataset import Dataset, InMemory
from auditkit.data.digest import input_digest
from auditkit.data.files import DataFile, find, locate
from auditkit.data.published import published
from auditkit.data.schema import Feature, Schema
from auditkit.data.splits import Cuts, Split, rows_of, split_of
from auditkit.types import Floats, Ints

CLASSES = ("<=50K", ">50K")
SIZES: dict[Split, int] = {"train": 27_732, "validation": 4_829, "test": 16_281}
SENSITIVE = ("sex", "race", "age group")
TERMS = "Adult (Becker and Kohavi, 1996, doi:10.24432/C5XW20), UCI, CC BY 4.0."
LIMITS = (  # of any model trained on it
    "Sex and race are no inputs, but `relationship` says Husband or Wife, and other columns stand"
    " for both in part; age is an input.",
    "Knows the United States of 1994; incomes and their causes are others today.",
)

_CUTS: Cuts = {"train": (0.0, 0.85), "validation": (0.85, 1.0)}
_SITE = "https://archive.ics.uci.edu/ml/machine-learning-databases/adult"
DATA_FILE = DataFile(
    folder="adult",
    name="adult.data",
    sha256="5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
    url=f"{_SITE}/adult.data",
    megabytes=4.0,
)
TEST_FILE = DataFile(
    folder="adult",
    name="adult.test",
    sha256="a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
    url=f"{_SITE}/adult.test",
    megabytes=2.0,
)
FILES = (DATA_FILE, TEST_FILE)

_COLUMNS = (
    "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation",
    "relationship", "race", "sex", "capital-gain", "capital-loss", "hours-per-week",
    "native-country", "income",
)  # fmt: skip
_AGES = ("under 25", "25 to 44", "45 to 64", "65 and over")


def _of(name: str, categories: str, *, immutable: bool = False) -> Feature:
    return Feature(
        name=name, kind="categorical", categories=tuple(categories.split()), immutable=immutable
    )


SCHEMA = Schema(
    (
        Feature(name="age", integer=True, immutable=True),
        _of(
            "workclass",
            "Federal-gov Local-gov Never-worked Private Self-emp-inc Self-emp-not-inc State-gov"
            " Without-pay",
        ),
        _of(  # in the order of the years, which education-num counts
            "education",
            "Preschool 1st-4th 5th-6th 7th-8th 9th 10th 11th 12th HS-grad Some-college Assoc-voc"
            " Assoc-acdm Bachelors Masters Prof-school Doctorate",
        ),
        _of(
            "marital-status",
            "Divorced Married-AF-spouse Married-civ-spouse Married-spouse-absent Never-married"
            " Separated Widowed",
        ),
        _of(
            "occupation",
            "Adm-clerical Armed-Forces Craft-repair Exec-managerial Farming-fishing"
            " Handlers-cleaners Machine-op-inspct Other-service Priv-house-serv Prof-specialty"
            " Protective-serv Sales Tech-support Transport-moving",
        ),
        _of("relationship", "Husband Not-in-family Other-relative Own-child Unmarried Wife"),
        Feature(name="capital-gain", integer=True),
        Feature(name="capital-loss", integer=True),
        Feature(name="hours-per-week", integer=True),
        _of(
            "native-country",
            "Cambodia Canada China Columbia Cuba Dominican-Republic Ecuador El-Salvador England"
            " France Germany Greece Guatemala Haiti Holand-Netherlands Honduras Hong Hungary India"
            " Iran Ireland Italy Jamaica Japan Laos Mexico Nicaragua Outlying-US(Guam-USVI-etc)"
            " Peru Philippines Poland Portugal Puerto-Rico Scotland South Taiwan Thailand"
            " Trinadad&Tobago United-States Vietnam Yugoslavia",
            immutable=True,
        ),
    )
)


def load(split: str) -> Dataset:
    """Return one split: the published test file, or a fixed part of the published training file.

    Sex and race are groups and not inputs; age is both. The census weight `fnlwgt`, which is no
    property of a person, and `education-num`, which repeats `education`, are left out.

    Parameters
    ----------
    split : {"train", "validation", "test"}
        85 % and 15 % of adult.data, in which equal rows share a split, or all of adult.test.

    Returns
    -------
    Dataset
        Rows of 10 columns; the id "test-00042" is row 42 of adult.test, from 0.

    Raises
    ------
    DataError
        If there is no such split, or its file is neither here nor to be had.

    References
    ----------
    Becker and Kohavi, 1996, doi:10.24432/C5XW20; Kohavi, 1996, Scaling up the accuracy of
    naive-Bayes classifiers, KDD.
    """
    part = split_of("adult", split)
    file = TEST_FILE if part == "test" else DATA_FILE
    frame, inputs = _read(file)
    rows = np.arange(len(frame)) if part == "test" else _rows(part)
    frame = frame.iloc[rows].reset_index(drop=True)
    known = part != "train" and find(DATA_FILE) is not None
    prefix = "test" if part == "test" else "data"
    return published(
        name="adult",
        split=part,
        modality="tabular",
        classes=CLASSES,
        ids=[f"{prefix}-{row:05d}" for row in rows],
        labels=frame["income"].str.startswith(">").to_numpy(np.int64),
        reader=InMemory(inputs[rows]),
        schema=SCHEMA,
        attributes=pd.DataFrame(
            {"sex": frame["sex"], "race": frame["race"], "age group": age_groups(inputs[rows, 0])}
        ),
        sensitive=SENSITIVE,
        training=map(input_digest, _read(DATA_FILE)[1][_rows("train")]) if known else None,
    )


def age_groups(ages: Floats) -> list[str]:
    """Return the group of each age in years."""
    return [_AGES[i] for i in np.searchsorted([25, 45, 65], ages, side="right")]


@cache
def _read(file: DataFile) -> tuple[pd.DataFrame, Floats]:
    """Return the whole table, and its inputs (n, c)."""
    frame = pd.read_csv(
        locate(file),
        header=None,
        names=list(_COLUMNS),
        skipinitialspace=True,
        comment="|",  # the first line of adult.test
        dtype=str,
        keep_default_na=False,
    )
    return frame, SCHEMA.rows(frame, where=file.name)


@cache
def _rows(split: Split) -> Ints:
    contents = [input_digest(row) for row in _read(DATA_FILE)[1]]
    one_stratum = np.zeros(len(contents), dtype=np.int64)
    return rows_of(split, contents, one_stratum, purpose="adult-split", cuts=_CUTS)
