"""Write the golden results and what they render to: `python -m tests.golden.update`.

Read the diff before committing it.
"""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from auditkit.render import DEFAULT, FORMATS, render_text
from auditkit.render.terminal import render_terminal
from auditkit.result import Result, read_result
from tests.render.sample import image_result, text_result

FOLDER = Path(__file__).parent
EXAMPLES = sorted((FOLDER.parents[1] / "reports" / "examples").glob("*/result.json"))
SAMPLES = {"image": image_result, "text": text_result}


def texts(result: Result) -> dict[str, str]:
    """Return every file that a result renders to, by name."""
    screen = io.StringIO()
    render_terminal(result, Console(file=screen, width=120, highlight=False, color_system=None))
    return {
        **{
            one.file: render_text(result, name)
            for name, one in FORMATS.items()
            if name != "parquet"  # its bytes name the version that wrote them
        },
        "terminal.txt": screen.getvalue(),
    }


def main() -> None:
    """Write every golden file."""
    for name, sample in SAMPLES.items():
        folder = FOLDER / name
        folder.mkdir(exist_ok=True)
        for file, text in texts(sample()).items():
            (folder / file).write_text(text, encoding="utf-8", newline="\n")
    for result in EXAMPLES:
        for one in DEFAULT:
            text = render_text(read_result(result), one)
            (result.parent / FORMATS[one].file).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
