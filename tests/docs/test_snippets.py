"""What the documentation tells people to type works."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import nn

import auditkit
from auditkit.cli import cli
from auditkit.errors import AuditkitError
from auditkit.models.builtin.encoder_transformer import EncoderTransformer
from auditkit.models.tokenizer import word_tokenizer
from auditkit.policy import load_policy
from tests.docs.pages import PAGES, ROOT, Block, blocks
from tests.models.networks import TutorialNet

# Small audits of one check, unless a page wants to show more.
SMALL = {
    "AUDIT_RUN_MAX_INPUTS": "20",
    "AUDIT_RUN_WORKERS": "1",
    "AUDIT_RUN_CHECK": "clean-accuracy",
}
ENVIRONMENT = {
    "first-audit.md": {
        "AUDIT_RUN_MAX_INPUTS": "",
        "AUDIT_RUN_CHECK": "clean-accuracy pgd-linf",
    },
}
SLOW = ("models train", "selftest", "view")  # options are checked, nothing is run
# What a page takes for granted before its first block.
GIVEN = {
    "README.md": "from torch import nn\n"
    "network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2))",
}
WORKED = {"run": {0, 1, 3}, "assert": {0, 1, 3}, "diff": {0, 1, 3}}  # any verdict is an answer
NET = """
from torch import nn

def build():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2))
"""
TRAIN = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(3 * 32 * 32, 2))
"""
SAVE = "import torch, train; torch.save(train.Net(), 'whole.pt')"
REVIEWS = ["a good film", "a very bad film", "the film is good", "the bad film"] * 6


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages speak of: images, tables, models."""
    folder = tmp_path_factory.mktemp("workplace")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(24, 32, 32, 3), dtype=np.uint8)
    labels = ["cat", "dog"] * 12
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        (folder / "images" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / "images" / label / f"{i}.png")
    np.savez_compressed(folder / "test.npz", x=images, y=np.array(labels))
    rows = [f"{text}\t{'negative' if 'bad' in text else 'positive'}" for text in REVIEWS]
    (folder / "test.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")

    (folder / "my_package").mkdir()
    (folder / "my_package" / "net.py").write_text(NET, encoding="utf-8")
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2))
    classes = ["cat", "dog"]
    model = auditkit.ImageClassifier(network, classes=classes, input_shape=(3, 32, 32))
    auditkit.save(model, folder / "model.pt")
    torch.save(network.state_dict(), folder / "weights.pt")
    (folder / "train.py").write_text(TRAIN, encoding="utf-8")
    subprocess.run([sys.executable, "-c", SAVE], cwd=folder, check=True)
    torch.save({"epoch": 60, "state_dict": learnt(images)}, folder / "checkpoint.pth")

    tokenizer = word_tokenizer(REVIEWS, vocabulary_size=50, max_length=8)
    size = tokenizer.get_vocab_size()
    reader = EncoderTransformer(vocabulary_size=size, max_length=8, width=16, depth=1)
    classes = ["negative", "positive"]
    texts = auditkit.TextClassifier(reader, tokenizer=tokenizer, classes=classes, max_length=8)
    auditkit.save(texts, folder / "my-text-model.pt")
    return folder


def learnt(images: np.ndarray) -> dict[str, torch.Tensor]:
    """The weights of a small network that knows the images by heart."""
    torch.manual_seed(0)
    network = TutorialNet()
    network.fc3 = nn.Linear(84, 2)
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs), torch.arange(len(inputs)) % 2).backward()
        optimizer.step()
    return network.state_dict()


@pytest.mark.parametrize("page", PAGES, ids=lambda one: str(one.relative_to(ROOT)))
def test_the_snippets_of_a_page_work_in_their_order(
    page: Path, workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    shutil.copytree(workplace, here)
    monkeypatch.chdir(here)
    monkeypatch.syspath_prepend(str(here))
    loaded = set(sys.modules)
    names: dict[str, object] = {"__name__": "snippet"}
    exec(GIVEN.get(page.name, ""), names)
    try:
        for block in blocks(page):
            run_block(block, page, names, tmp_path)
    finally:
        for name in set(sys.modules) - loaded:  # the next page may have another my_package
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(here)):
                del sys.modules[name]


def run_block(block: Block, page: Path, names: dict[str, object], tmp_path: Path) -> None:
    where = f"{page.name}:{block.line}"
    if block.file is not None:
        file = Path(block.file)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.content, encoding="utf-8")
        if file.suffix == ".toml" and file.name != "pyproject.toml":
            load_policy(file)
    elif block.language == "python":
        exec(compile(block.text, where, "exec"), names)
        for name in [one for one in names if one.startswith("test_")]:
            names.pop(name)(tmp_path / name)  # type: ignore[operator]
    elif block.language == "console":
        for number, line in enumerate(block.text.splitlines(), start=block.line + 1):
            for command in commands(line):
                run_command(command, f"{page.name}:{number}", ENVIRONMENT.get(page.name, {}))


def commands(line: str) -> list[str]:
    """Return the audit commands of a console line; some lines hold several, or end in prose.

    >>> commands("pip install . && audit run digits-cnn      # a comment")
    ['audit run digits-cnn']
    """
    exits = re.search(r"# exit code (\d)", line)
    parts = re.split(r"&&|\|\||;|\s{2,}", line.partition(" # ")[0])
    found = [part.strip() for part in parts if part.strip().startswith("audit ")]
    return [f"{one} # {exits[1]}" if exits else one for one in found]


def run_command(command: str, where: str, environment: dict[str, str]) -> None:
    typed, _, wanted = command.partition(" # ")
    arguments = shlex.split(typed)[1:]
    if typed.removeprefix("audit ").startswith(SLOW):
        parse(cli, arguments)
        return
    done = CliRunner(env={**SMALL, **environment}).invoke(cli, arguments)
    code = 2 if isinstance(done.exception, AuditkitError) else done.exit_code
    if isinstance(done.exception, SystemExit | AuditkitError | None):
        allowed = {int(wanted)} if wanted else WORKED.get(arguments[0], {0})
        assert code in allowed, f"{where}: {typed} exits with {code}: {done.output}{done.exception}"
    else:
        raise AssertionError(f"{where}: {typed}") from done.exception


def parse(command: click.Command, arguments: list[str]) -> None:
    """Raise a usage error if the arguments are wrong; run nothing."""
    while isinstance(command, click.Group):
        name, *arguments = arguments
        found = command.commands.get(name)
        assert found is not None, name
        command = found
    command.make_context(command.name, arguments)


def test_commands_are_found_in_lines_as_people_write_them() -> None:
    assert commands("audit list checks          audit explain pgd-linf       what it measures") == [
        "audit list checks",
        "audit explain pgd-linf",
    ]
    assert commands("audit run a --policy b || code=$?") == ["audit run a --policy b"]
    assert commands("audit assert a   # exit code 3") == ["audit assert a # 3"]
    assert commands("pip install auditkit") == []


def test_a_wrong_option_would_be_seen() -> None:
    with pytest.raises(AssertionError, match="exits with 2"):
        run_command("audit render --colour", "here", {})
    with pytest.raises(click.UsageError):
        parse(cli, ["models", "train", "digits-cnn", "--colour"])
