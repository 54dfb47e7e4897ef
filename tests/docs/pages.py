"""The documentation as its tests see it: pages, sections, code blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GENERATED = {DOCS / "reference" / name for name in ("checks", "models", "data")}
PAGES = [
    ROOT / "README.md",
    *(one for one in sorted(DOCS.rglob("*.md")) if not GENERATED & set(one.parents)),
]


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    language: str
    text: str
    line: int

    @property
    def file(self) -> str | None:
        """The name in its first line, `# name.ext`, if the block is a whole file."""
        named = re.match(r"# ([\w./-]+\.\w+)\n", self.text)
        return named[1] if named else None

    @property
    def content(self) -> str:
        """The block without the line that names its file."""
        return self.text.partition("\n")[2] if self.file else self.text


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page in their order."""
    language, start, lines = "", 0, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.startswith("```"):
            lines.append(line)
        elif start:
            yield Block(language, "\n".join(lines) + "\n", start)
            start = 0
        else:
            language, start, lines = line.removeprefix("```"), number, []
    assert not start, f"{page}:{start}: a block is not closed"


def sections(page: Path) -> dict[str, str]:
    """Return the text below each `##` heading."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def first_cells(section: str) -> set[str]:
    """Return the names in backticks in the first column of a section's tables."""
    cells = re.findall(r"^\| (`[^|]+) \|", section, flags=re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
