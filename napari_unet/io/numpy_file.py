"""NumPy arrays (.npy): voxels only. Two axes are an image, three a volume, four a series of volumes."""

from pathlib import Path

import numpy as np

from napari_unet.errors import BadInput
from napari_unet.io.contents import Contents
from napari_unet.io.gate import admit


def read(path: Path) -> Contents:
    """Read an array of two to four axes.

    Raises
    ------
    BadInput
        It has other axes, or several arrays.
    OutOfMemory
        It would not fit into memory.
    """
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(mapped, np.ndarray):
        raise BadInput(f"{path} holds several arrays: save one as .npy.")
    admit(path, mapped.nbytes)
    array = np.array(mapped)
    if not 2 <= array.ndim <= 4:
        raise BadInput(f"{path} has {array.ndim} axes: an image, a volume or a series of volumes is needed.")
    return Contents(array, "TZYX"[-array.ndim :])


read_labels = read
