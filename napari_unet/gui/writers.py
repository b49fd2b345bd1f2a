"""Saving a Labels layer as a mask: File > Save Selected Layers, or ``layer.save``."""

from pathlib import Path
from typing import Any

from napari.utils.notifications import show_info

from napari_unet.errors import BadInput
from napari_unet.gui.masks import mask_of
from napari_unet.io import WRITE_SUFFIXES, write_mask
from napari_unet.io.formats import patient_notice, suffix_of


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Save a Labels layer with its place, class names and colours.

    Parameters
    ----------
    path
        As typed in the dialog. Without a known suffix, ".nii.gz" is added.
    data, attributes
        The layer, as napari hands it over.

    Returns
    -------
    list of str
        The file that was written.

    Raises
    ------
    BadInput
        It cannot be written, or a file would be replaced that nobody was asked about.
    """
    target = Path(path)
    if suffix_of(target) is None:
        target = target.with_name(target.name + WRITE_SUFFIXES[0])
        if target.exists():
            # The dialog asked about the name as it was typed.
            raise BadInput(f"{target} exists already: type its whole name to replace it, or choose another name.")
    written = write_mask(target, mask_of(data, attributes))
    if said := patient_notice(written):
        show_info(said)
    return [str(written)]
