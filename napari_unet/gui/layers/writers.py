"""Saving a Labels layer: File > Save Selected Layers, or ``layer.save``; as a mask, or as what is made of it."""

from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.notifications import show_info

from napari_unet.errors import BadInput
from napari_unet.gui.layers.masks import mask_of
from napari_unet.gui.work.opening import while_alive
from napari_unet.io import EXPORT_SUFFIXES, WRITE_SUFFIXES, Mask, export
from napari_unet.io.formats import patient_notice
from napari_unet.io.surface import SUFFIXES as SURFACE_SUFFIXES
from napari_unet.io.surface import surface_files


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Save a Labels layer with its place, class names and colours, or its surfaces, volumes, or list of classes.

    The window lives on while it is written, read back and compared.

    Parameters
    ----------
    path
        As typed in the dialog. Without a known suffix, ".nii.gz" is added.
    data, attributes
        The layer, as napari hands it over.

    Returns
    -------
    list of str
        The files that were written.

    Raises
    ------
    BadInput
        It cannot be written, or a file would be replaced that nobody was asked about.
    MissingDependency
        The format needs a library that is not installed.
    """
    target, typed = Path(path), Path(path)
    if not target.name.lower().endswith(EXPORT_SUFFIXES):
        target = target.with_name(target.name + WRITE_SUFFIXES[0])
    # What is painted on while it is written is painted on the layer, not on the file.
    voxels = np.array(data[0] if attributes.get("multiscale") else data)
    as_it_is = {**attributes, "multiscale": False}

    def work() -> list[Path]:
        mask = mask_of(voxels, as_it_is)
        for file in _files(target, mask):
            if file != typed and file.exists():
                # The dialog asked about the name as it was typed.
                raise BadInput(f"{file} exists already: type its whole name to replace it, or choose another name.")
        return export(target, mask)

    written = while_alive(work, f"Saving {target.name} ...")
    if target.name.lower().endswith(WRITE_SUFFIXES) and (said := patient_notice(target)):
        show_info(said)
    return [str(file) for file in written]


def _files(target: Path, mask: Mask) -> list[Path]:
    if target.name.lower().endswith(SURFACE_SUFFIXES):
        return list(surface_files(target, [info for info in mask.classes if (mask.labels == info.label).any()]))
    return [target]
