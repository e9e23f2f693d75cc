"""Tune the C library's heap for a server that holds large bodies for a short time."""

import ctypes
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 512 * 1024
_KEPT_BYTES = 4 * 1024 * 1024
"""Free memory at the end of the heap that is not given back: small calls use it again at once."""


def give_back_large_blocks() -> None:
    """Have glibc give large blocks back to the system as soon as they are free. Call it once, at the start.

    By default it keeps blocks as large as the largest that was freed, up to 32 MB, on its heap. There a small object
    behind them keeps their memory from the system for ever. Other C libraries are left as they are.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has none, and keeps nothing
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
