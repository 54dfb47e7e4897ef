"""Mirrors auditkit/cli.py: every exit code and command, in a process of its own where it counts."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest
from click.testing import CliRunner

from auditkit.cli import _exit_code, cli
from auditkit.errors import ConfigError
from tests.diff.sample import accurate

RUN = ["run", "digits-cnn", "--max-inputs", "30", "--workers", "1", "--check", "clean-accuracy"]


def audit(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "auditkit", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one finished audit in reports/digits-cnn."""
    place = tmp_path_factory.mktemp("audit")
    done = audit(*RUN, "--policy", "none", cwd=place)
    assert done.returncode == 0, done.stderr
    return place


def policy(folder: Path, bound: float) -> str:
    file = folder / f"limit-{bound}.toml"
    file.write_text(
        f'[[limits]]\nfinding = "clean-accuracy/accuracy/all"\nmin = {bound}\nreason = "x"\n'
    )
    return str(file)


def test_run_prints_the_verdict_and_writes_every_format(folder: Path) -> None:
    done = audit(*RUN, "--policy", "none", cwd=folder)
    assert "Not judged" in done.stdout
    assert "reports/digits-cnn/report.html" in done.stdout
    written = {one.name for one in (folder / "reports" / "digits-cnn").iterdir()}
    assert {"report.html", "result.json", "junit.xml", "summary.md", "records.parquet"} <= written
    assert "clean-accuracy" in done.stderr, "progress goes to stderr"
    assert "\x1b[" not in done.stdout + done.stderr, "no colours off a terminal"


@pytest.mark.parametrize(("bound", "code", "word"), [(0.5, 0, "Pass"), (1.1, 1, "Fail")])
def test_exit_code_and_printed_verdict_agree(
    folder: Path, bound: float, code: int, word: str
) -> None:
    file = policy(folder, bound)
    for command in ([*RUN, "--quiet", "--out", "x"], ["assert", "reports/digits-cnn", "--quiet"]):
        done = audit(*command, "--policy", file, cwd=folder)
        assert done.returncode == code, done.stderr
        assert done.stdout.startswith(word)


def test_assert_inside_the_interval_exits_with_3(folder: Path) -> None:
    result = json.loads((folder / "reports/digits-cnn/result.json").read_text())
    finding = result["outcomes"][0]["findings"][0]
    file = policy(folder, finding["low"] + 1e-3)
    done = audit("assert", "reports/digits-cnn", "--policy", file, cwd=folder)
    assert done.returncode == 3
    assert "needs about" in done.stdout


def test_reproduce_says_whether_a_finding_comes_out_again(folder: Path) -> None:
    finding = "clean-accuracy/accuracy/all"
    done = audit("reproduce", "reports/digits-cnn", finding, "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Reproduced: Measured again it is")
    assert done.stderr == ""
    text = (folder / "reports/digits-cnn/result.json").read_text()
    other = json.loads(text)
    other["outcomes"][0]["findings"][0]["n"] += 1
    (folder / "other.json").write_text(json.dumps(other))
    done = audit("reproduce", "other.json", finding, "--json", cwd=folder)
    assert done.returncode == 1
    assert json.loads(done.stdout)["reproduced"] is False


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "digits-cn"], "digits-cnn"),
        (["run", "nowhere.pt"], "nowhere.pt"),
        (["run", "digits-cnn", "--check", "pgd-lin"], "Did you mean 'pgd-linf'?"),
        (["run", "digits-cnn", "--policy", "nowhere.toml"], "audit init"),
        (["run", "digits-cnn", "--data", "nowhere"], "nowhere"),
        (["run", "digits-cnn", "--workers", "two"], "expected auto or a number"),
        (["run", "digits-cnn", "--synonyms", "absent.txt"], "There is no file of synonyms"),
        (["run", "digits-cnn", "--identity-terms", "none.toml"], "There is no file of identity"),
        (["run", "digits-cnn", "--shift", "absent"], "--shift absent: There is no file"),
        (["run", "digits-cnn", "--format", "pdf"], "audit render RESULT --format pdf"),
        (["run", "digits-cnn", "--format", "word"], "is none of html, json"),
        (["run", "digits-cnn", "--columns", "a"], "--data, which is missing"),
        (["run", "digits-cnn", "--shift", "a", "--sensitive", "age"], "--data, which is missing"),
        (["run", "digits-cnn", "--sensitive", "age"], "--data, which is missing"),
        (["run"], "audit run --endpoint URL"),
        (["run", "digits-cnn", "--endpoint", "http://x/"], "Both digits-cnn and --endpoint"),
        (["run", "--endpoint", "ftp://x/"], "expected an address of http or https"),
        (["run", "--endpoint", "http://127.0.0.1:1/", "--workers", "2"], "--data DATA"),
        (["run", "https://host/model.pt"], "is an address, not a file"),
        (["run", "digits-cnn", "--rate-limit", "3"], "leave out --rate-limit"),
        (["run", "digits-cnn", "--request-timeout", "3s"], "leave out --request-timeout"),
        (["run", "digits-cnn", "--rate-limit", "0"], "--rate-limit"),
        (["run", "digits-cnn", "--scores", "logits"], "Leave out --scores"),
        (["run", "no_module_of_this_test:predict"], "No module named 'no_module_of_this_test'"),
        (["run", "json:dumps"], "Nothing says what json:dumps reads"),
        (["inspect", "json:dumps"], "names a function"),
        (["convert", "json:dumps", "--out", "x.safetensors"], "Nothing says"),
        (["render", "nowhere"], "There is no result"),
        (["assert", "nowhere"], "There is no result"),
        (["reproduce", "nowhere", "x"], "There is no result"),
        (["reproduce", "nowhere", "x", "--export-test", "mine.py"], "test_mine.py"),
        (["explain", "pgd"], "pgd-linf"),
        (["nonsense"], "No such command"),
    ],
)
def test_user_errors_exit_with_2_and_say_what_to_type(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["audit", *arguments])
    code = _exit_code(None)  # what a process of its own would leave with
    printed = capsys.readouterr()
    assert code == 2, printed.err
    assert said in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""


def test_a_user_error_ends_its_process_alike(tmp_path: Path) -> None:
    done = audit("run", "digits-cnn", "--check", "pgd-lin", cwd=tmp_path)
    assert done.returncode == 2
    assert "Did you mean 'pgd-linf'?" in done.stderr
    assert done.stdout == ""


def test_synonyms_are_a_parameter_of_token_swap(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("amazing, awesome\n")
    (tmp_path / "audit.toml").write_text("[parameters.token-swap]\nbeam = 1\nmax_changes = 1\n")
    run = ["run", "phrases-transformer", "--max-inputs", "5", "--check", "token-swap", "--json"]
    done = audit(*run, "--synonyms", "own.txt", "--workers", "1", cwd=tmp_path)
    (finding, *_) = json.loads(done.stdout)["outcomes"][0]["findings"]
    assert finding["params"]["synonyms"] == "own.txt"
    assert finding["params"]["beam"] == 1
    assert len(finding["params"]["synonyms_sha256"]) == 16


def test_a_bug_exits_with_4_and_shows_everything(tmp_path: Path) -> None:
    code = (
        "import auditkit.explain, auditkit.cli, sys\n"
        "def broken(what): raise RuntimeError('ours')\n"
        "auditkit.explain.listing = broken\n"
        "sys.argv = ['audit', 'list', 'suites']\n"
        "auditkit.cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "Traceback" in done.stderr
    assert "bug in auditkit" in done.stderr


def test_render_needs_neither_model_nor_torch(folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from auditkit.cli import cli\n"
        f"cli.main(['render', {str(folder / 'reports/digits-cnn')!r}, '--out', {str(tmp_path)!r}],"
        " standalone_mode=False)\n"
        "assert not [m for m in ('torch', 'captum', 'sklearn', 'pandas') if m in sys.modules]"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True)
    for name in ("report.html", "result.json", "junit.xml", "summary.md"):
        again = (tmp_path / name).read_bytes()
        assert again == (folder / "reports" / "digits-cnn" / name).read_bytes(), name


def test_github_gets_annotations_and_its_summary_only_when_asked_for(tmp_path: Path) -> None:
    shown = tmp_path / "step.md"
    shown.write_text("of an earlier step\n")
    golden = str(Path(__file__).parent / "golden" / "image")
    runner = CliRunner(env={"GITHUB_STEP_SUMMARY": str(shown)})
    plain = runner.invoke(cli, ["render", golden, "--out", str(tmp_path), "--format", "junit"])
    assert "::error" not in plain.stdout
    assert shown.read_text() == "of an earlier step\n"
    done = runner.invoke(cli, ["render", golden, "--out", str(tmp_path), "--format", "github"])
    assert done.stdout.count("\n::error ") == 3
    summary = (tmp_path / "job-summary.md").read_text(encoding="utf-8")
    assert shown.read_text(encoding="utf-8") == "of an earlier step\n" + summary


def test_json_output_is_the_result(folder: Path) -> None:
    done = audit(*RUN, "--policy", "none", "--json", "--out", "y", cwd=folder)
    assert json.loads(done.stdout) == json.loads((folder / "y" / "result.json").read_text())


@pytest.mark.parametrize("what", ["checks", "models", "data", "suites"])
def test_lists_hold_objects_with_an_id_that_explain_knows(what: str) -> None:
    runner = CliRunner()
    rows = json.loads(runner.invoke(cli, ["list", what, "--json"]).stdout)
    assert rows
    plain = runner.invoke(cli, ["list", what]).stdout
    for row in rows:
        assert row["id"] in plain
        answer = runner.invoke(cli, ["explain", row["id"]], catch_exceptions=False)
        assert answer.exit_code == 0
        assert row["id"] in answer.stdout


def test_a_network_that_makes_images_is_listed_shown_and_not_audited(tmp_path: Path) -> None:
    runner = CliRunner()
    rows = json.loads(runner.invoke(cli, ["list", "models", "--json"]).stdout)
    row = next(one for one in rows if one["id"] == "digits-gan")
    assert row["kind"] == "generative"
    assert "accuracy" not in row
    card = runner.invoke(cli, ["explain", "digits-gan"]).stdout
    assert "The weights are derived from these data" in " ".join(card.split())
    assert sum(line.count("█") for line in card.splitlines()) > 20  # samples
    refused = audit("run", "digits-gan", cwd=tmp_path)
    assert refused.returncode == 2
    assert "makes images and does not classify them" in refused.stderr
    picture = tmp_path / "made.png"
    said = runner.invoke(cli, ["models", "sample", "digits-gan", "--out", str(picture)])
    assert said.exit_code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_every_command_and_option_says_what_it_is_for() -> None:
    silent = [path for path, one in commands(cli, "audit") if not one.help]
    silent += [
        f"{path} {option.opts[0]}"
        for path, one in commands(cli, "audit")
        for option in one.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert silent == []


def commands(one: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Return a command and those below it, by what is typed."""
    yield path, one
    if isinstance(one, click.Group):
        for name, below in one.commands.items():
            yield from commands(below, f"{path} {name}")


def test_explain_knows_metrics() -> None:
    said = CliRunner().invoke(cli, ["explain", "robust_accuracy"], catch_exceptions=False).stdout
    assert "pgd-linf" in said
    assert "fgsm-linf" in said


def test_init_writes_a_policy_that_the_result_passes(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "audit.toml"
    result = str(folder / "reports" / "digits-cnn")
    assert audit("init", "--from", result, "--out", str(file), cwd=tmp_path).returncode == 0
    assert 'finding = "clean-accuracy/accuracy/all"' in file.read_text()
    assert audit("assert", result, "--policy", str(file), cwd=tmp_path).returncode == 0
    refused = audit("init", "--out", str(file), cwd=tmp_path)
    assert refused.returncode == 2
    assert "--force" in refused.stderr


def test_init_without_a_result_writes_a_valid_policy(tmp_path: Path) -> None:
    assert audit("init", cwd=tmp_path).returncode == 0
    done = audit(*RUN, cwd=tmp_path)
    assert done.returncode in (0, 1, 3), done.stderr


def test_doctor_finds_this_installation_fine() -> None:
    done = CliRunner().invoke(cli, ["doctor", "--json"], catch_exceptions=False)
    rows = json.loads(done.stdout)
    assert all(row["fine"] for row in rows), rows
    assert done.exit_code == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    said = CliRunner().invoke(cli, ["completion", shell], catch_exceptions=False).stdout
    assert "_AUDIT_COMPLETE" in said


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["comp"], ["plain,completion"]),
        (["run", "x", "--suite", "st"], ["plain,standard"]),
        (["run", "x", "--format", "csv,par"], ["plain,csv,parquet"]),
        (["assert", "x", "--format", "s"], ["plain,sarif"]),
        (["run", "mod"], ["file,mod"]),  # the shell looks for files itself
        (["run", "x", "--data", "ima"], ["file,ima"]),
        (["render", "rep"], ["file,rep"]),
    ],
)
def test_what_a_shell_completes(typed: list[str], offered: list[str]) -> None:
    env = {
        "_AUDIT_COMPLETE": "bash_complete",
        "COMP_WORDS": shlex.join(["audit", *typed]),
        "COMP_CWORD": str(len(typed)),
    }
    said = CliRunner(env=env).invoke(cli, [], prog_name="audit").stdout
    assert said.splitlines() == offered


def test_options_can_come_from_the_environment(folder: Path) -> None:
    runner = CliRunner(env={"AUDIT_RUN_MAX_INPUTS": "0"})
    assert "is not in the range" in runner.invoke(cli, ["run", "digits-cnn"]).stderr


# --- two results ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    accurate(folder / "good", 200, [0])
    accurate(folder / "bad", 200, range(40))
    accurate(folder / "elsewhere", 200, [], data="e" * 64)
    (folder / "drop.toml").write_text(
        '[[limits]]\nfinding = "clean-accuracy/accuracy/all"\nmax_drop_against = 0.05\n'
    )
    return folder


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["good", "bad"], 1, "surely worse"),
        (["bad", "good"], 0, "none is surely worse"),
        (["good", "bad", "--tolerance", "0.3"], 0, "none is surely worse"),
        (["good", "elsewhere"], 2, "different data"),
        (["good", "elsewhere", "--allow-different-data"], 0, "none is surely worse"),
        (["good", "nothing"], 2, "no result"),
    ],
)
def test_diff_says_by_its_exit_code_whether_it_got_worse(
    pair: Path, arguments: list[str], code: int, said: str
) -> None:
    done = CliRunner().invoke(cli, ["diff", "--quiet", *placed(pair, arguments)])
    assert (done.exit_code if code != 2 else 2) == code
    assert said in done.output or said in str(done.exception)


def placed(folder: Path, arguments: list[str]) -> list[str]:
    return [str(folder / arguments[0]), str(folder / arguments[1]), *arguments[2:]]


def test_diff_writes_a_page_markdown_and_json(pair: Path, tmp_path: Path) -> None:
    sides = [str(pair / "good"), str(pair / "bad")]
    done = CliRunner().invoke(cli, ["diff", *sides, "--out", str(tmp_path), "--json"])
    assert done.output == (tmp_path / "diff.json").read_text(encoding="utf-8")
    assert json.loads(done.output)["exit_code"] == done.exit_code == 1
    assert "<title>Regression:" in (tmp_path / "diff.html").read_text(encoding="utf-8")
    printed = CliRunner().invoke(cli, ["diff", *sides, "--markdown"]).output
    assert printed == (tmp_path / "diff.md").read_text(encoding="utf-8")


def test_diff_and_assert_against_need_no_torch(pair: Path) -> None:
    sides = [str(pair / "good"), str(pair / "bad")]
    policy = str(pair / "drop.toml")
    code = (
        "import sys; from auditkit.cli import cli\n"
        "def run(*arguments):\n"
        "    try: cli.main(list(arguments), standalone_mode=False)\n"
        "    except SystemExit as stop: print(stop.code, 'torch' in sys.modules)\n"
        f"run('diff', {sides[0]!r}, {sides[1]!r}, '--quiet')\n"
        f"run('assert', {sides[1]!r}, '--policy', {policy!r}, '--against', {sides[0]!r}, '--quiet')"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[1::2] == ["1 False", "1 False"]


@pytest.mark.parametrize(("bound", "status"), [(0.05, "fail"), (0.19, "incomplete"), (0.3, "pass")])
def test_assert_writes_what_it_says(pair: Path, tmp_path: Path, bound: float, status: str) -> None:
    """The printed verdict, the exit code, JUnit, SARIF and the result say the same."""
    rules = tmp_path / "gate.toml"
    rules.write_text(
        f'[[limits]]\nfinding = "clean-accuracy/accuracy/all"\nmax_drop_against = {bound}\n'
    )
    before = (pair / "bad" / "result.json").read_bytes()
    out = tmp_path / "judged"
    arguments = ["assert", str(pair / "bad"), "--policy", str(rules), "--out", str(out)]
    arguments += ["--against", str(pair / "good"), "--format", "json,junit,sarif,md"]
    done = CliRunner().invoke(cli, arguments)
    code = {"pass": 0, "fail": 1, "incomplete": 3}[status]
    assert done.exit_code == code
    assert done.stdout.startswith(f"{status.capitalize()}: ")
    written = ["result.json", "junit.xml", "audit.sarif", "summary.md"]
    assert done.stdout.splitlines()[-4:] == [str(out / one) for one in written]
    found = json.loads((out / "result.json").read_text())
    assert (found["verdict"]["status"], found["verdict"]["exit_code"]) == (status, code)
    [sarif] = json.loads((out / "audit.sarif").read_text())["runs"]
    assert sarif["invocations"][0]["exitCode"] == code
    assert [one["properties"]["status"] for one in sarif["results"]] == [status] * (code > 0)
    junit = ElementTree.parse(out / "junit.xml")
    assert {one.get("type") for one in junit.iter("failure")} == ({status} if code else set())
    assert "| Change |" in (out / "summary.md").read_text(encoding="utf-8")
    assert (pair / "bad" / "result.json").read_bytes() == before


@pytest.mark.parametrize("more", [["--format", "sarif"], ["--out", "good"]])
def test_assert_keeps_its_files_apart_from_those_of_the_audit(pair: Path, more: list[str]) -> None:
    more = [str(pair / one) if one == "good" else one for one in more]
    before = sorted(one.name for one in (pair / "good").iterdir())
    done = CliRunner().invoke(cli, ["assert", str(pair / "good"), *more])
    assert isinstance(done.exception, ConfigError)
    assert "--out FOLDER" in str(done.exception.hint)
    assert sorted(one.name for one in (pair / "good").iterdir()) == before


@pytest.mark.parametrize(
    ("after", "against", "code"), [("bad", ["good"], 1), ("good", ["good"], 0), ("good", [], 3)]
)
def test_assert_holds_drops_against_a_reference(
    pair: Path, after: str, against: list[str], code: int
) -> None:
    arguments = ["assert", str(pair / after), "--policy", str(pair / "drop.toml"), "--quiet"]
    for one in against:
        arguments += ["--against", str(pair / one)]
    assert CliRunner().invoke(cli, arguments).exit_code == code
