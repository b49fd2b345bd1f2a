"""Checksums by which a scan, a paint or a file is known again (SHA-256, hexadecimal)."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

AT_ONCE = 1 << 20
"""So many bytes of a file are read at once."""


def voxel_checksum(voxels: Any) -> str:
    """Hash dtype, shape and voxels, a slice at a time.

    Parameters
    ----------
    voxels
        (..., Y, X), may be lazy. Axes of length 1 do not matter.
    """
    shape = tuple(int(n) for n in voxels.shape)
    digest = hashlib.sha256(f"{np.dtype(voxels.dtype).str} {[n for n in shape if n != 1]}\n".encode())
    for place in np.ndindex(shape[:-2]):
        digest.update(np.ascontiguousarray(voxels[place]).data)
    return digest.hexdigest()


def file_checksum(path: Path) -> str:
    """Hash a file as it lies on the disk; of a folder, such as a Zarr group, the names and hashes of its files.

    Raises
    ------
    OSError
        It cannot be read.
    """
    digest = hashlib.sha256()
    if path.is_dir():
        for file in sorted(file for file in path.rglob("*") if file.is_file()):
            digest.update(f"{file.relative_to(path).as_posix()} {file_checksum(file)}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as stream:
        while part := stream.read(AT_ONCE):
            digest.update(part)
    return digest.hexdigest()
