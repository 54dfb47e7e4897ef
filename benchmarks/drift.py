"""How fast a permutation test of MMD is, beside the obvious loop over permutations.

``python benchmarks/drift.py [--inputs 2000] [--numbers 32] [--permutations 100]``: two samples of
so many inputs each, one kernel in either. The loop takes the blocks of the kernel anew for every
permutation and adds them up, as tests of this kind are commonly written; both must give the same
numbers. alibi-detect 0.13 cannot be installed beside numpy 2; on another, busy machine its test of
this size took 28.6 s (a figure noted then, not measured here). Everything runs in this process;
the median of the runs is printed.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from auditkit.methods.drift.mmd import gaussian_kernel, mmd2, mmd_test, permuted
from auditkit.types import Floats


def block_by_block(kernel: Floats, parts: Floats) -> Floats:
    """Return MMD^2 of every column of `parts`, from the blocks of the permuted kernel."""
    found: list[float] = []
    for column in parts.T:
        first, second = np.flatnonzero(column == 1), np.flatnonzero(column == 0)
        n, m = len(first), len(second)
        within = kernel[np.ix_(first, first)].sum() / (n * (n - 1))
        outside = kernel[np.ix_(second, second)].sum() / (m * (m - 1))
        found.append(within + outside - 2 * kernel[np.ix_(first, second)].mean())
    return np.array(found)


def main() -> None:
    """Time both, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--numbers", type=int, default=32)
    parser.add_argument("--permutations", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, asked.inputs, asked.numbers))
    n = asked.inputs

    whole: list[float] = []
    for _ in range(asked.runs):
        start = time.perf_counter()
        mmd_test(first, second, permutations=asked.permutations, rng=rng)
        whole.append(time.perf_counter() - start)

    start = time.perf_counter()
    kernel = gaussian_kernel(np.concatenate([first, second])).values
    kernel_seconds = time.perf_counter() - start
    parts = permuted(np.arange(2 * n) < n, asked.permutations, rng)
    start = time.perf_counter()
    ours = mmd2(kernel, parts)
    product = time.perf_counter() - start
    start = time.perf_counter()
    theirs = block_by_block(kernel, parts)
    loop = time.perf_counter() - start
    difference = float(np.abs(ours - theirs).max())

    size = f"{n} + {n} inputs, {asked.numbers} numbers each, {asked.permutations} permutations"
    print(f"{size}; largest difference of the two {difference:.1e}")
    print(f"whole test            {statistics.median(whole):8.2f} s")
    print(f"  of it the kernel    {kernel_seconds:8.2f} s")
    print(f"  all permutations    {product:8.2f} s")
    print(f"the same, block by block {loop:5.2f} s ({loop / product:.0f} times as long)")


if __name__ == "__main__":
    main()
