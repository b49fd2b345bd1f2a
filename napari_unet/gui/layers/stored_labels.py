"""Scans that are too large for memory, and labels of them, which stay on the disk."""

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from numpy.typing import NDArray
from platformdirs import user_documents_path

from napari_unet.annotation import ClassInfo
from napari_unet.gui.layers.live_labels import FillingLabels
from napari_unet.scan import Scan

MOST_IN_MEMORY = 2**28
"""Voxels of the largest scan on a disk whose masks are made in memory, where all of this program works on them."""


def folder() -> Path:
    """Give the folder of this user for labels of scans that lie nowhere, or where nothing may be written."""
    return user_documents_path() / "napari-unet"


def is_large(scan: Scan) -> bool:
    """Whether a scan is read chunk by chunk, and its labels are written so: a volume on a disk that is too large."""
    on_disk = not isinstance(scan.array, np.ndarray)
    return on_disk and prod(scan.grid) > MOST_IN_MEMORY and scan.mask_shape == scan.grid


def too_large(mask: Labels) -> str:
    """Say why a mask cannot be worked on as a whole; "" when it can."""
    data = mask.data[0] if getattr(mask, "multiscale", False) else mask.data
    if isinstance(data, np.ndarray) or prod(data.shape) <= MOST_IN_MEMORY:
        return ""
    return (
        f'"{mask.name}" is too large to be taken into memory: it stays on the disk, where brush strokes are '
        "written at once, but not learned from. Use a smaller scan for the rest."
    )


def source_of(image: Image) -> Path | None:
    """Tell where the voxels of a layer lie; None when nobody knows."""
    if image.source.path:
        return Path(image.source.path)
    data = image.data[0] if image.multiscale else image.data
    root = getattr(getattr(data, "store", None), "root", None)
    return None if root is None else Path(root) / data.path


class StoredLabels(FillingLabels):
    """A new labels layer of which another process writes the voxels to the disk.

    Parameters
    ----------
    viewer, on, name, classes, about
        As for :class:`FillingLabels`.
    stored
        (Z, Y, X) uint8 in Zarr. Not a dask array, of which napari would show what it once read.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        stored: Any,
        on: Image | Labels,
        name: str,
        classes: Sequence[ClassInfo],
        *,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(viewer, on, stored, name, classes, editable=False, about=about)
        self._stored = stored

    @property
    def slices(self) -> Iterable[NDArray[np.uint8]]:
        """The labels, slice by slice, (Y, X) uint8 each."""
        return (np.asarray(self._stored[z]) for z in range(self._stored.shape[0]))

    def written(self) -> None:
        """Show what was written meanwhile."""
        self._draw_soon()

    def finish(self) -> None:
        """Let a person paint on it: no other process writes to it any more."""
        self.layer.editable = True
        self._viewer.layers.events.reordered()  # whoever offers layers looks at them again
