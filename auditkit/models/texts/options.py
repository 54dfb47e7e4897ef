"""What the user typed about how a text model reads texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from auditkit.errors import ConfigError


@final
@dataclass(frozen=True, kw_only=True)
class TextOptions:
    """How weights alone read texts; small enough to send to another process.

    Parameters
    ----------
    vocabulary : str, optional
        File with the words and their ids, or a tokenizer.json.
    max_length : int, optional
        Tokens per text; longer texts are cut.
    words : tuple of str, optional
        How texts are split into words; see `Wording.of`.
    pad_token, unk_token : str, optional
        The words of the vocabulary that fill up short texts and stand for unknown words, where
        they have no usual spelling.

    Raises
    ------
    ConfigError
        If the length is not positive.
    """

    vocabulary: str | None = None
    max_length: int | None = None
    words: tuple[str, ...] | None = None
    pad_token: str | None = None
    unk_token: str | None = None

    def __post_init__(self) -> None:
        if self.max_length is not None and self.max_length < 1:
            raise ConfigError(
                f"--max-length is {self.max_length}, expected a number of tokens from 1 on."
            )

    @property
    def given(self) -> tuple[str, ...]:
        """The options that were typed."""
        return tuple(
            "--" + name.replace("_", "-")
            for name in ("vocabulary", "max_length", "words", "pad_token", "unk_token")
            if getattr(self, name) is not None
        )
