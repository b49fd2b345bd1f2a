"""How long a person works on each slice of a mask."""

import weakref
from time import monotonic

from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QApplication

from napari_unet.gui.layers.edits import revision
from napari_unet.gui.layers.scans import review_of
from napari_unet.gui.work.activity import is_along_slices, slice_in_view
from napari_unet.review.effort import Attention

TICK_MS = 500


class SliceClock(QObject):
    """Notes in the review of a mask how long each slice was in view with a person at work.

    It looks every half second whether the mouse moved, another slice came into view or the mask changed: to listen to
    the mouse would slow the brush down.

    Parameters
    ----------
    viewer
        The viewer.
    """

    counted = Signal()
    """Some seconds were noted."""
    looked_at = Signal(object)
    """One more slice of this mask was looked at."""

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = weakref.ref(viewer)
        self._mask: Labels | None = None
        self._attention = Attention()
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self.tick)

    def follow(self, mask: Labels | None) -> None:
        """Be about this mask, or about none."""
        self._mask = mask
        if mask is None:
            self._timer.stop()
        else:
            self._timer.start()

    def tick(self) -> None:
        """Note what passed since the last time."""
        viewer, mask = self._viewer(), self._mask
        if viewer is None or mask is None or mask not in viewer.layers:
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
