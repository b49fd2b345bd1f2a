"""Distances in millimetres, whatever the spacing.

The border of the volume is no edge: what lies beyond it is unknown, as though the scan were mirrored there.
"""

from math import floor, sqrt
from typing import Any, TypeAlias

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

Spacing: TypeAlias = tuple[float, float, float]

ROUNDING = 1e-5
"""Squared distances are float32: the ball is this much larger (relative) to hold what lies on its surface."""


def voxels_within(radius: float, spacing: Spacing) -> tuple[int, int, int]:
    """Count the voxels along (z, y, x) that a ball of a radius in mm reaches."""
    z, y, x = (floor(sqrt(square(radius)) / length) for length in spacing)
    return (z, y, x)


def square(radius: float) -> float:
    """Give the largest squared distance, in mm², that lies within a radius in mm."""
    return radius * radius * (1 + ROUNDING)


def squared_distance(shape: NDArray[np.bool_], spacing: Spacing) -> NDArray[np.float32]:
    """Measure from each voxel to the nearest one of a shape (Maurer et al. 2003, doi:10.1109/TPAMI.2003.1177156).

    Parameters
    ----------
    shape
        (Z, Y, X) bool, not empty.
    spacing
        (z, y, x) in mm.

    Returns
    -------
    numpy.ndarray
        (Z, Y, X) float32 in mm²; zero or less within the shape.
    """
    if shape.all():
        return np.zeros(shape.shape, np.float32)  # ITK measures from a shape's edge, and here is none
    image = flat_or_solid(shape.view(np.uint8))
    image.SetSpacing(spacing[::-1][: image.GetDimension()])
    # ITK's is exact and several times faster than SciPy's.
    squared = sitk.SignedMaurerDistanceMap(image, insideIsPositive=False, squaredDistance=True, useImageSpacing=True)
    distance: NDArray[np.float32] = sitk.GetArrayFromImage(squared).reshape(shape.shape)
    return distance


def flat_or_solid(array: NDArray[Any]) -> sitk.Image:
    """Make a (Z, Y, X) array an ITK image, of two dimensions when it is a single slice: that is several times faster.

    Its spacing is 1.
    """
    return sitk.GetImageFromArray(array[0] if len(array) == 1 else array)


def distance_within(shape: NDArray[np.bool_], spacing: Spacing) -> NDArray[np.float32]:
    """Measure how deep in a (Z, Y, X) shape each voxel lies: mm to the nearest voxel outside; 0 outside.

    Infinite where nothing lies outside.
    """
    if shape.all():
        return np.full(shape.shape, np.inf, np.float32)
    return np.sqrt(np.maximum(squared_distance(~shape, spacing), 0))


def signed_distance(shape: NDArray[np.bool_], spacing: Spacing) -> NDArray[np.float32]:
    """Measure from each voxel of (Z, Y, X) to the nearest on the other side of a shape's edge; negative within it.

    In mm; infinite where there is no other side.
    """
    return distance_within(~shape, spacing) - distance_within(shape, spacing)


def squared_distance_up_to(
    radius: float, shape: NDArray[np.bool_], spacing: Spacing, slices: slice = slice(None)
) -> NDArray[np.float32]:
    """Measure from each voxel of some slices to the nearest one of a shape, as far as a radius.

    Parameters
    ----------
    radius
        In mm. The smaller it is, the faster this is.
    shape
        (Z, Y, X) bool.
    spacing
        (z, y, x) in mm.
    slices
        Of which slices to measure; the others are looked at as far as the radius reaches.

    Returns
    -------
    numpy.ndarray
        (slices, Y, X) float32 in mm²; infinite where the shape is further away.
    """
    # Imported here: numba takes a second to load.
    from napari_unet.refinement.nearest import least_of_slices, nearest_in_slices

    start, stop, _ = slices.indices(len(shape))
    reach = voxels_within(radius, spacing)
    squares = (spacing[0] ** 2, spacing[1] ** 2, spacing[2] ** 2)
    first, last = max(0, start - reach[0]), min(len(shape), stop + reach[0])
    planes = np.empty((last - first, *shape.shape[1:]), np.float32)
    held = nearest_in_slices(shape[first:last], reach, squares, planes)
    if not reach[0]:
        return planes
    distance = np.empty((stop - start, *shape.shape[1:]), np.float32)
    for z in range(start, stop):
        least_of_slices(planes, held, z - first, reach[0], squares[0], distance[z - start])
    return distance


def signed_distance_up_to(
    radius: float, shape: NDArray[np.bool_], spacing: Spacing, slices: slice = slice(None)
) -> NDArray[np.float32]:
    """Measure as :func:`signed_distance` on some slices; what is further away than a radius in mm is so far away."""
    outside = squared_distance_up_to(radius, shape, spacing, slices)
    inside = squared_distance_up_to(radius, ~shape, spacing, slices)
    return np.minimum(np.sqrt(outside), radius) - np.minimum(np.sqrt(inside), radius)


def dilated(
    shape: NDArray[np.bool_], radius: float, spacing: Spacing, slices: slice = slice(None)
) -> NDArray[np.bool_]:
    """Give what of some slices lies within a radius in mm of a (Z, Y, X) shape."""
    return squared_distance_up_to(radius, shape, spacing, slices) <= square(radius)


def eroded(shape: NDArray[np.bool_], radius: float, spacing: Spacing, slices: slice = slice(None)) -> NDArray[np.bool_]:
    """Give what of some slices of a (Z, Y, X) shape has nothing else within a radius in mm."""
    return ~dilated(~shape, radius, spacing, slices)
