"""Mirrors auditkit/checks/bias/group_alarms.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from auditkit.checks.base import Context, Measured, NotApplicable, Records
from auditkit.checks.bias.group_alarms import GroupAlarms, alarms
from auditkit.errors import ConfigError
from auditkit.findings import Note
from auditkit.models.classifier import ImageClassifier
from auditkit.statistics import newcombe
from tests.subjects import Subject, image_data, measured, values

CHECK = GroupAlarms(permutations=200)
REVEALS = "alarms_gap"


def subject(*, faint: float, n: int = 240) -> Subject:
    """Bright and dark images of two groups; those of one are so much fainter."""
    rng = torch.Generator().manual_seed(0)
    side = torch.where(torch.arange(n) % 2 == 0, 1.0, -1.0)
    groups = torch.arange(n) // 2 % 2
    strength = 0.3 * torch.where(groups == 1, faint, 1.0) + 0.1 * torch.rand(n, generator=rng)
    images = (0.5 + side * strength)[:, None, None, None].expand(n, 1, 2, 2).contiguous()
    layer = nn.Linear(4, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[-2.0], [2.0]]).expand(2, 4))
        layer.bias.copy_(torch.tensor([4.0, -4.0]))
    model = ImageClassifier(
        nn.Sequential(nn.Flatten(), layer), classes=("0", "1"), input_shape=(1, 2, 2)
    )
    names = np.array(["plain", "faint"])[groups.numpy()].tolist()
    data = image_data(images, (side > 0).long(), attributes={"s": names}, sensitive=("s",))
    return Subject(model, data)


def broken() -> Subject:
    """Less sure of one group, whose inputs look strange for that alone."""
    return subject(faint=0.3)


def sound() -> Subject:
    return subject(faint=1.0)


def read(scores: np.ndarray, part: np.ndarray, one: Subject) -> Measured | NotApplicable:
    records = Records(one.data.ids, part=part, **{"energy/inputs": scores})  # type: ignore[arg-type]
    context = Context(data=one.data, seed=0, others={"out-of-distribution": records})
    return CHECK.summarise(Records(one.data.ids), context)


def test_alarms_of_one_group_are_told_from_alarms_of_all() -> None:
    outcome = measured(CHECK, broken())
    found = values(outcome)
    assert found["quiet/s=plain"] == 1
    gap = next(one for one in outcome.findings if one.metric == "alarms_gap")
    assert gap.value == pytest.approx(1 - found["quiet/s=faint"])  # type: ignore[operator]
    assert gap.low > 0  # type: ignore[operator]
    assert outcome.headline == gap.id
    assert found["alarms_gap_p/s"] == pytest.approx(1 / 201)
    note = outcome.evidence["monitor"]
    assert isinstance(note, Note)
    assert "of 120" in note.text
    even = next(one for one in measured(CHECK, sound()).findings if one.metric == "alarms_gap")
    assert even.low == 0


def test_equals_a_count_by_hand() -> None:
    one, rng = sound(), np.random.default_rng(0)
    scores, part = rng.random(240), np.repeat([0, 1, 2, 1], 60)
    outcome = read(scores, part, one)
    assert isinstance(outcome, Measured)
    cut = {1: np.quantile(scores[part == 2], 0.9), 2: np.quantile(scores[part == 1], 0.9)}
    flagged = np.array([p > 0 and s > cut[int(p)] for s, p in zip(scores, part, strict=True)])
    group = one.data.attributes["s"].to_numpy()
    counts = {g: int(flagged[(group == g) & (part > 0)].sum()) for g in ("plain", "faint")}
    found = values(outcome)
    for g, count in counts.items():
        assert found[f"quiet/s={g}"] == pytest.approx(1 - count / 90)
    gap = next(each for each in outcome.findings if each.metric == "alarms_gap")
    assert gap.value == pytest.approx(abs(counts["plain"] - counts["faint"]) / 90)
    most, least = max(counts.values()), min(counts.values())
    assert gap.high == pytest.approx(newcombe(most, 90, least, 90).high, abs=0.02)


def test_as_many_are_flagged_as_asked_for() -> None:
    rng = np.random.default_rng(0)
    flagged = alarms(rng.random(4000), rng.random(4000) < 0.5, 0.1)
    assert flagged.mean() == pytest.approx(0.1, abs=0.02)
    assert not alarms(np.ones(10), np.arange(10) < 5, 0.1).any()


def test_it_reads_what_was_recorded() -> None:
    data = sound().data
    outcome = CHECK.summarise(Records(data.ids), Context(data=data, seed=0, others={}))
    assert isinstance(outcome, NotApplicable)
    outcome = GroupAlarms(score="unheard-of").summarise(
        Records(data.ids),
        Context(data=data, seed=0, others={"out-of-distribution": Records(data.ids)}),
    )
    assert isinstance(outcome, NotApplicable)


@pytest.mark.parametrize("name", ["minimum_n", "permutations", "rate"])
def test_impossible_parameters_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        GroupAlarms(**{name: 0})  # type: ignore[arg-type]
