"""Write the pages that come from code: `python docs/generate.py [--check]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from auditkit.checks.catalogue import BUILT_IN
from auditkit.data.catalogue import DATA
from auditkit.explain import check_page, data_page, model_page
from auditkit.models.catalogue import MODELS
from auditkit.result import json_schema

REFERENCE = Path(__file__).parent / "reference"


def pages() -> dict[Path, str]:
    """Return the text of every generated file."""
    found = {
        REFERENCE / "checks" / f"{kind.meta.id}.md": check_page(kind.meta.id) for kind in BUILT_IN
    }
    found |= {REFERENCE / "models" / f"{name}.md": model_page(name) for name in MODELS}
    found |= {REFERENCE / "data" / f"{name}.md": data_page(name) for name in DATA}
    schema = json.dumps(json_schema(), indent=1, sort_keys=True) + "\n"
    found[REFERENCE / "result.schema.json"] = schema
    return found


def main() -> None:
    """Write what differs, or name it and fail."""
    stale = [
        (file, text)
        for file, text in pages().items()
        if not file.is_file() or file.read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv:
        for file, _ in stale:
            sys.stderr.write(f"{file} is out of date, run: python docs/generate.py\n")
        sys.exit(1 if stale else 0)
    for file, text in stale:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        sys.stderr.write(f"wrote {file}\n")


if __name__ == "__main__":
    main()
