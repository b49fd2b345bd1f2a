"""What networks see of a scan."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_unet.inference.tiling import ZYX, Box
from napari_unet.normalisation import Normalisation
from napari_unet.scan import Scan


class Reads(Protocol):
    """What networks see, on the grid on which they see it."""

    volume: ZYX
    """Voxels of one volume."""
    slices: int
    """Slices of all volumes, one after another."""

    def __call__(self, box: Box) -> NDArray[np.float32]:
        """Read a box (Z, Y, X) of one volume: (C, Z, Y, X) float32."""


class Reading:
    """A scan's own voxels: the channels that the networks know, normalised.

    Parameters
    ----------
    scan
        The scan.
    channels
        Which of its channels, in the order of the networks.
    normalisation
        Of each channel of the scan.
    context
        How many neighbour slices to either side are seen with a slice, as further channels.
    """

    def __init__(
        self, scan: Scan, channels: tuple[int, ...], normalisation: tuple[Normalisation, ...], context: int
    ) -> None:
        self._scan, self._channels, self._normalisation, self._context = scan, channels, normalisation, context
        self.volume: ZYX = (scan.depth, *scan.grid[1:])
        self.slices = scan.grid[0]

    def __call__(self, box: Box) -> NDArray[np.float32]:
        """Read a box (Z, Y, X) of one volume: (C, Z, Y, X) float32."""
        z, y, x = box
        return np.stack(
            [
                self._normalisation[c].apply(np.asarray(self._scan.array[c, seen, y, x]))
                for seen in self._scan.seen_for(z, self._context)
                for c in self._channels
            ]
        )
