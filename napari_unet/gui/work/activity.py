"""A verb at work in the window: its job, what it reports, and how it ended. Docks show it; it outlives them."""

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, TypeVar

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image
from napari.layers.base import Layer
from qtpy.QtCore import QObject, QTimer, Signal

from napari_unet.errors import JobFailed, UnetError
from napari_unet.events import Event, LookAt
from napari_unet.gui.layers.scans import axes_of, scan_of
from napari_unet.gui.work.background import Background
from napari_unet.gui.work.jobs import JobRunner
from napari_unet.history import History
from napari_unet.runner import Exchange, Request, SharedArray, SharedScan
from napari_unet.scan import Scan, check_same_grid
from napari_unet.session import Session, Verb

LOOK_MS = 150
"""How often a job is told which slice is in view."""

Shared = TypeVar("Shared", SharedArray, SharedScan)


class How(Enum):
    """How a job ended."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Ending:
    """What is left where the progress was: one line, and for a failure what a person who mends it needs."""

    how: How
    text: str
    details: str = ""


class Work(QObject):
    """Something that takes a while. ``began`` and ``ended`` (with an :class:`Ending`) enclose its ``reported``."""

    began = Signal()
    reported = Signal(object)
    ended = Signal(object)

    @property
    def running(self) -> bool:
        """Whether it is under way."""
        raise NotImplementedError

    def cancel(self, *, patiently: bool = False) -> None:
        """End it within a second; ``patiently``, its process stays warm."""
        raise NotImplementedError


@dataclass(frozen=True)
class Surroundings:
    """What every activity of one viewer works with.

    Parameters
    ----------
    viewer
        Whose layers it works on; it is not kept alive.
    session
        What is chosen, and what runs.
    exchange
        Where arrays lie that cross to another process.
    background
        A thread for what would hold up the window.
    history
        What can be taken back.
    """

    viewer: weakref.ref[ViewerModel]
    session: Session
    exchange: Exchange
    background: Background
    history: History


class Activity(Work):
    """A verb of one viewer that is one job of a process."""

    verb: Verb
    announced = True
    """Whether the session is told; a preview goes on quietly."""

    def __init__(self, surroundings: Surroundings, runner: JobRunner) -> None:
        super().__init__()
        self._viewer = surroundings.viewer
        self._session = surroundings.session
        self._exchange = surroundings.exchange
        self._history = surroundings.history
        self._background = surroundings.background
        self._runner = runner
        self._active = False
        self._lent: list[SharedArray | SharedScan] = []
        runner.reported.connect(self._take_event)
        runner.finished.connect(self._take_result)
        runner.failed.connect(self._take_failure)
        runner.cancelled.connect(self._take_cancel)

    @property
    def running(self) -> bool:
        """Whether it is under way."""
        return self._active

    def cancel(self, *, patiently: bool = False) -> None:
        """End it within a second, keeping what lies in layers already; ``patiently``, its process stays warm."""
        if self._active:
            self._runner.cancel(patiently=patiently)

    def abandon(self) -> None:
        """Forget what runs: nobody looks any more, and the process is about to be ended."""
        if self._active:
            self._finish(Ending(How.CANCELLED, "Cancelled."))

    def _begin(self, make_request: Callable[[], Request]) -> None:
        self._active = True
        if self.announced:
            self._session.started(self.verb)
        self.began.emit()
        self._runner.start(make_request)

    def _lend(self, shared: Shared) -> Shared:
        """Note an array that is removed when the job is over."""
        self._lent.append(shared)
        return shared

    def _remove(self, *shared: SharedArray | SharedScan) -> None:
        """Remove arrays, in a thread: the files of a large scan take half a second."""
        self._background.run(partial(self._exchange.remove, *shared), _nothing, _nothing)

    def _finish(self, ending: Ending) -> None:
        self._active = False
        if self.announced:
            self._session.ended(self.verb)
        self._clean_up(ending)
        self._remove(*self._lent)
        self._lent.clear()
        self.ended.emit(ending)

    def _take_event(self, event: Event) -> None:
        if self._active:
            self._on_event(event)
            self.reported.emit(event)

    def _take_result(self, result: object) -> None:
        if self._active:
            self._finish(Ending(How.DONE, self._on_result(result)))

    def _take_failure(self, error: UnetError) -> None:
        if self._active:
            self._finish(Ending(How.FAILED, str(error), error.details if isinstance(error, JobFailed) else ""))

    def _take_cancel(self) -> None:
        if self._active:
            self._finish(Ending(How.CANCELLED, "Cancelled."))

    def _on_event(self, event: Event) -> None:
        """Act on an event of the job."""

    def _on_result(self, result: object) -> str:
        """Act on the result of the job and say in one line what came of it."""
        raise NotImplementedError

    def _clean_up(self, ending: Ending) -> None:
        """Let go of what the job needed, however it ended."""


class LabelsActivity(Activity):
    """An activity whose result is labels, which are made ready in a thread before they come into a layer.

    Cancelled at any time before that, it has changed nothing.
    """

    def __init__(self, surroundings: Surroundings, runner: JobRunner) -> None:
        super().__init__(surroundings, runner)
        self._round = 0

    def cancel(self, *, patiently: bool = False) -> None:
        """End it within a second with nothing changed."""
        if self._active and not self._runner.running:  # the result is being made ready
            self._finish(Ending(How.CANCELLED, "Cancelled."))
        super().cancel(patiently=patiently)

    def _ready(self, result: Any) -> Callable[[], Any]:
        """Give what makes the result of the job ready for the layer, to be called in a thread."""
        raise NotImplementedError

    def _show(self, result: Any, made_ready: Any) -> str:
        """Bring it into a layer, and say in one line what came of it."""
        raise NotImplementedError

    def _begin(self, make_request: Callable[[], Request]) -> None:
        self._round += 1
        super()._begin(make_request)

    def _take_result(self, result: object) -> None:
        if not self._active:
            return
        number, ready = self._round, self._ready(result)

        def show(made_ready: object) -> None:
            if self._active and number == self._round:
                self._finish(Ending(How.DONE, self._show(result, made_ready)))

        def failed(error: Exception) -> None:
            if self._active and number == self._round:
                self._finish(Ending(How.FAILED, f"The result could not be shown ({type(error).__name__}: {error})."))

        self._background.run(ready, show, failed)


class ScanActivity(Activity):
    """An activity on the scan of an image layer, which follows the slice in view."""

    def __init__(self, surroundings: Surroundings, runner: JobRunner) -> None:
        super().__init__(surroundings, runner)
        self._image: Image | None = None
        self._scan: Scan | None = None
        self._looked_at = 0
        self._look = QTimer(self)
        self._look.setInterval(LOOK_MS)
        self._look.timeout.connect(self._look_at_view)

    def _follow(self, viewer: ViewerModel, images: Sequence[Image]) -> list[Scan]:
        """Follow the slice in view of the first of these layers, and give all of them as scans on one grid.

        Raises
        ------
        BadInput
            They do not belong together.
        """
        scans = [scan_of(image) for image in images]
        check_same_grid(scans)
        self._image, self._scan = images[0], scans[0]
        self._looked_at = slice_in_view(viewer, images[0])
        return scans

    def _begin(self, make_request: Callable[[], Request]) -> None:
        self._look.start()
        super()._begin(make_request)

    def _look_at_view(self) -> None:
        viewer = self._viewer()
        if viewer is None or self._image is None or self._image not in viewer.layers:
            return
        z = slice_in_view(viewer, self._image)
        if z != self._looked_at:
            self._looked_at = z
            self._runner.tell(LookAt(z))

    def _clean_up(self, ending: Ending) -> None:
        self._look.stop()
        self._image = self._scan = None


def look_at_slice(viewer: ViewerModel, layer: Layer, z: int) -> None:
    """Show slice ``z`` of a layer's scan, an index along the scan's Z with all other axes folded in."""
    shape = (layer.data[0] if getattr(layer, "multiscale", False) else layer.data).shape
    order = _slice_axes(layer)
    position = np.asarray(layer.world_to_data(viewer.dims.point[-layer.ndim :]))
    position[order] = np.unravel_index(z, [shape[i] for i in order])
    world = layer.data_to_world(position)
    for axis in order:
        viewer.dims.set_point(axis - layer.ndim, world[axis])


def look_at_place(viewer: ViewerModel, layer: Layer, place: tuple[float, float]) -> None:
    """Bring a place (y, x), in voxels, of the slice in view to the middle of the view; the zoom stays."""
    if not is_along_slices(viewer, layer):
        return
    axes = axes_of(layer)
    position = np.asarray(layer.world_to_data(viewer.dims.point[-layer.ndim :]))
    position[[axes.index("Y"), axes.index("X")]] = place
    world = layer.data_to_world(position)
    viewer.scene.camera.center = (0, *(world[axis - viewer.dims.ndim] for axis in viewer.dims.displayed))


def _slice_axes(layer: Layer) -> list[int]:
    """Give the axes of a layer that slices are counted along, the outermost first."""
    axes = axes_of(layer)
    return [i for i, axis in enumerate(axes) if axis not in "CZYX"] + [i for i, axis in enumerate(axes) if axis == "Z"]


def slice_in_view(viewer: ViewerModel, layer: Layer) -> int:
    """Tell which slice of a layer's scan is in view, as an index along the scan's Z with all other axes folded in."""
    position = np.asarray(layer.world_to_data(viewer.dims.point[-layer.ndim :]))
    shape = (layer.data[0] if getattr(layer, "multiscale", False) else layer.data).shape
    order = _slice_axes(layer)
    if not order:
        return 0
    lengths = [shape[i] for i in order]
    index = [int(np.clip(round(float(position[i])), 0, n - 1)) for i, n in zip(order, lengths, strict=True)]
    return int(np.ravel_multi_index(index, lengths))


def is_along_slices(viewer: ViewerModel, layer: Layer) -> bool:
    """Whether the view shows one slice of a layer's scan: it is not in 3-D, nor turned to cut across the slices."""
    before = viewer.dims.ndim - layer.ndim
    return not any(before + axis in viewer.dims.displayed for axis in _slice_axes(layer))


def _nothing(outcome: object) -> None:
    """Make nothing of it: what could not be removed goes with the folder."""
