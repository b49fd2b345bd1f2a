"""Marking slices of a mask as right, which undo takes back like everything else."""

import weakref
from collections.abc import Collection

from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_unet.gui.layers.scans import review_of
from napari_unet.gui.work.activity import look_at_slice
from napari_unet.gui.work.undoing import LayerStep
from napari_unet.history import History


class Marking(QObject):
    """Marks slices of masks that were predicted here.

    Parameters
    ----------
    viewer
        Where the masks are; it is not kept alive.
    history
        The steps of the window.
    """

    changed = Signal(object)
    """Other slices of this mask are marked than before."""

    def __init__(self, viewer: weakref.ref[ViewerModel], history: History) -> None:
        super().__init__()
        self._viewer = viewer
        self._history = history

    def mark(self, mask: Labels, slices: Collection[int]) -> None:
        """Mark slices as right everywhere; when all of them are, take the marks back."""
        review = review_of(mask)
        if review is None:
            return
        new = set(slices) - review.reviewed
        turned = frozenset(new or slices)
        which = f"slice {next(iter(turned))}" if len(turned) == 1 else f"{len(turned)} slices"
        name = f"marked {which} as right" if new else f"took the mark off {which}"
        step = Marked(name, self._viewer, mask, turned, bool(new), self)
        step.redo()
        self._history.add(step)


class Marked(LayerStep):
    """Marks that were set, or taken back.

    Parameters
    ----------
    name
        In words.
    viewer
        Where the mask is.
    mask
        The mask, with a review.
    slices
        Whose marks were turned.
    on
        Whether they were set.
    marking
        Is told.
    """

    def __init__(
        self,
        name: str,
        viewer: weakref.ref[ViewerModel],
        mask: Labels,
        slices: frozenset[int],
        on: bool,
        marking: Marking,
    ) -> None:
        super().__init__(name, viewer, mask)
        self.slices = slices
        self.on = on
        self._marking = marking

    def undo(self) -> None:
        """Turn the marks, where it can be seen."""
        viewer, mask = self.viewer(), self.layer
        review = None if mask is None else review_of(mask)
        if viewer is None or mask is None or review is None:
            return
        if len(self.slices) == 1:
            look_at_slice(viewer, mask, *self.slices)
        review.reviewed ^= self.slices
        self._marking.changed.emit(mask)

    redo = undo
