"""SST-2: 9,613 sentences of film reviews, positive or negative."""

from __future__ import annotations

import csv

import numpy as np
import pandas as pd

from auditkit.data.dataset import Dataset, InMemory
from auditkit.data.digest import input_digest
from auditkit.data.files import DataFile, find, locate
from auditkit.data.published import published
from auditkit.data.splits import Split, split_of

CLASSES = ("negative", "positive")
SIZES: dict[Split, int] = {"train": 6920, "validation": 872, "test": 1821}
TERMS = (
    "SST-2, from the Stanford Sentiment Treebank (Socher et al., 2013, EMNLP); its authors state no"
    " licence, so it is used for research."
)

_SITE = (
    "https://raw.githubusercontent.com/clairett/pytorch-sentiment-classification/master/data/SST2"
)


def _file(name: str, sha256: str, megabytes: float) -> DataFile:
    return DataFile(
        folder="sst2", name=name, sha256=sha256, url=f"{_SITE}/{name}", megabytes=megabytes
    )


FILES: dict[Split, DataFile] = {
    "train": _file(
        "train.tsv", "ec192f833a64da08f475488a77b0d0b47db47acd0f458bd18433fc793b569920", 0.7
    ),
    "validation": _file(
        "dev.tsv", "eddea6b39e601dd4e7a672b53cc40fdf6019fa80522f351206c24340ca5d9359", 0.1
    ),
    "test": _file(
        "test.tsv", "831169c7e2e429d6026e1bdbb542f33b636e3e596caad9602ebc953c205928b7", 0.2
    ),
}


def load(split: str) -> Dataset:
    """Return one of the three published splits.

    Parameters
    ----------
    split : {"train", "validation", "test"}
        "validation" is the published dev split.

    Returns
    -------
    Dataset
        Sentences, lower-cased and split into tokens; the id "test-0042" is line 42, from 0.

    Raises
    ------
    DataError
        If there is no such split, or its file is neither here nor to be had.

    References
    ----------
    Socher et al., 2013, Recursive deep models for semantic compositionality over a sentiment
    treebank, EMNLP.
    """
    part = split_of("sst2", split)
    texts, labels = _read(FILES[part])
    known = part != "train" and find(FILES["train"]) is not None
    return published(
        name="sst2",
        split=part,
        modality="text",
        classes=CLASSES,
        ids=[f"{part}-{row:04d}" for row in range(len(texts))],
        labels=labels,
        reader=InMemory(texts),
        training=map(input_digest, _read(FILES["train"])[0]) if known else None,
    )


def _read(file: DataFile) -> tuple[list[str], np.ndarray]:
    frame = pd.read_csv(
        locate(file),
        sep="\t",
        header=None,
        names=["text", "label"],
        dtype={"text": str, "label": np.int64},
        quoting=csv.QUOTE_NONE,
        keep_default_na=False,  # "null" is a word
    )
    return frame["text"].tolist(), frame["label"].to_numpy()
