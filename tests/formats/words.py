"""Text networks: weights with a vocabulary file, and folders of Hugging Face."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from tests.formats.making import Example, Truth, Writer, script

VOCABULARY = ("<pad>", "<unk>", "a", "film", "good", "bad", "very", "plot")
TEXTS = [
    f"a {much}{how} {what}"
    for how, what, much in product(("good", "bad"), ("film", "plot"), ("", "very "))
] * 6
WEIGHTS, FOLDER = "weights of words", "Hugging Face folder"


def _network() -> torch.nn.Module:
    """Good and bad point in opposite directions; nothing is trained."""
    module = script().Words()
    with torch.no_grad():
        module.embedding.weight.zero_()
        module.embedding.weight[4] = torch.tensor([0.0, 6.0])
        module.embedding.weight[5] = torch.tensor([6.0, 0.0])
        module.embedding.weight[6] = torch.tensor([0.3, 0.2])
        module.head.weight.copy_(torch.eye(2))
        module.head.bias.copy_(torch.tensor([0.1, 0.0]))
    return module.eval()


def _answers(module: torch.nn.Module, texts: list[str]) -> Tensor:
    rows = [[VOCABULARY.index(word) for word in text.split()] for text in texts]
    longest = max(map(len, rows))
    return module(torch.tensor([row + [0] * (longest - len(row)) for row in rows]))


def _table(folder: Path, texts: list[str], labels: list[str]) -> None:
    pd.DataFrame({"text": texts, "label": labels}).to_csv(folder / "test.csv", index=False)


def _with_vocabulary(name: str, content: str) -> Writer:
    def write(folder: Path) -> Truth:
        module = _network()
        torch.save(module.state_dict(), folder / "model.pt")
        (folder / name).write_text(content, encoding="utf-8")
        right = ["positive" if "good" in one else "negative" for one in TEXTS]
        _table(folder, TEXTS, right)
        return lambda texts: _answers(module, texts)

    return write


AS_JSON = json.dumps({word: i for i, word in enumerate(VOCABULARY)})
AS_LINES = "\n".join(VOCABULARY) + "\n"
ARCH = "--arch net:Words"
DATA = "--classes negative,positive --data test.csv"


def _words(special: str, name: str, content: str, **rest: object) -> Example:
    settings = {"options": f"{ARCH} --vocabulary {name} {DATA}"} | rest
    return Example(
        format=WEIGHTS,
        special=special,
        write=_with_vocabulary(name, content),
        **settings,  # type: ignore[arg-type]
    )


def _hugging_face(make: str) -> Writer:
    """A folder that transformers wrote, and inputs that its own network labels."""

    def write(folder: Path) -> Truth:
        from tests.models.huggingface import folders

        path: Path = getattr(folders, make)(folder / "model")
        model = folders.transformers.AutoModelForSequenceClassification.from_pretrained(path)
        reader = folders.transformers.AutoTokenizer.from_pretrained(path)

        def truth(texts: list[str]) -> Tensor:
            with torch.no_grad():
                return model.eval()(**reader(texts, padding=True, return_tensors="pt")).logits

        names = [model.config.id2label[int(i)] for i in truth(TEXTS).argmax(dim=1)]
        _table(folder, TEXTS, names)
        return truth

    return write


def _without(name: str, write: Writer) -> Writer:
    def changed(folder: Path) -> None:
        write(folder)
        (folder / "model" / name).unlink()

    return changed


def _with_code(write: Writer) -> Writer:
    def changed(folder: Path) -> None:
        write(folder)
        config = folder / "model" / "config.json"
        content = json.loads(config.read_text(encoding="utf-8"))
        content["auto_map"] = {"AutoModelForSequenceClassification": "modeling.Net"}
        config.write_text(json.dumps(content), encoding="utf-8")

    return changed


def _folder(special: str, write: Callable[[Path], Truth | None], **rest: object) -> Example:
    return Example(
        format=FOLDER,
        special=special,
        write=write,
        file="model",
        **({"options": "--data test.csv"} | rest),  # type: ignore[arg-type]
    )


WORDS = (
    _words("vocabulary in JSON", "vocab.json", AS_JSON),
    _words("vocabulary by lines", "vocab.txt", AS_LINES),
    _words("vocabulary not given", "vocab.json", AS_JSON, options=f"{ARCH} {DATA}",
           outcome="refused", said=("--vocabulary",)),
    _words("a word missing from the vocabulary", "vocab.txt", AS_LINES.replace("plot\n", ""),
           outcome="refused", said=("vocab.txt",)),
    _folder("a BERT", _hugging_face("bert")),
    _folder("a DistilBERT", _hugging_face("distilbert")),
    _folder("names code of its own", _with_code(_hugging_face("bert")), inspected=1,
            outcome="refused", said=("code",)),
    _folder("without its weights", _without("model.safetensors", _hugging_face("bert")),
            inspected=1, outcome="refused", said=("safetensors",)),
)  # fmt: skip
