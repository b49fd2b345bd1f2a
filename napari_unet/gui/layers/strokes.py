"""Rules for strokes: what they leave as it is, what the eraser writes; and how large the brush is in mm.

Brush, eraser, fill bucket and polygon of napari all write through one method of the layer. For the layer that somebody
paints on, the rules come before it: what they forbid is neither written nor noted for undo.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_unet.annotation import UNPAINTED
from napari_unet.gui.layers.scans import axes_of, review_of, scan_of
from napari_unet.strokes import Limits, range_around

WRITTEN = -1
"""The eraser brings back what the model wrote."""
SAMPLED = 0.25
"""Intensities are taken from around the first dab, as far as this share of the brush's diameter."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What strokes have to obey.

    Parameters
    ----------
    protected
        Labels that do not change.
    others
        Whether no label but the selected one may change.
    within
        The lowest and the highest intensity to paint on; any when None.
    spread
        Paint only on what is like the place where the stroke begins: how many standard deviations from it; None when
        that does not matter.
    eraser
        What the eraser writes: a label, or ``WRITTEN``.
    """

    protected: frozenset[int] = frozenset()
    others: bool = False
    within: tuple[float, float] | None = None
    spread: float | None = None
    eraser: int = UNPAINTED

    def limits(self, layer: Labels) -> Limits:
        """Give what they protect on a layer, whatever the intensities."""
        only = layer.selected_label or layer._prev_selected_label if self.others else None
        return Limits(self.protected, only)


class Strokes(QObject):
    """Holds the strokes on one layer to rules.

    ``ranged`` carries the lowest and the highest intensity that a stroke paints on, once they are measured;
    ``refused`` comes when the rules leave nothing of a dab.

    Parameters
    ----------
    viewer
        The viewer.

    Attributes
    ----------
    rules
        What strokes have to obey.
    image
        The scan whose intensities count; None when there is none.
    """

    ranged = Signal(float, float)
    refused = Signal()

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rules = Rules()
        self.image: Image | None = None
        self._viewer = viewer
        self._layer: Labels | None = None
        self._write: Any = None
        self._aim: NDArray[Any] | None = None
        self._begin_anew()
        viewer.mouse_drag_callbacks.append(self._take_aim)

    def follow(self, layer: Labels | None) -> None:
        """Hold the strokes on this layer to the rules, and those on no other; None lets go."""
        if self._layer is not None:
            del self._layer._paint_region_with_mask
        self._layer, self._aim = layer, None
        self._begin_anew()
        if layer is not None:
            self._write = layer._paint_region_with_mask
            layer._paint_region_with_mask = self._write_what_is_free

    def disconnect_viewer(self) -> None:
        """Let go of the layer and the viewer."""
        self.follow(None)
        self._viewer.mouse_drag_callbacks.remove(self._take_aim)

    # --- a stroke

    def _take_aim(self, viewer: ViewerModel, event: Any) -> None:
        """Note where a stroke begins (napari calls this for each press, before the layer's own)."""
        self._begin_anew()
        self._aim = None
        if self._layer is not None and viewer.dims.ndisplay == 2:
            self._aim = np.asarray(self._layer.world_to_data(event.position[-self._layer.ndim :]))

    def _begin_anew(self) -> None:
        self._range: tuple[float, float] | None = None
        self._intensities: Any = None
        self._planes: dict[int, NDArray[np.uint8]] = {}

    def _write_what_is_free(
        self,
        where: tuple[slice, ...],
        mask: NDArray[np.bool_],
        label: int,
        dims: list[int],
        refresh: bool = True,
        region_data: NDArray[Any] | None = None,
    ) -> None:
        """Take what the rules forbid out of a dab, then let napari write it.

        Parameters
        ----------
        where
            The box of the dab in the layer; as long as 1 along axes that are not painted on.
        mask
            Which of its voxels, with the painted axes only.
        label, dims, refresh, region_data
            As napari has them.
        """
        layer, rules = self._layer, self.rules
        assert layer is not None
        if not layer._block_history:  # a stroke by itself, of a program or a polygon
            self._aim = None
            self._begin_anew()
        erases = layer.mode == "erase"
        label = rules.eraser if erases else label
        labels = np.asarray(layer.data[where])
        limits, intensities = rules.limits(layer), None
        if rules.within is not None or rules.spread is not None:
            intensities, within = self._seen(where, dims)
            limits = Limits(limits.protected, limits.only, within)
        free = mask & limits.leave_free(labels, intensities).reshape(mask.shape)
        if label == WRITTEN:
            written = self._written(where).reshape(mask.shape)
            for before in np.unique(written[free]).tolist():
                self._write(where, free & (written == before), before, dims, refresh)
            return
        if free.any():
            self._write(where, free, label, dims, refresh, region_data)
        elif (mask & (labels.reshape(mask.shape) != label)).any():
            self.refused.emit()

    def _seen(
        self, where: tuple[slice, ...], dims: list[int]
    ) -> tuple[NDArray[Any] | None, tuple[float, float] | None]:
        """Read the scan beneath a dab, and give the range to paint in; neither when there is no scan."""
        if self.image is None:
            return None, None
        if self._intensities is None:
            scan = scan_of(self.image)
            self._intensities = scan.unfold(scan.array[0])
        if self.rules.spread is None:
            return np.asarray(self._intensities[where]), self.rules.within
        if self._range is None:
            self._range = range_around(self._intensities[self._sample(where, dims)], self.rules.spread)
            self.ranged.emit(*self._range)
        return np.asarray(self._intensities[where]), self._range

    def _sample(self, where: tuple[slice, ...], dims: list[int]) -> tuple[slice, ...]:
        """Give the box of voxels that tell what a stroke is to paint on: the middle of its first dab."""
        layer = self._layer
        assert layer is not None
        middle = self._aim if self._aim is not None else [(side.start + side.stop - 1) / 2 for side in where]
        scale = np.abs(layer.scale)
        reach = max(1.0, SAMPLED * layer.brush_size) * scale[dims].min() / scale
        sides = []
        for axis, length in enumerate(layer.data.shape):
            at = int(np.clip(round(float(middle[axis])), 0, length - 1))
            far = int(reach[axis]) if axis in dims else 0
            sides.append(slice(max(0, at - far), min(length, at + far + 1)))
        return tuple(sides)

    def _written(self, where: tuple[slice, ...]) -> NDArray[np.uint8]:
        """Give what the model wrote of a dab's box, slice after slice."""
        layer = self._layer
        assert layer is not None
        review, (*leading, height, width) = review_of(layer), layer.data.shape
        assert review is not None
        slices = np.arange(int(np.prod(leading))).reshape(leading)[where[:-2]]
        for z in slices.ravel().tolist():
            if z not in self._planes:
                self._planes[z] = review.written(z, (height, width))
        return np.stack([self._planes[z][where[-2:]] for z in slices.ravel().tolist()])


def can_be_ball(layer: Labels) -> bool:
    """Whether the brush can paint several slices of a layer at once."""
    return "Z" in axes_of(layer)


def set_ball(layer: Labels, ball: bool) -> None:
    """Let the brush paint a ball across slices, or a disc on one, of the same diameter."""
    before = diameter(layer)
    layer.n_edit_dimensions = 3 if ball else 2
    set_diameter(layer, before)


def diameter(layer: Labels) -> float:
    """Give the diameter of the brush in mm.

    napari measures its brush in voxels of the finest axis that it paints along, an odd number of them, and takes the
    spacing of the others into account: a ball is one in mm.
    """
    return (int(layer.brush_size) // 2 * 2 + 1) * _finest(layer)


def set_diameter(layer: Labels, mm: float) -> None:
    """Give the brush the diameter that comes nearest to some mm."""
    layer.brush_size = 2 * max(0, round((mm / _finest(layer) - 1) / 2)) + 1


def _finest(layer: Labels) -> float:
    """Give the smallest distance of voxels, in mm, along the axes that are painted on."""
    spacing = scan_of(layer).spacing_in_mm
    return min(spacing[axis - layer.ndim] for axis in layer._get_dims_to_paint() if axis - layer.ndim >= -3)
