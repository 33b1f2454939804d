"""Memory that was freed goes back to the system, where the allocator would keep it.

Arrays of changing sizes leave holes in the heap that glibc does not return by itself: after a long
table was read in portions, most of a process's memory was such holes.
"""

from __future__ import annotations

import ctypes
import sys


def return_freed() -> None:
    """Ask the allocator to return what is free; nothing where it is not glibc."""
    if not sys.platform.startswith("linux"):
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
