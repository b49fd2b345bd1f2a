"""Operations on the shape of classes, with lengths in millimetres whatever the spacing.

All of them work in place on the labels of one volume, (Z, Y, X) uint8, class by class within its bounding
box. Each is an iterator over the classes done so far, so that whoever drives it can report and be cancelled;
it must be exhausted.

Classes never eat one another: a class grows into background only, unless :func:`grow` is told of classes that
may lose voxels; what is taken from a class becomes background; and every class is looked at as it was before
the operation.

The border of the volume is no edge: what lies beyond it is unknown and neither erodes nor grows anything, as
though the scan were mirrored there.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_unet.refinement.boxes import boxes_across, class_boxes, part, widened
from napari_unet.refinement.claims import Claims
from napari_unet.refinement.connected import connected_pieces
from napari_unet.refinement.distances import Spacing, dilated, eroded, square, squared_distance_up_to, voxels_within

FIRST_REACH = 4
"""How many slices to either side are looked at first to learn what is enclosed."""


def opening(
    labels: NDArray[np.uint8],
    classes: Sequence[int] = (),
    *,
    radius: float,
    spacing: Spacing,
    slices: slice = slice(None),
) -> Iterator[int]:
    """Remove what a ball does not fit into (binary opening); it becomes background.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8, changed in place.
    classes
        Which classes to open; none named means all.
    radius
        Of the ball, in mm.
    spacing
        (z, y, x) in mm. Across slices thicker than the radius nothing is removed.
    slices
        The only slices to change; the others are looked at as far as needed.

    Yields
    ------
    int
        The class just done.
    """
    reach = voxels_within(radius, spacing)[0]
    # One voxel of surroundings suffices: nothing outside the box is nearer than they are.
    for label, box, wanted in boxes_across(labels, classes, (1, 1, 1), slices):
        here = labels[box]
        shape = here == label
        around, wanted_of_these = widened(wanted, reach, len(shape))
        kept = eroded(shape, radius, spacing, around)
        opened = dilated(kept, radius, spacing, wanted_of_these)
        here[wanted][shape[wanted] & ~opened] = 0
        yield label


def closing(
    labels: NDArray[np.uint8],
    classes: Sequence[int] = (),
    *,
    radius: float,
    spacing: Spacing,
    slices: slice = slice(None),
) -> Iterator[int]:
    """Close the gaps of each class that a ball does not fit into (binary closing), where they are background.

    A voxel that two classes would close goes to the nearer one, and at equal distance to the lower label.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8, changed in place once all classes were looked at.
    classes, radius, spacing, slices
        As in :func:`opening`.

    Yields
    ------
    int
        The class just looked at.
    """
    claims = Claims()
    z, y, x = voxels_within(radius, spacing)
    # One voxel more than the ball reaches is surely not within its reach.
    for label, box, wanted in boxes_across(labels, classes, (z + 1, y + 1, x + 1), slices):
        shape = labels[box] == label
        around, wanted_of_these = widened(wanted, z, len(shape))
        distance = squared_distance_up_to(radius, shape, spacing, around)
        closed = eroded(distance <= square(radius), radius, spacing, wanted_of_these)
        claims.add(labels, part(box, wanted), label, closed, distance[wanted_of_these])
        yield label
    claims.settle(labels)


def grow(
    labels: NDArray[np.uint8],
    classes: Sequence[int] = (),
    *,
    radius: float,
    spacing: Spacing,
    into: Sequence[int] = (),
    slices: slice = slice(None),
) -> Iterator[int]:
    """Grow classes by a ball (binary dilation) into the background, and into classes that are named for it.

    A voxel that several classes reach goes to the nearest, and at equal distance to the lower label. A class
    that grows itself loses nothing, even when it is named in ``into``.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8, changed in place once all classes were looked at.
    classes
        Which classes to grow; none named means all.
    radius
        How far, in mm. Across slices thicker than that nothing grows.
    spacing
        (z, y, x) in mm.
    into
        Classes that may lose voxels; none named means that only background does.
    slices
        As in :func:`opening`.

    Yields
    ------
    int
        The class just looked at.
    """
    free = np.zeros(256, np.bool_)
    free[[0, *into]] = True
    free[[*class_boxes(labels, classes)]] = False
    claims = Claims(free)
    for label, box, wanted in boxes_across(labels, classes, voxels_within(radius, spacing), slices):
        distance = squared_distance_up_to(radius, labels[box] == label, spacing, wanted)
        claims.add(labels, part(box, wanted), label, distance <= square(radius), distance)
        yield label
    claims.settle(labels)


def shrink(
    labels: NDArray[np.uint8],
    classes: Sequence[int] = (),
    *,
    radius: float,
    spacing: Spacing,
    from_neighbours: bool = False,
    slices: slice = slice(None),
) -> Iterator[int]:
    """Shrink classes by a ball (binary erosion); what they leave becomes background.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8, changed in place.
    classes
        Which classes to shrink; none named means all.
    radius
        How far, in mm. Across slices thicker than that nothing shrinks.
    spacing
        (z, y, x) in mm.
    from_neighbours
        Whether a class shrinks away from other classes too. If not, it loses only what background was near to,
        and classes that touch go on touching.
    slices
        As in :func:`opening`.

    Yields
    ------
    int
        The class just done.
    """
    background = labels == 0
    for label, box, wanted in boxes_across(labels, classes, voxels_within(radius, spacing), slices):
        here = labels[box]
        shape = here == label
        near = dilated(~shape if from_neighbours else background[box], radius, spacing, wanted)
        here[wanted][shape[wanted] & near] = 0
        yield label


def fill_holes(
    labels: NDArray[np.uint8], classes: Sequence[int] = (), *, by_slice: bool, slices: slice = slice(None)
) -> Iterator[int]:
    """Fill the background that a class encloses.

    Enclosed is what no path over voxel faces leads out of. Other classes within a hole stay as they are. A
    hole within a hole belongs to the inner class: the one whose hole there has fewer voxels, then the lower
    label.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8, changed in place once all classes were looked at.
    classes
        Whose holes to fill; none named means all.
    by_slice
        Whether being enclosed within its slice is enough. It always is in a volume of a single slice.
    slices
        As in :func:`opening`.

    Yields
    ------
    int
        The class just looked at.
    """
    claims = Claims()
    flat = by_slice or len(labels) == 1
    for label, box, wanted in boxes_across(labels, classes, (0, 0, 0), slices):
        shape = labels[box] == label
        for these in [slice(z, z + 1) for z in range(wanted.start, wanted.stop)] if flat else [wanted]:
            holes, voxels = _holes(shape[these], slice(0, 1)) if flat else _holes(shape, these)
            claims.add(labels, part(box, these), label, holes, voxels)
        yield label
    claims.settle(labels)


def _holes(shape: NDArray[np.bool_], slices: slice) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Find what a shape encloses within its box on some slices, and of how many voxels the hole around each is."""
    reach = FIRST_REACH
    while True:
        around, inner = widened(slices, reach, len(shape))
        parts = connected_pieces(~shape[around], connectivity=6)
        beyond, cut = np.zeros((2, int(parts.max()) + 1), np.bool_)
        for side in (parts[:, [0, -1]], parts[:, :, [0, -1]]):
            beyond[side.ravel()] = True
        if len(shape) > 1:
            (cut if around.start > 0 else beyond)[parts[0].ravel()] = True
            (cut if around.stop < len(shape) else beyond)[parts[-1].ravel()] = True
        beyond[0] = True  # the shape itself
        wanted = parts[inner]
        if not (cut & ~beyond)[wanted].any():
            return ~beyond[wanted], np.bincount(parts.ravel(), minlength=beyond.size)[wanted]
        reach *= 4
