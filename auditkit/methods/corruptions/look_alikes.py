"""Letters of other alphabets that look like Latin ones."""

from __future__ import annotations

# Letters of other alphabets that look the same in most fonts, and ligatures.
LOOK_ALIKE = {
    "a": "\u0430", "c": "\u0441", "d": "\u0501", "e": "\u0435", "g": "\u0261", "h": "\u04bb",
    "i": "\u0456", "j": "\u0458", "l": "\u04cf", "n": "\u0578", "o": "\u043e", "p": "\u0440",
    "q": "\u051b", "s": "\u0455", "u": "\u057d", "v": "\u03bd", "w": "\u051d", "x": "\u0445",
    "y": "\u0443", "A": "\u0410", "B": "\u0412", "C": "\u0421", "E": "\u0415", "H": "\u041d",
    "I": "\u0406", "J": "\u0408", "K": "\u041a", "M": "\u041c", "N": "\u039d", "O": "\u041e",
    "P": "\u0420", "S": "\u0405", "T": "\u0422", "X": "\u0425", "Y": "\u03a5", "Z": "\u0396",
    "fi": "\ufb01", "fl": "\ufb02", "ff": "\ufb00",
}  # fmt: skip


def homoglyphs(word: str) -> list[str]:
    """Return the word with one letter, or one pair of letters, replaced by one that looks alike."""
    return [
        word[:i] + other + word[i + len(letters) :]
        for i in range(len(word))
        for letters, other in LOOK_ALIKE.items()
        if word.startswith(letters, i)
    ]
