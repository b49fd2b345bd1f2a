"""Bringing a scan's intensities to where a network expects them.

Per channel: clip to a robust range, subtract the mean, divide by the standard deviation, all measured once
on the whole scan, so that a tile's result does not depend on how the scan was cut.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.config import Config
from napari_unet.errors import BadInput
from napari_unet.scan import Scan

SAMPLES = 2_000_000
"""Voxels a channel is measured on; a larger scan is sampled evenly."""
PADDING_SHARE = 0.01
"""A lowest value on more voxels than this is padding outside the field of view, not tissue."""


class Normalisation(Config):
    """Robust range, mean and standard deviation of one channel, in the scan's own intensity units."""

    low: float
    """The 0.5th percentile, padding left out."""
    high: float
    """The 99.5th percentile."""
    mean: float
    """Mean within the range."""
    std: float
    """Standard deviation within the range; more than 0."""

    def apply(self, channel: NDArray[Any]) -> NDArray[np.float32]:
        """Normalise a channel of any shape; voxels that are not numbers count as the darkest."""
        with np.errstate(over="ignore"):  # what is too large for float32 is clipped anyway
            values = channel.astype(np.float32)
        np.nan_to_num(values, copy=False, nan=self.low, posinf=self.high, neginf=self.low)
        np.clip(values, self.low, self.high, out=values)
        values -= np.float32(self.mean)
        values *= np.float32(1.0 / self.std)
        return values


def measure(scan: Scan) -> tuple[Normalisation, ...]:
    """Measure each channel of a scan; an empty one, such as the blue of a red and green picture, becomes 0.

    Raises
    ------
    BadInput
        Every channel is constant, or one holds no numbers: nothing can be learned from it or predicted on it.
    """
    channels = tuple(_measure_channel(scan, c) for c in range(scan.channels))
    if all(channel.low == channel.high for channel in channels):
        raise BadInput(
            f'Every voxel of "{scan.name}" ({scan.channel_names[0]}) is {channels[0].low:g}: there is nothing to see '
            "in it. Choose another image layer."
        )
    return channels


def _measure_channel(scan: Scan, c: int) -> Normalisation:
    depth, height, width = scan.grid
    # Every slice takes part: their intensities may differ along a series.
    stride = max(1, round((depth * height * width / SAMPLES) ** 0.5))
    values = np.concatenate([np.asarray(scan.array[c, z, ::stride, ::stride]).ravel() for z in range(depth)])
    values = values.astype(np.float32 if np.can_cast(values.dtype, np.float32) else np.float64)  # nothing is rounded
    if not (finite := np.isfinite(values)).all():
        values = values[finite]
    if not values.size:
        raise BadInput(f'"{scan.name}" ({scan.channel_names[c]}) holds no numbers, only NaN: use another scan.')
    lowest = values.min()
    of_tissue = values > lowest
    count = np.count_nonzero(of_tissue)
    if not count:
        return Normalisation(low=float(lowest), high=float(lowest), mean=float(lowest), std=1.0)
    tissue = values if count > (1 - PADDING_SHARE) * values.size else values[of_tissue]
    low, high = _quantile(tissue, 0.005), _quantile(tissue, 0.995)
    if low == high:
        low, high = tissue.min(), tissue.max()
    if low == high:
        low = lowest  # two values only, such as a binary image
    inside = np.clip(values, np.float64(low), np.float64(high))
    return Normalisation(low=float(low), high=float(high), mean=float(inside.mean()), std=float(inside.std()))


def _quantile(values: NDArray[np.floating[Any]], share: float) -> float:
    """Give a quantile, as ``np.quantile`` does, in a third of its time; the values are left in another order."""
    place = share * (values.size - 1)
    at = int(place)
    values.partition(at)  # at one place only: at several, NumPy takes many times as long
    below, rest = float(values[at]), values[at + 1 :]
    above = float(rest.min()) if rest.size else below
    return below + (place - at) * (above - below)


def normalise(scan: Scan, by: tuple[Normalisation, ...], z: slice | int = slice(None)) -> NDArray[np.float32]:
    """Normalise slices of a scan: (C, len(z), Y, X) float32 (or (C, Y, X) for a single ``z``)."""
    return np.stack([by[c].apply(np.asarray(scan.array[c, z])) for c in range(scan.channels)])


def with_neighbours(scan: Scan, by: tuple[Normalisation, ...], z: slice, reach: int) -> NDArray[np.float32]:
    """Normalise what a network sees to tell slices ``z`` of a scan.

    Without ``reach`` these slices, (C, len(z), Y, X) float32; with it a single slice and as many to either side of
    it, below first, all as channels of one: (C * (2 * reach + 1), 1, Y, X).
    """
    return np.concatenate([normalise(scan, by, seen) for seen in scan.seen_for(z, reach)])


def not_numbers(scan: Scan) -> int:
    """Count the voxels that are NaN or infinite."""
    if np.dtype(scan.array.dtype).kind != "f":
        return 0
    return sum(
        int(np.count_nonzero(~np.isfinite(np.asarray(scan.array[c, z]))))
        for c in range(scan.channels)
        for z in range(scan.grid[0])
    )
