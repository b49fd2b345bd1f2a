"""Labels on disk that grow slice by slice, in OME-Zarr, so that neither they nor their scan need fit into memory.

Which slices are done is noted with them, so that a program that was ended goes on where it was.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.annotation import ClassInfo, count_labels
from napari_unet.config import PredictConfig
from napari_unet.errors import BadInput
from napari_unet.events import Job, Result, SlicesDone
from napari_unet.io.ome_zarr_labels import is_image
from napari_unet.io.zarr_file import (
    SUFFIX,
    about_labels,
    enter_in_list,
    in_zarr,
    open_zarr,
    zarr_library,
)
from napari_unet.model_file import ModelDescription
from napari_unet.scan import Scan

CHUNK = 1024
"""Side of the chunks of labels, which are one slice deep."""
KEY = "napari_unet"
NAME = "prediction"
"""What labels are called in the image that they belong to."""
UNSAFE = re.compile(r"[^\w .-]+")
"""What may stand in the name of a scan, but not in that of a folder."""


class GrowingLabels:
    """Labels on disk, (Z, Y, X) uint8, that grow slice by slice: an OME-Zarr image with the metadata of labels.

    Within an OME-Zarr image (``image.zarr/labels/name``) they are entered in its list of labels.

    Parameters
    ----------
    path
        Where they are, or will be.
    scan
        The scan they lie on.
    classes
        Names and colours.
    made_by
        What tells their origin: only what was begun in the same way goes on.

    Raises
    ------
    BadInput
        There is something else, or the folder cannot be written to.
    """

    def __init__(self, path: Path, scan: Scan, classes: Sequence[ClassInfo], made_by: str) -> None:
        if scan.depth != scan.grid[0]:
            raise BadInput(f'"{scan.name}" is a series: predict its volumes one by one.')
        zarr = zarr_library()
        image = path.parent.parent if path.parent.name == "labels" and in_zarr(path.parent.parent) else None
        form = zarr.open_group(image, mode="r").metadata.zarr_format if image is not None and image.exists() else 3
        if path.exists():
            self._group = open_zarr(path)
            if self._group.attrs.get(KEY, {}).get("made_by") != made_by:
                raise BadInput(f"{path} is there already and was made otherwise: choose another name.")
        else:
            try:
                self._group = zarr.open_group(path, mode="w-", zarr_format=form)
                chunks = (1, *(min(CHUNK, side) for side in scan.grid[1:]))
                self._group.create_array("0", shape=scan.grid, chunks=chunks, dtype="uint8")
                self._group.attrs.update(
                    {
                        **about_labels(path.name, scan.spacing, scan.unit, classes, form),
                        KEY: {"made_by": made_by, "done": []},
                    }
                )
                if image is not None:
                    enter_in_list(zarr.open_group(path.parent, mode="a", zarr_format=form), path.name, form)
            except OSError as error:
                raise BadInput(f"cannot write {path}: {error.strerror}. Choose a folder you may write to.") from error
        self.array: Any = self._group["0"]
        """(Z, Y, X) uint8, to be written to."""
        self.done: set[int] = set(self._group.attrs[KEY]["done"])
        """Which slices are done."""

    def note(self, slices: Iterable[int]) -> None:
        """Note that these slices are written."""
        self.done.update(slices)
        self._group.attrs[KEY] = {**self._group.attrs[KEY], "done": sorted(self.done)}

    def counts(self) -> NDArray[np.int64]:
        """Count the voxels of each label, (256,)."""
        return count_labels(self.array[z] for z in self.done)


def origin(models: Iterable[ModelDescription], config: PredictConfig, *about: object) -> str:
    """Tell labels apart by how they are made: give something that is the same for the same models, choices and more."""
    how = [*(model.model_dump(mode="json") for model in models), config.model_dump(mode="json"), *about]
    return hashlib.sha256(json.dumps(how, default=str).encode()).hexdigest()


def grown_beside(
    source: Path | None, otherwise: Path, scan: Scan, classes: Sequence[ClassInfo], made_by: str
) -> tuple[Path, GrowingLabels]:
    """Go on with the labels of a scan that were begun in the same way, or begin them where they belong.

    Parameters
    ----------
    source
        Where the scan lies. Labels of an OME-Zarr image go among its labels, of others beside them.
    otherwise
        The folder for labels of scans that lie nowhere, or where nothing may be written.
    scan, classes, made_by
        As for :class:`GrowingLabels`.

    Returns
    -------
    tuple
        The folder that the labels are, and the labels.

    Raises
    ------
    BadInput
        They cannot be written.
    """
    home = _home(source) or otherwise
    within = in_zarr(home)
    if not within:
        home.mkdir(parents=True, exist_ok=True)
    suffix = "" if within else SUFFIX
    name = NAME if within else f"{UNSAFE.sub('_', scan.name)} {NAME}"
    for number in count(1):
        path = home / f"{name}{f' {number}' * (number > 1)}{suffix}"
        if not path.exists() or _made_by(path) == made_by:
            break
    return path, GrowingLabels(path, scan, classes, made_by)


def _home(source: Path | None) -> Path | None:
    """Give the folder that labels of what lies at a path go into; None where they cannot be written."""
    if source is None or not source.exists():
        return None
    for image in (source, source.parent):
        if in_zarr(image) and os.access(image, os.W_OK) and is_image(image):
            return image / "labels"
    beside = source.parent
    while in_zarr(beside):
        beside = beside.parent
    return beside if os.access(beside, os.W_OK) else None


def _made_by(path: Path) -> object:
    """Give what a folder says of its origin; None when it is something else."""
    try:
        return open_zarr(path).attrs.get(KEY, {}).get("made_by")
    except BadInput:
        return None


def noted(job: Job[Result], labels: GrowingLabels) -> Job[Result]:
    """Run a job as it is, and note the slices that are done where the labels are."""
    command = None
    while True:
        try:
            event = job.send(command)
        except StopIteration as end:
            result: Result = end.value
            return result
        if isinstance(event, SlicesDone):
            labels.note(event.slices)
        command = yield event
