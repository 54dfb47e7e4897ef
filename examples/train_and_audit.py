"""You train a network in plain torch; auditkit tells you what it is worth.

    python train_and_audit.py                  writes out/my-model.pt and out/report/report.html
    audit run out/my-model.pt --data digits    the same audit, from the command line

The network is made of torch's own layers in a Sequential, so that its file loads without your code.
A network of your own class is saved the same way; then the command line wants to know where the
class is: audit run my-model.pt --arch my_package.net:MyNet --data digits
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

import auditkit
from auditkit.data import digits


def small_network() -> nn.Sequential:
    """Map images (n, 1, 8, 8) in [-1, 1] to logits (n, 10)."""
    return nn.Sequential(
        nn.Conv2d(1, 16, kernel_size=3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, kernel_size=3, stride=2, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 4 * 4, 10),
    )


def training_data() -> tuple[Tensor, Tensor]:
    """Return images (n, 1, 8, 8) in [0, 1] and labels (n,); the audit uses other images."""
    data = digits.load("train")
    return torch.as_tensor(data.read(slice(None))), torch.from_numpy(data.labels)


def train(network: nn.Module, *, epochs: int) -> None:
    """Train in place: an ordinary torch loop, nothing here knows of auditkit."""
    images, labels = training_data()
    normalised = (images - 0.5) / 0.5
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    network.train()
    for epoch in range(1, epochs + 1):
        total = 0.0
        for rows in torch.randperm(len(labels)).split(64):
            loss = nn.functional.cross_entropy(network(normalised[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        print(f"epoch {epoch}/{epochs}: loss {total / len(labels):.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder to write to")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--max-inputs", type=int, default=200, help="inputs to audit on")
    options = parser.parse_args()

    torch.manual_seed(0)
    network = small_network()
    train(network, epochs=options.epochs)

    model = auditkit.ImageClassifier(
        network,
        classes=[str(digit) for digit in range(10)],
        input_shape=(1, 8, 8),
        bounds=(0.0, 1.0),  # of a raw pixel: attacks and corruptions act here
        mean=[0.5],  # the same normalisation as in training, now part of the model
        std=[0.5],
    )
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "my-model.pt"
    auditkit.save(model, file)

    report = options.out / "report"
    result = auditkit.audit(file, "digits", max_inputs=options.max_inputs, out=report)
    print(result.verdict.sentence)
    for one in result.verdict.decided_by:
        print(f"  {one.status}: {one.finding}: {one.reason}")
    print(f"Report: {report / 'report.html'}")
    print(f"The same: audit run {file} --data digits --max-inputs {options.max_inputs}")


if __name__ == "__main__":
    main()
