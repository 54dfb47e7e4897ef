"""The model under audit: raw inputs in, logits out, preprocessing inside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Literal, Protocol, TypeAlias, final, runtime_checkable

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from auditkit.errors import ModelError
from auditkit.models.blackbox import BlackBox
from auditkit.models.folding import folded
from auditkit.models.texts.special import special_ids
from auditkit.result import Execution
from auditkit.types import Bools, Ints, Modality

# In raw units: images (n, c, h, w), rows of a table (n, c) or graphs (n, v, d + v); or n texts.
Inputs: TypeAlias = Tensor | list[str]
Logits: TypeAlias = Callable[[Tensor], Tensor]
# How a network wants its images: channels before or behind the pixels, red first or blue first.
Layout: TypeAlias = Literal["nchw", "nhwc", "bgr", "nhwc-bgr"]


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Where a classifier came from; nothing here changes what it computes.

    Parameters
    ----------
    name : str
        Short name, used for the report folder.
    architecture : str
        Name of the built-in architecture or of the factory.
    sha256 : str
        Hash of the file, or of the weights where there is no file.
    data : str, optional
        Name of the data set it is audited on when none is given.
    card : dict
        What its author says of it: training data, recipe, accuracy, known limits.
    notes : tuple of str
        What was detected or assumed while loading.
    loose : bool
        Whether the file does not say how its inputs are prepared, so that this is what the user
        said or what was assumed.
    """

    name: str
    architecture: str
    sha256: str = ""
    data: str | None = None
    card: dict[str, str] = field(default_factory=dict[str, str])
    notes: tuple[str, ...] = ()
    loose: bool = False


class Classifier(ABC):
    """A trained classifier as the checks see it.

    `logits` maps n raw inputs to (n, k) float32 logits on the CPU or the classifier's device. The
    module is in evaluation mode, its parameters never require gradients, and no check changes it.
    """

    modality: Modality
    module: nn.Module
    classes: tuple[str, ...]
    identity: Identity
    differentiable: bool = True
    probabilities: bool = False  # what the network gives instead of logits; they become log p

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return next((p.device for p in self.module.parameters()), torch.device("cpu"))

    @property
    def dtype(self) -> torch.dtype:
        """The model's own precision, in which every success is judged."""
        return next((p.dtype for p in self.module.parameters()), torch.float32)

    @property
    def parameters(self) -> int | None:
        """Number of trained numbers; None where it cannot be known."""
        if isinstance(self.module, BlackBox):
            return self.module.n_parameters
        return sum(p.numel() for p in self.module.parameters())

    @abstractmethod
    def logits(self, inputs: Inputs) -> Tensor:
        """Return logits (n, k) of n raw inputs, float32."""

    @torch.no_grad()
    def predict(self, inputs: Inputs, *, batch_size: int = 128) -> Tensor:
        """Return logits (n, k) computed batch by batch, without gradients, on the CPU."""
        n = len(inputs)
        rows = [self.logits(inputs[i : i + batch_size]).cpu() for i in range(0, n, batch_size)]
        return torch.cat(rows) if rows else torch.empty(0, len(self.classes))

    def as_logits(self, output: object, n: int) -> Tensor:
        """Check the output and return (n, k) float32 logits; one logit z becomes [0, z]."""
        if not isinstance(output, Tensor):
            raise ModelError(
                f"{self.identity.name} returned {type(output).__name__}, expected a tensor (n, k).",
                hint="Wrap the model so that forward returns its logits alone.",
            )
        if output.is_complex() or output.dtype == torch.bool:
            raise ModelError(
                f"{self.identity.name} returned {output.dtype} values, expected real numbers.",
                hint="Return the logits before they are turned into answers.",
            )
        if output.ndim == 1 and len(output) == n:
            output = output[:, None]
        k = len(self.classes)
        if output.ndim == 2 and output.shape == (n, 1) and k == 2:
            first = 1 - output if self.probabilities else torch.zeros_like(output)
            output = torch.cat([first, output], dim=1)
        if output.shape != (n, k):
            outputs = output.shape[-1] if output.ndim else 0
            raise ModelError(
                f"{self.identity.name} returned shape {tuple(output.shape)} for {n} inputs and {k}"
                f" classes, expected ({n}, {k}).",
                hint=f"Name the classes in the order of the outputs: --classes {numbered(outputs)}",
            )
        if self.probabilities:  # a logit has to be finite
            return output.float().clamp_min(torch.finfo(torch.float32).tiny).log()
        return output.float()


def numbered(k: int) -> str:
    """Return an example of --classes with k names, or with some where that would be too long."""
    return ",".join(map(str, range(k))) if 2 <= k <= _LISTED else "a,b,c"


_LISTED = 20  # class names in an example


@final
class ImageClassifier(Classifier):
    """A classifier of images.

    Parameters
    ----------
    module : Module
        Maps normalised images (n, c, h, w) to logits (n, k), or (n, 1) for two classes; a
        `BlackBox` has no gradients.
    classes : sequence of str
        Class names in the order of the logits.
    input_shape : (c, h, w)
        Shape of one raw image.
    bounds : (low, high)
        Range of a raw pixel, before normalisation.
    mean, std : sequence of float, optional
        Normalisation per channel, applied inside `logits`.
    layout : {"nchw", "nhwc", "bgr", "nhwc-bgr"}
        How the network wants its images: with the channels behind the pixels ("nhwc"), with the
        channels in reverse order ("bgr"), or both. Raw images are always (n, c, h, w).

    Examples
    --------
    >>> module = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    >>> model = ImageClassifier(module, classes=["no", "yes"], input_shape=(3, 2, 2))
    >>> tuple(model.logits(torch.rand(5, 3, 2, 2)).shape)
    (5, 2)
    """

    modality = "image"

    def __init__(
        self,
        module: nn.Module,
        *,
        classes: Sequence[str],
        input_shape: tuple[int, int, int],
        bounds: tuple[float, float] = (0.0, 1.0),
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        layout: Layout = "nchw",
        identity: Identity | None = None,
    ) -> None:
        if not bounds[0] < bounds[1]:
            raise ModelError(f"The bounds {bounds} are empty, expected low < high.")
        channels = input_shape[0]
        for name, values in (("mean", mean), ("std", std)):
            if values is not None and len(values) not in (1, channels):
                raise ModelError(
                    f"{name} has {len(values)} values, expected 1 or {channels} (one per channel)."
                )
        if std is not None and not all(s > 0 for s in std):
            raise ModelError(f"std is {list(std)}, expected positive values.")
        self.module = frozen(module)
        self.differentiable = not isinstance(module, BlackBox)
        self.classes = tuple(classes)
        self.input_shape = input_shape
        self.bounds = bounds
        self.mean = tuple(mean) if mean is not None else None
        self.std = tuple(std) if std is not None else None
        self.layout: Layout = layout
        self.identity = identity or Identity(name="model", architecture=type(module).__name__)
        self._search_dtype = torch.float32
        self._memory_format = torch.contiguous_format

    def configure(self, execution: Execution) -> None:
        """Use the layout and search precision that were chosen for this run."""
        layout = execution.layout == "channels_last"
        self._memory_format = torch.channels_last if layout else torch.contiguous_format
        self.module.to(memory_format=self._memory_format)  # pyright: ignore[reportCallIssue]
        self._search_dtype = getattr(torch, execution.search_dtype)

    @cached_property
    def _folded(self) -> nn.Module | None:
        return folded(self.module, self._probe)

    def _probe(self) -> Tensor:
        """Return a few inputs of the folded network, always the same."""
        low, high = self.bounds
        noise = torch.rand(3, *self.input_shape, generator=torch.Generator().manual_seed(0))
        return self._prepared(low + (high - low) * noise, self._quick_format)

    @property
    def _quick_format(self) -> torch.memory_format:
        """Channels behind the pixels suit the convolutions of processors."""
        return torch.channels_last if self.device.type == "cpu" else self._memory_format

    def logits(self, inputs: Inputs) -> Tensor:
        """Return logits (n, k) of raw images (n, c, h, w) within `bounds`."""
        assert isinstance(inputs, Tensor)
        return self.as_logits(self.outputs(inputs), len(inputs))

    def outputs(self, inputs: Tensor) -> Tensor:
        """Return what the network itself gives for raw images (n, c, h, w)."""
        return self.module(self._prepared(inputs))

    def _prepared(self, inputs: Tensor, memory_format: torch.memory_format | None = None) -> Tensor:
        """Return raw images (n, c, h, w) as the network reads them."""
        images = inputs.to(self.device, self.dtype)
        if self.mean is not None:
            images = images - _per_channel(self.mean, images)
        if self.std is not None:
            images = images / _per_channel(self.std, images)
        if self.layout.endswith("bgr"):
            images = images.flip(1)
        images = images.contiguous(memory_format=memory_format or self._memory_format)
        images = unshared(images, inputs)
        if self.layout.startswith("nhwc"):
            images = images.permute(0, 2, 3, 1)
        return images

    @property
    def searches_apart(self) -> bool:
        """Whether `search_logits` is anything else than `logits`."""
        return self._search_dtype != torch.float32 or self._folded is not None

    def quick_logits(self, inputs: Tensor) -> Tensor:
        """Return logits that equal `logits` up to rounding, at less cost; never used to judge."""
        if self._folded is None:
            return self.logits(inputs)
        images = self._prepared(inputs, self._quick_format)
        return self.as_logits(self._folded(images), len(inputs))

    def search_logits(self, inputs: Tensor) -> Tensor:
        """Return logits for *searching*: at less cost, never used to judge."""
        if self._search_dtype == torch.float32:
            return self.quick_logits(inputs)
        assert isinstance(inputs, Tensor)
        network = self._folded or self.module
        with torch.autocast(self.device.type, self._search_dtype):
            return self.as_logits(network(self._prepared(inputs)), len(inputs))


@runtime_checkable
class TextModule(Protocol):
    """A text network in two steps, so that gradients with respect to embeddings exist."""

    def embed(self, ids: Tensor) -> Tensor:
        """Map token ids (n, t) to embeddings (n, t, d), before positions are added."""
        ...

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Map embeddings (n, t, d) and mask (n, t), True at real tokens, to logits (n, k)."""
        ...


@dataclass(frozen=True)
class Encoded:
    """Texts as the network reads them."""

    ids: Tensor  # (n, t) int64
    mask: Tensor  # (n, t) bool, True at real tokens
    offsets: list[list[tuple[int, int]]]  # character span of each token; (0, 0) for special ones
    special: Tensor  # (n, t) bool, True at tokens that stand for no text, padding included


@final
class TextClassifier(Classifier):
    """A classifier of texts.

    Parameters
    ----------
    module : TextModule and Module
        `embed` and `forward_embeddings`, see `TextModule`.
    tokenizer : tokenizers.Tokenizer
        Its post-processor adds the special tokens; a "[PAD]" and an "[UNK]" token must exist, in
        these or in other usual spellings.
    classes : sequence of str
        Class names in the order of the logits.
    max_length : int
        Tokens the network can read; longer texts are cut, and the report says so.
    padded : bool
        Whether every text is padded to `max_length` tokens, for a network whose answers depend on
        it.
    pad_id, unk_id : int, optional
        Ids of these two tokens, where the tokenizer spells them otherwise.
    """

    modality = "text"

    def __init__(
        self,
        module: nn.Module,
        *,
        tokenizer: Tokenizer,
        classes: Sequence[str],
        max_length: int,
        padded: bool = False,
        pad_id: int | None = None,
        unk_id: int | None = None,
        identity: Identity | None = None,
    ) -> None:
        if not isinstance(module, TextModule):
            raise ModelError(
                f"{type(module).__name__} has no embed and forward_embeddings, which a text"
                " model needs.",
                hint="See the docs, how-to 'Audit your own text model'.",
            )
        spelled = special_ids(tokenizer)
        pad = spelled[0] if pad_id is None else pad_id
        unk = spelled[1] if unk_id is None else unk_id
        if pad is None or unk is None:
            raise ModelError("The tokenizer has no [PAD] or no [UNK] token; both are needed.")
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length)
        self.module = frozen(module)
        self._text_module: TextModule = module
        self.tokenizer = tokenizer
        self.classes = tuple(classes)
        self.max_length = max_length
        self.padded = padded
        self.pad_id: int = pad
        self.unk_id: int = unk
        self.identity = identity or Identity(name="model", architecture=type(module).__name__)

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Return ids, mask and character offsets, padded to a multiple of 8 tokens.

        A text without any token reads as one unknown word.
        """
        rows = self.tokenizer.encode_batch(list(texts))
        tokens, mask = self._padded([row.ids for row in rows])
        special = np.ones(mask.shape, dtype=np.bool_)
        for i, row in enumerate(rows):
            special[i, : len(row.ids)] = row.special_tokens_mask
        offsets = [list(row.offsets) or [(0, 0)] for row in rows]
        ids, real, none = (torch.from_numpy(x).to(self.device) for x in (tokens, mask, special))
        return Encoded(ids, real, offsets, none)

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[Ints, Bools]:
        """Return token ids (n, t) and mask (n, t); a row without tokens is one unknown word."""
        sizes = np.array([len(row) for row in rows], dtype=np.int64)
        longest = int(sizes.max(initial=0)) if len(rows) else 1
        width = self.max_length if self.padded else min(self.max_length, -(-longest // 8) * 8)
        mask = np.arange(max(width, 1)) < sizes[:, None]
        ids = np.full(mask.shape, self.pad_id, dtype=np.int64)
        ids[mask] = np.fromiter(chain.from_iterable(rows), dtype=np.int64)
        ids[sizes == 0, 0], mask[sizes == 0, 0] = self.unk_id, True
        return ids, mask

    def count_cut(self, texts: Sequence[str]) -> int:
        """Return how many texts have more than `max_length` tokens and lose their ends."""
        return sum(bool(row.overflowing) for row in self.tokenizer.encode_batch(list(texts)))

    def embed(self, ids: Tensor) -> Tensor:
        """Return embeddings (n, t, d) of token ids (n, t)."""
        return self._text_module.embed(ids)

    def logits_from_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Return logits (n, k) of embeddings (n, t, d) under mask (n, t)."""
        return self.as_logits(self.outputs(embeddings, mask), len(embeddings))

    def outputs(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Return what the network itself gives for embeddings (n, t, d) under mask (n, t)."""
        return self._text_module.forward_embeddings(embeddings.clone(), mask)

    def logits_from_ids(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return logits (n, k) of token ids (n, t) under mask (n, t)."""
        return self.logits_from_embeddings(self.embed(ids), mask)

    def logits(self, inputs: Inputs) -> Tensor:
        """Return logits (n, k) of n texts."""
        assert isinstance(inputs, list)
        rows = [row.ids for row in self.tokenizer.encode_batch(inputs)]
        ids, mask = (torch.from_numpy(one).to(self.device) for one in self._padded(rows))
        return self.logits_from_ids(ids, mask)


def unshared(prepared: Tensor, inputs: Tensor) -> Tensor:
    """Return prepared inputs as a copy where they are the inputs still.

    A network may write into what it gets.
    """
    return prepared.clone() if prepared is inputs else prepared


def frozen(module: nn.Module) -> nn.Module:
    """Put a network in evaluation mode, let no parameter require a gradient, and return it."""
    with suppress(NotImplementedError):  # an exported program has one mode alone
        module.eval()
    for one in module.parameters():
        one.requires_grad_(False)
    return module


def has_weights(model: Classifier) -> bool:
    """Return whether there is anything in a model that can be drawn anew."""
    return any(one.numel() > 0 for one in model.module.parameters())


@contextmanager
def randomised(
    module: nn.Module, seed: int, only: Collection[str] | None = None
) -> Generator[None]:
    """Within the block every weight of `module` is drawn anew; afterwards it is bit-identical.

    With `only`, names of parameters, the others keep their values; these get the same numbers.

    Each weight tensor gets random numbers of its own mean and spread, so that activations keep
    their scale (full model-parameter randomisation; Adebayo et al., 2018, arXiv:1810.03292).
    """
    kept = {name: value.clone() for name, value in module.state_dict().items()}
    rng = torch.Generator().manual_seed(seed % (1 << 63))
    try:
        with torch.no_grad():
            for name, value in module.named_parameters():
                fresh = torch.randn(value.shape, generator=rng).to(value.device)
                real = value.float() if not value.is_floating_point() else value
                spread = real.std() if value.numel() > 1 else real.abs().mean()
                if only is None or name in only:
                    value.copy_(fresh.to(real.dtype) * spread + real.mean())
        yield
    finally:
        module.load_state_dict(kept)


def _per_channel(values: tuple[float, ...], images: Tensor) -> Tensor:
    return torch.tensor(values, device=images.device, dtype=images.dtype).view(1, -1, 1, 1)
