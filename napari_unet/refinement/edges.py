"""Moving the edges of classes to where the scan's intensities change, by a dense CRF.

What it starts from are probabilities. Those of the network count wherever the mask still is what they say: a voxel
that somebody, or an earlier step, made another class has that class, with the confidence of the step, as a mask
without probabilities has everywhere.

A class spreads only over slices (in three dimensions: volumes) that it is on already, and no further from it than the
kernels reach. Where that is large beside the kernels it is done in overlapping blocks, in little memory.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.config import DenseCRF
from napari_unet.normalisation import Normalisation
from napari_unet.refinement.boxes import Box, chosen, class_boxes, padded
from napari_unet.refinement.crf import FREE, CrfParameters, dense_crf_job
from napari_unet.refinement.distances import voxels_within
from napari_unet.refinement.progress import Done, scaled
from napari_unet.refinement.volume import Volume, telling

REACH = 3.0
"""How far a class may spread and how far blocks overlap, in standard deviations of the wider kernel."""
BLOCK_OF_SLICE, BLOCK_OF_VOLUME, BLOCK_OF_COLOURS = 96, 32, 12
"""The longest side of a block without its overlap, in the same: of a slice, of a volume, and of either where there are
several channels. The more ways there are for voxels to differ, the more memory a block takes."""
ROUNDING = 2e-3
"""Probabilities (float16) this near to the highest may have been the highest."""


def follow_edges(volume: Volume, step: DenseCRF) -> Iterator[Done]:
    """Refine the labels of a volume by a dense CRF (Kraehenbuehl & Koltun 2011, doi:10.48550/arXiv.1210.5644).

    Protected voxels, and those of classes that are not named, are certain: they keep what they are, and tell the
    others. A voxel that would go to a class that is not named stays as it is.

    Parameters
    ----------
    volume
        Its labels are changed block by block; its scan and the range of it must be known.
    step
        The parameters.

    Yields
    ------
    Done
        Before the first voxel, and then several times a second on a scan of usual size.

    Raises
    ------
    BadInput
        The kernels are too narrow to be computed.
    """
    yield Done(0.0, "getting ready")
    depth = len(volume.labels)
    parts = [slice(z, z + 1) for z in range(depth)] if step.by_slice else [slice(0, depth)]
    for number, part in enumerate(parts):
        what = f"slice {number + 1} of {depth}" if step.by_slice else ""
        for share in _follow(volume.part(part), step):
            yield Done((number + share) / len(parts), what)


def _follow(volume: Volume, step: DenseCRF) -> Iterator[float]:
    """Refine what is to be looked at together; yield how much is done, 0..1."""
    boxes = class_boxes(volume.labels, step.classes).values()
    if not boxes:
        return
    z, y, x = (
        slice(min(side.start for side in sides), max(side.stop for side in sides)) for sides in zip(*boxes, strict=True)
    )
    width = max(step.appearance_width, step.smoothness_width)
    reach = voxels_within(REACH * width, volume.spacing)
    box = padded((z, y, x), volume.labels.shape, reach)
    competition = _Competition.of(volume, step)
    longest = BLOCK_OF_SLICE if step.by_slice else BLOCK_OF_VOLUME
    if len(competition.channels) > 1:
        longest = BLOCK_OF_COLOURS
    cores = _blocks(box, [longest * width / length for length in volume.spacing])
    for number, core in enumerate(cores):
        seen = padded(core, volume.labels.shape, reach)
        if not competition.worth_a_look(seen):
            continue
        refined = yield from scaled(competition.refined(seen), number / len(cores), 1 / len(cores))
        within = tuple(slice(c.start - s.start, c.stop - s.start) for c, s in zip(core, seen, strict=True))
        volume.labels[core] = refined[within]


def _blocks(box: Box, longest: list[float]) -> list[Box]:
    """Cut a box into blocks of about equal sides, none longer than given in voxels."""
    cuts = []
    for side, most in zip(box, longest, strict=True):
        length = side.stop - side.start
        count = ceil(length / max(most, 1))
        cuts.append(
            [slice(side.start + a, side.start + b) for a, b in pairwise(n * length // count for n in range(count + 1))]
        )
    return [(z, y, x) for z, y, x in product(*cuts)]


@dataclass(frozen=True, eq=False)
class _Competition:
    """Which classes compete for the voxels of a volume.

    Parameters
    ----------
    volume
        Its labels may change meanwhile.
    before
        (Z, Y, X) uint8: the labels as they were.
    mine
        (256,) bool: the labels that may change, background too.
    groups
        The background, each class that is there and may change, and, as one, those that may not.
    channels
        Those of the scan that tell something, with their ranges.
    step
        The parameters.
    """

    volume: Volume
    before: NDArray[np.uint8]
    mine: NDArray[np.bool_]
    groups: tuple[tuple[int, ...], ...]
    channels: dict[int, Normalisation]
    step: DenseCRF

    @classmethod
    def of(cls, volume: Volume, step: DenseCRF) -> "_Competition":
        mine = chosen(step.classes)
        mine[0] = True
        there = [int(label) for label in np.unique(volume.labels) if label]
        others = tuple(label for label in there if not mine[label])
        groups = [(0,), *((label,) for label in there if mine[label]), *([others] if others else [])]
        return cls(volume, volume.labels.copy(), mine, tuple(groups), telling(volume.known.measured), step)

    def worth_a_look(self, box: Box) -> bool:
        """Whether a box holds a class that may change."""
        before = self.before[box]
        return bool((self.mine[before] & (before != 0)).any())

    def refined(self, box: Box) -> Generator[float, None, NDArray[np.uint8]]:
        """Give the labels of a box as they should be."""
        step, before = self.step, self.before[box]
        place = np.zeros(256, np.uint8)
        for number, group in enumerate(self.groups):
            place[list(group)] = number
        certain = ~self.mine[before]
        protected = self.volume.known.protected
        if protected is not None:
            certain |= protected[box]
        chances = np.empty((len(self.groups), *before.shape), np.float16)
        seen = np.empty((len(self.channels), *before.shape), np.float16)
        for n in range(len(before)):
            chances[:, n] = self._chances(box[0].start + n, box[1], box[2])
            seen[:, n] = self._seen(box[0].start + n, box[1], box[2])
            yield 0.0
        found = yield from dense_crf_job(
            chances,
            seen,
            self.volume.spacing,
            CrfParameters(
                appearance_weight=step.appearance_weight,
                appearance_width=step.appearance_width,
                intensity_width=step.intensity_width,
                smoothness_weight=step.smoothness_weight,
                smoothness_width=step.smoothness_width,
                steps=step.steps,
            ),
            fixed=np.where(certain, place[before], np.uint8(FREE)),
            device=step.device,
            labels_only=True,
        )
        labels = np.array([group[0] for group in self.groups], np.uint8)[found.labels]
        return np.where(self.mine[labels], labels, before)

    def _chances(self, z: int, y: slice, x: slice) -> NDArray[np.float16]:
        """Give how likely each group is on part of a slice, (groups, Y, X)."""
        labels, known = self.before[z, y, x], self.volume.known.probabilities
        rest = (1 - self.step.confidence) / max(1, len(self.groups) - 1)
        chances = np.full((len(self.groups), *labels.shape), rest, np.float16)
        for chance, group in zip(chances, self.groups, strict=True):
            chance[np.isin(labels, group)] = self.step.confidence
        if known is None:
            return chances
        said = np.asarray(known.array[:, z, y, x])
        own = np.zeros(labels.shape, said.dtype)
        for label, of_class in zip(known.labels, said, strict=True):
            np.copyto(own, of_class, where=labels == label)
        still = (own > 0) & (own >= said.max(0) - ROUNDING)
        for chance, group in zip(chances, self.groups, strict=True):
            np.copyto(chance, said[np.isin(known.labels, group)].sum(0), where=still, casting="same_kind")
        return chances

    def _seen(self, z: int, y: slice, x: slice) -> NDArray[np.float32]:
        """Give part of a slice of the scan as shares of its robust range, (channels, Y, X)."""
        intensities: Any = self.volume.known.intensities
        shares = []
        for c, by in self.channels.items():
            darkest, width = (by.low - by.mean) / by.std, (by.high - by.low) / by.std
            shares.append((by.apply(np.asarray(intensities[c, z, y, x])) - darkest) / width)
        return np.stack(shares)
