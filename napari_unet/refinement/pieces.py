"""Operations on the connected pieces of classes.

Voxels of a class that touch by a face, an edge or a corner belong to one piece. A piece that holds a
protected voxel stays whole: somebody vouched for it. What goes becomes background. As in
:mod:`~napari_unet.refinement.morphology`, labels are those of one volume, (Z, Y, X) uint8, changed in place.
"""

from collections.abc import Iterator, Sequence

import cc3d
import numpy as np
from numpy.typing import NDArray

from napari_unet.errors import BadInput
from napari_unet.refinement.boxes import chosen
from napari_unet.refinement.connected import connected_pieces
from napari_unet.refinement.distances import Spacing, square

FIRST_REACH = 4
"""How many slices to either side are looked at first to learn how large a piece is."""


def remove_small(
    labels: NDArray[np.uint8],
    classes: Sequence[int] = (),
    *,
    fewest: int,
    fixed: NDArray[np.bool_] | None = None,
    slices: slice = slice(None),
) -> None:
    """Remove the pieces of fewer than ``fewest`` voxels.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8, changed in place.
    classes
        Whose pieces to look at; none named means all.
    fewest
        Voxels a piece must have to stay.
    fixed
        (Z, Y, X) bool, the protected voxels.
    slices
        The only slices to change. A piece counts with all its voxels in the volume, but those further away
        are looked at only as far as needed.
    """
    start, stop, _ = slices.indices(len(labels))
    reach = FIRST_REACH
    while True:
        low, high = max(0, start - reach), min(len(labels), stop + reach)
        pieces, small = _small_pieces(
            _only(labels[low:high], classes), fewest, None if fixed is None else fixed[low:high]
        )
        cut = np.zeros_like(small)
        if low > 0:
            cut[pieces[0]] = True
        if high < len(labels):
            cut[pieces[-1]] = True
        here = pieces[start - low : stop - low]
        if not (small & cut)[here].any():
            labels[start:stop][small[here]] = 0
            return
        reach *= 4


def _small_pieces(
    labels: NDArray[np.uint8], fewest: int, fixed: NDArray[np.bool_] | None
) -> tuple[NDArray[np.unsignedinteger], NDArray[np.bool_]]:
    """Find the pieces, and by number (0 is background) which are small and hold no protected voxel."""
    pieces = cc3d.connected_components(labels, connectivity=26)
    small = np.bincount(pieces.ravel()) < fewest
    small[0] = False
    if fixed is not None:
        small[pieces[fixed]] = False
    return pieces, small


def keep_largest(
    labels: NDArray[np.uint8],
    classes: Sequence[int] = (),
    *,
    count: int,
    fixed: NDArray[np.bool_] | None = None,
    slices: slice = slice(None),
) -> None:
    """Keep the ``count`` pieces of each class with the most voxels; of equal ones those that come first.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8, changed in place.
    classes
        Whose pieces to look at; none named means all.
    count
        How many to keep of each class.
    fixed
        (Z, Y, X) bool, the protected voxels; pieces that hold some stay in addition.
    slices
        The only slices to change. Pieces are counted in all of them.
    """
    # Imported here: numba takes a second to load.
    from napari_unet.refinement.counting import tally

    looked_at = np.ascontiguousarray(_only(labels, classes))
    pieces = cc3d.connected_components(looked_at, connectivity=26)
    sizes, class_of = np.zeros(int(pieces.max()) + 1, np.int64), np.zeros(int(pieces.max()) + 1, np.uint8)
    tally(pieces.reshape(-1), looked_at.reshape(-1), sizes, class_of)
    goes = class_of > 0
    for label in np.unique(class_of[goes]):
        of_class = np.flatnonzero(class_of == label)
        goes[of_class[np.argsort(-sizes[of_class], kind="stable")[:count]]] = False
    if fixed is not None:
        goes[pieces[fixed]] = False
    labels[slices][goes[pieces[slices]]] = 0


def _only(labels: NDArray[np.uint8], classes: Sequence[int]) -> NDArray[np.uint8]:
    """Give labels in which all but the named classes, if any is, are background."""
    return np.where(chosen(classes)[labels], labels, np.uint8(0)) if classes else labels


def keep_touching(
    labels: NDArray[np.uint8],
    classes: Sequence[int] = (),
    *,
    points: Sequence[Sequence[float]],
    reach: float,
    spacing: Spacing,
    fixed: NDArray[np.bool_] | None = None,
    slices: slice = slice(None),
) -> Iterator[int]:
    """Keep the pieces of each class that touch a point. A class that no point touches stays as it is.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8, changed in place.
    classes
        Whose pieces to look at; none named means all.
    points
        (z, y, x) in voxels, counted from 0; the centre of a voxel has whole numbers.
    reach
        A piece with a voxel whose centre lies this near to a point, in mm, touches it, and so does the piece in
        whose voxel the point lies.
    spacing
        (z, y, x) in mm.
    fixed
        (Z, Y, X) bool, the protected voxels; pieces that hold some stay in addition.
    slices
        The only slices to change.

    Yields
    ------
    int
        The class just done, of those that a point touches.

    Raises
    ------
    BadInput
        A point lies outside the volume.
    """
    near = np.concatenate([_near(point, reach, labels.shape, spacing) for point in points] or [np.empty((0, 3), int)])
    mine, of_near = chosen(classes), labels[tuple(near.T)]
    for label in np.unique(of_near[mine[of_near]]).tolist():
        pieces = connected_pieces(labels == label, connectivity=26)
        goes = np.ones(int(pieces.max()) + 1, np.bool_)
        goes[0] = False
        goes[pieces[tuple(near[of_near == label].T)]] = False
        if fixed is not None:
            goes[pieces[fixed]] = False
        labels[slices][goes[pieces[slices]]] = 0
        yield label


def _near(point: Sequence[float], reach: float, shape: tuple[int, ...], spacing: Spacing) -> NDArray[np.int64]:
    """List the (z, y, x) of the voxels within reach of a point, the one it lies in first."""
    voxel = np.floor(np.asarray(point) + 0.5).astype(np.int64)
    if (voxel < 0).any() or (voxel >= shape).any():
        where = ", ".join(f"{place:g}" for place in point)
        raise BadInput(
            f"the point {where} (slice, row, column) lies outside the mask, whose shape is {shape}: choose another."
        )
    far = np.ceil(reach / np.asarray(spacing)).astype(np.int64)
    low, high = np.maximum(voxel - far, 0), np.minimum(voxel + far + 1, shape)
    around = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1).reshape(-1, 3)
    squared = (((around - point) * spacing) ** 2).sum(axis=1)
    return np.concatenate([voxel[None], around[squared <= square(reach)]])
