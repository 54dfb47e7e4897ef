"""Identity templates: 76,564 short phrases about people, toxic or not, that differ in the term."""

from __future__ import annotations

import gzip
import io
import re

import pandas as pd

from auditkit.data.dataset import Dataset, InMemory
from auditkit.data.files import DataFile, locate
from auditkit.data.published import published
from auditkit.data.splits import Split, only_test

CLASSES = ("nontoxic", "toxic")
SIZES: dict[Split, int] = {"test": 76_564}
NOBODY = "(no group)"
TERMS = (
    "Sentence templates of Dixon et al., 2018, AIES, Apache-2.0. Half of them are offensive on"
    " purpose."
)
_PLAIN = DataFile(
    folder="identity_templates",
    name="en_sentence_templates.csv",
    sha256="8ed7d07f61000a95a2e18747b8f1fbf43d75257cd342cddef1f3533254374633",
    url="https://raw.githubusercontent.com/conversationai/unintended-ml-bias-analysis/"
    "9c7d91aaa53406a362354661a93e07956d95e59a/"
    "sentence_templates/en_sentence_templates.csv",
    megabytes=3.3,
)
_PACKED = DataFile(
    folder="identity_templates",
    name="en_sentence_templates.csv.gz",
    sha256="3c28a740144cfdf2b3d0607dd44f5d6f08242899ebef35f308c32148da7aebdb",
)
FILES = (_PACKED, _PLAIN)
# How a phrase of each kind goes on to the term.
_TERM = {
    "verb_adj": r"\w+ (.+)",
    "am_hate_adj": r"I (?:am|hate) (.+)",
    "being_adj": r"Being (.+) is \w+",
    "name_adj": r"\w+ is an? \w+ (.+)",
    "you_are_adj": r"You are an? \w+ (.+)",
}


def load(split: str) -> Dataset:
    """Return all phrases: they are for testing alone.

    Parameters
    ----------
    split : {"test"}
        There is no other.

    Returns
    -------
    Dataset
        Phrases with the sensitive column `term`, the identity that a phrase names, and the column
        `template`; the id "phrase-00042" is row 42 of the file, from 0.

    Raises
    ------
    DataError
        If another split is asked for, or the file is neither here nor to be had.

    References
    ----------
    Dixon et al., 2018, Measuring and mitigating unintended bias in text classification, AIES,
    doi:10.1145/3278721.3278729.
    """
    part = only_test("identity-templates", split)
    content = locate(*FILES).read_bytes()
    plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    frame = pd.read_csv(io.BytesIO(plain), dtype=str, keep_default_na=False)
    rows = zip(frame["template"], frame["phrase"], strict=True)
    terms = [term_of(template, phrase) for template, phrase in rows]
    return published(
        name="identity-templates",
        split=part,
        modality="text",
        classes=CLASSES,
        ids=[f"phrase-{row:05d}" for row in range(len(frame))],
        labels=(frame["toxicity"] == "toxic").to_numpy("int64"),
        reader=InMemory(frame["phrase"].tolist()),
        attributes=pd.DataFrame({"term": terms, "template": frame["template"]}),
        sensitive=("term",),
    )


def term_of(template: str, phrase: str) -> str:
    """Return the identity that a phrase names; occupations are none.

    Examples
    --------
    >>> term_of("name_adj", "Zoe is a moronic african american")
    'african american'
    """
    found = re.fullmatch(_TERM[template], phrase) if template in _TERM else None
    return found[1] if found else NOBODY
