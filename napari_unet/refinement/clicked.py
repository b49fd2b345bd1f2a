"""The piece of a mask that somebody clicks on, and cutting it in two along a drawn line."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet.errors import BadInput
from napari_unet.refinement.boxes import Box, padded
from napari_unet.refinement.connected import connected_pieces
from napari_unet.refinement.distances import Spacing, squared_distance

FIRST_REACH = (8, 64, 64)
"""How many voxels to either side of a click, (z, y, x), are looked at first."""


@dataclass(frozen=True, eq=False)
class Piece:
    """Voxels of one label that hang together by their faces.

    Parameters
    ----------
    label
        Their label.
    box
        Where they are in the volume.
    where
        Which voxels of the box they are, (z, y, x) bool.
    """

    label: int
    box: Box
    where: NDArray[np.bool_]

    @property
    def voxels(self) -> int:
        """How many they are."""
        return int(np.count_nonzero(self.where))


def piece_at(labels: NDArray[Any], voxel: Sequence[int]) -> Piece:
    """Find the piece that a voxel belongs to; no more of the volume is looked at than the piece needs.

    Parameters
    ----------
    labels
        (Z, Y, X) labels.
    voxel
        (z, y, x), within the volume.
    """
    z, y, x = voxel
    label = labels[z, y, x]
    box = padded((slice(z, z + 1), slice(y, y + 1), slice(x, x + 1)), labels.shape, FIRST_REACH)
    while True:
        pieces = connected_pieces(np.ascontiguousarray(labels[box] == label), connectivity=6)
        where = pieces == pieces[tuple(at - side.start for at, side in zip(voxel, box, strict=True))]
        (tight,) = ndimage.find_objects(where.view(np.uint8))
        larger = _grown(box, tight, labels.shape)
        if larger == box:
            z0, y0, x0 = (slice(s.start + t.start, s.start + t.stop) for s, t in zip(box, tight, strict=True))
            return Piece(int(label), (z0, y0, x0), where[tight])
        box = larger


def _grown(box: Box, tight: Box, shape: tuple[int, ...]) -> Box:
    """Double a box towards the sides that what was found in it touches."""
    z, y, x = (
        slice(
            max(0, side.start - (side.stop - side.start)) if found.start == 0 else side.start,
            min(length, side.stop + (side.stop - side.start)) if found.stop == side.stop - side.start else side.stop,
        )
        for side, found, length in zip(box, tight, shape, strict=True)
    )
    return (z, y, x)


def piece_across(labels: NDArray[Any], line: NDArray[np.int64], spared: Collection[int] = (0,)) -> Piece:
    """Find the piece that a line crosses; of several, one of the label that most of the line lies on.

    Parameters
    ----------
    labels
        (Z, Y, X) labels.
    line
        (N, 3) corners, (z, y, x) in voxels; what lies outside of the volume does not count.
    spared
        Labels that have no pieces.

    Raises
    ------
    BadInput
        The line crosses no piece.
    """
    voxels = _voxels_of(line)
    voxels = voxels[((voxels >= 0) & (voxels < labels.shape)).all(axis=1)]
    crossed = labels[tuple(voxels.T)]
    mine = ~np.isin(crossed, tuple(spared))
    if not mine.any():
        raise BadInput("The line does not cross a region: draw it across the one to split.")
    found, counts = np.unique(crossed[mine], return_counts=True)
    of_label = voxels[crossed == found[counts.argmax()]]
    return piece_at(labels, of_label[len(of_label) // 2].tolist())


def cut_off(piece: Piece, line: NDArray[np.int64], across: int, spacing: Spacing) -> Piece:
    """Cut a piece in two along a line on one of its slices, and give the smaller part.

    The line divides the cross-section that it crosses; each other voxel of the piece goes with the side of the
    cross-section that it is nearer to. So the cut goes on through the other slices, as far as the piece does.

    Parameters
    ----------
    piece
        What is cut.
    line
        (N, 3) corners of the line, (z, y, x) in voxels of the volume, all on one slice.
    across
        The axis that the slice lies across.
    spacing
        (z, y, x) in mm.

    Raises
    ------
    BadInput
        The line does not go all the way across the piece.
    """
    one, other = (squared_distance(side, spacing) for side in _sides(piece, line, across))
    part = piece.where & (other < one)
    if 2 * np.count_nonzero(part) > piece.voxels:
        part = piece.where & ~part
    return Piece(piece.label, piece.box, part)


def _sides(piece: Piece, line: NDArray[np.int64], across: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Divide the cross-section that a line crosses, within the piece's box: the largest part, and the rest."""
    origin = [side.start for side in piece.box]
    drawn = _voxels_of(line) - origin
    on_line = np.zeros(piece.where.shape, np.bool_)
    on_line[tuple(drawn[((drawn >= 0) & (drawn < piece.where.shape)).all(axis=1)].T)] = True
    z = int(line[0, across]) - origin[across]
    here = tuple(slice(z, z + 1) if axis == across else slice(None) for axis in range(3))
    sections = connected_pieces(np.ascontiguousarray(piece.where[here]), connectivity=6)
    section = sections == np.bincount(sections[on_line[here] & piece.where[here]]).argmax()
    parts = connected_pieces(np.ascontiguousarray(section & ~on_line[here]), connectivity=6)
    sizes = np.bincount(parts.ravel())[1:]
    if len(sizes) < 2:
        raise BadInput("The line does not go all the way across: begin it outside of the region, and end it outside.")
    largest, rest = np.zeros((2, *piece.where.shape), np.bool_)
    largest[here] = parts == sizes.argmax() + 1
    rest[here] = (parts > 0) & ~largest[here]
    return largest, rest


def _voxels_of(line: NDArray[np.int64]) -> NDArray[np.int64]:
    """List the voxels of a line through some corners, (N, 3); one after the other they touch at least by a corner."""
    steps = [line[:1]]
    for start, stop in pairwise(line):
        count = max(int(np.abs(stop - start).max()), 1)
        shares = np.arange(1, count + 1)[:, None] / count
        steps.append(np.rint(start + shares * (stop - start)).astype(np.int64))
    return np.concatenate(steps)


def border_between(part: Piece, piece: Piece) -> NDArray[np.bool_]:
    """Give the voxels of a part that touch the rest of the piece by a face, within their common box."""
    border: NDArray[np.bool_] = part.where & ndimage.binary_dilation(piece.where & ~part.where)
    return border
