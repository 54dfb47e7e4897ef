"""Mirrors auditkit/pytest_plugin.py: in a folder of its own, found through its entry point."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from auditkit.result import to_json
from tests.diff.sample import accurate
from tests.render.sample import image_result, text_result

ROOT = Path(__file__).parents[1]
POLICY = """\
required = ["fgsm-linf", "clean-accuracy"]

[[limits]]
finding = "clean-accuracy/accuracy/all"
min = 0.9

[[limits]]
finding = "pgd-linf/robust_accuracy/all/epsilon=0.1"
min = 0.5

[[limits]]
finding = "calibration-error/ece/all"
max = 0.01

[[limits]]
finding = "token-swap/robust_accuracy/*"
min = 0.5
modality = "text"

[[waivers]]
finding = "calibration-error"
reason = "not shown to users"
owner = "dana"
expires = 2100-01-01
"""
TESTS = """\
import sys

def test_the_result_is_there(audit_result):
    assert audit_result.model.name == "digits-cnn"

def test_once(audit_result, request):
    assert request.node.get_closest_marker("audit")

def test_nothing_heavy():
    assert "torch" not in sys.modules and "auditkit.run" not in sys.modules
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh repository: a policy, a finished audit, tests, and auditkit installed by hand."""
    here = tmp_path_factory.mktemp("repository")
    (here / "audit.toml").write_text(POLICY)
    (here / "test_own.py").write_text(TESTS)
    for name, result in (("failed", image_result()), ("passed", text_result())):
        (here / name).mkdir()
        (here / name / "result.json").write_text(to_json(result), encoding="utf-8")
    about = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    metadata = here / "site" / "auditkit_by_hand-0.1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: by-hand\nVersion: 0.1.0\n")
    [(name, target)] = about["entry-points"]["pytest11"].items()
    (metadata / "entry_points.txt").write_text(f"[pytest11]\n{name} = {target}\n")
    return here


def ran(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run pytest there; return its exit code and what it prints."""
    path = os.pathsep.join([str(folder / "site"), str(ROOT)])
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_each_limit_is_a_test_with_a_failure_that_says_everything(folder: Path) -> None:
    code, text = ran(folder, "--audit", "audit.toml", "--audit-result", "failed", "-v")
    assert code == 1
    assert "collected 10 items" in text
    for name, word in (
        ("verdict", "FAILED"),
        ("clean-accuracy/accuracy/all: accuracy >= 0.9", "PASSED"),
        ("pgd-linf/robust_accuracy/all/epsilon=0.1: robust_accuracy >= 0.5", "FAILED"),
        ("calibration-error/ece/all: ece <= 0.01", "SKIPPED"),
        ("token-swap/robust_accuracy/*: robust_accuracy >= 0.5", "SKIPPED"),
        ("fgsm-linf: fgsm-linf is required", "FAILED"),
        ("clean-accuracy: clean-accuracy is required", "PASSED"),
    ):
        assert re.search(rf"audit\.toml::{re.escape(name)} {word}", text), name
    assert (
        "\n".join(
            [
                "Fail: robust_accuracy >= 0.5   (audit.toml:8)",
                "  finding   pgd-linf/robust_accuracy/all/epsilon=0.1",
                "  measured  Robust accuracy at epsilon 0.1 is 30.5 %"
                " (95 % interval 24.2 to 37.4 %), n = 200.",
                "  because   the whole interval misses the limit",
                "  replay    audit reproduce failed pgd-linf/robust_accuracy/all/epsilon=0.1",
            ]
        )
        in text
    )
    assert "Incomplete: fgsm-linf is required   (audit.toml:1)" in text
    assert "waived by dana until 2100-01-01: not shown to users" in text
    assert "not for image models" in text
    assert "_pytest/" not in text.split("short test summary")[0], "no traceback"
    assert "3 failed, 5 passed, 2 skipped" in text


def test_a_result_alone_is_judged_as_it_stands_and_the_marker_selects(folder: Path) -> None:
    code, text = ran(folder, "--audit-result", "passed", "-m", "audit", "test_own.py::test_once")
    assert code == 0, text
    assert "Pass: both limits are met." in text
    assert "4 passed" in text


def test_without_the_option_nothing_is_added_and_nothing_heavy_imported(folder: Path) -> None:
    code, text = ran(folder, "-m", "not audit", "-q", "-W", "error")
    assert code == 0, text
    assert "1 passed, 2 deselected" in text


def test_a_drop_is_held_against_the_reference(tmp_path: Path, folder: Path) -> None:
    good = accurate(tmp_path / "good", 200, [0, 1])
    bad = accurate(tmp_path / "bad", 200, range(40))
    policy = tmp_path / "drops.toml"
    policy.write_text(
        '[[limits]]\nfinding = "clean-accuracy/accuracy/all"\nmax_drop_against = 0.05\n'
    )
    options = ["--audit", str(policy), "--audit-result", str(bad), "-m", "audit", "-k", "worse"]
    code, text = ran(folder, *options, "--audit-against", str(good))
    assert code == 1
    assert "Fail: accuracy worse by at most 0.05 than the reference" in text
    code, text = ran(folder, *options)
    assert code == 1
    assert "Incomplete: accuracy worse by at most 0.05 than the reference" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--audit", "absent.toml", "--audit-model", "digits-cnn"], "audit init"),
        (["--audit", "audit.toml"], "Add --audit-model MODEL"),
        (["--audit-result", "passed", "--audit-against", "failed"], "Add --audit POLICY"),
    ],
)
def test_what_is_missing_is_a_usage_error(folder: Path, arguments: list[str], said: str) -> None:
    code, text = ran(folder, *arguments)
    assert code == pytest.ExitCode.USAGE_ERROR
    assert said in text
    assert "Traceback" not in text


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_real_model_is_audited_once_in_the_session(tmp_path: Path, processes: str) -> None:
    (tmp_path / "audit.toml").write_text(
        'checks = ["clean-accuracy"]\nrequired = ["clean-accuracy"]\nmax_inputs = 40\n'
        '[[limits]]\nfinding = "clean-accuracy/accuracy/all"\nmin = 0.5\n'
        '[[limits]]\nfinding = "clean-accuracy/accuracy/all"\nmin = 0.999\n'
    )
    options = ["--audit", "audit.toml", "--audit-model", "digits-cnn", "-n", processes]
    extra = [] if installed() else ["-p", "auditkit.pytest_plugin"]
    code, text = ran(tmp_path, *options, *extra)
    assert code == 1
    assert "Incomplete: accuracy >= 0.999   (audit.toml:8)" in text
    assert "2 failed, 2 passed" in text
    assert (tmp_path / "reports" / "digits-cnn" / "report.html").is_file()


def installed() -> bool:
    from importlib.metadata import entry_points

    return "auditkit" in entry_points(group="pytest11").names
