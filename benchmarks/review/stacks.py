"""Sets of ``benchmarks.quality`` as stacks with a truth on every slice: volumes, and pictures one behind the other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import napari_unet as nu
from benchmarks.quality import sets
from benchmarks.quality.sets import Labels, Scored
from napari_unet.normalisation import measure, normalise

EVERY_PATIENT = 4
"""Of the hearts, every fourth patient is taken."""
HEART, CELLS, FIELD = 96, 96, 128
"""Rows and columns: of the middle of a heart or of stained cells, and of the fields that a micrograph is cut into."""


@dataclass(frozen=True)
class Stack:
    """A scan that is corrected slice by slice, and its (Z, Y, X) truth."""

    scan: nu.Scan
    truth: Labels


def ct_chest(data: Path | None) -> Stack:
    """Take a chest CT of 34 slices, seven classes."""
    return _volume(sets.ct_chest(data).scored)


def mri_spine(data: Path) -> Stack:
    """Take the spinal cord on 77 slices of a T1 volume."""
    return _volume(sets.mri_spine(data).scored)


def mri_cardiac(data: Path) -> Stack:
    """Take the left ventricle on all 76 slices of eight patients."""
    return _pictures(sets.hearts(data)[::EVERY_PATIENT], HEART)


def nuclei(data: Path) -> Stack:
    """Take the nuclei on 60 pictures, of three kinds of stain."""
    return _pictures(sets.stained(data), CELLS)


def em_axon(data: Path) -> Stack:
    """Take myelin and axons on the 96 fields of an electron micrograph."""
    (one,) = sets.em_axon(data).scored
    return _pictures(_fields(one.scan, one.truth), FIELD)


BUNDLED = {"ct_chest": ct_chest}
"""Made from the bundled sample where no folder is given."""
WITH_DATA = {"mri_spine": mri_spine, "mri_cardiac": mri_cardiac, "nuclei": nuclei, "em_axon": em_axon}


def of_name(name: str, data: Path | None) -> Stack:
    """Read a set."""
    return WITH_DATA[name](data) if data is not None and name in WITH_DATA else BUNDLED[name](data)


def _volume(scored: Iterable[Scored]) -> Stack:
    (one,) = scored
    return Stack(one.scan, one.truth)


def _fields(scan: nu.Scan, truth: Labels) -> Iterator[tuple[nu.Scan, Labels]]:
    """Cut a picture into fields."""
    rows, columns = (range(0, side - FIELD + 1, FIELD) for side in truth.shape[1:])
    for y in rows:
        for x in columns:
            at = (slice(y, y + FIELD), slice(x, x + FIELD))
            yield nu.Scan.from_array(np.asarray(scan.array[0, 0])[at]), truth[:, *at]


def _pictures(read: Iterable[tuple[nu.Scan, Labels]], side: int) -> Stack:
    """Put squares from the middle of all slices one behind the other, each normalised by the scan it comes from."""
    images, truths = [], []
    for scan, truth in read:
        y, x = ((length - side) // 2 for length in truth.shape[1:])
        at = (..., slice(y, y + side), slice(x, x + side))
        images += list(normalise(scan, measure(scan))[at].swapaxes(0, 1))
        truths += list(truth[at])
    return Stack(nu.Scan.from_array(np.stack(images), "TCYX"), np.stack(truths))
