"""Which refinement a mask gains from, told by the paint: tried in the window, applied by nobody but the user."""

from collections.abc import Sequence

from napari.layers import Image, Labels
from qtpy.QtCore import Signal

from napari_unet.config import DenseCRF, RefineConfig
from napari_unet.gui.work.activity import Activity
from napari_unet.gui.work.refine_material import Chosen, Material
from napari_unet.runner import SuggestDone
from napari_unet.session import Verb

LOOKS_AT_ALL = RefineConfig(steps=(DenseCRF(),))
"""Looks at all that a suggestion looks at."""


class Suggesting(Activity):
    """Tries refinements on the painted slices; ``offered`` carries the steps of the best (a ``RefineConfig``)."""

    verb = Verb.SUGGEST
    offered = Signal(object)

    def start(self, mask: Labels, paint: Labels, images: Sequence[Image]) -> None:
        """Begin to try.

        Parameters
        ----------
        mask
            The mask.
        paint
            What it is compared with.
        images
            The scan: one layer, or several whose data become its channels.

        Raises
        ------
        BadInput
            The layers are no mask and no scan.
        """
        material, exchange = Material(Chosen(mask, LOOKS_AT_ALL, paint, tuple(images))), self._exchange
        self._begin(lambda: material.suggest_request(exchange, self._lend))

    def _on_result(self, result: object) -> str:
        assert isinstance(result, SuggestDone)
        if result.best is not None:
            self.offered.emit(result.best)
        return result.advice[:1].upper() + result.advice[1:]
