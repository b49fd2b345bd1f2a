"""Removing what lies where it cannot be: outside a range of intensities, or outside another mask.

Labels are those of one volume, (Z, Y, X) uint8, changed in place; what goes becomes background.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.refinement.boxes import chosen
from napari_unet.refinement.distances import Spacing, dilated


def within_intensities(
    labels: NDArray[np.uint8],
    classes: Sequence[int] = (),
    *,
    intensities: NDArray[Any],
    lowest: float,
    highest: float,
) -> None:
    """Remove voxels whose intensity lies outside a range, or is no number.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8, changed in place.
    classes
        Which classes lose voxels; none named means all.
    intensities
        (Z, Y, X), one channel of the scan; read slice by slice, so it may be lazy.
    lowest, highest
        The range, both included.
    """
    mine = chosen(classes)
    for z, plane in enumerate(labels):
        seen = np.asarray(intensities[z])
        plane[mine[plane] & ~((seen >= lowest) & (seen <= highest))] = 0


def within_region(
    labels: NDArray[np.uint8],
    classes: Sequence[int] = (),
    *,
    region: NDArray[np.uint8],
    parts: Sequence[int] = (),
    margin: float,
    spacing: Spacing,
) -> None:
    """Remove voxels outside another mask.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8, changed in place.
    classes
        Which classes lose voxels; none named means all.
    region
        (Z, Y, X) uint8, the other mask.
    parts
        Which of its classes are meant; none named means all.
    margin
        What lies within so many mm of it stays too.
    spacing
        (z, y, x) in mm.
    """
    inside = chosen(parts)[region]
    if margin > 0:
        inside = dilated(inside, margin, spacing)
    labels[chosen(classes)[labels] & ~inside] = 0
