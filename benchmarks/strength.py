"""How strong `worst-case` is beside every single attack of foolbox and torchattacks.

``python benchmarks/strength.py [--inputs 100] [--model digits-cnn=0.08]``: same images and radius,
every result judged by the same function within the same ball. A row names the attack, the robust
accuracy it leaves, and on how many images it alone found what `worst-case` did not: 0 everywhere
means that `worst-case` is never weaker, image by image. Attacks that look for small changes count
where the change is within the radius. torchattacks is left out where it cannot be imported (it
needs no torchvision: ``pip install --no-deps --target DIR torchattacks``).
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from plain import Plain
from torch import Tensor

from auditkit.data.load import DataSpec, load_data
from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.ball import BALLS, Norm
from auditkit.methods.attacks.ensemble import Ensemble
from auditkit.methods.attacks.hyperplane import size_of
from auditkit.methods.attacks.narrowing import narrow
from auditkit.models.classifier import ImageClassifier
from auditkit.models.load import ModelSpec, load_model
from auditkit.randomness import keys_of

MODELS = (
    "digits-cnn=0.08", "fashion-lenet5=0.02", "fashion-resnet-adversarial=0.05",
    "cifar-resnet20=0.002",
)  # fmt: skip
L2_PER_LINF = 5.0  # the L2 radius of a model, from its Linf radius

FOOLBOX: dict[Norm, list[tuple[str, dict[str, object]]]] = {
    "linf": [
        ("FGSM", {}),
        ("LinfBasicIterativeAttack", {"steps": 50}),
        ("LinfPGD", {"steps": 40}),
        ("LinfPGD", {"steps": 100, "rel_stepsize": 0.25}),
        ("LinfAdamPGD", {"steps": 100}),
        ("MIFGSM", {"steps": 50}),
        ("LinfDeepFoolAttack", {}),
        ("LInfFMNAttack", {"steps": 100}),
        ("LinfRepeatedAdditiveUniformNoiseAttack", {}),
    ],
    "l2": [
        ("FGM", {}),
        ("L2BasicIterativeAttack", {"steps": 50}),
        ("L2PGD", {"steps": 50}),
        ("L2PGD", {"steps": 100, "rel_stepsize": 0.25}),
        ("L2AdamPGD", {"steps": 100}),
        ("L2DeepFoolAttack", {}),
        ("DDNAttack", {"steps": 100}),
        ("L2FMNAttack", {"steps": 100}),
        ("L2CarliniWagnerAttack", {"steps": 200, "binary_search_steps": 5}),
    ],
}
TORCHATTACKS: dict[Norm, list[tuple[str, dict[str, object]]]] = {
    "linf": [
        ("FGSM", {}),
        ("BIM", {"steps": 50}),
        ("PGD", {"steps": 40}),
        ("MIFGSM", {"steps": 50}),
        ("NIFGSM", {"steps": 50}),
        ("DIFGSM", {"steps": 50}),
        ("TPGD", {"steps": 50}),
        ("Jitter", {"steps": 50}),
        ("APGD", {"steps": 50, "norm": "Linf"}),
        ("APGDT", {"steps": 50, "norm": "Linf", "n_classes": 10}),
        ("FAB", {"steps": 30, "norm": "Linf", "n_classes": 10}),
        ("Square", {"norm": "Linf", "n_queries": 1000}),
    ],
    "l2": [
        ("PGDL2", {"steps": 40}),
        ("APGD", {"steps": 50, "norm": "L2"}),
        ("APGDT", {"steps": 50, "norm": "L2", "n_classes": 10}),
        ("FAB", {"steps": 30, "norm": "L2", "n_classes": 10}),
        ("Square", {"norm": "L2", "n_queries": 1000}),
    ],
}


@dataclass(frozen=True)
class Workload:
    """Correctly classified images and the ball around them."""

    model: ImageClassifier
    images: Tensor
    labels: Tensor
    ids: list[str]
    n: int  # images before those that are wrong were left out
    norm: Norm
    radius: float

    def fooled(self, points: Tensor) -> Tensor:
        """Return which points (n,) are misclassified, within the ball and the bounds."""
        inside = size_of(self.norm, points.double() - self.images.double()) <= self.radius + 1e-6
        points = points.clamp(*self.model.bounds)
        return inside & judged(self.model.logits, points, self.labels)


def ours(work: Workload) -> Tensor:
    attacks = Ensemble(
        logits=work.model.logits,
        images=work.images,
        labels=work.labels,
        norm=work.norm,
        bounds=work.model.bounds,
        keys=lambda name: keys_of(0, name, work.ids),
        queries=1000,
    ).attacks()
    correct = torch.ones(len(work.labels), dtype=torch.bool)
    found = narrow(
        work.model.logits, work.images, work.labels, correct,
        attacks=tuple(attacks.values()), radii=(work.radius,),
    )  # fmt: skip
    return found.points


def peers(work: Workload) -> Iterator[tuple[str, Callable[[], Tensor]]]:
    """Yield the name of every attack and what runs it."""
    import foolbox.attacks
    from foolbox.models.pytorch import PyTorchModel

    network = Plain(work.model).eval()
    model = PyTorchModel(network, bounds=work.model.bounds, device="cpu")
    for name, options in FOOLBOX[work.norm]:
        attack = getattr(foolbox.attacks, name)(**options)
        said = "".join(f", {key} {value}" for key, value in options.items())
        yield (
            f"foolbox {name}{said}",
            lambda attack=attack: attack(model, work.images, work.labels, epsilons=work.radius)[1],
        )
    if importlib.util.find_spec("torchattacks") is None:
        return
    kinds = importlib.import_module("torchattacks")
    for name, options in TORCHATTACKS[work.norm]:
        step = {"alpha": work.radius / 4} if "PGD" in name[-5:] or name[1:] == "IM" else {}
        if name.startswith("APGD"):
            step = {}
        attack = getattr(kinds, name)(network, eps=work.radius, **options, **step)
        yield (
            f"torchattacks {name}",
            lambda attack=attack: attack(work.images, work.labels).detach(),
        )


def compare(work: Workload) -> int:
    mine = work.fooled(ours(work))
    kept = int((~mine).sum()) / work.n
    print(f"| auditkit worst-case | {kept:.3f} | |")
    weaker = 0
    for name, run in peers(work):
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002
        try:
            theirs = work.fooled(run())
        except Exception as error:  # noqa: BLE001
            print(f"| {name} | failed: {type(error).__name__}: {str(error)[:60]} | |")
            continue
        alone = int((theirs & ~mine).sum())
        weaker += alone
        print(f"| {name} | {int((~theirs).sum()) / work.n:.3f} | {alone} |", flush=True)
    return weaker


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", nargs="+", default=MODELS, help="name=Linf radius")
    parser.add_argument("--norm", nargs="+", default=["linf", "l2"], choices=["linf", "l2"])
    parser.add_argument("--inputs", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    total = 0
    for one in options.model:
        name, radius = one.split("=")
        model = load_model(ModelSpec(source=name, device="cpu"))
        if not isinstance(model, ImageClassifier):
            raise SystemExit(f"{name} reads no images; try digits-cnn.")
        data = load_data(DataSpec(source=model.identity.data or "digits"), model)
        data = data.sample(options.inputs, seed=0)
        images, labels = torch.as_tensor(data.read(slice(None))), torch.as_tensor(data.labels)
        (rows,) = torch.where(model.predict(images).argmax(dim=1) == labels)
        for norm in options.norm:
            size = float(radius) * (L2_PER_LINF if norm == "l2" else 1.0)
            assert norm in BALLS
            ids = [data.ids[i] for i in rows.tolist()]
            work = Workload(model, images[rows], labels[rows], ids, len(data), norm, size)
            print(f"\n{name}, {len(data)} images, {norm} radius {size:g}\n")
            print(
                "| attack | robust accuracy | images on which it alone succeeded |\n|---|---|---|"
            )
            total += compare(work)
    print(f"\nImages on which a single attack found what worst-case did not: {total}")


if __name__ == "__main__":
    main()
