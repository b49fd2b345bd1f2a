"""One undo for a window: strokes, edits, marks and results in the order they came, whichever layer they are on.

napari takes back what was done to the layer that is selected, one layer at a time, and knows only strokes. Here its
keys take back what was done last in the window. Strokes and edits stay in the undo of their layers, so that whoever
takes them back there is followed.
"""

import weakref
from collections.abc import Callable
from typing import Any

from app_model.types import KeyCode, KeyMod
from napari.components import ViewerModel
from napari.layers import Labels

from napari_unet.gui.layers.edits import (
    entries,
    entry_bytes,
    entry_name,
    entry_stands,
    forget_entries,
    forget_entry,
    revision,
)
from napari_unet.gui.layers.kept import set_visible
from napari_unet.gui.layers.scans import images_beneath
from napari_unet.gui.work.activity import is_along_slices, slice_in_view
from napari_unet.gui.work.slice_clock import note_stroke
from napari_unet.history import History, Step

UNDO_KEY, REDO_KEY = KeyMod.CtrlCmd | KeyCode.KeyZ, KeyMod.CtrlCmd | KeyMod.Shift | KeyCode.KeyZ
BRUSHES = {"erase": "erasing", "fill": "filling a region", "polygon": "painting a polygon"}
"""What is done in a mode of a layer; in any other it is painting."""


class LayerStep(Step):
    """A step on a layer; when the layer is deleted, it is over.

    Parameters
    ----------
    name
        In words.
    viewer
        Where the layer is.
    layer
        The layer; it is not kept alive.
    nbytes
        The memory it takes to be able to take it back.
    """

    def __init__(self, name: str, viewer: weakref.ref[ViewerModel], layer: Labels, nbytes: int = 0) -> None:
        super().__init__(name, nbytes)
        self.viewer = viewer
        self._layer = weakref.ref(layer)

    @property
    def layer(self) -> Labels | None:
        """The layer, while it is in the viewer."""
        viewer, layer = self.viewer(), self._layer()
        return layer if viewer is not None and layer in viewer.layers else None

    def is_done(self, recorded: bool) -> bool | None:
        """Whether it is done, while the layer is there."""
        return None if self.layer is None else recorded


class Change(LayerStep):
    """A brush stroke, or an edit by this program: an entry of the undo of a layer."""

    def __init__(self, viewer: weakref.ref[ViewerModel], layer: Labels, entry: Any) -> None:
        edit, there = entry_name(entry), viewer()
        super().__init__(edit or _stroke(there, layer), viewer, layer, entry_bytes(entry))
        self.parts = tuple(entry)
        """What changed, in order."""
        self.seen_at = None if edit or there is None else there.dims.current_step
        """Where a person looked who made it, as the viewer's current step."""

    def undo(self) -> None:
        """Take it back, where it can be seen."""
        if (layer := self._come_into_view()) is not None:
            layer.undo()

    def redo(self) -> None:
        """Do it again, where it can be seen."""
        if (layer := self._come_into_view()) is not None:
            layer.redo()

    def forget(self) -> None:
        """Let the layer forget it too."""
        if (layer := self._layer()) is not None:
            forget_entry(layer, self.parts[0])

    def is_done(self, recorded: bool) -> bool | None:
        """Whether it is done, as the layer has it."""
        return None if self.layer is None else entry_stands(self.layer, self.parts[0])

    def _come_into_view(self) -> Labels | None:
        viewer, layer = self.viewer(), self.layer
        if viewer is None or layer is None:
            return None
        if self.seen_at is not None and len(self.seen_at) == viewer.dims.ndim:
            viewer.dims.current_step = self.seen_at
        if not layer.visible:  # else napari would take the brush out of the hand
            for shown in (*images_beneath(viewer, layer), layer):  # a mask by itself lies over another scan
                shown.visible = True
        return layer


class Shown(LayerStep):
    """A result that came as a new layer: taken back, it is hidden and stays."""

    def undo(self) -> None:
        """Hide it."""
        if self.layer is not None:
            set_visible(self.layer, False)

    def redo(self) -> None:
        """Show it."""
        if self.layer is not None:
            set_visible(self.layer, True)


class Switched(LayerStep):
    """One mask that is shown in the place of another, such as after learning from corrections; both stay.

    Parameters
    ----------
    name
        In words.
    viewer
        Where the masks are.
    shown, hidden
        The mask that is there now, and the one from before.
    switch
        Shows the first mask it is given in the place of the second.
    """

    def __init__(
        self,
        name: str,
        viewer: weakref.ref[ViewerModel],
        shown: Labels,
        hidden: Labels,
        switch: Callable[[Labels, Labels], None],
    ) -> None:
        super().__init__(name, viewer, shown)
        self._hidden = LayerStep(name, viewer, hidden)
        self._switch = switch

    def undo(self) -> None:
        """Show the mask from before."""
        if self.layer is not None and self._hidden.layer is not None:
            self._switch(self._hidden.layer, self.layer)

    @property
    def other(self) -> Labels | None:
        """The mask from before, while it is in the viewer."""
        return self._hidden.layer

    def redo(self) -> None:
        """Show the other again."""
        if self.layer is not None and self._hidden.layer is not None:
            self._switch(self.layer, self._hidden.layer)

    def is_done(self, recorded: bool) -> bool | None:
        """Whether it is done, while both masks are there."""
        return None if self.layer is None or self._hidden.layer is None else recorded


class Undoing:
    """Puts what is done to the labels layers of a viewer into a history, and binds its keys.

    Parameters
    ----------
    viewer
        The viewer; it is not kept alive.
    history
        The steps of the window.
    """

    def __init__(self, viewer: weakref.ref[ViewerModel], history: History) -> None:
        self._viewer = viewer
        self._history = history
        self.into_view: Callable[[Labels], None] = _is_in_view
        """Shows the scan of a layer."""
        self._revisions: weakref.WeakKeyDictionary[Labels, tuple[object, ...]] = weakref.WeakKeyDictionary()
        self._following = self._has_keys = False

    def start(self) -> None:
        """Take over napari's keys for undo and redo, and follow the layers from now on."""
        viewer = self._viewer()
        if viewer is None:
            return
        if not self._following:
            self._following = True
            viewer.layers.events.inserted.connect(self._inserted)
            viewer.layers.events.removed.connect(self._removed)
            for layer in viewer.layers:
                self._follow(layer)
        self._has_keys = True
        for target in (viewer, *self._revisions):
            self._bind(target)

    def stop(self) -> None:
        """Leave the keys to napari again; the steps stay."""
        self._has_keys = False
        viewer = self._viewer()
        for target in (*([viewer] if viewer is not None else []), *self._revisions):
            target.bind_key(UNDO_KEY, None)
            target.bind_key(REDO_KEY, None)

    def undo(self, source: object = None) -> None:
        """Take back the last step in the window, where its scan can be seen, and say so."""
        self._history.settle()
        self._show_scan(self._history.next_undo)
        self._say("Undone", "Ctrl+Shift+Z does it again", self._history.undo())

    def redo(self, source: object = None) -> None:
        """Do again what was taken back last, where its scan can be seen, and say so."""
        self._history.settle()
        self._show_scan(self._history.next_redo)
        self._say("Done again", "Ctrl+Z takes it back", self._history.redo())

    def _show_scan(self, step: Step | None) -> None:
        if isinstance(step, LayerStep) and step.layer is not None:
            self.into_view(step.layer)

    def _say(self, what: str, how_on: str, step: Step | None) -> None:
        viewer = self._viewer()
        if viewer is not None and step is not None:
            viewer.status = f"{what}: {step.name}{place_of_step(step)} ({how_on})"

    def _bind(self, target: ViewerModel | Labels) -> None:
        target.bind_key(UNDO_KEY, self.undo, overwrite=True)
        target.bind_key(REDO_KEY, self.redo, overwrite=True)

    # --- what is done to layers

    def _inserted(self, event: Any) -> None:
        self._follow(event.value)

    def _follow(self, layer: object) -> None:
        if not isinstance(layer, Labels):
            return
        for entry in entries(layer):
            self._history.add(Change(self._viewer, layer, entry))
        self._revisions[layer] = revision(layer)
        layer.events.paint.connect(self._painted)
        layer.events.set_data.connect(self._drawn)
        layer.events.editable.connect(self._drawn)
        if self._has_keys:
            self._bind(layer)

    def _removed(self, event: Any) -> None:
        layer = event.value
        if isinstance(layer, Labels) and self._revisions.pop(layer, None) is not None:
            layer.events.paint.disconnect(self._painted)
            layer.events.set_data.disconnect(self._drawn)
            layer.events.editable.disconnect(self._drawn)
            for key in (UNDO_KEY, REDO_KEY):
                layer.bind_key(key, None)
        self._history.settle()

    def _painted(self, event: Any) -> None:
        viewer, layer = self._viewer(), event.source
        self._history.add(Change(self._viewer, layer, event.value))
        self._revisions[layer] = revision(layer)
        if viewer is not None and not entry_name(event.value):
            note_stroke(viewer, layer)

    def _drawn(self, event: Any) -> None:
        """Look whether somebody else took something back: nothing but drawing the layer anew tells of it."""
        layer, now = event.source, revision(event.source)
        before = self._revisions.get(layer, now)
        if now == before:
            return
        if now[0] != before[0]:
            forget_entries(layer)  # they are about other voxels: napari would write them into the new ones
        self._revisions[layer] = revision(layer)
        self._history.settle()


def place_of_step(step: Step) -> str:
    """Say on which layer a step is (', on "CT prediction"'); "" when it is gone, or none."""
    layer = step.layer if isinstance(step, LayerStep) else None
    return "" if layer is None else f', on "{layer.name}"'


def _is_in_view(layer: Labels) -> None:
    """Do nothing: without a project, scans are shown and hidden by hand."""


def _stroke(viewer: ViewerModel | None, layer: Labels) -> str:
    words = BRUSHES.get(str(layer.mode), "painting")
    one_slice = viewer is not None and layer.ndim > 2 and is_along_slices(viewer, layer)
    return f"{words} on slice {slice_in_view(viewer, layer)}" if one_slice else words
