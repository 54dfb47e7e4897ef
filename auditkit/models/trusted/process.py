"""A process of its own for the code in a model file: limited, watched, started again if it ends."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from auditkit.errors import ModelError
from auditkit.models.trusted.wire import Array, Message, receive, send
from auditkit.processes import how_it_ended, over_time

LOADING, ANSWER = 120.0, 600.0  # seconds
MEMORY = 8 * 2**30  # bytes
# What code needs to be found and to run; nothing that opens doors elsewhere, such as tokens.
_VARIABLES = (
    *("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV"),
    *("LD_LIBRARY_PATH", "OMP_NUM_THREADS"),
)


@final
class TrustedProcess:
    """Loads a file in a child process, running its code, and asks the network in it.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        As `inspect_file` names it.
    memory : int, optional
        Bytes the code may use.
    definitions : str, optional
        Module that defines what the file pickled as `__main__`.

    Raises
    ------
    ModelError
        If the file cannot be loaded.
    """

    def __init__(
        self,
        path: Path,
        kind: str,
        *,
        memory: int | None = None,
        definitions: str | None = None,
    ) -> None:
        self.path, self.memory = path, memory or MEMORY
        self._about = {
            "path": str(path),
            "kind": kind,
            "memory": self.memory,
            "definitions": definitions,
        }
        self._child: _Child | None = None
        self.facts: Mapping[str, Any] = {}
        self._started()

    @property
    def note(self) -> str:
        """How the code was held, in words."""
        network = (
            "it could open no network connection"
            if self.facts["kept_off"]
            else "this operating system gave no way to keep it off the network"
        )
        memory = (
            f"it had at most {self.memory / 2**30:.3g} GiB of memory"
            if self.facts["limited"]
            else "its memory was not limited on this operating system"
        )
        return f"The code in {self.path.name} ran in a process of its own: {memory}, and {network}."

    def scores(self, inputs: Array) -> Array:
        """Return what the network gives for inputs (n, ...).

        Raises
        ------
        RuntimeError
            If the network fails, the process ends, or no answer comes in time.
        """
        words = {"do": "scores", "threads": torch.get_num_threads()}
        return self._asked(Message(words, {"inputs": inputs})).arrays["scores"]

    def state_dict(self) -> dict[str, Tensor]:
        """Return the tensors of the network, floating ones as float32."""
        answer = self._asked(Message({"do": "state"}))
        names = list(map(str, answer.words["names"]))
        return {name: torch.from_numpy(answer.arrays[str(i)]) for i, name in enumerate(names)}

    def _asked(self, question: Message) -> Message:
        answer = self._started().ask(question, ANSWER)
        if "error" in answer.words:
            raise RuntimeError(str(answer.words["error"]))
        return answer

    def _started(self) -> _Child:
        """Return the process, after loading the file again where the one before has ended."""
        if self._child is None or self._child.is_over:
            child = _Child()
            try:
                facts = child.ask(Message(self._about), LOADING).words
            except RuntimeError as error:
                raise ModelError(f"{self.path} could not be loaded: {error}.") from error
            if "error" in facts:
                raise _not_loaded(self.path, str(facts["error"]))
            self._child, self.facts = child, facts
        return self._child


def _not_loaded(path: Path, error: str) -> ModelError:
    if found := _OF_SCRIPT.search(error):
        return ModelError(
            f"{path} could not be loaded: the script that wrote it defines {found[1]} itself.",
            hint=f"Name that script, say train.py: --arch train:{found[1]}, or --arch train where"
            f" {found[1]} needs arguments.",
        )
    elsewhere = "No module named" in error
    hint = "Start audit in the folder that holds this module, or install it." if elsewhere else ""
    return ModelError(f"{path} could not be loaded: {error.rstrip('.')}.", hint=hint)


# What pickle says of a name that it looks for in the module that was started.
_OF_SCRIPT = re.compile(
    r"Can't get attribute '(\w+)' on <module 'auditkit\.models\.trusted\.child'"
)


@final
class _Child:
    """One such process, and the pipes to it."""

    def __init__(self) -> None:
        questions, self._questions = os.pipe()
        self._answers, answers = os.pipe()
        alive, self._alive = os.pipe()  # closes when this process ends, however it ends
        theirs = (questions, answers, alive)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "auditkit.models.trusted.child", *map(str, theirs)],
            env={name: os.environ[name] for name in _VARIABLES if name in os.environ},
            stdin=subprocess.DEVNULL,
            stdout=2,  # what the code prints is none of our output
            pass_fds=theirs,
            process_group=0,  # Ctrl-C is for this process
        )
        for handle in theirs:
            os.close(handle)
        ours = (self._questions, self._answers, self._alive)
        self._end = weakref.finalize(self, _end, self._process, ours)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return not self._end.alive or self._process.poll() is not None

    def ask(self, question: Message, seconds: float) -> Message:
        """Return the answer.

        Raises
        ------
        RuntimeError
            If the process ends instead, or takes too long.
        """
        try:
            send(self._questions, question)
            return receive(self._answers, seconds)
        except TimeoutError:
            self._end()
            raise RuntimeError(over_time(seconds)) from None
        except (EOFError, BrokenPipeError, ValueError):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1.0)
            code = self._process.poll()
            self._end()
            raise RuntimeError(f"its process {how_it_ended(code)}") from None
        except BaseException:  # the time of a check is up, or Ctrl-C: nobody waits any more
            self._end()
            raise


def _end(process: subprocess.Popen[bytes], handles: tuple[int, ...]) -> None:
    process.kill()
    process.wait()
    for handle in handles:
        os.close(handle)
