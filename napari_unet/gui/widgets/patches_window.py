"""What a network sees while it learns: patches, varied at random, with the paint over them."""

from collections.abc import Sequence

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_unet.annotation import ClassInfo
from napari_unet.config import TrainConfig
from napari_unet.gui.docks.dock import line
from napari_unet.gui.widgets.report_window import pixmap
from napari_unet.gui.work.activity import Ending, How
from napari_unet.gui.work.patches import PatchPreview
from napari_unet.training.drawing import draw_grid


class PatchesWindow(QDialog):
    """Shows patches, and others at the press of a button.

    Parameters
    ----------
    preview
        Draws them.
    images, paint, config
        What they are drawn from, as in :meth:`PatchPreview.start`.
    classes
        Whose colours they are shown in.
    parent
        The widget it belongs to.
    """

    def __init__(
        self,
        preview: PatchPreview,
        images: Sequence[Image],
        paint: Labels,
        config: TrainConfig,
        classes: Sequence[ClassInfo],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("What the network sees while it learns")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._preview, self._classes = preview, classes
        self._given = images, paint, config
        self._seed = 0
        self.picture = QLabel()
        self.words = line("patches")
        self.others = QPushButton("Others")
        column = QVBoxLayout(self)
        for widget in (self.picture, self.words, self.others):
            column.addWidget(widget)
        self.others.clicked.connect(self._draw)
        preview.drawn.connect(self._show)
        preview.ended.connect(self._take_ending)
        self.finished.connect(self._leave)
        self._draw()

    def _draw(self) -> None:
        self.others.setEnabled(False)
        self.words.setText("Drawing patches …")
        self._preview.start(*self._given, self._seed)
        self._seed += 1

    def _show(self, images: NDArray[np.float32], paint: NDArray[np.uint8]) -> None:
        self.picture.setPixmap(pixmap(draw_grid(images, paint, self._classes)))

    def _take_ending(self, ending: Ending) -> None:
        self.others.setEnabled(True)
        said = "Turned, bent, lighter and darker as chosen under Advanced; dark blue is painted background."
        self.words.setText(said if ending.how is How.DONE else ending.text)
        self.adjustSize()

    def _leave(self, result: int) -> None:
        self._preview.drawn.disconnect(self._show)
        self._preview.ended.disconnect(self._take_ending)
        self._preview.end()
