"""HDF5 (.h5, .hdf5) through h5py: one data set of a file, with the voxel size that ilastik and its kin write."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet.errors import BadInput, MissingDependency
from napari_unet.io.contents import Contents
from napari_unet.io.gate import admit
from napari_unet.io.several_arrays import choose

VOXEL_SIZE = "element_size_um"
"""The attribute with the (z, y, x) voxel size in micrometres."""
MOST_DATA_SETS = 10_000


def read(path: Path, series: str | None = None) -> Contents:
    """Read a data set of two to four axes: an image, a volume, or a series of volumes.

    Parameters
    ----------
    path
        The file.
    series
        The name of the data set, such as "/volumes/raw"; else the only one, or the largest.

    Raises
    ------
    BadInput
        There is none, or its voxels lie outside the file.
    Several
        There are several to choose from.
    OutOfMemory
        It would not fit into memory.
    MissingDependency
        h5py is not installed.
    """
    with _opened(path) as file:
        arrays = _data_sets(file)
        name = choose(path, {name: (found.shape, found.dtype) for name, found in arrays.items()}, series)
        found = arrays[name]
        if found.external or found.is_virtual:
            raise BadInput(f"{path} takes its voxels from other files: save it with its voxels in it.")
        if not 2 <= found.ndim <= 4 or found.dtype.kind not in "buif":
            raise BadInput(f"{path}: {name} is {found.shape} {found.dtype}; an image or a volume of numbers is needed.")
        admit(path, found.size * found.dtype.itemsize)
        array = found[()]
        size = _voxel_size(found.attrs.get(VOXEL_SIZE))
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    axes = "TZYX"[-array.ndim :]
    if size is None:
        return Contents(array, axes)
    return Contents(array, axes, size, "mm")


read_labels = read


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        import h5py
    except ImportError as error:
        raise MissingDependency('HDF5 files need h5py: pip install "napari-unet-paint[hdf5]".') from error
    with h5py.File(path, "r") as file:
        yield file


def _data_sets(file: Any) -> dict[str, Any]:
    """List the data sets of a file by their paths; links out of it are not followed."""
    found: dict[str, Any] = {}

    def look(name: str, node: Any) -> bool | None:
        if hasattr(node, "shape") and node.shape is not None:
            found[f"/{name}"] = node
        return True if len(found) >= MOST_DATA_SETS else None

    file.visititems(look)
    return found


def _voxel_size(said: Any) -> tuple[float, float, float] | None:
    """Read (z, y, x) in mm; None when it is not three lengths."""
    try:
        z, y, x = (float(length) / 1000 for length in np.ravel(said))
    except (TypeError, ValueError):
        return None
    return (z, y, x) if min(z, y, x) > 0 and np.isfinite([z, y, x]).all() else None
