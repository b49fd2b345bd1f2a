"""The ordered steps of a refinement as a list: a switch, its parameters, up, down and away."""

from functools import partial
from typing import get_args

from qtpy.QtCore import Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QMenu, QToolButton, QVBoxLayout, QWidget

from napari_unet.config import RefineConfig, RefineStep
from napari_unet.gui.forms import ConfigForm

STEP_KINDS: tuple[type[RefineStep], ...] = get_args(get_args(RefineStep)[0])


def step_title(kind: type[RefineStep]) -> str:
    """Name a kind of step in words ("Remove small")."""
    words = str(kind.model_fields["kind"].default).replace("-", " ")
    return words[0].upper() + words[1:]


class _StepRow(QWidget):
    changed = Signal()
    moved = Signal(int)
    removed = Signal()

    def __init__(self, step: RefineStep) -> None:
        super().__init__()
        self._form: ConfigForm[RefineStep] = ConfigForm(step, exclude={"enabled"})
        self._switch = QCheckBox(step_title(type(step)))
        self._switch.setChecked(step.enabled)
        self._switch.setToolTip(type(step).__doc__ or "")
        head = QHBoxLayout()
        head.addWidget(self._switch, 1)
        for text, tip, slot in (
            ("▲", "Do it earlier", partial(self.moved.emit, -1)),
            ("▼", "Do it later", partial(self.moved.emit, 1)),
            ("✕", "Remove this step", self.removed.emit),
        ):
            button = QToolButton()
            button.setText(text)
            button.setToolTip(tip)
            button.clicked.connect(slot)
            head.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(head)
        column.addWidget(self._form)
        self._form.setVisible(step.enabled)
        self._form.setContentsMargins(20, 0, 0, 0)
        self._switch.toggled.connect(self._toggle)
        self._form.changed.connect(self.changed)

    @property
    def step(self) -> RefineStep:
        """The step as it is chosen."""
        return self._form.value().model_copy(update={"enabled": self._switch.isChecked()})

    def _toggle(self, on: bool) -> None:
        self._form.setVisible(on)
        self.changed.emit()


class StepList(QWidget):
    """Lets a person order, switch and set the steps of a refinement.

    ``changed`` carries the new ``RefineConfig``.

    Parameters
    ----------
    config
        What to show first.
    """

    changed = Signal(object)

    def __init__(self, config: RefineConfig, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[_StepRow] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        add = QToolButton()
        add.setText("+ step")
        add.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._menu = QMenu(add)
        for kind in STEP_KINDS:
            action = QAction(step_title(kind), self._menu)
            action.setData(kind)
            self._menu.addAction(action)
        self._menu.triggered.connect(self._add_from_menu)
        add.setMenu(self._menu)
        self._column.addWidget(add)
        for step in config.steps:
            self._insert(step)

    @property
    def config(self) -> RefineConfig:
        """The steps as they are chosen."""
        return RefineConfig(steps=tuple(row.step for row in self._rows))

    def add(self, step: RefineStep) -> None:
        """Add a step at the end."""
        self._insert(step)
        self._tell()

    def _add_from_menu(self, action: QAction) -> None:
        self.add(action.data()())

    def _insert(self, step: RefineStep) -> None:
        row = _StepRow(step)
        self._rows.append(row)
        self._column.insertWidget(len(self._rows) - 1, row)
        row.changed.connect(self._tell)
        row.moved.connect(self._move)
        row.removed.connect(self._remove)

    def _move(self, by: int) -> None:
        row = self.sender()
        if not isinstance(row, _StepRow):
            return
        place = max(0, min(len(self._rows) - 1, self._rows.index(row) + by))
        self._rows.remove(row)
        self._rows.insert(place, row)
        self._column.removeWidget(row)
        self._column.insertWidget(place, row)
        self._tell()

    def _remove(self) -> None:
        row = self.sender()
        if isinstance(row, _StepRow):
            self._rows.remove(row)
            self._column.removeWidget(row)
            row.deleteLater()
            self._tell()

    def _tell(self) -> None:
        self.changed.emit(self.config)
