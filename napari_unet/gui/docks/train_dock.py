"""The Train dock: a scan, its paint, what will be learned, and the training."""

from functools import partial

from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_unet.annotation import ClassInfo, PaintSummary, classes_for
from napari_unet.config import PRESETS, TrainConfig, Unpainted
from napari_unet.errors import UnetError
from napari_unet.events import EpochDone, Event
from napari_unet.gui.docks.dock import Dock, Folded, line, rows
from napari_unet.gui.layers.paint import PaintCounter, choose_background, new_paint_layer
from napari_unet.gui.layers.scans import classes_of, mask_shape_of, scan_of, show_classes, with_colour
from napari_unet.gui.layers.stored_labels import too_large
from napari_unet.gui.widgets.beginnings import BeginningChooser
from napari_unet.gui.widgets.choosers import NO_PAINT, ComboBox, LayerChooser, ScanChooser, is_labels
from napari_unet.gui.widgets.class_list import ClassList
from napari_unet.gui.widgets.fill_panel import FillPanel
from napari_unet.gui.widgets.forms import ConfigForm
from napari_unet.gui.widgets.job_panel import JobPanel
from napari_unet.gui.widgets.live_panel import LivePanel
from napari_unet.gui.widgets.other_scans_box import OtherScansBox
from napari_unet.gui.widgets.patches_window import PatchesWindow
from napari_unet.gui.widgets.plot import LearningPlot
from napari_unet.gui.widgets.report_window import ReportWindow
from napari_unet.gui.work.activity import Ending, How
from napari_unet.gui.work.predicting import Wish
from napari_unet.model_file import SUFFIX, load_model
from napari_unet.scan import Scan, check_same_grid, stacked_names
from napari_unet.session import MaskInfo, ScanInfo, State, Verb
from napari_unet.training.evidence import load_evidence

UNPAINTED_WORDS = {
    Unpainted.UNKNOWN: "unknown (I only scribbled)",
    Unpainted.PAINTED_SLICES: "background on the slices I painted",
    Unpainted.BACKGROUND: "background everywhere",
}
TIMES = {15: "15 s", 30: "30 s", 60: "1 min", 120: "2 min", 300: "5 min", 900: "15 min", 3600: "1 h", 14400: "4 h"}

PATCHES_TIP = "Patches of the scan, varied as below, with the paint over them"


class TrainDock(Dock):
    """Paint on a scan, and train a network on the paint."""

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer)
        self._summary: PaintSummary | None = None
        self._followed: Labels | None = None
        self._make_controls()
        self._lay_out()
        self._connect()
        self._take_scan()

    def _make_controls(self) -> None:
        viewer = self.workspace.viewer
        self.scan = ScanChooser(viewer)
        self.paint = LayerChooser(viewer, is_labels, NO_PAINT)
        self.new_button = QPushButton("New")
        self.new_button.setToolTip("Make a paint layer for this scan and take the brush")
        self.classes = ClassList()
        self.fill = FillPanel(self.workspace, lambda: self.paint.layer)
        self.unpainted = ComboBox()
        for choice, words in UNPAINTED_WORDS.items():
            self.unpainted.addItem(words, choice)
        self.sentence = line("sentence")
        self.warning = line("warning")
        self.time = ComboBox()
        for seconds, words in TIMES.items():
            self.time.addItem(words, seconds)
        self.begin = BeginningChooser(self.session)
        self.form = ConfigForm(TrainConfig(), exclude={"unpainted", "time_limit"})
        self.patches_button = QPushButton("What the network sees…")
        self.counter = PaintCounter(self.workspace.background, self)
        self.other_scans = OtherScansBox(self.workspace, self.scan)
        self.panel = JobPanel(self.workspace.training, "Train", can_stop=True)
        self.live = LivePanel(self.workspace.live, lambda: self.scan.layers)
        self.plot = LearningPlot()
        self.after = QWidget()
        self.predict_button = QPushButton("Predict")
        self.predict_button.setToolTip("Predict the whole scan with this model")
        self.save_button = QPushButton("Save model…")
        self.report_button = QPushButton("How good…")
        self.report_button.setToolTip("Curves, precision and recall by threshold, confusion, patches")

    def _lay_out(self) -> None:
        choices = rows()
        choices.addRow("Scan", self.scan)
        paint = QHBoxLayout()
        paint.addWidget(self.paint)
        paint.addWidget(self.new_button)
        choices.addRow("Paint", paint)
        self.column.addLayout(choices)
        self.column.addWidget(self.classes)
        self.column.addWidget(Folded("Fill between painted slices", self.fill))
        unpainted = rows()
        unpainted.addRow("Unpainted is", self.unpainted)
        self.column.addLayout(unpainted)
        self.column.addWidget(self.sentence)
        self.column.addWidget(self.warning)
        self.column.addWidget(self.other_scans)
        how_long = QHBoxLayout()
        for words, box in (("Time", self.time), ("Start", self.begin)):
            how_long.addWidget(QLabel(words))
            how_long.addWidget(box)
        self.column.addLayout(how_long)
        advanced = QWidget()
        folded = QVBoxLayout(advanced)
        folded.setContentsMargins(0, 0, 0, 0)
        folded.addWidget(self.patches_button)
        folded.addWidget(self.form)
        self.column.addWidget(Folded("Advanced", advanced))
        self.column.addWidget(self.panel)
        self.column.addWidget(self.live)
        after = QHBoxLayout(self.after)
        after.setContentsMargins(0, 0, 0, 0)
        after.addWidget(self.predict_button)
        after.addWidget(self.save_button)
        after.addWidget(self.report_button)
        self.after.setVisible(bool(self.session.models) and not self.workspace.training.running)
        self.report_button.setEnabled(self.workspace.training.model_path is not None)
        self.column.addWidget(self.after)
        self.column.addWidget(self.plot)
        self.column.addStretch()
        self._show_config(PRESETS["fast"].train)
        for epoch in self.workspace.training.epochs:
            self.plot.add(epoch)

    def _connect(self) -> None:
        self.scan.chosen.connect(self._take_scan)
        self.paint.chosen.connect(self._take_paint)
        self.new_button.clicked.connect(self._new_paint)
        self.classes.selected.connect(self._select_label)
        self.classes.classes_changed.connect(self._take_classes)
        self.unpainted.currentIndexChanged.connect(self._take_unpainted)
        self.begin.chosen.connect(self._take_beginning)
        self.begin.problem.connect(self.panel.show_problem)
        self.counter.counted.connect(self._take_count)
        self.panel.pressed.connect(self.start)
        self.panel.stop.connect(self.workspace.training.stop_and_keep)
        self.predict_button.clicked.connect(self._predict)
        self.save_button.clicked.connect(self._ask_where_to_save)
        self.report_button.clicked.connect(self.show_report)
        self.patches_button.clicked.connect(self.show_patches)
        self.session.changed.connect(self._show_state)
        training = self.workspace.training
        training.began.connect(self._began)
        training.reported.connect(self._report)
        training.ended.connect(self._ended)

    def leave(self) -> None:
        """Let go of everything that outlives the dock."""
        training = self.workspace.training
        training.began.disconnect(self._began)
        training.reported.disconnect(self._report)
        training.ended.disconnect(self._ended)
        self.panel.disconnect_activity()
        self.live.disconnect_live()
        self.other_scans.disconnect_keeper()
        self.begin.leave()
        self.session.changed.disconnect(self._show_state)
        self._follow_paint(None, None)
        self.fill.disconnect_workspace()
        self.scan.disconnect_viewer()
        self.paint.disconnect_viewer()

    def choices(self) -> dict[str, QWidget]:
        """Name the controls in which something is chosen that a project keeps."""
        boxes = {"unpainted": self.unpainted, "time": self.time}
        return {**boxes, "other scans": self.other_scans, "parameters": self.form}

    def take_scan(self, images: list[Image]) -> None:
        """Choose a scan that came into view, and its paint."""
        self.scan.choose(images)
        self.paint.choose(self.workspace.newest_on(images, reviewed=False))

    @property
    def config(self) -> TrainConfig:
        """The parameters as they are chosen."""
        chosen = {"unpainted": self.unpainted.currentData(), "time_limit": float(self.time.currentData())}
        return self.form.value().model_copy(update=chosen)

    def start(self) -> None:
        """Train."""
        paint = self.paint.layer
        if paint is None:
            return
        try:
            self.workspace.training.start(
                self.scan.layers, paint, self.config, self.classes.classes, self.begin.beginning
            )
        except UnetError as error:
            self.panel.show_problem(str(error))

    def save_model(self, path: str) -> None:
        """Save the chosen model to a file; ".unet" is added when the name has no suffix."""
        model = self.session.state.model
        if model is None:
            return
        try:
            load_model(model.path).save(path if path.endswith(SUFFIX) else path + SUFFIX)
        except UnetError as error:
            self.panel.show_problem(str(error))

    def show_patches(self) -> None:
        """Show what a network sees while it learns."""
        paint = self.paint.layer
        if paint is None:
            return
        try:
            preview, classes = self.workspace.patches, self.classes.classes
            PatchesWindow(preview, self.scan.layers, paint, self.config, classes, self).show()
        except UnetError as error:
            self.panel.show_problem(str(error))

    def show_report(self) -> None:
        """Show how the training went and how good its model is."""
        training = self.workspace.training
        model = next((model for model in self.session.models if model.path == training.model_path), None)
        if model is None:
            return
        try:
            evidence = load_evidence(training.evidence_path) if training.evidence_path else None
        except UnetError as error:
            self.panel.show_problem(str(error))
            return
        description = model.description
        report = ReportWindow(evidence, training.epochs, description.classes, description.thresholds, self)
        report.chosen.connect(partial(self.workspace.set_thresholds, model.path))
        report.show()

    # --- what is chosen

    def _take_scan(self) -> None:
        info, problem = scan_info(self.scan)
        self.session.update(train_scan=info, train_problem=problem)
        self.new_button.setEnabled(info is not None)
        fitting = self.paint.layer
        if info is not None and (fitting is None or mask_shape_of(fitting) != info.mask_shape):
            for layer in reversed(self.workspace.viewer.layers):
                if is_labels(layer) and mask_shape_of(layer) == info.mask_shape:
                    self.paint.choose(layer)
                    break
        self._take_paint()

    def _take_paint(self) -> None:
        layer = self.paint.layer
        info = None if layer is None else MaskInfo(layer.name, mask_shape_of(layer), too_large(layer))
        self._summary = None
        self.session.update(paint=info, paint_summary=None)
        self._follow_paint(layer, self._scan())
        self._show_classes()
        self._show_state(self.session.state)

    def _scan(self) -> Scan | None:
        layers = self.scan.layers
        info = self.session.state.train_scan
        return scan_of(layers[0]) if layers and info is not None else None

    def _follow_paint(self, layer: Labels | None, scan: Scan | None) -> None:
        before, self._followed = self._followed, layer
        if before is not layer:
            self.fill.forget_offer()
        if before is not None:
            before.events.selected_label.disconnect(self._show_selected)
            before.events.mode.disconnect(self._show_selected)
        if layer is not None:
            layer.events.selected_label.connect(self._show_selected)
            layer.events.mode.connect(self._show_selected)
        fits = layer is not None and scan is not None and mask_shape_of(layer) == scan.mask_shape
        fits = fits and not too_large(layer)
        self.counter.follow(layer if fits else None, scan)

    def _new_paint(self) -> None:
        layers = self.scan.layers
        if layers:
            known = self.workspace.other_scans.classes
            self.paint.choose(new_paint_layer(self.workspace.viewer, layers[0], known))

    def _take_count(self, counted: PaintSummary | str) -> None:
        layer = self.paint.layer
        if layer is None:
            return
        self._summary = counted if isinstance(counted, PaintSummary) else None
        problem = counted if isinstance(counted, str) else ""
        self.session.update(paint=MaskInfo(layer.name, mask_shape_of(layer), problem), paint_summary=self._summary)
        self._show_classes()

    def _take_unpainted(self) -> None:
        self.session.update(unpainted=self.unpainted.currentData())

    def _take_beginning(self) -> None:
        preset = self.begin.beginning.preset
        if preset:
            self._show_config(PRESETS[preset].train)

    def _show_config(self, config: TrainConfig) -> None:
        self.form.set_value(config)
        at_most = [i for i, seconds in enumerate(TIMES) if seconds <= config.time_limit]
        self.time.setCurrentIndex(at_most[-1] if at_most else 0)

    # --- classes

    def _show_classes(self) -> None:
        layer = self.paint.layer
        self.classes.setEnabled(layer is not None)
        if layer is None:
            self.classes.set_classes(())
            self.classes.set_summary(None)
            return
        named = classes_of(layer)
        painted = self._summary.labels if self._summary is not None else ()
        known = {info.label for info in named}
        others = [with_colour(info, layer) for info in classes_for(label for label in painted if label not in known)]
        self.classes.set_classes((*named, *others))
        self.classes.set_summary(self._summary)
        self._show_selected()

    def _show_selected(self, event: object = None) -> None:
        layer = self.paint.layer
        if layer is not None:
            self.classes.set_selected(0 if layer.mode == "erase" else layer.selected_label)

    def _select_label(self, label: int) -> None:
        layer = self.paint.layer
        if layer is None:
            return
        self.workspace.viewer.layers.selection.active = layer
        if label == 0:
            layer.mode = "erase"
        elif label == 255:
            choose_background(layer)
        else:
            layer.selected_label = label
            layer.mode = "paint"

    def _take_classes(self, classes: tuple[ClassInfo, ...]) -> None:
        if self.paint.layer is not None:
            show_classes(self.paint.layer, classes)

    # --- what can be done, and what is done

    def _show_state(self, state: State) -> None:
        self.panel.set_readiness(self.session.readiness(Verb.TRAIN))
        self.live.look_for_scan()
        summary = state.paint_summary
        painted = summary is not None and bool(summary.labels)
        self.sentence.setVisible(painted)
        self.patches_button.setEnabled(painted)
        self.patches_button.setToolTip(PATCHES_TIP if painted else "Paint a class on this scan first")
        warnings: tuple[str, ...] = ()
        if summary is not None and painted:
            self.sentence.setText(summary.sentence(state.unpainted))
            warnings = summary.warnings({info.label: info.name for info in self.classes.classes})
        self.warning.setText("\n".join(warnings))
        self.warning.setVisible(bool(warnings))

    def _began(self) -> None:
        self.plot.clear()
        self.after.hide()

    def _report(self, event: Event) -> None:
        if isinstance(event, EpochDone):
            self.plot.add(event)

    def _ended(self, ending: Ending) -> None:
        self.after.setVisible(ending.how is How.DONE)
        self.report_button.setEnabled(self.workspace.training.model_path is not None)

    def _predict(self) -> None:
        model = self.session.state.model
        if model is None:
            return
        try:
            self.workspace.predict(self.scan.layers, Wish((model,)))
        except UnetError as error:
            self.panel.show_problem(str(error))

    def _ask_where_to_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save model", "model.unet", f"Model (*{SUFFIX})")
        if path:
            self.save_model(path)


def scan_info(chooser: ScanChooser) -> tuple[ScanInfo | None, str]:
    """Tell what the session has to know of the chosen scan, or why it cannot be used."""
    layers = chooser.layers
    if not layers:
        return None, ""
    try:
        scans = [scan_of(layer) for layer in layers]
        check_same_grid(scans)
    except UnetError as error:
        return None, str(error)
    return ScanInfo(scans[0].name, scans[0].mask_shape, stacked_names(scans)), ""
