"""Hostile and broken files, each written from scratch into a folder."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import safetensors.torch
import torch

from tests.models.files import (
    Hoarder,
    Net,
    Shout,
    StorageHoarder,
    described_tensor,
    handmade,
    onnx_like,
    rezipped,
    state,
    torch_file,
)

Writer: TypeAlias = Callable[[Path, Path], object]  # (file to write, canary that must not appear)

# --- pickles ----------------------------------------------------------------------------------


def called(module: str, name: str, *arguments: object) -> bytes:
    """Return a pickle that imports module.name and calls it, written instruction by instruction."""
    body = pickle.dumps(arguments, protocol=2)[2:-1]  # without its head and STOP
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + body + b"R."


def touch(canary: Path) -> str:
    return f"open({str(canary)!r}, 'w').close()"


def _pickles() -> dict[str, Callable[[Path], bytes]]:
    """Return what each hostile pickle is, given the canary."""

    def shell(canary: Path) -> str:
        return f"touch {canary}"

    return {
        "os.system": lambda c: called("os", "system", shell(c)),
        "posix.system": lambda c: called("posix", "system", shell(c)),
        "nt.system": lambda c: called("nt", "system", shell(c)),
        "subprocess": lambda c: called("subprocess", "Popen", ["touch", str(c)]),
        "eval": lambda c: called("builtins", "eval", touch(c)),
        "eval-python-2": lambda c: called("__builtin__", "eval", touch(c)),
        "exec": lambda c: called("builtins", "exec", touch(c)),
        "open": lambda c: called("builtins", "open", str(c), "w"),
        "importlib": lambda _: called("importlib", "import_module", "canary_module"),
        "import": lambda _: called("builtins", "__import__", "canary_module"),
        "global-alone": lambda _: b"\x80\x02ccanary_module\nanything\n.",
        "runpy": lambda _: called("runpy", "run_module", "canary_module"),
        "runpy-path": lambda c: called("runpy", "_run_code", touch(c), {}),
        "pip": lambda _: called("pip", "main", ["download", "nothing"]),
        "pip-internal": lambda _: called("pip._internal", "main", ["download", "nothing"]),
        "pkgutil": lambda _: called("pkgutil", "resolve_name", "os:system"),
        "codecs": lambda c: called("_codecs", "decode", pickle.dumps(Shout(c)), "hex"),
        "codecs-encode": lambda _: called("_codecs", "encode", "x" * 64, "latin1"),
        "nested": lambda c: called("pickle", "loads", pickle.dumps(Shout(c))),
        "nested-c": lambda c: called("_pickle", "loads", pickle.dumps(Shout(c))),
        "marshal": lambda _: called("marshal", "loads", b"\xe3"),
        "types": lambda _: called("types", "FunctionType", None, {}),
        "operator": lambda _: called("operator", "attrgetter", "system"),
        "functools": lambda _: called("functools", "partial", print, "x"),
        "getattr": lambda _: called("builtins", "getattr", "x", "__class__"),
        "ctypes": lambda _: called("ctypes", "CDLL", "libc.so.6"),
        "webbrowser": lambda _: called("webbrowser", "open", "http://127.0.0.1:9/"),
        "socket": lambda _: called("socket", "create_connection", ("127.0.0.1", 9)),
        "shutil": lambda c: called("shutil", "rmtree", str(c)),
        "numpy": lambda c: called("numpy.testing._private.utils", "runstring", touch(c), {}),
        "torch-hub": lambda c: called("torch.hub", "load", str(c.parent), "x"),
        "torch-load": lambda c: called("torch.serialization", "load", str(c)),
        "distutils": lambda c: called("distutils.file_util", "write_file", str(c), ["x"]),
        "cprofile": lambda c: called("cProfile", "run", touch(c)),
        "timeit": lambda c: called("timeit", "timeit", touch(c)),
        "bytearray-bomb": lambda _: called("builtins", "bytearray", 2**33),
        "list-bomb": lambda _: called("builtins", "range", 0, 2**62),
        "protocol-0": lambda c: f"cos\nsystem\n(S'touch {c}'\ntR.".encode(),
        "inst": lambda c: f"(S'touch {c}'\nios\nsystem\n.".encode(),
        "obj": lambda c: b"(cos\nsystem\n" + f"S'touch {c}'\n".encode() + b"o.",
        "stack-global": lambda c: (
            b"\x80\x04\x8c\x02os\x8c\x06system\x93" + pickle.dumps((shell(c),), 4)[2:-1] + b"R."
        ),
        "stack-global-memo": lambda c: (
            b"\x80\x04\x8c\x06system\x940\x8c\x02osh\x00\x93"
            + pickle.dumps((shell(c),), 4)[2:-1]
            + b"R."
        ),
        "build": lambda _: b"\x80\x02ccanary_module\nThing\n)\x81}X\x01\x00\x00\x00aK\x01sb.",
        "newobj-ex": lambda _: b"\x80\x04ccanary_module\nThing\n)}\x92.",
        "extension": lambda _: b"\x80\x02\x82\x01.",
        "persistent": lambda _: b"Psomething\n.",
        "buffer": lambda _: b"\x80\x05\x97.",
        "protocol-99": lambda c: b"\x80\x63" + called("os", "system", shell(c))[2:],
        "two-protocols": lambda c: b"\x80\x02\x80\x04" + called("os", "system", shell(c))[2:],
        "after-stop": lambda c: pickle.dumps({}) + called("os", "system", shell(c)),
        "deep": lambda _: b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
        "marks": lambda _: b"(" * 1_000_000 + b".",
        "memo-bomb": lambda _: b"\x80\x02Nr\xff\xff\xff\x7f.",
        "long-bomb": lambda _: b"\x80\x02\x8b\xff\xff\xff\x7f.",
        "frame-bomb": lambda _: b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
        "string-bomb": lambda _: b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        "laughs": lambda _: laughs(),
    }


def laughs() -> bytes:
    """A list of ten of the list before, thirty times: small to keep, endless to walk through."""
    program = b"\x80\x02]q\x00X\x03\x00\x00\x00haha"
    for level in range(1, 31):
        program += b"]q" + bytes([level]) + b"(" + b"h" + bytes([level - 1])
        program += (b"h" + bytes([level - 1])) * 9 + b"e"
    return program + b"."


def _of_pickles() -> dict[str, Writer]:
    files: dict[str, Writer] = {}
    for name, made in _pickles().items():
        files[f"pickle-{name}.pkl"] = lambda path, canary, made=made: path.write_bytes(made(canary))
        files[f"torch-{name}.pt"] = lambda path, canary, made=made: handmade(path, made(canary))
    return files


# --- torch archives ---------------------------------------------------------------------------


def _module(path: Path, _: Path) -> None:
    torch_file(path, Net())


def _shout(path: Path, canary: Path) -> None:
    torch_file(path, {"weight": torch.zeros(2), "epoch": Shout(canary)})


def _legacy_shout(path: Path, canary: Path) -> None:
    torch.save(
        {"weight": torch.zeros(2), "x": Shout(canary)}, path, _use_new_zipfile_serialization=False
    )


def _changed(change: Callable[[bytes], bytes]) -> Writer:
    """A sound state dict whose bytes are changed."""

    def write(path: Path, _: Path) -> None:
        torch_file(path, state())
        path.write_bytes(change(path.read_bytes()))

    return write


def _flipped(data: bytes) -> bytes:
    """Let a number of a tensor disagree with the checksum in the archive."""
    at = data.index(b"data/0") + 200
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def _entries(extra: dict[str, bytes]) -> Writer:
    def write(path: Path, _: Path) -> None:
        sound = torch_file(path.with_suffix(".tmp"), state())
        rezipped(sound, path, extra=extra)
        sound.unlink()

    return write


def _hidden_pickle(path: Path, canary: Path) -> None:
    _entries({"archive/extra/hidden.pkl": pickle.dumps(Shout(canary))})(path, canary)


def _twice(path: Path, canary: Path) -> None:
    """Two entries of one name: a scanner may read one and the loader the other."""
    import warnings

    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("archive/data.pkl", pickle.dumps({}, 2))
        archive.writestr("archive/data.pkl", pickle.dumps(Shout(canary), 2))
        archive.writestr("archive/version", b"3\n")


def _local_name_differs(path: Path, canary: Path) -> None:
    """The directory at the end names harmless.txt; the entry itself is the pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/dat0.pkl", pickle.dumps(Shout(canary), 2))
        archive.writestr("archive/data.pkl", pickle.dumps({}, 2))
        archive.writestr("archive/version", b"3\n")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"archive/dat0.pkl", b"archive/data.pkl", 1))


def _nested_archive(path: Path, canary: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Shout(canary), 2))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inner.zip", inner.getvalue())


def _zip_bomb(path: Path, _: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}, 2))
        with archive.open("archive/data/0", "w") as entry:
            for _part in range(80):
                entry.write(bytes(2**24))


def _not_unicode(path: Path, _: Path) -> None:
    """An entry whose name claims to be UTF-8 and is not."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/d\u00e4ta.pkl", pickle.dumps({}, 2))
    path.write_bytes(path.read_bytes().replace("\u00e4".encode(), b"\xa1\xa1"))


def _many_disks(path: Path, _: Path) -> None:
    """The end of an archive that spans several disks, on which zipfile itself fails."""
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, 0, 2)
    path.write_bytes(bytes(64) + locator + b"PK\x05\x06" + bytes(18))


def _encrypted(data: bytes) -> bytes:
    """Set the flag of encryption on every entry."""
    marked = bytearray(data)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = marked.find(signature)
        while at >= 0:
            marked[at + offset] |= 1
            at = marked.find(signature, at + 1)
    return bytes(marked)


def _of_archives() -> dict[str, Writer]:
    tensors = {
        "stride-0": described_tensor((10**6, 10**6), (0, 0)),
        "huge": described_tensor((10**12,), (1,)),
        "negative": described_tensor((-1, 5), (1, 1)),
        "no-numbers": described_tensor((4,), (1,), stored=2**40),
        "dimensions": described_tensor((1,) * 5000, (1,) * 5000),
    }
    files: dict[str, Writer] = {
        f"tensor-{name}.pt": lambda path, _, program=program: handmade(path, program)
        for name, program in tensors.items()
    }
    names = {
        "absolute": "/tmp/absolute.txt",
        "dotted": "archive/../../outside.txt",
        "backslash": "archive\\..\\outside.txt",
        "zero-byte": "archive/na\x00me",
        "long": "archive/" + "n" * 60_000,
        "terminal": "archive/\x1b[2Jname",
    }
    files |= {f"entry-{kind}.pt": _entries({name: b"x"}) for kind, name in names.items()}
    return files | {
        "module.pt": _module,
        "module-named.safetensors": _module,
        "module-named.onnx": _module,
        "module-named.npz": _module,
        "module-named.png": _module,
        "beside-weights.pt": _shout,
        "legacy.pt": _legacy_shout,
        "hidden-pickle.pt": _hidden_pickle,
        "twice.pt": _twice,
        "local-name.pt": _local_name_differs,
        "nested-archive.pt": _nested_archive,
        "zip-bomb.pt": _zip_bomb,
        "not-unicode.pt": _not_unicode,
        "many-disks.pt": _many_disks,
        "hoarder.pt": lambda path, _: torch_file(path, {"x": Hoarder()}),
        "storage-hoarder.pt": lambda path, _: torch_file(path, {"x": StorageHoarder()}),
        "wrong-checksum.pt": _changed(_flipped),
        "encrypted.pt": _changed(_encrypted),
        "cut-in-half.pt": _changed(lambda data: data[: len(data) // 2]),
        "cut-at-the-end.pt": _changed(lambda data: data[:-30]),
        "without-start.pt": _changed(lambda data: data[500:]),
        "something-before.pt": _changed(lambda data: b"#!/bin/sh\n" + data),
        "something-behind.pt": _changed(lambda data: data + pickle.dumps(1)),
        "zeros-inside.pt": _changed(lambda data: data[:300] + bytes(900) + data[1200:]),
    }


# --- safetensors ------------------------------------------------------------------------------


def with_header(header: object, numbers: bytes = bytes(16)) -> Writer:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return lambda path, _: path.write_bytes(struct.pack("<Q", len(text)) + text + numbers)


def _tensor(start: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def _claiming(length: int) -> Writer:
    return lambda path, _: path.write_bytes(struct.pack("<Q", length) + b'{"a":1}')


def _bundle_of(description: object) -> Writer:
    text = json.dumps({"__metadata__": {"auditkit": json.dumps(description)}, "w": _W})
    return with_header(text.encode())


_W = _tensor(0, 16, [4])
_LINEAR = {"kind": "Linear", "in_features": 4, "out_features": 1}


def _of_safetensors() -> dict[str, Writer]:
    headers: dict[str, object] = {
        "overlap": {"a": _tensor(0, 16, [4]), "b": _tensor(8, 16, [2])},
        "gap": {"a": _tensor(0, 4, [1]), "b": _tensor(8, 16, [2])},
        "beyond": {"a": _tensor(0, 4096, [1024])},
        "backwards": {"a": _tensor(16, 0, [4])},
        "negative": {"a": _tensor(-16, 0, [4])},
        "shape-lies": {"a": _tensor(0, 16, [10**9, 10**9])},
        "shape-overflows": {"a": _tensor(0, 16, [2**32, 2**32])},
        "negative-shape": {"a": _tensor(0, 16, [-2, -2])},
        "unknown-dtype": {"a": _tensor(0, 16, [4], "EVIL")},
        "not-a-tensor": {"a": 1},
        "list": [1, 2],
        "text-offsets": {"a": {"dtype": "F32", "shape": [4], "data_offsets": "0-16"}},
        "markup": {
            "__metadata__": {"<script>alert(1)</script>": "<img src=x onerror=alert(1)>"},
            "<script>alert(1)</script>": _W,
        },
        "terminal": {"\x1b[2J\x1b]0;owned\x07\u202e": _W},
        "metadata-number": {"__metadata__": {"a": 1}, "w": _W},
        "many": {f"t{i}": _tensor(0, 0, [0]) for i in range(20_000)},
    }
    files = {f"header-{name}.safetensors": with_header(one) for name, one in headers.items()}
    bundles: dict[str, object] = {
        "empty": {},
        "list": [],
        "future": {"version": 99},
        "class": {
            "version": 1,
            "modality": "image",
            "architecture": {"kind": "factory", "name": "os:system"},
            "classes": ["a", "b"],
            "input_shape": [1, 2, 2],
            "bounds": [0, 1],
        },
        "huge-config": {
            "version": 1,
            "modality": "image",
            "architecture": {
                "kind": "builtin",
                "name": "ResNet",
                "config": {"channels": 1, "width": 10**9, "depth": 10**9, "n_classes": 10},
            },
            "classes": ["a", "b"],
            "input_shape": [1, 28, 28],
            "bounds": [0, 1],
        },
        "huge-layer": {
            "version": 1,
            "modality": "image",
            "architecture": {
                "kind": "layers",
                "root": {"kind": "Linear", "options": {"in_features": 2**40, "out_features": 2}},
            },
            "classes": ["a", "b"],
            "input_shape": [1, 2, 2],
            "bounds": [0, 1],
        },
    }
    return (
        files
        | {f"bundle-{name}.safetensors": _bundle_of(one) for name, one in bundles.items()}
        | {
            "huge-header.safetensors": _claiming(2**62),
            "header-of-a-gigabyte.safetensors": _claiming(2**30),
            "no-header.safetensors": _claiming(0),
            "deep-header.safetensors": with_header(b'{"a":' + b"[" * 90_000 + b"]" * 90_000 + b"}"),
            "broken-header.safetensors": with_header(b'{"a": {"dtype": "F32", '),
            "not-unicode.safetensors": with_header(b'{"\xff\xfe": 1}'),
            "twice.safetensors": with_header(
                b'{"a":' + json.dumps(_W).encode() + b',"a":' + json.dumps(_W).encode() + b"}"
            ),
            "cut.safetensors": _cut_safetensors,
        }
    )


def _cut_safetensors(path: Path, _: Path) -> None:
    safetensors.torch.save_file(state(), path)
    path.write_bytes(path.read_bytes()[:-100])


# --- what is no model at all ------------------------------------------------------------------


def _sparse(path: Path, _: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**36)


def _noise(path: Path, _: Path) -> None:
    path.write_bytes(random.Random(0).randbytes(100_000))


def _others() -> dict[str, Writer]:
    page = b"<!DOCTYPE html><html><body>404: <script>alert(1)</script></body></html>"
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n"
    return {
        "page.pt": lambda path, _: path.write_bytes(page),
        "page-with-space.pt": lambda path, _: path.write_bytes(b"\xef\xbb\xbf\r\n  " + page),
        "error.json.pt": lambda path, _: path.write_bytes(b'{"error": "not found"}'),
        "pointer.safetensors": lambda path, _: path.write_bytes(pointer),
        "empty.pt": lambda path, _: path.write_bytes(b""),
        "one-byte.pt": lambda path, _: path.write_bytes(b"\x80"),
        "zeros.pt": lambda path, _: path.write_bytes(bytes(4096)),
        "noise.pt": _noise,
        "sparse.pt": _sparse,
        "text.pt": lambda path, _: path.write_bytes(b"weights go here\n"),
        "onnx-cut.onnx": lambda path, _: path.write_bytes(onnx_like()),
        "compressed.pt": lambda path, _: path.write_bytes(b"\x1f\x8b" + zlib.compress(b"x" * 99)),
        "folder.pt": lambda path, _: path.mkdir(),
        "pipe.pt": lambda path, _: os.mkfifo(path),
        "loop.pt": lambda path, _: path.symlink_to(path.name),
        "nowhere.pt": lambda path, _: path.symlink_to("does-not-exist"),
        "device.pt": lambda path, _: path.symlink_to("/dev/zero"),
    }


def model_files() -> dict[str, Writer]:
    """Return a writer for each hostile or broken model file, by file name."""
    return _of_pickles() | _of_archives() | _of_safetensors() | _others()


# --- data -------------------------------------------------------------------------------------


def _npz(**arrays: object) -> Writer:
    def write(path: Path, _: Path) -> None:
        with path.open("wb") as file:
            named: dict[str, Any] = {name: np.asarray(one) for name, one in arrays.items()}
            np.savez(file, **named)

    return write


def _future_zip(path: Path, canary: Path) -> None:
    """An archive that needs a newer reader than there will ever be."""
    _npz(images=np.zeros((2, 1, 8, 8)), labels=[0, 1])(path, canary)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 6] = 248
    path.write_bytes(bytes(data))


def _objects(path: Path, canary: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, images=np.array([Shout(canary)], dtype=object), labels=np.zeros(1, int))


def _lying_npy(path: Path, _: Path) -> None:
    """An array that announces 8 TB and holds nothing."""
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
    text += b" " * (64 - (len(text) + 11) % 64) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("images.npy", "labels.npy"):
            archive.writestr(
                name, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + b"x"
            )


def _unclosed_npy(path: Path, _: Path) -> None:
    """An array whose head never closes a bracket."""
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1L, "
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", head)
        archive.writestr("labels.npy", head)


def _no_arrays(path: Path, _: Path) -> None:
    """Entries of the right names that are no arrays."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images", b"pixels")
        archive.writestr("labels", b"names")


def _evaluated_npy(path: Path, canary: Path) -> None:
    """An array whose head holds an expression in place of a dictionary."""
    text = f"__import__('os').system('touch {canary}')".encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("images.npy", "labels.npy"):
            archive.writestr(name, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text)


def _npz_bomb(path: Path, _: Path) -> None:
    text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1342177280,), }"
    text += b" " * (64 - (len(text) + 11) % 64) + b"\n"
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("images.npy", "w") as entry:
            entry.write(head)
            for _part in range(80):
                entry.write(bytes(2**24))
        archive.writestr("labels.npy", head)


def _image_bomb(path: Path, _: Path) -> None:
    """A folder of one PNG that announces 40,000 x 40,000 pixels in a few bytes."""
    size = struct.pack(">II", 40_000, 40_000) + b"\x08\x00\x00\x00\x00"

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    packed = zlib.compress(bytes(1000))
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", packed)
    for name in ("0", "1"):
        (path / name).mkdir(parents=True)
        (path / name / "0.png").write_bytes(data + chunk(b"IEND", b""))


def _pipe_among_images(path: Path, _: Path) -> None:
    for name in ("0", "1"):
        (path / name).mkdir(parents=True)
        os.mkfifo(path / name / "0.png")


def _text_as_image(path: Path, _: Path) -> None:
    for name in ("0", "1"):
        (path / name).mkdir(parents=True)
        (path / name / "0.png").write_bytes(b"not a picture")


def _text(content: str | bytes) -> Writer:
    data = content.encode() if isinstance(content, str) else content
    return lambda path, _: path.write_bytes(data)


def data_files() -> dict[str, Writer]:
    """Return a writer for each hostile or broken data file or folder, by name."""
    return {
        "objects.npz": _objects,
        "lying.npz": _lying_npy,
        "evaluated.npz": _evaluated_npy,
        "unclosed.npz": _unclosed_npy,
        "no-arrays.npz": _no_arrays,
        "single-unclosed.npz": _text(b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f8',("),
        "bomb.npz": _npz_bomb,
        "future.npz": _future_zip,
        "no-labels.npz": _npz(images=np.zeros((2, 1, 2, 2))),
        "nothing.npz": _npz(),
        "texts.npz": _npz(images=["a", "b"], labels=[0, 1]),
        "nan.npz": _npz(images=np.full((2, 1, 8, 8), np.nan), labels=[0, 1]),
        "ragged-labels.npz": _npz(images=np.zeros((3, 1, 8, 8)), labels=[0, 1]),
        "flat.npz": _npz(images=np.zeros(6), labels=[0] * 6),
        "pickle.npz": _text(pickle.dumps({"images": 1})),
        "page.csv": _text("<!DOCTYPE html><html><body>404</body></html>"),
        "empty.csv": _text(""),
        "head-alone.csv": _text("text,label\n"),
        "one-column.csv": _text("text\nhello\n"),
        "binary.csv": _text(random.Random(1).randbytes(5000)),
        "zero-bytes.csv": _text(b"text,label\nhel\x00lo,positive\n"),
        "unclosed.csv": _text('text,label\n"never closed,positive\n' + "more,negative\n" * 1000),
        "long-field.csv": _text("text,label\n" + "x" * 3_000_000 + ",positive\nb,negative\n"),
        "many-columns.csv": _text(",".join(f"c{i}" for i in range(20_000)) + "\n"),
        "formula.csv": _text("text,label\n=cmd|' /C calc'!A0,positive\nb,negative\n"),
        "latin.csv": _text("text,label\ncaf\xe9,positive\n".encode("latin-1")),
        "not.parquet": _text(b"PAR1" + bytes(100) + b"PAR1"),
        "cut.parquet": _text(b"PAR1"),
        "pointer.parquet": _text(
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9"
        ),
        "image-bomb": _image_bomb,
        "pipe-among-images": _pipe_among_images,
        "text-as-image": _text_as_image,
        "empty-folder": lambda path, _: path.mkdir(),
        "pipe.csv": lambda path, _: os.mkfifo(path),
        "loop.csv": lambda path, _: path.symlink_to(path.name),
        "device.npz": lambda path, _: path.symlink_to("/dev/zero"),
    }
