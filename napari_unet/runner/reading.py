"""Reading files of strangers in a process of its own: one that makes a parser crash or eat the memory ends there.

The process may take three quarters of the memory, where the system can be asked to see to it (Linux). It
stays for the next file, unless this one could not be read.
"""

import contextlib
import os
import queue
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil

from napari_unet.errors import BadInput, JobFailed, OutOfMemory, UnetError
from napari_unet.events import Event, Job, Started
from napari_unet.io import Mask, read_mask, read_scan, read_scan_or_mask
from napari_unet.io.zarr_file import in_zarr
from napari_unet.runner.child import Child, Failed, Finished, Message
from napari_unet.runner.exchange import SharedArray
from napari_unet.scan import Scan

SHARE_OF_MEMORY = 0.75
"""What the process may take of the memory, beside what it starts with."""
READERS = ("napari_unet.io.dicom", "napari_unet.io.nifti", "napari_unet.io.itk")
"""What it imports while it is told which file."""

Wanted = Literal["scan", "mask", "either"]


class Cancelled(UnetError):
    """Reading was cancelled; nothing needs to be said."""


@dataclass(frozen=True, slots=True)
class ReadDone:
    """What was read: a scan or a mask, whose voxels lie in a file."""

    voxels: SharedArray
    is_mask: bool
    rest: dict[str, Any]

    def open(self) -> Scan | Mask:
        """Make it around its voxels, which are not to be changed in the file: they are copied when written to."""
        array = np.asarray(np.memmap(self.voxels.path, np.dtype(self.voxels.dtype), "c", shape=self.voxels.shape))
        if os.name == "nt":  # a mapped file cannot be removed there
            array = array.copy()
        return Mask(labels=array, **self.rest) if self.is_mask else Scan(array=array, **self.rest)


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Read a scan or a mask; see :mod:`napari_unet.io.files`.

    Parameters
    ----------
    paths
        One, or those of the channels of a scan.
    into
        The file to write its voxels to.
    wanted
        What it is to be read as; "either" is what it says it is.
    series, assume_even_spacing
        As in :func:`napari_unet.io.read_scan`.
    """

    paths: tuple[str, ...]
    into: str
    wanted: Wanted = "either"
    series: str | None = None
    assume_even_spacing: bool = False

    def job(self) -> Job[ReadDone]:
        """Read."""
        limit_memory()
        yield Started("reading")
        found = self.found()
        voxels = np.ascontiguousarray(found.labels if isinstance(found, Mask) else found.array)
        try:
            voxels.tofile(self.into)
        except OSError as error:
            raise OutOfMemory(
                f"{voxels.nbytes / 1e9:.1f} GB are needed in {Path(self.into).parent.parent} for a moment: make room."
            ) from error
        taken = "labels" if isinstance(found, Mask) else "array"
        rest = {field.name: getattr(found, field.name) for field in fields(found) if field.name != taken}
        return ReadDone(SharedArray(self.into, voxels.shape, voxels.dtype.str), isinstance(found, Mask), rest)

    def found(self) -> Scan | Mask:
        """Read in this process."""
        if self.wanted == "mask":
            return read_mask(self.paths[0], series=self.series)
        if self.wanted == "either" and len(self.paths) == 1:
            return read_scan_or_mask(self.paths[0], series=self.series, assume_even_spacing=self.assume_even_spacing)
        return read_scan(self.paths, series=self.series, assume_even_spacing=self.assume_even_spacing)


class Reader:
    """Reads one file after another in a process of its own. Every method may be called in any thread."""

    def __init__(self) -> None:
        self._reading = threading.Lock()
        self._child: Child | None = None
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()

    def read(
        self,
        paths: Sequence[str | os.PathLike[str]],
        wanted: Wanted = "either",
        *,
        series: str | None = None,
        assume_even_spacing: bool = False,
    ) -> Scan | Mask:
        """Read a scan or a mask, see :class:`ReadRequest`; wait until it is there.

        Raises
        ------
        BadInput
            It cannot be read; also when the process that read it is gone.
        OutOfMemory
            It would not fit into memory.
        Cancelled
            :meth:`cancel` was called.
        """
        names = tuple(os.path.abspath(path) for path in paths)
        if any(in_zarr(Path(name)) for name in names):  # it stays on disk, and no foreign parser has a part in it
            return ReadRequest(names, "", wanted, series, assume_even_spacing).found()
        with self._reading, tempfile.TemporaryDirectory(prefix="napari-unet-reading-") as folder:
            request = ReadRequest(names, os.path.join(folder, "voxels"), wanted, series, assume_even_spacing)
            message = self._answer(request)
            if isinstance(message, Finished):
                found: Scan | Mask = message.result.open()
                return found
            gone = self._child is None or not self._child.alive
            self.end()  # what it read may have left it in disorder
        if not isinstance(message, Failed):
            raise Cancelled("Reading was cancelled.")
        if gone and isinstance(message.error, JobFailed):
            raise BadInput(
                f"{names[0]} made the program that reads it crash: it is damaged, or made to do harm. Get it again "
                "from where it came from; nothing else is affected."
            ) from message.error
        raise message.error

    def warm(self) -> None:
        """Let the process stand ready."""
        if self._reading.acquire(blocking=False):  # else it stands and reads
            try:
                self._stand()
            finally:
                self._reading.release()

    @property
    def pid(self) -> int | None:
        """The number of the process, while it stands."""
        return None if self._child is None else self._child.pid

    def _stand(self) -> Child:
        if self._child is None or not self._child.alive:
            self.end()
            self._messages = queue.SimpleQueue()
            self._child = Child(self._messages.put, READERS)
        return self._child

    def _answer(self, request: ReadRequest) -> Message | None:
        """Give the last word of the process about a request; None when it was cancelled."""
        child = self._stand()
        messages = self._messages
        child.run(request)
        while isinstance(message := messages.get(), Event):
            pass
        return message

    def cancel(self) -> None:
        """End what is being read: who waits for it gets :class:`Cancelled`."""
        messages = self._messages
        child = self._child
        if child is not None and child.busy:
            child.end()
            messages.put(None)

    def end(self) -> None:
        """End the process; the next file gets another one."""
        child, self._child = self._child, None
        if child is not None:
            child.end()


reader = Reader()
"""The one of this program: whoever reads waits for whoever reads already."""


def limit_memory() -> None:
    """Let the system refuse this process more than its share of memory, where it can."""
    if sys.platform != "linux":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY:
        limit = psutil.Process().memory_info().vms + int(psutil.virtual_memory().total * SHARE_OF_MEMORY)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
