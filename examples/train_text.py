"""You have labelled texts in a file; train a small transformer on them and audit it on others.

    python train_text.py train.tsv --columns text,label --out my-sst2.pt
    audit run my-sst2.pt --data test.tsv --columns text,label

The file is .csv or .tsv. Where its first line names the columns, `--columns` says which two to use;
where it has no such line, `--columns` names them from left to right.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

import auditkit
from auditkit.data.tables import read_table
from auditkit.models.builtin.encoder_transformer import EncoderTransformer
from auditkit.models.card import Recipe
from auditkit.models.tokenizer import word_tokenizer
from auditkit.models.training.texts import fit_text


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("train", type=Path, metavar="TRAIN", help=".csv or .tsv with texts")
    parser.add_argument("--columns", default="text,label", help="text column, label column")
    parser.add_argument("--out", type=Path, default=Path("my-text-model.pt"), help="file to write")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--width", type=int, default=32, help="features per token")
    parser.add_argument("--vocabulary", type=int, default=10_000, help="most words to know")
    parser.add_argument("--max-length", type=int, default=64, help="tokens per text")
    parser.add_argument("--word-dropout", type=float, default=0.6)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    table = read_table(options.train, options.columns.split(","))  # as the audit reads it
    texts, labels = table.frame[table.text].tolist(), table.frame[table.label].tolist()
    classes = sorted(set(labels))
    numbers = np.array([classes.index(one) for one in labels])
    # One text in ten is kept aside, to see how training goes.
    aside = np.random.default_rng(options.seed).random(len(texts)) < 0.1
    training = [text for text, out in zip(texts, aside, strict=True) if not out]
    kept = [text for text, out in zip(texts, aside, strict=True) if out]

    tokenizer = word_tokenizer(
        training, vocabulary_size=options.vocabulary, max_length=options.max_length
    )
    torch.manual_seed(options.seed)
    module = EncoderTransformer(
        vocabulary_size=tokenizer.get_vocab_size(),
        max_length=options.max_length,
        width=options.width,
        depth=1,
        n_classes=len(classes),
    )
    with torch.no_grad():
        module.tokens.weight.mul_(0.1)  # a rare word starts, and so stays, close to no word at all
    recipe = Recipe(
        seed=options.seed,
        epochs=options.epochs,
        batch_size=64,
        learning_rate=2e-3,
        weight_decay=0.1,
        word_dropout=options.word_dropout,
    )
    fit_text(
        module,
        tokenizer,
        training,
        numbers[~aside].tolist(),
        recipe,
        validation=(kept, torch.from_numpy(numbers[aside])) if kept else None,
        progress=print,
    )
    model = auditkit.TextClassifier(
        module, tokenizer=tokenizer, classes=classes, max_length=options.max_length
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    auditkit.save(model, options.out)
    print(f"Now: audit run {options.out} --data TEST --columns {options.columns}")


if __name__ == "__main__":
    main()
