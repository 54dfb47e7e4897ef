"""Audits during training: call it once per epoch, or let a trainer's hooks do so.

The network under training is never touched: a copy of it is audited, and random state, number of
threads and gradient mode are put back, so that training goes on as if nothing had happened.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from auditkit.data.load import DataSpec
from auditkit.errors import ConfigError, ModelError
from auditkit.models.classifier import Classifier
from auditkit.policy import Policy, load_policy, seconds_of
from auditkit.result import Result
from auditkit.run import Request
from auditkit.undisturbed import run_inside

if TYPE_CHECKING:
    from torch import nn


class AuditCallback:
    """Audits a network after each epoch within a budget, and keeps the results.

    Parameters
    ----------
    as_classifier : callable
        Makes a classifier of a copy of the network: ``lambda net: auditkit.ImageClassifier(net,
        classes=..., input_shape=...)``.
    data : str, Path or DataSpec
        What to audit it on: a known data set, a folder or a file.
    split : {"train", "validation", "test"}
        Which part of a known data set, unless `data` says so itself.
    policy : str or Path, optional
        A policy file; as on the command line by default. "none" judges nothing.
    suite : {"quick", "standard", "deep"}, optional
        Preset of checks, inputs and recommended limits.
    checks : iterable of str
        Run only these.
    max_inputs : int, optional
        Sample size, the same inputs in every epoch.
    budget : float or str, optional
        Seconds, or `"30s"`: checks that would start later are skipped, and never count as passed.
        Where there are limits, few inputs are looked at first, and more only while one is open.
    every : int
        Audit each so many epochs, counted from 1: 5 means after the fifth, the tenth, ...
    out : str or Path
        One folder per audit is written there: `epoch-5`.
    formats : iterable of str
        Files in it besides `result.json`, such as `html`.
    told : callable, optional
        Called with epoch and result after each audit: to print, to log, to stop.

    Attributes
    ----------
    results : dict of int to Result
        What every audit came to, by epoch.

    Raises
    ------
    ConfigError
        If an argument is wrong.

    Examples
    --------
    >>> callback = AuditCallback(lambda net: net, "digits", every=2, max_inputs=50, policy="none")
    >>> callback.is_due(1), callback.is_due(2)
    (False, True)
    """

    def __init__(
        self,
        as_classifier: Callable[[nn.Module], Classifier],
        data: str | Path | DataSpec,
        *,
        split: str = "test",
        policy: str | Path | None = None,
        suite: str | None = None,
        checks: Iterable[str] = (),
        max_inputs: int | None = 200,
        budget: float | str | None = None,
        every: int = 1,
        out: str | Path = "reports/training",
        formats: Iterable[str] = (),
        told: Callable[[int, Result], object] | None = None,
    ) -> None:
        if every < 1:
            raise ConfigError(f"every is {every}, expected a number of epochs of at least 1.")
        self._as_classifier = as_classifier
        self._data = data if isinstance(data, DataSpec) else DataSpec(source=str(data), split=split)
        self._policy = _limited(load_policy(policy, suite=suite, checks=checks), max_inputs, budget)
        self._every, self._out, self._told = every, Path(out), told
        self._formats = ("json", *formats)
        self.results: dict[int, Result] = {}

    @property
    def last(self) -> Result | None:
        """The newest result."""
        return self.results[max(self.results)] if self.results else None

    def is_due(self, epoch: int) -> bool:
        """Say whether an epoch, counted from 1, ends with an audit."""
        return epoch % self._every == 0

    def __call__(self, network: nn.Module, epoch: int) -> Result | None:
        """Audit the network if this epoch, counted from 1, ends with an audit.

        Returns
        -------
        Result or None
            None where no audit is due.

        Raises
        ------
        AuditkitError
            If the network cannot be copied, or model or data are wrong.
        """
        if not self.is_due(epoch):
            return None
        request = Request(
            model=self._as_classifier(_copied(network)),
            data=self._data,
            policy=self._policy,
            out=self._out / f"epoch-{epoch}",
            formats=self._formats,
            command=f"auditkit.callbacks.AuditCallback, epoch {epoch}",
        )
        result = run_inside(request).result
        self.results[epoch] = result
        if self._told is not None:
            self._told(epoch, result)
        return result

    # --- hooks as Lightning calls them; `class Audit(AuditCallback, lightning.Callback)` ----------

    def on_train_epoch_end(self, trainer: object, pl_module: nn.Module) -> None:
        """Audit after a training epoch, in one process of several, and not while trying out."""
        trying = getattr(trainer, "sanity_checking", False) or getattr(
            trainer, "fast_dev_run", False
        )
        if getattr(trainer, "is_global_zero", True) and not trying:
            self(self.network_of(pl_module), int(getattr(trainer, "current_epoch", 0)) + 1)

    def network_of(self, pl_module: nn.Module) -> nn.Module:
        """Return the network inside a training module: its `model`, `net` or `network`, or itself.

        Override it where the network is kept elsewhere.
        """
        for name in ("model", "net", "network"):
            inside = getattr(pl_module, name, None)
            if inside is not None and hasattr(inside, "state_dict"):
                return inside
        return pl_module


def _limited(policy: Policy, max_inputs: int | None, budget: float | str | None) -> Policy:
    """Return the policy with the sample size and the budget of a callback."""
    try:
        seconds = None if budget is None else float(str(seconds_of(budget)))
    except ValueError as error:
        raise ConfigError(f"budget is {budget!r}, expected seconds, 90s, 10m or 1h.") from error
    update = {"max_inputs": max_inputs, "budget": seconds}
    return policy.model_copy(update={k: v for k, v in update.items() if v is not None})


def _copied(network: nn.Module) -> nn.Module:
    """Return a copy for the audit, in evaluation mode and without gradients."""
    try:
        twin = copy.deepcopy(network)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{type(network).__name__} cannot be copied: {error}",
            hint="Pass the part that classifies: what network_of returns, or the argument itself.",
        ) from error
    return twin.eval().requires_grad_(False)
