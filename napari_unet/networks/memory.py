"""Memory that a process keeps while its networks compute on the processor."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import psutil

MOST_KEPT = 1.25e9
"""Bytes by which the process may have grown before it gives back what lies unused: pieces too small for what is next.

One pass over as much as :mod:`napari_unet.inference.engine` lets a processor take in at once needs nearly as many."""
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
"""What ``mallopt`` of the GNU C library sets: see its manual."""
MOST_DYNAMIC = 32 << 20
"""Bytes from which on the library, left alone, asks the system for each block by itself."""
_lock = Lock()
_users = _before = 0


@contextmanager
def memory_kept() -> Iterator[None]:
    """Keep what is freed within for what is asked for next, and give it back to the system at the end.

    A network asks for hundreds of megabytes and frees them, layer after layer. The GNU C library hands blocks of that
    size back at once, and the system clears every page of the next one: a quarter to a third of the time of a
    prediction, a tenth to a quarter of that of a training on large patches, measured. Elsewhere than on Linux this does
    nothing.
    """
    library = _gnu()
    if library is None:
        yield
        return
    _count(library, 1)
    try:
        yield
    finally:
        _count(library, -1)


def keep_no_more() -> None:
    """Give back what lies unused if too much does; to be called now and then within :func:`memory_kept`."""
    with _lock:
        if _users and _resident() > _before + MOST_KEPT:
            _gnu().malloc_trim(0)


def _resident() -> int:
    return int(psutil.Process().memory_info().rss)


def _gnu() -> Any:
    """Give the C library where it is GNU's."""
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):  # Windows
        return None
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


def _count(library: Any, more: int) -> None:
    """Note how many want memory kept, and begin with the first and end with the last."""
    global _users, _before
    with _lock:
        before, _users = _users, _users + more
        if not before:
            _before = _resident()
            library.mallopt(MMAP_MAX, 0)
            library.mallopt(TRIM_THRESHOLD, -1)  # never
        elif not _users:
            library.mallopt(MMAP_MAX, 65536)  # as it begins
            library.mallopt(MMAP_THRESHOLD, MOST_DYNAMIC)
            library.mallopt(TRIM_THRESHOLD, 2 * MOST_DYNAMIC)
            library.malloc_trim(0)
