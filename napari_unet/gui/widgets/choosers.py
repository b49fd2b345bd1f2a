"""Choosing a layer: boxes that follow the viewer's layer list and never change it."""

from collections.abc import Callable, Sequence

from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.layers.base import Layer
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QAction, QWheelEvent
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QMenu, QSizePolicy, QWidget

from napari_unet.gui.layers.scans import axes_of, is_of_another_scan
from napari_unet.gui.widgets.menu_button import MenuButton

NO_SCAN = "no scan open"
NO_MASK = "no mask"
NO_PAINT = "no paint layer"


class ComboBox(QComboBox):
    """A combo box as wide as its place, whatever its entries, that leaves the wheel to the dock unless in use."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(4)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Scroll the dock, not the choice (Qt calls this)."""
        if event is not None and not self.hasFocus():
            event.ignore()
            return
        super().wheelEvent(event)


class LayerChooser(ComboBox):
    """Offers the layers of a kind in a viewer, newest on top of the list as in napari.

    ``chosen`` comes when another layer is chosen, by a person or because the chosen one was deleted.

    Parameters
    ----------
    viewer
        The viewer.
    accepts
        Which layers to offer.
    empty
        What to say when there is none.
    """

    chosen = Signal()

    def __init__(
        self, viewer: ViewerModel, accepts: Callable[[Layer], bool], empty: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._accepts = accepts
        self._empty = empty
        self._layers: list[Layer] = []
        self._current: Layer | None = None
        self.currentIndexChanged.connect(self._take_index)
        self._events = (viewer.layers.events.inserted, viewer.layers.events.removed, viewer.layers.events.reordered)
        for event in self._events:
            event.connect(self._refill)
        viewer.layers.events.renamed.connect(self._refill)
        self._refill()

    @property
    def layer(self) -> Layer | None:
        """The chosen layer."""
        return self._current

    def choose(self, layer: Layer | None) -> None:
        """Choose a layer, if it is offered."""
        if layer in self._layers:
            self.setCurrentIndex(self._layers.index(layer))

    def disconnect_viewer(self) -> None:
        """Stop to follow the viewer."""
        for event in (*self._events, self._viewer.layers.events.renamed):
            event.disconnect(self._refill)

    def _refill(self, event: object = None) -> None:
        self._layers = [layer for layer in reversed(self._viewer.layers) if self._accepts(layer)]
        self.blockSignals(True)
        self.clear()
        self.addItems([layer.name for layer in self._layers] or [self._empty])
        self.setEnabled(bool(self._layers))
        index = self._layers.index(self._current) if self._current in self._layers else 0
        self.setCurrentIndex(index)
        self.blockSignals(False)
        self._take_index(index)

    def _take_index(self, index: int) -> None:
        layer = self._layers[index] if 0 <= index < len(self._layers) else None
        self.setToolTip(layer.name if layer is not None else self._empty)
        if layer is not self._current:
            self._current = layer
            self.chosen.emit()


class ScanChooser(QWidget):
    """Chooses a scan: an image layer, and behind a button the layers that are further channels of it.

    ``chosen`` comes when the choice or what its axes mean changes.

    Parameters
    ----------
    viewer
        The viewer.
    """

    chosen = Signal()

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._further: list[Image] = []
        self.box = LayerChooser(viewer, _is_image, NO_SCAN, self)
        self.box.chosen.connect(self._take_choice)
        self._more = MenuButton("…")
        self._more.setToolTip("Further channels of this scan, and what its first axis means")
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self._fill_menu)
        self._more.setMenu(self._menu)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.box)
        row.addWidget(self._more)

    @property
    def layers(self) -> list[Image]:
        """The chosen layers, the first one first; empty when there is none."""
        if self.box.layer is None:
            return []
        return [self.box.layer, *(layer for layer in self._further if layer in self._viewer.layers)]

    def choose(self, layers: Sequence[Image]) -> None:
        """Choose a scan: its layer, and those that are further channels of it."""
        self.box.choose(layers[0] if layers else None)
        if list(layers) != self.layers:
            self._further = list(layers[1:])
            self._show_count()
            self.chosen.emit()

    def disconnect_viewer(self) -> None:
        """Stop to follow the viewer."""
        self.box.disconnect_viewer()

    def _take_choice(self) -> None:
        self._further = []
        self._show_count()
        self.chosen.emit()

    def _show_count(self) -> None:
        self._more.setText(f"+{len(self._further)}" if self._further else "…")

    def _fill_menu(self) -> None:
        self._menu.clear()
        first = self.box.layer
        if first is None:
            self._menu.addSection("Open a scan first")
            return
        others = [layer for layer in reversed(self._viewer.layers) if _is_image(layer) and layer is not first]
        self._menu.addSection("Further channels of this scan")
        if not others:
            self._menu.addSection("no other image layer")
        for layer in others:
            action = self._choice(layer.name, layer, layer in self._further)
            action.triggered.connect(self._toggle_further)
        if first.ndim > 2:
            self._menu.addSection(f"The first axis ({first.data.shape[0]} long) is")
            for label, words in (("z", "slices"), ("c", "channels"), ("t", "points in time, or separate images")):
                action = self._choice(words, label, _first_axis(first) == label)
                action.triggered.connect(self._set_first_axis)

    def _choice(self, words: str, means: object, chosen: bool) -> QAction:
        action = QAction(words, self._menu)
        action.setCheckable(True)
        action.setChecked(chosen)
        action.setData(means)
        self._menu.addAction(action)
        return action

    def _toggle_further(self, checked: bool) -> None:
        action = self.sender()
        if isinstance(action, QAction):
            layer = action.data()
            self._further = [other for other in self._further if other is not layer] + ([layer] if checked else [])
            self._show_count()
            self.chosen.emit()

    def _set_first_axis(self) -> None:
        action, layer = self.sender(), self.box.layer
        if isinstance(action, QAction) and layer is not None:
            layer.axis_labels = (action.data(), *layer.axis_labels[1:])
            self.chosen.emit()


def _first_axis(layer: Image) -> str:
    return axes_of(layer)[0].lower()


def _is_image(layer: Layer) -> bool:
    return isinstance(layer, Image) and not is_of_another_scan(layer)


def is_labels(layer: Layer) -> bool:
    """Whether it is a labels layer that a person may paint on: previews are not."""
    editable = isinstance(layer, Labels) and (layer.editable or getattr(layer, "multiscale", False))
    return editable and not is_of_another_scan(layer)
