"""The curves of a training while it runs: loss on the left, validation Dice on the right."""

import math
import os

import qtpy
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QPalette
from qtpy.QtWidgets import QLabel, QStackedLayout, QVBoxLayout, QWidget

from napari_unet.events import EpochDone

TRAINING, VALIDATION, DICE = "#56b4e9", "#e69f00", "#00a878"
"""Colours that are told apart with any colour vision, on dark and on light (doi:10.1038/nmeth.1618)."""
LINE_WIDTH = 2
HEIGHT, EMPTY_HEIGHT = 160, 60
"""Pixels: with curves, and before there are any."""


class LearningPlot(QWidget):
    """Shows how a training goes: its loss and, on held-out paint, the validation loss and Dice, over seconds.

    Parameters
    ----------
    parent
        The widget it belongs to.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        # pyqtgraph takes half a second to import and must take the binding that qtpy took.
        os.environ.setdefault("PYQTGRAPH_QT_LIB", qtpy.API_NAME)
        import pyqtgraph

        self._graphics = pyqtgraph.GraphicsLayoutWidget()
        # The wheel is for the dock, and a curve that can be dragged away is not found again.
        self._graphics.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._graphics.setFrameShape(self._graphics.Shape.NoFrame)
        self._graphics.ci.setContentsMargins(0, 6, 4, 0)
        self._loss, self._dice = self._graphics.addPlot(0, 0), self._graphics.addPlot(0, 1)
        self._dice.setYRange(0, 1, padding=0.02)
        for plot in (self._loss, self._dice):
            plot.hideButtons()
            plot.setMenuEnabled(False)
            plot.getAxis("bottom").enableAutoSIPrefix(False)
        self._curves = {
            "train_loss": self._loss.plot(pen=pyqtgraph.mkPen(TRAINING, width=LINE_WIDTH)),
            "validation_loss": self._loss.plot(pen=pyqtgraph.mkPen(VALIDATION, width=LINE_WIDTH), connect="finite"),
            "validation_dice": self._dice.plot(pen=pyqtgraph.mkPen(DICE, width=LINE_WIDTH), connect="finite"),
        }
        self._legend = QLabel(
            f"Loss: {_key(TRAINING, 'training')}&nbsp; {_key(VALIDATION, 'validation')}"
            f" &nbsp;&nbsp;{_key(DICE, 'Dice')}"
        )
        self._legend.setToolTip(
            "<qt>The loss is what training makes small. Dice is the overlap with held-out paint: 1 is perfect. "
            "Validation is measured on paint that is held out of the training. Across: seconds.</qt>"
        )
        curves = QWidget()
        column = QVBoxLayout(curves)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self._legend)
        column.addWidget(self._graphics)
        self._empty = QLabel("The curves appear here while it trains")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._pages = QStackedLayout(self)
        self._pages.addWidget(self._empty)
        self._pages.addWidget(curves)
        self.clear()
        self._take_colours()

    def add(self, epoch: EpochDone) -> None:
        """Add a round of training to the curves."""
        self._seconds.append(epoch.seconds)
        for name, values in self._values.items():
            value = getattr(epoch, name)
            values.append(math.nan if value is None else value)
            self._curves[name].setData(self._seconds, values)
        self._pages.setCurrentIndex(1)
        self.setFixedHeight(HEIGHT)

    def clear(self) -> None:
        """Forget the curves."""
        self._seconds: list[float] = []
        self._values: dict[str, list[float]] = {name: [] for name in self._curves}
        for curve in self._curves.values():
            curve.setData([], [])
        self._pages.setCurrentIndex(0)
        self.setFixedHeight(EMPTY_HEIGHT)

    def changeEvent(self, event: QEvent | None) -> None:
        """Follow napari from dark to light and back (Qt calls this)."""
        super().changeEvent(event)
        changes = (QEvent.Type.PaletteChange, QEvent.Type.StyleChange)
        if event is not None and event.type() in changes and hasattr(self, "_graphics"):
            self._take_colours()

    def _take_colours(self) -> None:
        foreground = self.palette().color(QPalette.ColorRole.WindowText)
        self._graphics.setBackground(self.palette().color(QPalette.ColorRole.Window))
        for plot in (self._loss, self._dice):
            for side in ("left", "bottom"):
                axis = plot.getAxis(side)
                axis.setPen(foreground)
                axis.setTextPen(foreground)


def _key(colour: str, words: str) -> str:
    return f'<span style="color: {colour}">&#9644;</span> {words}'
