"""Which slices of a mask a person works on, and how long on each."""

import weakref
from time import monotonic

from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QApplication

from napari_unet.gui.layers.edits import revision
from napari_unet.gui.layers.scans import images_beneath, review_of
from napari_unet.gui.work.activity import is_along_slices, slice_in_view
from napari_unet.review.effort import Attention

TICK_MS = 500


def note_stroke(viewer: ViewerModel, layer: Labels) -> None:
    """Note in the reviews of masks that somebody painted on the slice in view: on them, or where they were copied."""
    if not is_along_slices(viewer, layer):
        return
    z = slice_in_view(viewer, layer)
    for mask in viewer.layers:
        review = review_of(mask) if isinstance(mask, Labels) else None
        if review is None:
            continue
        copied_here = z in review.copied and images_beneath(viewer, mask) == images_beneath(viewer, layer)
        if mask is layer or copied_here:
            review.touch(z)


class SliceClock(QObject):
    """Notes in the review of a mask how long each slice was in view with a person at work.

    The mask is the selected layer, or, when no model wrote that, the one in the Review dock.

    It looks every half second whether the mouse moved, another slice came into view or the mask changed: to listen to
    the mouse would slow the brush down.

    Parameters
    ----------
    viewer
        The viewer; it is not kept alive.
    """

    counted = Signal()
    """Some seconds were noted."""
    looked_at = Signal(object)
    """One more slice of this mask was looked at."""

    def __init__(self, viewer: weakref.ref[ViewerModel]) -> None:
        super().__init__()
        self._viewer = viewer
        self._mask: Labels | None = None
        self._attention = Attention()
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self.tick)

    def start(self) -> None:
        """Count from now on."""
        self._timer.start()

    def close(self) -> None:
        """Count no more: the window is gone."""
        self._timer.stop()
        self._mask = None

    def follow(self, mask: Labels | None) -> None:
        """Be about this mask while no other is selected, or about none."""
        self._mask = mask

    def tick(self) -> None:
        """Note what passed since the last time."""
        viewer, mask = self._viewer(), self._mask
        if viewer is None:
            return
        active = viewer.layers.selection.active
        if isinstance(active, Labels) and active.visible and review_of(active) is not None:
            mask = active
        if mask is None or mask not in viewer.layers:
            return
        mouse = QCursor.pos()
        sign = (mouse.x(), mouse.y(), viewer.dims.current_step, revision(mask))
        seconds = self._attention.seconds(monotonic(), sign, QApplication.activeWindow() is not None)
        review = review_of(mask)
        if not (seconds and review is not None and mask.visible and is_along_slices(viewer, mask)):
            return
        if review.spend(slice_in_view(viewer, mask), seconds):
            self.looked_at.emit(mask)
        self.counted.emit()
