"""Mirrors auditkit/render/standards.py."""

from __future__ import annotations

import pytest

from auditkit.render import standards
from auditkit.render.html import render_html
from auditkit.types import FAMILIES
from tests.render.sample import image_result, text_result


def test_every_family_belongs_to_a_topic_of_every_regulation() -> None:
    for framework in (standards.NIST,):
        covered = {
            f for one in standards.TOPICS if one.framework == framework for f in one.families
        }
        assert covered == set(FAMILIES)
    assert {one.framework for one in standards.TOPICS} == {
        standards.NIST, standards.EU, standards.ISO,
    }  # fmt: skip


def test_what_nobody_measured_is_said_and_never_covered() -> None:
    found = [one for members in standards.coverage(image_result()).values() for one in members]
    assert len(found) == len(standards.TOPICS)
    for one in found:
        assert one.topic.beyond
        if not one.topic.families and not one.topic.checks:
            assert one.said == "Outside what auditkit measures"
        elif not one.measured:
            assert one.said == "Not measured here"
    said = {one.topic.name: one for one in found}
    attacks = said["MEASURE 2.7: security and resilience"]
    assert attacks.measured == ["pgd-linf"]
    assert set(attacks.missing) == {"robustness-curve", "fgsm-linf"}
    assert attacks.said == "Measured in part"
    proofs = said["Formal methods: proofs about all changes of a kind (also ISO/IEC 24029-2:2023)"]
    assert proofs.said == "Not measured here"


def test_a_new_check_of_a_family_needs_nothing() -> None:
    result = image_result()
    other = result.outcomes[0].model_copy(update={"check": "brand-new", "family": "privacy"})
    grown = result.model_copy(update={"outcomes": [*result.outcomes, other]})
    found = [one for members in standards.coverage(grown).values() for one in members]
    assert [one.topic.name for one in found if "brand-new" in one.measured] == [
        "MEASURE 2.10: privacy",
        "Cybersecurity: confidentiality attacks (15.5)",
    ]


@pytest.mark.parametrize("result", [image_result, text_result])
def test_nothing_is_called_compliant(result) -> None:
    page = render_html(result()).lower()
    assert "complian" not in page
    assert "no statement of conformity" in page
