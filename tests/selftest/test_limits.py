"""Mirrors auditkit/selftest/limits.py."""

from __future__ import annotations

from auditkit.checks.catalogue import catalogue, make_check
from auditkit.selftest.catalogue import FLAWS
from auditkit.selftest.limits import FILE, frozen_limits


def test_every_limit_belongs_to_a_flaw_and_to_a_check_that_runs() -> None:
    names = {one.name for one in FLAWS}
    for name, policy in frozen_limits().items():
        assert name in names
        assert policy.limits
        for limit in policy.limits:
            check = limit.finding.split("/")[0]
            assert check in policy.checks
            assert limit.finding.split("/")[1] in catalogue()[check].meta.metrics
        for check in policy.checks:
            make_check(check, policy.parameters.get(check, {}))


def test_a_flaw_says_what_reveals_it_exactly_where_limits_do() -> None:
    for one in FLAWS:
        assert bool(one.revealed_by) == (one.name in frozen_limits()), one.name


def test_the_file_says_on_which_seeds_each_limit_was_chosen() -> None:
    text = FILE.read_text(encoding="utf-8")
    for one in frozen_limits():
        section = text.split(f"[{one}]")[0].rpartition("\n\n")[2]
        assert "flawed" in section, one
        assert "sound" in section, one
