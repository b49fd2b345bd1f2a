"""Opening scans and masks in napari: by drop, by File > Open, or from code."""

import os
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from napari.types import LayerData

from napari_unet.gui.layers import layer_data
from napari_unet.gui.masks import mask_layer_data
from napari_unet.io import Mask, read_scan_or_mask
from napari_unet.io.files import is_dicom
from napari_unet.io.formats import READ_SUFFIXES

Reader = Callable[[str | Sequence[str]], list[LayerData]]
LOOKED_AT = 20
"""Files of a folder that are looked at to tell whether it holds DICOM images: napari asks about every folder."""


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Say whether this program can open a path; None when not.

    Parameters
    ----------
    path
        A file, a folder of DICOM images, or several files: those of one DICOM series.
    """
    paths = [path] if isinstance(path, str) else list(path)
    files = [Path(one) for one in paths]
    if len(files) > 1:
        return read_layers if all(is_dicom(file) for file in islice(files, LOOKED_AT)) else None
    return read_layers if files and _ours(files[0]) else None


def _ours(path: Path) -> bool:
    if path.is_dir():
        with os.scandir(path) as entries:
            return any(entry.is_file() and is_dicom(Path(entry.path)) for entry in islice(entries, LOOKED_AT))
    return path.name.lower().endswith(READ_SUFFIXES) or is_dicom(path)


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Open a scan as an image layer, or a file that says it is a mask as a labels layer.

    Parameters
    ----------
    path
        As for :func:`get_reader`; of several files the first stands for its series.

    Raises
    ------
    BadInput, OutOfMemory
        It cannot be read; napari shows the message.
    """
    first = path if isinstance(path, str) else path[0]
    found = read_scan_or_mask(first)
    return [mask_layer_data(found, Path(first).name) if isinstance(found, Mask) else layer_data(found)]
