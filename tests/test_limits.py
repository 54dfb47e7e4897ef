"""Mirrors auditkit/limits.py; in processes of their own, since limits stay."""

from __future__ import annotations

import subprocess
import sys

import pytest

linux = pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")

MEMORY = """
import torch
from auditkit.limits import lift_limit, limit_memory, resident
from auditkit.memory import is_out_of_memory
assert limit_memory(resident() + (256 << 20))
torch.ones(16 << 20, dtype=torch.uint8)
try:
    torch.ones(512 << 20, dtype=torch.uint8)
except RuntimeError as error:
    assert is_out_of_memory(error), error
else:
    raise AssertionError("the limit does not hold")
lift_limit()
torch.ones(512 << 20, dtype=torch.uint8)
"""
KEPT = """
import ctypes, resource
from auditkit.limits import keep_freed_memory
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
def asked():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        blocks = [ctypes.c_void_p(libc.malloc(1 << 20)) for _ in range(16)]
        for block in blocks: libc.memset(block, 1, ctypes.c_size_t(1 << 20))
        for block in reversed(blocks): libc.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
asked()
without = asked()
assert keep_freed_memory()
asked()
assert asked() < without / 10, without
"""
NETWORK = """
import os, socket, subprocess, sys, threading
from auditkit.limits import block_network
ready, go = threading.Event(), threading.Event()
opened = []
def other():
    ready.set(); go.wait()
    try: opened.append(socket.socket())
    except PermissionError: pass
thread = threading.Thread(target=other); thread.start(); ready.wait()
socket.socket().close()
assert block_network()
assert block_network(), "twice is harmless"
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
    try:
        socket.socket(family)
    except PermissionError:
        continue
    raise AssertionError(family)
go.set(); thread.join()
assert not opened, "threads that ran before are held too"
child = [sys.executable, "-c", "import socket; socket.socket()"]
assert "PermissionError" in subprocess.run(child, capture_output=True, text=True).stderr
first, second = socket.socketpair()  # within the process
first.send(b"x"); assert second.recv(1) == b"x"
a, b = os.pipe(); os.write(b, b"x"); assert os.read(a, 1) == b"x"
"""


@linux
@pytest.mark.parametrize("code", [MEMORY, KEPT, NETWORK], ids=["memory", "kept", "network"])
def test_the_limit_holds(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_other_systems_say_that_nothing_is_enforced() -> None:
    code = """
import sys, platform
sys.platform = "darwin"
from auditkit.limits import block_network, limit_memory, resident
assert not block_network()
assert not limit_memory(1 << 30)
assert resident() == 0
import socket; socket.socket().close()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
