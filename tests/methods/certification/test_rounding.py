"""Mirrors auditkit/methods/certification/rounding.py."""

from __future__ import annotations

import pytest
import torch

from auditkit.methods.certification.rounding import gamma, product_error, unit_of

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("terms", [1, 7, 300, 5000])
def test_sums_of_products_in_any_order_stay_within_the_bound(
    dtype: torch.dtype, terms: int
) -> None:
    """One after the other, backwards and in pairs; every single result is rounded."""
    rng = torch.Generator().manual_seed(terms)
    a, b = (torch.randn(terms, generator=rng).to(dtype) for _ in range(2))
    exact = (a.double() * b.double()).sum()
    size = (a.double() * b.double()).abs().sum()
    products = a * b
    sums = [products.sum(), a @ b]
    for order in (products, products.flip(0)):
        total = torch.zeros((), dtype=dtype)
        for one in order:
            total = total + one
        sums.append(total)
    unit = unit_of(dtype, CPU)
    bound = product_error(terms, size, unit=unit, tiny=torch.finfo(dtype).tiny)
    for one in sums:
        assert abs(one.double() - exact) <= bound


def test_the_bound_grows_with_terms_and_ends_in_nothing_known() -> None:
    unit = unit_of(torch.bfloat16, CPU)
    values = [gamma(n, unit) for n in (1, 10, 50, 100)]
    assert values == sorted(values)
    assert gamma(10_000, unit) == float("inf")
    assert unit_of(torch.float32, CPU) == pytest.approx(2**-24)
    assert unit_of(torch.float32, torch.device("mps")) >= 2**-11
