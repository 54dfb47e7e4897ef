"""Mirrors auditkit/checks/bias/group_robustness.py and _stress.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from auditkit.checks.base import Context, Measured, NotApplicable, Records
from auditkit.checks.bias.group_robustness import GroupRobustness
from auditkit.checks.robustness._controls import OF_PLAIN_DESCENT, OF_THE_ENSEMBLE
from auditkit.checks.robustness.feature_changes import FeatureChanges
from auditkit.errors import ConfigError
from auditkit.findings import Table
from auditkit.statistics import gap_of_differences, permutation_p
from tests.methods.attacks.subjects import bag_of_words, feature_subject
from tests.methods.attacks.tables import black_box, numbers
from tests.subjects import Subject, graph_subject, image_data, measured, values

CHECK = GroupRobustness(minimum_n=5, permutations=200)
REVEALS = "drop_gap"


def grouped(*, alike: bool) -> Subject:
    """Group a rests on fifteen weak pixels, group b on one strong pixel; alike: both on it."""
    weak, strong = feature_subject(robust=False), feature_subject(robust=True)
    images = strong.artifacts.images.clone()
    if not alike:
        images[:20, 0, 0, 0] = 0.5 + 0.01 * (2.0 * weak.artifacts.labels[:20] - 1)
    data = image_data(
        images,
        strong.artifacts.labels,
        attributes={"site": ["a"] * 20 + ["b"] * 20},
        sensitive=("site",),
    )
    return Subject(strong.model, data)


def broken() -> Subject:
    """The attack changes all of one group and none of the other."""
    return grouped(alike=False)


def sound() -> Subject:
    """It changes none of either."""
    return grouped(alike=True)


def test_a_group_that_loses_all_is_told_from_one_that_loses_nothing() -> None:
    found = values(measured(CHECK, broken()))
    assert found["robust_accuracy/site=a"] == 0
    assert found["robust_accuracy/site=b"] == 1
    assert found["drop_gap/site"] == found["robust_accuracy_gap/site"] == 1
    assert found["drop_gap_p/site"] == pytest.approx(1 / 201, abs=0.01)


def flips(before: list[int], after: list[int]) -> np.ndarray:
    """Budgets of first changes: 0 wrong before, 0.01 changed, inf held."""
    return np.array(
        [np.inf if a else 0.01 if b else 0.0 for b, a in zip(before, after, strict=True)]
    )


def by_descent(flips: np.ndarray, *, tried: float = 0.001) -> Records:
    return Records(
        broken().data.ids, flip_epsilon=flips, smallest_epsilon=np.full(len(flips), tried)
    )


def summarised(check: GroupRobustness, others: dict[str, Records]) -> Measured | NotApplicable:
    data = broken().data
    return check.summarise(Records(data.ids), Context(data=data, seed=0, others=others))


def test_drops_are_paired_and_the_gap_before_is_not_counted() -> None:
    """Group a: 12 right, 6 hold; group b: 20 right, 14 hold. Both lose 6 of 20."""
    before, after = [1] * 12 + [0] * 8 + [1] * 20, [1] * 6 + [0] * 14 + [1] * 14 + [0] * 6
    others = {"pgd-linf": by_descent(flips(before, after))}
    outcome = summarised(CHECK, others)
    assert isinstance(outcome, Measured)
    found = values(outcome)
    assert found["robust_accuracy/site=a"] == pytest.approx(6 / 20)
    assert found["robust_accuracy_gap/site"] == pytest.approx(8 / 20)
    assert found["drop_gap/site"] == 0
    gap = next(one for one in outcome.findings if one.metric == "drop_gap")
    tables = np.array([[6, 6, 0, 8], [14, 6, 0, 0]])
    assert (gap.low, gap.high) == gap_of_differences(tables)
    lost = np.array(before) - np.array(after)
    p = permutation_p(
        lambda g: float(np.ptp(np.bincount(g, lost) / 20)), np.repeat([0, 1], 20), seed=0
    )
    assert found["drop_gap_p/site"] == p == 1
    table = outcome.evidence["groups-1-drops"]
    assert isinstance(table, Table)
    assert table.rows[0][:3] == ["a", 20, 12 / 20]
    assert table.rows[0][6] == pytest.approx(6 / 20)


def test_an_input_has_fallen_where_any_attack_changed_it() -> None:
    ids = broken().data.ids
    weak = flips([1] * 40, [1] * 40)
    strong = flips([1] * 40, [0] * 10 + [1] * 30)
    one = {"pgd-linf": by_descent(weak)}
    best = Records(ids, flip_linf=strong, smallest_linf=np.full(len(strong), 0.001))
    both = {**one, "worst-case": best}
    first, second = summarised(CHECK, one), summarised(CHECK, both)
    assert isinstance(first, Measured)
    assert isinstance(second, Measured)
    assert values(first)["robust_accuracy/site=a"] == 1
    assert values(second)["robust_accuracy/site=a"] == 0.5
    assert first.findings[0].controls == list(OF_PLAIN_DESCENT)
    assert second.findings[0].controls == list(OF_THE_ENSEMBLE)


def test_the_budget_decides_what_has_fallen() -> None:
    others = {"pgd-linf": by_descent(np.repeat([0.01, 0.05], 20))}
    for radius, kept in ((0.005, 1), (0.01, 0)):
        outcome = summarised(replace(CHECK, radius=radius), others)
        assert isinstance(outcome, Measured)
        assert values(outcome)["robust_accuracy/site=a"] == kept


def test_small_groups_are_shown_but_not_compared() -> None:
    outcome = measured(replace(CHECK, minimum_n=21), broken())
    found = values(outcome)
    assert found["robust_accuracy/site=a"] == 0
    assert found["drop_gap/site"] is None
    assert outcome.headline is None


def test_without_an_attack_there_is_nothing_to_read() -> None:
    assert isinstance(summarised(CHECK, {}), NotApplicable)


def test_what_no_attack_tried_is_not_called_robust() -> None:
    """All fall at 0.1, the smallest budget tried; nothing is known about 0.02."""
    others = {"pgd-linf": by_descent(np.full(40, 0.1), tried=0.1)}
    outcome = summarised(replace(CHECK, radius=0.02), others)
    assert isinstance(outcome, NotApplicable)
    assert outcome.reason == "no attack was measured that tried Linf 0.02 or less"
    assert isinstance(summarised(replace(CHECK, radius=0.1), others), Measured)


def test_texts_are_compared_by_changed_words() -> None:
    plain = bag_of_words(0)
    data = replace(
        plain.data,
        attributes=plain.data.attributes.assign(side=["l", "r"] * (len(plain.data) // 2)),
    )
    found = values(measured(CHECK, Subject(plain.model, data)))
    assert found["robust_accuracy/side=l"] is not None
    assert found["drop_gap/side"] is not None


def table(*, columns: tuple[int, ...] = (1,)) -> Measured | NotApplicable:
    """Wages near the border in group a, and further than a wage may move from it in group b."""
    wages = np.where(np.arange(40) % 2 == 0, 1.0, -1.0) * np.repeat([0.1, 5.0], 20)
    one = black_box(lambda rows: (rows[:, 0] > 0).astype(float), numbers(1), wages[:, None])
    data = replace(
        one.data, attributes=pd.DataFrame({"site": ["a"] * 20 + ["b"] * 20}), sensitive=("site",)
    )
    attack = FeatureChanges(columns=columns, radii=(0.5,))
    found = attack.measure(Subject(one.model, data).artifacts)
    return CHECK.summarise(
        Records(data.ids), Context(data=data, seed=0, others={"feature-changes": found})
    )


def test_rows_are_compared_by_changed_columns() -> None:
    outcome = table()
    assert isinstance(outcome, Measured)
    found = values(outcome)
    assert (found["robust_accuracy/site=a"], found["robust_accuracy/site=b"]) == (0, 1)
    assert found["drop_gap/site"] == 1
    assert outcome.findings[0].controls == ["feature-changes/random_only_share/all"]


def test_an_attacker_who_was_left_out_has_not_failed() -> None:
    assert isinstance(table(columns=()), NotApplicable)


def test_graphs_are_compared_by_changed_edges() -> None:
    one = graph_subject()
    data = replace(one.data, attributes=pd.DataFrame({"lab": ["a", "a", "b", "b"]}))
    attacked = Records(data.ids, flips=np.array([1.0, 2.0, 0.0, np.inf]))
    for edges, expected in ((1, [0.5, 0.5]), (2, [0, 0.5])):
        outcome = GroupRobustness(edges=edges, minimum_n=1).summarise(
            Records(data.ids), Context(data=data, seed=0, others={"edge-flips": attacked})
        )
        assert isinstance(outcome, Measured)
        found = values(outcome)
        assert [found["robust_accuracy/lab=a"], found["robust_accuracy/lab=b"]] == expected


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"radius": 0.0}, "radius"),
        ({"words": 0}, "words"),
        ({"columns": 0}, "columns"),
        ({"edges": 0}, "edges"),
        ({"permutations": 9}, "permutations"),
    ],
)
def test_impossible_parameters_are_refused(parameters: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        GroupRobustness(**parameters)  # type: ignore[arg-type]
