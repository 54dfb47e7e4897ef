"""Watching the functions that a network calls while it runs, whatever spelling calls them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence

from torch.overrides import TorchFunctionMode

from auditkit.methods.saliency.rules import bare_name


class Watch(TorchFunctionMode):
    """A mode in which every function runs as it is, and is then looked at."""

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """Call the function and show it, by its bare name, with what it was given and gave."""
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        self.saw(bare_name(func), [*args, *kwargs.values()], output)
        return output

    @abstractmethod
    def saw(self, name: str, given: Sequence[object], output: object) -> None:
        """Take in one call; the mode itself is off meanwhile."""
