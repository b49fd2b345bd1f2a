"""The paint layer: making one, counting what is painted on it, and its keys."""

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, QTimer, Signal

from napari_unet.annotation import BACKGROUND, PaintSummary, as_paint, count_slices, new_class
from napari_unet.gui.background import Background
from napari_unet.gui.layers import class_look, place_of, scan_of, voxels_of
from napari_unet.scan import Scan

BACKGROUND_KEY = "G"
"""Chooses background in a paint layer; napari uses it for nothing there."""
COUNT_MS = 250
"""After a stroke it waits for so long before it counts."""
BRUSH_SHARE = 60
"""A new layer's brush is the scan's width divided by this."""


def new_paint_layer(viewer: ViewerModel, image: Image) -> Labels:
    """Add an empty paint layer on a scan: same place, one class, brush in hand.

    Parameters
    ----------
    viewer
        Where it is added.
    image
        A layer of the scan.
    """
    scan = scan_of(image)
    layer: Labels = viewer.add_labels(
        np.zeros(scan.mask_shape, np.uint8),
        name=f"{image.name} paint",
        opacity=0.6,
        **place_of(image),
        **class_look([new_class(1)]),
    )
    layer.selected_label = 1
    layer.brush_size = max(2, scan.grid[2] // BRUSH_SHARE)
    layer.mode = "paint"
    viewer.layers.selection.active = layer
    return layer


def choose_background(layer: Labels) -> None:
    """Let the brush paint background (key G)."""
    layer.selected_label = BACKGROUND
    layer.mode = "paint"


class PaintCounter(QObject):
    """Keeps count of what is painted on a layer, in a thread, after every stroke, undo and redo.

    ``counted`` carries a ``PaintSummary``, or a sentence that says why the layer cannot be used as paint.
    """

    counted = Signal(object)

    def __init__(self, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._background = background
        self._layer: Labels | None = None
        self._scan: Scan | None = None
        self._round = 0
        self._wait = QTimer(self)
        self._wait.setSingleShot(True)
        self._wait.setInterval(COUNT_MS)
        self._wait.timeout.connect(self._count)

    def follow(self, layer: Labels | None, scan: Scan | None) -> None:
        """Count this layer, which lies on this scan; None stops."""
        self._disconnect()
        self._layer, self._scan = layer, scan
        if layer is not None:
            for event in (layer.events.paint, layer.events.data, layer.events.set_data):
                event.connect(self._changed)
            layer.bind_key(BACKGROUND_KEY, choose_background, overwrite=True)
            self._count()

    def _disconnect(self) -> None:
        self._wait.stop()
        self._round += 1
        layer, self._layer = self._layer, None
        if layer is not None:
            for event in (layer.events.paint, layer.events.data, layer.events.set_data):
                event.disconnect(self._changed)
            layer.bind_key(BACKGROUND_KEY, None)

    def _changed(self, event: object = None) -> None:
        self._wait.start()

    def _count(self) -> None:
        layer, scan = self._layer, self._scan
        if layer is None or scan is None:
            return
        self._round += 1
        number, voxels, name = self._round, voxels_of(layer), layer.name

        def count() -> tuple[int, PaintSummary]:
            paint = as_paint(np.asarray(scan.fold(voxels, f'"{name}"')), f'"{name}"')
            return number, PaintSummary.of(scan.grid, count_slices(paint))

        self._background.run(count, self._deliver, self._failed)

    def _deliver(self, counted: tuple[int, PaintSummary]) -> None:
        number, summary = counted
        if number == self._round:
            self.counted.emit(summary)

    def _failed(self, error: Exception) -> None:
        if self._layer is not None:
            self.counted.emit(str(error))
