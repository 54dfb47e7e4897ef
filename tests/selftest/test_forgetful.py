"""Mirrors auditkit/selftest/forgetful.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from auditkit.data import digits
from auditkit.selftest import forgetful, teach
from auditkit.selftest.forgetful import negative, retaught


def test_twins_differ_in_what_is_rehearsed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[torch.Tensor, torch.Tensor, object]] = []

    def fit(_module: nn.Module, images: torch.Tensor, labels: torch.Tensor, how: object) -> None:
        seen.append((images, labels, how))

    monkeypatch.setattr(forgetful, "fit_image", fit)
    parent = teach.as_digit_reader(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)))
    children = [retaught(3, parent, rehearsed=share) for share in (0.0, 0.333)]
    (alone, labels, how), (both, same_labels, same_how) = seen
    clean = teach.images_of(digits.load("train"))
    assert how == same_how
    assert torch.equal(labels, same_labels)
    assert torch.equal(alone, negative(clean))
    kept = (both == clean).flatten(1).all(1)
    assert abs(float(kept.float().mean()) - 1 / 3) < 0.05
    assert torch.equal(both[~kept], alone[~kept])
    assert all(one.module is not parent.module for one in children)  # the parent stays as it was
