"""Smoothing the edges of classes with a Gaussian whose width is in millimetres.

Labels are those of one volume, (Z, Y, X) uint8, changed in place, by iterators over the classes done so far.
Beyond the border the volume counts as mirrored.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet.refinement.boxes import boxes_across, class_boxes, padded, part, widened
from napari_unet.refinement.claims import Claims
from napari_unet.refinement.distances import Spacing, signed_distance_up_to, voxels_within

TRUNCATE = 3.0
"""Where a Gaussian ends, in standard deviations."""
ON_THE_EDGE = 1e-4
"""Smoothed distances (mm) this near to 0 are 0: what is left of them is rounding."""


def smooth_together(
    labels: NDArray[np.uint8],
    classes: Sequence[int] = (),
    *,
    sigma: float,
    spacing: Spacing,
    slices: slice = slice(None),
) -> Iterator[int]:
    """Smooth the edges of classes together, so that no gap opens between them.

    A Gaussian runs over each class and over the background, and each voxel goes to the one that is strongest
    there; on a tie to the background, then to the lower label. Voxels of classes that are not named neither
    change nor take part.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8, changed in place once all classes were looked at.
    classes
        Which classes to smooth; none named means all.
    sigma
        Standard deviation of the Gaussian in mm; it ends at three of them.
    spacing
        (z, y, x) in mm.
    slices
        The only slices to change; the others are looked at as far as the Gaussian reaches.

    Yields
    ------
    int
        The class just looked at.
    """
    width = [sigma / length for length in spacing]
    reach = smoothing_reach(sigma, spacing)
    around = {label: (box, wanted) for label, box, wanted in boxes_across(labels, classes, reach, slices)}
    if not around:
        return
    z, y, x = (
        slice(min(side.start for side in sides), max(side.stop for side in sides))
        for sides in zip(*(part(box, wanted) for box, wanted in around.values()), strict=True)
    )
    # The background's Gaussian has to be right wherever one of a class ends.
    hull = padded((z, y, x), labels.shape, reach)
    inner = slice(z.start - hull[0].start, z.stop - hull[0].start)
    here = labels[part(hull, inner)]
    strongest = _blurred(labels[hull] == 0, width, inner)
    winner = np.zeros_like(here)
    for label, (box, wanted) in around.items():
        place = tuple(
            slice(side.start - whole.start, side.stop - whole.start)
            for side, whole in zip(part(box, wanted), part(hull, inner), strict=True)
        )
        strength = _blurred(labels[box] == label, width, wanted)
        wins = strength > strongest[place]
        strongest[place][wins] = strength[wins]
        winner[place][wins] = label
        yield label
    free = np.zeros(256, np.bool_)
    free[[0, *class_boxes(labels, classes)]] = True
    np.copyto(here, winner, where=free[here])


def smooth_distance(
    labels: NDArray[np.uint8],
    classes: Sequence[int] = (),
    *,
    sigma: float,
    spacing: Spacing,
    slices: slice = slice(None),
) -> Iterator[int]:
    """Smooth the edge of each class by itself: a Gaussian runs over the signed distance to it.

    A class loses what comes to lie outside its smoothed edge, or on it, to the background, and gains background
    inside it, but nothing of other classes. A voxel that two classes would gain goes to the one in which it lies
    deeper, then to the lower label. Gaps can open between classes that touch.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8, changed in place once all classes were looked at.
    classes
        Which classes to smooth; none named means all.
    sigma
        Standard deviation of the Gaussian in mm; it ends at three of them, and distances are cut there too, so
        that only what is near an edge has a say in where it goes.
    spacing
        (z, y, x) in mm.
    slices
        As in :func:`smooth_together`.

    Yields
    ------
    int
        The class just looked at.
    """
    if sigma == 0:
        return
    width, cut = [sigma / length for length in spacing], TRUNCATE * sigma
    across = smoothing_reach(sigma, spacing)[0]
    claims = Claims()
    lost = np.zeros(labels.shape, np.bool_)
    for label, box, wanted in boxes_across(labels, classes, distance_smoothing_reach(sigma, spacing), slices):
        shape = labels[box] == label
        around, wanted_of_these = widened(wanted, across, len(shape))
        distance = signed_distance_up_to(cut, shape, spacing, around)
        smoothed = _blurred(distance, width, wanted_of_these)
        inside = smoothed < -ON_THE_EDGE
        changed = part(box, wanted)
        lost[changed] |= shape[wanted] & ~inside
        claims.add(labels, changed, label, inside, smoothed)
        yield label
    labels[lost] = 0
    claims.settle(labels)


def smoothing_reach(sigma: float, spacing: Spacing) -> tuple[int, ...]:
    """Give how many voxels along (z, y, x) away a voxel can still change the outcome of :func:`smooth_together`."""
    return tuple(int(TRUNCATE * sigma / length + 0.5) for length in spacing)


def distance_smoothing_reach(sigma: float, spacing: Spacing) -> tuple[int, ...]:
    """Give how many voxels along (z, y, x) away a voxel can still change the outcome of :func:`smooth_distance`."""
    far = voxels_within(TRUNCATE * sigma, spacing)
    return tuple(a + b for a, b in zip(smoothing_reach(sigma, spacing), far, strict=True))


def _blurred(values: NDArray[Any], width: Sequence[float], slices: slice) -> NDArray[np.float32]:
    """Blur some slices of (Z, Y, X) by a Gaussian, its width (z, y, x) in voxels."""
    blurred = np.zeros((slices.stop - slices.start, *values.shape[1:]), np.float32)
    reach = int(TRUNCATE * width[0] + 0.5)
    for z, out in enumerate(blurred, start=slices.start):
        for apart, weight in enumerate(_gaussian(width[0], reach), start=-reach):
            out += weight * values[_mirrored(z + apart, len(values))]
    flat: NDArray[np.float32] = ndimage.gaussian_filter(blurred, (0, *width[1:]), truncate=TRUNCATE)
    return flat


def _gaussian(width: float, reach: int) -> NDArray[np.float32]:
    """Give the weights of a Gaussian from -reach to reach."""
    apart = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (apart / width) ** 2) if reach else np.ones(1)
    normalised: NDArray[np.float32] = (weights / weights.sum()).astype(np.float32)
    return normalised


def _mirrored(z: int, length: int) -> int:
    """Give the slice that stands for one beyond the border, as though the volume were mirrored there."""
    z %= 2 * length
    return min(z, 2 * length - 1 - z)
