"""Looking at what a file's header claims before memory is given to it.

A header of a few hundred bytes can claim terabytes; libraries then allocate first and fail later. Every
reader asks here first.
"""

import zlib
from pathlib import Path
from typing import BinaryIO

import psutil

from napari_unet.errors import BadInput, OutOfMemory

SHARE_OF_MEMORY = 0.25
"""A scan may take this much of the machine's memory: the network and the window need the rest."""
MOST_COMPRESSION = 1100
"""Deflate makes nothing smaller than 1/1032; a file that claims more is broken or a trap."""

PIECE = 1 << 20
"""Bytes that are unpacked at a time."""


def unpacked_size(stream: BinaryIO, packed: int, most: int, form: int) -> int:
    """Count the bytes that deflated ones unpack to, up to ``most`` or a little more; nothing of them is kept.

    Parameters
    ----------
    stream
        Where they lie, at their beginning.
    packed
        Bytes of the stream that may belong to them.
    most
        When to stop counting.
    form
        What surrounds them, as ``wbits`` of :func:`zlib.decompressobj`.

    Raises
    ------
    zlib.error
        They are not deflated.
    """
    unpacker, size = zlib.decompressobj(form), 0
    while size < most and not unpacker.eof and (piece := stream.read(min(PIECE, packed))):
        packed -= len(piece)
        while piece and size < most:
            size += len(unpacker.decompress(piece, PIECE))
            piece = unpacker.unconsumed_tail
    return size


def admit(path: Path, claimed: int, stored: int | None = None) -> None:
    """Let a file be read, or say why not.

    Parameters
    ----------
    path
        The file, for the message.
    claimed
        Bytes its voxels would take in memory.
    stored
        Bytes it has on disk, all parts together, when deflate is the strongest compression it can use; else
        None.

    Raises
    ------
    BadInput
        The header claims more voxels than the file can hold, or none.
    OutOfMemory
        It would take more than ``SHARE_OF_MEMORY`` of the memory.
    """
    if claimed <= 0:
        raise BadInput(f"{path} holds no voxels: it is empty or damaged.")
    if stored is not None and claimed > MOST_COMPRESSION * stored:
        raise BadInput(
            f"{path} claims {_size(claimed)} of voxels but is only {_size(stored)} long: it is cut short or damaged. "
            "Get it again from where it came from."
        )
    budget = int(psutil.virtual_memory().total * SHARE_OF_MEMORY)
    if claimed > budget:
        raise OutOfMemory(
            f"{path} needs {_size(claimed)} of memory and this computer can give {_size(budget)} to one scan: "
            "crop it, or use a computer with more memory."
        )


def _size(bytes_: int) -> str:
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if bytes_ >= factor:
            return f"{bytes_ / factor:.1f} {unit}"
    return f"{bytes_} bytes"
