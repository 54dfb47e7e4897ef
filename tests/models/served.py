"""A model server on this machine, for tests: what it answers is a function from path and body."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Answer:
    """What the server sends back."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """What the server was sent."""

    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass
class Server:
    """Where it listens, and what it was asked."""

    url: str
    asked: list[Question]


def predictions(scores: object) -> Answer:
    """An answer as TensorFlow Serving writes it."""
    return Answer(json.dumps({"predictions": np.asarray(scores).tolist()}).encode())


@contextmanager
def serving(answer: Callable[[Question], Answer]) -> Generator[Server]:
    """Within the block, a server on the loopback interface answers."""
    asked: list[Question] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(Question(self.path, dict(self.headers), json.loads(body)))
            said = answer(asked[-1])
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            with suppress(ConnectionError):  # a client that has waited long enough is gone
                self.wfile.write(said.body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{server.server_address[1]}/v1/models/m:predict", asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
