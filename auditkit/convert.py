"""Writes a bundle from a file that was read with options, so that they need not be typed again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from auditkit.data.catalogue import DATA
from auditkit.models.architectures import Factory, describe
from auditkit.models.bundle import save
from auditkit.models.classifier import Classifier, Identity
from auditkit.models.texts.split import plain_network
from auditkit.subject import SubjectSpec, examine, load_model_of, load_subject, settle


@final
@dataclass(frozen=True, kw_only=True)
class Converted:
    """A bundle that was written.

    Parameters
    ----------
    path : Path
        Where it is.
    notes : tuple of str
        What was detected or assumed; the bundle's card repeats it.
    doubt : str, optional
        What speaks against its preprocessing.
    next_command : str
        What to type to audit it.
    """

    path: Path
    notes: tuple[str, ...]
    doubt: str | None
    next_command: str


def convert(spec: SubjectSpec, out: Path) -> Converted:
    """Load a model as `audit run` does, and write it as a bundle.

    Parameters
    ----------
    spec : SubjectSpec
        The model and, where they are to decide or to check something, data.
    out : Path
        Where to write.

    Raises
    ------
    AuditkitError
        If the model or the data cannot be loaded, or the model cannot be written.
    """
    spec = settle(spec)
    doubt = None
    if spec.data is None:
        model = load_model_of(spec)
    else:
        subject = examine(load_subject(spec), seed=spec.seed)
        model, doubt = subject.model, subject.doubt
    named = spec.data.source if spec.data is not None and spec.data.source in DATA else None
    notes = model.identity.notes
    model.identity = _with_card(model.identity, data=named)
    save(model, out)
    return Converted(path=out, notes=notes, doubt=doubt, next_command=_next(model, out))


def _with_card(identity: Identity, *, data: str | None) -> Identity:
    facts = {"converted from": f"{identity.name}, SHA-256 {identity.sha256}"}
    if identity.notes:
        facts["assumed when it was converted"] = " ".join(identity.notes)
    return replace(identity, data=data or identity.data, card={**identity.card, **facts})


def _next(model: Classifier, out: Path) -> str:
    architecture = describe(plain_network(model.module))
    needed = f" --arch {architecture.name}" if isinstance(architecture, Factory) else ""
    data = "" if model.identity.data else " --data DATA"
    return f"audit run {out}{needed}{data}"
