"""axe-core, the accessibility checker of Deque, run in a page: `npm install --no-save axe-core`."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path

from tests.browser.chrome import Page

_ROOT = Path(__file__).parents[2]
_PLACES = (
    os.environ.get("AXE_CORE", ""),
    str(_ROOT / "node_modules" / "axe-core" / "axe.min.js"),
    "/usr/lib/node_modules/axe-core/axe.min.js",
    "/usr/local/lib/node_modules/axe-core/axe.min.js",
)
FILE = next((Path(one) for one in _PLACES if one and Path(one).is_file()), None)
WHY_NOT = "" if FILE else "axe-core is missing: npm install --no-save axe-core@4.14.1"
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


@cache
def _source() -> str:
    assert FILE is not None
    return FILE.read_text(encoding="utf-8")


def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong, one line per rule with the first places."""
    page.run(_source())
    options = {"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]}
    found = page.run(
        f"return axe.run(document, {json.dumps(options)}).then(all => all.violations.map(one =>"
        " `${one.id}: ${one.help}: ${one.nodes.length} times, first "
        "${one.nodes.slice(0, 3).map(node => node.html.slice(0, 200)).join(' | ')}`))"
    )
    assert isinstance(found, list)
    return found
