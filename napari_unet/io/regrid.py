"""A mask brought onto the grid of another scan of the same patient, through where both lie in the patient."""

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from napari_unet.errors import BadInput
from napari_unet.io.mask import Mask
from napari_unet.scan import Geometry, Scan

SAME_DIRECTION = 1e-6
"""Axes are the same when a step along one goes no further than this, in voxels, along the others."""
SAME_GRID = 1e-3
"""Grids whose voxels lie closer than this, in mm, are one."""


@dataclass(frozen=True, eq=False)
class Regridded:
    """A mask on another grid, and what was done to it in one sentence."""

    mask: Mask
    sentence: str


def onto_grid(mask: Mask, scan: Scan) -> Regridded:
    """Bring a mask onto the grid of another scan: each voxel gets the label of the nearest voxel of the mask.

    Parameters
    ----------
    mask
        The mask, or a paint.
    scan
        The scan whose grid it gets. Parts of the mask outside are lost; parts of the scan outside are 0.

    Returns
    -------
    Regridded
        The mask, and a sentence that says what was resampled and what volume it has now.

    Raises
    ------
    BadInput
        One of them does not say where it lies in the patient, they have another number of volumes, or no label
        lies within the scan.
    """
    labels = resample(mask, scan)
    moved = Mask.on(scan, labels, mask.classes)
    if mask.labels.any() and not labels.any():
        raise BadInput(
            f'nothing of the mask lies within "{scan.name}": they show different places, or are not in the same '
            "coordinates. Choose a scan of the same patient and visit."
        )
    assert mask.geometry is not None
    assert scan.geometry is not None
    if labels.shape == mask.labels.shape and mask.geometry.close_to(scan.geometry, SAME_GRID):
        return Regridded(moved, f'The mask lies on the grid of "{scan.name}" already: nothing was resampled.')
    before, after = (np.count_nonzero(one.labels) * prod(one.spacing) / 1000 for one in (mask, moved))
    return Regridded(
        moved,
        f'The mask was resampled (nearest voxel) onto the grid of "{scan.name}": {_grid(mask)} became {_grid(moved)}, '
        f"and {before:.4g} ml became {after:.4g} ml.",
    )


def resample(mask: Mask, scan: Scan) -> NDArray[np.uint8]:
    """Give the labels of a mask on the grid of a scan, in the scan's ``mask_shape``.

    Raises
    ------
    BadInput
        One of them does not say where it lies in the patient, or they have another number of volumes.
    """
    from scipy.ndimage import affine_transform  # imported here: it takes a while, and few masks are resampled

    source = mask.as_scan("mask")
    if source.geometry is None or scan.geometry is None:
        silent = "The mask" if source.geometry is None else f'"{scan.name}"'
        raise BadInput(
            f"{silent} does not say where in the patient it lies, so the mask cannot be put onto another grid: use "
            "files with positions, such as DICOM, NIfTI or NRRD."
        )
    volumes, places = list(source.volumes()), list(scan.volumes())
    if len(volumes) != len(places):
        raise BadInput(f'the mask has {len(volumes)} volumes and "{scan.name}" {len(places)}: they cannot be matched.')
    labels = np.empty(scan.grid, np.uint8)
    matrix = _between(scan.geometry, source.geometry)
    along_axes = np.allclose(matrix[:3, :3], np.diag(matrix.diagonal()[:3]), rtol=0, atol=SAME_DIRECTION)
    for volume, place in zip(volumes, places, strict=True):
        if along_axes:
            _take_along_axes(source.array[0, volume], matrix, labels[place])
        else:
            affine_transform(
                source.array[0, volume], matrix, output=labels[place], output_shape=labels[place].shape, order=0,
                mode="grid-constant",
            )  # fmt: skip
    return np.ascontiguousarray(scan.unfold(labels))


def _take_along_axes(source: NDArray[np.uint8], matrix: NDArray[np.float64], labels: NDArray[np.uint8]) -> None:
    """Fill ``labels`` (Z, Y, X) from a grid with the same axes, axis by axis, which is 20 times as fast."""
    labels[...] = 0
    within, taken = [], []
    for axis, (n, available) in enumerate(zip(labels.shape, source.shape, strict=True)):
        nearest = np.floor(np.arange(n) * matrix[axis, axis] + matrix[axis, 3] + 0.5).astype(int)
        inside = np.flatnonzero((nearest >= 0) & (nearest < available))
        within.append(inside)
        taken.append(nearest[inside])
    labels[np.ix_(*within)] = source[np.ix_(*taken)]


def _between(one: Geometry, other: Geometry) -> NDArray[np.float64]:
    """Give the (4, 4) matrix from voxel indices (z, y, x, 1) of one grid to those of another."""
    matrix = np.linalg.solve(other.affine, one.affine)
    order = [2, 1, 0, 3]
    return np.asarray(matrix[np.ix_(order, order)], np.float64)


def _grid(mask: Mask) -> str:
    shape = " x ".join(str(n) for n in mask.labels.shape)
    return f"{shape} voxels of {' x '.join(f'{step:.3g}' for step in mask.spacing)} mm"
