"""Which part of the paint a model is measured on, and so must not learn from.

Neighbouring voxels look alike, so that holding out single voxels, or a slice between two that are learned from,
measures memory. What is held out is whole slices, or blocks of slices when few are painted, and a gap around
them is neither learned from nor measured on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from napari_unet.annotation import IGNORE
from napari_unet.training.metrics import LEAST_VOXELS

ENOUGH_SLICES = 8
"""From so many painted slices on, whole slices are held out."""
GAP_SLICES = 1
"""Slices beside a held-out one that are left out as well."""
GAP_VOXELS = 2
"""Rows and columns around a held-out block that are left out as well."""
BLOCKS = 6
"""Blocks along the longer side of a slice."""
DRAWS = 400
"""Random choices compared."""
TRIED = 40
"""Of these the fairest are tried, with their gap."""
COST_OF_GAP = 1.5
"""What is left out with a gap around it, as a multiple of what is held out: about so much, before it is counted."""
SCARCE = 1000
"""A class with fewer known voxels is scarce: nearly all of it is needed to learn from."""
FEWEST = 100
"""Voxels beside those of the commonest class, below which a Dice is luck and not worth the paint that it costs."""
MOST_TAKEN = 0.35
MOST_TAKEN_SCARCE = 0.2
"""No class, no scarce class, loses more than this share of its voxels to what is held out and the gap."""


@dataclass(frozen=True)
class Split:
    """Targets for training and for measuring, one (Z, Y, X) uint8 array a scan; ``IGNORE`` is in neither."""

    training: tuple[NDArray[np.uint8], ...]
    held_out: tuple[NDArray[np.uint8], ...]


def hold_out(
    targets: Sequence[NDArray[np.uint8]], classes: int, share: float, random: np.random.Generator
) -> Split | None:
    """Hold out part of what is known.

    Parameters
    ----------
    targets
        One (Z, Y, X) uint8 array a scan: the channel of each voxel, or ``IGNORE``.
    classes
        Number of channels.
    share
        How much to hold out, 0..1. The gap costs a little more.
    random
        Draws the choices, of which the one that is fairest to all classes is taken.

    Returns
    -------
    Split or None
        None when a class would lose too much, or most classes could not be measured.
    """
    if not share:
        return None
    known = [np.flatnonzero((t != IGNORE).any((1, 2))) for t in targets]
    total = sum(map(len, known))
    if total >= ENOUGH_SLICES:
        units = [
            _slices(len(t), slices, max(1, round(total * share / 2))) for t, slices in zip(targets, known, strict=True)
        ]
        split = _fairest(targets, units, classes, share, (GAP_SLICES, 0, 0), random)
        if split is not None:
            return split
    # Runs of neighbouring slices are held out together, so blocks need no gap along Z.
    painted = [t[slices] for t, slices in zip(targets, known, strict=True)]
    units = [_blocks(slices, t.shape[1:]) for t, slices in zip(targets, known, strict=True)]
    split = _fairest(painted, units, classes, share, (0, GAP_VOXELS, GAP_VOXELS), random)
    if split is None:
        return None
    return Split(*(tuple(map(_put_back, targets, known, part)) for part in (split.training, split.held_out)))


def _put_back(targets: NDArray[np.uint8], slices: NDArray[np.intp], part: NDArray[np.uint8]) -> NDArray[np.uint8]:
    whole = np.full_like(targets, IGNORE)
    whole[slices] = part
    return whole


def _runs(slices: NDArray[np.intp]) -> NDArray[np.intp]:
    """Give each run of neighbouring slices a number: (0, 0, 1) for slices 3, 4 and 9."""
    return np.cumsum(np.diff(slices, prepend=slices[:1]) > GAP_SLICES)


def _slices(depth: int, slices: NDArray[np.intp], run: int) -> NDArray[np.int32]:
    """Give a number to each piece of at most ``run`` neighbouring slices that is held out whole: (Z, 1, 1), from 0."""
    units = np.zeros((depth, 1, 1), np.int32)
    if len(slices):
        runs = _runs(slices)
        within = np.arange(len(slices)) - np.searchsorted(runs, runs)
        units[slices, 0, 0] = np.unique(runs * len(slices) + within // run, return_inverse=True)[1]
    return units


def _blocks(slices: NDArray[np.intp], shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Give a number to each block, through a run of neighbouring slices: (len(slices), Y, X), from 0."""
    side = -(-max(shape) // BLOCKS)
    rows, columns = (np.arange(length, dtype=np.int32) // side for length in shape)
    units: NDArray[np.int32] = (
        _runs(slices).astype(np.int32)[:, None, None] * BLOCKS + rows[None, :, None]
    ) * BLOCKS + columns[None, None, :]
    return units


def _fairest(
    targets: Sequence[NDArray[np.uint8]],
    units: Sequence[NDArray[np.int32]],
    classes: int,
    share: float,
    gap: tuple[int, int, int],
    random: np.random.Generator,
) -> Split | None:
    """Draw choices of units and take the one that holds out most nearly ``share`` of every class."""
    offsets = np.cumsum([0, *(int(u.max(initial=-1)) + 1 for u in units)])
    counts = np.zeros((offsets[-1], classes), np.int64)
    for target, unit, offset in zip(targets, units, offsets[:-1], strict=True):
        for of_slice, unit_of in zip(target, unit, strict=True):  # one by one: whole scans are large
            known = of_slice != IGNORE
            pairs = (np.broadcast_to(unit_of, of_slice.shape)[known] + offset) * classes + of_slice[known]
            counts += np.bincount(pairs, minlength=counts.size).reshape(counts.shape)
    candidates = np.flatnonzero(counts.any(1))
    taken = max(1, round(share * len(candidates)))
    if len(candidates) <= taken:
        return None
    draws = [random.choice(candidates, taken, replace=False) for _ in range(DRAWS)]
    totals = np.maximum(counts.sum(0), 1)
    most = _most_taken(totals) / COST_OF_GAP
    unfair = []
    for draw in draws:
        held = counts[draw].sum(0)
        wasted = (held > 0) & (held < LEAST_VOXELS)
        too_much = held > most * totals
        unfair.append(np.abs(held / totals - share).sum() + wasted.sum() + classes * too_much.sum())
    for best in np.argsort(unfair)[:TRIED]:
        split = _split(targets, units, offsets, draws[best], gap)
        if _balanced(targets, split, classes):
            return split
    return None


def _split(
    targets: Sequence[NDArray[np.uint8]],
    units: Sequence[NDArray[np.int32]],
    offsets: NDArray[np.int64],
    chosen: NDArray[np.int64],
    gap: tuple[int, int, int],
) -> Split:
    training, held_out = [], []
    for target, unit, offset in zip(targets, units, offsets[:-1], strict=True):
        taken = np.isin(unit + offset, chosen)
        around = binary_dilation(taken, np.ones([2 * g + 1 for g in gap], bool))
        training.append(np.where(around, np.uint8(IGNORE), target))
        held_out.append(np.where(taken, target, np.uint8(IGNORE)))
    return Split(tuple(training), tuple(held_out))


def _most_taken(voxels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give the share of its voxels that each class may lose."""
    return np.where(voxels < SCARCE, MOST_TAKEN_SCARCE, MOST_TAKEN)


def _balanced(targets: Sequence[NDArray[np.uint8]], split: Split, classes: int) -> bool:
    """Whether every class keeps most of its voxels, and at least half of the classes can be measured, not by luck."""
    known, kept, measured = (_count(arrays, classes) for arrays in (targets, split.training, split.held_out))
    fair = np.all(kept >= (1 - _most_taken(known)) * known)
    measurable = np.count_nonzero(measured >= LEAST_VOXELS) >= np.count_nonzero(known) / 2
    return bool(fair and measurable and measured.sum() - measured.max(initial=0) >= FEWEST)


def _count(targets: Sequence[NDArray[np.uint8]], classes: int) -> NDArray[np.int64]:
    """Count the known voxels of each class."""
    counts = np.zeros(256, np.int64)
    for of_slice in chain.from_iterable(targets):
        counts += np.bincount(of_slice.ravel(), minlength=256)
    return counts[:classes]
