"""Training in the window: the job, its live preview, and the model it leaves."""

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_unet.annotation import ClassInfo, as_paint, classes_for, count_slices, with_background
from napari_unet.config import TrainConfig, Unpainted
from napari_unet.events import EpochDone, Event, Preview, Stop
from napari_unet.gui.layers.live_labels import LiveLabels
from napari_unet.gui.layers.scans import METADATA, SCAN_LAYERS, scan_of, voxels_of
from napari_unet.gui.widgets.beginnings import Beginning, new_state
from napari_unet.gui.work.activity import Ending, How, ScanActivity, Shared, Surroundings
from napari_unet.gui.work.jobs import JobRunner
from napari_unet.gui.work.naming import free_name
from napari_unet.model_file import SUFFIX
from napari_unet.runner import Exchange, SharedArray, SharedScan, TrainDone, TrainRequest
from napari_unet.scan import Scan, stack_channels
from napari_unet.session import TrainedModel, Verb

PREVIEW_NAME = "U-Net preview"

Reading: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""Makes paint of what a layer holds, both (Z, Y, X) uint8; it is called in a thread."""
PaintedLayers: TypeAlias = "tuple[tuple[weakref.ref[Image], ...], weakref.ref[Labels]]"
"""The image layers of a scan, and its paint layer, while they are there."""


class Lend(Protocol):
    """Notes an array that is removed when the job is over."""

    def __call__(self, shared: Shared) -> Shared:
        """Note it, and give it."""


@dataclass(frozen=True)
class Painted:
    """A scan and its paint.

    Parameters
    ----------
    scans
        The channels.
    voxels
        Of the layer that is paint, or is read as paint, in the shape of the user.
    name
        Of that layer.
    read
        Makes paint of it.
    classes
        Which are named on it.
    corrected
        Tells where a person put it right, which counts more.
    """

    scans: list[Scan]
    voxels: NDArray[Any]
    name: str
    read: Reading | None = None
    classes: tuple[ClassInfo, ...] = ()
    corrected: Callable[[NDArray[np.uint8]], NDArray[np.bool_]] | None = None


Elsewhere: TypeAlias = Callable[[Reading], Painted | None]
"""Gives the paint of another scan, in which what is not painted is unknown, when it is called in a thread."""


@dataclass(frozen=True)
class Lesson:
    """What a person made of predicted masks.

    Parameters
    ----------
    mask
        The mask that is learned from.
    others
        Those of other scans; where a project gives what is known of its other scans, they are not needed.
    paint
        The paint of the scan of the mask, which is shown again beside it.
    read_paint
        How all paint that is shown again is read.
    """

    mask: Painted
    others: Sequence[Painted]
    paint: Labels | None
    read_paint: Reading


class Training(ScanActivity):
    """Trains on image layers and a paint layer, neither of which it changes."""

    verb = Verb.TRAIN

    def __init__(self, surroundings: Surroundings, runner: JobRunner) -> None:
        super().__init__(surroundings, runner)
        self.epochs: list[EpochDone] = []
        self.model_path: Path | None = None
        self.evidence_path = ""
        self._learned_from: dict[Path, tuple[PaintedLayers, ...]] = {}
        self._learning_from: tuple[PaintedLayers, ...] = ()
        self._classes: tuple[ClassInfo, ...] = ()
        self._shared_preview: SharedArray | None = None
        self._preview: LiveLabels | None = None
        self._chooses = True
        self.elsewhere: Callable[[Sequence[Image]], list[Elsewhere]] = _nowhere
        """Gives what else there is to learn from than on these layers."""

    def start(
        self,
        images: Sequence[Image],
        paint: Labels,
        config: TrainConfig,
        classes: Sequence[ClassInfo],
        beginning: Beginning,
        lesson: Lesson | None = None,
    ) -> None:
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
        beginning
            What to begin with. A model that goes on is shown again what it learned from in this window, as far as
            those layers are still there.
        lesson
            How it is learned from where ``paint`` is a mask that a person corrected. The model is then not chosen:
            one sees first whether it is better.

        Raises
        ------
        BadInput
            The layers do not belong together.
        """
        viewer = self._viewer()
        if viewer is None:
            return
        scans = self._follow(viewer, images)
        scans[0].fold(voxels_of(paint), f'"{paint.name}"')
        again = self.learned_before(beginning, paint if lesson is None else lesson.paint)
        if lesson is not None and lesson.paint is not None:
            again.append(Painted(scans, voxels_of(lesson.paint), lesson.paint.name))
        elsewhere = self.unopened(images, beginning)
        read_paint = partial(with_background, unpainted=config.unpainted) if lesson is None else lesson.read_paint
        if lesson is not None or elsewhere:  # where corrections are learned from, the rest of them is not known
            again = [replace(painted, read=read_paint) for painted in again]
            config = config.model_copy(update={"unpainted": Unpainted.UNKNOWN})
        self._begin_preview(images[0])
        self.epochs = []
        self._classes = tuple(classes)
        painted = [Painted(scans, voxels_of(paint), paint.name, read_paint if elsewhere else None)]
        if lesson is not None:
            painted = [lesson.mask, *(() if elsewhere else lesson.others)]
        looked_at, self._chooses = self._looked_at, lesson is None
        start_path = "" if beginning.model is None else str(beginning.model.path)
        unfinished = beginning.unfinished or (None if start_path else new_state())
        model_path = str(self._exchange.path(SUFFIX))

        def make_request() -> TrainRequest:
            others = [one for find in elsewhere if (one := find(read_paint)) is not None]
            known = (*(info for one in others for info in one.classes), *self._classes)
            learned, repeated = ([*painted, *others], again) if not start_path else (painted, [*again, *others])
            scans, paints, labels = zip(*(share(one, self._exchange, self._lend) for one in learned), strict=True)
            before = [share(one, self._exchange, self._lend) for one in repeated]
            self._shared_preview = self._lend(self._exchange.empty(paints[0].shape, np.uint8))
            return TrainRequest(
                scans=scans,
                paints=paints,
                config=config,
                classes=classes_for(set().union(*labels), known),
                model_path=model_path,
                preview=self._shared_preview,
                look_at=looked_at,
                start_path=start_path,
                scans_again=tuple(scan for scan, _, _ in before),
                paints_again=tuple(paint for _, paint, _ in before),
                unfinished_path="" if unfinished is None else str(unfinished),
                resume=beginning.unfinished is not None,
                corrections=tuple(share_corrections(one, self._exchange, self._lend) for one in painted),
            )

        self._begin(make_request)
        self._note_sources(beginning, images, paint if lesson is None else lesson.paint)

    def _note_sources(self, beginning: Beginning, images: Sequence[Image], paint: Labels | None) -> None:
        """Remember the layers that the model learns from: when it goes on, they are shown again."""
        self._learning_from = self._sources_of(beginning)
        if paint is not None:
            names = tuple(image.name for image in images)
            paint.metadata[METADATA] = {**paint.metadata.get(METADATA, {}), SCAN_LAYERS: names}
        if paint is not None and all(ref() is not paint for _, ref in self._learning_from):
            self._learning_from += ((tuple(map(weakref.ref, images)), weakref.ref(paint)),)

    def _begin_preview(self, image: Image) -> None:
        """Take the layer of the preview of before once more, where it lies on this scan."""
        if self._preview is not None and self._preview.lies_on(image):
            self._preview.show_empty()
        else:
            self.remove_preview()

    def _sources_of(self, beginning: Beginning) -> "tuple[PaintedLayers, ...]":
        """Give the layers that the model learned from which goes on."""
        return () if beginning.model is None else self._learned_from.get(beginning.model.path, ())

    def unopened(self, images: Sequence[Image], beginning: Beginning) -> list[Elsewhere]:
        """Give what there is to learn from but on these images, and on those that a model learned from before."""
        before = [image for refs, _ in self._sources_of(beginning) for ref in refs if (image := ref()) is not None]
        return self.elsewhere([*images, *before])

    def learned_before(self, beginning: Beginning, paint: Labels | None) -> list[Painted]:
        """Give what a model learned from before, as it is now, as far as it is there, but for this paint."""
        found: list[Painted] = []
        viewer = self._viewer()
        if viewer is None:
            return found
        for image_refs, paint_ref in self._sources_of(beginning):
            images, layer = [ref() for ref in image_refs], paint_ref()
            there = [image for image in images if image is not None and image in viewer.layers]
            if layer is None or layer is paint or layer not in viewer.layers or len(there) != len(images):
                continue
            found.append(Painted([scan_of(image) for image in there], voxels_of(layer), layer.name))
        return found

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
            self._preview.replace(z, self._shared_preview.open()[z])

    def _on_result(self, result: object) -> str:
        assert isinstance(result, TrainDone)
        scan_name = self._scan.name if self._scan is not None else "scan"
        name = free_name(self._session, f"{scan_name} model")
        self.model_path, self.evidence_path = Path(result.model_path), result.evidence_path
        self._learned_from[self.model_path] = self._learning_from
        self._session.add_model(TrainedModel(name, self.model_path, result.description), choose=self._chooses)
        learned = result.description.learned_from
        return f"Trained {learned.steps:,} steps in {learned.seconds:.0f} s: {result.description.sentence()}."

    def _clean_up(self, ending: Ending) -> None:
        super()._clean_up(ending)
        self._shared_preview = None
        if ending.how is not How.DONE:
            self.remove_preview()


def _nowhere(images: Sequence[Image]) -> list[Elsewhere]:
    """Find nothing else to learn from."""
    return []


def share(painted: Painted, exchange: Exchange, lend: Lend) -> tuple[SharedScan, SharedArray, set[int]]:
    """Copy a scan and its paint for the other process, noting with ``lend``; give also the labels that are painted."""
    scan = stack_channels(painted.scans)
    folded = as_paint(np.asarray(scan.fold(painted.voxels)), f'"{painted.name}"')
    if painted.read is not None:
        folded = painted.read(folded)
    return lend(exchange.put_scan(scan)), lend(exchange.put(folded)), _labels_in(folded)


def share_corrections(painted: Painted, exchange: Exchange, lend: Lend) -> SharedArray | None:
    """Copy for the other process where a person put a mask right; None where there is nothing of that kind."""
    if painted.corrected is None:
        return None
    folded = stack_channels(painted.scans).fold(painted.voxels)
    return lend(exchange.put(painted.corrected(as_paint(np.asarray(folded), f'"{painted.name}"'))))


def _labels_in(paint: NDArray[np.uint8]) -> set[int]:
    """Collect the labels of a paint, slice by slice so that the window is not held up."""
    return {label for counts in count_slices(paint).values() for label in counts}
