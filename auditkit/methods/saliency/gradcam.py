"""GradCAM and its kin: which places of the last spatial activation speak for a class.

Selvaraju et al., 2017, arXiv:1610.02391, section 3.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias, get_args

from torch import Tensor
from torch.nn import functional

from auditkit.methods.saliency.activations import last_spatial_activation
from auditkit.methods.saliency.unsuited import Unsuited
from auditkit.models.classifier import Logits

CamKind: TypeAlias = Literal["gradcam", "gradcam++", "layercam", "hirescam"]
CAM_KINDS: tuple[CamKind, ...] = get_args(CamKind)


class Cam(NamedTuple):
    """Maps of images, as they were made and as they lie on the image."""

    maps: Tensor  # (n, h, w), the grid enlarged by linear interpolation
    grid: Tensor  # (n, h', w')
    layer: str  # which activation, in words


def gradcam(
    logits: Logits, images: Tensor, target: Tensor, *, kind: CamKind = "gradcam"
) -> Cam | Unsuited:
    """Return maps from the last activation that has the layout of the image.

    The activation is found by `last_spatial_activation`, in convolutional networks and vision
    transformers alike. Where the score has no slope, the map is zero.

    Parameters
    ----------
    logits : callable
        Maps images (n, c, h, w) to (n, k).
    images : Tensor
        (n, c, h, w).
    target : Tensor
        (n,) class whose logit is explained.
    kind : {"gradcam", "gradcam++", "layercam", "hirescam"}
        How channels are weighed: by their mean slope; by rising slopes, so that several places of
        one kind count alike; each place by its own rising slope; each place by its own slope.
        The last is signed and adds up to the logit, less its bias, where all that follows is
        linear; the others are at least 0.

    Returns
    -------
    Cam or Unsuited
        `Unsuited` for networks without such an activation: perceptrons, and models that are not
        made of torch functions.

    References
    ----------
    Chattopadhyay et al., 2018, arXiv:1710.11063, equations 11 to 19 (GradCAM++); Jiang et al.,
    2021, doi:10.1109/TIP.2021.3089943 (LayerCAM); Draelos and Carin, 2020, arXiv:2011.08891
    (HiResCAM).

    Examples
    --------
    >>> import torch
    >>> kernel = torch.tensor([[[[1.0]]], [[[-1.0]]]])
    >>> def logits(x):
    ...     return functional.conv2d(x, kernel).mean(dim=(2, 3))
    >>> found = gradcam(logits, torch.tensor([[[[0.0, 8.0], [4.0, 0.0]]]]), torch.tensor([0]))
    >>> found.maps.tolist(), found.layer
    ([[[0.0, 2.0], [1.0, 0.0]]], 'activation 2x2 of 2 channels after conv2d')
    """
    found = last_spatial_activation(logits, images, target)
    if isinstance(found, Unsuited):
        return found
    grid = _grid(kind, found.values, found.slopes)
    maps = functional.interpolate(grid[:, None], size=images.shape[2:], mode="bilinear")[:, 0]
    return Cam(maps, grid, found.layer)


def _grid(kind: CamKind, values: Tensor, slopes: Tensor) -> Tensor:
    """Return a map (n, h', w') of activations (n, c, h', w') and the slopes of the score there."""
    match kind:
        case "gradcam":
            weights = slopes.mean(dim=(2, 3), keepdim=True)
            return (weights * values).sum(dim=1).relu()
        case "gradcam++":
            weights = (_shares(values, slopes) * slopes.relu()).sum(dim=(2, 3), keepdim=True)
            return (weights * values).sum(dim=1).relu()
        case "layercam":
            return (slopes.relu() * values).sum(dim=1).relu()
        case "hirescam":
            return (slopes * values).sum(dim=1)


def _shares(values: Tensor, slopes: Tensor) -> Tensor:
    """Return the alphas of GradCAM++ (equation 19) for a score whose exponential is explained."""
    squares = slopes**2
    whole = 2 * squares + values.sum(dim=(2, 3), keepdim=True) * slopes**3
    known = whole != 0
    return squares / whole.where(known, whole.new_ones(())) * known
