"""Models that are only asked: estimators in files of skops, and Python functions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from torch import Tensor

from tests.formats.making import CLASSES, Example, Truth, labelled

COLUMNS = ("a", "b", "c")
SKOPS, FUNCTION = "scikit-learn by skops", "Python function"
CODE = '''"""Scores of images (n, 3, 8, 8) between 0 and 1, as anybody may compute them."""
import numpy as np
WEIGHTS = np.load("weights.npy")

def predict(images):
    return images.reshape(len(images), -1) @ WEIGHTS

def classes(images):
    return predict(images).argmax(axis=1)
'''


def _rows() -> tuple[pd.DataFrame, list[str]]:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(200, 3)).round(3), columns=list(COLUMNS))
    return frame, ["yes" if one else "no" for one in frame["a"] - frame["b"] > 0]


def _estimator(folder: Path, *first: object) -> Truth:
    frame, labels = _rows()
    estimator = make_pipeline(*first, StandardScaler(), LogisticRegression()).fit(frame, labels)
    skops.io.dump(estimator, folder / "model.skops")
    frame.assign(label=estimator.predict(frame)).to_csv(folder / "test.csv", index=False)

    def truth(rows: Tensor) -> Tensor:
        known = pd.DataFrame(rows.double().numpy(), columns=list(COLUMNS))
        return torch.from_numpy(estimator.predict_log_proba(known))

    return truth


def _foreign(folder: Path) -> None:
    _estimator(folder, FunctionTransformer(np.copy))


def _function(folder: Path) -> Truth:
    (folder / "predictor.py").write_text(CODE, encoding="utf-8")
    torch.manual_seed(0)
    linear = torch.randn(192, 4).double()

    def truth(images: Tensor) -> Tensor:
        return images.double().flatten(1) @ linear

    x, y = labelled(truth, (3, 8, 8))
    np.save(folder / "weights.npy", linear.numpy())
    np.savez(folder / "test.npz", x=x, y=y, class_names=np.array(CLASSES))
    return truth


def _nobody(folder: Path) -> None:
    _function(folder)


ASKED = (
    Example(format=SKOPS, special="a pipeline", write=_estimator, file="model.skops",
            options="--data test.csv"),
    Example(format=SKOPS, special="names a function that skops does not trust", write=_foreign,
            file="model.skops", options="--data test.csv", inspected=1, outcome="refused",
            said=("numpy.copy",)),
    Example(format=FUNCTION, special="logits of images", write=_function, file="predictor:predict",
            options="--data test.npz", inspected=2),
    Example(format=FUNCTION, special="answers with classes alone", write=_nobody,
            file="predictor:classes", options="--data test.npz", inspected=2, outcome="refused"),
    Example(format=FUNCTION, special="a name that is not there", write=_nobody,
            file="predictor:predit", options="--data test.npz", inspected=2, outcome="refused",
            said=("predict",)),
)  # fmt: skip
