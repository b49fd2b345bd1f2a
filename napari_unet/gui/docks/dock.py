"""What all docks have in common: a column that scrolls, settings that a project keeps, and leaving without a trace."""

from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QDockWidget, QFormLayout, QFrame, QLabel, QScrollArea, QToolButton, QVBoxLayout, QWidget

from napari_unet.gui.widgets.choices import choice_of, choose
from napari_unet.gui.widgets.left_behind_panel import LeftBehindPanel
from napari_unet.gui.work.activity import Ending, How
from napari_unet.gui.work.workspace import workspace_of

NARROWEST = 360
INDENT = 12
"""Of what can be folded away, in pixels."""


class Dock(QScrollArea):
    """A dock of this program.

    Parameters
    ----------
    napari_viewer
        The viewer it belongs to; napari passes it because of this name.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self.title = type(self).__name__.removesuffix("Dock")
        self.workspace = workspace = workspace_of(napari_viewer)
        self.session = workspace.session
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(NARROWEST)
        self._page = QWidget()
        self.column = QVBoxLayout(self._page)
        self.column.setSpacing(8)
        self.setWidget(self._page)
        self._left_behind = LeftBehindPanel(workspace.bringing_back)
        self.column.addWidget(self._left_behind)
        self._docked = False
        workspace.dock_opened()
        self.destroyed.connect(workspace.dock_closed)

    def leave(self) -> None:
        """Let go of everything that outlives the dock."""

    def choices(self) -> dict[str, QWidget]:
        """Name the controls in which something is chosen that a project keeps."""
        return {}

    def settings(self) -> dict[str, Any]:
        """Give what is chosen, as JSON values by name, for a project to keep."""
        return {name: choice_of(control) for name, control in self.choices().items()}

    def take_settings(self, settings: dict[str, Any]) -> None:
        """Choose what was chosen before, as far as that is possible now."""
        for name, control in self.choices().items():
            if settings.get(name) is not None:
                choose(control, settings[name])

    def take_scan(self, images: list[Image]) -> None:
        """Choose a scan that came into view, and its layers."""

    def take_mask(self, mask: Labels) -> None:
        """Choose a mask that was just predicted, or is shown in the place of another."""

    def _predicted(self, ending: Ending) -> None:
        mask = self.workspace.prediction.layer()
        if (
            mask is not None
            and mask.visible
            and ending.how is not How.FAILED
            and not self.workspace.learning_again.running
        ):
            self.take_mask(mask)

    def event(self, event: QEvent | None) -> bool:
        """Notice when napari takes the dock out of the window, which is how it closes it (Qt calls this)."""
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if isinstance(parent := self.parent(), QDockWidget):
                if not self._docked:
                    self.workspace.projects.follow(self.title, self)
                    self.workspace.projects.scans.shown.connect(self.take_scan)
                    self.workspace.prediction.ended.connect(self._predicted)
                    self.workspace.learning_again.shown.connect(self.take_mask)
                self._docked = True
                parent.setWindowTitle(self.title)  # napari's is cut short on a tab: "Train (napari-unet-..."
            elif self._docked:
                self._docked = False
                self._left_behind.let_go()
                self.workspace.projects.scans.shown.disconnect(self.take_scan)
                self.workspace.prediction.ended.disconnect(self._predicted)
                self.workspace.learning_again.shown.disconnect(self.take_mask)
                self.workspace.projects.forget(self.title)
                self.leave()
                self.deleteLater()
        return super().event(event)


def rows() -> QFormLayout:
    """Make a layout of labelled rows."""
    layout = QFormLayout()
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    layout.setContentsMargins(0, 0, 0, 0)
    return layout


def line(name: str) -> QLabel:
    """Make a line of text that wraps."""
    label = QLabel()
    label.setObjectName(name)
    label.setWordWrap(True)
    return label


class Folded(QWidget):
    """Something that is folded away until somebody asks for it.

    Parameters
    ----------
    title
        What the line says that unfolds it.
    content
        What is folded away.
    """

    def __init__(self, title: str, content: QWidget) -> None:
        super().__init__()
        self.toggle = QToolButton()
        self.toggle.setText(title)
        self.toggle.setCheckable(True)
        self.toggle.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.toggle.setArrowType(Qt.ArrowType.RightArrow)
        self.toggle.setAutoRaise(True)
        self._content = content
        content.setContentsMargins(INDENT, 0, 0, 0)
        content.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.toggle)
        column.addWidget(content)
        self.toggle.toggled.connect(self._unfold)

    def _unfold(self, open_: bool) -> None:
        self._content.setVisible(open_)
        self.toggle.setArrowType(Qt.ArrowType.DownArrow if open_ else Qt.ArrowType.RightArrow)
