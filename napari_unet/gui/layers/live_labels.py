"""A labels layer that fills while a job runs, slice by slice, and leaves to a person what that person paints."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer

from napari_unet.annotation import ClassInfo
from napari_unet.gui.layers.scans import METADATA, class_look, place_of
from napari_unet.scan import Scan

REFRESH_MS = 100
"""Between two times the layer is drawn anew."""
ROWS = 64
"""Rows taken over at once: of a large picture the processor's cache holds no more, and it takes a tenth of the time."""


@dataclass(frozen=True, eq=False)
class Kept:
    """Voxels that a prediction does not touch: where, (Z, Y, X) bool, and what they are, (Z, Y, X) uint8."""

    where: NDArray[np.bool_]
    labels: NDArray[np.uint8]


class FillingLabels(QObject):
    """A new labels layer on a scan, that is drawn anew when there is more on it.

    Parameters
    ----------
    viewer
        Where it is added; what was selected stays selected.
    on
        The layer of the scan.
    data
        Its labels, in the shape of the layer.
    name
        Its name; napari numbers it when it is taken.
    classes
        Names and colours.
    editable
        Whether a person may paint on it.
    about
        What this program's part of the metadata says beside its place; whoever hears of the new layer finds it there.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        on: Image | Labels,
        data: Any,
        name: str,
        classes: Sequence[ClassInfo],
        *,
        editable: bool,
        about: Mapping[str, Any] | None,
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self._on = on
        active = viewer.layers.selection.active
        place = place_of(on)
        place["metadata"][METADATA] |= about or {}
        self.layer = Labels(data, name=name, opacity=0.6, **place, **class_look(classes))
        self.layer.editable = editable  # before anybody may choose it to paint on
        viewer.add_layer(self.layer)
        if active is not None and active in viewer.layers:
            viewer.layers.selection.active = active
        self._refresh = QTimer(self)
        self._refresh.setSingleShot(True)
        self._refresh.setInterval(REFRESH_MS)
        self._refresh.timeout.connect(self._draw)

    @property
    def shown(self) -> bool:
        """Whether the layer is still in the viewer: a person may have deleted it."""
        return self.layer in self._viewer.layers

    @property
    def slices(self) -> Iterable[NDArray[np.uint8]]:
        """The labels, slice by slice, (Y, X) uint8 each."""
        raise NotImplementedError

    def _draw_soon(self) -> None:
        if not self._refresh.isActive():
            self._refresh.start()

    def _draw(self) -> None:
        if self.shown:
            self.layer.refresh(thumbnail=False, extent=False)


class LiveLabels(FillingLabels):
    """A new labels layer in memory.

    Parameters
    ----------
    viewer, on, name, classes, editable, about
        As for :class:`FillingLabels`.
    scan
        The scan it lies on.
    kept
        Voxels that a person stands for, (Z, Y, X) bool, and what they are, (Z, Y, X) uint8: they are there from the
        beginning, and stay.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        scan: Scan,
        on: Image | Labels,
        name: str,
        classes: Sequence[ClassInfo],
        *,
        editable: bool = True,
        kept: Kept | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self._folded = np.zeros(scan.grid, np.uint8)
        self._kept = kept
        if kept is not None:
            np.copyto(self._folded, kept.labels, where=kept.where)
        super().__init__(viewer, on, scan.unfold(self._folded), name, classes, editable=editable, about=about)

    @property
    def slices(self) -> Iterable[NDArray[np.uint8]]:
        """The labels, slice by slice, (Y, X) uint8 each."""
        return self._folded

    def lies_on(self, layer: Image | Labels) -> bool:
        """Whether it was made for this layer and is still in the viewer."""
        return self._on is layer and self.shown

    def write(self, slices: Iterable[int], source: NDArray[np.uint8]) -> None:
        """Take slices over from ``source`` (Z, Y, X), except voxels that a person painted meanwhile."""
        for z, first in product(slices, range(0, self._folded.shape[1], ROWS)):
            rows = slice(first, first + ROWS)
            free = self._folded[z, rows] == 0
            if self._kept is not None:
                free &= ~self._kept.where[z, rows]
            np.copyto(self._folded[z, rows], source[z, rows], where=free)
        self._draw_soon()

    def replace(self, z: int, labels: NDArray[np.uint8]) -> None:
        """Show these labels, (Y, X), on slice ``z``: for previews, which nobody paints on."""
        self._folded[z] = labels
        self._draw_soon()

    def show_empty(self) -> None:
        """Show it with nothing on it."""
        self._folded[:] = 0
        self.layer.visible = True
        self._draw_soon()

    def remove(self) -> None:
        """Take the layer out of the viewer."""
        self._refresh.stop()
        if self.shown:
            self._viewer.layers.remove(self.layer)
