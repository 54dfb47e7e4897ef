"""Which maps are made of one input, and from which draws?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import final

from auditkit.artifacts.base import Artifacts
from auditkit.checks.attribution._probes import Parts, key_for, probe_of
from auditkit.methods.saliency.catalogue import Effort, map_of
from auditkit.methods.saliency.probes.base import Map, Probe
from auditkit.methods.saliency.reference import Reference
from auditkit.models.classifier import randomised
from auditkit.randomness import at_step, uniform
from auditkit.types import Keys, Modality

CHECK = "attribution-trust"
PREFLIGHT = "preflight"
MODELLESS: dict[Modality, tuple[str, ...]] = {  # maps that are made without the model
    "image": ("edges", "centre"),
    "text": ("token-length",),
    "tabular": ("distance-from-the-usual-value",),
    "graph": ("number-of-edges",),
}


@final
@dataclass(frozen=True, kw_only=True)
class Explained:
    """One input of a shard that is explained, and what may be spent on it.

    Parameters
    ----------
    artifacts : Artifacts
        The shard.
    i : int
        Place in the shard.
    methods : tuple of str
        Maps to make.
    effort : Effort
        What one map may cost; its key is replaced by the input's own.
    grid : int
        Images: cells along the longer side.
    reference : {"mean", "low", "middle", "high"}
        Images: what stands in for removed cells.
    parts : {"cells", "superpixels"}
        Images: what they are cut into.
    """

    artifacts: Artifacts
    i: int
    methods: tuple[str, ...]
    effort: Effort
    grid: int
    reference: Reference
    parts: Parts

    def probe(self) -> Probe:
        """Return a new probe; each remembers embeddings of the weights it met."""
        return probe_of(
            self.artifacts, self.i, grid=self.grid, reference=self.reference, parts=self.parts
        )

    def key(self, purpose: str) -> Keys:
        """Return the key (1,) of what is drawn for this input."""
        return key_for(self.artifacts, CHECK, purpose, self.i)

    def spending(self, draw: int) -> Effort:
        """Return what a map may cost; another draw is other luck."""
        return replace(self.effort, key=at_step(self.key("method"), draw))

    def maps(self, probe: Probe, draw: int = 0) -> dict[str, Map]:
        """Return the maps of all methods, and those of controls."""
        noise = uniform(self.key("noise"), (2, *probe.shape))[0]
        maps = {method: map_of(probe, method, self.spending(draw)) for method in self.methods}
        return {
            **maps,
            **{name: Map(scores, signed=False) for name, scores in probe.modelless().items()},
            "random": Map(noise[draw], signed=False),
        }

    def maps_of_random_model(self, only: Collection[str] | None = None) -> dict[str, Map]:
        """Return the maps of the same network with random weights, all or some of them."""
        module, seed = self.artifacts.classifier.module, int(self.key("weights")[0])
        with randomised(module, seed, only):
            return self.maps(self.probe(), 1)


def controls(modality: Modality) -> tuple[str, ...]:
    """Return the maps that know nothing of the model."""
    return (*MODELLESS[modality], "random")
