"""Filling between painted slices, beneath the classes of a paint layer: what will be filled, a preview, and Fill."""

from collections.abc import Callable

from napari.layers import Labels
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_unet.annotation import PaintSummary
from napari_unet.config import FillBetweenConfig
from napari_unet.errors import UnetError
from napari_unet.gui.docks.dock import Folded, line
from napari_unet.gui.widgets.forms import ConfigForm
from napari_unet.gui.widgets.job_panel import JobPanel
from napari_unet.gui.widgets.undo_buttons import UndoButtons
from napari_unet.gui.work.activity import Ending, How
from napari_unet.gui.work.workspace import Workspace
from napari_unet.session import Ready, State, Verb

NAMED_GAPS = 3
"""So many gaps are named in the sentence, the rest by their number."""


class FillPanel(QWidget):
    """Previews and fills the slices between painted ones.

    Parameters
    ----------
    workspace
        What it works in.
    paint
        Gives the paint layer.
    """

    def __init__(self, workspace: Workspace, paint: Callable[[], Labels | None]) -> None:
        super().__init__()
        self._workspace = workspace
        self._session = workspace.session
        self._paint = paint
        self.form = ConfigForm(self._session.state.fill_config)
        self.sentence = line("fill sentence")
        self.panel = JobPanel(workspace.filling, "Preview filling")
        self.fill_button = QPushButton("Fill")
        self.discard_button = QPushButton("Discard")
        self._offer = QWidget()
        self.undo = UndoButtons(workspace.history, workspace.undoing)
        self._lay_out()
        self.form.changed.connect(self._take_config)
        self.panel.pressed.connect(self.start)
        self.fill_button.clicked.connect(self._fill)
        self.discard_button.clicked.connect(self._discard)
        workspace.filling.offered.connect(self._offer.setVisible)
        self._session.changed.connect(self._show_state)
        self._show_state(self._session.state)

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        buttons = QHBoxLayout(self._offer)
        buttons.setContentsMargins(0, 0, 0, 0)
        buttons.addWidget(self.fill_button)
        buttons.addWidget(self.discard_button)
        for widget in (self.sentence, Folded("Options", self.form), self.panel, self._offer, self.undo):
            column.addWidget(widget)
        self._offer.setVisible(self._workspace.filling.offer)

    def disconnect_workspace(self) -> None:
        """Let go of everything that outlives the panel."""
        self.panel.disconnect_activity()
        self._workspace.filling.offered.disconnect(self._offer.setVisible)
        self._workspace.filling.discard()
        self._session.changed.disconnect(self._show_state)
        self.undo.disconnect_history()

    def forget_offer(self) -> None:
        """Take away what was offered for another layer."""
        self._workspace.filling.discard()

    def start(self) -> None:
        """Compute what would be filled, and show it."""
        self._workspace.when_refinery_is_free(self._start)

    def _start(self) -> None:
        paint = self._paint()
        if paint is None or not isinstance(self._session.readiness(Verb.FILL), Ready):
            return
        try:
            self._workspace.filling.start(paint, self.form.value())
        except UnetError as error:
            self.panel.show_problem(str(error))

    def _fill(self) -> None:
        self.panel.show_ending(Ending(How.DONE, self._workspace.filling.apply()))

    def _discard(self) -> None:
        self._workspace.filling.discard()
        self.panel.forget_ending()

    def _take_config(self, config: FillBetweenConfig) -> None:
        self._workspace.filling.discard()
        self._session.update(fill_config=config)

    def _show_state(self, state: State) -> None:
        self.panel.set_readiness(self._session.readiness(Verb.FILL))
        summary, paint = state.paint_summary, state.paint
        words = ""
        if summary is not None and paint is not None and len(paint.shape) > 2:
            words = what_is_filled(summary, paint.shape[-3], state.fill_config)
        self.sentence.setText(words)
        self.sentence.setVisible(bool(words))


def what_is_filled(summary: PaintSummary, depth: int, config: FillBetweenConfig) -> str:
    """Say what will be filled ("Between slices 5 and 13, 13 and 21: 14 slices."); "" when that is nothing.

    Parameters
    ----------
    summary
        What is painted.
    depth
        Slices of one volume.
    config
        How it will be filled. Which slices are painted with some classes, or across another axis, is not known
        before they are looked at.
    """
    if config.classes or config.axis != "z":
        with_classes = f" with classes {', '.join(map(str, config.classes))}" if config.classes else ""
        return f"Between the slices painted across {config.axis}{with_classes}."
    gaps = summary.gaps(depth)
    if config.most_gap:
        gaps = tuple((first, last) for first, last in gaps if last - first - 1 <= config.most_gap)
    if not gaps:
        return ""
    named = ", ".join(f"{first} and {last}" for first, last in gaps[:NAMED_GAPS])
    more = f" and in {len(gaps) - NAMED_GAPS} more gaps" if len(gaps) > NAMED_GAPS else ""
    number = sum(last - first - 1 for first, last in gaps)
    return f"Between slices {named}{more}: {number} slice{'s' * (number != 1)}."
