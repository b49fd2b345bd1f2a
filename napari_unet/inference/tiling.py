"""How a volume is cut into tiles whose results, put side by side, are that of the uncut volume.

Nothing is blended: a tile is seen with a halo of real neighbours around its core, wide enough that every
voxel of the core is computed from the same voxels as without cutting, and only the core is kept. This is the
overlap-tile strategy of Ronneberger et al. 2015 (doi:10.1007/978-3-319-24574-4_28), with two additions: what
is seen begins and ends on multiples of the network's stride, so that max-pooling pairs the same voxels, and it
stops where the volume stops, so that the network pads there as it does without cutting.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from math import prod
from typing import TypeAlias

MOST_WORK = 1.5
"""How many times the voxels of a volume are passed through the network before the seams need no longer be exact."""

ZYX: TypeAlias = tuple[int, int, int]
"""Voxels along Z, Y and X."""
Box: TypeAlias = tuple[slice, slice, slice]
"""A range along Z, Y and X."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A piece of a volume.

    Parameters
    ----------
    core
        What it gives the result of.
    seen
        What the network looks at for that: the core and its halo, clipped at the border of the volume.
    """

    core: Box
    seen: Box

    @property
    def core_in_seen(self) -> Box:
        """Where the core lies within what is seen."""
        z, y, x = (
            slice(core.start - seen.start, core.stop - seen.start)
            for core, seen in zip(self.core, self.seen, strict=True)
        )
        return (z, y, x)

    def moved(self, z: int) -> "Tile":
        """Give the same tile ``z`` slices further on."""
        return Tile(_moved(self.core, z), _moved(self.seen, z))


def _moved(box: Box, z: int) -> Box:
    return (slice(box[0].start + z, box[0].stop + z), box[1], box[2])


def cover(shape: ZYX, core: ZYX, stride: ZYX, halo: ZYX) -> tuple[Tile, ...]:
    """Cut a volume into tiles; every voxel is in exactly one core.

    Parameters
    ----------
    shape
        Of the volume.
    core
        Largest core, at least 1; rounded up to multiples of ``stride``.
    stride
        By how much the network shrinks the image on its way down.
    halo
        How far a result depends on its neighbours, to either side; rounded up to multiples of ``stride``.

    Returns
    -------
    tuple of Tile
        By Z, then Y, then X.
    """
    axes = [tuple(_cut(*along)) for along in zip(shape, core, stride, halo, strict=True)]
    return tuple(Tile((z[0], y[0], x[0]), (z[1], y[1], x[1])) for z, y, x in product(*axes))


def _cut(size: int, core: int, stride: int, halo: int) -> Iterator[tuple[slice, slice]]:
    """Cut one axis: the core and what is seen of each piece."""
    step, margin = _round_up(core, stride), _round_up(halo, stride)
    for start in range(0, size, step):
        stop = min(start + step, size)
        # A core that ends before the volume does ends on the lattice, and so does its halo.
        yield slice(start, stop), slice(max(0, start - margin), min(stop + margin, size))


def windows(shape: ZYX, core: ZYX, stride: ZYX, halo: ZYX) -> tuple[Tile, ...]:
    """Cut a volume into windows that overlap by half at least along Y and X; along Z as :func:`cover` does.

    Parameters
    ----------
    shape, core, stride, halo
        As for :func:`cover`, the core being a window; no halo along Y and X.

    Returns
    -------
    tuple of Tile
        By Z, then Y, then X; along Y and X all windows have the same sides, and the core is all that is seen.
    """
    slabs = _cut(shape[0], core[0], stride[0], halo[0])
    rows, columns = (_windows(*along) for along in zip(shape[1:], core[1:], stride[1:], strict=True))
    return tuple(Tile((z[0], y, x), (z[1], y, x)) for z, y, x in product(slabs, rows, columns))


def _windows(size: int, core: int, stride: int) -> list[slice]:
    """Spread windows over one axis, from end to end."""
    length = min(_round_up(core, stride), size)
    gaps = -(-2 * (size - length) // length)
    starts = [round(gap * (size - length) / max(1, gaps)) for gap in range(gaps + 1)]
    return [slice(start, start + length) for start in starts]


def most_seen(shape: ZYX, core: ZYX, stride: ZYX, halo: ZYX) -> int:
    """Give the voxels that the largest tile of :func:`cover` sees."""
    along = zip(shape, core, stride, halo, strict=True)
    return prod(max(seen.stop - seen.start for _, seen in _cut(*axis)) for axis in along)


def core_within(voxels: float, shape: ZYX, stride: ZYX, halo: ZYX) -> ZYX:
    """Choose the core with the least work of those whose tiles see no more than so many voxels, of several the largest.

    The whole volume when it can be; never a core smaller than the halo, since such tiles see almost nothing but
    what other tiles give the result of.
    """
    axes = [_cores(*along) for along in zip(shape, stride, halo, strict=True)]
    fitting = [
        (prod(work for _, _, work in choice), -prod(seen for _, seen, _ in choice), choice)
        for choice in product(*axes)
        if prod(seen for _, seen, _ in choice) <= voxels
    ]
    choice = min(fitting)[-1] if fitting else tuple(axis[-1] for axis in axes)
    z, y, x = (core for core, _, _ in choice)
    return z, y, x


def _cores(size: int, stride: int, halo: int) -> list[tuple[int, int, float]]:
    """List the cores that cut an axis evenly, large to small: each with the most its tiles see, and the work."""
    floor = min(size, max(stride, halo))
    cores = {size, *(_round_up(-(-size // pieces), stride) for pieces in range(2, size // floor + 1))}
    listed = []
    for core in sorted(cores, reverse=True):
        seen = [part.stop - part.start for _, part in _cut(size, core, stride, halo)]
        listed.append((core, max(seen), sum(seen) / size))
    return listed


def work(shape: ZYX, core: ZYX, stride: ZYX, halo: ZYX) -> float:
    """Give how many voxels the tiles of :func:`cover` see for each voxel of the volume."""
    total = 1.0
    for size, *rest in zip(shape, core, stride, halo, strict=True):
        total *= sum(seen.stop - seen.start for _, seen in _cut(size, *rest)) / size
    return total


def affordable(voxels: float, shape: ZYX, stride: ZYX, halo: ZYX) -> tuple[ZYX, ZYX]:
    """Choose the largest core whose tiles see no more than so many voxels, and a halo that is worth its while.

    The halo is narrowed, to a third at least, where tiles would pass more than ``MOST_WORK`` times the voxels of the
    volume through the network or see too many: in volumes, of which little is seen at once. What lies farther away
    hardly matters: with a third of the halo, one voxel in 4,000 to 40,000 changed its label; with a sixth, in 300.

    Parameters
    ----------
    voxels
        What a tile may see.
    shape, stride, halo
        As for :func:`cover`.

    Returns
    -------
    tuple
        The core and the halo.
    """
    least = [-(-margin // 3) for margin in halo]
    while True:
        core = core_within(voxels, shape, stride, halo)
        z, y, x = (max(third, margin - step) for third, margin, step in zip(least, halo, stride, strict=True))
        fits = most_seen(shape, core, stride, halo) <= voxels and work(shape, core, stride, halo) <= MOST_WORK
        if fits or (z, y, x) == halo:
            return core, halo
        halo = (z, y, x)


def smaller_core(core: ZYX, shape: ZYX, stride: ZYX, halo: ZYX, floor: ZYX | None = None) -> ZYX | None:
    """Halve the longer sides of a core, until its tiles see less than they did.

    Parameters
    ----------
    core, shape, stride, halo
        As for :func:`cover`.
    floor
        How short a side may become; the stride when None.

    Returns
    -------
    tuple of int or None
        None when no smaller core sees less.
    """
    before = most_seen(shape, core, stride, halo)
    while True:
        longest = max(core)
        z, y, x = (
            max(_round_up(-(-length // 2), step), min(length, least)) if 2 * length > longest else length
            for length, step, least in zip(core, stride, floor or stride, strict=True)
        )
        if (z, y, x) == core:
            return None
        core = (z, y, x)
        if most_seen(shape, core, stride, halo) < before:
            return core


def _round_up(length: int, step: int) -> int:
    return -(-length // step) * step


@dataclass(frozen=True)
class Cut:
    """How scans are cut into what the network sees at once.

    Parameters
    ----------
    volume
        Voxels of what is cut by itself: one slice for a 2-D network, one volume of a series for a 3-D one.
    core, stride, halo
        As for :func:`cover`.
    batch
        Slices side by side in one pass; 1 for a 3-D network.
    overlapping
        Whether by :func:`windows`, to be blended, and not by :func:`cover`.
    """

    volume: ZYX
    core: ZYX
    stride: ZYX
    halo: ZYX
    batch: int = 1
    overlapping: bool = False

    @cached_property
    def _tiles(self) -> tuple[Tile, ...]:
        cut = windows if self.overlapping else cover
        return cut(self.volume, self.core, self.stride, self.halo)

    def slab(self, z: int) -> tuple[Tile, ...]:
        """Give the tiles that slice ``z`` of the scan comes from: one range along Z, all of Y and X."""
        first = z // self.volume[0] * self.volume[0]
        return tuple(tile.moved(first) for tile in self._tiles if tile.core[0].start <= z - first < tile.core[0].stop)

    def smaller(self) -> "Cut | None":
        """Give a cut that needs less memory: half the batch, else smaller tiles; None when there is none."""
        if self.batch > 1:
            return replace(self, batch=self.batch // 2)
        core = smaller_core(self.core, self.volume, self.stride, self.halo)
        return core and replace(self, core=core)

    @property
    def words(self) -> str:
        """Say how much is seen at once ("4 slices of 512 × 512")."""
        z, y, x = (min(length, size) for length, size in zip(self.core, self.volume, strict=True))
        piece = f"{y} × {x}" if self.volume[0] == 1 else f"{z} × {y} × {x}"
        return f"{self.batch} slices of {piece}" if self.batch > 1 else f"pieces of {piece}"
