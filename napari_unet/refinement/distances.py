"""Which labels are meant, boxes around classes, and distances in millimetres within them, whatever the spacing.

The border of the volume is no edge: what lies beyond it is unknown, as though the scan were mirrored there.
"""

from collections.abc import Collection, Sequence
from math import floor
from typing import Any, TypeAlias

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

Spacing: TypeAlias = tuple[float, float, float]
Box: TypeAlias = tuple[slice, slice, slice]

ROUNDING = 1e-5
"""Squared distances are float32: the ball is this much larger (relative) to hold what lies on its surface."""


def class_boxes(labels: NDArray[np.uint8], classes: Sequence[int] = ()) -> dict[int, Box]:
    """Find the bounding box of each class that is there.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8.
    classes
        Which classes to look for; none named means all.
    """
    found = enumerate(ndimage.find_objects(labels), start=1)
    return {label: box for label, box in found if box is not None and (not classes or label in classes)}


def chosen(classes: Collection[int]) -> NDArray[np.bool_]:
    """Give which labels are meant, (256,) bool: those that are named, or all but 0 when none is."""
    meant = np.zeros(256, np.bool_)
    meant[list(classes) or slice(1, None)] = True
    return meant


def padded(box: Box, shape: tuple[int, ...], by: Sequence[int]) -> Box:
    """Enlarge a box by so many voxels along each axis, but not beyond the volume."""
    z, y, x = (
        slice(max(0, side.start - margin), min(length, side.stop + margin))
        for side, margin, length in zip(box, by, shape, strict=True)
    )
    return (z, y, x)


def voxels_within(radius: float, spacing: Spacing) -> tuple[int, ...]:
    """Count the voxels along (z, y, x) that a ball of a radius in mm reaches, and one more for its surface."""
    return tuple(floor(radius / length) + 1 for length in spacing)


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


def dilated(shape: NDArray[np.bool_], radius: float, spacing: Spacing) -> NDArray[np.bool_]:
    """Give what lies within a radius in mm of a (Z, Y, X) shape."""
    if not shape.any():
        return shape
    return squared_distance(shape, spacing) <= square(radius)


def eroded(shape: NDArray[np.bool_], radius: float, spacing: Spacing) -> NDArray[np.bool_]:
    """Give what of a (Z, Y, X) shape has nothing else within a radius in mm."""
    return ~dilated(~shape, radius, spacing)
