"""The Predict dock: a model, a scan, one button."""

from collections.abc import Sequence

from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtGui import QAction
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_unet.config import PredictConfig
from napari_unet.errors import UnetError
from napari_unet.gui.docks.dock import Dock, Folded, line, rows
from napari_unet.gui.docks.train_dock import scan_info
from napari_unet.gui.layers.scans import scan_of
from napari_unet.gui.widgets.choosers import ComboBox, ScanChooser
from napari_unet.gui.widgets.forms import ConfigForm
from napari_unet.gui.widgets.job_panel import JobPanel
from napari_unet.gui.widgets.menu_button import MenuButton
from napari_unet.gui.widgets.scope import ScopeChooser, Where, scans_like
from napari_unet.gui.widgets.versions_window import VersionsWindow
from napari_unet.gui.work.predicting import Wish
from napari_unet.model_file import SUFFIX
from napari_unet.session import State, TrainedModel, Verb


class PredictDock(Dock):
    """Predict a scan with a model into a new, editable layer."""

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer)
        self.model = ComboBox()
        self.open_button = QPushButton("Open…")
        self.open_button.setToolTip("Open a model from a file")
        self.versions_button = QPushButton("Versions…")
        self.versions_button.setToolTip(
            "All models of this window: when they learned, from what, and how good they are"
        )
        self.about = line("about")
        self.scan = ScanChooser(self.workspace.viewer)
        self.scope = ScopeChooser(self.workspace.viewer)
        self.form = ConfigForm(PredictConfig())
        self.keep = _box(
            "Keep how likely each class is",
            "For the dense CRF in Refine, which then knows where the model was in doubt. Takes 2 bytes for each voxel "
            "and class on the disk.",
        )
        self.show_likely = _box("Show how likely each class is", "As an image layer for each class.")
        self.show_doubt = _box(
            "Show where doubt is left",
            "As an image layer, from 0 (certain) to 1: the entropy of the probabilities. Views, dropout samples and "
            "further models make it more honest.",
        )
        self.others = OtherModels()
        self.panel = JobPanel(self.workspace.prediction, "Predict")
        self.volumes = line("volumes")
        self.copy_button = QPushButton("Copy volumes")
        self._lay_out()
        self._connect()
        self._show_models(self.session.models)
        self._take_scan()

    def _lay_out(self) -> None:
        choices = rows()
        model = QHBoxLayout()
        model.addWidget(self.model)
        model.addWidget(self.open_button)
        choices.addRow("Scan", self.scan)
        choices.addRow("On", self.scope)
        choices.addRow("Model", model)
        self.column.addLayout(choices)
        about = QHBoxLayout()  # no row of the form: that would give text which wraps the height of one line
        about.addWidget(self.about, 1)
        about.addWidget(self.versions_button)
        self.column.addLayout(about)
        options = QWidget()
        column = QVBoxLayout(options)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.show_likely, self.show_doubt, self.keep, self.others, self.form):
            column.addWidget(widget)
        self.column.addWidget(Folded("Options", options))
        self.column.addWidget(self.panel)
        self.column.addWidget(self.volumes)
        self.column.addWidget(self.copy_button)
        self.column.addStretch()
        self.volumes.hide()
        self.copy_button.hide()

    def _connect(self) -> None:
        self.model.currentIndexChanged.connect(self._take_model)
        self.open_button.clicked.connect(self._ask_for_model)
        self.versions_button.clicked.connect(self.show_versions)
        self.scan.chosen.connect(self._take_scan)
        self.panel.pressed.connect(self.start)
        self.copy_button.clicked.connect(self._copy)
        self.session.changed.connect(self._show_state)
        self.session.models_changed.connect(self._show_models)
        self.workspace.prediction.began.connect(self._began)
        self.workspace.prediction.volumes_counted.connect(self._show_volumes)

    def leave(self) -> None:
        """Let go of everything that outlives the dock."""
        self.panel.disconnect_activity()
        self.session.changed.disconnect(self._show_state)
        self.session.models_changed.disconnect(self._show_models)
        self.workspace.prediction.began.disconnect(self._began)
        self.workspace.prediction.volumes_counted.disconnect(self._show_volumes)
        self.scan.disconnect_viewer()
        self.scope.disconnect_viewer()

    def choices(self) -> dict[str, QWidget]:
        """Name the controls in which something is chosen that a project keeps."""
        boxes = {"show probabilities": self.show_likely, "show doubt": self.show_doubt, "keep probabilities": self.keep}
        return {**boxes, "parameters": self.form}

    def take_scan(self, images: list[Image]) -> None:
        """Choose a scan that came into view."""
        self.scan.choose(images)

    def start(self) -> None:
        """Predict."""
        model = self.session.state.model
        if model is None:
            return
        images = self.scan.layers
        channels = len(model.description.channel_names)
        every = self.scope.where is Where.EVERY
        try:
            wish = Wish(
                models=(model, *self.others.chosen),
                config=self.form.value(),
                scope=self.scope.scope(images[0]),
                keep_probabilities=self.keep.isChecked(),
                show_probabilities=self.show_likely.isChecked(),
                show_uncertainty=self.show_doubt.isChecked(),
            )
            then = scans_like(self.workspace.viewer, channels, images) if every else []
            self.workspace.predict(images, wish, then=then)
        except UnetError as error:
            self.panel.show_problem(str(error))

    def open_model(self, path: str) -> None:
        """Open a model from a file."""
        try:
            self.session.add_model(TrainedModel.from_file(path))
        except UnetError as error:
            self.panel.show_problem(str(error))

    def show_versions(self) -> None:
        """Show all models of the window."""
        VersionsWindow(self.workspace, self).show()

    def _ask_for_model(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open model", "", f"Model (*{SUFFIX})")
        if path:
            self.open_model(path)

    def _take_scan(self) -> None:
        info, problem = scan_info(self.scan)
        self.session.update(predict_scan=info, predict_problem=problem)
        if self.scan.layers and not problem:
            self.scope.fit(scan_of(self.scan.layers[0]).grid[0])
        self._show_state(self.session.state)

    def _take_model(self, index: int) -> None:
        if 0 <= index < len(self.session.models):
            self.session.update(model=self.session.models[index])

    def _show_models(self, models: tuple[TrainedModel, ...]) -> None:
        chosen = self.session.state.model
        self.model.blockSignals(True)
        self.model.clear()
        self.model.addItems([model.name for model in models] or ["no model yet"])
        self.model.setEnabled(bool(models))
        self.versions_button.setEnabled(bool(models))
        if chosen in models:
            self.model.setCurrentIndex(models.index(chosen))
        self.model.blockSignals(False)
        self._take_model(self.model.currentIndex())

    def _show_state(self, state: State) -> None:
        self.panel.set_readiness(self.session.readiness(Verb.PREDICT))
        self.about.setVisible(state.model is not None)
        if state.model is not None:
            self.about.setText(state.model.description.sentence())
            self.others.offer([other for other in self.session.models if _alike(other, state.model)])
            if state.model in self.session.models:
                self.model.setCurrentIndex(self.session.models.index(state.model))

    def _began(self) -> None:
        self.volumes.hide()
        self.copy_button.hide()

    def _show_volumes(self, text: str) -> None:
        self.volumes.setText(text)
        self.volumes.show()
        self.copy_button.show()

    def _copy(self) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self.volumes.text())


class OtherModels(MenuButton):
    """Chooses further models to average with."""

    def __init__(self) -> None:
        super().__init__("")
        self.setToolTip("Several models that learned the same classes say more together than each by itself")
        self._menu = QMenu(self)
        self.setMenu(self._menu)
        self.offer([])

    @property
    def chosen(self) -> tuple[TrainedModel, ...]:
        """The chosen models."""
        return tuple(action.data() for action in self._menu.actions() if action.isChecked())

    def offer(self, models: Sequence[TrainedModel]) -> None:
        """Offer models; those that were chosen and still are offered stay chosen."""
        chosen = self.chosen
        self._menu.clear()
        for model in models:
            action = QAction(model.name, self._menu)
            action.setCheckable(True)
            action.setData(model)
            action.setChecked(model in chosen)
            action.toggled.connect(self._show_count)
            self._menu.addAction(action)
        self.setVisible(bool(models))
        self._show_count()

    def _show_count(self) -> None:
        count = len(self.chosen)
        self.setText(f"Average with {count} other model{'s' * (count > 1)}" if count else "Average with other models …")


def _alike(other: TrainedModel, model: TrainedModel) -> bool:
    """Tell whether another model can be averaged with one."""
    ours, theirs = model.description, other.description
    return (
        other != model
        and (ours.labels, ours.channel_names) == (theirs.labels, theirs.channel_names)
        and (ours.network.dimensions, ours.network.context) == (theirs.network.dimensions, theirs.network.context)
    )


def _box(words: str, about: str) -> QCheckBox:
    box = QCheckBox(words)
    box.setToolTip(f"<qt>{about}</qt>")
    return box
