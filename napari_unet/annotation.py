"""What painted voxels mean, and which classes there are.

In a paint array 0 is "not painted", 1..254 are classes and 255 is "painted as background". In a mask 0 is
background and there is no 255. This module is the only place where one becomes the other.
"""

import colorsys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_unet.config import Config, Unpainted
from napari_unet.errors import BadInput, NothingPainted

UNPAINTED = 0
"""In a paint array: nobody painted this voxel."""
BACKGROUND = 255
"""In a paint array: a person painted this voxel as background."""
LARGEST_CLASS = 254
"""The largest class number."""
IGNORE = 255
"""In training targets: this voxel is not known and takes no part in any loss."""

FEW_VOXELS = 20
"""Classes with fewer painted voxels get a warning."""
COUNTED_AT_ONCE = 1 << 20
"""Voxels of which labels are counted at once."""


class ClassInfo(Config):
    """A class: its number in every array and file, its name and its colour."""

    label: int = Field(ge=0, le=LARGEST_CLASS)
    """The number; 0 is background."""
    name: str
    """What it is."""
    colour: tuple[float, float, float]
    """Red, green, blue, each 0 to 1."""


BACKGROUND_CLASS = ClassInfo(label=0, name="background", colour=(0.0, 0.0, 0.0))


def class_colour(label: int) -> tuple[float, float, float]:
    """Give class ``label`` a colour of its own: hues a golden angle apart, alternating in brightness."""
    hue = (0.58 + (label - 1) * 0.381966) % 1.0
    value = (1.0, 0.8, 0.92)[(label - 1) % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.65, value)
    return (round(red, 4), round(green, 4), round(blue, 4))


def new_class(label: int, name: str = "") -> ClassInfo:
    """Make a class with a default name and colour.

    Parameters
    ----------
    label
        Its number, 1 to 254.
    name
        Its name; "class <label>" when empty.
    """
    return ClassInfo(label=label, name=name or f"class {label}", colour=class_colour(label))


def classes_for(labels: Iterable[int], known: Sequence[ClassInfo] = ()) -> tuple[ClassInfo, ...]:
    """Name the classes ``labels`` (any order, 0 and 255 are skipped), taking names and colours from ``known``."""
    by_label = {info.label: info for info in known}
    wanted = sorted({int(label) for label in labels} - {UNPAINTED, BACKGROUND})
    return tuple(by_label.get(label) or new_class(label) for label in wanted)


def as_paint(array: NDArray[Any], what: str = "the paint") -> NDArray[np.uint8]:
    """Check that an integer array is paint and give it as uint8 (without a copy when it is already).

    Parameters
    ----------
    array
        Any shape; 0 not painted, 1..254 classes, 255 painted as background.
    what
        What to call it in an error.

    Raises
    ------
    BadInput
        It holds fractions, negative numbers, numbers over 255, or no real numbers at all.
    """
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.view(np.uint8)
    if array.dtype.kind not in "iuf":
        raise BadInput(f"{what} holds {array.dtype}, not numbers: save it as whole numbers.")
    if array.dtype.kind == "f":
        rounded = np.rint(array)
        if not np.array_equal(rounded, array):
            raise BadInput(
                f"{what} holds fractions such as {_first(array, array != rounded)}: save it as whole numbers."
            )
        array = rounded
    if array.size and (array.min() < 0 or array.max() > BACKGROUND):
        wrong = _first(array, (array < 0) | (array > BACKGROUND))
        raise BadInput(
            f"{what} holds the label {wrong}: classes are 1 to {LARGEST_CLASS} and {BACKGROUND} is background. "
            "Renumber its labels."
        )
    return array.astype(np.uint8)


def as_mask(array: NDArray[Any], what: str = "the mask") -> NDArray[np.uint8]:
    """Check that an integer array is a mask and give it as uint8 (without a copy when it is already).

    Parameters
    ----------
    array
        Any shape; 0 background, 1..254 classes.
    what
        What to call it in an error.

    Raises
    ------
    BadInput
        As :func:`as_paint`, or it holds painted background.
    """
    mask = as_paint(array, what)
    if mask.max(initial=0) == BACKGROUND:
        raise BadInput(
            f"{what} holds the label {BACKGROUND}, which stands for painted background: this is paint, not a mask. "
            f"Use a mask of the classes 1 to {LARGEST_CLASS}, such as a prediction."
        )
    return mask


def _first(array: NDArray[Any], where: NDArray[np.bool_]) -> Any:
    return array[where].flat[0].item()


def count_labels(planes: Iterable[NDArray[np.uint8]]) -> NDArray[np.int64]:
    """Count the voxels of each label, (256,) int64, piece by piece: at once it would take eight bytes for each."""
    counts = np.zeros(256, np.int64)
    for plane in planes:
        voxels = np.ravel(plane)
        for first in range(0, voxels.size, COUNTED_AT_ONCE):
            counts += np.bincount(voxels[first : first + COUNTED_AT_ONCE], minlength=256)
    return counts


SliceCounts = Mapping[int, Mapping[int, int]]
"""For each painted slice (index along Z), how many voxels each label has; labels 1..255 with a count only."""


def count_slices(paint: NDArray[np.uint8], slices: Iterable[int] | None = None) -> dict[int, dict[int, int]]:
    """Count the painted voxels of each label, slice by slice.

    Parameters
    ----------
    paint
        (Z, Y, X) uint8.
    slices
        Which slices to count; all when None.

    Returns
    -------
    dict
        ``{z: {label: voxels}}``; slices without paint do not appear.
    """
    counted: dict[int, dict[int, int]] = {}
    for z in range(len(paint)) if slices is None else slices:
        if not paint[z].any():
            continue
        counts = count_labels([paint[z]])
        counted[z] = {int(label): int(counts[label]) for label in np.flatnonzero(counts) if label}
    return counted


@dataclass(frozen=True)
class PaintSummary:
    """How much is painted of what.

    Parameters
    ----------
    shape
        Of the paint, (Z, Y, X).
    slices
        Slices (index along Z) with any paint, ascending.
    voxels
        Painted voxels by label: classes 1..254, and 255 for painted background.
    slices_of
        Number of slices with that label.
    """

    shape: tuple[int, int, int]
    slices: tuple[int, ...]
    voxels: Mapping[int, int]
    slices_of: Mapping[int, int]

    @classmethod
    def of(cls, shape: tuple[int, int, int], counts: SliceCounts) -> "PaintSummary":
        """Sum up the counts of single slices."""
        voxels: dict[int, int] = {}
        slices_of: dict[int, int] = {}
        for by_label in counts.values():
            for label, count in by_label.items():
                voxels[label] = voxels.get(label, 0) + count
                slices_of[label] = slices_of.get(label, 0) + 1
        return cls(shape, tuple(sorted(counts)), dict(sorted(voxels.items())), dict(sorted(slices_of.items())))

    @property
    def labels(self) -> tuple[int, ...]:
        """The painted classes, ascending, without background."""
        return tuple(label for label in self.voxels if label != BACKGROUND)

    @property
    def painted(self) -> int:
        """Painted voxels altogether."""
        return sum(self.voxels.values())

    def gaps(self, depth: int) -> tuple[tuple[int, int], ...]:
        """Give the painted slices before and after each run of unpainted ones, in volumes of ``depth`` slices."""
        return tuple(
            (first, last)
            for first, last in pairwise(self.slices)
            if last - first > 1 and first // depth == last // depth
        )

    def learned_from(self, unpainted: Unpainted) -> int:
        """Count the voxels a model would learn from under a choice for unpainted ones."""
        depth, height, width = self.shape
        if unpainted is Unpainted.UNKNOWN:
            return self.painted
        if unpainted is Unpainted.PAINTED_SLICES:
            return len(self.slices) * height * width
        return depth * height * width

    def sentence(self, unpainted: Unpainted) -> str:
        """Say what the model will learn from ("Will learn from 4 slices, 7 classes, 41,210 voxels; ...")."""
        depth = self.shape[0]
        if unpainted is Unpainted.BACKGROUND:
            slices, rest = depth, "what is not painted is background everywhere"
        elif unpainted is Unpainted.PAINTED_SLICES:
            slices, rest = len(self.slices), "what is not painted on them is background, other slices are ignored"
        else:
            slices, rest = len(self.slices), "the rest is ignored"
        return (
            f"Will learn from {_count(slices, 'slice')}, {_count(len(self.labels), 'class', 'classes')}, "
            f"{_count(self.learned_from(unpainted), 'voxel')}; {rest}."
        )

    def warnings(self, names: Mapping[int, str] | None = None) -> tuple[str, ...]:
        """Warn of classes with very little paint ('"rib" has 14 voxels on 1 slice')."""
        names = names or {}
        return tuple(
            f'"{names.get(label, f"class {label}")}" has {_count(self.voxels[label], "voxel")} on '
            f"{_count(self.slices_of[label], 'slice')}: paint more of it."
            for label in self.labels
            if self.voxels[label] < FEW_VOXELS
        )

    def check(self, unpainted: Unpainted) -> None:
        """Raise when there is too little paint to learn from.

        Raises
        ------
        NothingPainted
            Nothing is painted, or one class only and no background to tell it from.
        """
        if not self.labels:
            raise NothingPainted("Nothing is painted yet: choose a class and paint some of it on one or more slices.")
        if unpainted is Unpainted.UNKNOWN and len(self.voxels) < 2:
            raise NothingPainted(
                "Only one class is painted: paint some background too (key G), or let unpainted voxels "
                "count as background."
            )


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def channel_labels(summaries: Iterable[PaintSummary], unpainted: Unpainted) -> tuple[int, ...]:
    """Give the label number of each output channel of a network trained on this paint.

    Ascending; background comes first as label 0 when any is known. A network that never saw background has
    no channel for it.
    """
    summaries = tuple(summaries)
    labels = {label for summary in summaries for label in summary.labels}
    background = unpainted is not Unpainted.UNKNOWN or any(BACKGROUND in s.voxels for s in summaries)
    return tuple(sorted(labels | ({0} if background else set())))


def training_targets(paint: NDArray[np.uint8], unpainted: Unpainted, labels: Sequence[int]) -> NDArray[np.uint8]:
    """Turn paint into what a network is trained towards.

    Parameters
    ----------
    paint
        (Z, Y, X) uint8 paint.
    unpainted
        What voxels without paint count as.
    labels
        The label of each output channel, as :func:`channel_labels` gives them.

    Returns
    -------
    numpy.ndarray
        (Z, Y, X) uint8: the channel of each voxel, or ``IGNORE`` where nothing is known.
    """
    channel_of = np.full(256, IGNORE, np.uint8)
    for channel, label in enumerate(labels):
        channel_of[BACKGROUND if label == 0 else label] = channel
    targets = channel_of[paint]
    if unpainted is not Unpainted.UNKNOWN:
        background = channel_of[BACKGROUND]
        for z in range(len(paint)):
            if unpainted is Unpainted.BACKGROUND or paint[z].any():
                targets[z][paint[z] == UNPAINTED] = background
    return targets


def with_background(paint: NDArray[np.uint8], unpainted: Unpainted) -> NDArray[np.uint8]:
    """Paint as background what unpainted voxels count as, so that the others are unknown. (Z, Y, X) uint8, a copy."""
    said = paint.copy()
    for plane in said:
        if unpainted is Unpainted.BACKGROUND or (unpainted is Unpainted.PAINTED_SLICES and plane.any()):
            plane[plane == UNPAINTED] = BACKGROUND
    return said


def mask_from_paint(paint: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give the mask that paint stands for: painted background and unpainted voxels become 0. Same shape."""
    return np.where(paint == BACKGROUND, np.uint8(0), paint)
