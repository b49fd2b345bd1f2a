"""Arrays that two processes see: memory-mapped files in a folder that only the user may read."""

import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import DTypeLike, NDArray

from napari_unet.bands import banded
from napari_unet.errors import OutOfMemory
from napari_unet.scan import Scan

_PREFIX = "napari-unet-"


@dataclass(frozen=True, slots=True)
class SharedArray:
    """Where an array lies that another process can open: a raw file in C order, its shape and its dtype."""

    path: str
    shape: tuple[int, ...]
    dtype: str

    def open(self, *, writable: bool = False) -> NDArray[Any]:
        """Map it into memory."""
        return np.memmap(self.path, np.dtype(self.dtype), "r+" if writable else "r", shape=self.shape)


@dataclass(frozen=True, slots=True)
class SharedScan:
    """A scan whose array is shared and whose other fields travel as they are."""

    array: SharedArray
    rest: dict[str, Any]

    def open(self) -> Scan:
        """Make the scan around the mapped array."""
        return Scan(array=self.array.open(), **self.rest)


class Exchange:
    """A folder for the arrays and models of one window, removed when it is closed.

    The folder is readable by its owner only and carries the number of the process it belongs to, so that what
    a killed program left behind is removed when the next one starts.
    """

    def __init__(self) -> None:
        _sweep(Path(tempfile.gettempdir()))
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        self._numbers = count()

    def path(self, suffix: str) -> Path:
        """Give a path in the folder that is not taken."""
        return self.folder / f"{next(self._numbers)}{suffix}"

    def empty(self, shape: Iterable[int], dtype: DTypeLike) -> SharedArray:
        """Make an array of zeros to be written by another process.

        Raises
        ------
        OutOfMemory
            The disk that holds temporary files is full.
        """
        shared = SharedArray(str(self.path(".raw")), tuple(int(n) for n in shape), np.dtype(dtype).str)
        size = int(np.prod(shared.shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        free = shutil.disk_usage(self.folder).free
        if size > free:
            raise _disk_full(self.folder, size, free)
        try:
            _reserve(Path(shared.path), size)
        except OSError as error:
            _unlink(Path(shared.path))
            raise _disk_full(self.folder, size, free) from error
        return shared

    def put(self, array: Any) -> SharedArray:
        """Copy an array, slice by slice, so that a lazy one never is in memory whole."""
        shared = self.empty(array.shape, array.dtype)
        mapped = shared.open(writable=True)
        if array.ndim == 4:
            array = banded(array)
        for place in np.ndindex(shared.shape[:-2]):
            mapped[place] = np.asarray(array[place])
        return shared

    def put_scan(self, scan: Scan) -> SharedScan:
        """Copy a scan's voxels, slice by slice."""
        shared = self.put(scan.array)
        return SharedScan(shared, {f.name: getattr(scan, f.name) for f in fields(scan) if f.name != "array"})

    def remove(self, *arrays: SharedArray | SharedScan | None) -> None:
        """Remove arrays that are no longer needed; a mapping that is still open stays valid."""
        for array in arrays:
            if array is not None:
                path = array.array.path if isinstance(array, SharedScan) else array.path
                _unlink(Path(path))

    def close(self) -> None:
        """Remove the folder and all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _disk_full(folder: Path, size: int, free: int) -> OutOfMemory:
    return OutOfMemory(
        f"{size / 1e9:.1f} GB are needed in {folder.parent} but {free / 1e9:.1f} GB are free: make room."
    )


def _reserve(path: Path, size: int) -> None:
    """Make a file of zeros that has its place on the disk: a process that maps one without it may be ended."""
    with path.open("wb") as file:
        file.truncate(size)
        if size and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        return  # Windows keeps a mapped file; it goes with the folder


def _sweep(parent: Path) -> None:
    """Remove the folders of processes that no longer exist."""
    for folder in parent.glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).split("-")[0]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
