"""Does this installation work? Packages, weights, a first prediction, the device."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import final

import numpy as np

from auditkit.percent import percent

TORCH_FLOOR = (2, 10)  # older versions run code from files that look safe


@final
@dataclass(frozen=True)
class Examination:
    """One thing that was looked at."""

    what: str
    fine: bool
    found: str

    def as_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return {"id": self.what, **asdict(self)}


def examine() -> list[Examination]:
    """Look at everything an audit needs; what is broken is said, never raised."""
    looks: dict[str, Callable[[], tuple[bool, str]]] = {
        "python": lambda: (True, f"{platform.python_version()} on {platform.system()}"),
        "torch": _torch,
        "packages": _packages,
        "weights": _weights,
        "prediction": _prediction,
        "charts": _charts,
        "temporary folder": _temporary,
        "chromium": lambda: (True, shutil.which("chromium") or "absent (only needed for tests)"),
    }
    return [_looked(what, look) for what, look in looks.items()]


def _looked(what: str, look: Callable[[], tuple[bool, str]]) -> Examination:
    try:
        fine, found = look()
    except Exception as error:  # noqa: BLE001 - a broken installation can raise anything
        fine, found = False, f"{type(error).__name__}: {error}"
    return Examination(what, fine, found)


def _torch() -> tuple[bool, str]:
    import torch

    major, minor = (int(part) for part in torch.__version__.split(".")[:2])
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    text = f"{torch.__version__}, {device}, {os.cpu_count()} cores"
    if (major, minor) < TORCH_FLOOR:
        return False, f"{text}: too old to load files safely, run: pip install 'torch>=2.10'"
    return True, text


def _packages() -> tuple[bool, str]:
    names = ("captum", "foolbox", "scikit-learn", "pandas", "pyarrow", "tokenizers", "altair")
    return True, ", ".join(f"{name} {metadata.version(name)}" for name in names)


def _weights() -> tuple[bool, str]:
    import hashlib

    from auditkit.models.catalogue import MODELS

    for name, card in MODELS.items():
        content = card.weights.read_bytes()
        if hashlib.sha256(content).hexdigest() != card.measured.sha256:
            return False, f"{name}: the weights differ from the card's hash; reinstall auditkit"
    return True, f"{len(MODELS)} built-in models, hashes match"


def _prediction() -> tuple[bool, str]:
    from auditkit.artifacts.base import Artifacts
    from auditkit.artifacts.predictions import Predictions
    from auditkit.data.load import DataSpec, load_data
    from auditkit.models.load import ModelSpec, load_model

    model = load_model(ModelSpec(source="digits-cnn"))
    data = load_data(DataSpec(source="digits"), model)
    shard = Artifacts(model, data, np.arange(min(50, len(data))))
    share = float(shard[Predictions].correct.float().mean())
    return (
        share > 0.8,
        f"digits-cnn classifies {percent(share, 0)} of {len(shard)} digits correctly",
    )


def _charts() -> tuple[bool, str]:
    import vl_convert

    mark = {"mark": "point", "data": {"values": [{"a": 1}]}, "encoding": {"x": {"field": "a"}}}
    svg = vl_convert.vegalite_to_svg(mark)
    return svg.startswith("<svg"), f"vl-convert {metadata.version('vl-convert-python')} draws"


def _temporary() -> tuple[bool, str]:
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
    return True, tempfile.gettempdir()
