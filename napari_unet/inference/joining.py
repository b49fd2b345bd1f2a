"""Putting the results of tiles together."""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from napari_unet.inference.maps import Decision, Maps, Wanted
from napari_unet.inference.tiling import ZYX, Tile

SIGMA = 1 / 8
"""Standard deviation of the bell that weighs the voxels of a window, as a share of its side."""
TO_BLEND = Wanted(probabilities=True)
"""What windows that overlap have to come with."""


class Joining(Protocol):
    """What becomes of the maps of tiles, each with an axis N in front."""

    def add(self, tile: Tile, maps: Maps) -> None:
        """Take in the maps of tiles side by side."""

    def result(self) -> Maps:
        """Give the whole, when all tiles were added."""


class SideBySide:
    """Cores that do not overlap.

    Parameters
    ----------
    number
        Slabs side by side.
    shape
        Voxels of a slab, (Z, Y, X).
    classes
        How many.
    wanted
        What is wanted besides labels.
    """

    def __init__(self, number: int, shape: ZYX, classes: int, wanted: Wanted) -> None:
        self._maps = wanted.room((number, *shape), classes)

    def add(self, tile: Tile, maps: Maps) -> None:
        """Put the maps where they belong."""
        self._maps.put(maps, *tile.core[1:])

    def result(self) -> Maps:
        """Give what was put together."""
        return self._maps


class Blended:
    """Windows that overlap, each counting most in its middle, where it sees the most around.

    For networks to which the whole of what they see matters, so that no tile gives exactly what the whole image
    gives: Isensee et al. 2021 (nnU-Net), doi:10.1038/s41592-020-01008-z.

    Parameters
    ----------
    number, shape, classes, wanted
        As for :class:`SideBySide`.
    decision
        How labels come from probabilities.
    """

    def __init__(self, number: int, shape: ZYX, classes: int, wanted: Wanted, decision: Decision) -> None:
        self._wanted, self._decision = wanted, decision
        self._sum = np.zeros((number, classes, *shape), np.float32)
        self._weight = np.zeros(shape[1:], np.float32)

    def add(self, tile: Tile, maps: Maps) -> None:
        """Add the probabilities, the less the farther from the middle."""
        assert maps.probabilities is not None
        _, y, x = tile.core
        weight = np.outer(_bell(y.stop - y.start), _bell(x.stop - x.start))
        self._sum[..., y, x] += weight * maps.probabilities
        self._weight[y, x] += weight

    def result(self) -> Maps:
        """Give what follows from the weighted mean of the probabilities."""
        self._sum /= self._weight
        return self._decision.maps(torch.from_numpy(self._sum), self._wanted)


def _bell(length: int) -> NDArray[np.float32]:
    from_middle = (np.arange(length) - (length - 1) / 2) / (SIGMA * length)
    bell: NDArray[np.float32] = np.exp(-0.5 * from_middle**2).astype(np.float32)
    return bell
