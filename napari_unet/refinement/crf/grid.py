"""The dense bilateral grid: where voxels lie in it, and the Gaussian over it.

Filtering with a Gaussian over position and intensity is done on a coarse grid over both: each voxel is added to
the corners of its cell (splat), the grid is blurred along each of its axes, and read at each voxel by multilinear
interpolation (slice) (Paris & Durand 2009, doi:10.1007/s11263-007-0110-8).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.errors import BadInput
from napari_unet.refinement.crf.intensities import Principal
from napari_unet.refinement.crf.layout import Axes, Floats
from napari_unet.refinement.crf.rows import blur_grid, blur_lines, mix_channels

CELLS = (0.5, 0.75, 1.0, 1.25, 1.65)
"""Sides of a cell, in standard deviations of the kernel, finest first: half is hardly to be told from exact. Cells
above 1, as coarse as a permutohedral lattice in effect, are for what would not fit into memory otherwise."""
FEW_POINTS = 65_536
"""A grid of so many points costs little whatever the scan."""
MOST_VALUES = 8_000_000
"""The largest grid: its points times the values at each."""
WIDE_PLANE = 14
"""So many floats of a row plane for each corner of each voxel of the row take longer than twice the corners."""
REACH = 4.5
"""Where a Gaussian ends, in standard deviations; 7e-6 of it lies beyond."""

Run = Callable[[Callable[..., None], list[tuple[Any, ...]]], None]
"""Calls a function with each of some argument lists, side by side, and waits."""


@dataclass(frozen=True)
class Grid:
    """A grid for a scan.

    Parameters
    ----------
    axes
        Where each slice, row and column lies.
    shape
        Points along z, y, x and each intensity axis.
    variances
        Of the blur along each axis, in cells.
    mix
        (channels, channels): intensities minus ``origin``, times this, minus ``low``, are places in cells.
    origin, low
        (channels,).
    cell
        Side of a cell in standard deviations.
    """

    axes: Axes
    shape: tuple[int, ...]
    variances: tuple[float, ...]
    mix: NDArray[np.float64]
    origin: NDArray[np.float64]
    low: NDArray[np.float64]
    cell: float

    def points(self, lanes: int) -> tuple[int, int, int]:
        """Give the shape of an array with ``lanes`` values at each point, as the loops take it."""
        if self.axes.step_y:
            return self.shape[0], 1, prod(self.shape[1:]) * lanes
        return self.shape[0], self.shape[1], prod(self.shape[2:]) * lanes

    def place(self, intensities: Floats) -> Floats:
        """Say where intensities (channels, z, Y, X), all of them numbers, lie in the grid: the same shape."""
        channels = len(intensities)
        places = np.empty(intensities.shape, np.float32)
        mix, origin, low = (each.astype(np.float32) for each in (self.mix, self.origin, self.low))
        mix_channels(intensities.reshape(channels, -1), mix, origin, low, places.reshape(channels, -1))
        for place, points in zip(places, self.shape[3:], strict=True):
            # Rounding must not carry the outermost voxels out of the grid.
            np.clip(place, 0, points - 1.001, out=place)
        return places


def build_grid(
    extent: tuple[int, int, int],
    spacing: tuple[float, float, float],
    sigma: tuple[float, float, float],
    principal: Principal,
    lanes: int,
) -> Grid:
    """Make the finest grid that costs little beside the voxels.

    Parameters
    ----------
    extent
        Voxels along (z, y, x).
    spacing, sigma
        (z, y, x) in mm; sigma is the kernel's.
    principal
        The axes of the intensities.
    lanes
        How many values each point will have.

    Raises
    ------
    BadInput
        The kernel is so narrow that the grid would not fit into memory.
    """
    few = max(FEW_POINTS, prod(extent) // 4)
    for cell in CELLS:
        widths = [cell * s for s in sigma]
        spatial = [_axis(*each) for each in zip(extent, spacing, widths, (0, 1, 1), strict=True)]
        spans = principal.high - principal.low
        shape = tuple(points for _, _, points in spatial) + tuple(int(span / cell) + 2 for span in spans)
        if prod(shape) * lanes <= MOST_VALUES and (cell >= 1 or prod(shape) <= few):
            break
    else:
        raise BadInput(
            f"the CRF's appearance kernel is too narrow for this scan: it would take {prod(shape):,} grid points. "
            "Choose larger values for its widths in mm or in intensity."
        )
    variances = [
        (s / length) ** 2 if length >= width else cell**-2 - 1 / 3
        for length, s, width in zip(spacing, sigma, widths, strict=True)
    ]
    return Grid(
        axes=_axes(spatial, shape, lanes),
        shape=shape,
        variances=(*variances, *(cell**-2 - 1 / 3,) * len(principal.low)),
        mix=principal.mix / cell,
        origin=principal.origin,
        low=principal.low / cell,
        cell=cell,
    )


def _axis(voxels: int, spacing: float, width: float, guard: int) -> tuple[NDArray[np.int32], Floats, int]:
    """Place voxels among points ``width`` apart, or on them (and ``guard``) where voxels are further apart."""
    if voxels == 1 or spacing >= width:
        return np.arange(voxels, dtype=np.int32), np.zeros(voxels, np.float32), voxels + guard
    places = np.arange(voxels) * (spacing / width)
    before = places.astype(np.int32)
    return before, (places - before).astype(np.float32), int(before[-1]) + 2


def _axes(spatial: Sequence[tuple[NDArray[np.int32], Floats, int]], shape: tuple[int, ...], lanes: int) -> Axes:
    (z, beyond_z, _), (y, beyond_y, _), (x, beyond_x, _) = spatial
    plane = prod(shape[2:])
    corners = 2 ** (len(shape) - 2)
    direct = plane * lanes > WIDE_PLANE * corners * len(x)
    steps = np.array([prod(shape[i:]) for i in range(3, len(shape) + 1)], np.int32)
    return Axes(z, beyond_z, y, beyond_y, x, beyond_x, steps, plane if direct else 0)


def gaussian(variance: float, reach: int) -> Floats:
    """Sample a Gaussian at whole numbers -r..r, r at most ``reach``; its peak is 1."""
    reach = min(reach, ceil(REACH * variance**0.5))
    distance = np.arange(-reach, reach + 1)
    taps: Floats = np.exp(-0.5 * distance**2 / max(variance, 1e-12)).astype(np.float32)
    return taps


def blur(values: Floats, spare: Floats, grid: Grid, lanes: int, bands: int, run: Run) -> Floats:
    """Blur a grid along all its axes.

    Parameters
    ----------
    values, spare
        Of the shape :meth:`Grid.points` gives; both are overwritten.
    grid
        Which grid.
    lanes
        Values at each point.
    bands
        Into how many parts to cut the work.
    run
        Does the parts side by side.

    Returns
    -------
    NDArray
        The blurred grid, one of the two.
    """
    shape = values.shape
    given: Floats
    out: Floats
    for axis, (points, variance) in enumerate(zip(grid.shape, grid.variances, strict=True)):
        if points == 1:
            continue
        taps = gaussian(variance, points - 1)
        before, after = prod(grid.shape[:axis]), prod(grid.shape[axis + 1 :]) * lanes
        if after >= 64:
            lines = (before, points, after)
            given, out = values.reshape(lines), spare.reshape(lines)
            run(blur_grid, [(given, taps, *columns, out) for columns in cuts(after, bands)])
        else:
            given, out = values.reshape(before, -1), spare.reshape(before, -1)
            run(blur_lines, [(given, after, taps, *rows, out) for rows in cuts(before, bands)])
        values, spare = spare, values
    return values.reshape(shape)


def cuts(length: int, parts: int) -> Iterator[tuple[int, int]]:
    """Cut a range into at most so many parts of about the same length."""
    return pairwise(sorted({length * part // parts for part in range(parts + 1)}))
