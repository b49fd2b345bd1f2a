"""What the slices between painted ones show, as far as the painted ones tell: a teacher where anatomy goes on smoothly.

Shape-based interpolation (Raya and Udupa 1990, doi:10.1109/42.52980) of several classes, with how sure it is: near an
edge it is not, and where the painted slices differ it is less so, most of all halfway between them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from napari_unet.annotation import IGNORE

WHOLE = 0.5
"""A slice is a key when more than this share of its voxels is known; a part may be held out to be measured on."""
BLUR = 1.0
"""How sharp an interpolated edge is at best, in voxels."""
DRIFT = 0.5
"""How much less so where the distance to the edge changes from key to key, as a share of that change."""
SUREST = 6.0
"""Of the logarithm of how likely a class is: no voxel is entirely sure."""


@dataclass(frozen=True)
class Gap:
    """Slices of which nothing is known, between two keys: slices that are painted whole, or nearly."""

    before: int
    unknown: tuple[int, ...]
    behind: int

    def way(self, z: int) -> float:
        """How far a slice is from the first key, 0, to the other, 1."""
        return (z - self.before) / (self.behind - self.before)


def keys_of(targets: NDArray[np.uint8], within: slice) -> list[int]:
    """Give the slices of a volume that are painted whole, or nearly.

    Parameters
    ----------
    targets
        (Z, Y, X) uint8: the channel of each voxel, or ``IGNORE``.
    within
        The volume, of those that are folded into Z.
    """
    return [z for z in range(within.start, within.stop) if np.mean(targets[z] != IGNORE) > WHOLE]


def gaps_of(targets: NDArray[np.uint8], keys: Sequence[int]) -> list[Gap]:
    """Give what lies between the keys of a volume, where nothing is known."""
    found = []
    for before, behind in pairwise(keys):
        unknown = tuple(z for z in range(before + 1, behind) if (targets[z] == IGNORE).all())
        if unknown:
            found.append(Gap(before, unknown, behind))
    return found


class Between:
    """What two keys tell of the slices between them.

    Parameters
    ----------
    first, last
        (Y, X) uint8: the channel of each voxel, or ``IGNORE``, of either key.
    classes
        Channels there are.
    spacing
        (y, x) of the voxels.
    """

    def __init__(
        self, first: NDArray[np.uint8], last: NDArray[np.uint8], classes: int, spacing: Sequence[float]
    ) -> None:
        self._known = (first != IGNORE) & (last != IGNORE)
        self._classes = classes
        self._blur = BLUR * min(spacing)
        first, last = _completed(first, spacing), _completed(last, spacing)
        self._edges = {int(c): _edges(first == c, last == c, spacing) for c in np.union1d(first, last)}

    def likely(self, way: float) -> NDArray[np.float32]:
        """Tell how likely each class is, (classes, Y, X), from the first key, 0, to the last, 1; 0 where unknown."""
        sureness = np.full((self._classes, *self._known.shape), -np.inf, np.float32)
        for c, (first, last) in self._edges.items():
            doubt = self._blur + DRIFT * 2 * np.sqrt(way * (1 - way)) * np.abs(first - last)
            sureness[c] = np.clip(-((1 - way) * first + way * last) / doubt, -SUREST, SUREST)
        likely = np.exp(sureness - sureness.max(0))
        told: NDArray[np.float32] = likely / likely.sum(0) * self._known
        return told


def agreement(
    targets: NDArray[np.uint8], keys: tuple[int, int, int], classes: int, spacing: Sequence[float]
) -> NDArray[np.float64]:
    """Find how much of a key its neighbours could have told, which lie farther apart than they need to.

    Parameters
    ----------
    targets
        (Z, Y, X) uint8: the channel of each voxel, or ``IGNORE``.
    keys
        The neighbour before, the key, the neighbour behind.
    classes
        Channels there are.
    spacing
        (y, x) of the voxels.

    Returns
    -------
    numpy.ndarray
        (2, classes): twice the voxels of each class that were told rightly, and those that it has and was told; the
        one over the other is a Dice.
    """
    before, z, behind = keys
    told = Between(targets[before], targets[behind], classes, spacing).likely((z - before) / (behind - before))
    counts = (told.sum(0) > 0) & (targets[z] != IGNORE)
    guess, truth = told.argmax(0)[counts], targets[z][counts]
    right, guessed, true = (np.bincount(of, minlength=classes) for of in (truth[guess == truth], guess, truth))
    return np.stack([2.0 * right, guessed + true])


def _completed(targets: NDArray[np.uint8], spacing: Sequence[float]) -> NDArray[np.uint8]:
    """Let what is not known be like the nearest voxel that is."""
    unknown = targets == IGNORE
    if not unknown.any():
        return targets
    nearest = distance_transform_edt(unknown, spacing, return_distances=False, return_indices=True)
    filled: NDArray[np.uint8] = targets[tuple(nearest)]
    return filled


def _edges(
    first: NDArray[np.bool_], last: NDArray[np.bool_], spacing: Sequence[float]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Measure the way to the edge of a shape on two slices, negative within.

    Where there is no edge on one of them, the shape, or what lies around it, shrank to a point on the way there.
    """
    a, b = _signed(first, spacing), _signed(last, spacing)
    if a is not None:
        return a, _shrunk(a, whole=bool(last.all())) if b is None else b
    if b is not None:
        return _shrunk(b, whole=bool(first.all())), b
    return _far(first, spacing), _far(last, spacing)


def _shrunk(edge: NDArray[np.float32], *, whole: bool) -> NDArray[np.float32]:
    """Let what is within an edge shrink to a point, or what is around it when the shape is ``whole``."""
    return -_shrunk(-edge, whole=False) if whole else edge.clip(0) - edge.min()


def _far(shape: NDArray[np.bool_], spacing: Sequence[float]) -> NDArray[np.float32]:
    far = max(np.multiply(shape.shape, spacing))
    return np.full(shape.shape, far, np.float32) * np.where(shape, np.float32(-1), np.float32(1))


def _signed(shape: NDArray[np.bool_], spacing: Sequence[float]) -> NDArray[np.float32] | None:
    if shape.all() or not shape.any():
        return None
    distance = distance_transform_edt(~shape, spacing) - distance_transform_edt(shape, spacing)
    return np.asarray(distance, np.float32)
