"""What a training begins with: a new network of a preset, a model that goes on, or a training that was interrupted."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from platformdirs import user_state_path
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_unet.config import PRESETS
from napari_unet.errors import UnetError
from napari_unet.gui.widgets.choosers import ComboBox
from napari_unet.model_file import SUFFIX
from napari_unet.session import Session, TrainedModel
from napari_unet.training.given import UNFINISHED

KEPT = 3
"""Interrupted trainings that are kept, the newest."""
OPEN = "Open a model…"


def folder() -> Path:
    """Give the folder of this user for the states of trainings that are not finished."""
    return user_state_path("napari-unet-paint", appauthor=False) / "unfinished"


def interrupted() -> list[Path]:
    """List the states of trainings that were interrupted, the newest first."""
    return sorted(folder().glob(f"*{UNFINISHED}"), key=lambda path: path.stat().st_mtime, reverse=True)


def new_state() -> Path | None:
    """Give the path for the state of a new training, and remove old ones; None when there is no place for it."""
    try:
        folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        for old in interrupted()[KEPT - 1 :]:
            old.unlink(missing_ok=True)
    except OSError:
        return None
    return folder() / f"{datetime.now():%Y-%m-%d %H.%M.%S}{UNFINISHED}"


@dataclass(frozen=True)
class Beginning:
    """What a training begins with: one of these.

    Parameters
    ----------
    preset
        The name of a preset: a new network.
    model
        A model that goes on.
    unfinished
        The state of a training that was interrupted.
    """

    preset: str = ""
    model: TrainedModel | None = None
    unfinished: Path | None = None


class BeginningChooser(ComboBox):
    """Offers what a training can begin with. ``chosen`` comes when that is another one.

    Parameters
    ----------
    session
        Its models are offered.
    """

    chosen = Signal()
    problem = Signal(str)
    """A file is no model; in words."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._beginnings: list[Beginning] = []
        self._current = Beginning(preset="fast")
        self.refill()
        self.activated.connect(self._take)
        session.models_changed.connect(self.refill)

    @property
    def beginning(self) -> Beginning:
        """What is chosen."""
        return self._current

    def choose(self, beginning: Beginning) -> None:
        """Choose, if it is offered."""
        if beginning in self._beginnings:
            self._take(self._beginnings.index(beginning))

    def open_model(self, path: str) -> None:
        """Open a model from a file, and choose it."""
        try:
            model = TrainedModel.from_file(path)
        except UnetError as error:
            self.problem.emit(str(error))
            return
        self._session.add_model(model)
        self.choose(Beginning(model=model))

    def leave(self) -> None:
        """Let go of the session, which outlives this."""
        self._session.models_changed.disconnect(self.refill)

    def showPopup(self) -> None:
        """Look for interrupted trainings before the list opens (Qt calls this)."""
        self.refill()
        super().showPopup()

    def refill(self, models: object = None) -> None:
        """Offer what there is now."""
        self.clear()
        self._beginnings = []
        for beginning, words, tip in self._offers():
            self._beginnings.append(beginning)
            self.addItem(words)
            self.setItemData(self.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.addItem(OPEN)
        self.setItemData(self.count() - 1, "Go on from a model in a file", Qt.ItemDataRole.ToolTipRole)
        if self._current not in self._beginnings:
            self._current = self._beginnings[0]
        self.setCurrentIndex(self._beginnings.index(self._current))

    def _offers(self) -> Iterator[tuple[Beginning, str, str]]:
        for key, preset in PRESETS.items():
            yield Beginning(preset=key), preset.name, preset.sentence
        for model in self._session.models:
            tip = f"Go on from this model ({model.description.sentence()}): its classes are kept, new ones are added"
            yield Beginning(model=model), f"Go on: {model.name}", tip
        for path in interrupted():
            tip = "Go on exactly where it was interrupted, with the same scan, paint and parameters"
            yield Beginning(unfinished=path), f"Resume: {path.stem[5:-3].replace('.', ':')}", tip

    def _take(self, index: int) -> None:
        if index < len(self._beginnings):
            self.setCurrentIndex(index)
            if self._beginnings[index] != self._current:
                self._current = self._beginnings[index]
                self.chosen.emit()
            return
        self.setCurrentIndex(self._beginnings.index(self._current))
        path, _ = QFileDialog.getOpenFileName(self, "Go on from a model", "", f"Model (*{SUFFIX})")
        if path:
            self.open_model(path)
