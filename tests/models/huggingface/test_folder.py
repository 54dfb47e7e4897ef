"""Mirrors auditkit/models/huggingface/folder.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from auditkit.models.huggingface.folder import is_model_folder, read_folder
from auditkit.models.inspect import inspect_file
from tests.models.huggingface.folders import bert, resnet, vit


def edited(folder: Path, name: str, **changes: Any) -> Path:
    file = folder / name
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**content, **changes}))
    return folder


def test_what_a_text_folder_says(tmp_path: Path) -> None:
    folder = read_folder(bert(tmp_path / "m"))
    assert (folder.task, folder.architecture) == ("text", "BertForSequenceClassification")
    assert folder.oddities == ()
    assert folder.numbers > 1000
    assert folder.facts()["classes"] == "negative, neutral, positive"


def test_what_inspect_says_of_it(tmp_path: Path) -> None:
    seen = inspect_file(vit(tmp_path / "m"))
    assert (seen.kind, seen.safe, seen.exit_code) == ("huggingface", True, 0)
    assert "an image classifier (ViTForImageClassification)" in seen.as_text()
    assert "mean [0.4, 0.5, 0.6]" in seen.as_text()
    assert seen.next_command == f"audit run {tmp_path / 'm'} --data DATA"
    inside = inspect_file(tmp_path / "m" / "model.safetensors")
    assert inside.next_command == f"audit run {tmp_path / 'm'} --data DATA"


def test_inspect_needs_no_transformers(tmp_path: Path) -> None:
    vit(tmp_path / "m")
    code = (
        "import sys; from pathlib import Path; from auditkit.models.inspect import inspect_file\n"
        f"assert inspect_file(Path({str(tmp_path / 'm')!r})).safe\n"
        "assert not {'transformers', 'huggingface_hub', 'torchvision'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_hash_is_that_of_all_files(tmp_path: Path) -> None:
    path = bert(tmp_path / "m")
    before = read_folder(path).sha256()
    assert read_folder(path).sha256() == before
    (path / "README.md").write_text("a note")
    assert read_folder(path).sha256() == before
    edited(path, "tokenizer_config.json", do_lower_case=False)
    assert read_folder(path).sha256() != before


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("config.json", {"auto_map": {"AutoModel": "evil.Model"}}, "names code of its own"),
        (
            "tokenizer_config.json",
            {"auto_map": {"AutoTokenizer": ["x", 0]}},
            "names code of its own",
        ),
        ("preprocessor_config.json", {"auto_map": {"A": "x"}}, "names code of its own"),
        ("config.json", {"quantization_config": {"bits": 4}}, "asks for a quantisation"),
        (
            "config.json",
            {"attn_implementation": "evil/kernels"},
            "kernels that would be downloaded",
        ),
        ("config.json", {"_attn_implementation": "evil/k"}, "kernels that would be downloaded"),
        ("config.json", {"transformers_weights": "../x"}, "names another file for its weights"),
        ("config.json", {"architectures": ["BertForMaskedLM"]}, "BertForMaskedLM is no classifier"),
        ("config.json", {"problem_type": "multi_label_classification"}, "problem type is multi"),
        ("config.json", {"id2label": {"0": "score"}}, "answers with one number"),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, changes: dict[str, Any], said: str) -> None:
    path = edited(bert(tmp_path / "m"), name, **changes)
    seen = inspect_file(path)
    assert not seen.safe
    assert seen.exit_code == 1
    assert said in " ".join(seen.oddities)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    path = bert(tmp_path / "m")
    (path / "model.safetensors").rename(path / "pytorch_model.bin")
    seen = inspect_file(path)
    assert not seen.safe
    assert (
        "its weights are in pytorch_model.bin, which is read from model.safetensors alone"
        in (seen.oddities[0])
    )
    assert "save_pretrained" in seen.hint
    (path / "pytorch_model.bin").unlink()
    assert inspect_file(path).oddities == ("it holds no model.safetensors",)


@pytest.mark.parametrize("file", ["../model.safetensors", "sub/x.safetensors", "/etc/passwd"])
def test_shards_lie_in_the_folder(tmp_path: Path, file: str) -> None:
    path = bert(tmp_path / "m")
    (path / "model.safetensors").rename(path / "a.safetensors")
    index = path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"x": "a.safetensors"}}))
    assert read_folder(path).oddities == ()
    index.write_text(json.dumps({"weight_map": {"x": file}}))
    assert "names no files of this folder" in read_folder(path).oddities[0]
    index.write_text(json.dumps({"weight_map": {"x": "b.safetensors"}}))
    assert read_folder(path).oddities == ("b.safetensors is missing",)


def test_a_folder_without_a_tokenizer(tmp_path: Path) -> None:
    path = bert(tmp_path / "m")
    (path / "tokenizer.json").unlink()
    assert "it holds no tokenizer" in read_folder(path).oddities[0]


def test_other_folders_are_no_models(tmp_path: Path) -> None:
    assert not is_model_folder(tmp_path)
    (tmp_path / "cat").mkdir()
    for content in ("[]", "{", '{"lr": 0.1}', '{"model_type": 3}', "[" * 100_000):
        (tmp_path / "config.json").write_text(content)
        assert not is_model_folder(tmp_path)
        assert inspect_file(tmp_path).kind == "directory"
    (tmp_path / "config.json").write_text('{"model_type": "resnet"}')
    assert is_model_folder(tmp_path)


@pytest.mark.parametrize("content", ["{", "[1]", "[" * 100_000, "\x00"])
def test_damaged_files_are_said(tmp_path: Path, content: str) -> None:
    path = resnet(tmp_path / "m")
    (path / "preprocessor_config.json").write_text(content)
    seen = inspect_file(path)
    assert (seen.kind, seen.safe) == ("damaged", False)
    assert "preprocessor_config.json" in seen.oddities[0]
