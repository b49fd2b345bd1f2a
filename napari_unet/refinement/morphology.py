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

from napari_unet.refinement.claims import Claims
from napari_unet.refinement.connected import connected_pieces
from napari_unet.refinement.distances import (
    Spacing,
    class_boxes,
    dilated,
    eroded,
    padded,
    square,
    squared_distance,
    voxels_within,
)


def opening(
    labels: NDArray[np.uint8], classes: Sequence[int] = (), *, radius: float, spacing: Spacing
) -> Iterator[int]:
    """Remove what a ball does not fit into (binary opening); it becomes background.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8, changed in place.
    classes
        Which classes to open; none named means all.
    radius
        Of the ball, in mm. It is made by distance transforms (Maurer et al. 2003,
        doi:10.1109/TPAMI.2003.1177156), so that a large one costs no more than a small one.
    spacing
        (z, y, x) in mm. Across slices thicker than the radius nothing is removed.

    Yields
    ------
    int
        The class just done.
    """
    for label, tight in class_boxes(labels, classes).items():
        # One voxel of surroundings suffices: nothing outside the box is nearer than they are.
        here = labels[padded(tight, labels.shape, (1, 1, 1))]
        shape = here == label
        opened = dilated(eroded(shape, radius, spacing), radius, spacing)
        here[shape & ~opened] = 0
        yield label


def closing(
    labels: NDArray[np.uint8], classes: Sequence[int] = (), *, radius: float, spacing: Spacing
) -> Iterator[int]:
    """Close the gaps of each class that a ball does not fit into (binary closing), where they are background.

    A voxel that two classes would close goes to the nearer one, and at equal distance to the lower label.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8, changed in place once all classes were looked at.
    classes, radius, spacing
        As in :func:`opening`.

    Yields
    ------
    int
        The class just looked at.
    """
    claims = Claims()
    reach = voxels_within(radius, spacing)
    for label, tight in class_boxes(labels, classes).items():
        box = padded(tight, labels.shape, reach)
        distance = squared_distance(labels[box] == label, spacing)
        closed = eroded(distance <= square(radius), radius, spacing)
        claims.add(labels, box, label, closed, distance)
        yield label
    claims.settle(labels)


def grow(
    labels: NDArray[np.uint8], classes: Sequence[int] = (), *, radius: float, spacing: Spacing, into: Sequence[int] = ()
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

    Yields
    ------
    int
        The class just looked at.
    """
    boxes = class_boxes(labels, classes)
    free = np.zeros(256, np.bool_)
    free[[0, *into]] = True
    free[[*boxes]] = False
    claims = Claims(free)
    reach = voxels_within(radius, spacing)
    for label, tight in boxes.items():
        box = padded(tight, labels.shape, reach)
        distance = squared_distance(labels[box] == label, spacing)
        claims.add(labels, box, label, distance <= square(radius), distance)
        yield label
    claims.settle(labels)


def shrink(
    labels: NDArray[np.uint8],
    classes: Sequence[int] = (),
    *,
    radius: float,
    spacing: Spacing,
    from_neighbours: bool = False,
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

    Yields
    ------
    int
        The class just done.
    """
    background = labels == 0
    reach = voxels_within(radius, spacing)
    for label, tight in class_boxes(labels, classes).items():
        box = padded(tight, labels.shape, reach)
        here = labels[box]
        shape = here == label
        here[shape & dilated(~shape if from_neighbours else background[box], radius, spacing)] = 0
        yield label


def fill_holes(labels: NDArray[np.uint8], classes: Sequence[int] = (), *, by_slice: bool) -> Iterator[int]:
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

    Yields
    ------
    int
        The class just looked at.
    """
    claims = Claims()
    flat = by_slice or len(labels) == 1
    for label, (z, y, x) in class_boxes(labels, classes).items():
        for slab in [slice(i, i + 1) for i in range(z.start, z.stop)] if flat else [z]:
            box = (slab, y, x)
            holes, voxels = _holes(labels[box] == label, flat=flat)
            claims.add(labels, box, label, holes, voxels)
        yield label
    claims.settle(labels)


def _holes(shape: NDArray[np.bool_], *, flat: bool) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Find what a shape encloses within its box, and of how many voxels the hole around each voxel is."""
    parts = connected_pieces(~shape, connectivity=6)
    voxels = np.bincount(parts.ravel())
    enclosed = np.ones(voxels.size, np.bool_)
    enclosed[0] = False  # the shape itself
    sides = [parts[:, [0, -1], :], parts[:, :, [0, -1]]]
    if not flat:
        sides.append(parts[[0, -1]])
    for side in sides:
        enclosed[side.ravel()] = False
    return enclosed[parts], voxels[parts]
