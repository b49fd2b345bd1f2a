"""The loops over voxels and grid points, compiled.

Work is cut into bands of rows of a slab of slices, one for each thread; a thread writes to its own rows and to
its own grid only. Arrays are float32 and contiguous, so that each loop is compiled once:

- ``place`` (intensity channels, z, Y, X): intensities in grid cells.
- ``norm`` (z, Y, X): sqrt(w1 / D), the appearance kernel's normalisation.
- ``state`` (F, Z, Y, X) int16, in ``unit``, ``blurred`` (F, z, Y, X): the C - 1 differences between classes that are
  filtered, see :mod:`~napari_unet.refinement.crf.mean_field`.
- a grid (gz, gy, gx * intensities * lanes): of each point its ``lanes`` values are neighbours: 1 for F = 1, or F
  rounded up to a multiple of 4, so that a point's values are one vector of the processor.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_unet.refinement.crf.compiled import compiled
from napari_unet.refinement.crf.vectors import add_vector, sum_vectors

Floats: TypeAlias = NDArray[np.float32]

BLOCK = 4096
"""How many floats are blurred at a time: they stay in the processor's nearest cache."""
FREE = 255
"""In an array of fixed classes: this voxel is not fixed."""


class Axes(NamedTuple):
    """Where the voxels lie in the grid: along each axis the point before a voxel, and how far beyond it.

    ``steps`` is the distance between neighbouring points along x and each intensity. ``step_y`` is that along y
    where voxels are added to the eight or more points around them at once (what a plane of a single row is then
    the whole layer), or 0 where they are added to a plane for their row first and that to the points around the
    row: quicker as long as the plane is small.
    """

    z: NDArray[np.int32]
    beyond_z: Floats
    y: NDArray[np.int32]
    beyond_y: Floats
    x: NDArray[np.int32]
    beyond_x: Floats
    steps: NDArray[np.int32]
    step_y: int


NO_AXES = Axes(*(np.empty(0, kind) for kind in (np.int32, np.float32) * 3), np.empty(0, np.int32), 0)


def lanes_of(channels: int) -> int:
    """Say how many values a grid point has for so many channels."""
    return channels if channels < 2 else (channels + 3) // 4 * 4


@compiled
def mix_channels(values: Floats, mix: Floats, origin: Floats, low: Floats, out: Floats) -> None:
    """Do ``out`` = mix (values - origin) - low for values (channels, n)."""
    for c in range(len(out)):
        row = out[c]
        row[:] = -low[c]
        for d in range(len(values)):
            factor, zero = mix[c, d], origin[d]
            line = values[d]
            for i in range(len(row)):
                row[i] += factor * (line[i] - zero)


@compiled
def count_rows(first: int, top: int, bottom: int, place: Floats, axes: Axes, sums: Floats) -> None:
    """Splat the number 1 from each voxel of rows ``top`` to ``bottom`` to ``sums``; ``first`` is the slab's first z."""
    depth, width = place.shape[1], place.shape[3]
    corners = _corners(place, axes)
    index, weight = np.empty((corners, width), np.uint32), np.empty((corners, width), np.float32)
    ones = np.ones((1, width), np.float32)
    plane, layer = np.empty_like(sums[0, 0]), np.zeros_like(sums[0])
    for k in range(depth):
        for y in range(top, bottom):
            _find_corners(place, k, y, axes, index, weight)
            _add_row(ones, index, weight, 1, axes, y, plane, layer)
        _add_layer(layer, axes.z[first + k], axes.beyond_z[first + k], sums)


@compiled
def normalise_rows(
    first: int, top: int, bottom: int, place: Floats, axes: Axes, counts: Floats, weight_of_kernel: float, norm: Floats
) -> None:
    """Slice the filtered ``counts`` at each voxel: D; and make it ``norm`` = sqrt(w / D)."""
    depth, width = place.shape[1], place.shape[3]
    corners = _corners(place, axes)
    index, weight = np.empty((corners, width), np.uint32), np.empty((corners, width), np.float32)
    total, plane, layer = np.empty((1, width), np.float32), np.empty_like(counts[0, 0]), np.empty_like(counts[0])
    for k in range(depth):
        _read_layer(counts, axes, first + k, top, bottom, layer)
        for y in range(top, bottom):
            _find_corners(place, k, y, axes, index, weight)
            _read_row(layer, axes, y, index, weight, 1, plane, total)
            for x in range(width):
                norm[k, y, x] = np.sqrt(np.float32(weight_of_kernel) / total[0, x])


@compiled
def blur_rows(
    first: int,
    top: int,
    bottom: int,
    behind: NDArray[np.int16],
    state: NDArray[np.int16],
    unit: float,
    matrix_z: Floats,
    taps_x: Floats,
    scale_y: Floats,
    scale_x: Floats,
    blurred: Floats,
) -> None:
    """Blur along z and x, with the normalisation along these, and half of that along y.

    Slice k of ``blurred`` is made of those of the state around ``first`` + k, of which row k of ``matrix_z``
    (z, 2r+1) has the weights, 0 outside the volume; slices before ``first`` are taken from the end of ``behind``.
    """
    channels, depth, _, width = blurred.shape
    reach_z, reach = matrix_z.shape[1] // 2, len(taps_x) // 2
    line, out = np.zeros(width + 2 * reach, np.float32), np.empty(width, np.float32)
    inner = line[reach : reach + width]
    block = max(1, BLOCK // width)
    summed = np.empty(block * width, np.float32)
    for c in range(channels):
        for k in range(depth):
            for begin in range(top, bottom, block):
                end = min(begin + block, bottom)
                summed[:] = np.float32(0)
                for t in range(2 * reach_z + 1):
                    z = first + k + t - reach_z
                    if matrix_z[k, t] != 0:
                        source = behind[c, z - first] if z < first else state[c, z]
                        rows = source[begin:end].reshape(-1)
                        _add(rows, np.float32(unit) * matrix_z[k, t], summed[: len(rows)])
                for y in range(begin, end):
                    _multiply(summed[(y - begin) * width : (y - begin + 1) * width], scale_x, inner)
                    _blur_line(line, taps_x, out)
                    target = blurred[c, k, y]
                    for x in range(width):
                        target[x] = scale_y[y] * scale_x[x] * out[x]


@compiled
def update_rows(
    first: int,
    top: int,
    bottom: int,
    chances: Floats,
    fixed: NDArray[np.uint8],
    place: Floats,
    norm: Floats,
    axes: Axes,
    messages: Floats,
    blurred: Floats,
    taps_y: Floats,
    scale_y: Floats,
    differences: Floats,
    unit: float,
    state: NDArray[np.int16],
    sums: Floats,
    labels: NDArray[np.uint8],
    result: Floats,
) -> None:
    """Do a mean-field step on the rows ``top`` to ``bottom``.

    Of the terms that are not wanted the arrays are empty: ``fixed``, ``messages`` (the filtered grid) and
    ``blurred`` when there is no message yet, ``sums`` (the grid that the new state is splatted to) when it is the
    last step, ``labels`` (z, Y, X) and ``result`` (C, z, Y, X) when it is not. ``taps_y`` (2r+1) are the smoothness
    kernel's weights, ``scale_y`` (Y) its normalisation.
    """
    classes, depth, _, width = chances.shape
    channels, corners = classes - 1, _corners(place, axes)
    lanes = channels if channels < 2 else (channels + 3) // 4 * 4
    index, weight = np.empty((corners, width), np.uint32), np.empty((corners, width), np.float32)
    message, scores = np.zeros((lanes, width), np.float32), np.empty((classes, width), np.float32)
    plane = np.empty(max(messages.shape[2], sums.shape[2]), np.float32)
    layer, sum_layer = np.empty(messages.shape[1:], np.float32), np.zeros(sums.shape[1:], np.float32)
    smooth = np.empty((channels, max(1, BLOCK // width), width), np.float32)
    for k in range(depth):
        if messages.size:
            _read_layer(messages, axes, first + k, top, bottom, layer)
        for y in range(top, bottom):
            scores[:] = np.float32(0)
            if norm.size:
                _find_corners(place, k, y, axes, index, weight)
            if messages.size:
                _read_row(layer, axes, y, index, weight, lanes, plane, message)
                for c in range(channels):
                    _multiply(message[c], norm[k, y], scores[c])
            if blurred.size:
                _add_smooth(blurred, k, y, top, bottom, taps_y, scale_y, smooth, scores)
            _softmax(chances, k, y, scores)
            _fix(fixed, k, y, scores)
            _keep(scores, k, y, labels, result)
            _combine(scores, differences, message)
            for c in range(channels):
                _round(message[c], unit, state[c, first + k, y])
            if sums.size:
                for c in range(channels):
                    _multiply(message[c], norm[k, y], message[c])
                _add_row(message, index, weight, lanes, axes, y, plane, sum_layer)
        if sums.size:
            _add_layer(sum_layer, axes.z[first + k], axes.beyond_z[first + k], sums)


@compiled
def blur_grid(source: Floats, taps: Floats, start: int, stop: int, out: Floats) -> None:
    """Blur (A, n, B) along its second axis with weights of -r..r, for the columns ``start`` to ``stop`` of B."""
    reach = len(taps) // 2
    length = source.shape[1]
    for a in range(source.shape[0]):
        for begin in range(start, stop, 2048):  # what fits into the cache
            end = min(begin + 2048, stop)
            for i in range(length):
                target = out[a, i, begin:end]
                target[:] = np.float32(0)
                for t in range(max(0, reach - i), min(2 * reach + 1, length + reach - i)):
                    _add(source[a, i + t - reach, begin:end], taps[t], target)


@compiled
def blur_lines(source: Floats, lanes: int, taps: Floats, start: int, stop: int, out: Floats) -> None:
    """Blur the lines ``start`` to ``stop`` of (A, n * lanes) along n."""
    reach = len(taps) // 2
    padding = reach * lanes
    length = source.shape[1]
    line = np.zeros(length + 2 * padding, np.float32)
    for a in range(start, stop):
        line[padding : padding + length] = source[a]
        target = out[a]
        target[:] = np.float32(0)
        for t in range(2 * reach + 1):
            _add(line[t * lanes : t * lanes + length], taps[t], target)


@compiled
def _add(source: Floats, factor: float, out: Floats) -> None:
    for i in range(len(out)):
        out[i] += factor * np.float32(source[i])


@compiled
def _multiply(a: Floats, b: Floats, out: Floats) -> None:
    for i in range(len(out)):
        out[i] = a[i] * b[i]


@compiled
def _blur_line(line: Floats, taps: Floats, out: Floats) -> None:
    """Blur a line that is padded by zeros on both sides; ``taps`` are symmetric."""
    reach = len(taps) // 2
    n = len(out)
    for i in range(n):
        out[i] = taps[reach] * line[reach + i]
    for t in range(reach):
        left, right, tap = line[t : t + n], line[2 * reach - t : 2 * reach - t + n], taps[t]
        for i in range(n):
            out[i] += tap * (left[i] + right[i])


@compiled
def _blur_block(source: Floats, taps: Floats, begin: int, end: int, out: Floats) -> None:
    """Blur (n, B) along its first axis, its rows ``begin`` to ``end``, all of them at once for each tap."""
    reach = len(taps) // 2
    out[: end - begin] = np.float32(0)
    for t in range(2 * reach + 1):
        ahead = t - reach
        low, high = max(begin, -ahead), min(end, source.shape[0] - ahead)
        if low < high:
            _add(source[low + ahead : high + ahead].reshape(-1), taps[t], out[low - begin : high - begin].reshape(-1))


@compiled
def _add_smooth(
    blurred: Floats,
    k: int,
    y: int,
    top: int,
    bottom: int,
    taps: Floats,
    scale: Floats,
    smooth: Floats,
    scores: Floats,
) -> None:
    """Add the smoothness kernel's message; every so many rows blur along y what the next ones need."""
    channels, block, _ = smooth.shape
    row = (y - top) % block
    for c in range(channels):
        if row == 0:
            _blur_block(blurred[c, k], taps, y, min(y + block, bottom), smooth[c])
        _add(smooth[c, row], scale[y], scores[c])


@compiled
def _corners(place: Floats, axes: Axes) -> int:
    return (4 if axes.step_y else 2) << place.shape[0]


@compiled
def _find_corners(place: Floats, k: int, y: int, axes: Axes, index: NDArray[np.uint32], weight: Floats) -> None:
    """Find the corners of each voxel's cell, and its multilinear weights."""
    width = place.shape[3]
    step = axes.steps[0]
    for x in range(width):
        index[0, x] = np.uint32(axes.x[x] * step)
        index[1, x] = np.uint32(axes.x[x] * step + step)
        weight[0, x] = np.float32(1) - axes.beyond_x[x]
        weight[1, x] = axes.beyond_x[x]
    corners = 2
    if axes.step_y:
        for v in range(corners):
            for x in range(width):
                index[v, x] += np.uint32(axes.y[y] * axes.step_y)
                index[corners + v, x] = index[v, x] + np.uint32(axes.step_y)
                weight[corners + v, x] = weight[v, x] * axes.beyond_y[y]
                weight[v, x] -= weight[corners + v, x]
        corners *= 2
    for c in range(place.shape[0]):
        step = axes.steps[1 + c]
        row = place[c, k, y]
        for v in range(corners):
            low, high = index[v], index[corners + v]
            below, above = weight[v], weight[corners + v]
            for x in range(width):
                point = np.int32(row[x])
                beyond = row[x] - np.float32(point)
                low[x] += np.uint32(point * step)
                high[x] = low[x] + np.uint32(step)
                above[x] = below[x] * beyond
                below[x] -= above[x]
        corners *= 2


@compiled
def _read_row(
    layer: Floats,
    axes: Axes,
    y: int,
    index: NDArray[np.uint32],
    weight: Floats,
    lanes: int,
    plane: Floats,
    out: Floats,
) -> None:
    """Slice a layer of the grid at a row of voxels: ``out`` (lanes, X)."""
    if axes.step_y:
        _slice(layer[0], index, weight, out, lanes)
        return
    plane[:] = layer[axes.y[y]]
    beyond = axes.beyond_y[y]
    if beyond > 0:
        high = layer[axes.y[y] + 1]
        for i in range(len(plane)):
            plane[i] += beyond * (high[i] - plane[i])
    _slice(plane, index, weight, out, lanes)


@compiled
def _add_row(
    values: Floats,
    index: NDArray[np.uint32],
    weight: Floats,
    lanes: int,
    axes: Axes,
    y: int,
    plane: Floats,
    layer: Floats,
) -> None:
    """Splat a row of voxels, ``values`` (lanes, X), to a layer of the grid."""
    if axes.step_y:
        _splat(values, index, weight, layer[0], lanes)
        return
    plane[:] = np.float32(0)
    _splat(values, index, weight, plane, lanes)
    beyond = axes.beyond_y[y]
    _add(plane, np.float32(1) - beyond, layer[axes.y[y]])
    if beyond > 0:
        _add(plane, beyond, layer[axes.y[y] + 1])


@compiled
def _slice(plane: Floats, index: NDArray[np.uint32], weight: Floats, out: Floats, lanes: int) -> None:
    """Interpolate the row plane at each voxel: ``out`` (lanes, X)."""
    corners, width = index.shape
    if lanes == 1:
        row = out[0]
        row[:] = np.float32(0)
        for v in range(corners):
            for x in range(width):
                row[x] += weight[v, x] * plane[index[v, x]]
        return
    for block in range(0, lanes, 4):
        for x in range(width):
            a, b, c, d = sum_vectors(plane, index, weight, x, np.uint64(lanes), np.uint64(block))
            out[block, x], out[block + 1, x], out[block + 2, x], out[block + 3, x] = a, b, c, d


@compiled
def _splat(values: Floats, index: NDArray[np.uint32], weight: Floats, plane: Floats, lanes: int) -> None:
    """Add each voxel's values (lanes, X) to the corners of its cell: the transpose of :func:`_slice`."""
    corners, width = index.shape
    if lanes == 1:
        for x in range(width):
            value = values[0, x]
            for v in range(corners):
                plane[index[v, x]] += weight[v, x] * value
        return
    for block in range(0, lanes, 4):
        for x in range(width):
            a, b, c, d = values[block, x], values[block + 1, x], values[block + 2, x], values[block + 3, x]
            for v in range(corners):
                at = np.uint64(index[v, x]) * np.uint64(lanes) + np.uint64(block)
                add_vector(plane, at, weight[v, x], a, b, c, d)


@compiled
def _add_layer(layer: Floats, point: int, beyond: float, sums: Floats) -> None:
    """Add a slice's layer to the two layers of grid points around it, and clear it."""
    for row in range(layer.shape[0]):
        _add(layer[row], np.float32(1) - np.float32(beyond), sums[point, row])
        if beyond > 0:
            _add(layer[row], beyond, sums[point + 1, row])
    layer[:] = np.float32(0)


@compiled
def _read_layer(grid: Floats, axes: Axes, z: int, top: int, bottom: int, layer: Floats) -> None:
    """Interpolate the grid at a slice, as far as its rows ``top`` to ``bottom`` need it."""
    begin, end = (0, 1) if axes.step_y else (axes.y[top], min(axes.y[bottom - 1] + 2, grid.shape[1]))
    beyond = axes.beyond_z[z]
    for row in range(begin, end):
        out = layer[row]
        out[:] = grid[axes.z[z], row]
        if beyond > 0:
            high = grid[axes.z[z] + 1, row]
            for i in range(len(out)):
                out[i] += beyond * (high[i] - out[i])


@compiled
def _softmax(chances: Floats, k: int, y: int, scores: Floats) -> None:
    """Make ``scores`` (C, X) probabilities: softmax(log(chances) + scores), without a logarithm."""
    classes, width = scores.shape
    highest, total = np.zeros(width, np.float32), np.zeros(width, np.float32)
    for c in range(classes):
        score = scores[c]
        for x in range(width):
            highest[x] = max(highest[x], score[x])
    for c in range(classes):
        score, chance = scores[c], chances[c, k, y]
        for x in range(width):
            value = max(chance[x], np.float32(1e-5)) * _exp(score[x] - highest[x])
            score[x] = value
            total[x] += value
    for x in range(width):
        total[x] = np.float32(1) / total[x]
    for c in range(classes):
        score = scores[c]
        for x in range(width):
            score[x] *= total[x]


@compiled
def _exp(x: float) -> float:
    """Exponential of x <= 0 to 1e-7: 2^whole by its bits, 2^rest by a polynomial; a compiler can vectorise it."""
    t = max(x, np.float32(-86)) * np.float32(1.4426950408889634)
    whole = np.int32(t)
    rest = t - np.float32(whole)
    power = np.float32(0.0009475536455095322)
    power = power * rest + np.float32(0.009210875560689884)
    power = power * rest + np.float32(0.055299607117316935)
    power = power * rest + np.float32(0.2401794894888172)
    power = power * rest + np.float32(0.6931432016425463)
    power = power * rest + np.float32(0.9999999452374333)
    return power * np.int32((whole + np.int32(127)) << np.int32(23)).view(np.float32)  # type: ignore[no-any-return]


@compiled
def _fix(fixed: NDArray[np.uint8], k: int, y: int, chances: Floats) -> None:
    """Make fixed voxels certain; there are none when ``fixed`` is empty."""
    if not fixed.size:
        return
    for x in range(fixed.shape[2]):
        label = fixed[k, y, x]
        if label != FREE:
            for c in range(chances.shape[0]):
                chances[c, x] = np.float32(1) if c == label else np.float32(0)


@compiled
def _keep(chances: Floats, k: int, y: int, labels: NDArray[np.uint8], result: Floats) -> None:
    """Write a row of Q where it is wanted: as labels, as such."""
    if labels.size:
        _choose(chances, labels[k, y])
    if result.size:
        for c in range(len(chances)):
            result[c, k, y] = chances[c]


@compiled
def _combine(chances: Floats, differences: Floats, out: Floats) -> None:
    """Make the channels that are filtered of a row of Q."""
    for c in range(len(differences)):
        row = out[c]
        row[:] = np.float32(0)
        for other in range(len(chances)):
            if differences[c, other] != 0:
                _add(chances[other], differences[c, other], row)


@compiled
def _round(values: Floats, unit: float, out: NDArray[np.int16]) -> None:
    scale = np.float32(1 / unit)
    for i in range(len(out)):
        # A conversion cuts off, so it is done on positive numbers.
        out[i] = np.int16(np.int32(values[i] * scale + np.float32(32768.5)) - np.int32(32768))


@compiled
def _choose(chances: Floats, labels: NDArray[np.uint8]) -> None:
    """Give each voxel the class of the highest probability, on a tie the first."""
    highest = chances[0].copy()
    labels[:] = np.uint8(0)
    for c in range(1, chances.shape[0]):
        for x in range(len(labels)):
            if chances[c, x] > highest[x]:
                highest[x] = chances[c, x]
                labels[x] = np.uint8(c)
