"""pytest plugin: `pytest --audit audit.toml` makes one test of every limit.

Nothing of an audit, torch above all, is imported before a test needs its result.
"""

from __future__ import annotations

import shlex
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import pytest

if TYPE_CHECKING:
    from auditkit.policy import Policy
    from auditkit.result import Judgement, Result

_OPTIONS = {
    "audit_model": "What to audit: a built-in name, a file, or package.module:predict.",
    "audit_data": "Data set to audit it on; what the model names by default.",
    "audit_out": "Folder of the report; reports/<model> by default.",
    "audit_against": "Earlier result that limits with max_drop_against are held against.",
    "audit_result": "Folder of a finished audit to read instead of running one.",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, and a setting of the same name for each but `--audit`."""
    group = parser.getgroup("audit", "audit of a trained classifier (auditkit)")
    group.addoption("--audit", metavar="POLICY", help="Make one test of every limit of POLICY.")
    for name, said in _OPTIONS.items():
        group.addoption(f"--{name.replace('_', '-')}", metavar="X", dest=name, help=said)
        if name != "audit_result":
            parser.addini(name, said, default="")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "audit: reads the result of an audit of a classifier")
    config.stash[_KEY] = _Session(config)


@pytest.hookimpl(tryfirst=True)  # before -k and -m deselect
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add the tests of the policy, and mark every test that reads the result."""
    from auditkit.errors import AuditkitError

    for item in items:
        if "audit_result" in getattr(item, "fixturenames", ()):
            item.add_marker("audit")
    audit = config.stash[_KEY]
    if not (audit.policy_file or audit.result_folder):
        return
    try:
        items += _collected(session, audit)
    except AuditkitError as error:
        raise pytest.UsageError(str(error)) from error


@pytest.fixture(scope="session")
def audit_result(pytestconfig: pytest.Config) -> Result:
    """Return the result of this session's audit, which runs once, when it is first asked for."""
    return pytestconfig.stash[_KEY].result


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say the verdict and where the report is."""
    audit = config.stash[_KEY]
    if audit.known is not None:
        terminalreporter.section("audit")
        terminalreporter.line(audit.known.verdict.sentence)
        terminalreporter.line(f"Report: {audit.folder}")


# --- one audit per session -----------------------------------------------------------------------


@final
class _Session:
    """The audit of this session: what was asked for, and its result once there is one."""

    def __init__(self, config: pytest.Config) -> None:
        def asked(name: str) -> str | None:
            given = config.getoption(name)
            return given or (config.getini(name) if name != "audit_result" else None) or None

        self.policy_file: str | None = config.getoption("audit")
        self.result_folder = asked("audit_result")
        self.model, self.data, out = (asked(f"audit_{one}") for one in ("model", "data", "out"))
        self.against = asked("audit_against")
        self.folder = Path(self.result_folder or out or f"reports/{_name(self.model)}")
        self.known: Result | None = None
        self._error: Exception | None = None
        self._run_id: str | None = getattr(config, "workerinput", {}).get("testrunuid")

    @property
    def policy(self) -> Policy:
        """The policy file of `--audit`, or what `audit run` would find."""
        from auditkit.policy import load_policy

        return load_policy(self.policy_file)

    @property
    def result(self) -> Result:
        """The result; running the audit where it is asked for the first time."""
        if self._error is not None:
            raise self._error  # a model that cannot be loaded is not tried once per limit
        if self.known is None:
            try:
                self.known = self._read() if self.result_folder else self._audited()
            except Exception as error:
                self._error = error
                raise
        return self.known

    def _read(self) -> Result:
        from auditkit.diff.against import judge_result
        from auditkit.diff.sides import load
        from auditkit.result import read_result

        found = read_result(self.folder)
        if self.policy_file is None:
            return found
        return judge_result(
            found,
            self.folder,
            self.policy,
            today=datetime.now(UTC).date(),
            reference=None if self.against is None else load(self.against),
        )

    def _audited(self) -> Result:
        """Run the audit; of several processes of one session, only the first one does."""
        from auditkit.result import read_result

        with _alone(self.folder, self._run_id) as there_already:
            return read_result(self.folder) if there_already else self._run()

    def _run(self) -> Result:
        import warnings

        from auditkit.data.load import DataSpec
        from auditkit.errors import ConfigError
        from auditkit.models.load import ModelSpec
        from auditkit.run import Request
        from auditkit.undisturbed import run_inside

        if self.model is None:
            raise ConfigError(
                "There is no model to audit.",
                hint="Pass --audit-model MODEL, or --audit-result DIR of a finished audit.",
            )
        request = Request(
            model=ModelSpec(source=self.model),
            data=None if self.data is None else DataSpec(source=self.data),
            policy=self.policy,
            out=self.folder,
            against=None if self.against is None else Path(self.against),
            command=self._command(self.model),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # those of the tests are often errors
            return run_inside(request).result

    def _command(self, model: str) -> str:
        """Return the command line that does the same."""
        words = ["audit", "run", model, "--out", str(self.folder)]
        words += ["--data", self.data] if self.data else []
        words += ["--policy", self.policy_file] if self.policy_file else []
        words += ["--against", self.against] if self.against else []
        return shlex.join(words)


_KEY = pytest.StashKey[_Session]()


def _name(model: str | None) -> str:
    return Path(model or "model").stem if "/" in (model or "") else (model or "model")


@contextmanager
def _alone(folder: Path, run_id: str | None) -> Generator[bool]:
    """Hold the folder while others of the same session wait; say whether one of them is done."""
    if run_id is None:
        yield False
        return
    import fcntl  # pytest-xdist: several processes, the same tests

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".session").open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        done = file.read() == run_id
        yield done
        if not done:
            file.truncate(0)
            file.write(run_id)


# --- one test per limit --------------------------------------------------------------------------


def _collected(session: pytest.Session, audit: _Session) -> list[pytest.Item]:
    """Return the tests: the verdict, then limits and required checks."""
    from auditkit.errors import ConfigError
    from auditkit.result import read_result
    from auditkit.weighing import in_words

    if audit.policy_file is None:
        if audit.against is not None:
            raise ConfigError(
                "A finished audit that is not judged again has nothing to hold against another.",
                hint="Add --audit POLICY, or leave out --audit-against.",
            )
        verdict = read_result(audit.folder).verdict
        found = [*verdict.decided_by, *(one.judgement for one in verdict.waived), *verdict.passed]
        tests = dict.fromkeys((one.limit, one.finding) for one in found)
    else:
        if audit.model is None and audit.result_folder is None:
            raise ConfigError(
                "--audit says what to hold a model against, and nothing says which model.",
                hint="Add --audit-model MODEL, or --audit-result DIR of a finished audit.",
            )
        policy = audit.policy
        tests = dict.fromkeys((in_words(one), one.finding) for one in policy.limits)
        tests |= dict.fromkeys((f"{one} is required", one) for one in policy.required)
    name = audit.policy_file or str(audit.folder)
    parent = _Audit.from_parent(session, name=name, nodeid=name)
    items: list[pytest.Item] = [_Verdict.from_parent(parent, name="verdict")]
    items += [
        _Limit.from_parent(parent, name=f"{finding}: {limit}", limit=limit, finding=finding)
        for limit, finding in tests
    ]
    for item in items:
        item.add_marker("audit")
    report = pytest.CollectReport(name, "passed", longrepr=None, result=list(items))
    session.ihook.pytest_collectreport(report=report)  # "collected 4 items"
    return items


@final
class _Audit(pytest.Collector):
    """What the tests of an audit belong to: the policy file, or the result."""

    def collect(self) -> list[pytest.Item]:
        """Return nothing: the tests are added when everything is collected."""
        return []


class _NotPassedError(Exception):
    """A limit or a verdict that is not a pass; the text says everything."""


class _Item(pytest.Item):
    """A test that reads the result of the session's audit."""

    @property
    def audit(self) -> _Session:
        """The audit of this session."""
        return self.config.stash[_KEY]

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """Return the text alone, without the lines of code that raised it."""
        from auditkit.errors import AuditkitError

        if isinstance(excinfo.value, _NotPassedError | AuditkitError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[str, None, str]:
        """Return where a test stands, for summaries."""
        # pytest writes a dot at the end of an id as "::", unless the two differ.
        return self.nodeid.partition("::")[0], None, f"{self.name} "


@final
class _Verdict(_Item):
    """The verdict as a whole, so that the session's exit code agrees with it."""

    def runtest(self) -> None:
        """Fail unless the verdict is a pass; skip where nothing was judged."""
        verdict = self.audit.result.verdict
        if verdict.status == "not_judged":
            pytest.skip(verdict.sentence)
        if verdict.status != "pass":
            raise _NotPassedError(verdict.sentence)


@final
class _Limit(_Item):
    """One limit of the policy with every finding it names, or one required check."""

    def __init__(self, *, limit: str, finding: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.limit, self.finding = limit, finding

    def runtest(self) -> None:
        """Fail where a finding misses the limit, or where that cannot be decided."""
        result = self.audit.result
        verdict = result.verdict
        bad = [one for one in verdict.decided_by if self._is(one) and one.status != "pass"]
        if bad:
            raise _NotPassedError("\n\n".join(_told(one, result, self.audit.folder) for one in bad))
        if any(self._is(one) for one in verdict.passed):
            return
        waived = [one for one in verdict.waived if self._is(one.judgement)]
        if waived:
            one = waived[0]
            pytest.skip(f"waived by {one.owner} until {one.expires}: {one.reason}")
        self._require_nothing_missing(result)

    def _require_nothing_missing(self, result: Result) -> None:
        """Let a limit that nothing judged pass only where a required check was measured."""
        if self.limit == f"{self.finding} is required":
            outcomes = {one.check: one for one in result.outcomes}
            if self.finding in outcomes and outcomes[self.finding].status == "measured":
                return
        elif self._is_for_others(result):
            pytest.skip(f"not for {result.model.modality} models, or not for such data")
        raise _NotPassedError(
            f"Incomplete: nothing was held against {self.limit} [{self.finding}]."
        )

    def _is_for_others(self, result: Result) -> bool:
        from auditkit.weighing import in_words

        mine = [
            one.is_about(result.model.modality, sensitive=result.data.sensitive)
            for one in self.audit.policy.limits
            if (in_words(one), one.finding) == (self.limit, self.finding)
        ]
        return bool(mine) and not any(mine)

    def _is(self, one: Judgement) -> bool:
        named = one.finding == self.finding or fnmatchcase(one.finding, self.finding)
        return one.limit == self.limit and named


def _told(one: Judgement, result: Result, folder: Path) -> str:
    """Return a judgement as lines: what was measured, the limit, why, and how to see it again."""
    from auditkit.render import words

    found = [
        (outcome, finding)
        for outcome in result.outcomes
        for finding in outcome.findings
        if finding.id == one.finding
    ]
    measured = words.statement(*found[0]) if found else "nothing"
    place = f"   ({one.place})" if one.place else ""
    lines = [
        f"{words.VERDICTS[one.status]}: {words.line(one.limit)}{place}",
        f"  finding   {words.line(one.finding)}",
        f"  measured  {measured}",
        f"  because   {words.reason_of(one)}",
    ]
    if found:
        lines.append(f"  replay    {shlex.join(['audit', 'reproduce', str(folder), one.finding])}")
    return "\n".join(lines)
