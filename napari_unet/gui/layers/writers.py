"""Saving a Labels layer: File > Save Selected Layers, or ``layer.save``; as a mask, or as what is made of it.

Beside a mask lies a JSON file that says where it comes from.
"""

from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.notifications import show_info

from napari_unet.errors import BadInput
from napari_unet.gui.layers.edits import APPLIED
from napari_unet.gui.layers.masks import mask_of
from napari_unet.gui.layers.scans import METADATA, OPENED, REVIEW
from napari_unet.gui.work.opening import while_alive
from napari_unet.io import EXPORT_SUFFIXES, WRITE_SUFFIXES, Mask, export
from napari_unet.io.formats import patient_notice
from napari_unet.io.surface import SUFFIXES as SURFACE_SUFFIXES
from napari_unet.io.surface import surface_files
from napari_unet.keeping.provenance import write_provenance


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
        files = export(target, mask)
        if target.name.lower().endswith(WRITE_SUFFIXES):
            _write_provenance(target, mask, as_it_is.get("metadata", {}).get(METADATA, {}))
        return files

    written = while_alive(work, f"Saving {target.name} ...")
    if target.name.lower().endswith(WRITE_SUFFIXES) and (said := patient_notice(target)):
        show_info(said)
    return [str(file) for file in written]


def _write_provenance(target: Path, mask: Mask, mine: dict[str, Any]) -> None:
    """Write where a mask comes from, beside it, by what this program knows of its layer."""
    review, applied, opened = mine.get(REVIEW), mine.get(APPLIED, ()), mine.get(OPENED)
    if review is not None:
        folded = mask.as_scan(target.name).fold(mask.labels)
        write_provenance(target, review.shares(folded), review.models, applied, len(review.reviewed), opened)
    else:
        painted = opened is None and not any("steps" in settings for settings in applied)
        who = "person" if painted else "not known"
        write_provenance(target, {who: int(np.count_nonzero(mask.labels))}, refinement=applied, made_from=opened)


def _files(target: Path, mask: Mask) -> list[Path]:
    if target.name.lower().endswith(SURFACE_SUFFIXES):
        return list(surface_files(target, [info for info in mask.classes if (mask.labels == info.label).any()]))
    return [target]
