"""Fixtures of the flaw bench."""

from tests.selftest.planting import recorder

__all__ = ["recorder"]
