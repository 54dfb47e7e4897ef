"""Images changed, or made, by what a generative network has learned of the data."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.models.builtin.vae import Vae
from auditkit.models.generative import ImageMaker
from auditkit.randomness import normal
from auditkit.types import Keys

STEPS = (0.5, 1.0, 1.5, 2.0, 3.0)  # severity 1 to 5, in posterior standard deviations
SPREAD = (0.2, 0.4, 0.6, 0.8, 1.0)  # of the noise that a generator gets; 1 is what it learned


@torch.no_grad()
def vae_walk(vae: Vae, images: Tensor, severity: int, keys: Keys) -> Tensor:
    """Add to images what a small step in the latent space of an autoencoder changes, then clip.

    The step has a direction drawn by key and, in every latent number, a size of .5, 1, 1.5, 2 or 3
    standard deviations of what the encoder says of the image. Only the difference of the two
    decoded images is added, so that what the autoencoder cannot draw stays.

    Parameters
    ----------
    vae : Vae
        Trained on data of this kind.
    images : Tensor
        (n, 1, h, w) in [0, 1].
    severity : int
        1 to 5.
    keys : ndarray
        (n,).

    References
    ----------
    Stutz et al., 2019, arXiv:1812.00740 (changes on the manifold of the data).
    """
    posterior = vae.encode(images)
    noise = torch.from_numpy(normal(keys, (posterior.mean.shape[1],))).to(posterior.mean)
    there = vae.decode(posterior.sample(STEPS[severity - 1] * noise))
    return (images + there - vae.decode(posterior.mean)).clamp(0, 1)


@torch.no_grad()
def gan_made(gan: ImageMaker, labels: Tensor, severity: int, keys: Keys) -> Tensor:
    """Return an image of each class that is asked for (n,), from noise drawn by key.

    Its spread is .2, .4, .6, .8 or 1 of what the generator learned with: from the most typical
    images to all kinds.
    """
    noise = torch.from_numpy(normal(keys, (gan.latent,))).float()
    return gan.make(SPREAD[severity - 1] * noise, labels).clamp(0, 1)
