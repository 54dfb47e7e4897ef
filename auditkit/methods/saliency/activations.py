"""The last activation of a network that still has the layout of the image.

It is found by watching functions while the network runs, not by the names of layers, so that
functional, reused and in-place activations are seen like modules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor

from auditkit.methods.saliency.rules import tensors_in
from auditkit.methods.saliency.scores import score_of
from auditkit.methods.saliency.slopes import slopes_at
from auditkit.methods.saliency.tokens import patch_grid
from auditkit.methods.saliency.unsuited import Unsuited
from auditkit.methods.saliency.watch import Watch
from auditkit.models.classifier import Logits

# Names without the underscore of in-place functions.
_CONVOLUTIONS = frozenset({"conv2d", "conv_transpose2d"})
_RESHAPES_MAP = frozenset(  # another size or number of channels, still the layout of the image
    {"cat", "concat", "concatenate", "interpolate", "pad", "pixel_shuffle", "pixel_unshuffle"}
)
_MOVES = frozenset({"permute", "transpose", "swapaxes", "movedim", "flatten", "reshape", "view"})
_ATTENTION = frozenset({"scaled_dot_product_attention", "multi_head_attention_forward"})
_TOKEN_STREAM = frozenset({"add", "radd", "iadd", "layer_norm", "rms_norm", "batch_norm"})


class Activation(NamedTuple):
    """What a layer says about each place of the image."""

    values: Tensor  # (n, c, h', w')
    slopes: Tensor  # (n, c, h', w'), of the explained score
    layer: str  # in words


def last_spatial_activation(
    logits: Logits, images: Tensor, target: Tensor
) -> Activation | Unsuited:
    """Return the last activation with the layout of the image, and the slope of the score there.

    In a convolutional network it is the last one of shape (n, c, h', w') with more than one row
    and column, before it is pooled: pooling only makes it coarser. In a vision transformer it is
    the stream of tokens (n, t, d), or (t, n, d), that the last attention reads: behind it each
    patch holds something of all others, so that its place says little, and where the answer is
    read from a class token, patches count for nothing there.

    Parameters
    ----------
    logits : callable
        Maps images (n, c, h, w) to (n, k).
    images : Tensor
        (n, c, h, w).
    target : Tensor
        (n,) class whose logit is explained.
    """
    if images.ndim != 4:
        return Unsuited("its inputs are no images")
    leaf = images.detach().clone().requires_grad_(True)
    watch = _Watch(len(images))
    with torch.enable_grad(), watch:
        scores = score_of(logits, leaf, target)
    answering: int | None = None
    for seen in reversed(watch.seen):
        if "pool" in seen.name:
            continue
        (slopes,) = slopes_at(scores.sum(), [seen.values])
        if slopes is None:
            continue
        if seen.values.ndim == 4:
            return _of_map(seen, slopes)
        second = _batch_comes_second(seen.values, scores, images)
        if second is None:
            continue
        values, slopes = (_batch_first(one, second).detach() for one in (seen.values, slopes))
        answering = _only_token(slopes) if answering is None else answering
        found = _of_tokens(seen.name, values, slopes, images, answering)
        if found is not None and not watch.is_mixed(seen):
            return found
    return Unsuited("no activation between the image and the logits keeps the layout of the image")


class _Seen(NamedTuple):
    values: Tensor
    name: str
    attended: int  # how often attention ran before


@final
class _Watch(Watch):
    """Remembers maps (n, c, h, w) that came from convolutions, and streams of tokens."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n
        self._attended = 0
        self._seen: dict[int, _Seen] = {}  # by id of tensors that are kept, so that none is reused

    @property
    def seen(self) -> list[_Seen]:
        """In the order in which they got their last value."""
        return list(self._seen.values())

    def is_mixed(self, seen: _Seen) -> bool:
        """Whether a stream of tokens came out of the last attention."""
        return seen.attended == self._attended > 0

    def saw(self, name: str, given: Sequence[object], output: object) -> None:
        """Remember what a function returns, if it has the layout of the image."""
        self._attended += name in _ATTENTION or _is_softmax_between_tokens(name, output)
        if isinstance(output, Tensor) and self._has_layout(name, given, output):
            self._seen.pop(id(output), None)  # in-place functions return what they were given
            self._seen[id(output)] = _Seen(output, name, self._attended)

    def _has_layout(self, name: str, given: Sequence[object], output: Tensor) -> bool:
        if not (output.requires_grad and output.is_floating_point()):
            return False
        return self._is_map(name, given, output) or self._is_stream(name, output)

    def _is_map(self, name: str, given: Sequence[object], output: Tensor) -> bool:
        if output.ndim != 4 or len(output) != self.n or min(output.shape[2:]) < 2:
            return False
        if name in _CONVOLUTIONS:
            return True
        if name in _MOVES:
            return False
        kept = [one for one in tensors_in(list(given)) if id(one) in self._seen]
        return any(
            one.ndim == 4 and (one.shape == output.shape or name in _RESHAPES_MAP or "pool" in name)
            for one in kept
        )

    def _is_stream(self, name: str, output: Tensor) -> bool:
        return output.ndim == 3 and name in _TOKEN_STREAM and self.n in output.shape[:2]


def _is_softmax_between_tokens(name: str, output: object) -> bool:
    return name == "softmax" and isinstance(output, Tensor) and output.ndim >= 3


def _of_map(seen: _Seen, slopes: Tensor) -> Activation:
    _, channels, rows, columns = seen.values.shape
    layer = f"activation {rows}x{columns} of {channels} channels after {_words(seen.name)}"
    return Activation(seen.values.detach(), slopes, layer)


def _of_tokens(
    name: str, values: Tensor, slopes: Tensor, images: Tensor, answering: int | None
) -> Activation | None:
    """Return tokens (n, t, d) as a map, unless the score has no slope at any patch."""
    grid = patch_grid(values.shape[1], *images.shape[2:], answering=answering)
    if grid is None:
        return None
    features, at_patches = (grid.of(one).permute(0, 3, 1, 2) for one in (values, slopes))
    if grid.others and not at_patches.any():
        return None
    left_out = f", {grid.others} other tokens left out" if grid.others > 1 else ""
    left_out = ", class token left out" if grid.others == 1 else left_out
    size = f"{grid.rows}x{grid.columns}"
    layer = f"tokens {size} of {features.shape[1]} features after {_words(name)}{left_out}"
    return Activation(features, at_patches, layer)


def _batch_comes_second(values: Tensor, scores: Tensor, images: Tensor) -> bool | None:
    """Return whether tokens are (t, n, d) instead of (n, t, d); None where they fit no grid."""
    n, size = len(images), images.shape[2:]
    first, second = (
        values.shape[i] == n and patch_grid(values.shape[1 - i], *size) is not None for i in (0, 1)
    )
    if first and second and n > 1:  # as many inputs as tokens: whose score has a slope where?
        (slopes,) = slopes_at(scores[0], [values])
        return slopes is not None and bool(slopes[1:].any())
    return None if not (first or second) else not first


def _batch_first(tokens: Tensor, second: bool) -> Tensor:
    return tokens.transpose(0, 1) if second else tokens


def _only_token(slopes: Tensor) -> int | None:
    """Return the one token (of n, t, d) at which any score has a slope, if it is one alone."""
    where = slopes.ne(0).any(dim=2).any(dim=0).nonzero()[:, 0].tolist()
    return int(where[0]) if len(where) == 1 else None


def _words(name: str) -> str:
    return name.replace("_", " ")
