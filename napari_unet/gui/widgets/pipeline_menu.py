"""The steps of a refinement as a file, and as they were done to a mask: open, save, do again."""

from collections.abc import Callable
from pathlib import Path

from napari.layers import Labels
from pydantic import ValidationError
from qtpy.QtCore import Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QFileDialog, QMenu, QWidget

from napari_unet.config import RefineConfig
from napari_unet.errors import UnetError
from napari_unet.gui.layers.edits import applied
from napari_unet.gui.widgets.menu_button import MenuButton
from napari_unet.gui.widgets.step_words import pipeline_words

FILES = "Steps (*.json)"


class PipelineMenu(MenuButton):
    """A menu of pipelines. ``chosen`` carries a ``RefineConfig``, ``failed`` a sentence.

    Parameters
    ----------
    steps
        Gives the steps to save.
    mask
        Gives the layer whose steps can be had again.
    """

    chosen = Signal(object)
    failed = Signal(str)

    def __init__(
        self, steps: Callable[[], RefineConfig], mask: Callable[[], Labels | None], parent: QWidget | None = None
    ) -> None:
        super().__init__("Pipeline", parent)
        self._steps = steps
        self._mask = mask
        self.setToolTip("Save these steps as a file, or get steps from a file or from how this mask was made")
        self._menu = QMenu(self)
        for words, slot in (("Open pipeline…", self._ask_what_to_open), ("Save pipeline…", self._ask_where_to_save)):
            action = QAction(words, self._menu)
            action.triggered.connect(slot)
            self._menu.addAction(action)
        self._again = QMenu("Steps that made this mask", self._menu)
        self._again.triggered.connect(self._choose_again)
        self._menu.addMenu(self._again)
        self._menu.aboutToShow.connect(self._list_again)
        self.setMenu(self._menu)

    def open(self, file: Path) -> None:
        """Choose the steps of a file, as the command line writes and reads them."""
        # Imported here: the numerics are of no use to the window before.
        from napari_unet.refinement.pipeline_file import read_pipeline

        try:
            self.chosen.emit(read_pipeline(file))
        except UnetError as error:
            self.failed.emit(str(error))

    def save(self, file: Path) -> None:
        """Write the steps to a file; ".json" is added when its name has no suffix."""
        from napari_unet.refinement.pipeline_file import write_pipeline

        try:
            write_pipeline(file if file.suffix else file.with_suffix(".json"), self._steps())
        except UnetError as error:
            self.failed.emit(str(error))

    def earlier(self) -> list[RefineConfig]:
        """Give the steps that were done to the mask, the latest first."""
        mask = self._mask()
        configs = []
        for settings in reversed(applied(mask) if mask is not None else []):
            try:
                configs.append(RefineConfig.model_validate(settings))
            except ValidationError:
                continue  # it was filled, or refined by another version
        return configs

    def _list_again(self) -> None:
        self._again.clear()
        for config in self.earlier():
            action = QAction(pipeline_words(config), self._again)
            action.setData(config)
            self._again.addAction(action)
        self._again.setEnabled(not self._again.isEmpty())

    def _choose_again(self, action: QAction) -> None:
        self.chosen.emit(action.data())

    def _ask_what_to_open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open pipeline", "", FILES)
        if path:
            self.open(Path(path))

    def _ask_where_to_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save pipeline", "steps.json", FILES)
        if path:
            self.save(Path(path))
