"""What strokes have to obey, as controls: protected classes, a range of intensities, what the eraser writes."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QPixmap
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QListWidget, QListWidgetItem, QWidget

from napari_unet.annotation import ClassInfo
from napari_unet.gui.docks.dock import line
from napari_unet.gui.layers.strokes import Rules
from napari_unet.gui.widgets.choosers import ComboBox
from napari_unet.gui.widgets.controls import DecimalBox, Range

OTHERS_KEY, ALIKE_KEY, ERASER_KEY = "O", "W", "Shift-E"
SWATCH = 12
TICKED_ROWS = 5
"""So many classes are in view at once, in the list of those to protect."""
USUAL_SPREAD = 2.5
NO_SCAN = "No scan lies beneath this layer: open the scan that it belongs to."
REFUSED = "Nothing was painted: it is protected there, or the intensity is out of range."
"""A stroke came to nothing."""


class Protect(StrEnum):
    """What does not change, in words."""

    NOTHING = "nothing"
    OTHERS = "all but the selected"
    TICKED = "the ticked classes"


class Within(StrEnum):
    """Which intensities are painted on, in words."""

    ANY = "any"
    ALIKE = "like where it begins"
    RANGE = "a range"


class StrokeRulesPanel(QWidget):
    """Lets a person choose what strokes have to obey; ``changed`` comes when that changes."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ticked: set[int] = set()
        self.protect, self.within, self.eraser = ComboBox(), ComboBox(), ComboBox()
        self.protect.addItems([choice.value for choice in Protect])
        self.protect.setToolTip("What strokes and clicks do not change, on top of what napari itself preserves")
        self.within.addItems([choice.value for choice in Within])
        self.classes = QListWidget()
        self.classes.setAccessibleName("protected classes")
        self.spread = DecimalBox(Range(0.5, 20, 0.5, "SD"))
        self.spread.set_value(USUAL_SPREAD)
        self.spread.setToolTip("How far from it, in standard deviations of the scan under the first dab: 1 to 5")
        self.lowest, self.highest = (DecimalBox(Range(-1e9, 1e9, 10, "")) for _ in range(2))
        self.last, self.refused = line("last stroke"), line("refused")
        self.refused.setText(REFUSED)
        self._lay_out()
        for box in (self.protect, self.within, self.eraser):
            box.currentIndexChanged.connect(self._tell)
        for number in (self.spread, self.lowest, self.highest):
            number.changed.connect(self._tell)
        self.classes.itemChanged.connect(self._take_tick)
        self._tell()

    def _lay_out(self) -> None:
        self._range, self._alike = QWidget(), QWidget()
        for widget, parts in (
            (self._range, (QLabel("from"), self.lowest, QLabel("to"), self.highest)),
            (self._alike, (QLabel("within"), self.spread)),
        ):
            row = QHBoxLayout(widget)
            row.setContentsMargins(0, 0, 0, 0)
            for each in parts:
                row.addWidget(each)
        grid = QGridLayout(self)  # unlike a form, it closes the gap where a row is hidden
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        for number, (words, widget) in enumerate(
            (
                (f"Protect ({OTHERS_KEY})", self.protect),
                ("", self.classes),
                (f"Within ({ALIKE_KEY})", self.within),
                ("", self._alike),
                ("", self._range),
                ("", self.last),
                ("", self.refused),
                (f"Eraser ({ERASER_KEY.replace('-', '+')})", self.eraser),
            )
        ):
            if words:
                grid.addWidget(QLabel(words), number, 0)
            grid.addWidget(widget, number, int(bool(words)), 1, -1)

    @property
    def rules(self) -> Rules:
        """What is chosen."""
        protect, within = Protect(self.protect.currentText()), Within(self.within.currentText())
        eraser = self.eraser.currentData()
        return Rules(
            protected=frozenset(self._ticked) if protect is Protect.TICKED else frozenset(),
            others=protect is Protect.OTHERS,
            within=(self.lowest.value(), self.highest.value()) if within is Within.RANGE else None,
            spread=self.spread.value() if within is Within.ALIKE else None,
            eraser=0 if eraser is None else eraser,
        )

    def show_classes(self, classes: Sequence[ClassInfo]) -> None:
        """Offer these classes to be protected; ticks stay."""
        self.classes.blockSignals(True)
        self.classes.clear()
        for info in classes:
            item = QListWidgetItem(info.name)
            swatch = QPixmap(SWATCH, SWATCH)
            swatch.fill(QColor.fromRgbF(*info.colour))
            item.setData(Qt.ItemDataRole.DecorationRole, swatch)
            item.setData(Qt.ItemDataRole.UserRole, info.label)
            ticked = info.label in self._ticked
            item.setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)
            self.classes.addItem(item)
        self.classes.blockSignals(False)
        height = max(1, self.classes.sizeHintForRow(0)) * min(TICKED_ROWS, max(1, len(classes)))
        self.classes.setFixedHeight(height + 2 * self.classes.frameWidth())

    def show_erasers(self, erasers: Mapping[str, int]) -> None:
        """Offer what the eraser may write: words, and the label; the choice stays where it can."""
        chosen = self.eraser.currentData()
        self.eraser.blockSignals(True)
        self.eraser.clear()
        for words, label in erasers.items():
            self.eraser.addItem(words, label)
        self.eraser.setCurrentIndex(max(0, self.eraser.findData(chosen)))
        self.eraser.setEnabled(len(erasers) > 1)
        self.eraser.blockSignals(False)
        self._tell()

    def show_scan(self, name: str, limits: tuple[float, float]) -> None:
        """Say whose intensities count, and offer ``limits`` to begin with; a name of "" means that there are none."""
        self.within.setEnabled(bool(name))
        self.within.setToolTip(
            f'Intensities of "{name}", its first channel, that strokes paint on' if name else NO_SCAN
        )
        if not name:
            self.within.setCurrentText(Within.ANY)
        elif self.lowest.value() == self.highest.value() == 0:
            self.lowest.set_value(limits[0])
            self.highest.set_value(limits[1])

    def show_measured(self, lowest: float, highest: float) -> None:
        """Say which intensities the last stroke painted on."""
        self.last.setText(f"last stroke: {lowest:.5g} to {highest:.5g}")
        self.last.show()

    def show_refused(self, refused: bool) -> None:
        """Say that nothing came of the last stroke, or that something did."""
        self.refused.setVisible(refused)

    def toggle_others(self) -> None:
        """Protect all but the selected class, or nothing."""
        others = self.protect.currentText() == Protect.OTHERS
        self.protect.setCurrentText(Protect.NOTHING if others else Protect.OTHERS)

    def toggle_alike(self) -> None:
        """Paint on what is like where the stroke begins, or on any intensity."""
        if self.within.isEnabled():
            alike = self.within.currentText() == Within.ALIKE
            self.within.setCurrentText(Within.ANY if alike else Within.ALIKE)

    def next_eraser(self) -> None:
        """Let the eraser write the next thing it may."""
        self.eraser.setCurrentIndex((self.eraser.currentIndex() + 1) % max(1, self.eraser.count()))

    def _take_tick(self, item: QListWidgetItem) -> None:
        label = int(item.data(Qt.ItemDataRole.UserRole))
        if item.checkState() == Qt.CheckState.Checked:
            self._ticked.add(label)
        else:
            self._ticked.discard(label)
        self._tell()

    def _tell(self) -> None:
        within = Within(self.within.currentText())
        self.classes.setVisible(self.protect.currentText() == Protect.TICKED)
        self._alike.setVisible(within is Within.ALIKE)
        self._range.setVisible(within is Within.RANGE)
        self.last.setVisible(within is Within.ALIKE and bool(self.last.text()))
        self.refused.hide()
        self.changed.emit()
