"""Result to PDF: the page printed by a Chromium that is installed, without network."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from auditkit.errors import ConfigError
from auditkit.render.html import render_html
from auditkit.result import Result

VARIABLE = "AUDIT_CHROMIUM"  # names the program where it is none of these
PROGRAMS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
SECONDS = 180  # until printing is given up
_NO_NETWORK = ("--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking")


def render_pdf(result: Result) -> bytes:
    """Return the report on paper, with everything unfolded.

    Raises
    ------
    ConfigError
        If no Chromium is installed, or it prints nothing.
    """
    program = _chromium()
    with tempfile.TemporaryDirectory(prefix="audit-pdf-") as name:
        folder = Path(name)
        page, paper = folder / "report.html", folder / "report.pdf"
        page.write_text(render_html(result), encoding="utf-8")
        said = _printed(program, page, paper, profile=folder / "profile")
        content = paper.read_bytes() if paper.is_file() else b""
    if not content.startswith(b"%PDF"):
        raise ConfigError(
            f"{program} printed no PDF{said}.",
            hint="Open report.html in a browser and print it there, or name another program:"
            f" {VARIABLE}=/path/to/chromium",
        )
    return content


def _chromium() -> str:
    wanted = os.environ.get(VARIABLE)
    for name in [wanted] if wanted else PROGRAMS:
        if found := shutil.which(name):
            return found
    raise ConfigError(
        f"{VARIABLE} is {wanted!r}, and there is no such program."
        if wanted
        else "There is no Chromium or Chrome, which prints the report.",
        hint="Install one (apt install chromium), or open report.html in any browser and print it.",
    )


def _printed(program: str, page: Path, paper: Path, *, profile: Path) -> str:
    """Print, and return what went wrong, as the end of a sentence."""
    command = [
        program, "--headless", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        *_NO_NETWORK, f"--user-data-dir={profile}", "--no-pdf-header-footer",
        f"--print-to-pdf={paper}", page.as_uri(),
    ]  # fmt: skip
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.insert(1, "--no-sandbox")  # it does not start as root otherwise
    try:
        ran = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f" within {SECONDS} s"
    except OSError as error:
        return f": {error.strerror}"
    return "" if ran.returncode == 0 else f": it ended with exit code {ran.returncode}"
