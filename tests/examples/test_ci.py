"""Mirrors examples/ci/, action.yml and .pre-commit-hooks.yaml: valid, and doing what they say."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from auditkit.policy import load_policy
from tests.examples.scripts import EXAMPLES, TOOLS, ran

ROOT = EXAMPLES.parent
CI = EXAMPLES / "ci"
ACTION = ROOT / "action.yml"


def content(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("file", "schema"),
    [
        (CI / "github-workflow.yml", "vendor.github-workflows"),
        (EXAMPLES / "ci_gate" / "workflow.yml", "vendor.github-workflows"),
        (ACTION, "vendor.github-actions"),
        (CI / "gitlab-ci.yml", "vendor.gitlab-ci"),
    ],
    ids=lambda one: getattr(one, "name", one),
)
def test_the_public_schema_accepts_it(file: Path, schema: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("check_jsonschema") is None:
        pytest.skip("check-jsonschema, which holds the public schemas, is not installed")
    extra = ["--data-transform", "gitlab-ci"] if "gitlab" in schema else []
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *extra]
    ran(*command, file, cwd=tmp_path)
    broken = tmp_path / "broken.yml"
    text = file.read_text(encoding="utf-8")
    broken.write_text(re.sub(r"^(runs|on|audit):", r"\1x: 3\n\1y:", text, count=1, flags=re.M))
    ran(*command, broken, cwd=tmp_path, expected=1)


# --- the action, step by step --------------------------------------------------------------------


def filled(text: str, inputs: dict[str, str]) -> str:
    """Replace `${{ inputs.x }}` as GitHub does; nothing else may be left."""
    done = re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: inputs[found[1]], text)
    assert "${{" not in done, done
    return done


def act(folder: Path, *, expected: int, **given: str) -> dict[str, str]:
    """Run the steps of the action one by one, as a runner would; return the outputs."""
    action = content(ACTION)
    defaults = {name: one.get("default", "") for name, one in action["inputs"].items()}
    inputs = {**defaults, **given, "install": ""}  # auditkit is there
    output, summary = folder / "output.txt", folder / "summary.md"
    output.touch()
    for step in action["runs"]["steps"]:
        assert "${{" not in step["run"], "an input inside a script could run"
        own = {name: filled(value, inputs) for name, value in step["env"].items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=folder / filled(step.get("working-directory", "."), inputs),
            env={
                **os.environ,
                **own,
                "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
                "OMP_NUM_THREADS": "1",
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(summary),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        wanted = expected if step.get("id") == "audit" else 0
        assert done.returncode == wanted, done.stdout + done.stderr
        (folder / "said.txt").write_text(done.stdout)
    return dict(line.split("=", 1) for line in output.read_text().splitlines())


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    shutil.copy(CI / "audit.toml", tmp_path)
    return tmp_path


SMALL = "--workers\n1\n--max-inputs\n200\n"


def test_the_action_passes_and_leaves_what_the_workflow_uploads(repository: Path) -> None:
    step = next(
        one
        for one in content(CI / "github-workflow.yml")["jobs"]["audit"]["steps"]
        if one["name" if "name" in one else "uses"] == "Audit"
    )
    outputs = act(repository, expected=0, **step["with"], args=SMALL)
    assert outputs == {
        "verdict": "pass", "exit-code": "0", "sarif": "audit-report/audit.sarif"
    }  # fmt: skip
    assert "## ✅ Pass: digits-cnn" in (repository / "summary.md").read_text()
    assert "::error" not in (repository / "said.txt").read_text()
    sarif = json.loads((repository / outputs["sarif"]).read_text())
    assert sarif["runs"][0]["results"] == []


def test_the_action_fails_and_points_at_the_policy(repository: Path) -> None:
    policy = repository / "audit.toml"
    policy.write_text(policy.read_text().replace("min = 0.9", "min = 0.99999"))
    outputs = act(repository, expected=3, model="digits-cnn", args=SMALL)
    assert (outputs["verdict"], outputs["exit-code"]) == ("incomplete", "3")
    line = policy.read_text().splitlines().index('finding = "clean-accuracy/accuracy/all"') + 1
    said = (repository / "said.txt").read_text()
    assert f"::error file=audit.toml,line={line},title=Incomplete%3A Accuracy::" in said


def test_the_action_holds_drops_against_the_reference(repository: Path) -> None:
    act(repository, expected=0, model="digits-cnn", out="reference", args=SMALL)
    policy = repository / "audit.toml"
    drop = 'finding = "clean-accuracy/accuracy/all"\nmax_drop_against = 0.05\n'
    policy.write_text(f"{policy.read_text()}\n[[limits]]\n{drop}")
    given = {"model": "digits-cnn", "against": "reference", "args": SMALL}
    assert act(repository, expected=0, **given)["verdict"] == "pass"


def test_a_broken_call_of_the_action_is_no_verdict_and_inputs_are_no_code(repository: Path) -> None:
    (repository / "audit-report").mkdir()
    (repository / "audit-report" / "result.json").write_text('{"verdict": {"status": "pass"}}')
    outputs = act(repository, expected=2, model="x; touch owned #$(touch owned)", args="")
    assert (outputs["verdict"], outputs["exit-code"]) == ("", "2")
    assert not (repository / "owned").exists()


# --- the others ----------------------------------------------------------------------------------


def test_the_policy_is_valid_and_the_files_name_it() -> None:
    assert load_policy(CI / "audit.toml").limits[0].reason
    for name in ("github-workflow.yml", "gitlab-ci.yml", "pre-commit-config.yaml"):
        assert "audit.toml" in (CI / name).read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_script_of_the_gitlab_job_leaves_the_reports_that_it_names(repository: Path) -> None:
    job = content(CI / "gitlab-ci.yml")["audit"]
    [command] = [line for line in job["script"] if line.startswith("audit ")]
    ran("bash", "-c", f"{command} --workers 1", cwd=repository)
    for file in job["artifacts"]["reports"].values():
        assert (repository / file).is_file(), file


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pre-commit") is None, reason="pre-commit is not installed")
@pytest.mark.parametrize(("bound", "code"), [("0.9", 0), ("0.99999", 1)])
def test_the_local_hook_works_in_a_fresh_repository(
    repository: Path, bound: str, code: int
) -> None:
    shutil.copy(CI / "pre-commit-config.yaml", repository / ".pre-commit-config.yaml")
    policy = repository / "audit.toml"
    policy.write_text(policy.read_text().replace("0.9", bound))
    ran("git", "init", "-q", cwd=repository)
    ran("git", "add", "-A", cwd=repository)
    home = str(repository / "home")
    done = ran(
        "pre-commit", "run", "--all-files", cwd=repository, expected=code, PRE_COMMIT_HOME=home
    )
    assert ("Passed" if code == 0 else "Failed") in done.stdout
    assert "Incomplete: 1 of 1 limit" in done.stdout or code == 0


def test_the_published_hook_starts_the_command_and_takes_no_file_names() -> None:
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert (hook["id"], hook["entry"], hook["language"]) == ("audit", "audit run", "python")
    assert hook["pass_filenames"] is False
    for name in ("model.safetensors", "models/a.onnx", "audit.toml", "x/audit.toml"):
        assert re.search(hook["files"], name), name
    assert not re.search(hook["files"], "my-audit.toml")
