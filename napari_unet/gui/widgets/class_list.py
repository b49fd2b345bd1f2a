"""The classes of a paint layer as a list: colour, number, name, and how much of each is painted."""

from collections.abc import Sequence

from qtpy.QtCore import QItemSelection, QModelIndex, QPoint, QSize, Qt, Signal
from qtpy.QtGui import QAction, QColor, QKeyEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHBoxLayout,
    QHeaderView,
    QMenu,
    QPushButton,
    QSizePolicy,
    QToolTip,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from napari_unet.annotation import LARGEST_CLASS, ClassInfo, PaintSummary
from napari_unet.gui.widgets.class_model import OTHER_ROWS, ClassModel, Column

FEWEST_ROWS, MOST_ROWS = 3, 9
"""How high the list is, in rows; more scroll."""


class ClassList(QWidget):
    """Lets a person see, choose, name, colour, add and remove the classes of a paint layer.

    It only shows what it is told and tells what a person did; it knows no layer, and never tells back what it
    was told. ``selected`` carries the label of the row a person chose: a class, 255 (background) or 0 (erase
    paint). ``classes_changed`` carries all classes, a tuple of ``ClassInfo`` in the order of their labels,
    after a person added, removed, renamed or coloured one.

    Parameters
    ----------
    parent
        The widget it belongs to.
    """

    selected = Signal(int)
    classes_changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._told = False
        self._model = ClassModel(self)
        self._view = _Rows(self._model, self)
        self._add = QPushButton("+ class")
        buttons = QHBoxLayout()
        buttons.addWidget(self._add)
        buttons.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self._view)
        column.addLayout(buttons)
        self._view.chosen.connect(self._tell_selected)
        self._view.adding.connect(self._add_class)
        self._view.removing.connect(self._remove_class)
        self._view.colouring.connect(self._choose_colour)
        self._view.customContextMenuRequested.connect(self._open_menu)
        self._add.clicked.connect(self._add_class)
        self._model.edited.connect(self._tell_classes)
        self._show_whether_full()

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """The classes it shows, in the order of their labels."""
        return self._model.classes

    def set_classes(self, classes: Sequence[ClassInfo]) -> None:
        """Show these classes; the chosen row stays chosen, and a name that is being typed stays when they are the same.

        Parameters
        ----------
        classes
            Labels 1 to 254, each once, in any order.
        """
        if tuple(sorted(classes, key=lambda info: info.label)) == self._model.classes:
            return
        label = self._view.label()
        self._model.set_classes(classes)
        self.set_selected(label)
        self._show_whether_full()

    def set_summary(self, summary: PaintSummary | None) -> None:
        """Show how much is painted of each class; None when that is not known."""
        self._model.set_summary(summary)
        self._show_whether_full()

    def set_selected(self, label: int | None) -> None:
        """Choose the row of a label without telling so; none when there is no such row."""
        self._told = True
        self._view.choose(label)
        self._told = False

    def _tell_selected(self, label: int) -> None:
        if not self._told:
            self.selected.emit(label)

    def _tell_classes(self) -> None:
        self._show_whether_full()
        self.classes_changed.emit(self._model.classes)

    def _show_whether_full(self) -> None:
        full = self._model.free_label() is None
        self._add.setEnabled(not full)
        self._add.setToolTip(
            f"All {LARGEST_CLASS} numbers are taken: remove a class first." if full else "Add a class (Insert)"
        )

    def _add_class(self) -> None:
        label = self._model.free_label()
        if label is not None:
            self._model.add(label)
            self._view.choose(label)
            self._view.rename(label)

    def _remove_class(self, label: int) -> None:
        reason = self._model.why_not_remove(label)
        if reason:
            QToolTip.showText(self._view.foot_of(label), reason, self._view)
            return
        row = self._model.row_of(label)
        self._model.remove(label)
        self._view.choose(self._model.label_at(row or 0))

    def _choose_colour(self, label: int) -> None:
        info = next(info for info in self.classes if info.label == label)
        dialog = QColorDialog(QColor.fromRgbF(*info.colour), self)
        dialog.setWindowTitle(f'Colour of "{info.name}"')
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.colorSelected.connect(lambda colour: self._model.change(label, colour=_fractions(colour)))
        dialog.open()

    def _open_menu(self, position: QPoint) -> None:
        index = self._view.indexAt(position)
        if index.isValid():
            self._menu(self._model.label_at(index.row())).popup(self._view.mapToGlobal(position))

    def _menu(self, label: int) -> QMenu:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.setToolTipsVisible(True)
        reason = self._model.why_not_remove(label)
        for text, action, refused in (
            ("Rename\tF2", self._view.rename, "Its name is fixed." if label in OTHER_ROWS else ""),
            ("Colour…", self._choose_colour, "Its colour is the layer's." if label in OTHER_ROWS else ""),
            ("Remove\tDel", self._remove_class, reason),
        ):
            entry = QAction(text, menu)
            menu.addAction(entry)
            entry.setEnabled(not refused)
            entry.setToolTip(refused)
            entry.triggered.connect(lambda _=False, action=action: action(label))
        return menu


def _fractions(colour: QColor) -> tuple[float, ...]:
    return tuple(round(part, 4) for part in (colour.redF(), colour.greenF(), colour.blueF()))


class _Rows(QTreeView):
    """The rows on the screen, and what keys and clicks in them mean; every signal but ``adding`` carries a label."""

    chosen = Signal(int)
    adding = Signal()
    removing = Signal(int)
    colouring = Signal(int)

    def __init__(self, model: ClassModel, parent: QWidget) -> None:
        super().__init__(parent)
        self._rows = model
        self.setModel(model)
        self.setRootIsDecorated(False)
        self.setIndentation(0)
        self.setUniformRowHeights(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("classes")
        header = QHeaderView(Qt.Orientation.Horizontal, self)
        self.setHeader(header)
        header.setMinimumSectionSize(0)
        header.setStretchLastSection(False)
        for column in Column:
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(Column.NAME, QHeaderView.ResizeMode.Stretch)
        self.setHeaderHidden(True)
        self.clicked.connect(self._click)
        model.modelReset.connect(self.updateGeometry)

    def label(self) -> int | None:
        """Give the label of the chosen row."""
        chosen = self.selectedIndexes()
        return self._rows.label_at(chosen[0].row()) if chosen else None

    def choose(self, label: int | None) -> None:
        """Choose the row of a label, or none."""
        row = None if label is None else self._rows.row_of(label)
        if row is None:
            self.clearSelection()
            return
        self.setCurrentIndex(self._rows.index(row, Column.NAME))

    def rename(self, label: int) -> None:
        """Open the editor of a class's name."""
        row = self._rows.row_of(label)
        index = self._rows.index(-1 if row is None else row, Column.NAME)
        if self._rows.flags(index) & Qt.ItemFlag.ItemIsEditable:
            self.edit(index)

    def foot_of(self, label: int) -> QPoint:
        """Give the place on the screen just below a row."""
        rectangle = self.visualRect(self._rows.index(self._rows.row_of(label) or 0, Column.NAME))
        return self.mapToGlobal(rectangle.bottomLeft())

    def selectionChanged(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        """Tell which row is chosen (Qt calls this)."""
        super().selectionChanged(selected, deselected)
        if selected.indexes():
            self.chosen.emit(self._rows.label_at(selected.indexes()[0].row()))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Insert adds, Delete removes, F2 renames (Qt calls this)."""
        if event is None:
            return
        label = self.label()
        if event.key() == Qt.Key.Key_Insert:
            self.adding.emit()
        elif event.key() == Qt.Key.Key_Delete and label is not None:
            self.removing.emit(label)
        elif event.key() == Qt.Key.Key_F2 and label is not None:
            self.rename(label)
        else:
            super().keyPressEvent(event)

    def sizeHint(self) -> QSize:
        """Be as high as the rows, up to a limit (Qt asks)."""
        rows = min(max(self._rows.rowCount(), FEWEST_ROWS), MOST_ROWS)
        return QSize(super().sizeHint().width(), rows * self.sizeHintForRow(0) + 2 * self.frameWidth())

    def minimumSizeHint(self) -> QSize:
        """Never be lower than that (Qt asks)."""
        return QSize(0, self.sizeHint().height())

    def _click(self, index: QModelIndex) -> None:
        label = self._rows.label_at(index.row())
        if index.column() == Column.COLOUR and label not in OTHER_ROWS:
            self.colouring.emit(label)
