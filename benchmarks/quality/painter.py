"""A simulated painter: whole slices, or a few brush strokes for each class and slice."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from napari_unet.annotation import BACKGROUND

BRUSH = 3
"""Rows and columns of the brush."""
STROKES = 60
"""At most so many strokes for a class and slice."""
STROKE_STEPS = 25
"""At most so many dabs to a stroke, 1.5 voxels apart."""


def whole_slices(truth: NDArray[np.uint8], slices: Sequence[int]) -> NDArray[np.uint8]:
    """Paint every voxel of some slices of a (Z, Y, X) mask, background too."""
    paint = np.zeros_like(truth)
    for z in slices:
        paint[z] = np.where(truth[z] == 0, BACKGROUND, truth[z])
    return paint


def scribbles(
    truth: NDArray[np.uint8], slices: Sequence[int], fraction: float = 0.01, seed: int = 0
) -> NDArray[np.uint8]:
    """Paint about ``fraction`` of each class, background too, on some slices of a (Z, Y, X) mask.

    Strokes begin at a random voxel a little inside the class, wander, and end where the class ends.
    """
    random = np.random.default_rng(seed)
    paint = np.zeros_like(truth)
    for z in slices:
        for label in np.unique(truth[z]):
            where = truth[z] == label
            inner = binary_erosion(where)
            where = inner if inner.sum() > 20 else where
            paint[z][_strokes(where, max(8, fraction * where.sum()), random)] = label or BACKGROUND
    return paint


def _strokes(where: NDArray[np.bool_], wanted: float, random: np.random.Generator) -> NDArray[np.bool_]:
    painted = np.zeros_like(where)
    inside = np.argwhere(where)
    half = BRUSH // 2
    for _ in range(STROKES):
        if painted.sum() >= wanted:
            break
        point = inside[random.integers(len(inside))].astype(float)
        angle = random.uniform(0, 2 * np.pi)
        for _ in range(STROKE_STEPS):
            y, x = np.round(point).astype(int)
            if not (0 <= y < where.shape[0] and 0 <= x < where.shape[1] and where[y, x]):
                break
            painted[max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1] = True
            angle += random.normal(0, 0.3)
            point += 1.5 * np.array([np.sin(angle), np.cos(angle)])
    return painted
