"""The networks of the flaw bench: found beside the package or in the cache, else trained."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeAlias, final

from auditkit.errors import ModelError
from auditkit.models.bundle import load_bundle, save
from auditkit.models.classifier import Classifier
from auditkit.selftest.code import code_behind
from auditkit.types import Scalar

VARIABLE = "AUDITKIT_CACHE"
COMMITTED = Path(str(resources.files("auditkit.selftest") / "weights"))
TRAINING = 1  # raised when data or training outside this package change what is learned

P = ParamSpec("P")
Teach: TypeAlias = Callable[Concatenate[int, P], Classifier]


def cache_folder() -> Path:
    """Return where trained networks are kept; the variable AUDITKIT_CACHE names another place."""
    import platformdirs

    root = os.environ.get(VARIABLE) or platformdirs.user_cache_dir("auditkit")
    return Path(root) / "selftest"


def _nobody(_line: str) -> None:
    pass


@final
@dataclass(frozen=True, kw_only=True)
class Store:
    """Where networks are looked for, and where those that are missing go.

    Parameters
    ----------
    read : tuple of Path
        Folders, searched in this order.
    write : Path, optional
        Where networks that are nowhere are put once they were trained; without it they are missed.
    told : callable
        Called with a line before each training.
    """

    read: tuple[Path, ...]
    write: Path | None = None
    told: Callable[[str], None] = _nobody

    def taught(
        self, teach: Teach[P], seed: int, *parents: P.args, **settings: P.kwargs
    ) -> Classifier:
        """Return what `teach(seed, *parents, **settings)` returns, from a file where there is one.

        The file's name holds a hash of what decides what is learned: the code behind `teach` within
        this package, the parents' weights, the settings, the seed and `TRAINING`. So a stale file
        is not found.

        Raises
        ------
        ModelError
            If there is no such file and nothing may be trained.
        """
        name = file_name(teach, seed, _hashes(parents), _plain(settings))
        if found := self.find(name):
            return load_bundle(found, known=True)
        if self.write is None:
            raise ModelError(
                f"The network {name} has not been trained.",
                hint="Train what is missing, some seconds each: audit selftest --train",
            )
        self.told(f"training {name}")
        self.write.mkdir(parents=True, exist_ok=True)
        save(teach(seed, *parents, **settings), self.write / name)
        return load_bundle(self.write / name)

    def find(self, name: str) -> Path | None:
        """Return the first file of this name, or None."""
        folders = self.read if self.write is None else (*self.read, self.write)
        return next((place for one in folders if (place := one / name).is_file()), None)


def _hashes(parents: tuple[object, ...]) -> list[str]:
    hashes: list[str] = []
    for one in parents:
        assert isinstance(one, Classifier)
        hashes.append(one.identity.sha256)
    return hashes


def _plain(settings: Mapping[str, object]) -> dict[str, Scalar]:
    plain: dict[str, Scalar] = {}
    for name, value in settings.items():
        assert isinstance(value, str | int | float)  # reads the same in every run
        plain[name] = value
    return plain


def file_name(
    teach: Callable[..., Classifier],
    seed: int,
    parents: Sequence[str],
    settings: Mapping[str, Scalar],
) -> str:
    """Return the name of the file that holds one trained network."""
    facts = (TRAINING, teach.__name__, seed, list(parents), sorted(settings.items()))
    text = "\n".join([repr(facts), code_behind(teach)])
    flaw = teach.__module__.rpartition(".")[2].replace("_", "-")
    return f"{flaw}-{seed}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.safetensors"
