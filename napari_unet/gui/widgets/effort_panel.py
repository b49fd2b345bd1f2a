"""Whether it is worth to look at more slices, in a sentence, and what each slice took, as bars."""

from collections.abc import Callable, Sequence

from qtpy.QtCore import QEvent, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QHelpEvent, QMouseEvent, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QToolTip, QVBoxLayout, QWidget

from napari_unet.gui.docks.dock import Folded, line
from napari_unet.review.effort import SliceEffort, advice, duration

CHANGED, SECONDS = "#e69f00", "#56b4e9"
"""Colours that are told apart with any colour vision, on dark and on light (doi:10.1038/nmeth.1618)."""
ROW, WIDEST, GAP = 48, 24, 2
"""Pixels: the height of a row with its words, the width of a bar, what lies between two."""
PALE = 0.45


class EffortPanel(QWidget):
    """Says when one can stop with a mask; what each slice took, also before another model wrote it, can be unfolded.

    It is not there before a slice was looked at.

    ``chosen`` carries a slice whose bar was clicked.
    """

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.sentence = line("effort")
        self.bars = EffortBars()
        self.bars.chosen.connect(self.chosen)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.sentence)
        column.addWidget(Folded("What each slice took", self.bars))
        self.hide()

    def show_effort(
        self,
        series: Sequence[SliceEffort],
        earlier: Sequence[SliceEffort],
        amount: Callable[[int], str],
        name: Callable[[int], str],
    ) -> None:
        """Show what slices took, in the order they were looked at.

        Parameters
        ----------
        series
            The slices of this mask.
        earlier
            Those of masks of the scan before it.
        amount
            Says how much some voxels are ("0.31 ml").
        name
            Names the class of a label.
        """
        self.sentence.setText(advice(series, amount, name))
        self.sentence.setVisible(bool(self.sentence.text()))
        self.bars.show_effort(series, earlier, amount)
        self.setVisible(bool(self.sentence.text() or earlier))


class EffortBars(QWidget):
    """A bar for each slice in the order they were looked at: what was changed, and beneath how long it took."""

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._series: tuple[SliceEffort, ...] = ()
        self._earlier = 0
        self._amount: Callable[[int], str] = str
        self.setFixedHeight(2 * ROW)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("What each slice took")

    def show_effort(
        self, series: Sequence[SliceEffort], earlier: Sequence[SliceEffort], amount: Callable[[int], str]
    ) -> None:
        """Show these slices, those of earlier masks first and paler."""
        self._series, self._earlier, self._amount = (*earlier, *series), len(earlier), amount
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw it (Qt calls this)."""
        if not self._series:
            return
        changed, seconds = ([effort.changed for effort in self._series], [effort.seconds for effort in self._series])
        painter = QPainter(self)
        self._draw_row(painter, 0, changed, CHANGED, f"changed, at most {self._amount(max(changed))}")
        self._draw_row(painter, ROW, seconds, SECONDS, f"time, at most {duration(max(seconds))}")
        painter.end()

    def _draw_row(self, painter: QPainter, top: int, values: Sequence[float], colour: str, words: str) -> None:
        height = painter.fontMetrics().height()
        painter.setPen(self.palette().text().color())
        painter.drawText(QRectF(0, top, self.width(), height), Qt.AlignmentFlag.AlignLeft, words)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colour))
        room, most = ROW - height - GAP, max(values) or 1
        for number, value in enumerate(values):
            tall = max(1.0, room * value / most)
            left = number * self._step
            painter.setOpacity(PALE if number < self._earlier else 1.0)
            painter.drawRect(QRectF(left, top + ROW - GAP - tall, max(1.0, self._step - GAP), tall))
        painter.setOpacity(1.0)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Choose the slice of the bar that was clicked (Qt calls this)."""
        if event is not None and (effort := self._effort_at(int(event.pos().x()))) is not None:
            self.chosen.emit(effort.z)

    def event(self, event: QEvent | None) -> bool:
        """Say of the bar under the mouse what it is (Qt calls this)."""
        if isinstance(event, QHelpEvent) and (effort := self._effort_at(int(event.pos().x()))) is not None:
            words = f"slice {effort.z}: {self._amount(effort.changed)} changed in {duration(effort.seconds)}"
            QToolTip.showText(event.globalPos(), words, self)
            return True
        return super().event(event)

    @property
    def _step(self) -> float:
        return min(WIDEST, self.width() / max(1, len(self._series)))

    def _effort_at(self, x: int) -> SliceEffort | None:
        number = int(x // self._step)
        return self._series[number] if number < len(self._series) else None
