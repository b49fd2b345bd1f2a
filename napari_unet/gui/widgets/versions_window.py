"""All models of a window: when they learned, from what, how good they are; to choose one, or to clear some."""

from datetime import datetime

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_unet.gui.work.workspace import Workspace
from napari_unet.review.effort import duration
from napari_unet.session import TrainedModel

COLUMNS = ("Model", "When", "Learned from", "Dice")
ABOUT = "Every version stays until you clear it. Clearing removes no file that you opened or saved yourself."


class VersionsWindow(QDialog):
    """A table of the models, newest first, the chosen one in bold.

    Parameters
    ----------
    workspace
        Whose models they are.
    parent
        The dock it belongs to.
    """

    def __init__(self, workspace: Workspace, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Versions of models")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._workspace = workspace
        self._session = workspace.session
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setHorizontalHeaderLabels(COLUMNS)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        header = self.table.horizontalHeader()
        assert header is not None
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        about = QLabel(ABOUT)
        about.setWordWrap(True)
        self.use_button = QPushButton("Use this one")
        self.clear_button = QPushButton("Clear")
        column = QVBoxLayout(self)
        column.addWidget(self.table)
        column.addWidget(about)
        buttons = QHBoxLayout()
        buttons.addWidget(self.use_button)
        buttons.addWidget(self.clear_button)
        column.addLayout(buttons)
        self.resize(640, 320)
        self.table.itemSelectionChanged.connect(self._show_buttons)
        self.use_button.clicked.connect(self._use)
        self.clear_button.clicked.connect(self._clear)
        self._session.changed.connect(self._refill)
        self._session.models_changed.connect(self._refill)
        self.finished.connect(self._leave)
        self._models: tuple[TrainedModel, ...] = ()
        self._refill()

    def _leave(self) -> None:
        self._session.changed.disconnect(self._refill, missing_ok=True)
        self._session.models_changed.disconnect(self._refill, missing_ok=True)

    def _refill(self, state: object = None) -> None:
        chosen = self._chosen()
        self._models = self._session.models
        self.table.setRowCount(len(self._models))
        for row, model in enumerate(self._models):
            for column, words in enumerate(_words(model, self._workspace.learning_again.measured.get(model.path))):
                item = QTableWidgetItem(words)
                font = item.font()
                font.setBold(model == self._session.state.model)
                item.setFont(font)
                item.setToolTip(model.description.sentence())
                self.table.setItem(row, column, item)
            if model in chosen:
                self.table.selectRow(row)
        self._show_buttons()

    def _chosen(self) -> list[TrainedModel]:
        selected = self.table.selectionModel()
        rows = [] if selected is None else [index.row() for index in selected.selectedRows()]
        return [self._models[row] for row in rows if row < len(self._models)]

    def _show_buttons(self) -> None:
        chosen = self._chosen()
        choice = self._workspace.learning_again.choice
        compared = () if choice is None else (choice.model_before, choice.model_after)
        reason = "" if chosen else "Click on a model first"
        busy = "Something is running: wait for it or cancel it first" if self._session.state.running else ""
        undecided = any(model in compared for model in chosen)
        choose = "Keep the new model or go back first, in the Review dock" if undecided else ""
        for button, why in (
            (self.use_button, reason or ("Choose one model" if len(chosen) > 1 else "")),
            (self.clear_button, reason or busy or choose),
        ):
            button.setEnabled(not why)
            button.setToolTip(why)

    def _use(self) -> None:
        self._session.update(model=self._chosen()[0])

    def _clear(self) -> None:
        for model in self._chosen():
            self._workspace.keeper.clear_model(model)


def _words(model: TrainedModel, on_reviewed: float | None) -> tuple[str, ...]:
    """Say of a model what the table tells of it; its Dice is that on paint that was held out, or on reviewed slices."""
    learned = model.description.learned_from
    when = datetime.fromtimestamp(model.path.stat().st_mtime).strftime("%d %b, %H:%M") if model.path.exists() else "–"
    slices = f"{learned.slices} slice{'s' * (learned.slices != 1)}"
    dice = "–" if on_reviewed is None else f"{on_reviewed:.2f} (reviewed slices)"
    if learned.validation_dice is not None:
        dice = f"{learned.validation_dice:.2f} ({'little ' * learned.measured_on_little}held-out paint)"
    return model.name, when, f"{slices}, in {duration(learned.seconds)}", dice
