"""Mirrors auditkit/checks/attribution/attribution_gap.py and _leading_parts.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from auditkit.checks.attribution.attribution_gap import AttributionGap
from auditkit.checks.base import Context, Measured, NotApplicable, Records
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError
from auditkit.findings import Bars, Finding, Note, Table
from auditkit.models.classifier import ImageClassifier
from auditkit.statistics import clopper_pearson, gap_of_means, gap_of_shares
from tests.checks.attribution.test_attribution_trust import text_data
from tests.methods.saliency.nets import word_model
from tests.subjects import Subject, image_data, measured, table_subject, values

CHECK = AttributionGap(minimum_n=5, permutations=200)
REVEALS = "deletion_gain_gap"
IG = "method=integrated-gradients"


class Rippled(nn.Module):
    """The left half decides; where the first pixel is bright, ripples on the right drown slopes."""

    def __init__(self) -> None:
        super().__init__()
        weight = torch.zeros(4, 4)
        weight[:, :2] = torch.tensor([4.0, -6.0, 8.0, -5.0])[:, None]
        weight[0, 0] = 0
        self.weight = nn.Parameter(weight)
        self.waves = nn.Parameter(torch.zeros(4, 4).index_fill(1, torch.tensor([2, 3]), 300.0))

    def forward(self, images: Tensor) -> Tensor:
        image = images[:, 0]
        plain = ((image - 0.5) * self.weight).sum(dim=(1, 2))
        ripple = (image * self.waves).sum(dim=(1, 2)).sin()
        return (plain + 0.2 * (image[:, 0, 0] > 0.7) * ripple)[:, None]


def sites(*, alike: bool, n: int = 60) -> Subject:
    """Images of two sites; those of site a have a bright first pixel, unless they are alike."""
    rng = torch.Generator().manual_seed(2)
    images = 0.3 + 0.3 * torch.rand(n, 1, 4, 4, generator=rng)
    images[:, 0, 0, 0] = 0.4
    if not alike:
        images[: n // 2, 0, 0, 0] = 1.0
    model = ImageClassifier(Rippled(), classes=("0", "1"), input_shape=(1, 4, 4))
    labels = model.predict(images).argmax(dim=1)
    names: dict[str, Sequence[str]] = {"site": ["a"] * (n // 2) + ["b"] * (n // 2)}
    return Subject(model, image_data(images, labels, attributes=names, sensitive=("site",)))


def broken() -> Subject:
    """Slopes are drowned at one site and not at the other."""
    return sites(alike=False)


def sound() -> Subject:
    """Both sites are explained alike."""
    return sites(alike=True)


def data_of(groups: list[str], column: str = "site") -> Dataset:
    n = len(groups)
    return image_data(
        torch.zeros(n, 1, 4, 4), [i % 2 for i in range(n)],
        attributes={column: groups}, sensitive=(column,),
    )  # fmt: skip


def summarised(data: Dataset, **columns: list[float]) -> Measured | NotApplicable:
    n = len(data)
    records = Records(data.ids, drawn=np.zeros(n, dtype=bool), leading=np.array([""] * n))
    trust = Records(data.ids)
    trust.columns.update({name.replace("__", "/"): np.array(one) for name, one in columns.items()})
    others = {"attribution-trust": trust} if columns else {}
    return CHECK.summarise(records, Context(data=data, seed=0, others=others))


def found(outcome: Measured | NotApplicable) -> dict[str, Finding]:
    assert isinstance(outcome, Measured)
    return {one.id.removeprefix("attribution-gap/"): one for one in outcome.findings}


def test_a_site_whose_slopes_are_drowned_is_told_from_the_other() -> None:
    outcome = measured(CHECK, broken())
    got = values(outcome)
    bad, good = (got[f"deletion_gain/site={one}/method=gradient"] for one in "ab")
    assert bad is not None
    assert good is not None
    assert bad < good / 2
    assert got["deletion_gain_gap/site/method=gradient"] == pytest.approx(good - bad)
    p = got["deletion_gain_gap_p/site/method=gradient"]
    assert p is not None
    assert p < 0.01
    table = outcome.evidence["gaps"]
    assert isinstance(table, Table)
    row = next(one for one in table.rows if str(one[1]).endswith(", gradient"))
    assert row[6:9] == ["yes", "b", "a"]


def test_maps_that_are_all_alike_leave_room_and_no_interval_of_the_gap() -> None:
    got = found(summarised(data_of(GROUPS), deletion_gain__occlusion=[0.25] * 10))
    alike = got["deletion_gain/site=a/method=occlusion"]
    unseen = clopper_pearson(0, 5).high  # share of inputs that may differ, by 1.25 or 0.75
    assert (alike.low, alike.high) == pytest.approx((0.25 - 1.25 * unseen, 0.25 + 0.75 * unseen))
    assert alike.interval == "clopper-pearson-scaled"
    gap = got["deletion_gain_gap/site/method=occlusion"]
    assert (gap.value, gap.low, gap.high, gap.interval) == (0.0, None, None, "none")


GAINS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.6, 0.7]
GROUPS = ["a"] * 5 + ["b"] * 5


def test_the_gap_is_that_of_the_means() -> None:
    got = found(summarised(data_of(GROUPS), deletion_gain__occlusion=GAINS))
    assert got["deletion_gain/site=a/method=occlusion"].value == pytest.approx(0.3)
    gap = got["deletion_gain_gap/site/method=occlusion"]
    assert gap.value == pytest.approx(0.68 - 0.3)
    interval = gap_of_means(np.array(GAINS), np.repeat([0, 1], 5))
    assert (gap.low, gap.high) == pytest.approx(interval)
    assert (gap.n, gap.interval) == (10, "welch")
    assert gap.controls == ["attribution-trust/randomisation_similarity/all/method=occlusion"]
    # Of 252 ways to divide ten numbers only these two put all of the small ones together.
    assert got["deletion_gain_gap_p/site/method=occlusion"].value == pytest.approx(
        2 / 252, abs=0.015
    )


def test_mass_beside_the_point_is_what_is_not_on_it() -> None:
    outcome = summarised(
        data_of(GROUPS), deletion_gain__occlusion=GAINS, relevance_mass__occlusion=GAINS
    )
    got = found(outcome)
    assert got["background_mass/site=a/method=occlusion"].value == pytest.approx(0.7)
    assert got["background_mass/site=a/method=occlusion"].better == "lower"
    assert got["background_mass_gap/site/method=occlusion"].value == pytest.approx(0.38)
    assert isinstance(outcome, Measured)
    assert outcome.headline == "attribution-gap/deletion_gain_gap/site/method=occlusion"


def test_rationale_hits_are_shares() -> None:
    hits = [1.0] * 5 + [1.0, 0.0, 0.0, 0.0, 0.0]
    got = found(summarised(data_of(GROUPS), rationale_hit_rate__occlusion=hits))
    assert got["rationale_hit_rate/site=a/method=occlusion"].interval == "clopper-pearson"
    gap = got["rationale_hit_rate_gap/site/method=occlusion"]
    assert gap.value == pytest.approx(0.8)
    assert (gap.low, gap.high) == pytest.approx(gap_of_shares(np.array([5, 1]), np.array([5, 5])))


def test_a_small_group_is_shown_and_left_out_of_the_gap() -> None:
    outcome = summarised(data_of([*GROUPS, "c", "c"]), deletion_gain__occlusion=[*GAINS, 9.0, 9.0])
    got = found(outcome)
    assert got["deletion_gain/site=c/method=occlusion"].value == 9
    assert got["deletion_gain_gap/site/method=occlusion"].value == pytest.approx(0.38)
    assert isinstance(outcome, Measured)
    table = outcome.evidence["gaps"]
    assert isinstance(table, Table)
    assert table.rows[0][-1] == "c"


def test_inputs_that_were_not_explained_count_for_nothing() -> None:
    nan = float("nan")
    groups, gains = GROUPS * 2, [*GAINS, *[nan] * 10]
    got = found(summarised(data_of(groups), deletion_gain__occlusion=gains))
    assert got["deletion_gain_gap/site/method=occlusion"].value == pytest.approx(0.38)
    assert got["deletion_gain/site=a/method=occlusion"].n == 5
    few = found(summarised(data_of(GROUPS), deletion_gain__occlusion=[*GAINS[:4], *[nan] * 6]))
    assert few["deletion_gain_gap/site/method=occlusion"].undefined
    assert few["deletion_gain/site=b/method=occlusion"].undefined


def test_without_columns_the_true_classes_are_compared() -> None:
    data = replace(data_of(GROUPS), attributes=pd.DataFrame(index=range(10)), sensitive=())
    outcome = summarised(data, deletion_gain__occlusion=GAINS)
    assert "deletion_gain_gap/true%20class/method=occlusion" in found(outcome)
    assert isinstance(outcome, Measured)
    assert isinstance(outcome.evidence["groups"], Note)
    assert "true classes" in outcome.evidence["groups"].text


def test_no_groups_or_no_maps_is_said() -> None:
    one_group = summarised(data_of(["a"] * 10), deletion_gain__occlusion=GAINS)
    assert isinstance(one_group, NotApplicable)
    assert "one group" in one_group.reason
    unmeasured = summarised(data_of(GROUPS))
    assert isinstance(unmeasured, NotApplicable)
    assert "was not measured" in unmeasured.reason
    nothing = summarised(data_of(GROUPS), deletion_gain__occlusion=[float("nan")] * 10)
    assert isinstance(nothing, NotApplicable)


def test_many_gaps_are_tested_together() -> None:
    """One of five columns differs by luck at p = 0.03: on its own, not among five."""
    rng = np.random.default_rng(0)
    names: dict[str, Sequence[str]] = {
        f"c{j}": [str(one) for one in rng.integers(0, 2, 40)] for j in range(5)
    }
    data = image_data(torch.zeros(40, 1, 4, 4), [0] * 40, attributes=names, sensitive=tuple(names))
    for seed in range(200):
        gains = np.random.default_rng(seed).normal(size=40)
        outcome = summarised(data, deletion_gain__occlusion=gains.tolist())
        assert isinstance(outcome, Measured)
        table = outcome.evidence["gaps"]
        assert isinstance(table, Table)
        smallest = min(float(row[5]) for row in table.rows)  # type: ignore[arg-type]
        if 0.02 < smallest < 0.04:
            assert all(row[6] == "no" for row in table.rows)
            return
    raise AssertionError("no draw came out between")


# --- words and columns ---------------------------------------------------------------------------


def test_the_words_that_lead_in_one_group_are_listed() -> None:
    texts = ["good film seen today", "fine film seen today"] * 12
    votes = {"good": 5.0, "fine": 5.0, "film": 2.0, "seen": 1.0, "today": 0.5}
    model = word_model(list(votes), votes=votes)
    groups = pd.DataFrame({"who": ["a", "b"] * 12})
    data = replace(text_data(texts, [1] * 24), attributes=groups, sensitive=("who",))
    outcome = measured(CHECK, Subject(model, data))
    table = outcome.evidence["leading-1"]
    assert isinstance(table, Table)
    assert table.columns == ["part", "a (n = 12)", "b (n = 12)"]
    assert table.rows == [  # "today" is the fourth of four
        ["fine", 0.0, 1.0], ["good", 1.0, 0.0], ["film", 1.0, 1.0], ["seen", 1.0, 1.0],
    ]  # fmt: skip


def test_the_columns_that_lead_are_listed_for_tables() -> None:
    subject = table_subject()
    records = CHECK.measure(subject.artifacts)
    assert set(records["leading"].tolist()) <= {"", "age"}
    assert "age" in records["leading"].tolist()


def test_bars_hold_every_group() -> None:
    outcome = measured(CHECK, sound())
    bars = outcome.evidence["groups-1-deletion-gain-occlusion"]
    assert isinstance(bars, Bars)
    assert [one.label for one in bars.bars] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "value"), [("max_inputs", 1), ("minimum_n", 1), ("permutations", 99)]
)
def test_parameters_outside_their_range_are_refused(name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"{name} is {value}"):
        AttributionGap(**{name: value})
