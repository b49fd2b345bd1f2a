"""A strip with a mark for every slice: how far each is, and which one is in view."""

from collections.abc import Callable, Sequence

from qtpy.QtCore import QEvent, QSize, Qt, Signal
from qtpy.QtGui import QColor, QHelpEvent, QMouseEvent, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_unet.review.corrections import SliceState

COLOURS = {
    SliceState.PREDICTED: "#5a626c",
    SliceState.LOOKED_AT: "#a7afb8",
    SliceState.PAINTED: "#8fb4dd",
    SliceState.CORRECTED: "#e69f00",
    SliceState.REVIEWED: "#2bb07f",
}
"""Told apart by people who do not see red and green (after Okabe and Ito)."""
HEIGHT, MARKER = 22, 4


def legend() -> str:
    """Say in rich text which colour is which."""
    return " &nbsp; ".join(
        f'<span style="color: {colour};">\N{BLACK SQUARE}</span>&nbsp;{state.value.replace(" ", "&nbsp;")}'
        for state, colour in COLOURS.items()
    )


class SliceStrip(QWidget):
    """All slices of a mask from first to last; a click, or an arrow key, chooses one."""

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._states: tuple[SliceState, ...] = ()
        self._current = 0
        self.describe: Callable[[int], str] = str
        """Says of a slice what is known of it."""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Slices")

    def show_states(self, states: Sequence[SliceState]) -> None:
        """Show the slices."""
        self._states = tuple(states)
        self.update()

    def show_current(self, z: int) -> None:
        """Mark the slice in view."""
        self._current = z
        self.update()

    def sizeHint(self) -> QSize:
        """Give its size (Qt calls this)."""
        return QSize(200, HEIGHT)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw it (Qt calls this)."""
        painter = QPainter(self)
        painter.setPen(Qt.PenStyle.NoPen)
        for z, state in enumerate(self._states):
            left, right = self._column(z), self._column(z + 1)
            gap = 1 if right - left > 3 else 0
            painter.setBrush(QColor(COLOURS[state]))
            painter.drawRect(left, MARKER, max(1, right - left - gap), self.height() - 2 * MARKER)
        if self._states:
            middle = (self._column(self._current) + self._column(self._current + 1)) // 2
            painter.setBrush(self.palette().text())
            for y in (0, self.height() - MARKER + 1):
                painter.drawRect(middle - 2, y, 4, MARKER - 1)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Choose the slice that was clicked (Qt calls this)."""
        if event is not None and self._states:
            self.chosen.emit(self._slice_at(int(event.pos().x())))

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Choose the slices the mouse is drawn over (Qt calls this)."""
        self.mousePressEvent(event)

    def keyPressEvent(self, event: object) -> None:
        """Choose the slice before or after (Qt calls this)."""
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(event.key(), 0)  # type: ignore[attr-defined]
        if step and self._states:
            self.chosen.emit(min(max(self._current + step, 0), len(self._states) - 1))

    def event(self, event: QEvent | None) -> bool:
        """Say of the slice under the mouse what is known of it (Qt calls this)."""
        if isinstance(event, QHelpEvent) and self._states:
            QToolTip.showText(event.globalPos(), self.describe(self._slice_at(int(event.pos().x()))), self)
            return True
        return super().event(event)

    def _column(self, z: int) -> int:
        return round(z * self.width() / max(1, len(self._states)))

    def _slice_at(self, x: int) -> int:
        return min(max(x * len(self._states) // max(1, self.width()), 0), len(self._states) - 1)
