"""What a prediction finds out in passing about a slice: how unsure its edges are, where to look, what it is like."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_unet.inference.regridding import Grid
from napari_unet.inference.tiling import Box, Tile
from napari_unet.review.looking import Look

UNSURE = 3
"""A voxel is unsure when its class is not more than this many times as likely as the next."""
EVERY = 2
"""Only every so many rows and columns are glimpsed at: of what is told, shares, no more is needed."""
SQUARE = 16
"""The place to look at is the square, of so many voxels a side, with the most doubt in it."""


@dataclass(frozen=True, eq=False)
class Glimpse:
    """What was seen in passing of the slices of N pieces side by side.

    Parameters
    ----------
    edge
        (N, Z) how many of the voxels glimpsed at lie on an edge between classes.
    unsure
        (N, Z) how many of them are unsure.
    doubt
        (N, Z, Y / SQUARE, X / SQUARE) how many voxels of each square are wrong, as the probabilities have it.
    features
        (N, Z, features) what the network makes of the piece at its lowest level, on average.
    """

    edge: NDArray[np.int64]
    unsure: NDArray[np.int64]
    doubt: NDArray[np.float32]
    features: NDArray[np.float32]


def glimpse(scores: torch.Tensor, labels: NDArray[np.uint8], lowest: torch.Tensor, core: Box, deep: int) -> Glimpse:
    """Take a glimpse at pieces, in a few hundredths of the time that a network takes for them.

    Parameters
    ----------
    scores
        (N, classes, Z, Y, X) logits, or logarithms of probabilities.
    labels
        (N, Z, Y, X) uint8, what became of them.
    lowest
        (N, features, y, x) or (N, features, z, y, x): what the network made of all that it saw, at its lowest level.
    core
        Which part (Z, Y, X) of what it saw ``scores`` is about.
    deep
        How many slices it saw.
    """
    with torch.inference_mode():  # which spares a small image a third of the time
        likely = scores[..., ::EVERY, ::EVERY].contiguous().softmax(1, dtype=torch.float32)
        best = likely.amax(1)
        close = (UNSURE * likely > best[:, None]).sum(1, dtype=torch.uint8) > 1  # counted in bytes: five times as fast
        features = lowest.float().mean((-2, -1)).numpy(force=True)
    edge = _edges(labels)[..., ::EVERY, ::EVERY]
    if features.ndim == 2:
        features = features[..., None]
    along = np.arange(core[0].start, core[0].stop) * features.shape[2] // deep
    doubt = EVERY**2 * (1 - best.numpy(force=True))
    rows, columns = (np.arange(0, side, SQUARE // EVERY) for side in doubt.shape[2:])
    return Glimpse(
        edge.sum((2, 3)),
        (edge & close.numpy(force=True)).sum((2, 3)),
        np.add.reduceat(np.add.reduceat(doubt, rows, 2), columns, 3),
        features[..., along].swapaxes(1, 2),
    )


def _edges(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Find the voxels beside another label in their slice, (..., Y, X)."""
    edge = np.zeros(labels.shape, np.bool_)
    for of_edge, across in ((edge, labels), (edge.swapaxes(-1, -2), labels.swapaxes(-1, -2))):
        differ = across[..., 1:, :] != across[..., :-1, :]
        of_edge[..., 1:, :] |= differ
        of_edge[..., :-1, :] |= differ
    return edge


class Glimpses:
    """All glimpses at a scan, from which looks at its slices are made.

    Parameters
    ----------
    grid
        The grid of the networks, where it is not the scan's own.
    """

    def __init__(self, grid: Grid | None) -> None:
        self._grid = grid
        self._sums: dict[int, NDArray[np.float64]] = {}
        self._most: dict[int, tuple[float, float, float]] = {}

    def add(self, tiles: Sequence[Tile], glimpse: Glimpse) -> None:
        """Take in a glimpse at the cores of tiles side by side."""
        for n, (along, rows, columns) in enumerate(tile.core for tile in tiles):
            voxels = (rows.stop - rows.start) * (columns.stop - columns.start)
            for number, z in enumerate(range(along.start, along.stop)):
                squares = glimpse.doubt[n, number]
                counts = (voxels, glimpse.edge[n, number], glimpse.unsure[n, number], squares.sum())
                sums = np.concatenate([counts, voxels * glimpse.features[n, number]])
                self._sums[z] = self._sums[z] + sums if z in self._sums else sums
                y, x = np.unravel_index(squares.argmax(), squares.shape)
                place = [min(a.start + SQUARE * (int(i) + 0.5), a.stop) - 0.5 for a, i in ((rows, y), (columns, x))]
                self._most[z] = max((float(squares[y, x]), *place), self._most.get(z, (-1.0, 0.0, 0.0)))

    def looks(self, slices: Iterable[int]) -> dict[int, Look]:
        """Sum up what was seen of slices of the scan, by slice; where nothing but air was, nothing is."""
        looks = {}
        for z in slices:
            seen = z if self._grid is None else self._grid.nearest(z)
            if seen not in self._sums:
                continue
            voxels, edge, unsure, doubt, *features = self._sums[seen]
            _, y, x = self._most[seen]
            looks[z] = Look(
                unsure=float(unsure / max(edge, 1)),
                doubt=float(doubt / voxels),
                place=(y, x) if self._grid is None else self._grid.place_in_scan(y, x),
                features=np.asarray(features, np.float32) / np.float32(voxels),
            )
        return looks
