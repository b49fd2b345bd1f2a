"""Tools in hand that act on the piece of a mask under a click, or on the one that a line is drawn across."""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from napari.layers.labels._labels_utils import mouse_event_to_labels_coordinate
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_unet.annotation import BACKGROUND
from napari_unet.errors import BadInput, UnetError
from napari_unet.gui.layers.edits import make_edit
from napari_unet.gui.work.background import Background
from napari_unet.gui.work.clicks import Accepted, Click, Outcome, Tool, note_click, outcome_of, warm_up
from napari_unet.history import History

CLICK_PIXELS = 4
"""A mouse that moved no further than this between press and release clicked."""


class Picking(QObject):
    """Takes clicks and lines on a layer while a tool is in hand; each is one step of the undo.

    ``said`` carries in words what came of a click, ``tool_changed`` the tool that is in hand now, or None.

    Parameters
    ----------
    viewer
        The viewer.
    background
        The thread that pieces are looked for in.
    history
        The steps of the window.
    click
        Makes a click of a tool and its (N, ndim) corners.
    """

    said = Signal(str)
    tool_changed = Signal(object)

    def __init__(
        self,
        viewer: ViewerModel,
        background: Background,
        history: History,
        click: Callable[[Tool, NDArray[np.int64]], Click],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._background = background
        self._history = history
        self._click = click
        self._layer: Labels | None = None
        self._mode_before = ""
        self.tool: Tool | None = None
        background.run(warm_up, lambda _: None, self._failed)

    def take(self, tool: Tool, layer: Labels) -> None:
        """Take a tool in hand, for clicks on this layer."""
        if self._layer is not layer:
            self.put_down()
            self._layer, self._mode_before = layer, str(layer.mode)
            layer.mode = "pan_zoom"
            layer.events.mode.connect(self._mode_changed)
            self._viewer.mouse_drag_callbacks.append(self._press)
        layer.mouse_pan = tool is not Tool.SPLIT  # a line is drawn, which must not move the scan
        layer.cursor = "cross"
        self.tool = tool
        self.tool_changed.emit(tool)

    def put_down(self) -> None:
        """Put the tool down, and take up what was in hand before."""
        layer, mode = self._layer, self._mode_before
        if layer is not None:
            self._mode_changed()
            layer.mode = mode

    def _mode_changed(self, event: object = None) -> None:
        layer, self._layer, self.tool = self._layer, None, None
        if layer is not None:
            layer.events.mode.disconnect(self._mode_changed)
            self._viewer.mouse_drag_callbacks.remove(self._press)
            layer.mouse_pan = str(layer.mode) == "pan_zoom"
            self.tool_changed.emit(None)

    # --- the mouse

    def _press(self, viewer: ViewerModel, event: Any) -> Iterator[None]:
        """Follow the mouse from press to release (napari calls this)."""
        layer, tool = self._layer, self.tool
        if layer is None or tool is None or event.button != 1:
            return
        began, still = np.asarray(event.pos), True
        places = [mouse_event_to_labels_coordinate(layer, event)]
        with _shown(layer) as show:
            yield
            while event.type == "mouse_move":
                still &= bool(np.abs(np.asarray(event.pos) - began).max() <= CLICK_PIXELS)
                if tool is Tool.SPLIT:
                    places.append(mouse_event_to_labels_coordinate(layer, event))
                    show(*places[-2:])
                yield
            if tool is Tool.SPLIT:
                places.append(mouse_event_to_labels_coordinate(layer, event))
        if (still or tool is Tool.SPLIT) and all(place is not None for place in places):
            self.act(tool, np.rint(places).astype(np.int64))

    def act(self, tool: Tool, corners: NDArray[np.int64]) -> None:
        """Do what a click at a voxel, or a line through some, (N, ndim), means."""
        click = self._click(tool, corners)
        try:
            if tool is Tool.SPLIT and self._viewer.dims.ndisplay == 3:
                raise BadInput("A line is drawn on a slice: leave the view in 3-D first.")
            click.check()
        except UnetError as error:
            self.said.emit(str(error))
            return
        self._background.run(partial(outcome_of, click), partial(self._make, click), self._failed)

    def _make(self, click: Click, outcome: Outcome) -> None:
        layer = click.target
        if layer not in self._viewer.layers:
            return
        if outcome.accepted is not None:
            step = Accepted(outcome.edit.name, weakref.ref(self._viewer), layer, outcome.accepted)
            step.redo()
            self._history.add(step)
        else:
            make_edit(layer, outcome.parts)
        note_click(self._viewer, click, outcome)
        self.said.emit(f"{outcome.text} Ctrl+Z takes it back.")

    def _failed(self, error: Exception) -> None:
        told = str(error) if isinstance(error, UnetError) else f"That did not work ({type(error).__name__}: {error})."
        self.said.emit(told)


@contextmanager
def _shown(layer: Labels) -> Iterator[Callable[[NDArray[Any] | None, NDArray[Any] | None], None]]:
    """Show a line while it is drawn, as voxels of the layer that are as before afterwards; no undo knows of them."""
    before: dict[tuple[int, ...], int] = {}
    shown = min(BACKGROUND, int(np.iinfo(layer.data.dtype).max))

    def show(start: NDArray[Any] | None, stop: NDArray[Any] | None) -> None:
        if start is None or stop is None:
            return
        steps = int(np.abs(stop - start).max()) + 2
        for voxel in map(tuple, np.rint(np.linspace(start, stop, steps)).astype(np.int64).tolist()):
            if voxel not in before and all(
                0 <= at < length for at, length in zip(voxel, layer.data.shape, strict=True)
            ):
                before[voxel] = layer.data[voxel]
                layer.data[voxel] = shown
        layer.refresh(thumbnail=False, extent=False)

    try:
        yield show
    finally:
        for voxel, label in before.items():
            layer.data[voxel] = label
        if before:
            layer.refresh(thumbnail=False, extent=False)
