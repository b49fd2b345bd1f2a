"""Prediction in the window: a mask that appears slice by slice as a new, editable layer."""

import weakref
from collections.abc import Sequence
from functools import partial

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image
from numpy.typing import NDArray
from qtpy.QtCore import Signal

from napari_unet.annotation import ClassInfo
from napari_unet.config import PredictConfig
from napari_unet.events import Event, SlicesDone
from napari_unet.gui.activity import Ending, How, ScanActivity
from napari_unet.gui.background import Background
from napari_unet.gui.jobs import JobRunner
from napari_unet.gui.layers import METADATA, PROBABILITIES, SCAN_LAYERS
from napari_unet.gui.live_labels import LiveLabels
from napari_unet.runner import Exchange, PredictDone, PredictRequest, SharedArray
from napari_unet.scan import Scan, stack_channels
from napari_unet.session import Session, TrainedModel, Verb


class Prediction(ScanActivity):
    """Predicts image layers with a model into a new labels layer."""

    verb = Verb.PREDICT
    volumes_counted = Signal(str)
    """How much there is of each class, in words."""

    def __init__(
        self,
        viewer: weakref.ref[ViewerModel],
        session: Session,
        exchange: Exchange,
        runner: JobRunner,
        background: Background,
    ) -> None:
        super().__init__(viewer, session, exchange, runner)
        self._background = background
        self._classes: tuple[ClassInfo, ...] = ()
        self._scan_layers: tuple[str, ...] = ()
        self._out: SharedArray | None = None
        self._probabilities: SharedArray | None = None
        self._labels: tuple[int, ...] = ()
        self._result: LiveLabels | None = None
        self._done: set[int] = set()
        self._wanted = 0

    def start(
        self,
        images: Sequence[Image],
        model: TrainedModel,
        config: PredictConfig,
        *,
        this_slice: bool = False,
        keep_probabilities: bool = False,
    ) -> None:
        """Begin to predict.

        Parameters
        ----------
        images
            The scan: one layer, or several whose data become its channels.
        model
            The model.
        config
            How to predict.
        this_slice
            Only the slice in view.
        keep_probabilities
            Keep with the layer how likely each class is, for a refinement that looks at it; of the whole scan only.

        Raises
        ------
        BadInput
            The layers do not belong together.
        """
        viewer = self._viewer()
        if viewer is None:
            return
        scans = self._follow(viewer, images)
        self._classes = model.description.foreground
        self._scan_layers = tuple(image.name for image in images)
        self._labels = tuple(info.label for info in model.description.classes)
        self._result, self._done = None, set()
        looked_at = self._looked_at
        slices = (looked_at,) if this_slice else None
        self._wanted = 1 if this_slice else scans[0].grid[0]
        exchange = self._exchange

        def make_request() -> PredictRequest:
            scan = stack_channels(scans)
            self._out = self._lend(exchange.empty(scan.grid, np.uint8))
            if keep_probabilities and not this_slice:
                self._probabilities = self._lend(exchange.empty((len(self._labels), *scan.grid), np.float16))
            return PredictRequest(
                model_path=str(model.path),
                scan=self._lend(exchange.put_scan(scan)),
                out=self._out,
                config=config,
                slices=slices,
                look_at=looked_at,
                probabilities=self._probabilities,
            )

        self._begin(make_request)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, SlicesDone):
            self._show(event.slices)

    def _show(self, slices: Sequence[int]) -> None:
        viewer = self._viewer()
        if viewer is None or self._out is None or self._scan is None or self._image is None:
            return
        if self._result is None:
            if self._image not in viewer.layers:
                return
            name = f"{self._scan.name} prediction"
            self._result = LiveLabels(viewer, self._scan, self._image, name, self._classes)
            self._result.layer.metadata[METADATA][SCAN_LAYERS] = self._scan_layers
        self._result.write(slices, self._out.open())
        self._done.update(slices)

    def _on_result(self, result: object) -> str:
        assert isinstance(result, PredictDone)
        if self._result is None:
            return "The scan was taken away meanwhile: there is no layer to show."
        if self._probabilities is not None:
            # Mapped, it stays when its file is removed, and goes with the layer.
            self._result.layer.metadata[METADATA][PROBABILITIES] = (self._probabilities.open(), self._labels)
        labels, scan = self._result.labels, self._scan
        if scan is not None:
            self._background.run(
                partial(volumes, labels, self._classes, scan), self.volumes_counted.emit, self._not_counted
            )
        return f'Result: layer "{self._result.layer.name}". It is yours to correct.'

    def _not_counted(self, error: Exception) -> None:
        self.volumes_counted.emit(f"The volumes could not be counted: {error}")

    def _clean_up(self, ending: Ending) -> None:
        super()._clean_up(ending)
        result, self._result, self._out, self._probabilities = self._result, None, None, None
        if result is not None and ending.how is not How.DONE and len(self._done) < self._wanted:
            result.layer.name = f"{result.layer.name} (partial: {len(self._done)} of {self._wanted} slices)"


def volumes(labels: NDArray[np.uint8], classes: Sequence[ClassInfo], scan: Scan) -> str:
    """Say how much there is of each class, line by line, in ml where the scan has a spacing in mm ("liver: 5.0 ml").

    Parameters
    ----------
    labels
        (Z, Y, X) uint8.
    classes
        The classes to tell of.
    scan
        The scan the labels lie on.
    """
    counts = np.zeros(256, np.int64)
    for plane in labels:
        counts += np.bincount(plane.ravel(), minlength=256)
    if scan.unit != "mm" or scan.depth == 1:
        return "\n".join(f"{info.name}: {counts[info.label]:,} voxels" for info in classes)
    voxel_ml = float(np.prod(scan.spacing)) / 1000
    return "\n".join(f"{info.name}: {counts[info.label] * voxel_ml:,.1f} ml" for info in classes)
