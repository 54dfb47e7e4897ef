"""The table of formats: `python -m tests.formats.table [--check]` writes docs/reference/formats.md.

Every example is written into a folder of its own, inspected as `audit inspect` does, and loaded and
asked as `audit run` does, in this process; what came of it is one row.
"""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from auditkit import cli
from auditkit.errors import AuditkitError, ModelError
from auditkit.models.inspect import Inspection, inspect_file
from auditkit.models.load import ModelSpec
from auditkit.percent import percent
from auditkit.subject import Subject, SubjectSpec, as_inputs, examine, load_subject, settle
from tests.formats.examples import FAMILIES
from tests.formats.making import SCRIPT, Example, Outcome, Truth, script

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "formats.md"
ATOL, RTOL = 1e-3, 1e-3  # of log-probabilities, in single precision


@final
@dataclass(frozen=True, kw_only=True)
class Row:
    """What came of one example.

    Parameters
    ----------
    example : Example
        The example.
    exit_code : int
        Of `audit inspect`.
    seems : str
        What it says.
    outcome : str
        Whether `audit run` loads it.
    said : str
        Notes and warnings, or the refusal and its hint.
    right : float, optional
        Share of the inputs that are classified correctly.
    n : int
        Number of inputs.
    same : bool
        Whether the answers are those of the network that was written.
    """

    example: Example
    exit_code: int
    seems: str
    outcome: Outcome
    said: str
    right: float | None = None
    n: int = 0
    same: bool = False

    @property
    def line(self) -> str:
        """The row in Markdown."""
        one = self.example
        typed = f"`{one.options}`" if one.options else ""
        cells = (
            one.format,
            one.special,
            f"{self.exit_code}: {_cell(self.seems)}",
            typed,
            self._run,
        )
        return f"| {' | '.join(cells)} |"

    @property
    def _run(self) -> str:
        if self.outcome != "loads":
            return f"refused: {_cell(self.said)}"
        assert self.right is not None
        said = f" {_cell(self.said)}" if self.said else ""
        return f"loaded; {percent(self.right, 0)} of {self.n} inputs right.{said}"


def _cell(text: str) -> str:
    """Escape what Markdown, HTML or a terminal would take for its own."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return re.sub(r"([|<>*_`\\\[\]])", r"\\\1", plain)


# --- one example ---------------------------------------------------------------------------------


def tried(example: Example, folder: Path) -> Row:
    """Write an example into an empty folder, look at it, and load and ask it."""
    truth = example.write(folder)
    (folder / SCRIPT.name).write_bytes(SCRIPT.read_bytes())
    with chdir(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about its own formats
        exit_code, seems = _inspected(example)
        row = Row(example=example, exit_code=exit_code, seems=seems, outcome="refused", said="")
        try:
            subject = _loaded(example)
            return _asked(row, subject, truth)
        except AuditkitError as error:
            needs_trust = exit_code == 1 and "--trust-code" in error.hint
            said = f"{error.message} {error.hint}".strip()
            return replace(row, outcome="needs trust" if needs_trust else "refused", said=said)


def _inspected(example: Example) -> tuple[int, str]:
    try:
        found = inspect_file(Path(example.file))
    except ModelError as error:
        return 2, error.message
    return found.exit_code, "; ".join(_seen(found, example))


def _seen(found: Inspection, example: Example) -> Iterator[str]:
    yield found.seems
    if found.architecture and found.kind != "bundle":
        yield found.architecture
    elif found.likely and example.is_about("auto"):
        yield f"looks like {found.likely}"
    if found.oddities:
        yield found.oddities[0].rstrip(".")


def _loaded(example: Example) -> Subject:
    """Do what `audit run` does before its first check."""
    arguments = [example.file, *shlex.split(example.options)]
    with cli.run.make_context("audit run", arguments) as context:
        options = dict(context.params)
        request = cli._request(options.pop("model"), options.pop("formats"), options)
    assert isinstance(request.model, ModelSpec)
    spec = SubjectSpec(
        model=replace(request.model, device="cpu"),
        data=request.data,
        max_inputs=request.policy.max_inputs,
        seed=request.policy.seed,
    )
    return examine(load_subject(settle(spec)), seed=spec.seed)


def _asked(row: Row, subject: Subject, truth: Truth | None) -> Row:
    inputs = as_inputs(subject.data.read(slice(None)))
    found = subject.model.predict(inputs)
    right = (found.argmax(dim=1).numpy() == subject.data.labels).mean()
    notes = (*subject.model.identity.notes, *subject.data.notes)
    return replace(
        row,
        outcome="loads",
        said=" ".join(_told(notes, row.example)),
        right=float(right),
        n=len(subject.data),
        same=truth is not None and _same(found, truth(inputs)),
    )


def _same(found: Tensor, truth: Tensor) -> bool:
    """Whether scores say the same, be they logits, probabilities, or of one class."""
    if truth.shape[1] == 1:
        truth = torch.cat([torch.zeros_like(truth), truth], dim=1)
    wanted = truth.detach().double().log_softmax(dim=1)
    return torch.allclose(found.double().log_softmax(dim=1), wanted, atol=ATOL, rtol=RTOL)


# Said of nearly every file, so shown only where an example is about it.
_USUAL = (
    *("Pixels are assumed", "The input shape", "Classes are assumed", "Labels are numbers"),
    *("Images were read from", "The input 'x' is read as", "Its scores do not sum to 1"),
)
# Numbers that another machine rounds otherwise, and what it may not be able to do.
_VARYING = (
    (r": on random inputs the largest difference from onnxruntime .*? rounding\.", "."),
    (r"(--arch auto chose .*?): \d.*", r"\1."),
    (r"( in a process of its own):.*", r"\1."),
)


def _told(notes: Iterable[str], example: Example) -> Iterator[str]:
    for note in notes:
        if note.startswith(_USUAL) and not any(words in note for words in example.said):
            continue
        yield reduce(lambda text, change: re.sub(*change, text), _VARYING, note)


# --- all of them ---------------------------------------------------------------------------------


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder for the examples; what net.py defines is known within the block."""
    known = "net" in sys.modules
    with tempfile.TemporaryDirectory(prefix="formats-") as folder:
        script()
        try:
            yield Path(folder)
        finally:
            if not known:
                sys.modules.pop("net", None)


def rows(examples: Iterable[Example], folder: Path) -> Iterator[Row]:
    """Try examples, each in a folder of its own."""
    for i, example in enumerate(examples):
        own = folder / str(i)
        own.mkdir()
        yield tried(example, own)


HEAD = """\
# Formats: what is read, what is refused, and what is said

Made by `python -m tests.formats.table` from files that it writes itself, one for each format and
each quirk. Each file is looked at with `audit inspect`, loaded as `audit run` does, and asked.

- `audit inspect`: its exit code (0: safe to load, 1: not without trust, 2: not readable) and what
  it says the file seems to be.
- Options typed: what stood behind `audit run FILE`.
- `audit run`: loaded, with the share of inputs that were classified correctly and what was noted;
  or refused, with the message. What is noted of nearly every file is left out: pixels are assumed
  to lie in [0, 1]; shape and classes were taken from the data.

`test.npz` holds images that were labelled by the network which was written, so that 100 % right
means: the same network, read the same way. `net.py` is the script that defines this network.
"""
COLUMNS = (
    "| format | what is special | `audit inspect` | options typed | `audit run` |\n"
    "|---|---|---|---|---|"
)


def page() -> str:
    """Try every example and return the page."""
    parts = [HEAD]
    with workplace() as folder:
        for number, (title, examples) in enumerate(FAMILIES.items()):
            own = folder / f"family-{number}"
            own.mkdir()
            lines = [row.line for row in rows(examples, own)]
            parts.append(f"\n## {title}\n\n{COLUMNS}\n" + "\n".join(lines) + "\n")
    return "".join(parts)


def same_text(one: str, other: str) -> bool:
    """Whether two pages are equal but for 1 % of accuracy, which rounding may change."""
    number = re.compile(r"[\d.]+ %")
    if number.sub("%", one) != number.sub("%", other):
        return False
    pairs = zip(number.findall(one), number.findall(other), strict=True)
    return all(abs(float(a[:-2]) - float(b[:-2])) <= 1 for a, b in pairs)


def is_fresh(text: str) -> bool:
    """Whether the page that lies under docs says the same."""
    return PAGE.is_file() and same_text(PAGE.read_text(encoding="utf-8"), text)


def main() -> None:
    """Write the page, or say that it is out of date and fail."""
    text = page()
    fresh = is_fresh(text)
    if "--check" in sys.argv:
        if not fresh:
            sys.stderr.write(f"{PAGE} is out of date, run: python -m tests.formats.table\n")
        sys.exit(0 if fresh else 1)
    if not fresh:
        PAGE.write_text(text, encoding="utf-8")
        sys.stderr.write(f"wrote {PAGE}\n")


if __name__ == "__main__":
    main()
