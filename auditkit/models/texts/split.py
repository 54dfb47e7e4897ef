"""Splits a plain network at its word embedding, so that gradients reach the words.

The network is run as it is, on placeholder ids with the padding of the real ones; what its
embedding answers is replaced by the embeddings that are given.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, final

import torch
from torch import Tensor, nn

from auditkit.errors import ModelError

Mask: TypeAlias = Literal["real", "padding"]
_MASK_WORDS = ("mask", "pad", "attention")
_LENGTH_WORDS = ("len", "size", "seq_l")
_TRIED = 16  # tokens of the texts that a network is tried on
_FAR = 512  # tokens beyond which nobody looks for an end
_CLOSE = 1e-4  # relative difference of logits that is rounding


@final
@dataclass(frozen=True, kw_only=True)
class Call:
    """How `forward` wants its inputs.

    Parameters
    ----------
    name : str, optional
        The argument beside the ids; None where there is none.
    what : {"real", "padding", "lengths"}, optional
        True at real tokens, True at padding, or the number of real tokens.
    dtype : torch.dtype
        Of a mask.
    turned : bool
        Whether ids are (t, n) instead of (n, t).
    """

    name: str | None = None
    what: Literal["real", "padding", "lengths"] | None = None
    dtype: torch.dtype = torch.bool
    turned: bool = False

    def __call__(self, network: nn.Module, ids: Tensor, mask: Tensor) -> object:
        """Run a network on ids (n, t) under mask (n, t), True at real tokens."""
        order = None
        if self.what == "lengths":  # packed sequences want the longest text first
            order = mask.sum(dim=1).argsort(descending=True, stable=True)
            ids, mask = ids[order], mask[order]
        given = ids.T if self.turned else ids
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*nested tensor.*")
            output = network(given, **self._beside(network, mask))
        if order is None or not isinstance(output, Tensor):
            return output
        return output[order.argsort()]

    def _beside(self, network: nn.Module, mask: Tensor) -> dict[str, Tensor]:
        if self.name is None:
            return {}
        if self.what == "lengths":
            lengths = mask.sum(dim=1)  # (n,)
            packed = any(isinstance(one, nn.RNNBase) for one in network.modules())
            return {self.name: lengths.cpu() if packed else lengths}  # packing wants the CPU
        return {self.name: (mask if self.what == "real" else ~mask).to(self.dtype)}

    def in_words(self) -> str:
        """Return the call as in Python."""
        beside = {
            None: "",
            "lengths": f", {self.name}=number of words",
            "real": f", {self.name}=true at words",
            "padding": f", {self.name}=true at padding",
        }[self.what]
        return f"forward({'ids (t, n)' if self.turned else 'ids'}{beside})"


@final
class SplitText(nn.Module):
    """A plain network of ids as a `TextModule`.

    Parameters
    ----------
    network : Module
        Maps token ids to logits (n, k).
    name : str
        Of its word embedding.
    call : Call
        How it is called.
    pad, placeholder : int
        Ids of padding, and of any word that is no padding.
    """

    def __init__(
        self, network: nn.Module, *, name: str, call: Call, pad: int, placeholder: int
    ) -> None:
        super().__init__()
        self.network = network
        self.name = name
        self.call = call
        self.pad = pad
        self.placeholder = placeholder

    def embed(self, ids: Tensor) -> Tensor:
        """Map token ids (n, t) to embeddings (n, t, d)."""
        return self.network.get_submodule(self.name)(ids)

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Map embeddings (n, t, d) and mask (n, t), True at real tokens, to logits (n, k)."""
        ids = torch.full(mask.shape, self.pad, device=mask.device)
        ids[mask] = self.placeholder
        given = embeddings
        if self.call.what == "lengths":  # in the order in which the call sorts
            given = given[mask.sum(dim=1).argsort(descending=True, stable=True)]
        if self.call.turned:
            given = given.transpose(0, 1)
        with _answering(self.network.get_submodule(self.name), lambda _: given):
            output = self.call(self.network, ids, mask)
        assert isinstance(output, Tensor)
        return output

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Map token ids (n, t) and mask (n, t) to logits (n, k), by the network alone."""
        output = self.call(self.network, ids, mask)
        assert isinstance(output, Tensor)
        return output


@contextmanager
def _answering(module: nn.Module, answer: Callable[[object], object]) -> Generator[None]:
    """Within the block a module answers with what a function makes of its output."""
    hook = module.register_forward_hook(lambda _module, _inputs, output: answer(output))
    try:
        yield
    finally:
        hook.remove()


def plain_network(module: nn.Module) -> nn.Module:
    """Return the network without what auditkit put around it."""
    return module.network if isinstance(module, SplitText) else module


@final
@dataclass(frozen=True, kw_only=True)
class Found:
    """How a network is split, and what was noticed.

    Parameters
    ----------
    module : SplitText
        The network, split.
    reach : int
        The longest text that it reads, at most 512 where it reads any.
    padded : bool
        Whether its answers depend on how far a text is padded.
    outputs : int
        Numbers that it answers with.
    """

    module: SplitText
    reach: int
    padded: bool
    outputs: int


def split(
    network: nn.Module,
    *,
    name: str,
    rows: int,
    pad: int,
    special: Sequence[int] = (),
    max_length: int | None = None,
    calls: Sequence[Call] | None = None,
) -> Found:
    """Return a network, split at its word embedding and proven to answer as before.

    Parameters
    ----------
    network : Module
        `forward` takes ids (n, t) or (t, n), and at most a mask or the lengths beside.
    name : str
        Of the network, for messages.
    rows : int
        Of its word embedding.
    pad : int
        Id of padding.
    special : sequence of int
        Ids of other tokens that are no words.
    max_length : int, optional
        Tokens that it shall read; some networks read exactly so many.
    calls : sequence of Call, optional
        How it may be called; by default all that its `forward` allows.

    Raises
    ------
    ModelError
        If it cannot be called, has no word embedding, or answers otherwise once it is split.
    """
    network.eval().requires_grad_(False)
    makes = _Maker(rows, pad, tuple(special))
    trial = _trial(network, name, makes, max_length, calls or _calls(network, name))
    embedding = _embedding(network, name, trial, rows)
    ordinary = (one for one in range(rows) if one not in (pad, *special))
    module = SplitText(
        network, name=embedding, call=trial.call, pad=pad, placeholder=next(ordinary, 1 - pad)
    )
    _prove(module, name, trial.texts)
    return Found(
        module=module,
        reach=_reach(trial.call, network, makes, known=trial.texts.ids.shape[1], wanted=max_length),
        padded=not trial.steady,
        outputs=trial.output.shape[-1] if trial.output.ndim == 2 else 1,
    )


def word_embeddings(network: nn.Module) -> dict[str, int]:
    """Return the rows of every embedding of a network, by its name."""
    return {
        name: one.num_embeddings
        for name, one in network.named_modules()
        if isinstance(one, nn.Embedding | nn.EmbeddingBag)
    }


def _rows(module: nn.Module) -> int:
    assert isinstance(module, nn.Embedding)
    return module.num_embeddings


# --- how it is called ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Texts:
    """Made-up texts: ids (n, t) and mask (n, t), True at real tokens."""

    ids: Tensor
    mask: Tensor

    def shorter(self) -> _Texts:
        """Return the texts without the columns that only the longest of them fills."""
        width = int(self.mask[1:].sum(dim=1).max())
        return _Texts(self.ids[:, :width], self.mask[:, :width])

    def alone(self, row: int) -> _Texts:
        """Return one text without any padding."""
        n = int(self.mask[row].sum())
        return _Texts(self.ids[row : row + 1, :n], self.mask[row : row + 1, :n])


@dataclass(frozen=True)
class _Maker:
    """Makes up texts of a vocabulary."""

    rows: int
    pad: int
    special: tuple[int, ...]

    def texts(self, width: int) -> _Texts:
        """Return four texts, all but the longest of them padded to `width` tokens."""
        lengths = [max(1, width * part // 8) for part in (8, 3, 6, 5)]
        rng = torch.Generator().manual_seed(0)
        ids = torch.randint(0, self.rows, (4, width), generator=rng)
        ids[ids == self.pad] = 1 if self.pad == 0 else self.pad - 1
        mask = torch.arange(width)[None] < torch.tensor(lengths)[:, None]
        for i, one in enumerate(self.special):  # a network may look for such a token
            ids[:, (i + 1) * (width - 1) // (len(self.special) + 1)] = one
        return _Texts(ids.masked_fill(~mask, self.pad), mask)


@dataclass(frozen=True)
class _Trial:
    call: Call
    texts: _Texts
    output: Tensor
    steady: bool  # whether padding changes nothing


def _trial(
    network: nn.Module,
    name: str,
    makes: _Maker,
    max_length: int | None,
    calls: Sequence[Call],
) -> _Trial:
    """Return the first way to call a network in which padding changes nothing, or else any."""
    widths = (min(_TRIED, max_length or _TRIED), *([max_length] if max_length else []))
    reasons: list[str] = []
    for width in dict.fromkeys(widths):
        texts = makes.texts(width)
        found: list[_Trial] = []
        for call in calls:
            try:
                output = _output(call, network, texts)
            except _BROKEN as error:
                reasons.append(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
                continue
            found.append(_Trial(call, texts, output, _steady(call, network, texts, output)))
            if found[-1].steady:
                return found[-1]
        if found:
            return found[0]
    raise ModelError(
        f"{name} cannot read token ids of shape (4, {widths[-1]}): {reasons[0]}.",
        hint="Its forward takes ids (n, t), and at most a mask or the lengths; where it reads"
        " texts of"
        " one length alone, add: --max-length N",
    )


_BROKEN = (
    RuntimeError,
    ValueError,
    TypeError,
    IndexError,
    AssertionError,
    AttributeError,
    KeyError,
)


def _calls(network: nn.Module, name: str) -> list[Call]:
    """Return the ways in which a network may want to be called, the most usual first."""
    taken = list(inspect.signature(network.forward).parameters.values())
    positional = [one for one in taken if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    needed = [one.name for one in positional[1:] if one.default is one.empty]
    optional = [one.name for one in positional[1:] if one.default is not one.empty]
    if len(needed) > 1:
        raise ModelError(
            f"forward of {name} takes {', '.join(one.name for one in positional)}; auditkit"
            " passes ids,"
            " and a mask or the lengths.",
            hint="Wrap it in a class with forward(ids) or forward(ids, mask), and name that: --arch"
            " module:Class",
        )
    beside = needed or [one for one in optional if _says(one, (*_MASK_WORDS, *_LENGTH_WORDS))]
    plain = [Call()] if not needed else []
    found = [*_named(beside[0]), *plain] if beside else plain
    return [*found, *(Call(name=c.name, what=c.what, dtype=c.dtype, turned=True) for c in found)]


def _named(name: str) -> Iterator[Call]:
    lengths = Call(name=name, what="lengths")
    order: tuple[Mask, Mask] = ("padding", "real") if _says(name, ("pad",)) else ("real", "padding")
    masks = [
        Call(name=name, what=what, dtype=dtype)
        for dtype in (torch.bool, torch.int64, torch.float32)
        for what in order
    ]
    if _says(name, _MASK_WORDS):
        yield from masks
    elif _says(name, _LENGTH_WORDS):
        yield lengths
    else:
        yield from (*masks, lengths)


def _says(name: str, parts: Sequence[str]) -> bool:
    return any(part in name.lower() for part in parts)


@torch.no_grad()
def _output(call: Call, network: nn.Module, texts: _Texts) -> Tensor:
    """Return what a network answers, if it is one row per text."""
    output: Any = call(network, texts.ids, texts.mask)
    if not isinstance(output, Tensor):
        raise TypeError(f"it returned {type(output).__name__}, expected a tensor (n, k)")
    if output.ndim not in (1, 2) or len(output) != len(texts.ids):
        raise ValueError(
            f"it returned shape {tuple(output.shape)} for {len(texts.ids)} texts, expected (n, k)"
        )
    if not output.isfinite().all():
        raise ValueError("it returned values that are not finite")
    return output


def _steady(call: Call, network: nn.Module, texts: _Texts, output: Tensor) -> bool:
    """Say whether less padding, and a text without any, give the same answers."""
    with suppress(*_BROKEN):  # a network that reads one length alone cannot read another
        shorter = _output(call, network, texts.shorter())
        alone = _output(call, network, texts.alone(1))
        return _alike(shorter[1:], output[1:]) and _alike(alone[0], output[1])
    return False


def _alike(first: Tensor, second: Tensor) -> bool:
    scale = float(second.abs().max()) + 1e-3
    return bool((first - second).abs().max() <= _CLOSE * scale)


# --- where it is split ---------------------------------------------------------------------------


def _embedding(network: nn.Module, name: str, trial: _Trial, rows: int) -> str:
    """Return the name of the embedding that reads the ids as they are."""
    readers: dict[str, nn.Module] = {}
    given = trial.texts.ids
    wanted = sorted(given.flatten().tolist())

    def watch(where: str) -> Callable[[nn.Module, tuple[object, ...]], None]:
        def look(module: nn.Module, inputs: tuple[object, ...]) -> None:
            ids = inputs[0] if inputs else None
            if isinstance(ids, Tensor) and sorted(ids.flatten().tolist()) == wanted:
                readers[where] = module

        return look

    hooks = [
        module.register_forward_pre_hook(watch(where))
        for where, module in network.named_modules()
        if isinstance(module, nn.Embedding | nn.EmbeddingBag)
    ]
    try:
        _output(trial.call, network, trial.texts)
    finally:
        for hook in hooks:
            hook.remove()
    if any(isinstance(one, nn.EmbeddingBag) for one in readers.values()):
        raise ModelError(
            f"{name} averages its words inside an nn.EmbeddingBag, so no vectors of single"
            " words can be"
            " handed to the rest of it.",
            hint="Replace it by nn.Embedding with the same weight and a mean over the words.",
        )
    if len(readers) > 1:
        readers = {where: one for where, one in readers.items() if _rows(one) == rows} or readers
    if len(readers) != 1:
        many = (
            f"{len(readers)} embeddings of {name} read"
            if readers
            else f"No nn.Embedding of {name} reads"
        )
        raise ModelError(
            f"{many} the token ids, expected one: between it and the rest, the network is split.",
            hint="Give the network embed(ids) and forward_embeddings(embeddings, mask): see the"
            " docs,"
            " how-to 'Audit your own text model'.",
        )
    return next(iter(readers))


@torch.no_grad()
def _prove(module: SplitText, name: str, texts: _Texts) -> None:
    """Compare the network as it is with the network that was split."""
    whole = module(texts.ids, texts.mask)
    parts = module.forward_embeddings(module.embed(texts.ids), texts.mask)
    if whole.shape != parts.shape or not _alike(parts, whole):
        gap = float((whole - parts).abs().max()) if whole.shape == parts.shape else float("nan")
        raise ModelError(
            f"{name} uses its token ids in more places than its embedding {module.name}: split"
            " there,"
            f" its logits differ by up to {gap:.2g}.",
            hint="Give the network embed(ids) and forward_embeddings(embeddings, mask): see the"
            " docs,"
            " how-to 'Audit your own text model'.",
        )


def _reach(call: Call, network: nn.Module, makes: _Maker, *, known: int, wanted: int | None) -> int:
    """Return the longest text that a network reads, at most 512 or `wanted` where it reads any."""

    def reads(width: int) -> bool:
        with suppress(*_BROKEN):
            _output(call, network, makes.texts(width).alone(0))
            return True
        return False

    low, high = known, max(wanted or _FAR, known)
    if reads(high):
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if reads(middle) else (low, middle)
    return low
