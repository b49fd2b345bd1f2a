"""Where training patches come from: every class is seen, whatever its size.

A patch has the same form for all networks, (channels, Z, Y, X), with one slice for those that look at slices.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_unet.annotation import IGNORE
from napari_unet.networks.geometry import ZYX
from napari_unet.training.augmentation import Windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

SURROUNDINGS = 1.5
"""A window is this much larger than its patch, so that a turned patch still sees real voxels."""
REMEMBERED = 5_000
"""Known voxels of a class of a source that patches are centred on; of more, evenly spread ones."""
BY_CLASS = 0.5
"""Share of the patches whose class is drawn first, all classes alike; the others follow the paint."""

SOLID_SPACING = 1.5
"""Patches are turned in depth where no voxel is longer than wide by this factor or more."""
SOLID_PATCH = 3
"""And where no patch is wider than deep by more than this factor, as in nnU-Net, doi:10.1038/s41592-020-01008-z."""
REDRAWN = 20
"""How often another place is drawn instead of one already seen whole."""


@dataclass(frozen=True)
class Source:
    """Voxels to learn from.

    Parameters
    ----------
    image
        (channels, Z, Y, X) float32, normalised, on the device.
    targets
        (Z, Y, X) uint8: the channel of each voxel, or ``IGNORE``, on the device.
    spacing
        Of the voxels, (z, y, x), in any unit.
    again
        Whether it was learned from before and is shown again.
    taught
        How many channels at the end of the image are no intensities: how likely a teacher finds each class.
    stressed
        Whether it is what a person has just put right, which counts more than what is known anyway.
    """

    image: Tensor
    targets: Tensor
    spacing: tuple[float, float, float]
    again: bool = False
    taught: int = 0
    stressed: bool = False

    @property
    def guessed(self) -> bool:
        """Whether nothing is known of it but what a teacher finds."""
        return bool(self.taught) and bool((self.targets == IGNORE).all())


@dataclass(frozen=True)
class PatchSize:
    """Slices, rows and columns of a patch."""

    depth: int
    height: int
    width: int

    @property
    def shape(self) -> ZYX:
        """(Z, Y, X) voxels."""
        return self.depth, self.height, self.width

    @classmethod
    def fitting(cls, sources: Sequence[Source], side: int, depth: int, stride: ZYX) -> "PatchSize":
        """Take the largest scan whole when it is no larger than ``side``; sides are multiples of ``stride``, (z, y, x).

        They are two strides at least: batch normalisation needs more than one voxel at the lowest level.
        """
        slices, *sides = (max(source.targets.shape[axis] for source in sources) for axis in range(3))
        height, width = (
            max(2 * step, -(-min(side, length) // step) * step) for length, step in zip(sides, stride[1:], strict=True)
        )
        return cls(min(depth, slices), height, width)

    def smaller(self, stride: ZYX) -> "PatchSize | None":
        """Half the rows and columns, or None when there is no smaller patch worth training on."""
        height, width = (
            max(2 * step, side // 2 // step * step)
            for side, step in zip((self.height, self.width), stride[1:], strict=True)
        )
        smaller = PatchSize(self.depth, height, width)
        return smaller if max(height, width) >= 32 and smaller != self else None


Place = tuple[int, int, int, int]
"""Which source, and the z, y, x of a voxel of it to see."""


class _Pool:
    """Known voxels that places are drawn from.

    Parameters
    ----------
    sources
        With the number by which each is known.
    classes
        Output channels of the network.
    """

    def __init__(self, sources: Sequence[tuple[int, Source]], classes: int) -> None:
        voxels: list[list[NDArray[np.int64]]] = [[] for _ in range(classes)]
        counts = np.zeros(classes)
        for number, source in sources:
            targets = source.targets.cpu().numpy()
            if source.guessed:
                targets = source.image[-source.taught :].argmax(0).cpu().numpy()
            for c in range(classes):
                found = np.flatnonzero(targets == c)
                counts[c] += len(found)
                found = found[:: -(-len(found) // REMEMBERED) or 1]
                places = np.stack(np.unravel_index(found, targets.shape), axis=1)
                voxels[c].append(np.insert(places, 0, number, axis=1))
        self.voxels = [np.concatenate(of_class) for of_class in voxels]
        occurs = counts > 0
        self.chance = BY_CLASS * occurs / occurs.sum() + (1 - BY_CLASS) * counts / counts.sum()

    def draw(self, random: np.random.Generator) -> tuple[int, int, int, int]:
        """Draw a class, and a known voxel of it."""
        c = random.choice(len(self.chance), p=self.chance)
        number, z, y, x = (int(i) for i in self.voxels[c][random.integers(len(self.voxels[c]))])
        return number, z, y, x


class Sampler:
    """Draws places and cuts windows around them.

    Parameters
    ----------
    sources
        All have the same channels. Those that are shown again are drawn as often as the others together, and so are
        those that are stressed, in batches of their own: beside whole slices, a few voxels would not count.
    classes
        Output channels of the network.
    random
        Draws the places.
    """

    def __init__(self, sources: Sequence[Source], classes: int, random: np.random.Generator) -> None:
        self.sources = tuple(sources)
        self.random = random
        groups: dict[tuple[bool, bool, bool], list[tuple[int, Source]]] = {}
        for number, source in enumerate(self.sources):
            groups.setdefault((source.stressed, source.again, source.guessed), []).append((number, source))
        self.pools = [_Pool(group, classes) for _, group in sorted(groups.items())]
        self._stressed = sum(stressed for stressed, _, _ in groups)

    def draw(self, n: int, size: PatchSize) -> list[Place]:
        """Draw ``n`` places; a slice or volume that is seen whole comes once while there are others."""
        places: list[Place] = []
        seen_whole: set[int] = set()
        pools = self._pools_of_a_batch()
        for _ in range(n):
            for _ in range(REDRAWN):
                place = self._draw(pools, size)
                if place[0] not in seen_whole:
                    break
            places.append(place)
            if np.all(self.sources[place[0]].targets.shape <= np.array([size.depth, size.height, size.width])):
                seen_whole.add(place[0])
        return places

    def _pools_of_a_batch(self) -> "list[_Pool]":
        """Decide whether a batch is of what is stressed or of all else."""
        if not 0 < self._stressed < len(self.pools):
            return self.pools
        rest = len(self.pools) - self._stressed
        return self.pools[rest:] if self.random.integers(len(self.pools)) >= rest else self.pools[:rest]

    def _draw(self, pools: "list[_Pool]", size: PatchSize) -> Place:
        """Draw a known voxel, and some way to go from there."""
        pool = pools[self.random.integers(len(pools))] if len(pools) > 1 else pools[0]
        number, z, y, x = pool.draw(self.random)
        z_step, y_step, x_step = self.random.uniform(-1, 1, 3) * (size.depth // 2, size.height // 4, size.width // 4)
        return number, round(z + z_step), round(y + y_step), round(x + x_step)

    def cut(self, places: Sequence[Place], size: PatchSize) -> Windows:
        """Cut the window around each place; patches are moved to lie within their scan where it is large enough."""
        solid = self._solid(size)
        depth, height, width = (
            min(max(source.targets.shape[axis] for source in self.sources), round(SURROUNDINGS * side))
            for axis, side in enumerate(size.shape)
        )
        depth = depth if solid else size.depth
        images, targets, centres = [], [], []
        for number, z, y, x in places:
            source = self.sources[number]
            slices, rows, columns = source.targets.shape
            middle_z, first = _placed(z, size.depth, depth, slices)
            middle_y, top = _placed(y, size.height, height, rows)
            middle_x, left = _placed(x, size.width, width, columns)
            window = np.s_[first : first + depth, top : top + height, left : left + width]
            missing = (0, max(0, width - columns), 0, max(0, height - rows), 0, max(0, depth - slices))
            images.append(F.pad(source.image[(slice(None), *window)][None], missing, mode="replicate")[0])
            targets.append(F.pad(source.targets[window], missing, value=IGNORE))
            centres.append((middle_z - first, middle_y - top, middle_x - left))
        device = images[0].device
        return Windows(
            torch.stack(images),
            torch.stack(targets),
            torch.tensor(centres, device=device),
            torch.tensor([_in_columns(self.sources[place[0]].spacing) for place in places], device=device),
            solid,
            self.sources[0].taught,
        )

    def _solid(self, size: PatchSize) -> bool:
        """Whether patches can be turned in depth: voxels and patches are alike in all directions."""
        cubes = all(max(source.spacing) < SOLID_SPACING * min(source.spacing) for source in self.sources)
        return cubes and size.depth > 1 and max(size.shape) <= SOLID_PATCH * size.depth

    def cover(self, size: PatchSize, most: int) -> list[Place]:
        """Places whose patches together see all known voxels, ``most`` of them spread evenly where there are more."""
        step = np.array([1, *(getattr(size, side) for side in ("depth", "height", "width"))])
        known = np.concatenate([of_class for pool in self.pools for of_class in pool.voxels])
        cells = np.unique(known // step, axis=0)
        cells = cells[np.linspace(0, len(cells) - 1, min(most, len(cells))).round().astype(int)]
        return [tuple(int(i) for i in cell) for cell in cells * step + step // 2]  # type: ignore[misc]


def _placed(voxel: int, patch: int, window: int, length: int) -> tuple[float, int]:
    """Middle of a patch near a voxel, and where its window begins, along an axis of ``length`` voxels."""
    first = max(0, min(voxel - patch // 2, length - patch))
    middle = first + (patch - 1) / 2
    if window == patch:
        return middle, first
    return middle, max(0, min(round(middle - window / 2), length - window))


def _in_columns(spacing: tuple[float, float, float]) -> tuple[float, ...]:
    """Give a spacing, (z, y, x), in units of x."""
    return tuple(length / spacing[2] for length in spacing)
