"""What a model makes of the paint that was held out of its training: which thresholds do what, and where it errs."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from napari_unet.annotation import ClassInfo
from napari_unet.durable import written_whole
from napari_unet.errors import BadInput

BINS = 100
"""Thresholds that are told apart: 0, 0.01, and so on."""
_ARRAYS = ("confusion", "positives", "negatives", "images", "truth", "found")


@dataclass(frozen=True)
class Point:
    """How good a class is found at one threshold; a number is NaN where nothing can be said."""

    threshold: float
    precision: float
    recall: float

    @property
    def dice(self) -> float:
        """Of the voxels that reach the threshold and those that were painted."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a model makes of the paint that was held out.

    Parameters
    ----------
    classes
        One for each output channel, in their order; K of them.
    confusion
        (K, K) int64, how many voxels of one class (row) were taken for another (column).
    positives, negatives
        (K, BINS) int64, by how likely a voxel is to be of a class: how many are of it, and how many are not.
    images
        (N, Y, X) float32, patches with held-out paint, normalised, their first channel.
    truth
        (N, Y, X) uint8, as in a paint layer: 0 unknown, 1..254 classes, 255 background.
    found
        (N, Y, X) uint8, as in a mask.
    """

    classes: tuple[ClassInfo, ...]
    confusion: NDArray[np.int64]
    positives: NDArray[np.int64]
    negatives: NDArray[np.int64]
    images: NDArray[np.float32]
    truth: NDArray[np.uint8]
    found: NDArray[np.uint8]

    @property
    def measured(self) -> tuple[ClassInfo, ...]:
        """The classes that were painted in what was held out, without background."""
        painted = self.positives.sum(axis=1) > 0
        return tuple(info for c, info in enumerate(self.classes) if painted[c] and info.label)

    def curve(self, label: int) -> tuple[Point, ...]:
        """Give precision and recall of a class at each threshold, ascending (Davis and Goadrich 2006).

        doi:10.1145/1143844.1143874.
        """
        c = [info.label for info in self.classes].index(label)
        right, wrong = (np.cumsum(counts[c, ::-1])[::-1] for counts in (self.positives, self.negatives))
        with np.errstate(invalid="ignore"):
            precision, recall = right / (right + wrong), right / right[0]
        return tuple(
            Point(k / BINS, float(p), float(r)) for k, (p, r) in enumerate(zip(precision, recall, strict=True))
        )

    def best(self, label: int) -> Point:
        """Give the point of a class with the highest Dice."""
        return max(self.curve(label)[1:], key=lambda point: np.nan_to_num(point.dice, nan=-1.0))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as one file of NumPy's, whole or not at all."""
        classes = json.dumps([info.model_dump(mode="json") for info in self.classes])
        with written_whole(path) as temporary:
            np.savez_compressed(temporary, classes=classes, **{name: getattr(self, name) for name in _ARRAYS})


def load_evidence(path: str | os.PathLike[str]) -> Evidence:
    """Read what :meth:`Evidence.save` wrote.

    Raises
    ------
    BadInput
        It is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            classes = json.loads(str(arrays["classes"]))
            return Evidence(
                tuple(ClassInfo.model_validate(info) for info in classes), **{name: arrays[name] for name in _ARRAYS}
            )
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise BadInput(f"{Path(path).name} cannot be read ({error}): train again.") from error
