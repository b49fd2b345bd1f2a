"""Tools for pieces of a mask as buttons: accept, reject, another class, split."""

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray
from qtpy.QtWidgets import QCheckBox, QGridLayout, QPushButton, QVBoxLayout, QWidget

from napari_unet.annotation import UNPAINTED
from napari_unet.gui.docks.dock import line, rows
from napari_unet.gui.layers.scans import mask_shape_of, review_of
from napari_unet.gui.layers.strokes import Rules
from napari_unet.gui.widgets.choosers import NO_MASK, LayerChooser, is_labels
from napari_unet.gui.work.clicks import Click, Tool
from napari_unet.gui.work.picking import Picking
from napari_unet.gui.work.workspace import Workspace

BUTTONS = {
    Tool.ACCEPT: (
        "Accept",
        "A",
        "Click on a piece that is right: it is copied into the paint, or, in a predicted mask, kept from now on and "
        "learned from.",
    ),
    Tool.REJECT: ("Reject", "D", "Click on a piece that is wrong: it becomes what the eraser writes."),
    Tool.RENAME: ("To selected class", "C", "Click on a piece: it becomes the class that is selected in the layer."),
    Tool.SPLIT: (
        "Split by a line",
        "S",
        "Draw a line across a piece: the smaller part becomes the selected class, or, when that is the class it has, a "
        "piece by itself with a gap of one voxel.",
    ),
}
"""By tool: what its button says, its key, and what it does."""
OFF = "Press again, or take a brush, to put it down."


class PiecePanel(QWidget):
    """Takes tools in hand that act on the piece under a click.

    Parameters
    ----------
    workspace
        What it works in.
    """

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = workspace.viewer
        self._layer: Labels | None = None
        self._chosen = False
        self.rules = Rules()
        self.background = UNPAINTED
        """What background is in the layer: 255 in paint."""
        self.source_box = LayerChooser(self._viewer, is_labels, NO_MASK)
        self.source_box.setToolTip("The mask that pieces are looked for in, such as a prediction")
        self.one_slice = QCheckBox("only on this slice")
        self.one_slice.setToolTip("A piece ends with the slice in view; otherwise it goes on through all slices")
        self.buttons = {tool: QPushButton(f"{words} ({key})") for tool, (words, key, _) in BUTTONS.items()}
        self.said = line("said")
        self.picking = Picking(self._viewer, workspace.background, workspace.history, self._click, self)
        self._lay_out()
        for tool, button in self.buttons.items():
            button.setCheckable(True)
            button.setToolTip(f"{BUTTONS[tool][2]}\n{OFF}")
            button.clicked.connect(lambda _=False, tool=tool: self.toggle(tool))
        self.source_box.activated.connect(self._note_choice)
        self.picking.said.connect(self._say)
        self.picking.tool_changed.connect(self._show_tool)

    def _lay_out(self) -> None:
        choices = rows()
        choices.addRow("Pieces of", self.source_box)
        choices.addRow("", self.one_slice)
        grid = QGridLayout()
        for number, button in enumerate(self.buttons.values()):
            grid.addWidget(button, number // 2, number % 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(choices)
        column.addLayout(grid)
        column.addWidget(self.said)
        self.said.hide()

    def follow(self, layer: Labels | None) -> None:
        """Let clicks change this layer; pieces are its own, or those of a prediction when it has none."""
        self.picking.put_down()
        self._layer, self._chosen = layer, False
        self._suggest_source()

    def _note_choice(self) -> None:
        self._chosen = True

    def _suggest_source(self) -> None:
        """Unless somebody chose otherwise, pieces are those of the layer, or of a prediction when it is none."""
        layer = self._layer
        if layer is None or self._chosen:
            return
        predictions = (other for other in reversed(self._viewer.layers) if is_labels(other) and review_of(other))
        fits = [other for other in predictions if mask_shape_of(other) == mask_shape_of(layer)]
        self.source_box.choose(layer if layer in fits or not fits else fits[0])

    def toggle(self, tool: Tool) -> None:
        """Take a tool in hand, or put it down."""
        if self._layer is None or self.picking.tool is tool:
            self.picking.put_down()
        else:
            self._suggest_source()
            self.picking.take(tool, self._layer)

    def disconnect_viewer(self) -> None:
        """Let go of everything that outlives the panel."""
        self.follow(None)
        self.source_box.disconnect_viewer()

    def _show_tool(self, tool: Tool | None) -> None:
        for each, button in self.buttons.items():
            button.setChecked(each is tool)
        self._say("" if tool is None else BUTTONS[tool][2])

    def _say(self, text: str) -> None:
        self.said.setText(text)
        self.said.setVisible(bool(text))

    def _click(self, tool: Tool, corners: NDArray[np.int64]) -> Click:
        layer = self._layer
        assert layer is not None
        hidden = [axis - self._viewer.dims.ndim + 3 for axis in self._viewer.dims.not_displayed]
        source = layer if tool is Tool.SPLIT else self.source_box.layer or layer
        return Click(
            tool,
            source,
            layer,
            corners,
            across=max([0, *hidden]),
            one_slice=self.one_slice.isChecked(),
            label=int(layer.selected_label),
            removed=max(UNPAINTED, self.rules.eraser) if source is layer else self.background,
            limits=self.rules.limits(layer),
        )
