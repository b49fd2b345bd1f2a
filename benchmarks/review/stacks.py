"""Sets of ``benchmarks.quality`` as stacks with a truth on every slice: volumes, and pictures one behind the other."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import napari_unet as nu
from benchmarks.quality import sets
from benchmarks.quality.sets import Labels, Scored

HEART, CELLS, FIELD = 128, 128, 160
"""Rows and columns: of the middle of a heart or of stained cells, and of the fields that a micrograph is cut into."""


@dataclass(frozen=True)
class Stack:
    """A scan that is corrected slice by slice, and its (Z, Y, X) truth."""

    name: str
    scan: nu.Scan
    truth: Labels


def ct_chest(data: Path | None) -> Stack:
    """Take a chest CT of 34 slices, seven classes."""
    return _volume("chest CT", sets.ct_chest(data).scored)


def mri_spine(data: Path) -> Stack:
    """Take the spinal cord on 77 slices of a T1 volume."""
    return _volume("spine MRI", sets.mri_spine(data).scored)


def mri_cardiac(data: Path) -> Stack:
    """Take the left ventricle on the middle slice of each of 30 patients."""
    read = sets.hearts(data)
    middles = [(scan.array[:, len(truth) // 2], truth[len(truth) // 2]) for scan, truth in read]
    return _pictures("hearts", (_middle(*one, HEART) for one in middles), read[0][0].channel_names)


def nuclei(data: Path) -> Stack:
    """Take the nuclei on 60 pictures, of three kinds of stain."""
    read = sets.stained(data)
    pictures = (_middle(scan.array[:, 0], truth[0], CELLS) for scan, truth in read)
    return _pictures("nuclei", pictures, read[0][0].channel_names)


def em_axon(data: Path) -> Stack:
    """Take myelin and axons on 54 fields of an electron micrograph."""
    (one,) = sets.em_axon(data).scored
    picture, truth = np.asarray(one.scan.array[:, 0]), one.truth[0]
    rows, columns = (range(0, side - FIELD + 1, FIELD) for side in truth.shape)
    places = [(..., slice(y, y + FIELD), slice(x, x + FIELD)) for y in rows for x in columns]
    return _pictures("axons", ((picture[at], truth[at]) for at in places), one.scan.channel_names)


BUNDLED = {"ct_chest": ct_chest}
"""Made from the bundled sample where no folder is given."""
WITH_DATA = {"mri_spine": mri_spine, "mri_cardiac": mri_cardiac, "nuclei": nuclei, "em_axon": em_axon}


def of_name(name: str, data: Path | None) -> Stack:
    """Read a set."""
    return WITH_DATA[name](data) if data is not None and name in WITH_DATA else BUNDLED[name](data)


def _volume(name: str, scored: Iterable[Scored]) -> Stack:
    (one,) = scored
    return Stack(f"{name}, {len(one.truth)} slices", one.scan, one.truth)


def _middle(picture: NDArray[np.generic], truth: Labels, side: int) -> tuple[NDArray[np.generic], Labels]:
    """Cut a square out of the middle of a picture, (C, Y, X), and of its truth, (Y, X)."""
    y, x = ((length - side) // 2 for length in truth.shape)
    at = (..., slice(y, y + side), slice(x, x + side))
    return np.asarray(picture[at]), truth[at]


def _pictures(name: str, pictures: Iterable[tuple[NDArray[np.generic], Labels]], channels: tuple[str, ...]) -> Stack:
    images, truths = zip(*pictures, strict=True)
    array = np.stack(images)
    scan = nu.Scan.from_array(array, "TCYX", channel_names=channels, name=name)
    return Stack(f"{name}, {len(images)} pictures", scan, np.stack(truths))
