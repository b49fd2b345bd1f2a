"""How good a model is on the paint that was held out, and from which probability its classes are taken."""

from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path

from PIL.Image import Image
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import (
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSlider,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_unet.annotation import ClassInfo
from napari_unet.errors import UnetError
from napari_unet.events import EpochDone
from napari_unet.gui.docks.dock import line
from napari_unet.gui.widgets.choosers import ComboBox
from napari_unet.training.drawing import draw_patches, draw_table
from napari_unet.training.evidence import BINS, Evidence
from napari_unet.training.report import PATCHES, draw_curves, draw_precision_recall, write_report

SIZE = (680, 560)


class ReportWindow(QDialog):
    """Shows precision and recall by threshold, confusion, patches and curves; ``chosen`` carries the thresholds.

    Parameters
    ----------
    evidence
        What the model makes of held-out paint; None when there is none.
    rounds
        How the training went.
    classes
        Of the model.
    thresholds
        By label, those that the model has.
    parent
        The widget it belongs to.
    """

    chosen = Signal(object)

    def __init__(
        self,
        evidence: Evidence | None,
        rounds: Sequence[EpochDone],
        classes: Sequence[ClassInfo],
        thresholds: Mapping[int, float],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("How good the model is")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(*SIZE)
        self._evidence, self._rounds, self._classes = evidence, rounds, classes
        self.problem = line("problem")
        self.problem.hide()
        tabs = QTabWidget()
        if evidence is not None and evidence.measured:
            self.thresholds = ThresholdPage(evidence, thresholds)
            self.thresholds.chosen.connect(self.chosen)
            names = [info.name for info in evidence.classes]
            patches = (evidence.images[:PATCHES], evidence.truth[:PATCHES], evidence.found[:PATCHES])
            tabs.addTab(self.thresholds, "Thresholds")
            tabs.addTab(
                _page(draw_table(evidence.confusion, names, "painted as (row), found as (column)")), "Confusion"
            )
            tabs.addTab(_page(draw_patches(*patches, evidence.classes)), "Patches")
        tabs.addTab(_page(draw_curves(rounds, classes)), "Curves")
        save = QPushButton("Save as files…")
        save.setToolTip("Tables (CSV) and pictures (PNG) in a folder. They show patches of the scan, but no name.")
        save.clicked.connect(self._ask_where)
        column = QVBoxLayout(self)
        column.addWidget(tabs)
        column.addWidget(self.problem)
        column.addWidget(save, 0, Qt.AlignmentFlag.AlignRight)

    def save(self, folder: str) -> None:
        """Write all of it into a folder."""
        try:
            written = write_report(Path(folder), self._rounds, self._evidence, self._classes)
        except UnetError as error:
            self.problem.setText(str(error))
        else:
            self.problem.setText(f"{len(written)} files written to {folder}.")
        self.problem.show()

    def _ask_where(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "A folder for tables and pictures")
        if folder:
            self.save(folder)


class ThresholdPage(QWidget):
    """Moves the threshold of a class along its curve; ``chosen`` carries all thresholds when they are to be used.

    Parameters
    ----------
    evidence
        Of a model, with at least one class measured.
    thresholds
        By label, those that the model has.
    """

    chosen = Signal(object)

    def __init__(self, evidence: Evidence, thresholds: Mapping[int, float]) -> None:
        super().__init__()
        self._evidence = evidence
        self._thresholds = dict(thresholds)
        self.classes = ComboBox()
        for info in evidence.measured:
            self.classes.addItem(info.name, info.label)
        self._picture = QLabel()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(1, BINS - 1)
        self.slider.setAccessibleName("threshold")
        self.words = line("threshold")
        self.use = QPushButton("Predict with this threshold")
        self.drop = QPushButton("Without")
        self.drop.setToolTip("Take the likeliest class of each voxel")
        column = QVBoxLayout(self)
        column.addWidget(self.classes)
        column.addWidget(self._picture)
        column.addWidget(self.slider)
        column.addWidget(self.words)
        buttons = QHBoxLayout()
        buttons.addWidget(self.use)
        buttons.addWidget(self.drop)
        column.addLayout(buttons)
        column.addStretch()
        self.classes.currentIndexChanged.connect(self._take_class)
        self.slider.valueChanged.connect(self._show)
        self.use.clicked.connect(self._use)
        self.drop.clicked.connect(self._drop)
        self._take_class()

    @property
    def _label(self) -> int:
        return int(self.classes.currentData())

    def _take_class(self) -> None:
        start = self._thresholds.get(self._label, self._evidence.best(self._label).threshold)
        self.slider.setValue(round(start * BINS))
        self._show()

    def _show(self) -> None:
        point = self._evidence.curve(self._label)[self.slider.value()]
        self._picture.setPixmap(pixmap(draw_precision_recall(self._evidence, {self._label: point})))
        best = self._evidence.best(self._label)
        used = self._thresholds.get(self._label)
        found = (
            "nothing is found"
            if isnan(point.precision)
            else f"{point.precision:.0%} of what is found is right (precision), {point.recall:.0%} of what is there is "
            f"found (recall), Dice {point.dice:.2f}"
        )
        self.words.setText(
            f"From a probability of {point.threshold:.2f}: {found}. The best Dice, {best.dice:.2f}, is at "
            f"{best.threshold:.2f}. For this class the model uses {f'{used:.2f}' if used else 'no threshold'}."
        )
        self.drop.setEnabled(used is not None)

    def _use(self) -> None:
        self._thresholds[self._label] = self.slider.value() / BINS
        self._tell()

    def _drop(self) -> None:
        self._thresholds.pop(self._label, None)
        self._tell()

    def _tell(self) -> None:
        self._show()
        self.chosen.emit(dict(self._thresholds))


def pixmap(picture: Image) -> QPixmap:
    """Bring a picture into Qt."""
    rgb = picture.convert("RGB")
    data = rgb.tobytes()
    return QPixmap.fromImage(QImage(data, rgb.width, rgb.height, 3 * rgb.width, QImage.Format.Format_RGB888))


def _page(picture: Image) -> QScrollArea:
    label = QLabel()
    label.setPixmap(pixmap(picture))
    label.setAlignment(Qt.AlignmentFlag.AlignTop)
    page = QScrollArea()
    page.setWidget(label)
    return page
