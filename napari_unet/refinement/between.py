"""Filling the slices between painted ones, so that every fifth slice is enough to paint.

Shape-based interpolation on signed distances (Raya and Udupa 1990, doi:10.1109/42.52980; Herman, Zheng and Bucholtz
1992, IEEE Computer Graphics and Applications 12(3):69-79), here of several classes at once.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import hypot, inf, prod
from time import monotonic

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet.annotation import BACKGROUND, UNPAINTED
from napari_unet.config import FillBetweenConfig
from napari_unet.errors import BadInput, NothingPainted
from napari_unet.events import Job, Note, Progress, SlicesDone, Started, Stop
from napari_unet.refinement.boxes import chosen
from napari_unet.refinement.distances import Spacing, signed_distance

DEFAULT = FillBetweenConfig()


@dataclass(frozen=True, eq=False)
class Filled:
    """Paint with slices filled, and what was added.

    Parameters
    ----------
    paint
        (Z, Y, X) uint8: 0 not painted, 1..254 classes, 255 background.
    added
        Voxels that each label gained; 255 is background.
    voxel_ml
        Volume of a voxel in ml.
    """

    paint: NDArray[np.uint8]
    added: dict[int, int]
    voxel_ml: float

    @property
    def added_ml(self) -> dict[int, float]:
        """What each label gained, in ml."""
        return {label: count * self.voxel_ml for label, count in self.added.items()}


def fill_between_job(
    paint: NDArray[np.uint8],
    config: FillBetweenConfig = DEFAULT,
    *,
    spacing: Spacing = (1.0, 1.0, 1.0),
    depth: int | None = None,
    out: NDArray[np.uint8] | None = None,
) -> Job[Filled]:
    """Fill the slices between painted ones.

    Each slice with any paint is a key; when classes are named, each slice with paint of one of them. What is not
    painted on a key counts as none of the classes: paint all of a class on a slice, or none of it. Between two keys
    that follow each other the shapes of all classes go over into one another (see :func:`interpolated`). Only
    unpainted voxels change, and none of a key.

    Parameters
    ----------
    paint
        (Z, Y, X) uint8: 0 not painted, 1..254 classes, 255 background. It is not changed.
    config
        Across which axis, how far, and which classes.
    spacing
        Distance between voxel centres, (z, y, x) in mm.
    depth
        Slices of one volume, when several are folded into Z; nothing crosses from one to the next. All of Z
        when None.
    out
        (Z, Y, X) uint8, another array than ``paint``, to write the result into gap by gap; made when None.

    Yields
    ------
    Event
        Started; Note when gaps are too wide; Progress before every gap; SlicesDone after it, with the indices
        along Z that may have changed. On Stop the gaps filled by then are the result.

    Returns
    -------
    Filled
        The paint with what was filled; it is ``out`` when that was given.

    Raises
    ------
    NothingPainted
        No slices lie between painted ones.
    BadInput
        The arguments do not fit the paint.
    """
    _check(paint, spacing, depth, out)
    depth = len(paint) if depth is None else depth
    out = np.empty_like(paint) if out is None else out
    np.copyto(out, paint)
    axis = "zyx".index(config.axis)
    gaps = [gap for start in range(0, len(paint), depth) for gap in _gaps(paint, slice(start, start + depth), config)]
    if not gaps:
        raise NothingPainted(
            f"Nothing lies between painted slices across {config.axis}: paint a slice, leave some out, paint another."
        )
    yield Started("filling between painted slices", "CPU")
    narrow = [gap for gap in gaps if gap.last - gap.first - 1 <= (config.most_gap or inf)]
    if len(narrow) < len(gaps):
        yield Note(
            f"{len(gaps) - len(narrow)} of {len(gaps)} gaps are wider than {config.most_gap} slices: not filled."
        )
    in_plane = tuple(length for i, length in enumerate(spacing) if i != axis)
    began = monotonic()
    for number, gap in enumerate(narrow):
        fraction = number / len(narrow)
        left = (monotonic() - began) * (1 / fraction - 1) if fraction else None
        text = f"slices {gap.first + 1} to {gap.last - 1} across {config.axis}"
        if isinstance((yield Progress(fraction, text, left)), Stop):
            break
        _fill(np.moveaxis(out[gap.volume], axis, 0), gap, (in_plane[0], in_plane[1]), config.classes)
        low, high = (gap.first + 1, gap.last) if axis == 0 else (0, gap.volume.stop - gap.volume.start)
        yield SlicesDone(tuple(range(gap.volume.start + low, gap.volume.start + high)))
    counts = np.bincount(out[out != paint], minlength=256)
    added = {int(label): int(counts[label]) for label in np.flatnonzero(counts)}
    return Filled(out, added, prod(spacing) / 1000)


def interpolated(
    first: NDArray[np.uint8],
    last: NDArray[np.uint8],
    fractions: Sequence[float],
    *,
    spacing: tuple[float, float],
    classes: Collection[int] = (),
) -> Iterator[NDArray[np.uint8]]:
    """Interpolate the shapes of all classes between two slices of paint.

    The slices are moved onto each other where that makes more of their voxels agree, by the way between the centres
    of the classes that are on both (of all, when there are none). Then the signed distance to the edge of each
    class is interpolated linearly, and so is that of all classes together: where a class has a negative one, or all
    together have, the voxel goes to the class with the lowest (the lower label on a tie), so that classes that touch
    have no gap in between. A class that is on one slice only stays as it is there up to halfway, and wins over the
    others. Voxels of no class are painted background where both slices are painted, and unpainted elsewhere.

    Parameters
    ----------
    first, last
        (Y, X) uint8 paint.
    fractions
        Where to interpolate, from 0 (first) to 1 (last).
    spacing
        (y, x) in mm.
    classes
        Which classes to interpolate; none named means all. Background is not painted when some are named.

    Yields
    ------
    numpy.ndarray
        (Y, X) uint8 paint for each fraction.
    """
    wanted = chosen(classes)
    wanted[BACKGROUND] = False
    shapes = _Shapes(np.where(wanted[first], first, 0), np.where(wanted[last], last, 0), spacing)
    painted = (first != UNPAINTED) & (last != UNPAINTED) & (not classes)
    ground = np.where(painted, np.uint8(BACKGROUND), np.uint8(UNPAINTED))
    for fraction in fractions:
        plane = ground.copy()
        labels = shapes.at(fraction)
        np.copyto(plane[shapes.box], labels, where=labels > 0)
        yield plane


class _Shapes:
    """The shapes of classes in two slices, (Y, X) uint8 with 0 where there is none, and those in between.

    ``box`` is where all of them lie.
    """

    def __init__(self, first: NDArray[np.uint8], last: NDArray[np.uint8], spacing: tuple[float, float]) -> None:
        self._way = _way(first, last)
        far = 1 + int(np.ceil(np.abs(self._way).max()))
        somewhere = np.maximum(first, last)
        self.box = (_extent(somewhere.max(axis=1), far), _extent(somewhere.max(axis=0), far))
        self._far = hypot(*(length * step for length, step in zip(first.shape, spacing, strict=True)))
        self._spacing = (1.0, *spacing)
        ends = (first[self.box], last[self.box])
        there = [set(np.unique(plane).tolist()) - {0} for plane in ends]
        self._edges = {
            label: [self._edge(plane == label) if label in there[end] else None for end, plane in enumerate(ends)]
            for label in sorted(there[0] | there[1])
        }
        together = there[0] and there[1]
        self._together = (self._edge(ends[0] > 0), self._edge(ends[1] > 0)) if together else None

    def at(self, fraction: float) -> NDArray[np.uint8]:
        """Give the classes at a fraction of the way, within the box."""
        shape = tuple(side.stop - side.start for side in self.box)
        labels = np.zeros(shape, np.uint8)
        lowest = np.full(shape, np.inf, np.float32)
        for label, (first, last) in self._edges.items():
            if first is not None and last is not None:
                distance = self._interpolated(first, last, fraction)
            elif first is not None and fraction <= 0.5:
                distance = _winning(self._moved(first, fraction), self._far)
            elif last is not None and fraction > 0.5:
                distance = _winning(self._moved(last, fraction - 1), self._far)
            else:
                continue
            labels[distance < lowest] = label
            np.minimum(lowest, distance, out=lowest)
        outside = lowest >= 0
        if self._together is not None:
            outside &= self._interpolated(*self._together, fraction) >= 0
        labels[outside] = 0
        return labels

    def _edge(self, shape: NDArray[np.bool_]) -> NDArray[np.float32]:
        distance: NDArray[np.float32] = signed_distance(shape[None], self._spacing)[0].clip(-self._far, self._far)
        return distance

    def _interpolated(
        self, first: NDArray[np.float32], last: NDArray[np.float32], fraction: float
    ) -> NDArray[np.float32]:
        return (1 - fraction) * self._moved(first, fraction) + fraction * self._moved(last, fraction - 1)

    def _moved(self, distance: NDArray[np.float32], fraction: float) -> NDArray[np.float32]:
        """Move by a fraction of the way from the first slice to the last."""
        if not self._way.any():
            return distance
        moved: NDArray[np.float32] = ndimage.shift(distance, fraction * self._way, order=1, mode="nearest")
        return moved


def _winning(distance: NDArray[np.float32], far: float) -> NDArray[np.float32]:
    """Lower negative distances below all others."""
    return np.where(distance < 0, distance - far, distance)


def _way(first: NDArray[np.uint8], last: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Give how far to move the first slice, (y, x) in voxels, so that it agrees more with the last; else 0."""
    both = np.intersect1d(first[first > 0], last[last > 0])
    if both.size:
        first, last = (np.where(np.isin(plane, both), plane, 0) for plane in (first, last))
    else:
        first, last = (first > 0).astype(np.uint8), (last > 0).astype(np.uint8)
    nowhere = np.zeros(2)
    if not first.any() or not last.any():
        return nowhere
    way = np.subtract(*(ndimage.center_of_mass(plane > 0) for plane in (last, first)))
    moved = ndimage.shift(first, np.rint(way), order=0)
    agree, agreed = (np.count_nonzero((plane == last) & (last > 0)) for plane in (moved, first))
    return way if agree > agreed else nowhere


@dataclass(frozen=True)
class _Gap:
    """Unpainted slices between two painted ones of a volume; counted within it, along the axis at hand."""

    volume: slice
    first: int
    last: int


def _gaps(paint: NDArray[np.uint8], volume: slice, config: FillBetweenConfig) -> Iterator[_Gap]:
    wanted = chosen(config.classes)
    planes = np.moveaxis(paint[volume], "zyx".index(config.axis), 0)
    keys = [i for i, plane in enumerate(planes) if wanted[plane].any()]
    for first, last in pairwise(keys):
        if last - first > 1:
            yield _Gap(volume, first, last)


def _fill(planes: NDArray[np.uint8], gap: _Gap, spacing: tuple[float, float], classes: Sequence[int]) -> None:
    """Fill the unpainted voxels in the planes of a gap, in place."""
    steps = range(gap.first + 1, gap.last)
    fractions = [(step - gap.first) / (gap.last - gap.first) for step in steps]
    filled = interpolated(planes[gap.first], planes[gap.last], fractions, spacing=spacing, classes=classes)
    for step, plane in zip(steps, filled, strict=True):
        np.copyto(planes[step], plane, where=planes[step] == UNPAINTED)


def _extent(line: NDArray[np.uint8], margin: int) -> slice:
    """Give where a line is not 0, from the first to the last place, and a margin around; nothing when it all is."""
    places = np.flatnonzero(line)
    if not places.size:
        return slice(0, 0)
    return slice(max(0, int(places[0]) - margin), min(len(line), int(places[-1]) + 1 + margin))


def _check(paint: NDArray[np.uint8], spacing: Spacing, depth: int | None, out: NDArray[np.uint8] | None) -> None:
    if paint.ndim != 3 or paint.dtype != np.uint8:
        raise BadInput(f"paint to fill is (Z, Y, X) uint8; this is {paint.shape} {paint.dtype}.")
    if len(spacing) != 3 or not all(0 < length < np.inf for length in spacing):
        raise BadInput(f"the spacing {tuple(spacing)} is not three lengths in mm (z, y, x) above 0.")
    if depth is not None and (depth < 1 or len(paint) % depth):
        raise BadInput(f"{len(paint)} slices cannot be volumes of {depth} slices each.")
    if out is not None and out.shape != paint.shape:
        raise BadInput(f"the array for the result is {out.shape} but the paint is {paint.shape}: they must be alike.")
