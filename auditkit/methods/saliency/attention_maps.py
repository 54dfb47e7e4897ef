"""What attention says of the patches or words of one input, and what each is worth when it goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from auditkit.methods.saliency.attention import Attended, attended
from auditkit.methods.saliency.attention_rollout import attention_rollout, last_attention
from auditkit.methods.saliency.gradient import gradient
from auditkit.methods.saliency.gradient_weighted_attention import gradient_weighted_attention
from auditkit.methods.saliency.integrated_gradients import embedding_logits
from auditkit.methods.saliency.occlusion import cells, occlusion, token_occlusion
from auditkit.methods.saliency.scores import centred
from auditkit.methods.saliency.tokens import patch_grid
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
    attention = attended(logits, one, explained)
    if isinstance(attention, Unsuited):
        return attention
    height, width = image.shape[1:]
    grid = patch_grid(attention.tokens, height, width, answering=attention.answering)
    if grid is None:
        return Unsuited("the tokens of its attention are no grid of patches")
    side, rest = divmod(height, grid.rows)
    if rest or side * grid.columns != width:
        return Unsuited("its patches do not divide the image")
    where = cells(height, width, side)

    def per_patch(numbers: Tensor) -> Floats:  # of (1, c, h, w)
        sums = np.bincount(where.numpy().ravel(), weights=_floats(numbers[0].sum(dim=0)).ravel())
        return sums.astype(np.float64)

    maps, reasons = _attention_maps(attention)
    found = {name: _floats(grid.of(one_map)[0].flatten()) for name, one_map in maps.items()}
    found["gradient"] = per_patch(gradient(logits, one, explained) * (one - other))
    falls = occlusion(
        logits, one, explained, reference=other, side=side, batch_size=batch_size
    )  # fmt: skip
    return TokenView((grid.rows, grid.columns), found, reasons, per_patch(falls))


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
    encoded, explained = model.encode([text]), torch.tensor([target], device=model.device)
    with torch.no_grad():
        embeddings = model.embed(encoded.ids)  # (1, t, d)
        unknown = model.embed(torch.full_like(encoded.ids, model.unk_id))
    logits = embedding_logits(model, encoded.mask[0])
    attention = attended(logits, embeddings, explained)
    if isinstance(attention, Unsuited):
        return attention
    if attention.tokens != embeddings.shape[1]:
        return Unsuited("the tokens of its attention are not those of the text")
    kept = ~encoded.special[0]
    maps, reasons = _attention_maps(attention)
    found = {name: _floats(one[0][kept]) for name, one in maps.items()}
    slope = gradient(logits, embeddings, explained)
    found["gradient"] = _floats((slope * (embeddings - unknown)).sum(dim=2)[0][kept])
    falls = token_occlusion(model, [text], explained, batch_size=batch_size)[0]
    return TokenView((int(kept.sum()),), found, reasons, _floats(falls[kept.cpu()]))


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


def _floats(values: Tensor) -> Floats:
    return values.detach().cpu().numpy().astype(np.float64)
