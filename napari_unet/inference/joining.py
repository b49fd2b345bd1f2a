"""Putting the results of tiles together."""

from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from napari_unet.inference.engine import Result
from napari_unet.inference.tiling import ZYX, Tile

SIGMA = 1 / 8
"""Standard deviation of the bell that weighs the voxels of a window, as a share of its side."""


class Joining(Protocol):
    """What becomes of the results of tiles: labels (N, Z, Y, X), and probabilities (N, classes, Z, Y, X) if wanted."""

    wants_probabilities: bool
    """Whether the tiles have to come with their probabilities."""

    def add(self, tile: Tile, result: Result) -> None:
        """Take in the result of tiles side by side."""

    def result(self) -> Result:
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
        Of the probabilities; None when they are not wanted.
    """

    def __init__(self, number: int, shape: ZYX, classes: int | None) -> None:
        self.wants_probabilities = classes is not None
        self._labels = np.empty((number, *shape), np.uint8)
        self._probabilities = None if classes is None else np.empty((number, classes, *shape), np.float16)

    def add(self, tile: Tile, result: Result) -> None:
        """Put the results where they belong."""
        _, y, x = tile.core
        self._labels[..., y, x], probabilities = result
        if self._probabilities is not None:
            self._probabilities[..., y, x] = probabilities

    def result(self) -> Result:
        """Give what was put together."""
        return self._labels, self._probabilities


class Blended:
    """Windows that overlap, each counting most in its middle, where it sees the most around.

    For networks to which the whole of what they see matters, so that no tile gives exactly what the whole image
    gives: Isensee et al. 2021 (nnU-Net), doi:10.1038/s41592-020-01008-z.

    Parameters
    ----------
    number, shape
        As for :class:`SideBySide`.
    labels
        Label number of each class.
    """

    wants_probabilities = True

    def __init__(self, number: int, shape: ZYX, labels: tuple[int, ...]) -> None:
        self._label_of = np.array(labels, np.uint8)
        self._sum = np.zeros((number, len(labels), *shape), np.float32)
        self._weight = np.zeros(shape[1:], np.float32)

    def add(self, tile: Tile, result: Result) -> None:
        """Add the probabilities, the less the farther from the middle."""
        _, y, x = tile.core
        weight = np.outer(_bell(y.stop - y.start), _bell(x.stop - x.start))
        self._sum[..., y, x] += weight * cast("NDArray[np.float16]", result[1])
        self._weight[y, x] += weight

    def result(self) -> Result:
        """Give the most probable labels and the weighted mean of the probabilities."""
        labels = self._label_of[self._sum.argmax(axis=1)]
        self._sum /= self._weight
        return labels, self._sum.astype(np.float16)


def _bell(length: int) -> NDArray[np.float32]:
    from_middle = (np.arange(length) - (length - 1) / 2) / (SIGMA * length)
    bell: NDArray[np.float32] = np.exp(-0.5 * from_middle**2).astype(np.float32)
    return bell
