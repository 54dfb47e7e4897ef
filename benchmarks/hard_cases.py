"""Hard cases of a robustness evaluation, here and in foolbox: `python benchmarks/hard_cases.py`.

The same network (digits-cnn, 200 test digits, Linf 0.1) behind steps that are known to fool
evaluations. Printed are robust accuracy under `pgd-linf`, under `worst-case` and under all that
`attack-controls` tried, foolbox's PGD (40 steps, its own step) beside them, and what an audit
that asks for at least 20 % robust accuracy makes of it.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import torch
from torch import Tensor, nn

from auditkit.data.dataset import Dataset
from auditkit.data.load import DataSpec, load_data
from auditkit.findings import Outcome
from auditkit.models.classifier import ImageClassifier
from auditkit.models.load import ModelSpec, load_model
from auditkit.policy import Policy, read_suite
from auditkit.selftest.measure import outcomes_of
from auditkit.subject import Subject
from auditkit.verdict import judge

EPSILON = 0.1
POLICY = Policy.model_validate(
    {
        "checks": ["pgd-linf", "worst-case"],
        "parameters": {
            "pgd-linf": {"epsilons": [EPSILON], "steps": 40},
            "worst-case": {"linf": [EPSILON], "queries": 300},
            "attack-controls": {"epsilons": [EPSILON]},
        },
        "limits": [
            {"finding": f"pgd-linf/robust_accuracy/all/epsilon={EPSILON}", "min": 0.2},
            {"finding": f"worst-case/robust_accuracy/all/linf={EPSILON}", "min": 0.2},
        ],
        "controls": read_suite("standard")["controls"],
    }
)


class Case(nn.Module):
    """A network between a function of its images and one of its logits."""

    def __init__(
        self,
        network: nn.Module,
        before: Callable[[Tensor], Tensor] = lambda x: x,
        after: Callable[[Tensor], Tensor] = lambda z: z,
    ) -> None:
        super().__init__()
        self.network, self.before, self.after = network, before, after

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, c, h, w) to logits (n, k)."""
        return self.after(self.network(self.before(images)))


def cases(network: nn.Module) -> dict[str, nn.Module]:
    rng = torch.Generator().manual_seed(0)
    return {
        "as it is": Case(network),
        "logits x 1000": Case(network, after=lambda z: 1000 * z),
        "probabilities": Case(network, after=lambda z: z.softmax(dim=1)),
        "probabilities of logits x 1000": Case(network, after=lambda z: (1000 * z).softmax(dim=1)),
        "rounded input": Case(network, before=lambda x: (16 * x).round() / 16),
        "noise anew each time": Case(
            network, before=lambda x: x + 0.15 * torch.randn(x.shape, generator=rng)
        ),
        "not contiguous": Case(network, before=lambda x: x.mT.contiguous().mT),
        "NaN where very certain": Case(
            network, after=lambda z: torch.where(z.amax(1, keepdim=True) > 11.3, torch.nan, z)
        ),
        "NaN always": Case(network, after=lambda z: z * torch.nan),
        "constant": Case(network, after=lambda z: z.mean(0, keepdim=True).expand_as(z) * 0),
    }


def foolbox_accuracy(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return robust accuracy as foolbox itself reports it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from foolbox.attacks.projected_gradient_descent import LinfProjectedGradientDescentAttack
        from foolbox.models.pytorch import PyTorchModel

        torch.manual_seed(0)
        model = PyTorchModel(module.eval(), bounds=(0, 1), device="cpu")
        _, _, success = LinfProjectedGradientDescentAttack(steps=40)(
            model, images, labels, epsilons=EPSILON
        )
    return 1 - float(success.float().mean())


def value(outcomes: list[Outcome], finding: str) -> str:
    found = [one for outcome in outcomes for one in outcome.findings if one.id.startswith(finding)]
    if found and found[0].value is not None:
        return f"{found[0].value:.3f}"
    return next(one.status for one in outcomes if finding.startswith(one.check))


def row(name: str, module: nn.Module, data: Dataset, classes: tuple[str, ...]) -> str:
    model = ImageClassifier(module, classes=classes, input_shape=(1, 8, 8))
    images, labels = torch.as_tensor(data.read(slice(None))), torch.as_tensor(data.labels)
    outcomes = outcomes_of(POLICY, Subject(model, data))
    verdict = judge(outcomes, POLICY, modality="image", today=date.min)
    try:
        theirs = f"{foolbox_accuracy(module, images, labels):.3f}"
    except Exception as error:  # noqa: BLE001 - whatever it raises is its answer
        theirs = type(error).__name__
    numbers = [
        value(outcomes, finding)
        for finding in (
            "pgd-linf/robust_accuracy",
            "worst-case/robust_accuracy",
            "attack-controls/remedied_robust_accuracy",
        )
    ]
    each = {one.finding.split("/")[0]: one.status for one in (*verdict.decided_by, *verdict.passed)}
    judged = f"{each.get('pgd-linf', '-')}, {each.get('worst-case', '-')}"
    return f"| {name} | {' | '.join(numbers)} | {theirs} | {judged} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(ModelSpec(source="digits-cnn", device="cpu"))
    data = load_data(DataSpec(source="digits"), model).sample(options.inputs, seed=0)
    print("| case | pgd-linf | worst-case | all tried | foolbox PGD | verdict: pgd, worst-case |")
    print("|---|---|---|---|---|---|")
    for name, module in cases(model.module).items():
        print(row(name, module, data, model.classes), flush=True)
    two = data.take((data.labels < 2).nonzero()[0])
    module = Case(model.module, after=lambda z: z[:, :2])
    two = replace(two, classes=("0", "1"))
    print(row("two classes", module, two, ("0", "1")))


if __name__ == "__main__":
    main()
