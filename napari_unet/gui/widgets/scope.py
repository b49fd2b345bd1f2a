"""Which part of a scan is wanted: all of it, a slice, some slices, what lies within a shape; or every scan."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Shapes
from napari.layers.base import Layer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSpinBox, QVBoxLayout, QWidget

from napari_unet.errors import BadInput
from napari_unet.gui.layers.scans import axes_of, scan_of
from napari_unet.gui.widgets.choosers import ComboBox, LayerChooser
from napari_unet.gui.work.activity import slice_in_view

NO_SHAPES = "no shapes layer"


class Where(StrEnum):
    """What can be chosen, in words."""

    WHOLE = "whole scan"
    SLICE = "slice in view"
    RANGE = "range of slices"
    SHAPE = "within a rectangle"
    EVERY = "every scan open"


@dataclass(frozen=True, slots=True)
class Scope:
    """Part of a scan.

    Parameters
    ----------
    slices
        Which slices, counted through all volumes of a series; all when None.
    part
        Which rows and columns; all when None.
    """

    slices: tuple[int, ...] | None = None
    part: tuple[slice, slice] | None = None


EVERYTHING = Scope()
"""All of it."""


class ScopeChooser(QWidget):
    """Chooses which part of a scan is wanted.

    Parameters
    ----------
    viewer
        The viewer.
    """

    chosen = Signal()

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.box = ComboBox()
        self.box.addItems([where.value for where in Where])
        self.first, self.last = QSpinBox(), QSpinBox()
        for spin, words in ((self.first, "The first slice, counted from 0"), (self.last, "The last slice")):
            spin.setRange(0, 0)
            spin.setToolTip(words)
        self.shapes = LayerChooser(viewer, lambda layer: isinstance(layer, Shapes), NO_SHAPES)
        self.shapes.setToolTip("What lies within the box around the selected shapes of this layer, or else around all")
        self._range = QWidget()
        row = QHBoxLayout(self._range)
        row.setContentsMargins(0, 0, 0, 0)
        for widget in (self.first, QLabel("to"), self.last):
            row.addWidget(widget)
        row.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for each in (self.box, self._range, self.shapes):
            column.addWidget(each)
        self.box.currentIndexChanged.connect(self._show)
        self._show()

    @property
    def where(self) -> Where:
        """What is chosen."""
        return Where(self.box.currentText())

    def choose(self, where: Where) -> None:
        """Choose something else."""
        self.box.setCurrentText(where.value)

    def fit(self, slices: int) -> None:
        """Let slices be chosen of so many."""
        everything = self.last.value() == self.last.maximum()
        for spin in (self.first, self.last):
            spin.setRange(0, max(0, slices - 1))
        if everything:
            self.last.setValue(self.last.maximum())

    def scope(self, image: Image) -> Scope:
        """Give what is chosen of the scan of an image layer.

        Raises
        ------
        BadInput
            No shape is drawn on it, or the last slice comes before the first.
        """
        match self.where:
            case Where.SLICE:
                return Scope(slices=(slice_in_view(self._viewer, image),))
            case Where.RANGE:
                first, last = self.first.value(), self.last.value()
                if first > last:
                    raise BadInput(f"The slices {first} to {last} are none: choose a last slice after the first.")
                return Scope(slices=tuple(range(first, last + 1)))
            case Where.SHAPE:
                return Scope(part=box_on(image, self.shapes.layer))
            case Where.WHOLE | Where.EVERY:
                return EVERYTHING

    def disconnect_viewer(self) -> None:
        """Stop to follow the viewer."""
        self.shapes.disconnect_viewer()

    def _show(self) -> None:
        self._range.setVisible(self.where is Where.RANGE)
        self.shapes.setVisible(self.where is Where.SHAPE)
        self.chosen.emit()


def box_on(image: Image, shapes: Layer | None) -> tuple[slice, slice]:
    """Give the rows and columns of an image layer within the box around the selected shapes of a layer, or all.

    Raises
    ------
    BadInput
        There is no shape, or none that lies on the image.
    """
    if not isinstance(shapes, Shapes) or not shapes.data:
        raise BadInput("Draw a rectangle first: add a Shapes layer and draw one on the scan.")
    drawn = [shapes.data[i] for i in sorted(shapes.selected_data)] or shapes.data
    corners = np.array([shapes.data_to_world(corner) for shape in drawn for corner in shape])
    axes = axes_of(image)
    point = np.zeros(image.ndim)
    places = []
    for corner in corners:
        shared = min(image.ndim, len(corner))
        point[-shared:] = corner[-shared:]
        places.append(image.world_to_data(point))
    lowest, highest = np.min(places, axis=0), np.max(places, axis=0)
    _, *sides = scan_of(image).grid
    ranges = []
    for axis, size in zip("YX", sides, strict=True):
        i = axes.index(axis)
        start, stop = max(0, round(float(lowest[i]))), min(size, round(float(highest[i])) + 1)
        if start >= stop:
            raise BadInput(f'The shapes of "{shapes.name}" do not lie on "{image.name}": draw one on it.')
        ranges.append(slice(start, stop))
    return ranges[0], ranges[1]


def scans_like(viewer: ViewerModel, channels: int, first: Sequence[Image]) -> list[list[Image]]:
    """Give the other scans that are open, each one layer, with so many channels."""
    others = [layer for layer in viewer.layers if isinstance(layer, Image) and layer not in first]
    return [[layer] for layer in others if _channels(layer) == channels]


def _channels(layer: Image) -> int:
    try:
        return scan_of(layer).channels
    except BadInput:
        return 0
