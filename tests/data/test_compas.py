"""Mirrors auditkit/data/compas.py."""

from __future__ import annotations

import numpy as np
import pandas as pd

from auditkit.data import compas
from auditkit.data.files import locate
from tests.published import needs


def everything() -> list:
    return [compas.load(split) for split in compas.SIZES]


@needs("compas")
def test_the_rows_are_those_that_propublica_looked_at() -> None:
    """6,172 defendants, as in its analysis, of whom 2,809 were charged again."""
    parts = everything()
    assert {part.split: len(part) for part in parts} == compas.SIZES
    ids = [one for part in parts for one in part.ids]
    assert len(set(ids)) == len(ids) == 6172
    labels = np.concatenate([part.labels for part in parts])
    assert labels.sum() == 2809
    races = pd.concat([part.attributes["race"] for part in parts]).value_counts()
    assert (races["African-American"], races["Caucasian"]) == (3175, 2103)


@needs("compas")
def test_columns_and_labels_are_those_of_the_file() -> None:
    table = pd.read_csv(locate(compas.FILE)).set_index("id")
    data = compas.load("test")
    rows = data.read(slice(None))
    assert not isinstance(rows, list)
    for i in range(0, len(data), 31):
        person = table.loc[int(data.ids[i])]
        assert rows[i, :5].tolist() == person[list(compas.SCHEMA.names[:5])].tolist()
        assert "MF"[int(rows[i, 5])] == person["c_charge_degree"]
        assert data.labels[i] == person["two_year_recid"]
        assert data.attributes["age group"][i] == person["age_cat"]


@needs("compas")
def test_labels_have_the_same_share_in_every_part() -> None:
    shares = [part.labels.mean() for part in everything()]
    assert max(shares) - min(shares) < 0.002


def test_neither_groups_nor_scores_nor_outcomes_are_inputs() -> None:
    words = " ".join(compas.SCHEMA.names)
    for forbidden in ("race", "sex", "score", "recid", "days", "jail"):
        assert forbidden not in words
