"""What a new model gained and lost, slice by slice, and the choice between it and the one from before."""

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_unet.gui.work.learning_again import LearningAgain

COLUMNS = ("Dice on", "before", "now", "")
HEIGHT = 150
GAINED, LOST = "gained", "lost"


class ComparisonPanel(QWidget):
    """A table with a line for each slice, those first that lost most, and two buttons: Keep, Go back.

    ``chosen`` carries the layer and the slice of a line that was clicked.

    Parameters
    ----------
    learning
        What there is to choose between.
    """

    chosen = Signal(object, int)

    def __init__(self, learning: LearningAgain) -> None:
        super().__init__()
        self._learning = learning
        self.table = QTreeWidget()
        self.table.setHeaderLabels(COLUMNS)
        self.table.setAccessibleName("What was gained and lost")
        self.table.setIndentation(10)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        header = self.table.header()
        assert header is not None
        header.setStretchLastSection(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.keep_button = QPushButton("Keep the new model")
        self.keep_button.setToolTip("Predictions use it from now on; the one from before stays in the list of models")
        self.back_button = QPushButton("Go back")
        self.back_button.setToolTip("Shows the mask from before, whose model stays chosen; the new mask is hidden")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        buttons = QHBoxLayout()
        buttons.addWidget(self.keep_button)
        buttons.addWidget(self.back_button)
        column.addLayout(buttons)
        column.addWidget(self.table)
        self.keep_button.clicked.connect(learning.keep)
        self.back_button.clicked.connect(learning.go_back)
        self.table.itemClicked.connect(self._choose)
        self.table.itemActivated.connect(self._choose)
        for unfolded in (self.table.itemExpanded, self.table.itemCollapsed):
            unfolded.connect(self._fit)
        learning.ended.connect(self.refill)
        learning.choice_changed.connect(self.refill)
        self.refill()

    def disconnect_learning(self) -> None:
        """Stop to follow what outlives this panel."""
        self._learning.ended.disconnect(self.refill)
        self._learning.choice_changed.disconnect(self.refill)

    def refill(self, ending: object = None) -> None:
        """Show what there is to choose between; nothing hides the panel."""
        choice = self._learning.choice
        self.setVisible(choice is not None)
        self.table.clear()
        if choice is None:
            return
        for number, compared in enumerate(choice.compared):
            ground = compared.ground
            top = QTreeWidgetItem(self.table, _cells(ground.what, ground.before, ground.now))
            top.setToolTip(0, ground.sentence())
            for z in ground.slices:
                word = GAINED if z in ground.gained else LOST if z in ground.lost else ""
                line = QTreeWidgetItem(top, [*_cells(f"slice {z}", *ground.dice[z]), word])
                line.setData(0, Qt.ItemDataRole.UserRole, (number, z))
            top.setExpanded(number == 0)
        self.table.setVisible(bool(choice.compared))
        self._fit()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Fit the table anew: only now its lines are as high as the theme has them (Qt calls this)."""
        super().showEvent(event)
        self._fit()

    def _fit(self, unfolded: QTreeWidgetItem | None = None) -> None:
        """Let the table be as high as its lines are together, as far as there is room."""
        header, line = self.table.header(), self.table.topLevelItem(0)
        assert header is not None
        height = header.sizeHint().height() + 2 * self.table.frameWidth()
        while line is not None:
            height += self.table.visualItemRect(line).height()
            line = self.table.itemBelow(line)
        self.table.setFixedHeight(min(HEIGHT, height))

    def _choose(self, line: QTreeWidgetItem, column: int) -> None:
        where, choice = line.data(0, Qt.ItemDataRole.UserRole), self._learning.choice
        if where is not None and choice is not None:
            number, z = where
            self.chosen.emit(choice.compared[number].layer, z)


def _cells(what: str, before: float, now: float) -> list[str]:
    return [what, f"{before:.3f}", f"{now:.3f}"]
