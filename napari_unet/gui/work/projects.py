"""The project of a window: making, opening, saving and closing it, and what is kept in it beside layers."""

import shutil
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_unet.errors import BadInput, UnetError
from napari_unet.gui.layers.kept import is_layer, origin_of
from napari_unet.gui.widgets.take_along import ask_take_along
from napari_unet.gui.work import keeping
from napari_unet.gui.work.activity import Ending, How
from napari_unet.gui.work.keeping import Keeper
from napari_unet.gui.work.left_behind import models_in
from napari_unet.gui.work.opening import while_alive
from napari_unet.gui.work.project_scans import ProjectScans
from napari_unet.gui.work.window_journal import WindowJournal
from napari_unet.keeping.journal import OWNER, Journal, read_abouts
from napari_unet.keeping.project import SUFFIX, Project, note_recent, read_project, recent_projects, write_project
from napari_unet.session import Session


class HasSettings(Protocol):
    """What has something to choose that a project keeps."""

    def settings(self) -> dict[str, Any]:
        """Give what is chosen, as JSON values by name."""

    def take_settings(self, settings: dict[str, Any]) -> None:
        """Choose what was chosen before, as far as that is possible now."""


class Projects(QObject):
    """Makes, opens, saves and closes the project of a window.

    Parameters
    ----------
    viewer
        The window's viewer.
    session
        Its models are the project's.
    keeper
        Writes it.
    """

    problem = Signal(str)
    """Something could not be done; in words."""

    def __init__(self, viewer: weakref.ref[ViewerModel], session: Session, keeper: Keeper) -> None:
        super().__init__()
        self._viewer = viewer
        self._session = session
        self._keeper = keeper
        self.scans = ProjectScans(viewer, keeper)
        self._docks: dict[str, HasSettings] = {}
        self.scans.problem.connect(self.problem)
        keeper.keeping.connect(self._note_choices)

    @property
    def folder(self) -> Path | None:
        """The folder of the project that is open."""
        return self._keeper.project_folder

    @staticmethod
    def recent() -> list[Path]:
        """List the projects that were open last."""
        return recent_projects(keeping.recent_file())

    def make(self, folder: Path) -> None:
        """Make a project of what is in the window; one that is open is closed before, with all its layers.

        Raises
        ------
        BadInput, OSError
            There is something in the folder, or it cannot be made.
        """
        folder = _new_folder(folder)
        self.leave()
        journal, project = Journal(folder), Project().noted("Made")
        write_project(folder, project)
        self._begin(WindowJournal(keeping.folder(), journal, project))

    def open(self, folder: Path) -> None:
        """Open a project; one that is open is closed before. What becomes of layers of none is asked.

        Raises
        ------
        BadInput
            It is none, another version's, or open in another window; or the scan that was in view is not found.
        OSError
            It cannot be written to.
        """
        folder = folder.resolve()
        if folder == self.folder:
            return
        project = read_project(folder)
        abouts = {key: about for key, about in read_abouts(folder).items() if is_layer(key)}
        if not self._room_made():
            return
        claimed = Journal(folder)
        try:
            self.leave()
        except Exception:
            claimed.release()
            raise
        journal = WindowJournal(keeping.folder(), claimed, project, abouts)
        for model in models_in(folder):
            journal.has_model(model)
            self._session.add_model(model)
        self._begin(journal)
        chosen = next((model for model in self._session.models if model.path == folder / project.model), None)
        if chosen is not None:
            self._session.update(model=chosen)
        for title, dock in self._docks.items():
            dock.take_settings(project.settings.get(title, {}))
        if project.scans:
            self.scans.show(min(project.shown, len(project.scans) - 1))

    def save_as(self, folder: Path) -> None:
        """Save the project once more, and go on in the new folder; without a project, make one.

        Where it lies already, all that changed is written, as it would be by itself a few seconds later.

        Raises
        ------
        BadInput, OSError
            There is something in the folder, or it cannot be made.
        """
        project, before = self._keeper.project, self.folder
        if project is None or before is None:
            self.make(folder)
            return
        if _named(folder) == before:
            self._keeper.flush()
            return
        folder = _new_folder(folder)
        with suppress(OSError, UnetError):  # what cannot be written there any more is written in the new folder
            self._keeper.flush()
        if before.exists():
            while_alive(lambda: shutil.copytree(before, folder, ignore=_owner), f"Saving {folder.name} ...")
        self._keeper.journal.move_to(Journal(folder))
        self._keeper.keep_all()
        scans = tuple(scan.seen_from(folder) for scan in project.scans)
        self._keeper.set_project(project.model_copy(update={"scans": scans}).noted("Saved under this name"))
        note_recent(keeping.recent_file(), folder)

    def leave(self) -> None:
        """Close the project that is open, if one is; its layers leave the window once all of them is written.

        Raises
        ------
        BadInput, OSError
            Something is running, or the disk is full.
        """
        viewer, project = self._viewer(), self._keeper.project
        if viewer is None or project is None:
            return
        if running := self._session.state.running:
            raise BadInput(f"The {' and the '.join(sorted(running))} is running: wait for it or cancel it first.")
        self._keeper.flush()
        self._keeper.put_away([layer for layer in viewer.layers if isinstance(layer, Labels)])
        for image in self.scans.images():
            if project.number_of(origin_of(image)) is not None:
                viewer.layers.remove(image)
        self._session.forget_models()
        self._keeper.keep_in(WindowJournal(keeping.folder()))

    def note(self, ending: Ending) -> None:
        """Note in the history of the project how a job ended that was done."""
        if self._keeper.project is not None and ending.how is How.DONE:
            self._keeper.set_project(self._keeper.project.noted(ending.text))

    def close(self) -> None:
        """End what runs: the window is gone."""
        self.scans.close()

    def _room_made(self) -> bool:
        """Ask what becomes of layers that belong to no project; False when nothing is to be opened."""
        viewer = self._viewer()
        if viewer is None or self._keeper.project is not None or not viewer.layers:
            return viewer is not None
        take_along = ask_take_along([layer.name for layer in viewer.layers], viewer.window._qt_window)
        if take_along is False:
            viewer.layers.clear()
        return take_along is not None

    def _begin(self, journal: WindowJournal) -> None:
        self._keeper.keep_in(journal)
        if self.folder is not None:
            note_recent(keeping.recent_file(), self.folder)
        self.scans.take_in_all()

    def open_left_behind(self, folder: Path) -> None:
        """Open a project; what is wrong with it is told."""
        try:
            self.open(folder)
        except (UnetError, OSError) as error:
            self.problem.emit(str(error))

    # --- settings

    def follow(self, title: str, dock: HasSettings) -> None:
        """Keep what is chosen in a dock that was opened, and let it choose what was chosen before."""
        self._docks[title] = dock
        if self._keeper.project is not None:
            dock.take_settings(self._keeper.project.settings.get(title, {}))

    def forget(self, title: str) -> None:
        """Note what was chosen last in a dock that is closed."""
        self._note_choices()
        self._docks.pop(title, None)

    def forget_all(self) -> None:
        """Ask no dock any more: they went with the window."""
        self._docks.clear()

    def _note_choices(self) -> None:
        project, model = self._keeper.project, self._session.state.model
        if project is not None:
            settings = {**project.settings, **{title: dock.settings() for title, dock in self._docks.items()}}
            chosen = "" if model is None else self._keeper.journal.model_file(model.path)
            self._keeper.journal.project = project.model_copy(update={"settings": settings, "model": chosen})


def _new_folder(folder: Path) -> Path:
    """Name the folder of a new project, and check that nothing is there yet."""
    named = _named(folder)
    if named.is_file() or (named.exists() and any(named.iterdir())):
        raise BadInput(f"{named} is there already: choose another name.")
    return named


def _named(folder: Path) -> Path:
    """Let the name of a project end as those of projects do."""
    return (folder if folder.name.endswith(SUFFIX) else folder.with_name(folder.name + SUFFIX)).resolve()


def _owner(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == OWNER]
