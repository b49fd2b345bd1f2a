"""How much of each class there is, as a table (.csv) for spreadsheets and statistics."""

import csv
import io
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from napari_unet.durable import written_whole
from napari_unet.errors import BadInput
from napari_unet.io.mask import Mask

SUFFIXES = (".csv",)


@dataclass(frozen=True)
class ClassVolume:
    """How much of a class there is in one volume.

    Parameters
    ----------
    volume
        Which volume of a series, from 0.
    label, name
        The class.
    voxels
        How many.
    ml
        In millilitres; None when the mask does not say how large a voxel is.
    """

    volume: int
    label: int
    name: str
    voxels: int
    ml: float | None


def class_volumes(mask: Mask) -> list[ClassVolume]:
    """Measure each class of a mask, in each volume of a series."""
    scan = mask.as_scan("mask")
    voxel = prod(mask.spacing) / 1000
    rows = []
    for number, volume in enumerate(scan.volumes()):
        counts = np.bincount(scan.array[0, volume].ravel(), minlength=256).tolist()
        rows += [
            ClassVolume(
                number, info.label, info.name, counts[info.label],
                counts[info.label] * voxel if mask.unit == "mm" else None,
            )
            for info in mask.classes
        ]  # fmt: skip
    return rows


def write_volumes(path: Path, mask: Mask) -> Path:
    """Write the volumes of the classes of a mask as CSV, whole or not at all.

    The columns are label, name, voxels and ml; a series of volumes has another in front, volume, counted from 0.

    Raises
    ------
    BadInput
        It cannot be written.
    """
    several = bool(mask.as_scan("mask").folded)
    header = ("volume", "label", "name", "voxels", "ml")[0 if several else 1 :]
    table = [
        (row.volume, row.label, row.name, row.voxels, "" if row.ml is None else f"{row.ml:.6g}")[0 if several else 1 :]
        for row in class_volumes(mask)
    ]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *table])

    def check(written: Path) -> None:
        with written.open(newline="", encoding="utf-8-sig") as stream:
            if list(csv.reader(stream)) != [[str(cell) for cell in row] for row in (header, *table)]:
                raise BadInput(f"{path} did not read back as it was written: an older file is untouched. Try again.")

    try:
        with written_whole(path, check=check) as temporary:
            temporary.write_bytes(text.getvalue().encode("utf-8-sig"))  # the mark makes Excel read it as UTF-8
    except OSError as error:
        raise BadInput(f"{path} could not be written ({error.strerror}): an older file is untouched.") from error
    return path
