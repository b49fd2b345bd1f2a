"""Finding the file of a scan again, by where it was and by the checksum of its voxels, while the window lives."""

from collections.abc import Sequence
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image

from napari_unet.errors import BadInput, UnetError
from napari_unet.gui.layers.scans import image_on_disk, layer_data
from napari_unet.gui.work.opening import while_alive
from napari_unet.io import read_scan
from napari_unet.io.zarr_file import in_zarr, open_image
from napari_unet.keeping.checksums import voxel_checksum
from napari_unet.keeping.project import ProjectScan, find_scan, likely_places
from napari_unet.runner.reading import reader
from napari_unet.scan import Scan

SLICES, SIDE = 16, 512
"""An image that may be larger than memory is known by the middle of so many slices, so many voxels long."""


def checksum_of(image: Image) -> str:
    """Hash the voxels of an image layer, at its finest; of one that may be larger than memory some of them."""
    return voxel_checksum(_telling(image.data[0] if getattr(image, "multiscale", False) else image.data))


def _telling(voxels: Any) -> Any:
    """Give the voxels by which an image is known: all, or the middle of a few slices where they lie on the disk."""
    if isinstance(voxels, np.ndarray):
        return voxels
    leading = voxels.shape[:-2]
    middle = [slice(max(0, n // 2 - SIDE // 2), n // 2 + SIDE // 2) for n in voxels.shape[-2:]]
    numbers = np.unique(np.linspace(0, prod(leading) - 1, SLICES).astype(int))
    return np.stack([np.asarray(voxels[(*np.unravel_index(number, leading), *middle)]) for number in numbers])


def checksum_at(path: Path) -> str:
    """Hash the voxels of a file or folder as they would lie in an image layer; "" when it is no scan."""
    with suppress(UnetError):
        data: Any
        if in_zarr(path):
            data = image_on_disk(open_image(path), path.stem)
            return voxel_checksum(_telling(data[0][0] if data[1]["multiscale"] else data[0]))
        found = reader.read([path], "scan")
        if isinstance(found, Scan):
            return voxel_checksum(layer_data(found)[0])
    return ""


def read_matching(scan: ProjectScan, place: Path) -> Scan | None:
    """Read a scan from its file; None when that is another's, or cannot be read."""
    with suppress(UnetError):
        if in_zarr(place):
            return read_scan(place) if scan.checksum in ("", checksum_at(place)) else None
        found = reader.read([place], "scan")
        if isinstance(found, Scan) and scan.checksum in ("", voxel_checksum(layer_data(found)[0])):
            return found
    return None


def matching_place(scan: ProjectScan, folder: Path) -> Path | None:
    """Give where the file of a scan should lie, if it does: as seen from the project's folder, or at its old path."""
    places = likely_places(scan, folder)
    if not scan.checksum:  # the window ended before it was known
        return next(iter(places), None)

    def first() -> Path | None:
        return next((place for place in places if checksum_at(place) == scan.checksum), None)

    return while_alive(first, f"Checking {scan.name} ...", reader.cancel) if places else None


def search(scan: ProjectScan, around: Sequence[Path]) -> Path:
    """Look for the file of a scan.

    Parameters
    ----------
    scan
        The scan.
    around
        The folders to look in.

    Raises
    ------
    BadInput
        It is not there.
    """
    found = None
    if scan.checksum:
        found = while_alive(lambda: find_scan(scan, around, checksum_at), f"Looking for {scan.name} ...", reader.cancel)
    if found is None:
        where = " and ".join(map(str, around))
        other = " Another scan lies there now, with other voxels." if Path(scan.origin[0]).exists() else ""
        raise BadInput(
            f'"{scan.name}" is not found: it was {scan.origin[0]}.{other} Nor is it in {where}. '
            "Press Find… and choose the folder that it is in."
        )
    return found
