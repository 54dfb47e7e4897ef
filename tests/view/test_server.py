"""Mirrors auditkit/view/server.py and auditkit/view/pages.py."""

from __future__ import annotations

import csv
import http.client
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest

from auditkit.errors import ConfigError
from auditkit.result import read_result
from auditkit.view.history import open_history
from auditkit.view.server import Server, start
from tests.diff.sample import accurate
from tests.render.hostile import PAYLOAD

NAME = PAYLOAD.replace("\ud800", "")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("runs")
    accurate(folder / "a", 200, [0], started="2026-01-01T00:00:00+00:00")
    accurate(folder / "b", 200, range(40), started="2026-01-02T00:00:00+00:00")
    accurate(folder / "<img src=x>", 60, [], model=NAME, data="e" * 64)
    with start(open_history(folder)) as one:
        thread = threading.Thread(target=one.serve_forever, daemon=True)
        thread.start()
        yield one
        one.shutdown()


def get(
    server: Server, path: str, *, host: str | None = None, method: str = "GET"
) -> tuple[http.client.HTTPResponse, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.putrequest(method, path, skip_host=True)
    if host != "":
        connection.putheader("Host", host or f"127.0.0.1:{server.server_port}")
    connection.endheaders()
    answer = connection.getresponse()
    return answer, answer.read().decode()


def ids(server: Server) -> dict[str, str]:
    return {one.folder: one.id for one in server.history.runs()}


def test_it_listens_on_this_machine_alone(server: Server) -> None:
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "", "localhost.evil"])
def test_a_name_that_is_not_this_machine_is_refused(server: Server, host: str) -> None:
    answer, text = get(server, "/", host=host)
    assert answer.status in (400, 403)
    assert "digits" not in text


def test_localhost_is_this_machine(server: Server) -> None:
    assert get(server, "/", host=f"localhost:{server.server_port}")[0].status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/report/../../../etc/passwd", "/report/..%2f..%2fetc%2fpasswd", "/report/%00",
        "//etc/passwd", "/a/result.json", "/history.sqlite", "/report/",
        "/report/0123456789ab/", "/nothing", "/findings.csv", "/report/findings.csv",
        "/report/0123456789ab/findings.csv", "/report/0123456789ab/../findings.csv",
    ],
)  # fmt: skip
def test_addresses_are_never_paths(server: Server, path: str) -> None:
    answer, text = get(server, path)
    assert answer.status == 404
    assert "There is nothing at this address." in text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_changed(server: Server, method: str) -> None:
    assert get(server, "/", method=method)[0].status == 501


def test_every_page_has_a_strict_policy(server: Server) -> None:
    here = ids(server)
    compare = f"/compare?before={here['a']}&after={here['b']}"
    trend = "/trend?finding=clean-accuracy/accuracy/all"
    for path in ("/", f"/report/{here['a']}/", compare, trend, "/nothing"):
        answer, text = get(server, path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "style-src 'sha256-" in policy
        assert text.startswith("<!doctype html>") or text.lstrip().startswith("<!doctype html>")


def test_a_report_has_its_table_of_findings_beside_it_and_nothing_else(server: Server) -> None:
    report = f"/report/{ids(server)['a']}/"
    answer, text = get(server, urljoin(report, "findings.csv"))  # as the page links to it
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    ids_in_table = [one["finding"] for one in csv.DictReader(text.splitlines())]
    run = server.history.run(ids(server)["a"])
    assert run is not None
    outcomes = read_result(server.history.path(run)).outcomes
    assert ids_in_table == [one.id for outcome in outcomes for one in outcome.findings]
    for name in ("result.json", "records.parquet", "report.html", "findings.csv/"):
        assert get(server, report + name)[0].status == 404


def test_names_in_results_are_escaped_on_every_page(server: Server) -> None:
    mine = next(one.id for one in server.history.runs() if one.model == NAME)
    for path in (
        "/", f"/?q={'%3Cscript%3E'}", f"/compare?before={mine}&after={mine}",
        "/trend?finding=clean-accuracy/accuracy/all", "/trend?finding=%3Cscript%3Ealert(1)",
        f"/compare?before={mine}&after={ids(server)['a']}",
    ):  # fmt: skip
        _, text = get(server, path)
        assert "<script" not in text
        assert "<img src=x" not in text
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_the_list_is_searched_and_sorted(server: Server) -> None:
    def folders(query: str) -> list[str]:
        _, text = get(server, f"/?{query}")
        return re.findall(r'data-label="Folder"><code>([^<]*)</code>', text)

    assert folders("sort=folder")[1:] == ["a", "b"]
    assert folders("sort=when")[0] == "b"
    assert folders("q=eeeeeeee") == ["&lt;img src=x&gt;"]
    assert folders("q=nowhere") == []


def test_two_results_are_compared(server: Server) -> None:
    here = ids(server)
    answer, text = get(server, f"/compare?before={here['a']}&after={here['b']}")
    assert answer.status == 200
    assert "Regression" in text
    assert 'href="/"' in text


def test_results_on_other_data_are_compared_when_asked_twice(server: Server) -> None:
    here = ids(server)
    other = next(one.id for one in server.history.runs() if one.model == NAME)
    answer, text = get(server, f"/compare?before={here['a']}&after={other}")
    assert answer.status == 409
    assert "different data" in text
    link = re.search(r'href="(/compare[^"]*)"', text)
    assert link is not None
    answer, text = get(server, link[1].replace("&amp;", "&"))
    assert answer.status == 200
    assert "independent samples" in text


def test_a_head_has_no_body(server: Server) -> None:
    answer, text = get(server, "/", method="HEAD")
    assert answer.status == 200
    assert text == ""


def test_a_taken_port_is_said(server: Server) -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        start(server.history, server.server_port)


def test_the_command_starts_without_torch_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    accurate(tmp_path / "a", 40, [])
    code = (
        "import sys; from auditkit.cli import cli\n"
        f"cli.main(['view', {str(tmp_path)!r}, '--no-open'], standalone_mode=False)\n"
        "print('torch' in sys.modules)"
    )
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    port = int(re.search(r":(\d+)/", line)[1])  # type: ignore[index]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/")
    assert connection.getresponse().status == 200
    os.kill(process.pid, signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "False\n")
    assert "Traceback" not in error
