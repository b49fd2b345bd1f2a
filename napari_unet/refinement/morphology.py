"""Operations on the shape of classes, with lengths in millimetres whatever the spacing.

All of them work in place on the labels of one volume, (Z, Y, X) uint8, class by class within its bounding
box. Each is an iterator over the classes done so far, so that whoever drives it can report and be cancelled;
it must be exhausted.

Classes never eat one another: a class grows into background only, what is taken from a class becomes
background, and every class is looked at as it was before the operation. Only :func:`smooth` lets classes
trade voxels, and only those it was asked to smooth.

The border of the volume is no edge: what lies beyond it is unknown and neither erodes nor grows anything, as
though the scan were mirrored there.
"""

from collections.abc import Iterator, Sequence
from math import floor
from typing import Literal, TypeAlias

import cc3d
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

Spacing: TypeAlias = tuple[float, float, float]
Box: TypeAlias = tuple[slice, slice, slice]

ROUNDING = 1e-5
"""Squared distances are float32: the ball is this much larger (relative) to hold what lies on its surface."""
TRUNCATE = 3.0
"""Where a Gaussian ends, in standard deviations."""


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
        here = labels[_padded(tight, labels.shape, (1, 1, 1))]
        shape = here == label
        opened = _dilated(_eroded(shape, radius, spacing), radius, spacing)
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
    claims = _Claims()
    reach = tuple(floor(radius / length) + 1 for length in spacing)
    for label, tight in class_boxes(labels, classes).items():
        box = _padded(tight, labels.shape, reach)
        distance = _squared_distance(labels[box] == label, spacing)
        closed = _eroded(distance <= _square(radius), radius, spacing)
        claims.add(labels, box, label, closed, distance)
        yield label
    claims.settle(labels)


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
    claims = _Claims()
    flat = by_slice or len(labels) == 1
    for label, (z, y, x) in class_boxes(labels, classes).items():
        for slab in [slice(i, i + 1) for i in range(z.start, z.stop)] if flat else [z]:
            box = (slab, y, x)
            holes, voxels = _holes(labels[box] == label, flat=flat)
            claims.add(labels, box, label, holes, voxels)
        yield label
    claims.settle(labels)


def smooth(labels: NDArray[np.uint8], classes: Sequence[int] = (), *, sigma: float, spacing: Spacing) -> Iterator[int]:
    """Smooth the edges of classes together, so that no gap opens between them.

    A Gaussian runs over each class and over the background, and each voxel goes to the one that is strongest
    there; on a tie to the background, then to the lower label. Voxels of classes that are not named neither
    change nor take part.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8, changed in place once all classes were looked at.
    classes
        Which classes to smooth; none named means all.
    sigma
        Standard deviation of the Gaussian in mm; it ends at three of them.
    spacing
        (z, y, x) in mm.

    Yields
    ------
    int
        The class just looked at.
    """
    boxes = class_boxes(labels, classes)
    if not boxes:
        return
    width = [sigma / length for length in spacing]
    reach = smoothing_reach(sigma, spacing)
    around = {label: _padded(box, labels.shape, reach) for label, box in boxes.items()}
    z, y, x = (
        slice(min(side.start for side in sides), max(side.stop for side in sides))
        for sides in zip(*around.values(), strict=True)
    )
    # The background's Gaussian has to be right wherever one of a class ends.
    hull = _padded((z, y, x), labels.shape, reach)
    here = labels[hull]
    strongest = _blurred(here == 0, width)
    winner = np.zeros_like(here)
    for label, box in around.items():
        inner = tuple(
            slice(part.start - whole.start, part.stop - whole.start) for part, whole in zip(box, hull, strict=True)
        )
        strength = _blurred(here[inner] == label, width)
        wins = strength > strongest[inner]
        strongest[inner][wins] = strength[wins]
        winner[inner][wins] = label
        yield label
    free = np.zeros(256, np.bool_)
    free[[0, *boxes]] = True
    np.copyto(here, winner, where=free[here])


def smoothing_reach(sigma: float, spacing: Spacing) -> tuple[int, ...]:
    """Give how many voxels along (z, y, x) away a voxel can still change the outcome of :func:`smooth`."""
    return tuple(int(TRUNCATE * sigma / length + 0.5) for length in spacing)


class _Claims:
    """Background that classes want to grow into, collected before any of it is given away."""

    def __init__(self) -> None:
        self._index: list[NDArray[np.int64]] = []
        self._rank: list[NDArray[np.float64]] = []
        self._label: list[NDArray[np.uint8]] = []

    def add(
        self, labels: NDArray[np.uint8], box: Box, label: int, wanted: NDArray[np.bool_], rank: NDArray[np.generic]
    ) -> None:
        """Let ``label`` claim the background among ``wanted``; of all claims on a voxel the lowest rank wins."""
        grown = wanted & (labels[box] == 0)
        where = np.nonzero(grown)
        if not where[0].size:
            return
        offset = tuple(part + side.start for part, side in zip(where, box, strict=True))
        self._index.append(np.ravel_multi_index(offset, labels.shape).astype(np.int64))
        self._rank.append(rank[grown].astype(np.float64))
        self._label.append(np.full(where[0].size, label, np.uint8))

    def settle(self, labels: NDArray[np.uint8]) -> None:
        """Give every claimed voxel to its winner: the lowest rank, then the lowest label."""
        if not self._index:
            return
        index, rank, label = (
            np.concatenate(self._index),
            np.concatenate(self._rank),
            np.concatenate(self._label),
        )
        if len(self._index) > 1:
            order = np.lexsort((label, rank, index))
            index, label = index[order], label[order]
            first = np.r_[True, index[1:] != index[:-1]]
            index, label = index[first], label[first]
        labels[np.unravel_index(index, labels.shape)] = label


def connected_pieces(shape: NDArray[np.bool_], connectivity: Literal[6, 26]) -> NDArray[np.unsignedinteger]:
    """Count through the connected pieces of a (Z, Y, X) shape: each gets a number from 1, what is outside is 0."""
    # As bool, cc3d 4.1 reserves too few numbers for single pixels in a flat array, and fails.
    pieces: NDArray[np.unsignedinteger] = cc3d.connected_components(shape.view(np.uint8), connectivity=connectivity)
    return pieces


def _padded(box: Box, shape: tuple[int, ...], by: Sequence[int]) -> Box:
    """Enlarge a box by so many voxels along each axis, but not beyond the volume."""
    z, y, x = (
        slice(max(0, side.start - margin), min(length, side.stop + margin))
        for side, margin, length in zip(box, by, shape, strict=True)
    )
    return (z, y, x)


def _square(radius: float) -> float:
    return radius * radius * (1 + ROUNDING)


def _dilated(shape: NDArray[np.bool_], radius: float, spacing: Spacing) -> NDArray[np.bool_]:
    if not shape.any():
        return shape
    return _squared_distance(shape, spacing) <= _square(radius)


def _eroded(shape: NDArray[np.bool_], radius: float, spacing: Spacing) -> NDArray[np.bool_]:
    if shape.all():
        return shape
    return _squared_distance(~shape, spacing) > _square(radius)


def _squared_distance(shape: NDArray[np.bool_], spacing: Spacing) -> NDArray[np.float32]:
    """Measure from each voxel to the nearest one of a shape, in mm²; zero or less within it. It must not be empty."""
    if shape.all():
        return np.zeros(shape.shape, np.float32)  # ITK measures from a shape's edge, and here is none
    image = sitk.GetImageFromArray(shape.view(np.uint8))
    image.SetSpacing(spacing[::-1])
    # ITK's is exact and several times faster than SciPy's.
    squared = sitk.SignedMaurerDistanceMap(image, insideIsPositive=False, squaredDistance=True, useImageSpacing=True)
    distance: NDArray[np.float32] = sitk.GetArrayFromImage(squared)
    return distance


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


def _blurred(shape: NDArray[np.bool_], width: Sequence[float]) -> NDArray[np.float32]:
    blurred: NDArray[np.float32] = ndimage.gaussian_filter(shape.astype(np.float32), width, truncate=TRUNCATE)
    return blurred
