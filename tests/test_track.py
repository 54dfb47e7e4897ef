"""Mirrors auditkit/track.py."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from auditkit.cli import cli
from auditkit.errors import ConfigError
from auditkit.render.tracked import numbers, settings
from auditkit.result import read_result
from auditkit.track import LONGEST_NAME, legal, original, track
from tests.diff.sample import outcome, share
from tests.render.sample import image_result

GOLDEN = Path(__file__).parent / "golden" / "image"
WHY = "needs the extra mlflow"


@given(st.text(st.sampled_from("aZ09_-./ :=%,~é\ud800"), min_size=1))
def test_a_name_is_legal_and_comes_back(name: str) -> None:
    """As MLflow has it: these characters, and a path that means no other one."""
    made = legal(name)
    assert original(made) == name
    assert re.fullmatch(r"[A-Za-z0-9_\-. :/]+", made)
    assert all(part not in ("", ".", "..") for part in made.split("/"))


def test_other_names_stay_other_names() -> None:
    names = [name for name, _ in numbers(image_result())]
    assert len({legal(name) for name in names}) == len(names)


def test_mlflow_gives_back_what_was_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracking = pytest.importorskip("mlflow.tracking", reason=WHY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    done = CliRunner().invoke(cli, ["track", str(GOLDEN), "--parent", "abc"])
    assert done.exit_code == 0, done.output
    client = tracking.MlflowClient(tracking_uri=(tmp_path / "mlruns").as_uri())
    place = client.get_experiment_by_name("auditkit").experiment_id
    [run] = client.search_runs([place])
    result = read_result(GOLDEN)
    assert run.info.run_id in done.output
    assert run.info.status == "FINISHED"
    assert {original(name): one for name, one in run.data.metrics.items()} == dict(numbers(result))
    told = settings(result)
    assert {original(name): one for name, one in run.data.params.items()} == told
    assert run.data.tags["audit.verdict"] == result.verdict.status
    assert run.data.tags["mlflow.parentRunId"] == "abc"
    assert {one.path for one in client.list_artifacts(run.info.run_id)} == {
        "report.html", "result.json",
    }  # fmt: skip
    kept = client.download_artifacts(run.info.run_id, "result.json", str(tmp_path))
    assert read_result(kept) == result


def test_a_report_without_room_has_its_table_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking = pytest.importorskip("mlflow.tracking", reason=WHY)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tmp_path.as_uri())
    monkeypatch.setattr("auditkit.render.html.needs_table", lambda _result: True)
    done = track(image_result())
    client = tracking.MlflowClient(tracking_uri=done.uri)
    assert {one.path for one in client.list_artifacts(done.run)} == {
        "report.html", "result.json", "findings.csv",
    }  # fmt: skip


def test_names_that_are_too_long_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow.tracking", reason=WHY)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tmp_path.as_uri())
    far = [share("accuracy", np.ones(30, bool), slice_name=f"town={'x' * n}") for n in (20, 300)]
    result = image_result().model_copy(update={"outcomes": [outcome(*far)]})
    long = {name for name, _ in numbers(result) if len(legal(name)) > LONGEST_NAME}
    assert len(long) == 4
    assert set(track(result).left_out) == long


def test_a_place_that_cannot_be_written_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow.tracking", reason=WHY)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "ftp://nowhere/")
    with pytest.raises(ConfigError, match="MLflow at ftp://nowhere/ refuses") as caught:
        track(image_result())
    assert "MLFLOW_TRACKING_URI" in str(caught.value.hint)
