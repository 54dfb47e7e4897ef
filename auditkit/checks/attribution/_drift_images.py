"""Changes of an image that its answer should survive, each with a random twin of its size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.checks.attribution._probes import key_for
from auditkit.checks.changed import corrupted
from auditkit.methods.attacks.map_attack import Parts, map_attack, slope_parts
from auditkit.methods.attacks.pgd_linf import pgd_linf
from auditkit.methods.metrics.top_overlap import leading
from auditkit.methods.saliency.catalogue import METHODS
from auditkit.methods.saliency.probes.image import ImageProbe, cells
from auditkit.methods.saliency.reference import reference_images
from auditkit.methods.saliency.scores import centred
from auditkit.randomness import uniform
from auditkit.types import Floats

MAP_ATTACK, PGD = "map-attack", "pgd"  # they need gradients
_NODES = 4  # of the integral that an attack looks at


class Pair(NamedTuple):
    """An input after a change, and after a random one of the same size."""

    change: str
    changed: Tensor  # (c, h, w)
    twin: Tensor  # (c, h, w)


def changes_of_image(
    artifacts: Artifacts,
    i: int,
    probe: ImageProbe,
    scores: Floats,
    *,
    method: str,
    epsilon: float,
    steps: int,
    severity: int,
    top: float,
    kinds: Sequence[str],
) -> Iterator[Pair]:
    """Yield the changes of image i of a shard.

    Parameters
    ----------
    probe : ImageProbe
        Its probe.
    scores : ndarray
        (u,) its map, cell by cell.
    method : str
        What made the map.
    epsilon : float
        Linf radius of the attacks as a share of the range of a pixel.
    steps : int
        Gradient steps of the attacks.
    severity : int
        Of the corruptions.
    top : float
        Share of the cells that the attack on the map takes for its leading ones.
    kinds : sequence of str
        Some of "map-attack", "pgd" and the corruptions.
    """
    low, high = probe.model.bounds
    clean = probe.image.clamp(low, high)
    for change in kinds:
        if change == MAP_ATTACK:
            attacked = _attacked(probe, clean, scores, method, epsilon * (high - low), steps, top)
        elif change == PGD:
            attacked = _pushed(artifacts, i, probe, clean, epsilon * (high - low), steps)
        else:
            here = slice(i, i + 1)
            attacked = corrupted(artifacts, clean[None], change, severity, rows=here)[0]
        yield Pair(change, attacked, _twin(artifacts, i, change, clean, attacked, probe))


def _twin(
    artifacts: Artifacts, i: int, change: str, clean: Tensor, changed: Tensor, probe: ImageProbe
) -> Tensor:
    """Return the image with every number changed as far as it was, up or down by chance."""
    key = key_for(artifacts, "attribution-drift", f"twin {change}", i)
    signs = torch.from_numpy(uniform(key, tuple(clean.shape))[0] > 0.5).to(clean) * 2 - 1
    low, high = probe.model.bounds
    far = (changed - clean).abs()
    moved = clean + signs * far
    # Where the range ends there is one way to go.
    return torch.where((moved < low) | (moved > high), clean - signs * far, moved).clamp(low, high)


def _attacked(
    probe: ImageProbe,
    clean: Tensor,
    scores: Floats,
    method: str,
    epsilon: float,
    steps: int,
    top: float,
) -> Tensor:
    model, bounds = probe.model, probe.model.bounds
    parts = _slopes(probe) if METHODS[method].gradients else _removals(probe)
    return map_attack(
        parts,
        lambda image: int(model.predict(image.clone())[0].argmax()) == probe.target,
        clean[None].to(model.device),
        strongest=torch.from_numpy(leading(scores, top)),
        epsilon=epsilon,
        steps=steps,
        bounds=bounds,
    )[0].to(clean.device)


def _slopes(probe: ImageProbe) -> Parts:
    """Return integrated gradients per cell."""
    device, (height, width) = probe.model.device, probe.shape
    where = cells(height, width, probe.side).flatten().to(device)
    return slope_parts(
        _score(probe),
        probe.origin.to(device),
        lambda image: image.new_zeros(probe.units).index_add(
            0, where, image.sum(dim=(0, 1)).flatten()
        ),
        nodes=_NODES,
    )


def _score(probe: ImageProbe) -> Callable[[Tensor], Tensor]:
    """Return what maps images (m, c, h, w) to the scores (m,) of the explained class."""
    # A copy: a first layer that works in place must not find a leaf or a view.
    return lambda images: centred(probe.model.logits)(images.clone())[:, probe.target]


def _removals(probe: ImageProbe) -> Parts:
    """Return by how much the score falls without each cell."""
    device, (height, width) = probe.model.device, probe.shape
    where = cells(height, width, probe.side).to(device)
    hidden = where == torch.arange(probe.units, device=device).view(-1, 1, 1)  # (u, h, w)
    origin, score = probe.origin.to(device), _score(probe)

    def parts(image: Tensor) -> Tensor:
        without = torch.where(hidden[:, None], origin, image)
        every = torch.cat([image, without]).split(probe.batch_size)
        found = [score(some) for some in every]
        scores = torch.cat(found)
        return scores[0] - scores[1:]

    return parts


def _pushed(
    artifacts: Artifacts, i: int, probe: ImageProbe, clean: Tensor, epsilon: float, steps: int
) -> Tensor:
    """Return where an attack on the answer gets to."""
    key = key_for(artifacts, "attribution-drift", "pgd", i)
    start = torch.from_numpy(2 * uniform(key, tuple(clean.shape)) - 1).to(clean)
    device = probe.model.device
    return pgd_linf(
        lambda images: probe.model.logits(images.clone()),
        clean[None].to(device),
        torch.tensor([probe.target], device=device),
        epsilon=epsilon,
        steps=steps,
        start=start.to(device),
        bounds=probe.model.bounds,
    )[0].to(clean.device)


def probe_at(probe: ImageProbe, image: Tensor) -> ImageProbe:
    """Return the probe of another image, for the same class."""
    reference = reference_images(image[None], probe.model.bounds, "mean")[0]
    return replace(probe, image=image, reference=reference)
