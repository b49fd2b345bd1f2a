"""The scans of a project: which there are, and how far the work on each is."""

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from napari_unet.keeping.project import ProjectScan, ScanState

TIP = "Double click: show this scan with its layers, and hide the others. The box: done."


class ScanTable(QTreeWidget):
    """A row for each scan: a box to tick it off, its name, its state."""

    opened = Signal(int)
    """A scan is to be shown: its number."""
    ticked = Signal(int, bool)
    """A scan was ticked off, or that was taken back."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setHeaderLabels(["Scan", "State"])
        self.setRootIsDecorated(False)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setToolTip(TIP)
        if (header := self.header()) is not None:
            header.setStretchLastSection(False)
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
            header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.itemActivated.connect(self._open)
        self.itemChanged.connect(self._tick)

    @property
    def chosen(self) -> int | None:
        """The number of the scan that is selected."""
        item = self.currentItem()
        return None if item is None else self.indexOfTopLevelItem(item)

    def show_scans(self, scans: Sequence[tuple[ProjectScan, ScanState]], shown: int) -> None:
        """Show these; the one in view in bold. What is selected stays selected."""
        chosen = self.chosen
        self.blockSignals(True)
        while self.topLevelItemCount() > len(scans):
            self.takeTopLevelItem(len(scans))
        for number, (scan, state) in enumerate(scans):
            item = self.topLevelItem(number) or QTreeWidgetItem(self)
            item.setText(0, scan.name)
            item.setToolTip(0, f"{' / '.join(scan.origin)}\n{TIP}")
            item.setText(1, state.value)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(0, Qt.CheckState.Checked if state is ScanState.DONE else Qt.CheckState.Unchecked)
            font = item.font(0)
            font.setBold(number == shown)
            item.setFont(0, font)
        if chosen is None and scans:
            self.setCurrentItem(self.topLevelItem(min(shown, len(scans) - 1)))
        self.blockSignals(False)

    def _open(self, item: QTreeWidgetItem) -> None:
        self.opened.emit(self.indexOfTopLevelItem(item))

    def _tick(self, item: QTreeWidgetItem) -> None:
        self.ticked.emit(self.indexOfTopLevelItem(item), item.checkState(0) == Qt.CheckState.Checked)
