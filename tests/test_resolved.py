"""Mirrors auditkit/resolved.py: the printed policy says who set what, and is the same policy."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from auditkit.cli import cli
from auditkit.policy import load_policy

OWN = """\
max_inputs = 40
level = 0.9

[parameters.pgd-linf]
steps = 3

[[limits]]
finding = "clean-accuracy/accuracy/all"
min = 0.9
reason = "a \\"quoted\\" reason"

[[waivers]]
finding = "group-gap"
reason = "later"
owner = "me"
expires = 2100-01-31
"""


def printed(folder: Path, *arguments: str, **environment: str) -> str:
    runner = CliRunner(env=environment)
    done = runner.invoke(cli, ["run", "digits-cnn", "--print-config", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "audit.toml").write_text(OWN)
    return tmp_path


def test_an_option_beats_a_variable_which_beats_the_file(folder: Path) -> None:
    text = printed(folder, "--seed", "7", AUDIT_RUN_SEED="5", AUDIT_RUN_MIN_CELL="9")
    assert "seed = 7  # --seed\n" in text
    assert "min_cell = 9  # AUDIT_RUN_MIN_CELL\n" in text
    assert "max_inputs = 40  # audit.toml\n" in text
    assert "aim = 60.0  # suite quick\n" in text
    assert "minimum_n = 20  # default\n" in text
    assert "[[limits]]  # audit.toml:8\n" in text
    assert "[parameters.pgd-linf]  # audit.toml, over suite quick\n" in text
    assert "[parameters.attack-controls]  # suite quick\n" in text
    assert "# model: digits-cnn (command line)\n" in text
    text = printed(folder, "--other-model", "digits-vit")
    assert '[parameters.transfer]  # --other-model\nother = "digits-vit"\n' in text


@pytest.mark.parametrize("suite", ["quick", "standard", "deep"])
def test_what_is_printed_is_the_same_policy(folder: Path, suite: str) -> None:
    for own in (OWN, ""):
        (folder / "audit.toml").write_text(own)
        text = printed(folder, "--suite", suite)
        (folder / "again.toml").write_text(text)
        assert tomllib.loads(text)["suite"] == suite
        again = load_policy(folder / "again.toml").model_dump()
        assert again == load_policy(suite=suite).model_dump()


def test_nothing_is_loaded_and_a_wrong_policy_is_an_error(folder: Path) -> None:
    (folder / "audit.toml").write_text("max_input = 3\n")
    done = CliRunner().invoke(cli, ["run", "no-such-model.pt", "--print-config"])
    assert done.exit_code != 0
    assert "Did you mean 'max_inputs'" in str(done.exception)
    assert printed(folder, "--policy", "none").count("[[limits]]") == 0
