"""Buttons that take back the last step in the window, or do it again, by name."""

from qtpy.QtCore import Qt
from qtpy.QtGui import QPaintEvent
from qtpy.QtWidgets import QPushButton, QSizePolicy, QStyle, QStyleOptionButton, QStylePainter, QVBoxLayout, QWidget

from napari_unet.gui.work.undoing import Undoing, place_of_step
from napari_unet.history import History, Step

MARGINS = 12
"""Of a button, on both sides of its text together, in pixels."""


class UndoButtons(QWidget):
    """Says what Ctrl+Z and Ctrl+Shift+Z would do, and does it; each is there only while there is something to do.

    Parameters
    ----------
    history
        The steps.
    undoing
        Takes them back.
    """

    def __init__(self, history: History, undoing: Undoing) -> None:
        super().__init__()
        self._history = history
        self.undo_button, self.redo_button = NameButton(), NameButton()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        for button, act in ((self.undo_button, undoing.undo), (self.redo_button, undoing.redo)):
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)  # a long name widens no dock
            button.clicked.connect(act)
            column.addWidget(button)
        history.changed.connect(self._show)
        self._show()

    def disconnect_history(self) -> None:
        """Let go of the history, which outlives the buttons."""
        self._history.changed.disconnect(self._show)

    def _show(self) -> None:
        _name(self.undo_button, "Undo", "Ctrl+Z", self._history.next_undo)
        _name(self.redo_button, "Redo", "Ctrl+Shift+Z", self._history.next_redo)


class NameButton(QPushButton):
    """A button that leaves out the middle of a long text, so that its beginning and the key are read."""

    def shown_text(self) -> str:
        """Give what there is room for."""
        room = self.width() - MARGINS
        return self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideMiddle, room)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw it with what there is room for (Qt calls this)."""
        option = QStyleOptionButton()
        self.initStyleOption(option)
        option.text = self.shown_text()
        QStylePainter(self).drawControl(QStyle.ControlElement.CE_PushButton, option)


def _name(button: QPushButton, verb: str, key: str, step: Step | None) -> None:
    button.setVisible(step is not None)
    if step is not None:
        button.setText(f"{verb}: {step.name} ({key})")
        where = place_of_step(step)
        button.setToolTip(f"{verb}: {step.name}{where}\n{key} in the window does the same, whichever layer is selected")
