"""A mask or a paint with all that must survive on disk: labels, place, class names and colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_unet.annotation import BACKGROUND, ClassInfo, classes_for
from napari_unet.errors import BadInput
from napari_unet.scan import SAME_PLACE, Geometry, Scan, Unit


@dataclass(frozen=True, eq=False)
class Mask:
    """Labels on a grid, with their classes: a mask, or a paint (then 0 is "not painted", 255 background).

    Parameters
    ----------
    labels
        uint8, with the axes the user knows: those of the scan it belongs to, without channels.
    axes
        One letter for each axis of ``labels``: Z, Y, X, or any other for axes handled one by one.
    spacing
        Distance between voxel centres, (z, y, x), in ``unit``.
    unit
        "mm", or "pixel" when nobody said.
    geometry
        Where the voxels lie in the patient; None when nobody said.
    classes
        Names and colours, ascending by label; there is none for background.
    dicom
        The files of the DICOM series it lies on, as in :class:`~napari_unet.scan.Scan`; in memory only.
    """

    labels: NDArray[np.uint8]
    axes: str = "ZYX"
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    unit: Unit = "pixel"
    geometry: Geometry | None = None
    classes: tuple[ClassInfo, ...] = ()
    dicom: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        letters = set(self.axes)
        fits = len(letters) == len(self.axes) == self.labels.ndim and {"Y", "X"} <= letters and "C" not in letters
        if not fits or 0 in self.labels.shape:
            raise BadInput(f"a mask of shape {self.labels.shape} does not have the axes {self.axes!r}")
        if self.labels.dtype != np.uint8:
            raise BadInput(f"a mask holds whole numbers 0 to 255 (uint8), not {self.labels.dtype}")

    @classmethod
    def on(cls, scan: Scan, labels: NDArray[np.uint8], classes: Sequence[ClassInfo] = ()) -> "Mask":
        """Make the mask of a scan: the same place, axes and spacing.

        Parameters
        ----------
        scan
            The scan it belongs to.
        labels
            uint8, of the scan's ``mask_shape``.
        classes
            Names and colours, in any order.

        Raises
        ------
        BadInput
            Its shape is not that of the scan.
        """
        scan.fold(labels, "the mask")
        axes = scan.axes.replace("C", "")
        return cls(labels, axes, scan.spacing, scan.unit, scan.geometry, named(labels, classes), scan.dicom)

    def as_scan(self, name: str) -> Scan:
        """Give the labels as a scan of that name, which knows how its axes become (Z, Y, X)."""
        return Scan.from_array(
            self.labels,
            self.axes,
            spacing=self.spacing,
            unit=self.unit,
            geometry=self.geometry,
            name=name,
            dicom=self.dicom,
        )

    def folded_onto(self, scan: Scan, what: str = "the mask") -> NDArray[np.uint8]:
        """Give the labels on a scan's own (Z, Y, X) grid.

        The shape decides, axes of length 1 aside; when both files say where they lie, that must agree too.

        Parameters
        ----------
        scan
            The scan they should lie on.
        what
            What to call the mask in an error.

        Raises
        ------
        BadInput
            The mask has another shape, or lies elsewhere in the patient.
        """
        labels = self.labels
        if _without_ones(labels.shape) == _without_ones(scan.mask_shape):
            labels = labels.reshape(scan.mask_shape)
        elif self.geometry is not None and scan.geometry is not None:  # such as one that was cropped when it was saved
            raise BadInput(
                f'{what} is {labels.shape} but "{scan.name}" is {scan.mask_shape}: use the mask that was made on this '
                "scan, or put it onto its grid first (napari-unet convert --onto)."
            )
        folded: NDArray[np.uint8] = scan.fold(labels, what)
        if self.geometry is not None and scan.geometry is not None:
            apart = self.geometry.farthest_corner(scan.geometry, (scan.depth, *scan.grid[1:]))
            if apart > SAME_PLACE * min(scan.spacing):
                raise BadInput(
                    f'{what} has the shape of "{scan.name}" but lies up to {apart:.2f} mm away from it, or is flipped: '
                    "use the mask that was made on this scan, or put it onto its grid first (napari-unet convert "
                    "--onto)."
                )
        return folded


def named(labels: NDArray[np.uint8], known: Sequence[ClassInfo]) -> tuple[ClassInfo, ...]:
    """Complete ``known`` with a class for every label that occurs, without background, ascending."""
    occurring: set[int] = set()
    for part in labels:  # counting needs eight bytes for each voxel
        occurring |= set(np.flatnonzero(np.bincount(part.ravel(), minlength=256)).tolist())
    return classes_for({*occurring, *(info.label for info in known)} - {BACKGROUND}, known)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)
