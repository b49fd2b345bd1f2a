"""Where a stroke may leave paint: not on protected labels, and only where the scan is within a range."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.annotation import UNPAINTED

MAD_TO_SD = 1.4826
"""The median absolute deviation of a normal distribution, times this, is its standard deviation."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a stroke leaves as it is.

    Parameters
    ----------
    protected
        Labels that do not change.
    only
        The one label that may change, and what has none; any when None.
    within
        The lowest and the highest intensity to paint on; any when None.
    """

    protected: frozenset[int] = frozenset()
    only: int | None = None
    within: tuple[float, float] | None = None

    def leave_free(self, labels: NDArray[Any], intensities: NDArray[Any] | None = None) -> NDArray[np.bool_]:
        """Tell where a stroke may change something.

        Parameters
        ----------
        labels
            As they are, any shape.
        intensities
            Of the scan, same shape; needed for ``within``. What is not a number is within no range.

        Returns
        -------
        numpy.ndarray
            bool, same shape.
        """
        free = ~np.isin(labels, tuple(self.protected))
        if self.only is not None:
            free &= (labels == self.only) | (labels == UNPAINTED)
        if self.within is not None and intensities is not None:
            lowest, highest = self.within
            free &= (intensities >= lowest) & (intensities <= highest)
        return free


def range_around(intensities: NDArray[Any], spread: float) -> tuple[float, float]:
    """Give the range of intensities like some: their median, and ``spread`` standard deviations to either side.

    The deviation is told by the median of the absolute ones (Rousseeuw and Croux 1993,
    doi:10.1080/01621459.1993.10476408): where the brush begins across an edge, the range is that of the larger part.

    Parameters
    ----------
    intensities
        Any shape, with at least one voxel. Those that are no numbers do not count.
    spread
        How many standard deviations; 2.5 holds 99 of 100 voxels of one tissue.
    """
    known = np.asarray(intensities, np.float64)
    known = known[np.isfinite(known)]
    if not known.size:
        return np.inf, -np.inf  # nothing is like it
    middle = float(np.median(known))
    reach = spread * MAD_TO_SD * float(np.median(np.abs(known - middle)))
    return middle - reach, middle + reach
