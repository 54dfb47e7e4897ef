"""The reference pages name everything there is, and nothing else."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args
from urllib.parse import unquote

import click
import pytest
from pydantic import BaseModel

import auditkit
from auditkit.cli import cli
from auditkit.findings import Evidence, Finding, Outcome
from auditkit.policy import Limit, Policy, Waiver
from auditkit.result import (
    DataFacts,
    Execution,
    Judgement,
    ModelFacts,
    Provenance,
    Result,
    SliceFacts,
    StoredInputs,
    Verdict,
    Waived,
)
from auditkit.types import FAMILIES, Status
from auditkit.verdict import EXIT_CODES
from tests.docs.pages import DOCS, PAGES, ROOT, first_cells, sections
from tests.test_imports import LAYERS

REFERENCE = DOCS / "reference"


# --- command line --------------------------------------------------------------------------------


def every_command(group: click.Group, prefix: str = "audit") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from every_command(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


COMMANDS = dict(every_command(cli))


def command_sections() -> dict[str, str]:
    """Map "audit models train" to the text of its section."""
    found: dict[str, str] = {}
    for heading, text in sections(REFERENCE / "command-line.md").items():
        typed = heading.strip("`")
        found[next(one for one in COMMANDS if f"{typed} ".startswith(f"{one} "))] = text
    return found


def test_every_command_has_a_section() -> None:
    assert set(command_sections()) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_described(name: str) -> None:
    described = {one.split()[0] for one in first_cells(command_sections()[name])}
    there = {
        option
        for parameter in COMMANDS[name].params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    }
    assert described == there


def test_environment_variables_that_are_named_otherwise_are_listed() -> None:
    """Click names them after the parameter of the function, not after the option."""
    page = (REFERENCE / "command-line.md").read_text(encoding="utf-8")
    for command in COMMANDS.values():
        for one in command.params:
            long = one.opts[0].removeprefix("--").replace("-", "_")
            named = isinstance(one, click.Option) and one.envvar is None
            if named and one.name is not None and one.name != long:
                assert re.search(rf"`--{long}` \(`[A-Z_.]*_{one.name.upper()}`", page), long


def test_choices_and_arguments_stand_in_the_headings() -> None:
    headings = " ".join(sections(REFERENCE / "command-line.md"))
    for command in COMMANDS.values():
        for parameter in command.params:
            if isinstance(parameter, click.Argument) and isinstance(parameter.type, click.Choice):
                assert "|".join(parameter.type.choices) in headings


# --- policy file ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heading", "model"), [("Keys", Policy), ("A limit", Limit), ("A waiver", Waiver)]
)
def test_every_key_of_a_policy_is_described(heading: str, model: type[BaseModel]) -> None:
    assert first_cells(sections(REFERENCE / "policy-file.md")[heading]) == set(model.model_fields)


@pytest.mark.parametrize("key", ["seed", "level", "minimum_n", "suite"])
def test_defaults_of_a_policy_are_true(key: str) -> None:
    row = re.search(rf"^\| `{key}` .*$", sections(REFERENCE / "policy-file.md")["Keys"], re.M)
    assert row is not None
    default = Policy.model_fields[key].default
    shown = f'"{default}"' if isinstance(default, str) else f"{default:g}"
    assert f"| `{shown}` |" in row[0]


# --- result --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heading", "models"),
    [
        ("The whole", [Result]),
        ("`model`", [ModelFacts]),
        ("`data`", [DataFacts, SliceFacts]),
        ("An outcome", [Outcome]),
        ("A finding", [Finding]),
        ("The verdict", [Verdict, Judgement, Waived]),
        ("Provenance", [Provenance, Execution]),
        ("The adversarial inputs", [StoredInputs]),
    ],
)
def test_every_key_of_a_result_is_described(heading: str, models: list[type[BaseModel]]) -> None:
    section = sections(REFERENCE / "result-format.md")[heading]
    described = set(re.findall(r"`([^`]+)`", section))
    for model in models:
        fields = {field.alias or name for name, field in model.model_fields.items()}
        assert fields <= described, fields - described
    if len(models) == 1 and (rows := first_cells(section)):
        assert rows == {f.alias or name for name, f in models[0].model_fields.items()}


def test_kinds_of_evidence_families_and_statuses() -> None:
    parts = sections(REFERENCE / "result-format.md")
    kinds = [one.model_fields["kind"].default for one in get_args(get_args(Evidence)[0])]
    assert all(f"`{kind}`" in parts["Evidence"] for kind in kinds)
    assert all(family in parts["An outcome"] for family in FAMILIES)
    assert all(f"`{status}`" in parts["An outcome"] for status in get_args(Status))


def test_every_interval_is_explained() -> None:
    named = first_cells((DOCS / "explanation" / "intervals-and-tests.md").read_text("utf-8"))
    source = "".join(file.read_text("utf-8") for file in (ROOT / "auditkit/checks").rglob("*.py"))
    used = set(re.findall(r'method="([a-z-]+)"', source))
    assert used
    chosen = {"clopper-pearson", "clopper-pearson-scaled", "simultaneous", "student-kinds", "none"}
    assert used | chosen == named


def test_exit_codes() -> None:
    section = sections(REFERENCE / "exit-codes.md")["`audit run` and `audit assert`"]
    rows = re.findall(r"^\| (\d) \| `(\w+)` \|", section, flags=re.M)
    assert {(name, int(code)) for code, name in rows} == set(EXIT_CODES.items())


# --- python --------------------------------------------------------------------------------------


def test_every_public_name_has_a_section() -> None:
    headings = [one.strip("`") for one in sections(REFERENCE / "python-api.md")]
    names = {re.split(r"[(\s]", one)[0].removeprefix("auditkit.") for one in headings}
    assert names == set(auditkit.__all__)


SIGNATURES = (
    "ImageClassifier", "TextClassifier", "TabularClassifier", "GraphClassifier", "Schema",
    "BlackBox", "save", "read_result",
)  # fmt: skip


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_true(name: str) -> None:
    heading = next(
        one.strip("`")
        for one in sections(REFERENCE / "python-api.md")
        if one.startswith(f"`auditkit.{name}(")
    )
    shown = re.findall(r"(?<=[(, ])([a-z_]+)(?==|,|\))", heading)
    known = list(inspect.signature(getattr(auditkit, name)).parameters)
    assert shown == known


def test_parameters_of_audit_are_described() -> None:
    section = next(
        text
        for heading, text in sections(REFERENCE / "python-api.md").items()
        if heading.startswith("`auditkit.audit(")
    )
    assert first_cells(section) == set(inspect.signature(auditkit.audit).parameters)


# --- the rest ------------------------------------------------------------------------------------


def test_the_layers_are_those_that_the_imports_keep() -> None:
    page = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")
    layers = [", ".join(layer) for layer in LAYERS if layer != ("__main__",)]
    assert "\n".join(layers) in page


@pytest.mark.parametrize("file", ["pixel_shift.py", "pyproject.toml"])
def test_the_page_about_checks_shows_the_example_itself(file: str) -> None:
    page = (DOCS / "how-to" / "write-a-check.md").read_text(encoding="utf-8")
    assert (ROOT / "examples" / "custom_check" / file).read_text(encoding="utf-8") in page


ALL_PAGES = [*PAGES, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "examples").rglob("*.md"))]


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda one: str(one.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if not target.startswith(("http:", "https:")):
            name, _, anchor = unquote(target).partition("#")
            file = (page.parent / name).resolve() if name else page
            assert file.exists(), f"{page.name}: {target}"
            if anchor:
                titles = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), flags=re.M)
                slugs = [re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in titles]
                assert anchor in slugs, f"{page.name}: {target}"


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    for page in PAGES[1:]:
        if page.name != "index.md":
            assert f"({page.relative_to(DOCS)})" in index, page
