"""Choosing one of several things to read: the series of a DICOM folder, the arrays of a file."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_unet.io.questions import Several

COLUMNS = ("Number", "Description", "Images", "Size")


class SeriesDialog(QDialog):
    """A table of what there is, the largest chosen; nothing in it tells who the patient is.

    Parameters
    ----------
    question
        What there is to choose from.
    what
        The file or folder.
    parent
        The window.
    """

    def __init__(self, question: Several, what: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._choices = question.choices
        self.setWindowTitle(f"Open {what}")
        self.table = QTableWidget(len(self._choices), len(COLUMNS))
        self.table.setHorizontalHeaderLabels(COLUMNS)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        rows, columns = self.table.verticalHeader(), self.table.horizontalHeader()
        if rows is not None and columns is not None:
            rows.hide()
            columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            columns.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        for row, choice in enumerate(self._choices):
            for column, text in enumerate((choice.number, choice.description, str(choice.images), choice.size)):
                item = QTableWidgetItem(text)
                if column == 2:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.table.setItem(row, column, item)
        self.table.selectRow(max(range(len(self._choices)), key=lambda row: self._choices[row].images))
        self.table.itemDoubleClicked.connect(self.accept)
        self.buttons = QDialogButtonBox()
        for button in (QDialogButtonBox.StandardButton.Open, QDialogButtonBox.StandardButton.Cancel):
            self.buttons.addButton(button)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(QLabel(f"Which of these in {what} should be opened?"))
        layout.addWidget(self.table)
        layout.addWidget(self.buttons)
        self.resize(640, 320)

    @property
    def chosen(self) -> str | None:
        """The key of the chosen row; None when there is none."""
        row = self.table.currentRow()
        return self._choices[row].key if row >= 0 else None

    @classmethod
    def ask(cls, question: Several, what: str, parent: QWidget | None = None) -> str | None:
        """Show the dialog and give the key of what was chosen; None when it was cancelled."""
        dialog = cls(question, what, parent)
        try:
            return dialog.chosen if dialog.exec() == cls.DialogCode.Accepted else None
        finally:
            dialog.deleteLater()
