"""The paint layer: making one, counting what is painted on it, and its keys."""

from collections.abc import Sequence

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Signal

from napari_unet.annotation import BACKGROUND, ClassInfo, PaintSummary, as_paint, count_slices, new_class
from napari_unet.gui.layers.scans import (
    METADATA,
    SCAN_LAYERS,
    class_look,
    mask_shape_of,
    place_of,
    review_of,
    scan_of,
    voxels_of,
)
from napari_unet.gui.layers.stored_labels import too_large
from napari_unet.gui.work.background import Background
from napari_unet.gui.work.recount import Recount
from napari_unet.scan import Scan
from napari_unet.session import State

BACKGROUND_KEY = "G"
"""Chooses background in a paint layer; napari uses it for nothing there."""
BRUSH_SHARE = 60
"""A new layer's brush is the scan's width divided by this."""


def new_paint_layer(viewer: ViewerModel, image: Image, known: Sequence[ClassInfo] = ()) -> Labels:
    """Add an empty paint layer on a scan: same place, one class or those that are known, brush in hand.

    Parameters
    ----------
    viewer
        Where it is added.
    image
        A layer of the scan.
    known
        Classes of other scans that are worked on.
    """
    scan, place = scan_of(image), place_of(image)
    place["metadata"][METADATA][SCAN_LAYERS] = (image.name,)
    layer: Labels = viewer.add_labels(
        np.zeros(scan.mask_shape, np.uint8),
        name=f"{image.name} paint",
        opacity=0.6,
        **place,
        **class_look(known or [new_class(1)]),
    )
    layer.selected_label = 1
    layer.brush_size = max(2, scan.grid[2] // BRUSH_SHARE)
    layer.mode = "paint"
    viewer.layers.selection.active = layer
    return layer


def chosen_paint(viewer: ViewerModel, state: State, images: Sequence[Image], shape: tuple[int, ...]) -> Labels | None:
    """Find the paint that is chosen to train with, if it is that of a scan: another one may be as large.

    Parameters
    ----------
    viewer
        Where it is.
    state
        What is chosen.
    images
        The layers of the scan; none where it is not open.
    shape
        Of a mask of the scan, as the user sees it.
    """
    info, scan = state.paint, state.train_scan
    if info is None or info.name not in viewer.layers or (images and scan and scan.name != images[0].name):
        return None
    layer = viewer.layers[info.name]
    return layer if isinstance(layer, Labels) and mask_shape_of(layer) == shape else None


def choose_background(layer: Labels) -> None:
    """Let the brush paint background (key G)."""
    layer.selected_label = BACKGROUND
    layer.mode = "paint"


def is_paint(layer: Labels, chosen: str) -> bool:
    """Whether a layer is paint, where 0 is not painted, and no mask, where 0 is background.

    Parameters
    ----------
    layer
        A labels layer in memory.
    chosen
        The name of the layer that is chosen as paint.
    """
    if review_of(layer) is not None or too_large(layer):
        return False
    return layer.name == chosen or bool((voxels_of(layer).max(initial=0)) == BACKGROUND)


class PaintCounter(QObject):
    """Keeps count of what is painted on a layer.

    ``counted`` carries a ``PaintSummary``, or a sentence that says why the layer cannot be used as paint.
    """

    counted = Signal(object)

    def __init__(self, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._layer: Labels | None = None
        self._recount = Recount(background, self)
        self._recount.counted.connect(self.counted)
        self._recount.failed.connect(self.counted)

    def follow(self, layer: Labels | None, scan: Scan | None) -> None:
        """Count this layer, which lies on this scan; None stops."""
        before, self._layer = self._layer, layer
        if before is not None:
            before.bind_key(BACKGROUND_KEY, None)
        if layer is None or scan is None:
            self._recount.follow((), None)
            return
        layer.bind_key(BACKGROUND_KEY, choose_background, overwrite=True)

        def count() -> PaintSummary:
            name = layer.name
            paint = as_paint(np.asarray(scan.fold(voxels_of(layer), f'"{name}"')), f'"{name}"')
            return PaintSummary.of(scan.grid, count_slices(paint))

        self._recount.follow((layer,), count)
