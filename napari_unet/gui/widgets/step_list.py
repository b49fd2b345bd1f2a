"""The ordered steps of a refinement as a list: a grip to drag, a switch, its parameters, up, down and away."""

from functools import partial
from typing import get_args

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QAction, QMouseEvent
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QMenu, QToolButton, QVBoxLayout, QWidget
from superqt import QElidingLabel

from napari_unet.config import RefineConfig, RefineStep
from napari_unet.errors import BadInput
from napari_unet.gui.widgets.forms import ConfigForm
from napari_unet.gui.widgets.menu_button import MenuButton
from napari_unet.gui.widgets.step_words import step_summary, step_title

STEP_KINDS: tuple[type[RefineStep], ...] = get_args(get_args(RefineStep)[0])


class _Grip(QLabel):
    """What a row is dragged by; ``dragged`` carries the height of the mouse on the screen."""

    dragged = Signal(int)
    dropped = Signal()

    def __init__(self) -> None:
        super().__init__("≡")
        self.setToolTip("Drag to do this step earlier or later")
        self.setCursor(Qt.CursorShape.SizeVerCursor)
        self.setContentsMargins(2, 0, 2, 0)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Take the mouse (Qt calls this): what is not accepted goes to the widget behind."""
        if event is not None:
            event.accept()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Tell where it is dragged to (Qt calls this)."""
        if event is not None:
            self.dragged.emit(self.mapToGlobal(event.pos()).y())

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Tell that it is let go (Qt calls this)."""
        self.dropped.emit()


class StepRow(QWidget):
    """One step: the line to switch and move it by, and its parameters beneath, folded away until asked for."""

    changed = Signal()
    moved = Signal(int)
    removed = Signal()

    def __init__(self, step: RefineStep) -> None:
        super().__init__()
        self.form: ConfigForm[RefineStep] = ConfigForm(step, exclude={"enabled"})
        self.switch = QCheckBox(step_title(type(step)))
        self.switch.setChecked(step.enabled)
        self.switch.setToolTip(f"<qt>{type(step).__doc__ or ''}</qt>")
        self._summary = QElidingLabel(step_summary(step))
        self._summary.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._summary.setEnabled(step.enabled)
        self.grip = _Grip()
        self.unfold = self._button("···", "Show what can be set")
        self.unfold.setCheckable(True)
        self._lay_out()
        self.form.hide()
        self.switch.toggled.connect(self._switched)
        self.unfold.toggled.connect(self.form.setVisible)
        self.form.changed.connect(self._set)

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(2)
        head.addWidget(self.grip)
        head.addWidget(self.switch)
        head.addWidget(self._summary, 1, Qt.AlignmentFlag.AlignVCenter)
        head.addWidget(self.unfold)
        for text, tip, slot in (
            ("▲", "Do it earlier", partial(self.moved.emit, -1)),
            ("▼", "Do it later", partial(self.moved.emit, 1)),
            ("✕", "Remove this step", self.removed.emit),
        ):
            button = self._button(text, tip)
            button.clicked.connect(slot)
            head.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(head)
        column.addWidget(self.form)
        self.form.setContentsMargins(20, 0, 0, 4)

    @staticmethod
    def _button(text: str, tip: str) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        return button

    @property
    def step(self) -> RefineStep:
        """The step as it is chosen.

        Raises
        ------
        BadInput
            Its parameters contradict each other.
        """
        return self.form.value().model_copy(update={"enabled": self.switch.isChecked()})

    def _switched(self, on: bool) -> None:
        self._summary.setEnabled(on)
        self.changed.emit()

    def _set(self, step: RefineStep) -> None:
        self._summary.setText(step_summary(step))
        self.changed.emit()


class StepList(QWidget):
    """Lets a person order, switch and set the steps of a refinement.

    ``changed`` carries the new ``RefineConfig``, once for each change a person makes.

    Parameters
    ----------
    config
        What to show first.
    """

    changed = Signal(object)

    def __init__(self, config: RefineConfig, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: list[StepRow] = []
        self._before_drag: list[StepRow] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(4)
        self.add_button = MenuButton("+ Add step")
        self._menu = QMenu(self.add_button)
        for kind in STEP_KINDS:
            action = QAction(step_title(kind), self._menu)
            action.setData(kind)
            action.setToolTip(kind.__doc__ or "")
            self._menu.addAction(action)
        self._menu.setToolTipsVisible(True)
        self._menu.triggered.connect(self._add_from_menu)
        self.add_button.setMenu(self._menu)
        self._column.addWidget(self.add_button, 0, Qt.AlignmentFlag.AlignLeft)
        self.set_config(config)

    @property
    def config(self) -> RefineConfig:
        """The steps as they are chosen.

        Raises
        ------
        BadInput
            Parameters of a step contradict each other.
        """
        return RefineConfig(steps=tuple(row.step for row in self.rows))

    def set_config(self, config: RefineConfig) -> None:
        """Show other steps, without a ``changed``."""
        for row in self.rows:
            self._take_away(row)
        self.rows = []
        for step in config.steps:
            self._insert(step)

    def add(self, step: RefineStep) -> None:
        """Add a step at the end, with its parameters in view."""
        self._insert(step).unfold.setChecked(True)
        self._tell()

    def _add_from_menu(self, action: QAction) -> None:
        self.add(action.data()())

    def _insert(self, step: RefineStep) -> StepRow:
        row = StepRow(step)
        self.rows.append(row)
        self._column.insertWidget(len(self.rows) - 1, row)
        row.changed.connect(self._tell)
        row.moved.connect(self._move)
        row.removed.connect(self._remove)
        row.grip.dragged.connect(self._drag)
        row.grip.dropped.connect(self._drop)
        return row

    def _move(self, by: int) -> None:
        row = self.sender()
        if isinstance(row, StepRow) and self._place(row, self.rows.index(row) + by):
            self._tell()

    def _drag(self, height: int) -> None:
        grip = self.sender()
        row = grip.parent() if isinstance(grip, _Grip) else None
        if not isinstance(row, StepRow):
            return
        self._before_drag = self._before_drag or list(self.rows)
        middles = [other.mapToGlobal(other.rect().center()).y() for other in self.rows if other is not row]
        self._place(row, sum(middle < height for middle in middles))

    def _drop(self) -> None:
        before, self._before_drag = self._before_drag, []
        if before and before != self.rows:
            self._tell()

    def _place(self, row: StepRow, place: int) -> bool:
        """Put a row in its new place; tell whether that is another."""
        place = max(0, min(len(self.rows) - 1, place))
        if self.rows.index(row) == place:
            return False
        self.rows.remove(row)
        self.rows.insert(place, row)
        self._column.removeWidget(row)
        self._column.insertWidget(place, row)
        return True

    def _remove(self) -> None:
        row = self.sender()
        if isinstance(row, StepRow):
            self.rows.remove(row)
            self._take_away(row)
            self._tell()

    def _take_away(self, row: StepRow) -> None:
        self._column.removeWidget(row)
        row.hide()
        row.deleteLater()

    def _tell(self) -> None:
        try:
            config = self.config
        except BadInput:
            return  # the step says what is wrong with it
        self.changed.emit(config)
