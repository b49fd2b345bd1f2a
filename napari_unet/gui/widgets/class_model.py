"""The rows of the class list: what each cell shows, and what changes when a person edits one."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt, Signal
from qtpy.QtGui import QBrush, QColor, QIcon, QPainter, QPixmap

from napari_unet.annotation import (
    BACKGROUND,
    FEW_VOXELS,
    LARGEST_CLASS,
    UNPAINTED,
    ClassInfo,
    PaintSummary,
    new_class,
)

SWATCH = 14
"""Side of a colour in pixels."""
GREY = QColor(128, 128, 128)
"""Seen on dark and on light."""
AMBER = QColor(208, 135, 0)
"""Warns, on dark and on light."""
OTHER_ROWS = {BACKGROUND: "background (G)", UNPAINTED: "erase paint (E)"}
"""What one can paint with besides classes, and its words; these rows come last."""


class Column(IntEnum):
    """What stands in a column."""

    COLOUR = 0
    NUMBER = 1
    NAME = 2
    PAINTED = 3


def painted_words(slices: int, voxels: int, *, few: bool) -> str:
    """Say how much is painted ("12 slices, 3,410 voxels"); from a million on, in millions."""
    count = f"{voxels / 1e6:.1f} M" if voxels >= 1_000_000 else f"{voxels:,}"
    slice_word, voxel_word = "slice" if slices == 1 else "slices", "voxel" if voxels == 1 else "voxels"
    return f"{slices:,} {slice_word}, {'only ' if few else ''}{count} {voxel_word}"


class ClassModel(QAbstractTableModel):
    """The classes, ascending, then background and the eraser; ``edited`` when a person changed a class."""

    edited = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._infos: dict[int, ClassInfo] = {}
        self._labels: tuple[int, ...] = tuple(OTHER_ROWS)
        self._summary: PaintSummary | None = None

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """The classes, ascending."""
        return tuple(self._infos.values())

    def set_classes(self, classes: Sequence[ClassInfo]) -> None:
        """Show these classes, in the order of their labels."""
        self.beginResetModel()
        self._infos = {info.label: info for info in sorted(classes, key=lambda info: info.label)}
        self._labels = (*self._infos, *OTHER_ROWS)
        self.endResetModel()

    def set_summary(self, summary: PaintSummary | None) -> None:
        """Show how much is painted; None when that is not known."""
        self._summary = summary
        # Only this column: a name that is being typed would be reset.
        self.dataChanged.emit(self.index(0, Column.PAINTED), self.index(self.rowCount() - 1, Column.PAINTED))

    def label_at(self, row: int) -> int:
        """Give the label that a row paints with."""
        return self._labels[row]

    def row_of(self, label: int) -> int | None:
        """Give the row of a label; None when it has none."""
        return self._labels.index(label) if label in self._labels else None

    def free_label(self) -> int | None:
        """Give the smallest number that is neither a class nor painted; None when all are taken."""
        taken = self._infos.keys() | set(self._summary.labels if self._summary else ())
        return next((label for label in range(1, LARGEST_CLASS + 1) if label not in taken), None)

    def add(self, label: int) -> None:
        """Add a class with a default name and colour."""
        self.set_classes((*self.classes, new_class(label)))
        self.edited.emit()

    def why_not_remove(self, label: int) -> str:
        """Say why a row cannot be removed; empty when it can."""
        if label in OTHER_ROWS:
            return "Background and the eraser cannot be removed."
        if self._summary is None:
            return "The paint is still being counted: try again in a moment."
        if self._summary.voxels.get(label):
            return f'"{self._infos[label].name}" has paint: erase it first, then remove the class.'
        return ""

    def remove(self, label: int) -> None:
        """Remove a class."""
        self.set_classes([info for info in self.classes if info.label != label])
        self.edited.emit()

    def change(self, label: int, **changes: Any) -> None:
        """Change the ``name`` or ``colour`` of a class; nothing happens when it has them already."""
        info = self._infos[label]
        changed = ClassInfo.model_validate(info.model_dump() | changes)
        if changed == info:
            return
        self._infos[label] = changed
        row = self._labels.index(label)
        self.dataChanged.emit(self.index(row, Column.COLOUR), self.index(row, Column.PAINTED))
        self.edited.emit()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Count the rows (Qt asks)."""
        return 0 if parent is not None and parent.isValid() else len(self._labels)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Count the columns (Qt asks)."""
        return 0 if parent is not None and parent.isValid() else len(Column)

    def flags(self, index: QModelIndex) -> Any:
        """Let the names of classes be edited (Qt asks)."""
        flags: Any = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        if index.column() == Column.NAME and self.label_at(index.row()) not in OTHER_ROWS:
            flags |= Qt.ItemFlag.ItemIsEditable
        return flags

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Give what a cell shows (Qt asks)."""
        if not index.isValid():
            return None
        label, column = self.label_at(index.row()), Column(index.column())
        if role == Qt.ItemDataRole.DisplayRole or (role == Qt.ItemDataRole.EditRole and column is Column.NAME):
            return self._text(label, column)
        if role == Qt.ItemDataRole.DecorationRole and column is Column.COLOUR:
            return self._swatch(label)
        if role == Qt.ItemDataRole.ForegroundRole and column is Column.PAINTED and self._has_little(label):
            return QBrush(AMBER)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tooltip(label, column)
        return None

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Take a new name (Qt calls this); an empty one leaves the old."""
        name = str(value).strip()
        if role != Qt.ItemDataRole.EditRole or index.column() != Column.NAME or not name:
            return False
        self.change(self.label_at(index.row()), name=name)
        return True

    def _text(self, label: int, column: Column) -> str:
        if column is Column.NUMBER:
            return "" if label in OTHER_ROWS else str(label)
        if column is Column.NAME:
            return OTHER_ROWS.get(label) or self._infos[label].name
        return self._painted(label) if column is Column.PAINTED else ""

    def _painted(self, label: int) -> str:
        if self._summary is None or not self._summary.voxels.get(label):
            return ""
        return painted_words(self._summary.slices_of[label], self._summary.voxels[label], few=self._has_little(label))

    def _has_little(self, label: int) -> bool:
        """Tell whether a class has some paint, but too little to learn from."""
        if label in OTHER_ROWS or self._summary is None:
            return False
        return 0 < self._summary.voxels.get(label, 0) < FEW_VOXELS

    def _tooltip(self, label: int, column: Column) -> str:
        if column is Column.COLOUR and label not in OTHER_ROWS:
            return "Click to choose another colour"
        if self._has_little(label):
            return "Too little to learn from: paint more of it, on more than one slice."
        return ": ".join(filter(None, (self._text(label, Column.NAME), self._painted(label))))

    def _swatch(self, label: int) -> QIcon:
        swatch = QPixmap(SWATCH, SWATCH)
        swatch.fill(Qt.GlobalColor.transparent)
        painter = QPainter(swatch)
        if label == BACKGROUND:
            painter.setBrush(QBrush(GREY, Qt.BrushStyle.BDiagPattern))
        elif label != UNPAINTED:
            painter.setBrush(QColor.fromRgbF(*self._infos[label].colour))
        painter.setPen(GREY)
        painter.drawRect(0, 0, SWATCH - 1, SWATCH - 1)
        painter.end()
        icon = QIcon(swatch)
        icon.addPixmap(swatch, QIcon.Mode.Selected)  # else Qt tints it in the chosen row
        return icon
