"""Prediction in the window: a mask that appears slice by slice as a new, editable layer."""

import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray
from qtpy.QtCore import QTimer, Signal

from napari_unet.annotation import ClassInfo, count_labels
from napari_unet.config import PredictConfig
from napari_unet.errors import BadInput, UnetError
from napari_unet.events import Event, SlicesDone, Started
from napari_unet.gui.layers.live_labels import Kept, LiveLabels
from napari_unet.gui.layers.scans import (
    METADATA,
    PROBABILITIES,
    REVIEW,
    SCAN_LAYERS,
    SHOWN,
    is_of_another_scan,
    place_of,
)
from napari_unet.gui.layers.stored_labels import StoredLabels, folder, is_large, source_of
from napari_unet.gui.widgets.scope import EVERYTHING, Scope
from napari_unet.gui.work.activity import Ending, How, ScanActivity, Surroundings
from napari_unet.gui.work.jobs import JobRunner
from napari_unet.gui.work.refining import amount
from napari_unet.gui.work.undoing import Shown
from napari_unet.io.growing_labels import grown_beside, origin
from napari_unet.keeping.provenance import about_model
from napari_unet.review.corrections import Review
from napari_unet.runner import PredictDone, PredictRequest, SharedArray, SharedScan
from napari_unet.runner.large import LargePredictRequest, lent
from napari_unet.scan import Scan, stack_channels
from napari_unet.session import TrainedModel, Verb

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Wish:
    """What is to be predicted, and how.

    Parameters
    ----------
    models
        The model, or several to average.
    config
        How to predict.
    scope
        Which part of the scan.
    keep_probabilities
        Keep with the layer how likely each class is, for a refinement that looks at it; of a whole scan only.
    show_probabilities, show_uncertainty
        Show how likely each class is, and how much doubt is left, as image layers.
    """

    models: tuple[TrainedModel, ...]
    config: PredictConfig = PredictConfig()
    scope: Scope = EVERYTHING
    keep_probabilities: bool = False
    show_probabilities: bool = False
    show_uncertainty: bool = False

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """The classes, background included."""
        return self.models[0].description.classes

    @property
    def files(self) -> tuple[str, ...]:
        """The files of the models."""
        return tuple(str(model.path) for model in self.models)

    @property
    def labels_only(self) -> bool:
        """Whether nothing is wanted besides labels."""
        return not (self.keep_probabilities or self.show_probabilities or self.show_uncertainty)


@dataclass(frozen=True, eq=False)
class _Unfinished:
    """A prediction that was cut short, its layer, and what is done."""

    images: tuple[Image, ...]
    wish: Wish
    result: LiveLabels | StoredLabels
    name: str
    done: set[int]


class Prediction(ScanActivity):
    """Predicts image layers with a model into a new labels layer."""

    verb = Verb.PREDICT
    volumes_counted = Signal(str)
    """How much there is of each class, in words."""

    def __init__(self, surroundings: Surroundings, runner: JobRunner) -> None:
        super().__init__(surroundings, runner)
        self._wish: Wish | None = None
        self._images: tuple[Image, ...] = ()
        self._out: SharedArray | None = None
        self._probabilities: SharedArray | None = None
        self._uncertainty: SharedArray | None = None
        self._stored: tuple[Path, Any] | None = None
        self._result: LiveLabels | StoredLabels | None = None
        self._kept: Kept | None = None
        self.layer: Callable[[], Labels | None] = _no_layer
        """Gives the layer of the latest result, while it is there."""
        self._done: set[int] = set()
        self._wanted = 0
        self._unfinished: _Unfinished | None = None
        self._next: list[list[Image]] = []
        self._is_next = False

    def start(
        self,
        images: Sequence[Image],
        wish: Wish,
        *,
        then: Sequence[list[Image]] = (),
        kept: Kept | None = None,
    ) -> None:
        """Begin to predict, or go on with what was cut short.

        Parameters
        ----------
        images
            The scan: one layer, or several whose data become its channels.
        wish
            What is wanted of it.
        then
            Further scans that are predicted after it in the same way.
        kept
            Voxels that a person stands for: they are in the result as they are.

        Raises
        ------
        BadInput
            The layers do not belong together, or more is wanted of a scan too large for memory than its labels.
        """
        viewer = self._viewer()
        if viewer is None:
            return
        scans = self._follow(viewer, images)
        if large := any(map(is_large, scans)):
            _check_labels_only(scans[0], wish)
        self._images, self._wish, self._next, self._is_next = tuple(images), wish, list(then), False
        self._result, self._done, self._kept = None, set(), kept
        self._review = Review(wish.models[0].path)
        wanted = tuple(range(scans[0].grid[0])) if wish.scope.slices is None else wish.scope.slices
        self._wanted = len(wanted)
        self._go_on()
        if large:
            self._begin(partial(self._large_request, wish, scans, source_of(images[0]), wanted, self._looked_at))
            return
        todo = None if len(self._done) == 0 and wish.scope.slices is None else tuple(set(wanted) - self._done)
        self._begin(partial(self._request, wish, scans, todo, self._looked_at))

    def _request(
        self, wish: Wish, scans: Sequence[Scan], slices: tuple[int, ...] | None, look_at: int
    ) -> PredictRequest:
        """Copy a scan, and make room for what comes of it (called in a thread)."""
        scan, exchange = stack_channels(scans), self._exchange
        self._review.models = tuple(about_model(model.path) for model in wish.models)
        self._out = self._lend(exchange.empty(scan.grid, np.uint8))
        if wish.show_probabilities or (wish.keep_probabilities and wish.scope == EVERYTHING):
            self._probabilities = self._lend(exchange.empty((len(wish.classes), *scan.grid), np.float16))
        if wish.show_uncertainty:
            self._uncertainty = self._lend(exchange.empty(scan.grid, np.float16))
        return PredictRequest(
            model_paths=wish.files,
            scan=self._lend(exchange.put_scan(scan)),
            out=self._out,
            config=wish.config,
            slices=slices,
            part=wish.scope.part,
            look_at=look_at,
            probabilities=self._probabilities,
            uncertainty=self._uncertainty,
        )

    def _large_request(
        self, wish: Wish, scans: Sequence[Scan], source: "Path | None", slices: tuple[int, ...], look_at: int
    ) -> LargePredictRequest:
        """Find the labels of a scan that is not copied, or begin them (called in a thread)."""
        scan, described = stack_channels(scans), [model.description for model in wish.models]
        made_by = origin(described, wish.config, wish.scope.part, scan.name, scan.grid, source)
        path, labels = grown_beside(source, folder(), scan, described[0].foreground, made_by)
        self._stored, self._done = (path, labels.array), labels.done & set(slices)
        seen = lent(scan, self._exchange)
        if isinstance(seen, SharedScan):
            self._lend(seen)
        return LargePredictRequest(wish.files, seen, str(path), made_by, wish.config, slices, wish.scope.part, look_at)

    def _go_on(self) -> None:
        """Take up the layer of the same prediction that was cut short, if there is one."""
        left, self._unfinished = self._unfinished, None
        if left and left.result.shown and left.images == self._images and left.wish == self._wish:
            self._result, self._done = left.result, left.done
            self._result.layer.name = left.name
            self._review = self._result.layer.metadata[METADATA].get(REVIEW, self._review)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, SlicesDone):
            self._review.looks |= event.looks
            self._show(event.slices)
        elif isinstance(event, Started) and self._stored is not None:
            self._show(())  # some of it may be there from before

    def _show(self, slices: Sequence[int]) -> None:
        if self._result is None:
            self._result = self._new_layer()
        if self._result is None:
            return
        if isinstance(self._result, StoredLabels):
            self._result.written()
        elif self._out is not None:
            predicted = self._out.open()
            self._result.write(slices, predicted)
            for z in slices:
                self._review.note(z, predicted[z])
        self._done.update(slices)

    def _new_layer(self) -> LiveLabels | StoredLabels | None:
        """Make the layer of the result; None when there is no scan any more to put it on."""
        viewer = self._viewer()
        if viewer is None or self._wish is None or self._scan is None or self._image not in viewer.layers:
            return None
        name = f"{self._scan.name} prediction"
        foreground = [info for info in self._wish.classes if info.label]
        about: dict[str, Any] = {SCAN_LAYERS: tuple(image.name for image in self._images)}
        if is_of_another_scan(self._image):
            about[SHOWN] = True  # when its scan comes into view
        result: LiveLabels | StoredLabels
        if self._stored is not None:
            result = StoredLabels(viewer, self._stored[1], self._image, name, foreground, about=about)
        else:
            about[REVIEW] = self._review
            result = LiveLabels(viewer, self._scan, self._image, name, foreground, kept=self._kept, about=about)
        if self._is_next or SHOWN in about:
            result.layer.visible = self._images[0].visible
        self.layer = weakref.ref(result.layer)
        return result

    def _on_result(self, result: object) -> str:
        assert isinstance(result, PredictDone)
        if self._result is None or self._wish is None or self._scan is None:
            return "The scan was taken away meanwhile: there is no layer to show."
        viewer = self._viewer()
        if viewer is None or self._result.layer not in viewer.layers:
            return f'Layer "{self._result.layer.name}" was taken away meanwhile: predict again for another.'
        self._show_maps(self._scan, self._wish)
        if self._probabilities is not None and self._wish.keep_probabilities and self._wish.scope == EVERYTHING:
            # Mapped, it stays when its file is removed, and goes with the layer.
            labels = tuple(info.label for info in self._wish.classes)
            self._result.layer.metadata[METADATA][PROBABILITIES] = (self._probabilities.open(), labels)
        foreground = [info for info in self._wish.classes if info.label]
        count = partial(volumes, self._result.slices, foreground, self._scan)
        self._background.run(count, self.volumes_counted.emit, self._not_counted)
        if Verb.REVIEW not in self._session.state.running:  # learning from corrections is a step of its own
            self._history.add(Shown(f'predicting "{self._scan.name}"', self._viewer, self._result.layer))
        if self._stored is not None and isinstance(self._result, StoredLabels):
            self._result.finish()
            return f'Result: layer "{self._result.layer.name}", which is kept in {self._stored[0]}.'
        return f'Result: layer "{self._result.layer.name}". It is yours to correct.'

    def _show_maps(self, scan: Scan, wish: Wish) -> None:
        """Show the probabilities and the uncertainty that were wished for."""
        if wish.show_probabilities and self._probabilities is not None:
            likely = self._probabilities.open()
            for number, info in enumerate(wish.classes):
                if info.label:
                    self._add_map(scan, likely[number], f"{scan.name} {info.name}", "viridis", visible=False)
        if wish.show_uncertainty and self._uncertainty is not None:
            self._add_map(scan, self._uncertainty.open(), f"{scan.name} uncertainty", "inferno", visible=True)

    def _add_map(self, scan: Scan, values: NDArray[np.float16], name: str, colormap: str, *, visible: bool) -> None:
        viewer, image = self._viewer(), self._image
        if viewer is None or image is None:
            return
        active = viewer.layers.selection.active
        look: dict[str, Any] = {"colormap": colormap, "contrast_limits": (0, 1), "blending": "additive"}
        visible &= image.visible
        viewer.add_image(scan.unfold(values), name=name, visible=visible, **look, **place_of(image))
        viewer.layers.selection.active = active

    def _not_counted(self, error: Exception) -> None:
        self.volumes_counted.emit(f"The volumes could not be counted: {error}")

    def _take_cancel(self) -> None:
        if self._active:
            done = f" {len(self._done)} of {self._wanted} slices are done; Predict goes on from there."
            goes_on = 0 < len(self._done) < self._wanted and self._wish is not None and self._wish.labels_only
            self._finish(Ending(How.CANCELLED, f"Cancelled.{done if goes_on else ''}"))

    def _finish(self, ending: Ending) -> None:
        super()._finish(ending)
        if ending.how is How.CANCELLED:
            self._next.clear()
        elif self._next:
            QTimer.singleShot(0, self._start_next)  # once everybody has heard of the ending

    def _start_next(self) -> None:
        viewer, wish = self._viewer(), self._wish
        while viewer is not None and wish is not None and self._next and not self._active:
            images, *then = self._next
            self._next = then
            if not all(image in viewer.layers for image in images):
                continue
            try:
                self.start(images, wish, then=then)
                self._is_next = True
            except UnetError as error:
                self.ended.emit(Ending(How.FAILED, str(error)))

    def _clean_up(self, ending: Ending) -> None:
        images, wish = self._images, self._wish
        super()._clean_up(ending)
        result, self._result, self._out, self._stored = self._result, None, None, None
        self._probabilities = self._uncertainty = None
        if result is not None and wish is not None and ending.how is not How.DONE and len(self._done) < self._wanted:
            if wish.labels_only:
                self._unfinished = _Unfinished(images, wish, result, result.layer.name, self._done)
            result.layer.name = f"{result.layer.name} (partial: {len(self._done)} of {self._wanted} slices)"


def _check_labels_only(scan: Scan, wish: Wish) -> None:
    if not wish.labels_only or wish.config.three_planes:
        raise BadInput(
            f'"{scan.name}" is too large for memory: of such a scan only labels are kept, on the disk. Switch '
            "off what is shown or kept of probabilities and doubt, and three planes."
        )


def _no_layer() -> None:
    return None


def volumes(labels: Iterable[NDArray[np.uint8]], classes: Sequence[ClassInfo], scan: Scan) -> str:
    """Say how much there is of each class, line by line, in ml where the scan has a spacing in mm ("liver: 5.00 ml").

    Parameters
    ----------
    labels
        The slices, (Y, X) uint8 each.
    classes
        The classes to tell of.
    scan
        The scan the labels lie on.
    """
    counts = count_labels(labels)
    return "\n".join(f"{info.name}: {amount(int(counts[info.label]), scan.voxel_ml)}" for info in classes)
