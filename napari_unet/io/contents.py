"""What a file holds, between the library that reads or writes it and the scan or mask it becomes."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from napari_unet.annotation import BACKGROUND, ClassInfo
from napari_unet.config import Config
from napari_unet.errors import BadInput
from napari_unet.io.mask import Mask
from napari_unet.scan import Geometry, Unit

LEGEND_KEY = "napari_unet"
"""The name the legend goes by inside a file."""
PAINTED_BACKGROUND = ClassInfo.model_construct(label=BACKGROUND, name="painted as background", colour=(0.3, 0.3, 0.3))
"""What other programs show for label 255 of a paint; no class of this program has that number."""


class Legend(Config):
    """What this program writes beside the voxels of a mask where a format has no place for it of its own."""

    axes: str
    """The axes of the labels, as in :class:`~napari_unet.io.mask.Mask`."""
    unit: Unit
    """Of the spacing."""
    placed: bool
    """Whether the position in the patient is known; when not, the file's origin and directions mean nothing."""
    classes: tuple[ClassInfo, ...]
    """Names and colours."""

    @classmethod
    def of(cls, mask: Mask) -> "Legend":
        """Make the legend of a mask."""
        return cls(axes=mask.axes, unit=mask.unit, placed=mask.geometry is not None, classes=mask.classes)

    @classmethod
    def parse(cls, text: str | bytes) -> "Legend | None":
        """Read a legend from JSON; None when it is not one, as a file may have been edited elsewhere."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return None


@dataclass(frozen=True, eq=False)
class Contents:
    """What a reader found in a file.

    Parameters
    ----------
    array
        As its axes say; any dtype.
    axes
        One letter for each axis: X, Y, Z, C for channels, any other for axes handled one by one.
    spacing
        (z, y, x) in ``unit``.
    unit
        "mm", or "pixel" when the file says nothing.
    geometry
        Where the voxels lie; None when the file says nothing.
    classes
        Names and colours; None when the file does not say that it is a mask.
    name
        For messages and result layers, when the file's own name will not do.
    dicom
        The files of the DICOM series that it is, as in :class:`~napari_unet.scan.Scan`.
    """

    array: NDArray[Any]
    axes: str
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    unit: Unit = "pixel"
    geometry: Geometry | None = None
    classes: tuple[ClassInfo, ...] | None = None
    name: str = ""
    dicom: tuple[Path, ...] = ()

    def explained_by(self, legend: Legend | None) -> "Contents":
        """Take from a legend, when there is one that fits the voxels, what the format could not hold."""
        if legend is None or "C" in self.axes:
            return self
        # Axes of length 1 are lost on the way through some formats.
        array = self.array if "Z" in self.axes else np.expand_dims(self.array, -3)
        if array.ndim == 3 and set(legend.axes) - set("ZYX"):
            array = array[None]
        try:
            array = from_volumes(array, legend.axes)
        except BadInput:
            return self
        placed = self.geometry if legend.placed else None
        return replace(self, array=array, axes=legend.axes, unit=legend.unit, geometry=placed, classes=legend.classes)


def volumes(labels: NDArray[Any], axes: str) -> NDArray[Any]:
    """Bring labels with any axes into (Z, Y, X), or (T, Z, Y, X) when there is one further axis.

    Raises
    ------
    BadInput
        There are more than four axes: no volume format here holds them.
    """
    further = [a for a in axes if a not in "ZYX"]
    if len(further) > 1:
        raise BadInput(f"a mask with the axes {axes} does not fit into this kind of file: save it as .tif.")
    order = [axes.index(a) for a in (*further, *(a for a in "ZYX" if a in axes))]
    moved = labels.transpose(order)
    return moved if "Z" in axes else np.expand_dims(moved, len(further))


def from_volumes(array: NDArray[Any], axes: str) -> NDArray[Any]:
    """Undo :func:`volumes`.

    Raises
    ------
    BadInput
        The array cannot have had these axes.
    """
    further = [a for a in axes if a not in "ZYX"]
    stored = [*further, *(a for a in "ZYX" if a in axes)]
    if len(set(axes)) != len(axes) or not {"Y", "X"} <= set(axes) or array.ndim != len(further) + 3:
        raise BadInput(f"an array of shape {array.shape} does not have the axes {axes}")
    if "Z" not in axes:
        if array.shape[-3] != 1:
            raise BadInput(f"an array of shape {array.shape} is not flat, as the axes {axes} are")
        array = array.squeeze(-3)
    return array.transpose([stored.index(a) for a in axes])
