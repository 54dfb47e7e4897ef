"""Full disks, files that vanish or change, clocks that run backwards, two audits in one folder."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from auditkit import run as run_module
from auditkit import state as state_module
from auditkit.data.load import DataSpec
from auditkit.errors import ConfigError
from auditkit.lock import locked
from auditkit.models.load import ModelSpec
from auditkit.result import Execution, read_result
from auditkit.run import run
from tests.faults.commands import DIGITS, audit
from tests.faults.networks import Fine
from tests.faults.test_models import classifier, request


class At:
    """Does something when the model and the data are loaded, or when a check starts."""

    def __init__(
        self, *, planned: Callable[[], None] | None = None, checking: tuple[str, ...] = ()
    ) -> None:
        self._planned, self._stops = planned, checking

    def warned(self, doubt: str) -> None: ...

    def planned(self, plan: object) -> None:
        if self._planned is not None:
            self._planned()

    def checking(self, check: object) -> None:
        if check.meta.id in self._stops:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    def stepped(self) -> None: ...
    def noted(self, incident: str, *, again: bool) -> None: ...
    def finished(self, outcome: object) -> None: ...


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_is_full_from_the_start_is_said_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "write_atomically", full)
    with pytest.raises(ConfigError, match="cannot be written: No space left on device") as raised:
        run(request(Fine, tmp_path), progress=At(checking=("clean-accuracy",)))
    assert "--resume" in raised.value.hint


def test_a_disk_that_fills_up_meanwhile_costs_only_what_could_not_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_module.State, "save", full)
    result = run(request(Fine, tmp_path)).result
    assert {one.status for one in result.outcomes} == {"measured"}
    (said,) = result.provenance.incidents
    assert said == "A finished check could not be kept for --resume: No space left on device."


def test_a_report_that_cannot_be_written_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = run_module.write_atomically

    def full_for_reports(path: Path, content: str) -> None:
        full() if path.suffix == ".md" else write(path, content)

    monkeypatch.setattr(run_module, "write_atomically", full_for_reports)
    with pytest.raises(ConfigError, match="cannot be written: No space left on device"):
        run(request(Fine, tmp_path, formats=("json", "md")))
    assert not read_result(tmp_path).provenance.partial, "what could be written is whole"


@pytest.mark.skipif(os.name != "posix", reason="needs limits on the size of files")
def test_a_real_limit_on_files_leaves_nothing_torn(tmp_path: Path) -> None:
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))

    done = audit(*DIGITS, "--out", "out", cwd=tmp_path, preexec_fn=limit)
    assert done.returncode == 2, done.stderr
    assert "out cannot be written: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    (left,) = [one for one in (tmp_path / "out").rglob("*") if one.is_file()]
    assert json.loads(left.read_text())["execution"], "what fitted is whole"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to mount")
@pytest.mark.parametrize(
    ("options", "said"), [("size=16k", "No space left on device"), ("ro", "Read-only file system")]
)
def test_a_real_file_system_that_is_full_or_read_only(
    options: str, said: str, tmp_path: Path
) -> None:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(tmp_path)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        with pytest.raises(ConfigError, match=f"cannot be written: {said}"):
            run(request(Fine, tmp_path / "out"))
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_two_audits_in_one_folder(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(ConfigError, match="Another audit, process"):
        run(request(Fine, tmp_path))
    assert not (tmp_path / "result.json").exists()
    run(request(Fine, tmp_path))


def test_a_clock_that_runs_backwards_gives_no_negative_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0

    def backwards() -> float:
        nonlocal now
        now -= 1.0
        return now

    monkeypatch.setattr(run_module.time, "perf_counter", backwards)
    result = run(request(Fine, tmp_path)).result
    assert result.provenance.seconds == 0.0
    assert [one.seconds for one in result.outcomes] == [0.0, 0.0]


def interrupted(folder: Path, **changes: object) -> None:
    result = run(request(Fine, folder, **changes), progress=At(checking=("fgsm-linf",))).result
    assert [one.status for one in result.outcomes] == ["measured", "skipped"]


def test_data_that_changed_under_resume_are_noticed(tmp_path: Path) -> None:
    file = tmp_path / "data.npz"
    rng = np.random.default_rng(0)
    images, labels = rng.random((60, 1, 8, 8), dtype=np.float32), np.arange(60) % 10

    def stored(shift: float) -> DataSpec:
        np.savez(file, x=np.clip(images + shift, 0, 1), y=labels)
        return DataSpec(source=str(file))

    interrupted(tmp_path / "out", data=stored(0.0))
    same = run(request(Fine, tmp_path / "same", data=stored(0.0))).result
    resumed = run(request(Fine, tmp_path / "out", data=stored(0.0), resume=True)).result
    assert resumed.provenance.incidents == []
    assert resumed.records == same.records
    interrupted(tmp_path / "out", data=stored(0.0))
    resumed = run(request(Fine, tmp_path / "out", data=stored(0.1), resume=True)).result
    assert resumed.provenance.incidents == [
        "The data have changed since the run that was interrupted,"
        " so every check is measured again."
    ]
    other = run(request(Fine, tmp_path / "other", data=stored(0.1))).result
    assert resumed.records == other.records
    interrupted(tmp_path / "out", data=stored(0.0), execution=Execution(batch_size=7))
    asked = request(Fine, tmp_path / "out", data=stored(0.1), resume=True, execution=None)
    assert run(asked).result.provenance.execution.batch_size != 7


def test_a_model_that_changed_under_resume_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "model.pt"

    def stored(bias: float) -> ModelSpec:
        model = classifier(Fine)
        with torch.no_grad():
            model.module.head.bias += bias  # type: ignore[operator, union-attr]
        torch.save(model.module.state_dict(), file)
        return ModelSpec(
            source=str(file),
            arch="tests.faults.networks:Fine",
            input_shape=(1, 8, 8),
            classes=tuple("0123456789"),
        )

    interrupted(tmp_path / "out", model=stored(0.0))
    resumed = run(request(Fine, tmp_path / "out", model=stored(0.5), resume=True)).result
    assert resumed.provenance.incidents == [
        "The model has changed since the run that was interrupted,"
        " so every check is measured again."
    ]


def test_settings_that_were_measured_are_taken_over_by_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(tmp_path, execution=None)
    chosen = read_result(tmp_path).provenance.execution

    def never(*_: object, **__: object) -> None:
        raise AssertionError("they are known")

    monkeypatch.setattr(run_module, "choose_execution", never)
    resumed = run(request(Fine, tmp_path, execution=None, resume=True)).result
    assert resumed.provenance.execution == chosen


def test_a_data_file_that_vanishes_meanwhile_is_each_checks_outcome(tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for i in range(20):
        folder = tmp_path / "images" / str(i % 10)
        folder.mkdir(parents=True, exist_ok=True)
        grey = rng.integers(0, 255, (8, 8), dtype=np.uint8)
        Image.fromarray(grey).save(folder / f"{i}.png")
    spec = DataSpec(source=str(tmp_path / "images"))
    asked = request(Fine, tmp_path / "out", data=spec)
    result = run(asked, progress=At(planned=(tmp_path / "images/3/3.png").unlink)).result
    assert {one.status for one in result.outcomes} == {"errored"}
    assert all("3.png" in (one.reason or "") for one in result.outcomes)
    assert json.loads((tmp_path / "out/result.json").read_text())["outcomes"]
