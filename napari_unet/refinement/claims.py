"""Voxels that several classes want, and the rule by which one of them gets each."""

import numpy as np
from numpy.typing import NDArray

from napari_unet.refinement.boxes import Box


class Claims:
    """Voxels that classes want to grow into, collected before any of them is given away.

    Parameters
    ----------
    into
        (256,) bool: the labels whose voxels may be claimed; background only when None.
    """

    def __init__(self, into: NDArray[np.bool_] | None = None) -> None:
        self._into = np.arange(256) == 0 if into is None else into
        self._index: list[NDArray[np.int64]] = []
        self._rank: list[NDArray[np.float64]] = []
        self._label: list[NDArray[np.uint8]] = []

    def add(
        self, labels: NDArray[np.uint8], box: Box, label: int, wanted: NDArray[np.bool_], rank: NDArray[np.generic]
    ) -> None:
        """Let ``label`` claim those voxels of a box that are wanted and may be claimed; the lowest rank wins."""
        grown = wanted & self._into[labels[box]]
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
