"""Which labels are meant, where in the volume they are, and which slices matter."""

from collections.abc import Collection, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Box: TypeAlias = tuple[slice, slice, slice]


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


def boxes_across(
    labels: NDArray[np.uint8], classes: Sequence[int], by: Sequence[int], slices: slice
) -> Iterator[tuple[int, Box, slice]]:
    """Go through the classes near some slices.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8.
    classes
        Which classes to look for; none named means all.
    by
        How many voxels to enlarge their boxes by, along each axis.
    slices
        Which slices of the volume matter.

    Yields
    ------
    tuple
        The class, its enlarged box, and which slices of that box matter; classes none of whose do are left out.
    """
    start, stop, _ = slices.indices(len(labels))
    for label, tight in class_boxes(labels, classes).items():
        box = padded(tight, labels.shape, by)
        first, last = max(start, box[0].start), min(stop, box[0].stop)
        if first < last:
            yield label, box, slice(first - box[0].start, last - box[0].start)


def part(box: Box, slices: slice) -> Box:
    """Give the part of a box that some of its slices are."""
    z, y, x = box
    return (slice(z.start + slices.start, z.start + slices.stop), y, x)


def widened(slices: slice, by: int, length: int) -> tuple[slice, slice]:
    """Give slices with some more to either side, of ``length``, and where among those the slices are."""
    start = max(0, slices.start - by)
    return slice(start, min(length, slices.stop + by)), slice(slices.start - start, slices.stop - start)
