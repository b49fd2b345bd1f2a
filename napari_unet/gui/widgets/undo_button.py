"""A button that takes back the last edit of a layer, by name."""

from napari.layers import Labels
from qtpy.QtWidgets import QPushButton, QSizePolicy, QWidget

from napari_unet.gui.layers.edits import next_redo, next_undo


class UndoButton(QPushButton):
    """Takes back the last edit that a program made to a layer, or makes it again.

    It is there only when undo (or else redo) of the layer means such an edit: after a brush stroke, napari's own
    Ctrl+Z takes back one after the other.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layer: Labels | None = None
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)  # a long name widens no dock
        self.clicked.connect(self._press)
        self.hide()

    def follow(self, layer: Labels | None) -> None:
        """Be about this layer, or about none."""
        before, self._layer = self._layer, layer
        if before is not None:
            before.events.paint.disconnect(self._show)
            before.events.set_data.disconnect(self._show)
        if layer is not None:
            layer.events.paint.connect(self._show)
            layer.events.set_data.connect(self._show)
        self._show()

    def _show(self, event: object = None) -> None:
        layer = self._layer
        undo, redo = (next_undo(layer), next_redo(layer)) if layer is not None else ("", "")
        if undo:
            self.setText(f"Undo {undo}")
            self.setToolTip(f"Undo {undo}: Ctrl+Z in the layer does the same")
        elif redo:
            self.setText(f"Redo {redo}")
            self.setToolTip(f"Redo {redo}: Ctrl+Shift+Z in the layer does the same")
        self.setVisible(bool(undo or redo))

    def _press(self) -> None:
        if self._layer is None:
            return
        if next_undo(self._layer):
            self._layer.undo()
        elif next_redo(self._layer):
            self._layer.redo()
