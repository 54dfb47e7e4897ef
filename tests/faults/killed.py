"""Kills audits at random moments: `python -m tests.faults.killed FOLDER TIMES SEED`.

Every audit is forked from this process, which has imported everything and computed nothing, so that
a kill costs a second and not the seconds it takes to import torch.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from auditkit.models.load import ModelSpec
from auditkit.policy import Policy
from auditkit.render import FORMATS, render
from auditkit.result import Execution, read_result, to_json
from auditkit.run import Request, run

CHECKS = ("clean-accuracy", "fgsm-linf", "pgd-linf", "corruptions", "calibration-error")
PARAMETERS = {
    "pgd-linf": {"epsilons": [0.02, 0.1], "steps": 5},
    "corruptions": {"severities": [1, 5]},
}


def audit(folder: Path, *, resume: bool) -> None:
    """Run an audit of about a second."""
    rules = {"checks": CHECKS, "parameters": PARAMETERS, "max_inputs": 60}
    run(
        Request(
            model=ModelSpec(source="digits-cnn"),
            policy=Policy.model_validate(rules),
            out=folder,
            formats=("json",),
            execution=Execution(shard_size=30),
            resume=resume,
        )
    )


def forked(task: Callable[[], None]) -> int:
    """Start a task in a process of its own and return its id."""
    process = os.fork()
    if process == 0:
        try:
            task()
        except BaseException:  # noqa: BLE001
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return process


def ended_well(process: int) -> bool:
    """Wait for a process."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


def render_all(folder: Path) -> None:
    """Render whatever result lies there, in every format."""
    result = read_result(folder)
    for name in FORMATS:
        assert render(result, name)


def numbers(folder: Path) -> object:
    """Return everything but times, and how it came to be."""
    content = json.loads(to_json(read_result(folder)))
    for outcome in content["outcomes"]:
        del outcome["seconds"]
    return [content["outcomes"], content["records"], content["provenance"]["partial"]]


def main() -> None:
    """Kill, look at what is there, resume, compare."""
    folder, times, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    moments = random.Random(seed)
    start = time.monotonic()
    assert ended_well(forked(lambda: audit(folder / "whole", resume=False)))
    whole = time.monotonic() - start
    killed = rendered = 0
    disturbed = folder / "disturbed"
    for _ in range(times):
        process = forked(lambda: audit(disturbed, resume=True))
        time.sleep(moments.uniform(0, whole))
        os.kill(process, signal.SIGKILL)
        killed += not ended_well(process)
        if (disturbed / "result.json").exists():
            assert ended_well(forked(lambda: render_all(disturbed))), "it renders"
            rendered += 1
    assert ended_well(forked(lambda: audit(disturbed, resume=True)))
    assert numbers(disturbed) == numbers(folder / "whole")
    left = {one.name for one in disturbed.iterdir()}
    assert left == {"result.json", "records.parquet", "adversarial.parquet"}, left
    sys.stdout.write(f"{killed} killed, {rendered} rendered\n")


if __name__ == "__main__":
    main()
