"""Between voxels and the points of the grid around them: splat and slice, a row of voxels at a time."""

import numpy as np
from numpy.typing import NDArray

from napari_unet.refinement.compiled import compiled
from napari_unet.refinement.crf.layout import Axes, Floats
from napari_unet.refinement.crf.lines import add
from napari_unet.refinement.crf.vectors import add_vector, sum_vectors


@compiled
def corners_of(place: Floats, axes: Axes) -> int:
    """Say how many points a voxel is added to, and read from, in a plane or layer."""
    corners: int = (4 if axes.step_y else 2) << place.shape[0]
    return corners


@compiled
def find_corners(place: Floats, k: int, y: int, axes: Axes, index: NDArray[np.uint32], weight: Floats) -> None:
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
def read_row(
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
        read_points(layer[0], index, weight, out, lanes)
        return
    plane[:] = layer[axes.y[y]]
    beyond = axes.beyond_y[y]
    if beyond > 0:
        high = layer[axes.y[y] + 1]
        for i in range(len(plane)):
            plane[i] += beyond * (high[i] - plane[i])
    read_points(plane, index, weight, out, lanes)


@compiled
def add_row(
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
        add_to_points(values, index, weight, layer[0], lanes)
        return
    plane[:] = np.float32(0)
    add_to_points(values, index, weight, plane, lanes)
    beyond = axes.beyond_y[y]
    add(plane, np.float32(1) - beyond, layer[axes.y[y]])
    if beyond > 0:
        add(plane, beyond, layer[axes.y[y] + 1])


@compiled
def read_layer(grid: Floats, axes: Axes, z: int, top: int, bottom: int, layer: Floats) -> None:
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
def add_layer(layer: Floats, point: int, beyond: float, sums: Floats) -> None:
    """Add a slice's layer to the two layers of grid points around it, and clear it."""
    for row in range(layer.shape[0]):
        add(layer[row], np.float32(1) - np.float32(beyond), sums[point, row])
        if beyond > 0:
            add(layer[row], beyond, sums[point + 1, row])
    layer[:] = np.float32(0)


@compiled
def read_points(plane: Floats, index: NDArray[np.uint32], weight: Floats, out: Floats, lanes: int) -> None:
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
def add_to_points(values: Floats, index: NDArray[np.uint32], weight: Floats, plane: Floats, lanes: int) -> None:
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
