"""Patches as a network sees them while it learns: drawn in a process of their own, also while it trains."""

from collections.abc import Sequence

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import Signal

from napari_unet.config import TrainConfig
from napari_unet.gui.layers.scans import scan_of, voxels_of
from napari_unet.gui.work.activity import Activity
from napari_unet.gui.work.training import Painted, share
from napari_unet.runner.patches import PatchesDone, PatchesRequest
from napari_unet.scan import check_same_grid
from napari_unet.session import Verb

COUNT = 12


class PatchPreview(Activity):
    """Draws patches in a process of its own; ``drawn`` carries images, (N, Y, X), and paint, (N, Y, X)."""

    verb = Verb.TRAIN
    announced = False
    drawn = Signal(object, object)

    def start(self, images: Sequence[Image], paint: Labels, config: TrainConfig, seed: int) -> None:
        """Begin to draw.

        Parameters
        ----------
        images
            The scan: one layer, or several whose data become its channels.
        paint
            The paint layer.
        config
            How to train.
        seed
            The same draws the same.

        Raises
        ------
        BadInput
            The layers do not belong together.
        """
        scans = [scan_of(image) for image in images]
        check_same_grid(scans)
        painted, exchange = Painted(scans, voxels_of(paint), paint.name), self._exchange
        scans[0].fold(painted.voxels, f'"{painted.name}"')

        def make_request() -> PatchesRequest:
            scan, paint_of_it, _ = share(painted, exchange, self._lend)
            images_path, paint_path = (str(exchange.path(".raw")) for _ in range(2))
            return PatchesRequest((scan,), (paint_of_it,), config, images_path, paint_path, COUNT, seed)

        self._begin(make_request)

    def end(self) -> None:
        """End the process; it starts anew when it is needed."""
        self.abandon()
        self._runner.close()

    def _on_result(self, result: object) -> str:
        assert isinstance(result, PatchesDone)
        self._lent += [result.images, result.paint]
        self.drawn.emit(np.array(result.images.open()[:, 0]), np.array(result.paint.open()))
        return ""
