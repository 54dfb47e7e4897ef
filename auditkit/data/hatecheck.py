"""HateCheck: 3,728 short cases that a model of hateful speech should get right, and for whom."""

from __future__ import annotations

import pandas as pd

from auditkit.data.dataset import Dataset, InMemory
from auditkit.data.files import DataFile, locate
from auditkit.data.published import published
from auditkit.data.splits import Split, only_test

CLASSES = ("non-hateful", "hateful")
SIZES: dict[Split, int] = {"test": 3728}
NOBODY = "(no group)"
TERMS = "HateCheck (Rottger et al., 2021, ACL), CC BY 4.0. Its sentences are hateful on purpose."
FILE = DataFile(
    folder="hatecheck",
    name="test_suite_cases.csv",
    sha256="ecf0dc1e93fccc90b6f880e632b19e635c0f0a68b3157915a9e20b6938f121cf",
    url="https://raw.githubusercontent.com/paul-rottger/hatecheck-data/"
    "d84302298ceeb34f4b0dde2d8a1f4932c2caa612/test_suite_cases.csv",
    megabytes=0.7,
)


def load(split: str) -> Dataset:
    """Return all cases: HateCheck is for testing alone.

    Parameters
    ----------
    split : {"test"}
        There is no other.

    Returns
    -------
    Dataset
        Sentences with the sensitive column `target`, the group that a case is about, and the
        column `functionality`, what it tests; the id "case-0042" is the published number.

    Raises
    ------
    DataError
        If another split is asked for, or the file is neither here nor to be had.

    References
    ----------
    Rottger et al., 2021, HateCheck: functional tests for hate speech detection models, ACL,
    arXiv:2012.15606.
    """
    part = only_test("hatecheck", split)
    frame = pd.read_csv(locate(FILE), dtype=str, keep_default_na=False)
    return published(
        name="hatecheck",
        split=part,
        modality="text",
        classes=CLASSES,
        ids=[f"case-{int(one):04d}" for one in frame["case_id"]],
        labels=(frame["label_gold"] == "hateful").to_numpy("int64"),
        reader=InMemory([one.strip() for one in frame["test_case"]]),
        attributes=pd.DataFrame(
            {
                "target": frame["target_ident"].replace("", NOBODY),
                "functionality": frame["functionality"],
            }
        ),
        sensitive=("target",),
    )
