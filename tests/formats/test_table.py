"""What the table of formats says is what happens, and what was expected by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.formats.examples import FAMILIES
from tests.formats.harmful import CANARY
from tests.formats.making import Example
from tests.formats.table import COLUMNS, HEAD, PAGE, Row, same_text, tried, workplace

EXAMPLES = [one for examples in FAMILIES.values() for one in examples]
CASES = [
    pytest.param(one, id=f"{one.id} {one.options}", marks=[pytest.mark.slow] if one.slow else [])
    for one in EXAMPLES
]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with workplace() as found:
        yield found


def lines() -> list[str]:
    return [one for one in PAGE.read_text(encoding="utf-8").splitlines() if one.startswith("| ")]


@pytest.mark.parametrize("example", CASES)
def test_an_example_comes_to_what_the_page_says(example: Example, folder: Path) -> None:
    own = folder / str(EXAMPLES.index(example))
    own.mkdir()
    row = tried(example, own)
    assert row.exit_code == example.inspected
    assert row.outcome == example.outcome, row.said
    assert all(words in row.said for words in example.said), row.said
    if example.outcome == "loads":
        assert row.same, "the answers are not those of the network that was written"
        assert example.right is None or row.right == pytest.approx(example.right)
    assert not (own / CANARY).exists(), "code from the file ran"
    head = row.line[: row.line.index(" | ", len(f"| {example.format} | {example.special} | "))]
    shown = [one for one in lines() if one.startswith(head) and typed(example) in one]
    assert any(same_text(one, row.line) for one in shown), (
        f"out of date, run: python -m tests.formats.table\n{row.line}"
    )


def typed(example: Example) -> str:
    return f"| `{example.options}` |" if example.options else "|  |"


def test_the_page_has_these_rows_and_no_others() -> None:
    heads = [COLUMNS.partition("\n")[0]] * len(FAMILIES)
    assert len(lines()) == len(EXAMPLES) + len(heads)
    assert PAGE.read_text(encoding="utf-8").startswith(HEAD)
    assert len({(one.id, one.options) for one in EXAMPLES}) == len(EXAMPLES), "rows are told apart"


def test_every_section_has_what_loads_or_what_does_not() -> None:
    outcomes = {title: {one.outcome for one in some} for title, some in FAMILIES.items()}
    assert set.union(*outcomes.values()) == {"loads", "refused", "needs trust"}
    loaded = [one for one in EXAMPLES if one.outcome == "loads"]
    assert len(loaded) > 60
    assert all(one.said for one in EXAMPLES if one.outcome == "needs trust")


def test_only_rounding_may_differ() -> None:
    assert same_text("97 % of 20 inputs", "98 % of 20 inputs")
    assert not same_text("97 % of 20 inputs", "95 % of 20 inputs")
    assert not same_text("97 % of 20 inputs", "97 % of 21 inputs")
    assert not same_text("loaded; 97 %", "refused; 97 %")


def test_what_a_file_says_cannot_break_the_table() -> None:
    example = EXAMPLES[0]
    said = "a | b <script> `x` \x1b[2J\n[link](x)"
    row = Row(example=example, exit_code=2, seems=said, outcome="refused", said=said)
    cells = row.line.replace("\\|", "")
    assert cells.count("|") == 6
    assert "\n" not in row.line
    assert "\x1b" not in row.line
    assert "<script>" not in row.line
