"""What a scan's intensities are like, before any of them is used."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.errors import BadInput
from napari_unet.refinement.crf.layout import Floats
from napari_unet.refinement.crf.rows import mix_channels

SAMPLES = 200_000
"""Voxels that principal axes are measured on; a larger scan is sampled evenly."""


@dataclass(frozen=True)
class Principal:
    """The principal axes of a scan's intensities, along which a grid over them is smallest.

    Parameters
    ----------
    mix
        (channels, channels): this times intensities minus ``origin`` is along the axes, in standard deviations
        of the kernel. A rotation changes no distance, hence not the kernel.
    origin
        (channels,), in the scan's units.
    low, high
        (channels,): the smallest and largest value along each axis.
    """

    mix: NDArray[np.float64]
    origin: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


class Intensities:
    """The intensities of a scan, of which some may be no numbers.

    As in the networks' normalisation NaN counts as the darkest there is, and so does minus infinity; infinity
    counts as the brightest.

    Parameters
    ----------
    values
        (channels, Z, Y, X), any real type.

    Raises
    ------
    BadInput
        A channel holds no numbers at all.
    """

    def __init__(self, values: NDArray[Any]) -> None:
        self._values = values
        self.channels = len(values)
        self._ranges = [self._range(channel) for channel in values]
        self._all_numbers = values.dtype.kind != "f" or all(whole for _, _, whole in self._ranges)

    def read(self, slices: slice) -> Floats:
        """Give some slices as finite numbers: (channels, z, Y, X) float32; it may be the scan's own memory."""
        with np.errstate(over="ignore"):
            values: Floats = np.require(self._values[:, slices], np.float32, ["C", "W"])
        if not self._all_numbers:
            values = values.copy()
            for channel, (low, high, _) in zip(values, self._ranges, strict=True):
                np.nan_to_num(channel, copy=False, nan=low, posinf=high, neginf=low)
        return values

    def principal(self, sigma: Sequence[float]) -> Principal:
        """Find the principal axes for a kernel with ``sigma`` (channels,), in the scan's units."""
        lows, highs, _ = np.array(self._ranges, np.float64).T
        scale = 1 / np.asarray(sigma, np.float64)
        if self.channels == 1:
            return Principal(np.diag(scale), lows, np.zeros(1), (highs - lows) * scale)
        depth, height, width = self._values.shape[1:]
        stride = max(1, round((depth * height * width / SAMPLES) ** 0.5))
        middle, samples = (lows + highs) / 2, []
        for z in range(depth):
            sample = self.read(slice(z, z + 1))[:, 0, ::stride, ::stride].reshape(self.channels, -1)
            samples.append((sample - middle[:, None]) * scale[:, None])
        mix = np.ascontiguousarray(np.linalg.eigh(np.cov(np.concatenate(samples, 1), bias=True))[1].T) * scale
        nowhere = np.zeros(self.channels, np.float32)
        low, high = np.full(self.channels, np.inf), np.full(self.channels, -np.inf)
        for z in range(depth):
            values = self.read(slice(z, z + 1)).reshape(self.channels, -1)
            along = np.empty_like(values)
            mix_channels(values, mix.astype(np.float32), middle.astype(np.float32), nowhere, along)
            low, high = np.minimum(low, along.min(1)), np.maximum(high, along.max(1))
        return Principal(mix, middle, low, high)

    @staticmethod
    def _range(channel: NDArray[Any]) -> tuple[float, float, bool]:
        """Find the smallest and largest number of a channel, and whether all of it is numbers."""
        low, high, whole = np.inf, -np.inf, True
        for values in channel:
            with np.errstate(over="ignore"):  # what is too large for float32 is as good as infinite
                smallest, largest = np.float32(values.min()), np.float32(values.max())
                if not np.isfinite(largest - smallest):
                    whole = False
                    numbers = values.astype(np.float32)
                    numbers = numbers[np.isfinite(numbers)]
                    if not numbers.size:
                        continue
                    smallest, largest = numbers.min(), numbers.max()
            low, high = min(low, float(smallest)), max(high, float(largest))
        if low > high:
            raise BadInput("a channel of the scan holds no numbers, only NaN: the CRF needs another scan.")
        return low, high, whole
