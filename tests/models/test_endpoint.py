"""Mirrors auditkit/models/endpoint.py; every server is on this machine."""

from __future__ import annotations

import gzip
import json
import math
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from auditkit.data.digits import load as load_digits
from auditkit.data.load import DataSpec
from auditkit.errors import ConfigError, ModelError
from auditkit.models.classifier import ImageClassifier
from auditkit.models.endpoint import (
    MOST_BYTES,
    MOST_INPUTS,
    MOST_NUMBERS,
    TOKEN,
    TRIES,
    Client,
    Endpoint,
    _Pace,
    shown,
)
from auditkit.models.load import ModelSpec, load_model
from auditkit.policy import load_policy
from auditkit.run import Audit, Request, run
from tests.models.served import Answer, Question, predictions, serving

IMAGES = np.random.default_rng(0).random((70, 1, 2, 2)).astype(np.float32)
SECRET = "s3cret-t0ken"


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN, raising=False)


def share(question: Question) -> Answer:
    """Dark and light, by the mean of the first row of pixels."""
    light = np.array(question.body["instances"])[:, 0, 0].mean(axis=1)
    return predictions(np.stack([1 - light, light], axis=1))


def client(url: str, *, token: str = "", **options: Any) -> Client:
    return Client(Endpoint(url=url, patience=0.01, **options), token=token)


def refused(answer: Callable[[Question], Answer], **options: Any) -> ModelError:
    with serving(answer) as server, pytest.raises(ModelError) as caught:
        client(server.url, **options).ask(IMAGES[:2])
    return caught.value


# --- the protocol --------------------------------------------------------------------------------


def test_inputs_are_instances_in_batches_and_answers_keep_their_order() -> None:
    with serving(share) as server:
        found = np.array(client(server.url).ask(IMAGES))
    assert [len(one.body["instances"]) for one in server.asked] == [MOST_INPUTS, MOST_INPUTS, 6]
    assert server.asked[0].headers["Content-Type"] == "application/json"
    assert server.asked[0].path == "/v1/models/m:predict"
    sent = np.concatenate([np.array(one.body["instances"]) for one in server.asked])
    assert np.array_equal(sent.astype(np.float32), IMAGES)
    assert np.allclose(found[:, 1], IMAGES[:, 0, 0].mean(axis=1))


def test_large_inputs_make_small_batches() -> None:
    side = int(math.sqrt(MOST_NUMBERS / 2.5))
    with serving(lambda one: predictions([[0, 1]] * len(one.body["instances"]))) as server:
        client(server.url).ask(np.zeros((3, 1, side, side), dtype=np.float32))
    assert [len(one.body["instances"]) for one in server.asked] == [2, 1]


def test_rows_are_lists_of_cells_and_a_missing_one_is_null() -> None:
    rows = pd.DataFrame({"age": [30, 40], "wage": [2.5, math.nan], "job": ["cook", None]})
    with serving(lambda _: predictions([[0, 1], [1, 0]])) as server:
        client(server.url).ask(rows)
    assert server.asked[0].body == {"instances": [[30, 2.5, "cook"], [40, None, None]]}


def test_a_list_alone_is_an_answer_too() -> None:
    with serving(lambda _: Answer(b"[[0.5, 0.5], [1, 0]]")) as server:
        assert client(server.url).ask(IMAGES[:2]) == [[0.5, 0.5], [1, 0]]


def test_answers_are_never_kept() -> None:
    with serving(share) as server:
        one = client(server.url)
        one.ask(IMAGES[:2])
        one.ask(IMAGES[:2])
    assert len(server.asked) == 2


# --- patience ------------------------------------------------------------------------------------


def after(failures: list[Answer]) -> Callable[[Question], Answer]:
    left = list(failures)
    return lambda question: left.pop(0) if left else share(question)


@pytest.mark.parametrize("status", [429, 500, 503, 599])
def test_what_may_pass_is_asked_again_and_said(status: int) -> None:
    with serving(after([Answer(b"busy", status)] * 2)) as server:
        one = client(server.url)
        assert len(one.ask(IMAGES[:2])) == 2
    assert len(server.asked) == 3
    said = f"The endpoint {server.url[7:].partition('/')[0].replace(':', '-')} answered {status}"
    assert set(one.incidents) == {f"{said}, and was asked again."}


def test_the_time_that_the_server_asks_for_is_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", waits.append)
    headers = [{"Retry-After": "7"}, {"Retry-After": "86400"}, {"Retry-After": "soon"}]
    with serving(after([Answer(b"", 429, one) for one in headers])) as server:
        client(server.url).ask(IMAGES[:2])
    assert waits[:2] == [7, 60], "but never longer than a minute"
    assert 0 < waits[2] < 1, "what is no time is not waited for"


def test_waits_grow_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", waits.append)
    with serving(after([Answer(b"", 503)] * 4)) as server:
        Client(Endpoint(url=server.url, patience=1.0)).ask(IMAGES[:2])
    assert len(waits) == TRIES - 1
    for i, wait in enumerate(waits):
        assert 2**i / 2 <= wait <= 2**i
    assert all(wait != 2**i for i, wait in enumerate(waits)), "shortened by chance"


def test_what_does_not_pass_is_told_with_its_first_line() -> None:
    with serving(lambda _: Answer(b"\n  out of memory\nline 2", 500)) as server:
        with pytest.raises(ModelError, match="answered 500, 5 times: out of memory") as caught:
            client(server.url).ask(IMAGES[:2])
        assert len(server.asked) == TRIES
    assert "line 2" not in caught.value.message


@pytest.mark.parametrize(
    ("status", "hint"), [(400, "--input-shape"), (401, TOKEN), (404, ":predict"), (413, "larger")]
)
def test_other_errors_are_not_asked_again(status: int, hint: str) -> None:
    with serving(lambda _: Answer(b'{"error": "bad shape"}', status)) as server:
        with pytest.raises(ModelError, match=rf'answered {status}: \{{"error": "bad sh') as caught:
            client(server.url).ask(IMAGES[:2])
        assert len(server.asked) == 1
    assert hint in caught.value.hint


def test_an_endpoint_that_hangs_is_given_up() -> None:
    release = threading.Event()

    def hang(_: Question) -> Answer:
        release.wait(5)
        return Answer(b"")

    with serving(hang) as server:
        with pytest.raises(ModelError, match=r"did not answer within 0.05 s") as caught:
            client(server.url, timeout=0.05).ask(IMAGES[:2])
        release.set()
    assert "--request-timeout" in caught.value.hint


def test_a_connection_that_breaks_is_made_again() -> None:
    """The first connection is closed without a word, the second answers."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    body = json.dumps({"predictions": [[0.0, 1.0], [1.0, 0.0]]}).encode()

    def serve() -> None:
        first, _ = listener.accept()
        first.recv(65_536)
        first.close()
        second, _ = listener.accept()
        second.recv(65_536)
        second.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        second.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    one = client(f"http://127.0.0.1:{listener.getsockname()[1]}/")
    assert one.ask(IMAGES[:2]) == [[0.0, 1.0], [1.0, 0.0]]
    thread.join()
    listener.close()
    assert len(one.incidents) == 1
    assert "connection" in one.incidents[0]


def test_nobody_there_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ModelError, match="refused the connection") as caught:
        client(f"http://127.0.0.1:{port}/?key={SECRET}").ask(IMAGES[:2])
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None, "its text would quote the whole address"
    assert caught.value.__suppress_context__


def test_a_server_that_does_not_speak_https_is_not_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", waits.append)
    with serving(share) as server, pytest.raises(ModelError, match="does not speak https"):
        client(server.url.replace("http:", "https:")).ask(IMAGES[:2])
    assert waits == []


# --- pace ----------------------------------------------------------------------------------------


def test_no_more_requests_begin_than_the_limit_lets() -> None:
    now, begun = [0.0], list[float]()

    def sleep(seconds: float) -> None:
        now[0] += seconds

    pace = _Pace(4.0, clock=lambda: now[0], sleep=sleep)
    for work in (0.1, 0.0, 0.6, 0.0, 0.0):
        pace.wait()
        begun.append(now[0])
        now[0] += work
    assert begun == pytest.approx([0, 0.25, 0.5, 1.1, 1.35])


def test_repeated_requests_keep_the_pace_too(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[int] = []
    monkeypatch.setattr(_Pace, "wait", lambda self: waits.append(1))
    with serving(after([Answer(b"", 503)] * 2)) as server:
        client(server.url, rate_limit=1000).ask(IMAGES[:40])
    assert len(server.asked) == 4
    assert len(waits) == 4


# --- what is no answer ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<!DOCTYPE html>\n<html><title>Sign in</title>", "a web page that is no JSON: Sign in"),
        (b"ok", "something that is no JSON: ok"),
        (b"", "something that is no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b'{"outputs": []}', "no list of predictions (the keys outputs)"),
        (b'{"predictions": {"a": 1}}', "no list of predictions"),
        (b"3", "no list of predictions (int)"),
        (b'{"predictions": [[0, 1]]}', "1 predictions about 2 instances"),
        (b" " * (MOST_BYTES + 1), "more than 16 MiB"),
    ],
)
def test_other_answers_are_told(body: bytes, said: str) -> None:
    assert said in refused(lambda _: Answer(body)).message


def test_a_packed_answer_counts_unpacked() -> None:
    packed = gzip.compress(b" " * (MOST_BYTES + 1))
    error = refused(lambda _: Answer(packed, headers={"Content-Encoding": "gzip"}))
    assert "more than 16 MiB" in error.message


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with serving(lambda _: predictions([[0, 1], [0, 1]])) as other:
        there = {"Location": other.url + f"?key={SECRET}"}
        moved = lambda _: Answer(b"", status, there)  # noqa: E731
        with serving(moved) as one, pytest.raises(ModelError, match="redirects to ht") as caught:
            client(one.url, token=SECRET).ask(IMAGES[:2])
        assert other.asked == []
    assert SECRET not in str(caught.value)


# --- secrets -------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", SECRET, f"  {SECRET}\n"])
def test_a_token_is_sent_as_a_bearer(token: str) -> None:
    with serving(share) as server:
        client(server.url, token=token).ask(IMAGES[:2])
    expected = f"Bearer {SECRET}" if token else None
    assert server.asked[0].headers.get("Authorization") == expected


def test_a_token_that_no_header_may_hold_is_refused_without_showing_it() -> None:
    with pytest.raises(ModelError, match="holds characters") as caught:
        client("http://127.0.0.1:1/", token=f"{SECRET} é")
    assert SECRET not in str(caught.value)


def test_a_server_that_repeats_the_token_does_not_get_it_shown() -> None:
    def tell(question: Question) -> Answer:
        return Answer(question.headers["Authorization"].encode(), 403)

    with serving(tell) as server, pytest.raises(ModelError, match=r"\(the token\)") as caught:
        client(server.url, token=SECRET).ask(IMAGES[:2])
    assert SECRET not in str(caught.value)
    assert "Renew the token" in caught.value.hint


def test_passwords_of_other_programs_are_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password pass\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(Endpoint, "is_local", False)  # or the surroundings are not looked at
    with serving(share) as server:
        client(server.url).ask(IMAGES[:2])
    assert "Authorization" not in server.asked[0].headers


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://host/x", "expected an address of http or https"),
        ("file:///etc/passwd", "expected an address of http or https"),
        ("host/v1", "expected an address of http or https"),
        ("http://", "expected an address of http or https"),
        ("http://host:port/", "expected an address of http or https"),
        (f"http://me:{SECRET}@host/", "holds a user name or password"),
    ],
)
def test_addresses_are_of_http_and_hold_no_password(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        Endpoint(url=url)
    assert SECRET not in str(caught.value)


def test_addresses_are_shown_without_what_may_be_secret() -> None:
    assert shown(f"https://me:{SECRET}@host:1/a/b?key={SECRET}#{SECRET}") == (
        "https://host:1/a/b?..."
    )
    assert shown("http://host/v1/models/m:predict") == "http://host/v1/models/m:predict"


@pytest.mark.parametrize(
    ("url", "local"),
    [("http://localhost:1", True), ("http://127.0.0.2", True), ("http://[::1]:80/", True),
     ("http://localhost.example", False), ("http://10.0.0.1", False)],
)  # fmt: skip
def test_only_this_machine_is_local(url: str, local: bool) -> None:
    assert Endpoint(url=url).is_local is local


# --- audits --------------------------------------------------------------------------------------


def digits() -> Callable[[Question], Answer]:
    """Answers of a network that learnt the digits."""
    data = load_digits("train")
    rows = data.reader.read(np.arange(len(data)))
    assert not isinstance(rows, list)
    model = LogisticRegression(max_iter=300).fit(rows.reshape(len(rows), -1), data.labels)

    def answer(question: Question) -> Answer:
        images = np.array(question.body["instances"])
        return predictions(model.predict_proba(images.reshape(len(images), -1)))

    return answer


def audited(url: str, folder: Path, **options: float) -> Audit:
    return run(
        Request(
            model=ModelSpec(
                source=shown(url), endpoint=Endpoint(url=url, patience=0.01, **options)
            ),
            data=DataSpec(source="digits"),
            policy=load_policy(
                "none", suite="quick", checks=["clean-accuracy", "pgd-linf", "group-gap"]
            ).model_copy(update={"max_inputs": 60}),
            out=folder / "out",
            workers=None,
        )
    )


def test_an_audit_of_an_endpoint_says_what_it_is_and_what_does_not_apply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN, SECRET)
    answer, count = digits(), [0]

    def flaky(question: Question) -> Answer:
        count[0] += 1
        return Answer(b"busy", 503) if count[0] % 3 == 0 else answer(question)

    with serving(flaky) as server:
        result = audited(server.url + f"?key={SECRET}", tmp_path).result
    assert {one.headers["Authorization"] for one in server.asked} == {f"Bearer {SECRET}"}
    found = {one.check: one for one in result.outcomes}
    accuracy = next(f for f in found["clean-accuracy"].findings if f.metric == "accuracy")
    assert accuracy.value is not None
    assert accuracy.value > 0.9
    assert found["pgd-linf"].reason == "it needs gradients, and this model has none"
    assert result.model.sha256 == ""
    assert result.model.name.startswith("127.0.0.1-")
    notes = " ".join(result.model.notes)
    assert "may change at any time" in notes
    assert "taken for probabilities" in notes
    assert any("answered 503, and was asked again" in one for one in result.provenance.incidents)
    assert result.provenance.workers == 1
    for file in (tmp_path / "out").rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes(), file


def test_an_endpoint_that_answers_differently_each_time_is_seen(tmp_path: Path) -> None:
    answer, rng = digits(), np.random.default_rng(0)

    def noisy(question: Question) -> Answer:
        scores = np.array(json.loads(answer(question).body)["predictions"])
        noise = scores + rng.random(scores.shape)
        return predictions(noise / noise.sum(axis=1, keepdims=True))

    with serving(noisy) as server:
        result = audited(server.url, tmp_path).result
    assert any("answers differently each time" in note for note in result.model.notes)


def test_more_workers_than_one_are_refused(tmp_path: Path) -> None:
    with serving(digits()) as server, pytest.raises(ConfigError, match="asked by one process"):
        run(
            Request(
                model=ModelSpec(source="x", endpoint=Endpoint(url=server.url)),
                data=DataSpec(source="digits"),
                policy=load_policy("none", suite="quick", checks=["clean-accuracy"]),
                out=tmp_path,
                workers=2,
            )
        )


def test_options_of_images_reach_it() -> None:
    with serving(share) as server:
        model = load_model(
            ModelSpec(
                source="x",
                endpoint=Endpoint(url=server.url),
                input_shape=(1, 2, 2),
                bounds=(0, 255),
                scale=1 / 255,
                classes=("dark", "light"),
            )
        )
        assert isinstance(model, ImageClassifier)
        logits = model.predict(torch.full((1, 1, 2, 2), 51.0))
    assert logits.exp()[0, 1].item() == pytest.approx(0.2)


def test_the_command_line_keeps_secrets_out_of_the_result(tmp_path: Path) -> None:
    with serving(digits()) as server:
        done = subprocess.run(
            [sys.executable, "-m", "auditkit", "run", "--endpoint", f"{server.url}?key={SECRET}",
             "--data", "digits", "--check", "clean-accuracy", "--rate-limit", "500",
             "--policy", "none", "--out", "out"],
            cwd=tmp_path, env={**os.environ, TOKEN: SECRET}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert "m:predict?..." in result["provenance"]["command"]
    assert any("at most 500 times a second" in note for note in result["model"]["notes"])
    everything = [done.stdout.encode(), done.stderr.encode()]
    everything += [one.read_bytes() for one in (tmp_path / "out").rglob("*") if one.is_file()]
    assert not any(SECRET.encode() in one for one in everything)
