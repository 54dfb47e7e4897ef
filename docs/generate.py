"""Write the pages that come from code: `python docs/generate.py [--check]`.

The table of formats is one of them; it needs what the tests need, and `--check` leaves it to them:
`tests/formats` holds every row against what happens.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from auditkit.checks.catalogue import BUILT_IN
from auditkit.data.catalogue import DATA
from auditkit.explain import check_page, data_page, generative_page, model_page
from auditkit.models.catalogue import MODELS
from auditkit.models.generative import sample_grid, trained_cards
from auditkit.result import json_schema

sys.path.insert(0, str(Path(__file__).parents[1]))  # to find the tests, from wherever it is run
from tests.formats import table

REFERENCE = Path(__file__).parent / "reference"
ROUNDING = 2  # grey levels


def pages() -> dict[Path, str]:
    """Return the text of every generated file."""
    found = {
        REFERENCE / "checks" / f"{kind.meta.id}.md": check_page(kind.meta.id) for kind in BUILT_IN
    }
    found |= {REFERENCE / "models" / f"{name}.md": model_page(name) for name in MODELS}
    found |= {
        REFERENCE / "models" / f"{name}.md": generative_page(name)
        + f"\n![Some of what {name} makes]({name}.png)\n"
        for name in trained_cards()
    }
    found |= {REFERENCE / "data" / f"{name}.md": data_page(name) for name in DATA}
    schema = json.dumps(json_schema(), indent=1, sort_keys=True) + "\n"
    found[REFERENCE / "result.schema.json"] = schema
    return found


def pictures() -> dict[Path, bytes]:
    """Return every generated picture."""
    return {REFERENCE / "models" / f"{name}.png": sample_grid(name) for name in trained_cards()}


def same_picture(one: bytes, other: bytes) -> bool:
    """Whether two pictures are equal but for what rounds differently on another machine."""
    first, second = (np.asarray(Image.open(io.BytesIO(data)), np.int16) for data in (one, other))
    return first.shape == second.shape and int(abs(first - second).max()) <= ROUNDING


def main() -> None:
    """Write what differs, or name it and fail."""
    stale = [
        (file, text.encode())
        for file, text in pages().items()
        if not file.is_file() or file.read_text(encoding="utf-8") != text
    ]
    stale += [
        (file, picture)
        for file, picture in pictures().items()
        if not file.is_file() or not same_picture(file.read_bytes(), picture)
    ]
    if "--check" in sys.argv:
        for file, _ in stale:
            sys.stderr.write(f"{file} is out of date, run: python docs/generate.py\n")
        sys.exit(1 if stale else 0)
    formats = table.page()
    if not table.is_fresh(formats):
        stale.append((table.PAGE, formats.encode()))
    for file, content in stale:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        sys.stderr.write(f"wrote {file}\n")


if __name__ == "__main__":
    main()
