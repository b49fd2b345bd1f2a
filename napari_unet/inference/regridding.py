"""Predicting on other voxels than the scan's own: those of the size a model learned from, or a part of a slice.

The network's voxels are computed where a tile needs them, by linear interpolation, wide enough to average over all of
the scan's voxels when they become larger; so nothing is resampled as a whole. What the network says is brought back to
the scan's own voxels: labels from the nearest, probabilities and uncertainty by linear interpolation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from napari_unet.inference.maps import LABELS_ONLY, Maps
from napari_unet.inference.reading import Reads
from napari_unet.inference.tiling import ZYX, Box

SAME = 0.01
"""Voxels whose sides differ by less than this share are of one size."""


@dataclass(frozen=True, slots=True)
class Axis:
    """How the network's voxels lie along an axis of the scan: voxel ``i`` at ``first + i * step``.

    Parameters
    ----------
    size
        Voxels of the scan along this axis, of one volume.
    length
        Voxels of the network.
    first, step
        In voxels of the scan.
    """

    size: int
    length: int
    first: float
    step: float

    @classmethod
    def over(cls, size: int, part: slice, finer: float, stride: int, halo: int) -> "Axis":
        """Lay voxels over a part of an axis and over what a network must see around it.

        Parameters
        ----------
        size
            Voxels of the scan along this axis.
        part
            Which of them the result is wanted of.
        finer
            How many voxels of the network take the place of one of the scan.
        stride, halo
            Of the network, in its own voxels.
        """
        if abs(finer - 1) < SAME:
            # From and to the lattice of the network, so that it pools as it does without cutting.
            start, stop = max(0, part.start - halo) // stride * stride, -(-(part.stop + halo) // stride) * stride
            return cls(size, min(size, stop) - start, start, 1.0)
        margin = ceil(halo / finer)
        start, stop = max(0, part.start - margin), min(size, part.stop + margin)
        length = max(1, round((stop - start) * finer))
        step = (stop - start) / length
        return cls(size, length, start + (step - 1) / 2, step)  # the outer edges of both lie on each other

    def sources(self, wanted: slice) -> tuple[slice, NDArray[np.float32] | None]:
        """Give which voxels of the scan a range of the network's is made of, and how much each of them counts.

        Returns
        -------
        tuple
            The range of voxels of the scan, and weights (wanted, voxels of the scan); None where the voxels are the
            same.
        """
        if self.step == 1:
            shift = int(self.first)
            return slice(wanted.start + shift, wanted.stop + shift), None
        reach = max(1.0, self.step)  # averages over all it stands for where it is the larger voxel
        places = np.clip(self.first + self.step * np.arange(wanted.start, wanted.stop), 0, self.size - 1)
        start, stop = max(0, ceil(places[0] - reach)), min(self.size, floor(places[-1] + reach) + 1)
        weights = np.maximum(0, 1 - np.abs(np.arange(start, stop) - places[:, None]) / reach)
        return slice(start, stop), (weights / weights.sum(1, keepdims=True)).astype(np.float32)

    def place_of(self, voxels: NDArray[np.intp]) -> NDArray[np.float64]:
        """Tell where voxels of the scan lie, in voxels of the network."""
        return np.clip((voxels - self.first) / self.step, 0, self.length - 1)


@dataclass(frozen=True, slots=True)
class Grid:
    """The network's voxels and a scan's: an :class:`Axis` each along Z, Y and X.

    Parameters
    ----------
    axes
        Along Z, Y and X of one volume.
    volumes
        How many volumes the scan has, one after another along Z.
    part
        Which rows and columns of the scan the result is wanted of.
    """

    axes: tuple[Axis, Axis, Axis]
    volumes: int
    part: tuple[slice, slice]

    @property
    def volume(self) -> ZYX:
        """Voxels of the network in one volume."""
        z, y, x = (axis.length for axis in self.axes)
        return z, y, x

    @property
    def shape(self) -> ZYX:
        """Voxels of the network altogether."""
        z, y, x = self.volume
        return self.volumes * z, y, x

    def slice_of(self, z: int) -> tuple[int, float]:
        """Tell which slice of the network lies at or below slice ``z`` of the scan, and how far it is to the next."""
        number, within = divmod(z, self.axes[0].size)
        place = float(self.axes[0].place_of(np.array(within)))
        return number * self.axes[0].length + floor(place), place - floor(place)

    def nearest(self, z: int) -> int:
        """Tell which slice of the network is nearest to slice ``z`` of the scan."""
        below, rest = self.slice_of(z)
        return below + (rest >= 0.5)

    def place_in_scan(self, y: float, x: float) -> tuple[float, float]:
        """Tell where in a slice of the scan a place in one of the network's lies."""
        _, rows, columns = self.axes
        return rows.first + rows.step * y, columns.first + columns.step * x

    def needed(self, z: int, *, between: bool) -> set[int]:
        """Give the slices of the network that slice ``z`` of the scan follows from: the nearest, or those around."""
        below, rest = self.slice_of(z)
        if between and rest:
            return {below, below + 1}
        return {self.nearest(z)}


class Regridded:
    """What networks see of a scan, on a grid of their own; as :class:`napari_unet.inference.reading.Reading`.

    Parameters
    ----------
    reading
        What they would see on the scan's own grid.
    grid
        Their grid.
    """

    def __init__(self, reading: Reads, grid: Grid) -> None:
        self._reading, self._grid = reading, grid
        self.volume, self.slices = grid.volume, grid.shape[0]

    def __call__(self, box: Box) -> NDArray[np.float32]:
        """Read a box (Z, Y, X) of one volume: (C, Z, Y, X) float32."""
        depth = self.volume[0]
        number = box[0].start // depth
        within = slice(box[0].start - number * depth, box[0].stop - number * depth)
        parts, weights = zip(*map(Axis.sources, self._grid.axes, (within, *box[1:])), strict=True)
        first = number * self._grid.axes[0].size
        values = self._reading((slice(parts[0].start + first, parts[0].stop + first), *parts[1:]))
        for axis, each in enumerate(weights, start=1):
            if each is not None:
                values = np.moveaxis(np.tensordot(each, values, (1, axis)), 0, axis)
        return np.ascontiguousarray(values)


class BroughtBack:
    """Maps on the grid of the networks, which are brought back to the scan's slice by slice.

    Parameters
    ----------
    out
        Where they are brought: maps on the scan's own grid.
    grid
        The networks'.
    slices
        Which slices of the scan are wanted.
    """

    def __init__(self, out: Maps, grid: Grid, slices: Sequence[int]) -> None:
        self._out, self._grid = out, grid
        between = out.wants != LABELS_ONLY
        self._missing = {z: grid.needed(z, between=between) for z in slices}
        self._wanted_by: dict[int, set[int]] = {}
        for ours, theirs in self._missing.items():
            for z in theirs:
                self._wanted_by.setdefault(z, set()).add(ours)
        self._kept: dict[int, Maps] = {}

    @property
    def wanted(self) -> set[int]:
        """Which slices of the networks are needed."""
        return set(self._wanted_by)

    def keep(self, z: int, maps: Maps) -> list[int]:
        """Take in the maps (Y, X) of slice ``z`` of the networks; give the slices of the scan that are done with it.

        A slice is kept only for as long as another must come before what lies between the two can be told.
        """
        self._kept[z] = maps.copied()
        done = [ours for ours in self._wanted_by[z] if self._missing[ours] <= self._kept.keys()]
        for ours in done:
            self._bring_back(ours)
            for theirs in self._missing[ours]:
                self._wanted_by[theirs].discard(ours)
                if not self._wanted_by[theirs]:
                    del self._kept[theirs]
        return sorted(done)

    def _bring_back(self, z: int) -> None:
        rows, columns = (
            axis.place_of(np.arange(part.start, part.stop))
            for axis, part in zip(self._grid.axes[1:], self._grid.part, strict=True)
        )
        labels = self._kept[self._grid.nearest(z)].labels[np.ix_(_nearest(rows), _nearest(columns))]
        if self._out.wants == LABELS_ONLY:
            self._out.put(Maps(labels), z, *self._grid.part)
            return
        below, rest = self._grid.slice_of(z)
        here, above = self._kept[below], self._kept[below + (rest > 0)]

        def linear(one: NDArray[np.float16] | None, other: NDArray[np.float16] | None) -> NDArray[np.float16] | None:
            if one is None or other is None:
                return None
            values = (1 - rest) * one.astype(np.float32) + rest * other.astype(np.float32)
            return _linear(_linear(values, rows, -2), columns, -1).astype(np.float16)

        probabilities = linear(here.probabilities, above.probabilities)
        brought = Maps(labels, probabilities, linear(here.uncertainty, above.uncertainty))
        self._out.put(brought, z, *self._grid.part)


def _nearest(places: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.floor(places + 0.5).astype(np.intp)


def _linear(values: NDArray[np.float32], places: NDArray[np.float64], axis: int) -> NDArray[np.float32]:
    """Interpolate along an axis."""
    below = np.floor(places).astype(np.intp)
    above = np.minimum(below + 1, values.shape[axis] - 1)
    rest = (places - below).astype(np.float32)
    rest = rest[:, None] if axis == -2 else rest
    between: NDArray[np.float32] = (1 - rest) * values.take(below, axis) + rest * values.take(above, axis)
    return between
