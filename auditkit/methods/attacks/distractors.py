"""Neutral sentences that say nothing about any class, written and reviewed for auditkit."""

from __future__ import annotations

DISTRACTORS = (
    "This was written on a Tuesday.",
    "It is a quarter past four.",
    "My desk stands by the window.",
    "There are seven days in a week.",
    "The number of this page is twelve.",
    "I am sending this from my phone.",
    "The next bus leaves at noon.",
    "My brother lives in another town.",
    "Water boils at one hundred degrees.",
    "The letter has two pages.",
    "We moved here in the spring.",
    "The kitchen has three chairs.",
)
