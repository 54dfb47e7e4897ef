"""COMPAS: 6,172 defendants in Broward County, and whether they were charged again in two years."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from auditkit.data.dataset import Dataset, InMemory
from auditkit.data.digest import input_digest
from auditkit.data.files import DataFile, locate
from auditkit.data.published import published
from auditkit.data.schema import Feature, Schema
from auditkit.data.splits import Split, rows_of, split_of
from auditkit.types import Floats, Ints

CLASSES = ("no new charge", "new charge")
SIZES: dict[Split, int] = {"train": 3703, "validation": 926, "test": 1543}
SENSITIVE = ("race", "sex", "age group")
TERMS = (
    "COMPAS, published by ProPublica with Angwin et al., 2016, Machine bias; public court records,"
    " no licence stated."
)
LIMITS = (  # of any model trained on it
    "Race and sex are no inputs, but the number of earlier charges depends on policing, which"
    " differs by race; age is an input.",
    "A new charge stands in for a new offence; nobody should be judged by this model.",
)
FILE = DataFile(
    folder="compas",
    name="compas-scores-two-years.csv",
    # As published, and without the columns that identify people.
    sha256=(
        "c451db85908b2f7fef1d83203bedf6b71ecda0d5af468d82ae62178f91d0cc7d"
        " a5e5c34bfd2d1f065bb12a44c0323421baf74b98b97d585915a0c2e1513ecaba"
    ),
    url="https://raw.githubusercontent.com/propublica/compas-analysis/master/compas-scores-two-years.csv",
    megabytes=2.5,
)

SCHEMA = Schema(
    (
        Feature(name="age", integer=True, immutable=True),
        Feature(name="priors_count", integer=True, immutable=True),
        Feature(name="juv_fel_count", integer=True, immutable=True),
        Feature(name="juv_misd_count", integer=True, immutable=True),
        Feature(name="juv_other_count", integer=True, immutable=True),
        Feature(name="c_charge_degree", kind="categorical", categories=("M", "F")),
    )
)


def load(split: str) -> Dataset:
    """Return one split: 60 % train, 15 % validation, 25 % test, with the same share of each label.

    The rows are those that ProPublica looked at: screened within 30 days of the arrest, with a
    known outcome, a score, and a charge that can lead to jail. Race and sex are groups and not
    inputs; age is both. Nor are the COMPAS scores inputs, or anything from after the screening.

    Parameters
    ----------
    split : {"train", "validation", "test"}
        Fixed by the published number of each person.

    Returns
    -------
    Dataset
        Rows of 6 columns; the id is the published number.

    Raises
    ------
    DataError
        If there is no such split, or the file is neither here nor to be had.

    References
    ----------
    Larson et al., 2016, How we analyzed the COMPAS recidivism algorithm, ProPublica.
    """
    part = split_of("compas", split)
    frame, inputs = _read()
    rows = _rows(part)
    chosen = frame.iloc[rows].reset_index(drop=True)
    return published(
        name="compas",
        split=part,
        modality="tabular",
        classes=CLASSES,
        ids=chosen["id"].tolist(),
        labels=_labels(chosen),
        reader=InMemory(inputs[rows]),
        schema=SCHEMA,
        attributes=chosen[["race", "sex", "age_cat"]].rename(columns={"age_cat": "age group"}),
        sensitive=SENSITIVE,
        training=None if part == "train" else map(input_digest, inputs[_rows("train")]),
    )


@cache
def _read() -> tuple[pd.DataFrame, Floats]:
    """Return the rows that ProPublica looked at, and their inputs (n, c)."""
    table = pd.read_csv(locate(FILE), dtype=str, keep_default_na=False)
    days = np.array([float(one or "nan") for one in table["days_b_screening_arrest"]])
    looked_at = (
        (np.abs(days) <= 30)
        & (table["is_recid"] != "-1").to_numpy()
        & (table["c_charge_degree"] != "O").to_numpy()
        & ~table["score_text"].isin(["N/A", ""]).to_numpy()
    )
    kept = table.iloc[np.flatnonzero(looked_at)].reset_index(drop=True)
    return kept, SCHEMA.rows(kept, where=FILE.name)


def _labels(frame: pd.DataFrame) -> Ints:
    return frame["two_year_recid"].to_numpy(np.int64)


@cache
def _rows(split: Split) -> Ints:
    frame, _ = _read()
    return rows_of(split, frame["id"].tolist(), _labels(frame), purpose="compas-split")
