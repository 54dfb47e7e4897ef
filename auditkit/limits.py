"""What a process may use and keep: limits on its memory, and no network; by the system's means."""

from __future__ import annotations

import ctypes
import platform
import socket
import struct
import sys
from pathlib import Path

# --- memory --------------------------------------------------------------------------------------

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # what malloc.h calls M_TRIM_THRESHOLD, M_MMAP_THRESHOLD


def resident() -> int:
    """Return the bytes of memory this process holds, 0 where the system does not say."""
    return _statm()[1]


def limit_memory(limit: int) -> bool:
    """Let this process map no more than the rest of `limit` bytes; return whether it is enforced.

    What is mapped already, libraries above all, is much more than what is in use, so the limit is
    on what is added: today's address space plus what is left of the limit.
    """
    size, used = _statm()
    if size == 0:
        return False
    import resource

    room = max(0, limit - used)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = size + room if hard == resource.RLIM_INFINITY else min(hard, size + room)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    return True


def lift_limit() -> None:
    """Let this process map what it was allowed before `limit_memory`."""
    if _statm()[0]:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def keep_freed_memory() -> bool:
    """Let this process use freed memory again instead of giving it back at once; whether it does.

    The C library of Linux gives the end of its heap back once some of it is free, so that every
    batch asks for the same pages anew and the kernel clears them: 7 to 12 % of the time of
    attribution methods. What is kept counts as in use, up to the 256 MiB named here.

    References
    ----------
    mallopt(3), https://man7.org/linux/man-pages/man3/mallopt.3.html
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_TRIM_THRESHOLD, 256 << 20) and mallopt(_MMAP_THRESHOLD, 32 << 20))


def _statm() -> tuple[int, int]:
    """Return bytes mapped and bytes in use; zeros where there is no /proc."""
    if not sys.platform.startswith("linux"):
        return 0, 0
    import resource

    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()
    except OSError:
        return 0, 0
    size = resource.getpagesize()
    return int(pages[0]) * size, int(pages[1]) * size


# --- the network ---------------------------------------------------------------------------------

_CALLS = {  # machine: its number for filters, and those of socket, io_uring_setup and seccomp
    "x86_64": (0xC000003E, 41, 425, 317),
    "aarch64": (0xC00000B7, 198, 425, 277),
}
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # instructions of a filter
_ALLOW, _DENY, _KILL = 0x7FFF0000, 0x00050000 | 13, 0x80000000  # 13 is EACCES
_OTHER_CALLS = 0x40000000  # where the calls of a second interface start
_NO_NEW_PRIVILEGES, _SET_FILTER, _ALL_THREADS = 38, 1, 1


def block_network() -> bool:
    """Let this process and what it starts open no socket any more; return whether that holds.

    A filter of system calls, which any user may set on Linux and nobody can take off again. Pipes
    and files that are open already stay so. Elsewhere nothing happens.

    References
    ----------
    seccomp(2), https://docs.kernel.org/userspace-api/seccomp_filter.html
    """
    machine = platform.machine()
    if not sys.platform.startswith("linux") or machine not in _CALLS:
        return False
    own, opens, ring, seccomp = _CALLS[machine]
    instructions = [
        (_LOAD, 0, 0, 4),  # which interface the call came through
        (_EQUAL, 1, 0, own),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),  # which call it is
        (_AT_LEAST, 2, 0, _OTHER_CALLS),
        (_EQUAL, 1, 0, opens),
        (_EQUAL, 0, 1, ring),
        (_RETURN, 0, 0, _DENY),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = b"".join(struct.pack("=HBBI", *one) for one in instructions)
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(instructions), ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    libc.syscall(seccomp, _SET_FILTER, _ALL_THREADS, program)
    return not _opens_sockets()


def _opens_sockets() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()
    except OSError:
        return False
    return True
