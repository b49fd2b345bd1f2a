"""What a refinement works on: labels, and what else is known of their voxels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.errors import BadInput
from napari_unet.normalisation import Normalisation
from napari_unet.refinement.distances import Spacing


@dataclass(frozen=True, eq=False)
class Probabilities:
    """How likely each class is at each voxel.

    Parameters
    ----------
    array
        (K, Z, Y, X), floating point.
    labels
        Which class each of the K is, ascending; 0 is background.
    """

    array: NDArray[Any]
    labels: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.array.ndim != 4 or len(self.array) != len(self.labels):
            raise BadInput(f"probabilities are (K, Z, Y, X) with {len(self.labels)} classes, not {self.array.shape}.")


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of the voxels of a mask beside their labels; each may be missing.

    Parameters
    ----------
    protected
        (Z, Y, X) bool: voxels that do not change, such as those a person painted.
    intensities
        (C, Z, Y, X): the scan; may be lazy.
    probabilities
        Of the classes, as predicted.
    region
        (Z, Y, X) uint8: another mask on the same grid.
    measured
        The range of each channel of the scan, the whole of it.
    """

    protected: NDArray[np.bool_] | None = None
    intensities: NDArray[Any] | None = None
    probabilities: Probabilities | None = None
    region: NDArray[np.uint8] | None = None
    measured: tuple[Normalisation, ...] = ()

    def part(self, slices: slice) -> "Evidence":
        """Give a view of some slices."""
        known = self.probabilities
        return Evidence(
            protected=None if self.protected is None else self.protected[slices],
            intensities=None if self.intensities is None else self.intensities[:, slices],
            probabilities=None if known is None else replace(known, array=known.array[:, slices]),
            region=None if self.region is None else self.region[slices],
            measured=self.measured,
        )

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise unless all of it lies on a (Z, Y, X) grid.

        Raises
        ------
        BadInput
            A shape is another.
        """
        known = self.probabilities
        grids = {
            "the protected voxels are": None if self.protected is None else self.protected.shape,
            "the scan is": None if self.intensities is None else self.intensities.shape[1:],
            "the probabilities are": None if known is None else known.array.shape[1:],
            "the region is": None if self.region is None else self.region.shape,
        }
        for what, grid in grids.items():
            if grid is not None and tuple(grid) != tuple(shape):
                raise BadInput(f"{what} {tuple(grid)} but the mask is {tuple(shape)}: they must have one shape.")


def telling(measured: Sequence[Normalisation]) -> dict[int, Normalisation]:
    """Give the channels of a scan that tell something, with their ranges.

    An empty one is left out, and so is one that is like another to the last digit of its mean and range: a grey picture
    is often stored in colours.
    """
    known: dict[int, Normalisation] = {}
    for channel, by in enumerate(measured):
        if by.low < by.high and by not in known.values():
            known[channel] = by
    return known


@dataclass(frozen=True, eq=False)
class Volume:
    """One volume being refined.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8, changed by every step.
    original
        The same as it was at first.
    spacing
        (z, y, x) in mm.
    known
        What else is known of its voxels.
    """

    labels: NDArray[np.uint8]
    original: NDArray[np.uint8]
    spacing: Spacing
    known: Evidence

    def part(self, slices: slice) -> "Volume":
        """Give a view of some slices."""
        return Volume(self.labels[slices], self.original[slices], self.spacing, self.known.part(slices))

    def restore(self) -> None:
        """Give protected voxels their labels back."""
        if self.known.protected is not None:
            np.copyto(self.labels, self.original, where=self.known.protected)
