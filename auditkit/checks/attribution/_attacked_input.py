"""A right answer's input after an attack that made it wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias, final

import numpy as np
import torch

from auditkit.artifacts.base import Artifacts
from auditkit.checks.attribution._drift_images import probe_at
from auditkit.checks.attribution._drift_texts import former_words, marked
from auditkit.checks.attribution._probes import key_for
from auditkit.methods.attacks.characters import Mischief
from auditkit.methods.attacks.edge_flips import EdgeFlips, rewired
from auditkit.methods.attacks.few_columns import FewColumns
from auditkit.methods.attacks.lexicon import Lexicon
from auditkit.methods.attacks.pgd_linf import pgd_linf
from auditkit.methods.attacks.reach import Reach
from auditkit.methods.attacks.synonyms import built_in
from auditkit.methods.attacks.token_swap import AnyOf, Listed
from auditkit.methods.attacks.word_search import search_words
from auditkit.methods.saliency.probes.base import Probe
from auditkit.methods.saliency.probes.graph import GraphProbe
from auditkit.methods.saliency.probes.image import ImageProbe
from auditkit.methods.saliency.probes.row import RowProbe
from auditkit.methods.saliency.probes.text import TextProbe
from auditkit.plurals import count
from auditkit.randomness import uniform
from auditkit.types import Keys

_BEAM, _QUERIES, _VALUES = 2, 32, 12  # of the searches for few changes
_SPREAD = 0.5  # training standard deviations by which a number of a row may move

Attackable: TypeAlias = ImageProbe | TextProbe | RowProbe | GraphProbe


class Attacked(NamedTuple):
    """What an attack made of an input."""

    probe: Attackable  # for the new answer
    did: str  # in words
    was: Mapping[int, str]  # places that say something else now, and what stood there


@final
@dataclass(frozen=True, kw_only=True)
class Attack:
    """How far an attack goes.

    Parameters
    ----------
    epsilon : float
        Images: Linf radius as a share of the range of a pixel.
    steps : int
        Images and rows: gradient steps.
    changes : int
        Words of a text, columns of a row or edges of a graph that may change.
    """

    epsilon: float
    steps: int
    changes: int

    def on(self, artifacts: Artifacts, i: int, probe: Probe) -> Attacked | None:
        """Return what becomes of input i of a shard; None where the answer holds.

        Images are attacked along gradients alone.
        """
        key = key_for(artifacts, "errors-explained", "pgd", i)
        match probe:
            case ImageProbe():
                found = self._image(probe, key) if probe.model.differentiable else None
            case TextProbe():
                found = self._text(probe)
            case RowProbe():
                found = self._row(probe, key, artifacts.data.sensitive)
            case GraphProbe():
                found = self._graph(probe, key)
            case _:
                found = None
        if found is None:
            return None
        after = found.probe
        answer = int(after.without(np.zeros((1, after.units), dtype=np.bool_))[0].argmax())
        if answer == after.target:
            return None
        return found._replace(probe=replace(after, target=answer))

    def _image(self, probe: ImageProbe, key: Keys) -> Attacked:
        low, high = probe.model.bounds
        device, clean = probe.model.device, probe.image.clamp(low, high)[None]
        start = torch.from_numpy(2 * uniform(key, tuple(clean.shape[1:])) - 1).to(clean)
        moved = pgd_linf(
            probe.model.logits,
            clean.to(device),
            torch.tensor([probe.target], device=device),
            epsilon=self.epsilon * (high - low),
            steps=self.steps,
            start=start.to(device),
            bounds=probe.model.bounds,
        )[0].to(clean.device)
        did = f"a change of at most {self.epsilon:g} per pixel"
        return Attacked(probe_at(probe, moved), did, {})

    def _text(self, probe: TextProbe) -> Attacked:
        """Replace words by synonyms, or mistype them."""
        model = probe.model
        (found,) = search_words(
            model,
            [probe.text],
            torch.tensor([probe.target]),
            Lexicon(model, AnyOf((Listed(built_in()), Mischief("typos")))),
            limits=np.array([self.changes], dtype=np.int64),
            beam=_BEAM,
            queries=_QUERIES,
            access="gradients" if model.differentiable else "scores",
            batch_size=probe.batch_size,
        )
        changed = marked(found)
        after = replace(probe, text=changed.text)
        return Attacked(
            after, f"a change of {count(found.changes, 'word')}", former_words(after, changed)
        )

    def _row(self, probe: RowProbe, key: Keys, fixed: tuple[str, ...]) -> Attacked:
        model = probe.model
        search = FewColumns(
            beam=_BEAM,
            queries=_QUERIES,
            values=_VALUES,
            steps=self.steps * model.differentiable,
            batch_size=probe.batch_size,
        )
        row = probe.row[None].to(model.device)
        target = torch.tensor([probe.target], device=model.device)
        reach = Reach.of(model.schema, row, spread=_SPREAD, fixed=fixed)
        found = search.search(model.logits, reach, target, key, most=self.changes)
        after = replace(probe, row=found.rows[0].to(probe.row.device))
        was = _former(probe, after)
        return Attacked(after, f"a change of {count(len(was), 'column')}", was)

    def _graph(self, probe: GraphProbe, key: Keys) -> Attacked:
        model = probe.model
        search = EdgeFlips(
            beam=_BEAM,
            queries=_QUERIES,
            exact=0,
            gradients=model.differentiable,
            batch_size=probe.batch_size,
        )
        graph, target = probe.graph[None].to(model.device), torch.tensor([probe.target])
        (found,) = search.search(model.logits, graph, target, key, max_flips=self.changes)
        moved = rewired(probe.graph[None], [found.pairs])[0]
        after = replace(probe, graph=moved)
        return Attacked(
            after, f"a change of {count(len(found.pairs), 'edge')}", _former(probe, after)
        )


def _former(before: Probe, after: Probe) -> dict[int, str]:
    """Return the places that say something else now, and what they said."""
    pairs = enumerate(zip(before.pieces(), after.pieces(), strict=True))
    return {place: one for place, (one, now) in pairs if one != now}
