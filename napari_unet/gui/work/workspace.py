"""What belongs to one viewer: its session, its processes, its jobs. The docks are views of it."""

import atexit
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_unet.gui.layers.paint import chosen_paint
from napari_unet.gui.layers.scans import images_beneath, mask_shape_of, read_units, review_of, warm_up_colours
from napari_unet.gui.layers.stored_labels import too_large
from napari_unet.gui.work.activity import Surroundings
from napari_unet.gui.work.background import Background
from napari_unet.gui.work.bringing_back import BringingBack
from napari_unet.gui.work.elsewhere import OtherScans
from napari_unet.gui.work.filling import Filling
from napari_unet.gui.work.jobs import JobRunner
from napari_unet.gui.work.keeping import Keeper
from napari_unet.gui.work.kept_steps import KeptSteps
from napari_unet.gui.work.learning_again import LearningAgain
from napari_unet.gui.work.live import LIVE_ENGINES, Live
from napari_unet.gui.work.marking import Marking
from napari_unet.gui.work.patches import PatchPreview
from napari_unet.gui.work.predicting import Prediction, Wish
from napari_unet.gui.work.projects import Projects
from napari_unet.gui.work.refining import Refinement, RefinePreview
from napari_unet.gui.work.scoring import Scoring
from napari_unet.gui.work.slice_clock import SliceClock
from napari_unet.gui.work.suggesting import Suggesting
from napari_unet.gui.work.training import Training
from napari_unet.gui.work.undoing import Undoing
from napari_unet.history import History
from napari_unet.model_file import ModelDescription, load_model
from napari_unet.runner import Exchange
from napari_unet.runner.reading import reader
from napari_unet.session import Session, TrainedModel

ENGINES = ("napari_unet.training.loop", "napari_unet.inference.prediction")
REFINEMENT = ("napari_unet.refinement.pipeline", "napari_unet.refinement.nearest", "napari_unet.refinement.counting")


class Workspace:
    """Everything that the docks of one viewer share.

    Trained models stay for as long as the viewer does; processes stand while a dock is open. Training and
    prediction share a process, refinement has one of its own, so that one can refine while a network trains.

    Parameters
    ----------
    viewer
        The viewer; it is not kept alive.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self.session = Session()
        self.exchange = Exchange()
        self.background = Background()
        self.history = History()
        self.undoing = Undoing(self._viewer, self.history)
        self.engine = JobRunner(self.background, ENGINES)
        self.refinery = JobRunner(self.background, REFINEMENT)
        self.keeper = Keeper(self._viewer, self.session, self.exchange.folder, self.history)
        self.marking = Marking(self._viewer, self.history)
        self.marking.changed.connect(self.keeper.keep_soon)
        self.clock = SliceClock(self._viewer)
        self.clock.looked_at.connect(self.keeper.keep_soon)
        surroundings = Surroundings(self._viewer, self.session, self.exchange, self.background, self.history)
        self.bringing_back = BringingBack(surroundings, self.keeper)
        self.training = Training(surroundings, self.engine)
        self.live = Live(surroundings, JobRunner(self.background, LIVE_ENGINES))
        self.patches = PatchPreview(surroundings, JobRunner(self.background, ()))
        self.prediction = Prediction(surroundings, self.engine)
        self.scoring = Scoring(surroundings, self.engine)
        self.learning_again = LearningAgain(surroundings, self.training, self.prediction, self.scoring)
        self.refinement = Refinement(surroundings, self.refinery)
        self.refine_preview = RefinePreview(surroundings, self.refinery)
        self.filling = Filling(surroundings, self.refinery)
        self.suggesting = Suggesting(surroundings, self.refinery)
        self.projects = Projects(self._viewer, self.session, self.keeper)
        self.kept_steps = KeptSteps(self._viewer, self.history, self.marking, self.learning_again.show)
        self.projects.scans.brought.connect(self.kept_steps.bring_back)
        self.bringing_back.project_wanted.connect(self.projects.open_left_behind)
        self.undoing.into_view = self.projects.scans.bring
        self.other_scans = OtherScans(self._viewer, self.keeper)
        self.training.elsewhere = self.other_scans.beside
        for work in (self.training, self.prediction, self.refinement, self.filling):
            work.ended.connect(self.projects.note)
        self.refine_preview.ended.connect(self._start_next)
        self._next: Callable[[], None] | None = None
        self._docks = 0
        self._closed = False

    @property
    def viewer(self) -> ViewerModel:
        """The viewer."""
        viewer = self._viewer()
        if viewer is None:
            raise ReferenceError("the viewer of this workspace is closed")
        return viewer

    def predict(self, images: Sequence[Image], wish: Wish, *, then: Sequence[list[Image]] = ()) -> None:
        """Predict a scan, see :meth:`Prediction.start`; the preview of the training makes room.

        Raises
        ------
        BadInput
            The layers do not belong together.
        """
        self.prediction.start(images, wish, then=then)
        self.training.hide_preview()

    def set_thresholds(self, path: Path, thresholds: dict[int, float]) -> None:
        """Let a model of this window carry thresholds that its predictions use."""
        model = next((model for model in self.session.models if model.path == path), None)
        if model is None:
            return
        name = model.name

        def write() -> ModelDescription:
            kept = load_model(path)
            kept = replace(kept, description=kept.description.model_copy(update={"thresholds": thresholds}))
            kept.save(path)
            return kept.description

        self.background.run(
            write, lambda description: self.session.add_model(TrainedModel(name, path, description)), _nothing
        )

    def paint_on(self, mask: Labels | None) -> Labels | None:
        """Find the paint that the Train dock has chosen, if it lies on this mask and is not the mask."""
        if mask is None:
            return None
        images = images_beneath(self.viewer, mask)
        paint = chosen_paint(self.viewer, self.session.state, images, mask_shape_of(mask))
        return None if paint is mask else paint

    def newest_on(self, images: Sequence[Image], *, reviewed: bool) -> Labels | None:
        """Find the topmost labels layer on a scan that a model wrote, or that none did; None when there is none."""
        for layer in reversed(self.viewer.layers):
            editable = isinstance(layer, Labels) and layer.editable and (review_of(layer) is not None) == reviewed
            if editable and not too_large(layer) and images_beneath(self.viewer, layer) == list(images):
                return layer
        return None

    def when_refinery_is_free(self, start: Callable[[], None]) -> None:
        """Start a job of the process for refinement as soon as a preview has made room for it."""
        if self.refine_preview.running:
            self._next = start
            self.refine_preview.cancel()
        else:
            start()

    def _start_next(self, ending: object) -> None:
        start, self._next = self._next, None
        if start is not None:
            QTimer.singleShot(0, start)  # once everybody has heard of the ending

    def warm_refinement(self) -> None:
        """Let the process for refinement stand ready, and what previews need in this one."""
        self.refinery.warm()
        self.background.run(_import_refinement, _nothing, _nothing)

    def dock_opened(self) -> None:
        """Count a dock that was opened; the processes warm up with the first."""
        self._docks += 1
        self.keeper.start()
        self.bringing_back.look()
        self.undoing.start()
        self.clock.start()
        self.engine.warm()
        read_units()
        self.background.run(warm_up_colours, _nothing, _nothing)
        self.background.run(reader.warm, _nothing, _nothing)

    def dock_closed(self) -> None:
        """Count a dock that was closed; with the last one, what runs and the processes end."""
        self._docks -= 1
        if not self._docks and not self._closed:
            self.undoing.stop()
            self.session.forget_listeners()  # docks that went with the window have not left
            self.projects.forget_all()
            for activity in (
                self.training,
                self.prediction,
                self.scoring,
                self.refinement,
                self.refine_preview,
                self.filling,
                self.suggesting,
            ):
                activity.abandon()
            self.engine.close()
            self.refinery.close()
            self.patches.end()
            self.live.end()

    def close(self) -> None:
        """End everything and remove the shared files: the viewer is gone."""
        self._closed = True
        self.patches.end()
        self.live.end()
        self.engine.close()
        self.refinery.close()
        self.background.close()
        self.projects.close()
        self.clock.close()
        self.keeper.close()
        self.exchange.close()


def _import_refinement() -> None:
    import napari_unet.refinement.pipeline  # noqa: F401  it takes half a second, in a thread


def _nothing(outcome: object) -> None:
    """Make nothing of how a warming-up went: if it failed, the first use takes longer and says why."""


_workspaces: "weakref.WeakKeyDictionary[ViewerModel, Workspace]" = weakref.WeakKeyDictionary()


@atexit.register  # after Qt's own, which therefore comes later
def _close_all() -> None:
    """Close what a script leaves open that ends without closing its window."""
    for workspace in list(_workspaces.values()):
        workspace.close()


def workspace_of(viewer: ViewerModel) -> Workspace:
    """Give the workspace of a viewer; it is made with the first dock and goes with the viewer."""
    viewer = getattr(viewer, "__wrapped__", viewer)  # napari hands plugins a proxy, a new one for each dock
    workspace = _workspaces.get(viewer)
    if workspace is None:
        workspace = _workspaces[viewer] = Workspace(viewer)
        weakref.finalize(viewer, workspace.close).atexit = False  # too late: Qt is gone by then
        application = QApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(workspace.close)
    return workspace
