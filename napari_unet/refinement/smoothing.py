"""Smoothing the edges of classes with a Gaussian whose width is in millimetres.

Labels are those of one volume, (Z, Y, X) uint8, changed in place, by iterators over the classes done so far.
Beyond the border the volume counts as mirrored.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet.refinement.claims import Claims
from napari_unet.refinement.distances import Spacing, class_boxes, padded, signed_distance, voxels_within

TRUNCATE = 3.0
"""Where a Gaussian ends, in standard deviations."""
ON_THE_EDGE = 1e-4
"""Smoothed distances (mm) this near to 0 are 0: what is left of them is rounding."""


def smooth_together(
    labels: NDArray[np.uint8], classes: Sequence[int] = (), *, sigma: float, spacing: Spacing
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

    Yields
    ------
    int
        The class just looked at.
    """
    boxes = class_boxes(labels, classes)
    if not boxes:
        return
    width = [sigma / length for length in spacing]
    reach = smoothing_reach(sigma, spacing)
    around = {label: padded(box, labels.shape, reach) for label, box in boxes.items()}
    z, y, x = (
        slice(min(side.start for side in sides), max(side.stop for side in sides))
        for sides in zip(*around.values(), strict=True)
    )
    # The background's Gaussian has to be right wherever one of a class ends.
    hull = padded((z, y, x), labels.shape, reach)
    here = labels[hull]
    strongest = _blurred(here == 0, width)
    winner = np.zeros_like(here)
    for label, box in around.items():
        inner = tuple(
            slice(part.start - whole.start, part.stop - whole.start) for part, whole in zip(box, hull, strict=True)
        )
        strength = _blurred(here[inner] == label, width)
        wins = strength > strongest[inner]
        strongest[inner][wins] = strength[wins]
        winner[inner][wins] = label
        yield label
    free = np.zeros(256, np.bool_)
    free[[0, *boxes]] = True
    np.copyto(here, winner, where=free[here])


def smooth_distance(
    labels: NDArray[np.uint8], classes: Sequence[int] = (), *, sigma: float, spacing: Spacing
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

    Yields
    ------
    int
        The class just looked at.
    """
    if sigma == 0:
        return
    width, cut = [sigma / length for length in spacing], TRUNCATE * sigma
    reach = distance_smoothing_reach(sigma, spacing)
    claims = Claims()
    lost = np.zeros(labels.shape, np.bool_)
    for label, tight in class_boxes(labels, classes).items():
        box = padded(tight, labels.shape, reach)
        shape = labels[box] == label
        distance = np.clip(signed_distance(shape, spacing), -cut, cut)
        smoothed = ndimage.gaussian_filter(distance, width, truncate=TRUNCATE)
        inside = smoothed < -ON_THE_EDGE
        lost[box] |= shape & ~inside
        claims.add(labels, box, label, inside, smoothed)
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


def _blurred(shape: NDArray[np.bool_], width: Sequence[float]) -> NDArray[np.float32]:
    blurred: NDArray[np.float32] = ndimage.gaussian_filter(shape.astype(np.float32), width, truncate=TRUNCATE)
    return blurred
