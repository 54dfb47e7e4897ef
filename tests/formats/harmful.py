"""Files that are broken, made to harm, or no models at all: one or two of each family."""

from __future__ import annotations

from pathlib import Path

from tests.formats.making import Example, Writer
from tests.hostile.corpus import model_files

FILES = model_files()
CANARY = "canary"  # appears beside the file if its code ran


def _of(name: str) -> Writer:
    def write(folder: Path) -> None:
        FILES[name](folder / name, folder / CANARY)

    return write


def _example(format: str, name: str, special: str, inspected: int, *said: str) -> Example:
    trust = inspected == 1 and "--trust-code" in said
    return Example(
        format=format,
        special=special,
        write=_of(name),
        file=name,
        inspected=inspected,
        outcome="needs trust" if trust else "refused",
        said=said,
        right=None,
        slow=name == "zip-bomb.pt",
    )


PICKLE, ARCHIVE, TENSORS, OTHER = "pickle", "torch archive", "safetensors", "no model"
TRUST, NO_TRUST = "--trust-code", "Do not run it"
HARMFUL = (
    _example(PICKLE, "pickle-os.system.pkl", "calls os.system", 1, NO_TRUST),
    _example(ARCHIVE, "torch-os.system.pt", "calls os.system", 1, NO_TRUST),
    _example(PICKLE, "pickle-importlib.pkl", "imports by importlib", 1, NO_TRUST),
    _example(PICKLE, "pickle-runpy.pkl", "runs a module by runpy", 1, NO_TRUST),
    _example(PICKLE, "pickle-pip.pkl", "calls pip", 1, NO_TRUST),
    _example(PICKLE, "pickle-pkgutil.pkl", "resolves a name by pkgutil", 1, NO_TRUST),
    _example(PICKLE, "pickle-codecs.pkl", "hides a pickle in codecs.decode", 1, NO_TRUST),
    _example(PICKLE, "pickle-nested.pkl", "a pickle within a pickle", 1, NO_TRUST),
    _example(PICKLE, "pickle-protocol-0.pkl", "calls os.system in protocol 0", 1, NO_TRUST),
    _example(
        PICKLE, "pickle-stack-global-memo.pkl", "a name put together from the memo", 1, NO_TRUST
    ),
    _example(ARCHIVE, "torch-protocol-99.pt", "a protocol that does not exist", 1),
    _example(ARCHIVE, "torch-bytearray-bomb.pt", "a bytearray of 8 GiB in 50 bytes", 1, TRUST),
    _example(PICKLE, "pickle-laughs.pkl", "lists of lists of lists: small, and endless", 1, TRUST),
    _example(ARCHIVE, "module-named.safetensors", "a pickled module named .safetensors", 1, TRUST),
    _example(ARCHIVE, "beside-weights.pt", "a call of os.system beside weights", 1, NO_TRUST),
    _example(ARCHIVE, "hidden-pickle.pt", "a second pickle, in a folder of its own", 2),
    _example(ARCHIVE, "legacy.pt", "a call of os.system, before torch 1.6", 1, NO_TRUST),
    _example(ARCHIVE, "tensor-stride-0.pt", "a tensor of 10^12 numbers over one stored", 1),
    _example(ARCHIVE, "tensor-no-numbers.pt", "a tensor whose numbers are not there", 1),
    _example(ARCHIVE, "wrong-checksum.pt", "numbers that do not have their checksum", 2),
    _example(ARCHIVE, "twice.pt", "two entries of one name", 2),
    _example(ARCHIVE, "local-name.pt", "an entry of two names", 2),
    _example(ARCHIVE, "entry-absolute.pt", "an entry with an absolute path", 2),
    _example(ARCHIVE, "entry-dotted.pt", "an entry with .. in its path", 2),
    _example(ARCHIVE, "nested-archive.pt", "an archive in an archive", 2),
    _example(ARCHIVE, "zip-bomb.pt", "1.3 GB in 6 MB", 2),
    _example(ARCHIVE, "encrypted.pt", "encrypted", 2),
    _example(ARCHIVE, "cut-in-half.pt", "cut in half", 2),
    _example(ARCHIVE, "something-before.pt", "a shell script before the archive", 2),
    _example(ARCHIVE, "something-behind.pt", "something behind the archive", 2),
    _example(TENSORS, "header-overlap.safetensors", "tensors that overlap", 2),
    _example(TENSORS, "header-beyond.safetensors", "a tensor that ends behind the file", 2),
    _example(TENSORS, "header-shape-lies.safetensors", "a shape of 10^18 over 4 numbers", 2),
    _example(TENSORS, "huge-header.safetensors", "a header of 4 EiB", 2),
    _example(TENSORS, "header-of-a-gigabyte.safetensors", "a header of 1 GiB", 2),
    _example(TENSORS, "header-markup.safetensors", "markup in names and metadata", 0),
    _example(TENSORS, "header-terminal.safetensors", "control characters in names", 0),
    _example(TENSORS, "bundle-class.safetensors", "a bundle of the class os:system", 0),
    _example(TENSORS, "cut.safetensors", "cut off", 2),
    _example(OTHER, "pointer.safetensors", "a Git LFS pointer", 2, "git lfs pull"),
    _example(OTHER, "page.pt", "a web page, saved as .pt", 2, "Download it again"),
    _example(OTHER, "error.json.pt", "an error message in JSON", 2),
    _example(OTHER, "compressed.pt", "compressed with gzip", 2, "gunzip"),
    _example(OTHER, "empty.pt", "an empty file", 2),
    _example(OTHER, "noise.pt", "random bytes", 2),
    _example(OTHER, "folder.pt", "a folder", 2),
    _example(OTHER, "pipe.pt", "a pipe", 2),
    _example(OTHER, "nowhere.pt", "a link that leads nowhere", 2),
    _example(OTHER, "device.pt", "a link to a device", 2),
)
