"""What the loops of this room share: how their arrays lie in memory."""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]

BLOCK = 4096
"""How many floats are blurred at a time: they stay in the processor's nearest cache."""
FREE = 255
"""In an array of fixed classes: this voxel is not fixed."""


class Axes(NamedTuple):
    """Where the voxels lie in the grid: along each axis the point before a voxel, and how far beyond it.

    ``steps`` is the distance between neighbouring points along x and each intensity. ``step_y`` is that along y
    where each voxel is added to all points around it in the layer at once, which is then a single row of points;
    or 0 where the voxels of a row are first added to a plane of points through it, and this to the rows of points
    on both sides: quicker as long as the plane is small.
    """

    z: NDArray[np.int32]
    beyond_z: Floats
    y: NDArray[np.int32]
    beyond_y: Floats
    x: NDArray[np.int32]
    beyond_x: Floats
    steps: NDArray[np.int32]
    step_y: int


_NONE, _NOT_BEYOND = np.empty(0, np.int32), np.empty(0, np.float32)
NO_AXES = Axes(_NONE, _NOT_BEYOND, _NONE, _NOT_BEYOND, _NONE, _NOT_BEYOND, _NONE, 0)


def lanes_of(channels: int) -> int:
    """Say how many values a grid point has for so many channels."""
    return channels if channels < 2 else (channels + 3) // 4 * 4
