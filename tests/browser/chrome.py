"""A headless Chromium, driven through chromedriver's W3C HTTP interface; standard library only."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
WHY_NOT = "" if CHROMIUM and DRIVER else "chromium or chromedriver is not installed"


@dataclass(frozen=True)
class Page:
    """One browser session."""

    address: str

    def open(self, file: Path, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Show a file in a viewport of the given size."""
        self.visit(file.resolve().as_uri(), width=width, height=height, dark=dark)

    def visit(self, address: str, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Show an address in a viewport of the given size."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        self.devtools(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )
        self._post("url", url=address)

    def run(self, script: str) -> object:
        """Return what a script in the page returns."""
        return self._post("execute/sync", script=script, args=[])

    def devtools(self, command: str, **params: object) -> object:
        """Send one command of the DevTools protocol."""
        return self._post("goog/cdp/execute", cmd=command, params=params)

    def press(self, key: str, code: int, modifiers: int = 0) -> None:
        """Press and release a key: its name, its number, and what is held down with it."""
        event = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        if key == "Enter":  # acts by the character that it types
            event["text"] = "\r"
        for kind in ("keyDown" if key == "Enter" else "rawKeyDown", "keyUp"):
            self.devtools("Input.dispatchKeyEvent", type=kind, **event)

    def console(self) -> list[str]:
        """Return what the browser complained about since the last call."""
        entries = self._post("se/log", type="browser")
        assert isinstance(entries, list)
        return [entry["message"] for entry in entries]

    def requests(self) -> list[str]:
        """Return the addresses asked for since the last call, data in the page left out."""
        entries = self._post("se/log", type="performance")
        assert isinstance(entries, list)
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        return [
            url
            for one in messages
            if one["method"] == "Network.requestWillBeSent"
            and not (url := one["params"]["request"]["url"]).startswith("data:")
        ]

    def screenshot(self, file: Path) -> None:
        """Write the whole page as a PNG."""
        shot = self.devtools("Page.captureScreenshot", captureBeyondViewport=True)
        assert isinstance(shot, dict)
        file.write_bytes(base64.b64decode(shot["data"]))

    def _post(self, path: str, **body: object) -> object:
        return _post(f"{self.address}/{path}", body)


def _post(address: str, body: dict[str, object]) -> object:
    request = urllib.request.Request(
        address, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        with error:
            raise RuntimeError(error.read().decode()) from error


@contextlib.contextmanager
def browser() -> Iterator[Page]:
    """Start a browser and stop it again."""
    assert CHROMIUM is not None
    assert DRIVER is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = subprocess.Popen(
        [DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(address)
        options = {
            "binary": CHROMIUM,
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
            "perfLoggingPrefs": {"enableNetwork": True},
        }
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        session = _post(f"{address}/session", {"capabilities": {"alwaysMatch": wanted}})
        assert isinstance(session, dict)
        page = Page(f"{address}/session/{session['sessionId']}")
        try:
            yield page
        finally:
            urllib.request.urlopen(
                urllib.request.Request(page.address, method="DELETE"), timeout=60
            ).close()
    finally:
        driver.terminate()
        driver.wait(timeout=30)


def _wait(address: str) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/status", timeout=5):
            return
        time.sleep(0.1)
    raise RuntimeError("chromedriver did not answer within 10 s")
