"""The Predict dock: a model, a scan, one button."""

from napari.components import ViewerModel
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from napari_unet.config import PredictConfig
from napari_unet.errors import UnetError
from napari_unet.gui.choosers import ComboBox, ScanChooser
from napari_unet.gui.dock import Dock, Folded, line, rows
from napari_unet.gui.forms import ConfigForm
from napari_unet.gui.job_panel import JobPanel
from napari_unet.gui.train_dock import scan_info
from napari_unet.model_file import SUFFIX
from napari_unet.session import State, TrainedModel, Verb


class PredictDock(Dock):
    """Predict a scan with a model into a new, editable layer."""

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer)
        self.model = ComboBox()
        self.open_button = QPushButton("Open…")
        self.open_button.setToolTip("Open a model from a file")
        self.about = line("about")
        self.scan = ScanChooser(self.workspace.viewer)
        self.whole = QRadioButton("whole scan")
        self.this_slice = QRadioButton("this slice")
        self.whole.setChecked(True)
        self.form = ConfigForm(PredictConfig())
        self.keep = QCheckBox("Keep how likely each class is")
        self.keep.setToolTip(
            "<qt>For the dense CRF in Refine, which then knows where the model was in doubt. Takes 2 bytes "
            "for each voxel and class on the disk.</qt>"
        )
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
        choices.addRow("Model", model)
        choices.addRow("", self.about)
        choices.addRow("Scan", self.scan)
        scope = QHBoxLayout()
        scope.addWidget(self.whole)
        scope.addWidget(self.this_slice)
        scope.addStretch()
        choices.addRow("On", scope)
        self.column.addLayout(choices)
        options = QWidget()
        column = QVBoxLayout(options)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.form)
        column.addWidget(self.keep)
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

    def start(self) -> None:
        """Predict."""
        model = self.session.state.model
        if model is None:
            return
        try:
            self.workspace.predict(
                self.scan.layers,
                model,
                self.form.value(),
                this_slice=self.this_slice.isChecked(),
                keep_probabilities=self.keep.isChecked(),
            )
        except UnetError as error:
            self.panel.show_problem(str(error))

    def open_model(self, path: str) -> None:
        """Open a model from a file."""
        try:
            self.session.add_model(TrainedModel.from_file(path))
        except UnetError as error:
            self.panel.show_problem(str(error))

    def _ask_for_model(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open model", "", f"Model (*{SUFFIX})")
        if path:
            self.open_model(path)

    def _take_scan(self) -> None:
        info, problem = scan_info(self.scan)
        self.session.update(predict_scan=info, predict_problem=problem)
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
        if chosen in models:
            self.model.setCurrentIndex(models.index(chosen))
        self.model.blockSignals(False)
        self._take_model(self.model.currentIndex())

    def _show_state(self, state: State) -> None:
        self.panel.set_readiness(self.session.readiness(Verb.PREDICT))
        self.about.setVisible(state.model is not None)
        if state.model is not None:
            self.about.setText(state.model.description.sentence())
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
