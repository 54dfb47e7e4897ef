"""Mirrors auditkit/api.py: auditing what is in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import auditkit
from auditkit.data.load import DataSpec
from tests.data.models import graph_model
from tests.data.test_tu import written


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of people as users have them: words, holes, a label and a group."""
    rng = np.random.default_rng(0)
    age = rng.integers(18, 80, 300)
    frame = pd.DataFrame(
        {
            "age": age,
            "work": rng.choice(["State", "Private"], 300),
            "site": rng.choice(["north", "south"], 300),
            "label": np.where(age > 45, "yes", "no"),
        }
    )
    frame.loc[::10, "work"] = None
    frame.to_csv(tmp_path / "people.csv", index=False)
    return tmp_path / "people.csv"


def test_a_scikit_learn_pipeline_is_audited_as_a_black_box(table: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(table)
    inputs = frame.loc[:, ["age", "work"]]
    schema = auditkit.Schema.of(inputs, immutable=["age"])
    pipeline = make_pipeline(
        OneHotEncoder(handle_unknown="ignore"), RandomForestClassifier(20, random_state=0)
    ).fit(schema.frame(schema.rows(inputs)), frame["label"])
    model = auditkit.TabularClassifier(
        auditkit.BlackBox(lambda rows: pipeline.predict_proba(schema.frame(rows))),
        schema=schema,
        classes=list(pipeline.classes_),
    )
    result = auditkit.audit(
        model,
        DataSpec(source=str(table), sensitive=("site",)),
        out=tmp_path / "report",
    )
    findings = {one.id: one for outcome in result.outcomes for one in outcome.findings}
    assert findings["clean-accuracy/accuracy/all"].value == 1.0
    assert result.model.features == ["age", "work"]
    assert result.model.modality == "tabular"
    assert "sum to 1" in result.model.notes[0]
    ran = {one.check for one in result.outcomes if one.status == "measured"}
    assert ran >= {
        "clean-accuracy", "calibration-error", "group-gap", "feature-changes", "attribution-trust",
        "preflight", "individual",
    }  # fmt: skip
    random_weights = "attribution-trust/randomisation_similarity/all/method=occlusion"
    assert "drawn anew" in (findings[random_weights].undefined or "")
    assert {one.status for one in result.outcomes} <= {"measured", "not_applicable", "skipped"}
    html = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "tabular, 2 columns: age, work" in html
    assert auditkit.read_result(tmp_path / "report") == result


def test_progress_is_shown_where_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wanted in (None, True):
        auditkit.audit(
            "digits-cnn",
            checks=["clean-accuracy"],
            max_inputs=10,
            policy="none",
            out=tmp_path,
            formats=(),
            progress=wanted,
        )
        said = capsys.readouterr()
        assert ("[1/1] clean-accuracy: measured" in said.err) is bool(wanted)
        assert said.out == ""


def test_a_classifier_in_memory_stays_in_one_process(table: Path) -> None:
    schema = auditkit.Schema((auditkit.Feature(name="age"),))
    model = auditkit.TabularClassifier(
        auditkit.BlackBox(lambda rows: np.stack([-rows[:, 0], rows[:, 0]], axis=1)),
        schema=schema,
        classes=["no", "yes"],
    )
    with pytest.raises(auditkit.AuditkitError, match="audited in one process"):
        auditkit.audit(model, table, workers=2)
    with pytest.raises(auditkit.AuditkitError, match="does not say which data"):
        auditkit.audit(model)


def test_graphs_are_audited_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "graphs").mkdir()
    folder = written(tmp_path / "graphs")
    result = auditkit.audit(graph_model(), folder, out=tmp_path / "report")
    assert (result.model.modality, result.model.features) == ("graph", ["C", "O", "N"])
    assert (result.data.name, result.data.n) == ("TOY", 2)
    status = {one.check: one.status for one in result.outcomes}
    assert status["clean-accuracy"] == status["group-gap"] == "measured"
    assert status["calibration-error"] == "measured"
    assert set(status.values()) <= {"measured", "not_applicable", "skipped"}
    html = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "graph, 3 tags: C, O, N" in html
