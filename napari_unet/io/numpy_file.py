"""NumPy arrays (.npy, .npz): voxels only. Two axes are an image, three a volume, four a series of volumes."""

import io
import zipfile
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from napari_unet.errors import BadInput
from napari_unet.io.contents import Contents
from napari_unet.io.gate import admit
from napari_unet.io.several_arrays import Outline, choose

LONGEST_HEADER = 10_100
"""NumPy reads headers of at most ten thousand characters; one that claims more is not unpacked."""


def read(path: Path, series: str | None = None) -> Contents:
    """Read an array of two to four axes.

    Parameters
    ----------
    path
        The file.
    series
        The name of an array in an .npz file; else the only one, or the largest.

    Raises
    ------
    BadInput
        It has other axes, or none has these.
    Several
        There are several to choose from.
    OutOfMemory
        It would not fit into memory.
    """
    if path.suffix.lower() == ".npz":
        array = _from_archive(path, series)
    else:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(mapped, np.ndarray):
            raise BadInput(f"{path} holds several arrays: let its name end with .npz.")
        admit(path, mapped.nbytes)
        array = np.array(mapped)
    if not 2 <= array.ndim <= 4:
        raise BadInput(f"{path} has {array.ndim} axes: an image, a volume or a series of volumes is needed.")
    return Contents(array, "TZYX"[-array.ndim :])


read_labels = read


def _from_archive(path: Path, series: str | None) -> NDArray[Any]:
    with zipfile.ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        outlines = {}
        for name, info in members.items():
            with archive.open(info) as stream:
                outlines[name] = _outline(stream)
        name = choose(path, outlines, series)
        shape, dtype = outlines[name]
        admit(path, prod(shape) * dtype.itemsize, members[name].compress_size)
        with archive.open(members[name]) as stream:
            array: NDArray[Any] = npy.read_array(stream, allow_pickle=False)
    return array


def _outline(stream: IO[bytes]) -> Outline:
    """Read shape and type of an array, without its voxels."""
    head = io.BytesIO(stream.read(LONGEST_HEADER))
    major, _ = npy.read_magic(head)
    shape, _, dtype = (npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0)(head)
    return shape, dtype
