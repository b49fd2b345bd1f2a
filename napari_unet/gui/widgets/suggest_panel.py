"""Suggesting steps, in the Refine dock: what they would gain, and a button that takes them, and one's own back."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_unet.config import RefineConfig
from napari_unet.gui.widgets.job_panel import JobPanel
from napari_unet.gui.work.workspace import Workspace
from napari_unet.session import Verb

USE, BACK = "Use these steps", "Back to my steps"


class SuggestPanel(QWidget):
    """Tries refinements and offers the steps of the best. ``chosen`` carries the ``RefineConfig`` to show.

    Parameters
    ----------
    workspace
        What it works in.
    """

    chosen = Signal(object)

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._others: RefineConfig | None = None
        self.panel = JobPanel(workspace.suggesting, "Suggest steps from what I painted")
        self.use_button = QPushButton(USE)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.panel)
        column.addWidget(self.use_button)
        self.use_button.hide()
        self.use_button.clicked.connect(self._exchange)
        workspace.suggesting.began.connect(self._withdraw)
        workspace.suggesting.offered.connect(self._offer)

    def disconnect_workspace(self) -> None:
        """Let go of everything that outlives the panel."""
        self.panel.disconnect_activity()
        self._workspace.suggesting.began.disconnect(self._withdraw)
        self._workspace.suggesting.offered.disconnect(self._offer)
        self._workspace.suggesting.cancel()

    def show_readiness(self) -> None:
        """Make the button live, or say why it is not."""
        self.panel.set_readiness(self._workspace.session.readiness(Verb.SUGGEST))

    def let_go(self) -> None:
        """Suggest nothing any more, since it is about another mask; the way back to one's own steps stays."""
        self._workspace.suggesting.cancel()
        self._withdraw()
        self.panel.forget_ending()

    def _withdraw(self) -> None:
        if self.use_button.text() == USE:
            self.use_button.hide()

    def _offer(self, config: RefineConfig) -> None:
        self._others = config
        self.use_button.setText(USE)
        self.use_button.show()

    def _exchange(self) -> None:
        """Show the other steps, and keep those that are shown, as they are now, for the way back."""
        others, self._others = self._others, self._workspace.session.state.refine_config
        self.use_button.setText(BACK if self.use_button.text() == USE else USE)
        self.chosen.emit(others)
