"""Mean-field inference, streamed over slabs of slices.

Two things keep it small and fast. A softmax sees only differences, and filtering is linear: so of C classes just
C - 1 channels are filtered, channel c being the sum over l of -(mu[c, l] - mu[C-1, l]) Q[l] (for a Potts model
Q[c] - Q[C-1]). And all that voxels learn from afar they learn through the grid, which is small: so one pass over
the volume, slab by slab, reads the message of the last step, updates Q and adds it to the next grid. Whatever the
slabs, the result is that of the whole volume at once.
"""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet.refinement.crf.grid import Grid, Run, blur, cuts, gaussian
from napari_unet.refinement.crf.intensities import Intensities
from napari_unet.refinement.crf.layout import NO_AXES, Floats, lanes_of
from napari_unet.refinement.crf.rows import blur_rows, count_rows, normalise_rows, update_rows

SLAB_BYTES = 128 * 2**20
"""What the float32 arrays of a slab may take."""
NOTHING = np.empty((0, 0, 0), np.float32)
NO_CHANNELS = np.empty((0, 0, 0, 0), np.float32)


@dataclass(frozen=True)
class Problem:
    """What a mean field is to solve.

    Parameters
    ----------
    chances
        (C, Z, Y, X): the probabilities, whose negative logarithms are the unaries; uint8 counts in 255ths.
    intensities
        (channels, Z, Y, X).
    fixed
        (Z, Y, X) uint8: the class of each voxel that is certain, 255 elsewhere; None if none is.
    grid
        Of the appearance kernel; None leaves it out.
    appearance_weight
        w1.
    smoothness
        Variances of the smoothness kernel along (z, y, x) in voxels; None leaves it out.
    smoothness_weight
        w2.
    differences
        (C - 1, C): the channels as sums of Q.
    steps
        How many mean-field steps.
    """

    chances: NDArray[Any]
    intensities: Intensities
    fixed: NDArray[np.uint8] | None
    grid: Grid | None
    appearance_weight: float
    smoothness: tuple[float, float, float] | None
    smoothness_weight: float
    differences: Floats
    steps: int


def mean_field(
    problem: Problem, threads: int, result: NDArray[Any] | None = None
) -> Generator[float, None, NDArray[np.uint8]]:
    """Do all mean-field steps.

    Parameters
    ----------
    problem
        What to solve.
    threads
        How many threads to use.
    result
        (C, Z, Y, X) floating point, filled with Q; it may be the problem's ``chances``. None if not wanted.

    Yields
    ------
    float
        How much is done, 0..1, after each slab.

    Returns
    -------
    NDArray
        (Z, Y, X) uint8, the most probable class.
    """
    with ThreadPoolExecutor(threads) as pool:

        def run(function: Callable[..., None], calls: list[tuple[Any, ...]]) -> None:
            # The last one here, so that one thread needs no other.
            others = [pool.submit(function, *call) for call in calls[:-1]]
            function(*calls[-1])
            for other in others:
                other.result()

        return (yield from _MeanField(problem, threads, run).solve(result))


@dataclass(frozen=True)
class _Slab:
    """Some slices as the loops take them."""

    start: int
    stop: int
    chances: Floats
    fixed: NDArray[np.uint8]
    place: Floats


class _MeanField:
    """A mean field and what it keeps of all voxels: the filtered channels in 16 bits, and the normalisation."""

    def __init__(self, problem: Problem, threads: int, run: Run) -> None:
        self._problem = problem
        self._run = run
        classes, *extent = problem.chances.shape
        self._extent: tuple[int, int, int] = (extent[0], extent[1], extent[2])
        self._channels = classes - 1
        self._taps = [smoothing_taps(*each) for each in zip(extent, problem.smoothness or (0, 0, 0), strict=True)]
        self._depth = self._slab_depth()
        self._whole: _Slab | None = self._read(0, extent[0]) if self._depth == extent[0] else None
        self._state = np.empty((self._channels, *extent), np.int16)
        self._unit = float(np.abs(problem.differences).max()) / 32767 or 1.0
        self._behind = self._state[:, :0]
        stored = np.float32 if self._whole else np.float16
        self._norm = np.empty(extent if problem.grid else (0, 0, 0), stored)
        self._bands = list(cuts(extent[1], threads))

    def solve(self, result: NDArray[Any] | None) -> Generator[float, None, NDArray[np.uint8]]:
        """Do all steps; see :func:`mean_field`."""
        steps, grid, depth = self._problem.steps, self._problem.grid, self._extent[0]
        labels = np.empty(self._extent, np.uint8)
        passes = steps + 1 + (grid is not None)
        counts = messages = NOTHING
        if grid:
            sums = self._new_sums(1)
            for slab in self._slabs():
                self._run(count_rows, [(slab.start, *b, slab.place, grid.axes, s) for b, s in self._each(sums)])
                yield slab.stop / depth / passes
            counts = self._filtered(sums, 1)
        for step in range(steps + 1):
            sums = self._new_sums(lanes_of(self._channels)) if step < steps else [NOTHING] * len(self._bands)
            for slab in self._slabs():
                if grid and step == 0:
                    self._normalise(slab, grid, counts)
                blurred = self._blur(slab) if step else NO_CHANNELS
                self._update(slab, messages, blurred, sums, labels if step == steps else None, result)
                yield (passes - steps - 1 + step + slab.stop / depth) / passes
            messages = self._filtered(sums, lanes_of(self._channels)) if step < steps else NOTHING
        return labels

    def _slab_depth(self) -> int:
        depth, height, width = self._extent
        floats = 2 * (self._channels + 1) + self._channels + 2 + 2 * self._problem.intensities.channels
        return int(min(depth, max(1, SLAB_BYTES // (4 * floats * height * width))))

    def _slabs(self) -> Iterator[_Slab]:
        if self._whole:
            yield self._whole
            return
        for start in range(0, self._extent[0], self._depth):
            yield self._read(start, min(start + self._depth, self._extent[0]))

    def _read(self, start: int, stop: int) -> _Slab:
        problem, part = self._problem, slice(start, stop)
        place = NO_CHANNELS
        if problem.grid:
            place = problem.grid.place(problem.intensities.read(part))
        chances = self._chances(part)
        fixed = np.empty((0, 0, 0), np.uint8) if problem.fixed is None else _loopable(problem.fixed[part], np.uint8)
        return _Slab(start, stop, chances, fixed, place)

    def _chances(self, part: slice) -> Floats:
        given = self._problem.chances[:, part]
        if given.dtype == np.float32 and given.flags.carray:
            return given
        chances = np.empty(given.shape, np.float32)
        unit = 1 / 255 if given.dtype == np.uint8 else 1.0
        self._run(np.multiply, [(one, np.float32(unit), out) for one, out in zip(given, chances, strict=True)])
        return chances

    def _each(self, sums: list[Floats]) -> Iterator[tuple[tuple[int, int], Floats]]:
        return zip(self._bands, sums, strict=True)

    def _new_sums(self, lanes: int) -> list[Floats]:
        grid = self._problem.grid
        return [np.zeros(grid.points(lanes), np.float32) if grid else NOTHING for _ in self._bands]

    def _filtered(self, sums: list[Floats], lanes: int) -> Floats:
        """Add the grids of all bands and blur them."""
        grid = self._problem.grid
        if grid is None:
            return NOTHING
        total, *others = sums
        for other in others:
            total += other
        return blur(total, np.empty_like(total), grid, lanes, len(self._bands), self._run)

    def _normalise(self, slab: _Slab, grid: Grid, counts: Floats) -> None:
        norm = self._norm[slab.start : slab.stop]
        out = norm if self._whole else np.empty(norm.shape, np.float32)
        weight = self._problem.appearance_weight
        self._run(normalise_rows, [(slab.start, *b, slab.place, grid.axes, counts, weight, out) for b in self._bands])
        if not self._whole:
            norm[:] = out

    def _blur(self, slab: _Slab) -> Floats:
        """Blur the state along z and x, as it was before this step."""
        if self._problem.smoothness is None:
            return NO_CHANNELS
        along_z, along_y, along_x = self._taps
        blurred = np.empty((self._channels, slab.stop - slab.start, *self._extent[1:]), np.float32)
        given = (self._state, self._unit, along_z.matrix[slab.start : slab.stop], along_x.taps, along_y.scale)
        self._run(blur_rows, [(slab.start, *b, self._behind, *given, along_x.scale, blurred) for b in self._bands])
        if not self._whole:  # the slices behind the next slab are going to be overwritten
            reach = along_z.matrix.shape[1] // 2
            near = self._state[:, max(slab.start, slab.stop - reach) : slab.stop]
            behind = np.concatenate([self._behind, near], 1)
            self._behind = behind[:, max(0, behind.shape[1] - reach) :].copy()
        return blurred

    def _update(
        self,
        slab: _Slab,
        messages: Floats,
        blurred: Floats,
        sums: list[Floats],
        labels: NDArray[np.uint8] | None,
        result: NDArray[Any] | None,
    ) -> None:
        problem, part = self._problem, slice(slab.start, slab.stop)
        norm = _loopable(self._norm[part], np.float32)
        chosen = np.empty((0, 0, 0), np.uint8) if labels is None else labels[part]
        chances = NO_CHANNELS if labels is None or result is None else np.empty_like(slab.chances)
        axes = problem.grid.axes if problem.grid else NO_AXES
        given = (slab.chances, slab.fixed, slab.place, norm, axes, messages, blurred)
        weights = (self._taps[1].taps, self._taps[1].scale * np.float32(problem.smoothness_weight), problem.differences)
        self._run(
            update_rows,
            [
                (slab.start, *b, *given, *weights, self._unit, self._state, s, chosen, chances)
                for b, s in self._each(sums)
            ],
        )
        if chances.size and result is not None:
            self._run(_store, list(zip(chances, result[:, part], strict=True)))


def _store(chances: Floats, out: NDArray[Any]) -> None:
    """Convert; what float16 holds only with a few bits becomes 0, as its conversion is slow."""
    if out.dtype == np.float16:
        chances[chances < np.finfo(np.float16).tiny] = 0
    np.copyto(out, chances, casting="same_kind")


def _loopable(values: NDArray[Any], dtype: type) -> NDArray[Any]:
    """Make an array what the loops were compiled for: contiguous, and one that may be written."""
    return np.require(values, dtype, ["C", "W"])


class Taps(NamedTuple):
    """The smoothness kernel along one axis; it is a product over the axes, and so is its normalisation.

    Parameters
    ----------
    taps
        (2r+1,): the Gaussian.
    scale
        (length,): what to multiply by before and after, for symmetric normalisation.
    matrix
        (length, 2r+1): both in one; row i is for the positions i-r..i+r and 0 outside.
    """

    taps: Floats
    scale: Floats
    matrix: Floats

    def scaled(self) -> Floats:
        """Give the kernel as a whole, (length, length)."""
        length, reach = len(self.scale), len(self.taps) // 2
        whole = np.zeros((length, length), np.float32)
        for shift in range(-reach, reach + 1):
            rows = np.arange(max(0, -shift), min(length, length - shift))
            whole[rows, rows + shift] = self.matrix[rows, shift + reach]
        return whole


def smoothing_taps(length: int, variance: float) -> Taps:
    """Make the smoothness kernel along an axis of so many voxels, of a variance in voxels."""
    taps = gaussian(variance, length - 1)
    reach = len(taps) // 2
    around = np.arange(length)[:, None] + np.arange(-reach, reach + 1)
    inside = (around >= 0) & (around < length)
    scale = 1 / np.sqrt((inside * taps).sum(1))
    matrix = np.where(inside, taps * scale[:, None] * scale[np.clip(around, 0, length - 1)], 0)
    return Taps(taps, scale.astype(np.float32), matrix.astype(np.float32))
