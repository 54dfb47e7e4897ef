"""What attention says of the patches or words of one input, and what each is worth when it goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from auditkit.methods.saliency.attention import Attended, attended
from auditkit.methods.saliency.attention_rollout import attention_rollout, last_attention
from auditkit.methods.saliency.eager import eager
from auditkit.methods.saliency.gradient import gradient
from auditkit.methods.saliency.gradient_weighted_attention import gradient_weighted_attention
from auditkit.methods.saliency.occlusion import occlusion
from auditkit.methods.saliency.probes.base import floats
from auditkit.methods.saliency.probes.image import ImageProbe
from auditkit.methods.saliency.probes.text import TextProbe
from auditkit.methods.saliency.scores import centred
from auditkit.methods.saliency.tokens import PatchGrid, patch_grid
from auditkit.methods.saliency.unsuited import Unsuited
from auditkit.models.classifier import ImageClassifier, TextClassifier
from auditkit.types import Floats

ATTENTION_MAPS: dict[str, Callable[[Attended], Tensor | Unsuited]] = {
    "gradient-weighted-attention": gradient_weighted_attention,
    "attention-rollout": attention_rollout,
    "last-attention": last_attention,
}


class TokenView(NamedTuple):
    """One input by its u tokens, special ones left out."""

    shape: tuple[int, ...]  # (u,) or (rows, columns)
    maps: dict[str, Floats]  # (u,) each: those of `ATTENTION_MAPS` that apply, and the gradient
    reasons: dict[str, str]  # why others do not
    falls: Floats  # (u,), of the centred target logit as that token alone is replaced


def image_view(
    model: ImageClassifier, image: Tensor, target: int, *, reference: Tensor, batch_size: int
) -> TokenView | Unsuited:
    """Return an image by the patches of a vision transformer.

    The gradient is multiplied by what replacing a patch changes, `image - reference`: the fall that
    a linear model would show.

    Parameters
    ----------
    model : ImageClassifier
        The model; it is not changed.
    image, reference : Tensor
        (c, h, w), the image and what a patch is replaced by.
    target : int
        The explained class.
    batch_size : int
        Inputs per forward pass.
    """
    logits, one, other = centred(model.logits), image[None], reference[None]
    explained = torch.tensor([target])
    with eager():
        attention = attended(logits, one, explained)
    if isinstance(attention, Unsuited):
        return attention
    height, width = image.shape[1:]
    grid = grid_of(attention, one)
    if isinstance(grid, Unsuited):
        return grid
    side, rest = divmod(height, grid.rows)
    if rest or side * grid.columns != width:
        return Unsuited("its patches do not divide the image")
    probe = ImageProbe(
        model=model,
        image=image,
        reference=reference,
        target=target,
        side=side,
        batch_size=batch_size,
    )
    maps, reasons = _attention_maps(attention)
    found = {name: floats(grid.of(one_map)[0].flatten()) for name, one_map in maps.items()}
    slope = gradient(logits, one, explained)
    found["gradient"] = probe.per_unit(floats(probe.summed(slope * (one - other))))
    falls = occlusion(probe.scores, probe.units)
    return TokenView((grid.rows, grid.columns), found, reasons, falls)


def text_view(
    model: TextClassifier, text: str, target: int, *, batch_size: int
) -> TokenView | Unsuited:
    """Return a text by its tokens; a replaced one is unknown, `[UNK]`.

    The gradient is multiplied by what that changes in the embedding.

    Parameters
    ----------
    model : TextClassifier
        The model; it is not changed.
    text : str
        The text; only tokens within the model's length count.
    target : int
        The explained class.
    batch_size : int
        Inputs per forward pass.
    """
    probe = TextProbe(model=model, text=text, target=target, batch_size=batch_size)
    logits, explained = centred(probe.logits), probe.classes()
    with eager():
        attention = attended(logits, probe.point, explained)
    if isinstance(attention, Unsuited):
        return attention
    grid = grid_of(attention, probe.point)
    if isinstance(grid, Unsuited):
        return grid
    maps, reasons = _attention_maps(attention)
    found = {name: floats(probe.summed(one[:, :, None])) for name, one in maps.items()}
    slope = gradient(logits, probe.point, explained)
    found["gradient"] = floats(probe.summed(slope * (probe.point - probe.origin)))
    return TokenView(probe.shape, found, reasons, occlusion(probe.scores, probe.units))


def grid_of(attention: Attended, point: Tensor) -> PatchGrid | Unsuited:
    """Return what the tokens of attention are: patches of an image, or one row for a text.

    Parameters
    ----------
    attention : Attended
        The attention to one input.
    point : Tensor
        (1, c, h, w) the image, or (1, t, d) the embeddings of the text.
    """
    count = attention.tokens
    if point.ndim == 3:
        if count != point.shape[1]:
            return Unsuited("the tokens of its attention are not those of the text")
        return PatchGrid(1, count, 0, 0)
    height, width = point.shape[2:]
    grid = patch_grid(count, height, width, answering=attention.answering)
    return grid or Unsuited("the tokens of its attention are no grid of patches")


def _attention_maps(attention: Attended) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return maps (1, t) by name, and why others do not apply."""
    maps: dict[str, Tensor] = {}
    reasons: dict[str, str] = {}
    for name, method in ATTENTION_MAPS.items():
        found = method(attention)
        if isinstance(found, Unsuited):
            reasons[name] = found.reason
        else:
            maps[name] = found
    return maps, reasons
