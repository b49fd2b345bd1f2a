"""Offering what windows left behind that ended without being closed, and bringing it back."""

import shutil
from dataclasses import replace
from functools import partial

from qtpy.QtCore import QObject, Signal

from napari_unet.gui.work import keeping
from napari_unet.gui.work.activity import Surroundings
from napari_unet.gui.work.keeping import Keeper
from napari_unet.gui.work.left_behind import LeftBehind, add_layer, find_left_behind
from napari_unet.keeping.journal import abandon
from napari_unet.keeping.project import recent_projects


class BringingBack(QObject):
    """What was left behind, until a person says what becomes of it.

    Parameters
    ----------
    surroundings
        The window that it comes back to.
    keeper
        Keeps it from then on.
    """

    left_changed = Signal()
    """There is other work left behind than before."""
    problem = Signal(str)
    """Work cannot be kept or brought back, in words; "" once it can be again."""
    project_wanted = Signal(object)
    """A project that was left behind is to be opened: its folder."""

    def __init__(self, surroundings: Surroundings, keeper: Keeper) -> None:
        super().__init__()
        self._viewer = surroundings.viewer
        self._session = surroundings.session
        self._temporary = surroundings.exchange.folder
        self._background = surroundings.background
        self._keeper = keeper
        self._looked = False
        self.left: list[LeftBehind] = []
        keeper.problem.connect(self.problem)

    def look(self) -> None:
        """Look for what was left behind, once."""
        if not self._looked:
            self._looked = True
            find = partial(find_left_behind, keeping.folder(), recent_projects(keeping.recent_file()))
            self._background.run(find, self._offer, lambda error: self.problem.emit(str(error)))

    def bring_back(self, left: LeftBehind) -> str:
        """Add the layers and models that were left behind, with their scans where those can be found.

        The old journal goes once all of it is kept in this window's. A project is opened where it is.

        Returns
        -------
        str
            What could not be found, in words, or "".
        """
        viewer = self._viewer()
        if viewer is None:
            return ""
        if left.is_project:
            self._settled(left)
            self.project_wanted.emit(left.folder)
            return ""
        moved = {}
        for model in left.models:
            path = moved[model.path] = self._temporary / f"{left.folder.name} {model.path.name}"
            shutil.copyfile(model.path, path)
            self._session.add_model(replace(model, path=path))
        missing = []
        for stored, review in left.layers():
            if review is not None:
                review.model = moved.get(review.model, review.model)
            missing.append(add_layer(viewer, stored, review))
        self._keeper.takes_over(left.folder)
        self._settled(left)
        return "\n".join(dict.fromkeys(filter(None, missing)))

    def discard(self, left: LeftBehind) -> None:
        """Remove what was left behind; a project stays, and is not offered again."""
        if left.is_project:
            abandon(left.folder)
        else:
            shutil.rmtree(left.folder, ignore_errors=True)
        self._settled(left)

    def _settled(self, left: LeftBehind) -> None:
        self.left.remove(left)
        self.left_changed.emit()

    def _offer(self, found: list[LeftBehind]) -> None:
        self.left = found
        self.left_changed.emit()
