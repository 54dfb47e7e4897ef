"""Finds the weights of a network in a saved file, and their names without prefixes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias, final

from auditkit.models.archives import TensorFacts, pairs_of, tensor_facts
from auditkit.models.pickles import Value

Path: TypeAlias = tuple[str | int, ...]  # keys from the outside to the inside of a file

# Where training scripts put weights, the most usual first; averages are a copy of them.
_USUAL = (
    *("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights"),
    *("params", "module", "classifier", "student", "best_model", "best_state"),
)
_AVERAGES = (
    *("ema", "model_ema", "ema_model", "state_dict_ema", "ema_state_dict", "model_ema_state_dict"),
    *("params_ema", "swa", "swa_state_dict", "teacher"),
)
_NOT_WEIGHTS = ("optim", "sched", "scaler", "rng", "history", "metric", "callback", "loop", "loss")
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
_EXTRAS = ("total_ops", "total_params", "n_averaged")  # counters of thop, of torch.optim.swa_utils
_COPIES = ("ema.", "model_ema.", "ema_model.", "module_ema.", "ema_module.")
_COUNTER = "num_batches_tracked"
_UNUSUAL = 200  # rank of a key that nobody knows
_DEEPEST, _LONGEST = 4, 16  # levels of nesting, and entries of a list, that are looked at


@final
@dataclass(frozen=True, kw_only=True)
class Nest:
    """A dictionary with tensors somewhere in a file.

    Parameters
    ----------
    path : tuple of str or int
        The keys that lead to it; empty for the file's own content.
    tensors : dict of TensorFacts
        By the name in the file.
    others : tuple of str
        Entries that are no tensors.
    """

    path: Path
    tensors: dict[str, TensorFacts]
    others: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """The keys in words."""
        return " / ".join(map(str, self.path)) or "(top)"


@final
@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The weights that are taken from a file.

    Parameters
    ----------
    nest : Nest, optional
        None where there are none, or several with equal right.
    passed_over : tuple of Nest
        Other dictionaries with tensors.
    beside : tuple of str
        Everything else at the top of the file.
    """

    nest: Nest | None
    passed_over: tuple[Nest, ...] = ()
    beside: tuple[str, ...] = ()


def path_of(key: str) -> tuple[str, ...]:
    """Return the keys that a user typed in one word, as in "model / module"."""
    return tuple(part.strip() for part in key.split("/"))


def find_weights(content: Value, wanted: str | None = None) -> Chosen:
    """Return the weights in what a file holds.

    A dictionary under a usual key such as "state_dict" comes before a moving average, and both
    before others. Among others, the only one with a tensor called "weight" is taken.

    Parameters
    ----------
    content : Value
        As read by `pickles.read_pickle`.
    wanted : str, optional
        Keys that lead to the weights to take, where there are some; the usual ones otherwise.
    """
    nests = [one for one in _nests(content, (), set(), 0) if _like_weights(one)]
    top = tuple(str(key) for key, _ in pairs_of(content))
    if not nests:
        return Chosen(nest=None, beside=top)
    best = min(map(_rank, nests))
    alike = [one for one in nests if _rank(one) == best]
    nest = alike[0] if len(alike) == 1 else None
    if wanted is not None:
        named = (one for one in nests if tuple(map(str, one.path)) == path_of(wanted))
        nest = next(named, nest)
    others = tuple(one for one in nests if one is not nest)
    inside = {str(one.path[0]) for one in nests if one.path}
    beside = nest.others if nest and not nest.path else top
    return Chosen(
        nest=nest,
        passed_over=others,
        beside=tuple(one for one in beside if one not in inside),
    )


def _like_weights(nest: Nest) -> bool:
    """Tell weights from a loss or a score that was saved as a tensor."""
    alone = not nest.others and _rank(nest) < _UNUSUAL
    return alone or any(map(_is_weight, nest.tensors))


def _is_weight(name: str) -> bool:
    return name.rpartition(".")[2].startswith(("weight", "bias", "kernel")) or "." in name


def _rank(nest: Nest) -> int:
    """Return how usual the place is; lower is better."""
    ranks = [_rank_of(key) for key in nest.path if isinstance(key, str)]
    return max(ranks, default=0)


def _rank_of(key: str) -> int:
    if key in _AVERAGES:
        return 100
    return _USUAL.index(key) + 1 if key in _USUAL else _UNUSUAL


def _nests(value: Value, path: Path, seen: set[int], depth: int) -> Iterator[Nest]:
    """Yield dictionaries with tensors; each container once, so that no knot costs time."""
    if depth > _DEEPEST or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, list | tuple):
        for i, entry in enumerate(value[:_LONGEST]):
            yield from _nests(entry, (*path, i), seen, depth + 1)
        return
    pairs = [(key, entry) for key, entry in pairs_of(value) if isinstance(key, str)]
    found = {key: facts for key, entry in pairs if (facts := tensor_facts(entry, key))}
    if found:
        others = tuple(key for key, _ in pairs if key not in found)
        yield Nest(path=path, tensors=found, others=others)
    for key, entry in pairs:
        if key not in found and not any(word in key.lower() for word in _NOT_WEIGHTS):
            yield from _nests(entry, (*path, key), seen, depth + 1)


# --- names ---------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, kw_only=True)
class Reading:
    """Tensors under the names that a network may know them by.

    Parameters
    ----------
    names : dict
        Name in the file of each tensor, by its name without the prefix.
    tensors : dict of TensorFacts
        The same tensors, and the counters that are filled in.
    prefix : str
        What was taken off every name.
    left_out : tuple of str
        Names in the file of counters and copies that no network needs.
    filled : tuple of str
        Counters of batch normalisation that are missing; they change no answer.
    """

    names: dict[str, str]
    tensors: dict[str, TensorFacts]
    prefix: str = ""
    left_out: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor by name."""
        return {name: one.shape for name, one in self.tensors.items()}

    def without(self, names: Iterable[str]) -> Reading:
        """Return the same without some tensors."""
        gone = set(names)
        return replace(
            self,
            names={new: old for new, old in self.names.items() if new not in gone},
            tensors={name: one for name, one in self.tensors.items() if name not in gone},
            left_out=(*self.left_out, *(self.names[one] for one in gone if one in self.names)),
            filled=tuple(one for one in self.filled if one not in gone),
        )


def readings(tensors: Mapping[str, TensorFacts]) -> list[Reading]:
    """Return the tensors with every number of shared prefixes taken off, none first."""
    kept = {name: one for name, one in tensors.items() if not _is_extra(name)}
    bare = {name: one for name, one in kept.items() if not name.startswith(_COPIES)}
    kept = bare or kept
    left_out = tuple(name for name in tensors if name not in kept)
    return [
        _reading({name.removeprefix(prefix): name for name in kept}, kept, prefix, left_out)
        for prefix in _shared(kept)
    ]


def _is_extra(name: str) -> bool:
    return name.rpartition(".")[2] in _EXTRAS


def _shared(names: Iterable[str]) -> list[str]:
    """Return the prefixes that all names share, shortest first, beginning with none."""
    left, found = list(names), [""]
    while left:
        prefix = next((one for one in _PREFIXES if all(n.startswith(one) for n in left)), None)
        if prefix is None:
            break
        left = [name.removeprefix(prefix) for name in left]
        found.append(found[-1] + prefix)
    return found


def _reading(
    names: dict[str, str],
    tensors: Mapping[str, TensorFacts],
    prefix: str,
    left_out: tuple[str, ...],
) -> Reading:
    facts: dict[str, TensorFacts] = {}
    filled: list[str] = []
    for new, old in names.items():
        facts[new] = replace(tensors[old], name=new)
        start, _, last = new.rpartition(".")
        counter = f"{start}.{_COUNTER}" if start else _COUNTER
        if last == "running_var" and counter not in names:
            facts[counter] = TensorFacts(name=counter, shape=(), dtype="int64")
            filled.append(counter)
    return Reading(
        names=names, tensors=facts, prefix=prefix, left_out=left_out, filled=tuple(filled)
    )


def nearest(options: list[Reading], wanted: Iterable[str]) -> Reading:
    """Return the reading whose names are most like those that a network wants."""
    names = set(wanted)
    best = max(options, key=lambda one: len(names & set(one.tensors)))
    return best.without(
        name for name in best.tensors if name.endswith(_COUNTER) and name not in names
    )


def renamed(reading: Reading, names: Mapping[str, str]) -> Reading:
    """Return the same tensors under other names.

    Parameters
    ----------
    reading : Reading
        The tensors.
    names : dict
        Name in `reading` of each tensor, by its new name.
    """
    return replace(
        reading,
        names={new: reading.names[old] for new, old in names.items() if old in reading.names},
        tensors={new: replace(reading.tensors[old], name=new) for new, old in names.items()},
        filled=tuple(new for new, old in names.items() if old in reading.filled),
    )
