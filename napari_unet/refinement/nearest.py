"""Squared distances to the nearest voxel of a shape, as far as a radius: the loops behind balls in millimetres.

Along each axis in turn the least of (distance along it)² + (what the axes before gave) is taken, over the few voxels
that a ball reaches; the sum over the axes is the Euclidean distance, exactly (Saito and Toriwaki 1994,
doi:10.1016/0031-3203(94)90133-3). For the radii of refinement that is several times faster than a distance map without
a bound, and what is asked of a few slices costs no more than those.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.refinement.compiled import compiled

FAR = np.float32(np.inf)


@compiled
def nearest_in_slices(
    shape: NDArray[np.bool_], reach: tuple[int, int, int], squares: tuple[float, float, float], out: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Measure within each slice by itself.

    Parameters
    ----------
    shape
        (Z, Y, X) bool.
    reach
        How many voxels away to look along (z, y, x).
    squares
        The squared spacing, (z, y, x) in mm².
    out
        (Z, Y, X) float32, filled with squared distances in mm², infinity where nothing is within reach.

    Returns
    -------
    numpy.ndarray
        (Z,) bool: which slices hold some of the shape.
    """
    depth, height, width = shape.shape
    along = np.empty((height, width), np.float32)
    rows = np.empty(height, np.bool_)
    held = np.zeros(depth, np.bool_)
    for z in range(depth):
        for y in range(height):
            rows[y] = _nearest_in_row(shape[z, y], reach[2], np.float32(squares[2]), along[y])
            held[z] |= rows[y]
        if held[z]:
            for y in range(height):
                _least_of_rows(along, rows, y, reach[1], squares[1], out[z, y])
        else:
            out[z] = FAR
    return held


@compiled
def least_of_slices(
    planes: NDArray[np.float32], held: NDArray[np.bool_], z: int, reach: int, square: float, out: NDArray[np.float32]
) -> None:
    """Measure across slices: fill ``out`` (Y, X) for slice ``z`` of what :func:`nearest_in_slices` gave."""
    target = out.reshape(-1)
    target[:] = FAR
    for other in range(max(0, z - reach), min(len(planes), z + reach + 1)):
        if held[other]:
            apart = np.float32(square * (other - z) ** 2)
            _lower(planes[other].reshape(-1), apart, target)


@compiled
def _nearest_in_row(row: NDArray[np.bool_], reach: int, square: np.float32, out: NDArray[np.float32]) -> Any:
    """Measure along a row; say whether it holds some of the shape."""
    width = len(row)
    last = -1
    for x in range(width):
        if row[x]:
            last = x
        out[x] = square * np.float32((x - last) ** 2) if last >= 0 and x - last <= reach else FAR
    if last < 0:
        return False
    last = -1
    for x in range(width - 1, -1, -1):
        if row[x]:
            last = x
        if last >= 0 and last - x <= reach:
            out[x] = min(out[x], square * np.float32((last - x) ** 2))
    return True


@compiled
def _least_of_rows(
    along: NDArray[np.float32], rows: NDArray[np.bool_], y: int, reach: int, square: float, out: NDArray[np.float32]
) -> None:
    out[:] = FAR
    for other in range(max(0, y - reach), min(len(along), y + reach + 1)):
        if rows[other]:
            _lower(along[other], np.float32(square * (other - y) ** 2), out)


@compiled
def _lower(line: NDArray[np.float32], more: np.float32, out: NDArray[np.float32]) -> None:
    """Do ``out`` = min(out, line + more)."""
    for x in range(len(out)):
        out[x] = min(out[x], line[x] + more)
