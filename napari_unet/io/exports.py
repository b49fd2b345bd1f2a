"""A mask to disk by the suffix: as a mask, or as what is made of it."""

import os
from pathlib import Path

from napari_unet.errors import BadInput
from napari_unet.io import label_descriptions, surface, volume_table
from napari_unet.io.files import write_mask
from napari_unet.io.formats import WRITE_SUFFIXES
from napari_unet.io.mask import Mask

EXPORT_SUFFIXES = (*WRITE_SUFFIXES, *surface.SUFFIXES, *volume_table.SUFFIXES, *label_descriptions.SUFFIXES)
"""Every suffix that :func:`export` knows."""


def export(path: str | os.PathLike[str], mask: Mask) -> list[Path]:
    """Write a mask, the surfaces of its classes, their volumes, or their names and colours, by the suffix.

    Parameters
    ----------
    path
        A mask with one of ``WRITE_SUFFIXES``; surfaces with .stl (a file for each class) or .obj; volumes in ml with
        .csv; ITK-SNAP's label descriptions with .txt or .label.
    mask
        The mask.

    Returns
    -------
    list of pathlib.Path
        The files, each written whole or not at all.

    Raises
    ------
    BadInput
        The suffix is none of these, the format cannot hold the mask, or a file cannot be written.
    MissingDependency
        The format needs a library that is not installed.
    """
    target = Path(path)
    name = target.name.lower()
    if name.endswith(WRITE_SUFFIXES):
        return [write_mask(target, mask)]
    if name.endswith(surface.SUFFIXES):
        return surface.write_surfaces(target, mask)
    if name.endswith(volume_table.SUFFIXES):
        return [volume_table.write_volumes(target, mask)]
    if name.endswith(label_descriptions.SUFFIXES):
        return [label_descriptions.write_label_descriptions(target, mask.classes)]
    raise BadInput(
        f'"{target.name}" is no kind of file that a mask becomes: choose one of {", ".join(EXPORT_SUFFIXES)}.'
    )
