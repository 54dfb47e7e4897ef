"""How long `audit --help` takes next to importing torch: `python benchmarks/startup.py`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time


def median_seconds(*command: str, runs: int = 7) -> float:
    times: list[float] = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    helping = median_seconds("-m", "auditkit", "--help")
    torch = median_seconds("-c", "import torch")
    print(f"audit --help {helping:.2f} s, import torch {torch:.2f} s, ratio {helping / torch:.2f}")


if __name__ == "__main__":
    main()
