"""A small server on this machine alone: it reads results and changes nothing but their index."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import final
from urllib.parse import parse_qs, urlsplit

from auditkit.errors import AuditkitError, ConfigError, ResultError
from auditkit.render import FORMATS
from auditkit.view import pages
from auditkit.view.history import History, Run

LOOPBACK = "127.0.0.1"
TABLE = FORMATS["csv"].file  # which a report links to, beside itself
_OF_A_REPORT = re.compile(rf"/report/(?P<run>[0-9a-f]+)/(?P<table>{re.escape(TABLE)})?")
_OWN_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@final
class Server(ThreadingHTTPServer):
    """Answers on the loopback address until it is closed."""

    daemon_threads = True
    history: History

    @property
    def address(self) -> str:
        """Where the list is."""
        return f"http://{LOOPBACK}:{self.server_port}/"


def start(history: History, port: int = 0) -> Server:
    """Return a server that listens; `serve_forever` answers.

    Parameters
    ----------
    history : History
        What it shows.
    port : int
        0 takes any free one.

    Raises
    ------
    ConfigError
        If the port is taken or not allowed.
    """
    try:
        server = Server((LOOPBACK, port), _Handler)
    except OSError as error:
        raise ConfigError(
            f"Port {port} cannot be used: {error.strerror or error}.",
            hint="Name another one with --port, or leave it out for any free one.",
        ) from error
    server.history = history
    return server


@final
class _Handler(BaseHTTPRequestHandler):
    """One request. No file name is ever taken from an address: results go by the index's ids."""

    server_version = "auditkit"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        """Answer with a page."""
        self._answer()

    def do_HEAD(self) -> None:
        """Answer with the headers of a page."""
        self._answer()

    def _answer(self) -> None:
        if not self._is_for_us():
            said = "This page is for this machine alone."
            self._send(said, HTTPStatus.FORBIDDEN, kind="plain")
            return
        parts = urlsplit(self.path)
        self.query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        again = ""
        try:
            page = self._page(parts.path)
        except ResultError as error:
            if "different data" in error.message:
                again = pages.address(parts.path, **self.query, other_data="1")
            self._send(pages.error_page(error, again=again), HTTPStatus.CONFLICT)
        except AuditkitError as error:
            self._send(pages.error_page(error), HTTPStatus.CONFLICT)
        else:
            if page is None:
                nothing = ConfigError("There is nothing at this address.")
                self._send(pages.error_page(nothing), HTTPStatus.NOT_FOUND)
            else:
                is_table = parts.path.endswith(f"/{TABLE}")
                self._send(page, HTTPStatus.OK, kind="csv" if is_table else "html")

    @property
    def _ours(self) -> Server:
        assert isinstance(self.server, Server)
        return self.server

    @property
    def _history(self) -> History:
        return self._ours.history

    def _is_for_us(self) -> bool:
        """Say whether the browser asked for this machine: another name may be an attack by DNS."""
        port = self._ours.server_port
        known = {f"{name}:{port}" for name in (LOOPBACK, "localhost")}
        return self.headers.get_all("Host", []) in [[one] for one in known]

    def _page(self, path: str) -> str | None:
        handlers: dict[str, Callable[[], str | None]] = {
            "/": self._list,
            "/compare": self._compare,
            "/trend": self._trend,
        }
        if path in handlers:
            return handlers[path]()
        found = _OF_A_REPORT.fullmatch(path)
        run = self._run(found["run"]) if found else None
        if found is None or run is None:
            return None
        page_of = pages.report_table if found["table"] else pages.report_page
        return page_of(self._history, run)

    def _list(self) -> str:
        self._history.refresh()
        return pages.list_page(
            self._history,
            search=self.query.get("q", "")[:200],
            sort=self.query.get("sort", ""),
        )

    def _trend(self) -> str:
        return pages.trend_page(self._history, self.query.get("finding", ""))

    def _compare(self) -> str:
        before, after = (self._run(self.query.get(name, "")) for name in ("before", "after"))
        if before is None or after is None:
            raise ConfigError("Choose two results to compare: one before and one now.")
        return pages.comparison_page(
            self._history,
            before,
            after,
            today=datetime.now(UTC).date(),
            allow_different_data=self.query.get("other_data") == "1",
        )

    def _run(self, name: str) -> Run | None:
        return self._history.run(name) if re.fullmatch(r"[0-9a-f]{12}", name) else None

    def _send(self, text: str, status: HTTPStatus, *, kind: str = "html") -> None:
        content = text.encode("utf-8", errors="replace")
        self.send_response(status)
        for name, value in {"Content-Type": f"text/{kind}; charset=utf-8", **_HEADERS}.items():
            self.send_header(name, value)
        self.send_header("Content-Security-Policy", _policy_of(text))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: the terminal belongs to whoever started it."""


def _policy_of(page: str) -> str:
    """Return the page's own policy, which stands before any text of a result, as a header."""
    found = _OWN_POLICY.search(page[:4000])
    own = unescape(found[1]) if found else "default-src 'none'"
    return f"{own}; frame-ancestors 'none'"
