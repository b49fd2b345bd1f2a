"""Training in the window: the job, its live preview, and the model it leaves."""

import weakref
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_unet.annotation import ClassInfo, as_paint, classes_for, count_slices
from napari_unet.config import TrainConfig
from napari_unet.events import EpochDone, Event, Preview, Stop
from napari_unet.gui.activity import Ending, How, ScanActivity
from napari_unet.gui.jobs import JobRunner
from napari_unet.gui.layers import voxels_of
from napari_unet.gui.live_labels import LiveLabels
from napari_unet.model_file import SUFFIX
from napari_unet.runner import Exchange, SharedArray, TrainDone, TrainRequest
from napari_unet.scan import stack_channels
from napari_unet.session import Session, TrainedModel, Verb

PREVIEW_NAME = "U-Net preview"


class Training(ScanActivity):
    """Trains on image layers and a paint layer, neither of which it changes."""

    verb = Verb.TRAIN

    def __init__(
        self, viewer: weakref.ref[ViewerModel], session: Session, exchange: Exchange, runner: JobRunner
    ) -> None:
        super().__init__(viewer, session, exchange, runner)
        self.epochs: list[EpochDone] = []
        self._classes: tuple[ClassInfo, ...] = ()
        self._shared_preview: SharedArray | None = None
        self._preview: LiveLabels | None = None

    def start(self, images: Sequence[Image], paint: Labels, config: TrainConfig, classes: Sequence[ClassInfo]) -> None:
        """Begin to train.

        Parameters
        ----------
        images
            The scan: one layer, or several whose data become its channels.
        paint
            The paint layer.
        config
            How to train.
        classes
            Names and colours of the classes.

        Raises
        ------
        BadInput
            The layers do not belong together.
        """
        viewer = self._viewer()
        if viewer is None:
            return
        scans = self._follow(viewer, images)
        voxels, name = voxels_of(paint), paint.name
        scans[0].fold(voxels, f'"{name}"')
        if self._preview is not None and self._preview.lies_on(images[0]):
            self._preview.show_empty()
        else:
            self.remove_preview()
        self.epochs = []
        self._classes = tuple(classes)
        exchange, looked_at, known = self._exchange, self._looked_at, self._classes
        model_path = exchange.path(SUFFIX)

        def make_request() -> TrainRequest:
            scan = stack_channels(scans)
            folded = as_paint(np.asarray(scan.fold(voxels)), f'"{name}"')
            self._shared_preview = self._lend(exchange.empty(scan.grid, np.uint8))
            return TrainRequest(
                scans=(self._lend(exchange.put_scan(scan)),),
                paints=(self._lend(exchange.put(folded)),),
                config=config,
                classes=classes_for(_labels_in(folded), known),
                model_path=str(model_path),
                preview=self._shared_preview,
                look_at=looked_at,
            )

        self._begin(make_request)

    def stop_and_keep(self) -> None:
        """Finish with the best model so far."""
        self._runner.tell(Stop())

    def hide_preview(self) -> None:
        """Hide the preview: there is something better now. The next training uses its layer again."""
        if self._preview is not None and self._preview.shown:
            self._preview.layer.visible = False

    def remove_preview(self) -> None:
        """Take the preview away."""
        preview, self._preview = self._preview, None
        if preview is not None:
            preview.remove()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, EpochDone):
            self.epochs.append(event)
        elif isinstance(event, Preview):
            self._show_preview(event.z)

    def _show_preview(self, z: int) -> None:
        viewer = self._viewer()
        if viewer is None or self._shared_preview is None or self._scan is None or self._image is None:
            return
        if self._preview is None:
            if self._image not in viewer.layers:
                return
            self._preview = LiveLabels(viewer, self._scan, self._image, PREVIEW_NAME, self._classes, editable=False)
        if self._preview.shown:
            self._preview.replace(z, self._shared_preview.open())

    def _on_result(self, result: object) -> str:
        assert isinstance(result, TrainDone)
        scan_name = self._scan.name if self._scan is not None else "scan"
        taken = {model.name for model in self._session.models}
        name = next(n for n in _numbered(f"{scan_name} model") if n not in taken)
        self._session.add_model(TrainedModel(name, Path(result.model_path), result.description))
        learned = result.description.learned_from
        return f"Trained {learned.steps:,} steps in {learned.seconds:.0f} s: {result.description.sentence()}."

    def _clean_up(self, ending: Ending) -> None:
        super()._clean_up(ending)
        self._shared_preview = None
        if ending.how is not How.DONE:
            self.remove_preview()


def _labels_in(paint: NDArray[np.uint8]) -> set[int]:
    """Collect the labels of a paint, slice by slice so that the window is not held up."""
    return {label for counts in count_slices(paint).values() for label in counts}


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name} {number}" for number in count(2))
