"""Keeping the work of a window on the disk while it goes on."""

import shutil
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from platformdirs import user_state_path
from qtpy.QtCore import QEvent, QObject, QTimer, Signal

from napari_unet.errors import UnetError
from napari_unet.gui.layers.kept import about_layer, origin_of
from napari_unet.gui.layers.scans import give_own_review, review_of
from napari_unet.gui.work.background import Background
from napari_unet.gui.work.kept_steps import steps_due
from napari_unet.gui.work.window_journal import Due, WindowJournal
from napari_unet.history import History
from napari_unet.keeping.project import Project
from napari_unet.review.corrections import Review
from napari_unet.session import Session, TrainedModel

KEEP_MS = 4000
"""How often what changed is written."""


def folder() -> Path:
    """Give the folder of this user that journals are in."""
    return user_state_path("napari-unet-paint", appauthor=False) / "windows"


def recent_file() -> Path:
    """Give the file of this user that says which projects were open."""
    return folder().with_name("projects.json")


class Keeper(QObject):
    """Keeps every labels layer that a person can edit, and every trained model, at most a few seconds behind.

    Layers whose voxels lie on a disk already, and previews, are left out. When the window is closed properly the
    journal goes: what is worth keeping was saved. That of a project stays.

    Parameters
    ----------
    viewer
        Whose layers are kept.
    session
        Whose models are kept.
    temporary
        The folder of models that are nowhere else.
    history
        Whose last steps are kept with a project.
    """

    problem = Signal(str)
    """Work cannot be kept, in words; "" once it can be again."""
    keeping = Signal()
    """Something may be written now: the last moment to say what."""
    kept = Signal()
    """What was to be written is."""
    project_changed = Signal()
    """There is another project, or something in it is another."""

    def __init__(self, viewer: weakref.ref[ViewerModel], session: Session, temporary: Path, history: History) -> None:
        super().__init__()
        self._viewer = viewer
        self._session = session
        self._temporary = temporary
        self._history = history
        self._background = Background(self)
        self.journal = WindowJournal(folder())
        """Where it is kept."""
        self._numbers = count(1)
        self._keys: weakref.WeakKeyDictionary[Labels, str] = weakref.WeakKeyDictionary()
        self._changed: set[Labels] = set()
        self._removed_layers: dict[Labels, str] = {}
        self._deleted: list[str] = []
        self._old: list[Path] = []
        self._busy = self._in_trouble = False
        self._timer = QTimer(self)
        self._timer.setInterval(KEEP_MS)
        self._timer.timeout.connect(self.keep_now)

    def start(self) -> None:
        """Begin to keep."""
        viewer = self._viewer()
        if viewer is None or self._timer.isActive():
            return
        for layer in viewer.layers:
            self._follow(layer)
        viewer.layers.events.inserted.connect(self._inserted)
        viewer.layers.events.removed.connect(self._removed)
        viewer.window._qt_window.installEventFilter(self)
        self._timer.start()

    def keep_now(self) -> None:
        """Write what changed since the last time, in a thread."""
        if self._busy or self._viewer() is None:
            return
        self.keeping.emit()
        layers, write = self._due()
        if write is not None:
            self._busy = True
            self._background.run(write, self._wrote, partial(self._not_written, layers))
        elif self.project_folder is not None and self.journal.journal is not None:
            self._background.run(self.journal.journal.touch, self._well, self._failed)

    def flush(self) -> None:
        """Write all that changed, and wait for it.

        Raises
        ------
        OSError, BadInput
            The disk is full, or its folder is gone.
        """
        self._background.finish()
        self._busy = False
        self.keeping.emit()
        layers, write = self._due()
        if write is None:
            return
        try:
            write()
        except Exception:
            self._changed.update(layers)
            raise
        self.kept.emit()

    def keep_all(self) -> None:
        """Keep every layer anew: the folder is another."""
        self._changed.update(self._keys)

    def keep_soon(self, layer: Labels) -> None:
        """Keep what became of a layer beside its voxels, such as which slices are marked."""
        if layer in self._keys:
            self._changed.add(layer)

    def eventFilter(self, window: QObject | None, event: QEvent | None) -> bool:
        """Notice that the window is closed, though a script may hold its viewer for longer (Qt calls this)."""
        if event is not None and event.type() == QEvent.Type.Close:
            QTimer.singleShot(0, self._close_if_hidden)  # somebody may be asked, and think better of it
        return super().eventFilter(window, event)

    def _close_if_hidden(self) -> None:
        viewer = self._viewer()
        window = None if viewer is None else getattr(viewer.window, "_qt_window", None)
        if window is None or not window.isVisible():
            self.close()

    def close(self) -> None:
        """Keep nothing any more, and nothing of before but a project: whoever worked in the window closed it."""
        self._timer.stop()
        journal, project = self.journal.journal, self.journal.project
        if project is not None:
            with suppress(Exception):  # the window is going, and nobody is there to be told
                self._flush_somewhere()
        self._background.close()
        self.journal = WindowJournal(folder())
        if journal is not None and project is None:
            journal.remove()
        elif journal is not None:
            journal.release()

    def _flush_somewhere(self) -> None:
        """Write all that changed; where the project cannot be written, all of the window, for the next to offer it."""
        try:
            self.flush()
        except (OSError, UnetError):
            self.journal = WindowJournal(folder())
            self._changed.update(self._keys, self._removed_layers)
            self.flush()
            if self.journal.journal is not None:
                self.journal.journal.release()

    # --- where it is kept

    @property
    def project(self) -> Project | None:
        """The project that all is kept in."""
        return self.journal.project

    @property
    def project_folder(self) -> Path | None:
        """The folder of that project."""
        return None if self.journal.project is None or self.journal.journal is None else self.journal.journal.folder

    def set_project(self, project: Project) -> None:
        """Let the project be another; it is written with the rest."""
        if project != self.journal.project:
            self.journal.project = project
            self.project_changed.emit()

    def keep_in(self, journal: WindowJournal) -> None:
        """Keep all of this window in another journal from now on; what it was kept in before goes, unless a project.

        Parameters
        ----------
        journal
            The journal. Layers that it has already are to be shown with :meth:`show`, afterwards.
        """
        self._forget_removed()  # of the journal so far: in the other one their keys are those of other layers
        self._background.finish()
        before, self.journal = self.journal, journal
        while self._deleted:
            before.forget(self._deleted.pop())
        if before.journal is not None and before.project is not None:
            before.journal.release()
        elif before.journal is not None:
            self.takes_over(before.journal.folder)
        taken = [int(number) for key in journal.abouts if (number := key.removeprefix("layer")).isdecimal()]
        self._numbers = count(max(taken, default=0) + 1)
        for layer in list(self._keys):
            self._keys[layer] = f"layer{next(self._numbers)}"
            self._changed.add(layer)
        self.project_changed.emit()

    def takes_over(self, folder: Path) -> None:
        """Remove a journal of before, whose work is in this window now, once all of that is written."""
        self._old.append(folder)

    def show(self, layer: Labels, key: str, review: Review | None) -> None:
        """Add a layer to the window that lies in the journal already."""
        self._keys[layer] = key
        if review is not None:
            self.journal.has_review(key, review)
        if (viewer := self._viewer()) is not None:
            viewer.add_layer(layer)

    def shown(self, key: str) -> Labels | None:
        """Give the layer of this window that is kept under a key."""
        return next((layer for layer, other in self._keys.items() if other == key), None)

    def put_away(self, layers: Sequence[Labels]) -> None:
        """Take layers out of the window that stay in the journal, where everything is written by now."""
        viewer = self._viewer()
        for layer in layers:
            self._keys.pop(layer, None)
            self._changed.discard(layer)
            if viewer is not None and layer in viewer.layers:
                viewer.layers.remove(layer)

    def clear_model(self, model: TrainedModel) -> None:
        """Forget a version of a model and remove its files, but not one that a person opened or saved."""
        self._session.forget_models(model)
        self._background.run(lambda: self._remove(model.path), _nothing, self._failed)

    def _remove(self, model: Path) -> None:
        self.journal.forget_model(model)
        if model.parent == self._temporary:
            model.unlink(missing_ok=True)

    # --- what changes

    def _inserted(self, event: Any) -> None:
        self._follow(event.value)

    def _follow(self, layer: Layer) -> None:
        if isinstance(layer, Labels) and type(layer.data) is np.ndarray and layer.data.ndim > 1:
            if layer not in self._keys:
                give_own_review(layer)
                self._keys[layer] = f"layer{next(self._numbers)}"
                self._changed.add(layer)
            for event in _changes(layer):
                event.connect(self._change)

    def _removed(self, event: Any) -> None:
        layer = event.value
        if not isinstance(layer, Labels):
            return
        for changes in _changes(layer):
            changes.disconnect(self._change)
        if (key := self._keys.pop(layer, None)) is not None:
            self._removed_layers[layer] = key
            QTimer.singleShot(0, self._forget_removed)  # a window that is closed takes its layers out, too

    def _forget_removed(self) -> None:
        viewer = self._viewer()
        if viewer is None or not hasattr(viewer.window, "_qt_window"):
            return
        closed = {layer: key for layer, key in self._removed_layers.items() if self._is_closed(viewer, key)}
        removed = {layer: key for layer, key in self._removed_layers.items() if layer not in closed}
        self._removed_layers = closed
        if any(layer in self._changed for layer in closed):
            self.flush()
        self._removed_layers = {}
        for layer, key in removed.items():
            self._changed.discard(layer)
            self._deleted.append(key)

    def _is_closed(self, viewer: ViewerModel, key: str) -> bool:
        """Whether a layer went with its scan, so that it comes back with it: one that goes by itself was deleted."""
        origins = self.journal.abouts.get(key, {}).get("scans", ())
        images = [layer for layer in viewer.layers if isinstance(layer, Image)]
        return self.project is not None and bool(origins) and not any(origin_of(image) in origins for image in images)

    def _change(self, event: Any) -> None:
        self._changed.add(event.source)

    # --- what is written

    def _due(self) -> tuple[list[Labels], Callable[[], None] | None]:
        """Give the layers that are due, and what writes all that is, to be called in a thread; None when nothing is."""
        viewer, journal = self._viewer(), self.journal
        known = {**self._keys, **self._removed_layers}
        layers = [layer for layer in self._changed if layer in known and layer.editable]
        self._changed.clear()
        models = self._session.models
        if journal.project is None:
            models = tuple(model for model in models if model.path.parent == self._temporary)
        models_due, project = journal.models_due(models), journal.project_due
        if viewer is None or not (layers or models_due or project or self._deleted):
            return [], None
        due = []
        for layer in layers:
            about, key = about_layer(viewer, layer), known[layer]
            about["scans"] = about["scans"] or journal.abouts.get(key, {}).get("scans", [])
            review = review_of(layer)  # as it is now: it is written in a thread, while a person goes on
            due.append(Due(key, layer.data, about, None if review is None else review.copy()))

        steps = [] if journal.project is None else steps_due(self._history, known)

        def write() -> None:
            journal.write(due, models_due, project)
            while self._deleted:  # after what was made before: a kill brings both back, or neither
                journal.forget(self._deleted.pop())
            journal.write_steps(known.values(), steps)
            while self._old:
                shutil.rmtree(self._old.pop(), ignore_errors=True)

        return layers, write

    def _wrote(self, nothing: object) -> None:
        self._busy = False
        self._well(nothing)
        self.kept.emit()

    def _well(self, nothing: object) -> None:
        if self._in_trouble:
            self._in_trouble = False
            self.problem.emit("")

    def _not_written(self, layers: list[Labels], error: Exception) -> None:
        self._changed.update(layers)
        self._failed(error)

    def _failed(self, error: Exception) -> None:
        self._busy, self._in_trouble = False, True
        why, project = getattr(error, "strerror", None) or error, self.project_folder
        if project is None:
            self.problem.emit(f"What you paint cannot be kept for a crash ({why}): save often.")
        else:
            self.problem.emit(
                f'The project "{project.stem}" cannot be saved ({why}). All is still in this window: make room or put '
                "its folder back and it is saved by itself, or press Save as… in the Project dock."
            )


def _changes(layer: Labels) -> "tuple[Any, ...]":
    """Give the events of a layer after which it is kept anew."""
    events = layer.events
    return (events.paint, events.data, events.set_data, events.name, events.colormap)


def _nothing(outcome: object) -> None:
    """Make nothing of it."""
