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

import numpy as np
from numpy.typing import NDArray

from napari_unet.refinement.compiled import compiled
from napari_unet.refinement.crf.cells import add_layer, add_row, corners_of, find_corners, read_layer, read_row
from napari_unet.refinement.crf.layout import BLOCK, Axes, Floats
from napari_unet.refinement.crf.lines import (
    add,
    blur_block,
    blur_line,
    combine_classes,
    fix_classes,
    keep_row,
    multiply,
    round_to,
    softmax,
)


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
    corners = corners_of(place, axes)
    index, weight = np.empty((corners, width), np.uint32), np.empty((corners, width), np.float32)
    ones = np.ones((1, width), np.float32)
    plane, layer = np.empty_like(sums[0, 0]), np.zeros_like(sums[0])
    for k in range(depth):
        for y in range(top, bottom):
            find_corners(place, k, y, axes, index, weight)
            add_row(ones, index, weight, 1, axes, y, plane, layer)
        add_layer(layer, axes.z[first + k], axes.beyond_z[first + k], sums)


@compiled
def normalise_rows(
    first: int, top: int, bottom: int, place: Floats, axes: Axes, counts: Floats, weight_of_kernel: float, norm: Floats
) -> None:
    """Slice the filtered ``counts`` at each voxel: D; and make it ``norm`` = sqrt(w / D)."""
    depth, width = place.shape[1], place.shape[3]
    corners = corners_of(place, axes)
    index, weight = np.empty((corners, width), np.uint32), np.empty((corners, width), np.float32)
    total, plane, layer = np.empty((1, width), np.float32), np.empty_like(counts[0, 0]), np.empty_like(counts[0])
    for k in range(depth):
        read_layer(counts, axes, first + k, top, bottom, layer)
        for y in range(top, bottom):
            find_corners(place, k, y, axes, index, weight)
            read_row(layer, axes, y, index, weight, 1, plane, total)
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
                        add(rows, np.float32(unit) * matrix_z[k, t], summed[: len(rows)])
                for y in range(begin, end):
                    multiply(summed[(y - begin) * width : (y - begin + 1) * width], scale_x, inner)
                    blur_line(line, taps_x, out)
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
    channels, corners = classes - 1, corners_of(place, axes)
    lanes = channels if channels < 2 else (channels + 3) // 4 * 4
    index, weight = np.empty((corners, width), np.uint32), np.empty((corners, width), np.float32)
    message, scores = np.zeros((lanes, width), np.float32), np.empty((classes, width), np.float32)
    plane = np.empty(max(messages.shape[2], sums.shape[2]), np.float32)
    layer, sum_layer = np.empty(messages.shape[1:], np.float32), np.zeros(sums.shape[1:], np.float32)
    smooth = np.empty((channels, max(1, BLOCK // width), width), np.float32)
    for k in range(depth):
        if messages.size:
            read_layer(messages, axes, first + k, top, bottom, layer)
        for y in range(top, bottom):
            scores[:] = np.float32(0)
            if norm.size:
                find_corners(place, k, y, axes, index, weight)
            if messages.size:
                read_row(layer, axes, y, index, weight, lanes, plane, message)
                for c in range(channels):
                    multiply(message[c], norm[k, y], scores[c])
            if blurred.size:
                _add_smooth(blurred, k, y, top, bottom, taps_y, scale_y, smooth, scores)
            softmax(chances, k, y, scores)
            fix_classes(fixed, k, y, scores)
            keep_row(scores, k, y, labels, result)
            combine_classes(scores, differences, message)
            for c in range(channels):
                round_to(message[c], unit, state[c, first + k, y])
            if sums.size:
                for c in range(channels):
                    multiply(message[c], norm[k, y], message[c])
                add_row(message, index, weight, lanes, axes, y, plane, sum_layer)
        if sums.size:
            add_layer(sum_layer, axes.z[first + k], axes.beyond_z[first + k], sums)


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
                    add(source[a, i + t - reach, begin:end], taps[t], target)


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
            add(line[t * lanes : t * lanes + length], taps[t], target)


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
            blur_block(blurred[c, k], taps, y, min(y + block, bottom), smooth[c])
        add(smooth[c, row], scale[y], scores[c])
