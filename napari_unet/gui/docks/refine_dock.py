"""The Refine dock: a mask, the steps, a preview of the slice in view, and Apply to a new layer or to the mask."""

from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QWidget

from napari_unet.config import RefineConfig
from napari_unet.errors import UnetError
from napari_unet.gui.docks.dock import Dock, line, rows
from napari_unet.gui.docks.train_dock import scan_info
from napari_unet.gui.layers.edits import can_edit
from napari_unet.gui.layers.scans import images_beneath, mask_shape_of, scan_of
from napari_unet.gui.layers.stored_labels import too_large
from napari_unet.gui.widgets.choosers import NO_MASK, ComboBox, LayerChooser, ScanChooser, is_labels
from napari_unet.gui.widgets.job_panel import JobPanel
from napari_unet.gui.widgets.pipeline_menu import PipelineMenu
from napari_unet.gui.widgets.step_list import StepList
from napari_unet.gui.widgets.suggest_panel import SuggestPanel
from napari_unet.gui.widgets.undo_buttons import UndoButtons
from napari_unet.gui.work.activity import Ending, How
from napari_unet.gui.work.refine_material import Chosen
from napari_unet.session import MaskInfo, Ready, State, Verb

PREVIEW_MS = 10
"""After a change it waits for so long before it previews: what comes at once is previewed once."""
BUSY_MS = 200
"""How often it looks whether another job is over."""
NO_SPACING = "This mask has no spacing in mm: lengths count voxels, and 1 ml is 1000 voxels."
NEW_LAYER, IN_PLACE = "a new layer", "this mask (can be undone)"
NOT_IN_PLACE = "This mask cannot be changed so that it can be undone: it lies on a disk or cannot be painted on."


class RefineDock(Dock):
    """Refine a mask, into a new layer or in place."""

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer)
        self.workspace.warm_refinement()
        self._make_controls()
        self._wait = QTimer(self)
        self._wait.setSingleShot(True)
        self._outdated = False
        self._followed: list[Labels] = []
        self._labels: dict[QWidget, QLabel] = {}
        self._lay_out()
        self._connect()
        self._take_mask()

    def _make_controls(self) -> None:
        viewer = self.workspace.viewer
        self.mask_box = LayerChooser(viewer, is_labels, NO_MASK)
        self.scan = ScanChooser(viewer)
        self.region_box = LayerChooser(viewer, is_labels, NO_MASK)
        self.steps = StepList(self.session.state.refine_config)
        self.pipeline = PipelineMenu(lambda: self.steps.config, lambda: self.mask_box.layer)
        self.units = line("units")
        self.units.setText(NO_SPACING)
        self.keep_paint = QCheckBox("Keep what I painted")
        self.keep_paint.setToolTip("Voxels painted in the layer chosen in the Train dock are not changed")
        self.keep_paint.setChecked(True)
        self.preview = QCheckBox("Preview this slice")
        self.preview.setToolTip("Outlines: blue would be added, orange removed, yellow another class; white is painted")
        self.effect = line("effect")
        self.suggest = SuggestPanel(self.workspace)
        self.where = ComboBox()
        self.where.addItem(NEW_LAYER, False)
        self.where.addItem(IN_PLACE, True)
        self.panel = JobPanel(self.workspace.refinement, "Apply")
        self.undo = UndoButtons(self.workspace.history, self.workspace.undoing)

    def _lay_out(self) -> None:
        choices = QGridLayout()  # unlike a form, it closes the gap where a row is hidden
        choices.setColumnStretch(1, 1)
        fields = (("Mask", self.mask_box), ("Scan", self.scan), ("Region", self.region_box))
        for row, (words, field) in enumerate(fields):
            label = self._labels[field] = QLabel(words)
            label.setBuddy(field)
            choices.addWidget(label, row, 0)
            choices.addWidget(field, row, 1)
        self.column.addLayout(choices)
        head = QHBoxLayout()
        head.addWidget(QLabel("Steps, first to last"), 1)
        head.addWidget(self.pipeline)
        self.column.addLayout(head)
        for widget in (self.steps, self.units, self.keep_paint, self.preview, self.effect, self.suggest):
            self.column.addWidget(widget)
        result = rows()
        result.addRow("Result", self.where)
        self.column.addLayout(result)
        self.column.addWidget(self.panel)
        self.column.addWidget(self.undo)
        self.column.addStretch()
        self.effect.hide()

    def _connect(self) -> None:
        self.mask_box.chosen.connect(self._take_mask)
        self.scan.chosen.connect(self._take_scan)
        self.region_box.chosen.connect(self._take_region)
        self.steps.changed.connect(self._take_steps)
        self.pipeline.chosen.connect(self._show_steps)
        self.pipeline.failed.connect(self.panel.show_problem)
        self.preview.toggled.connect(self._toggle_preview)
        self.keep_paint.toggled.connect(self._preview_soon)
        self.suggest.panel.pressed.connect(self.start_suggesting)
        self.suggest.chosen.connect(self._show_steps)
        self.panel.pressed.connect(self.start)
        self._wait.timeout.connect(self._start_preview)
        self.session.changed.connect(self._show_state)
        self.workspace.refine_preview.ended.connect(self._previewed)
        self.workspace.viewer.dims.events.current_step.connect(self._preview_soon)

    def leave(self) -> None:
        """Let go of everything that outlives the dock."""
        self._wait.stop()
        self._follow([])
        self.undo.disconnect_history()
        self.panel.disconnect_activity()
        self.suggest.disconnect_workspace()
        self.session.changed.disconnect(self._show_state)
        self.workspace.refine_preview.ended.disconnect(self._previewed)
        self.workspace.refine_preview.cancel(patiently=True)
        self.workspace.refine_preview.remove_preview()
        self.workspace.viewer.dims.events.current_step.disconnect(self._preview_soon)
        for chooser in (self.mask_box, self.scan, self.region_box):
            chooser.disconnect_viewer()

    def choices(self) -> dict[str, QWidget]:
        """Name the controls in which something is chosen that a project keeps."""
        return {"steps": self.steps, "keep paint": self.keep_paint, "result": self.where}

    def take_scan(self, images: list[Image]) -> None:
        """Choose a scan that came into view, and its mask."""
        self.scan.choose(images)
        self.mask_box.choose(self.workspace.newest_on(images, reviewed=True))

    def take_mask(self, mask: Labels) -> None:
        """Choose a mask that was just predicted, or is shown in the place of another."""
        self.mask_box.choose(mask)

    def start(self) -> None:
        """Refine the whole mask."""
        self.preview.setChecked(False)
        self.workspace.when_refinery_is_free(self._apply)

    def _apply(self) -> None:
        try:
            chosen = self._chosen()
            if chosen is not None and isinstance(self.session.readiness(Verb.REFINE), Ready):
                self.workspace.refinement.start(chosen, in_place=self.where.currentData())
        except UnetError as error:
            self.panel.show_problem(str(error))

    def start_suggesting(self) -> None:
        """Try refinements on what is painted."""
        self.workspace.when_refinery_is_free(self._suggest)

    def _suggest(self) -> None:
        mask = self.mask_box.layer
        paint = self.workspace.paint_on(mask)
        try:
            if mask is not None and paint is not None and isinstance(self.session.readiness(Verb.SUGGEST), Ready):
                self.workspace.suggesting.start(mask, paint, self.scan.layers)
        except UnetError as error:
            self.suggest.panel.show_problem(str(error))

    def _chosen(self) -> Chosen | None:
        mask = self.mask_box.layer
        if mask is None:
            return None
        paint = self.workspace.paint_on(mask) if self.keep_paint.isChecked() else None
        return Chosen(mask, self.steps.config, paint, tuple(self.scan.layers), self.region_box.layer)

    # --- what is chosen

    def _take_mask(self) -> None:
        layer = self.mask_box.layer
        info, spaced, editable = None, True, False
        if layer is not None:
            editable = can_edit(layer)
            info = MaskInfo(layer.name, mask_shape_of(layer), too_large(layer))
            try:
                spaced = scan_of(layer).unit == "mm"
            except UnetError as error:
                info = MaskInfo(layer.name, mask_shape_of(layer), str(error))
            self.scan.choose(images_beneath(self.workspace.viewer, layer))
        self.units.setVisible(not spaced)
        if not editable:
            self.where.setCurrentIndex(0)
        self.where.setEnabled(editable)
        self.where.setToolTip("" if editable or layer is None else NOT_IN_PLACE)
        self.suggest.let_go()
        self.session.update(mask=info)
        self._take_scan()
        self._take_region()
        self._show_state(self.session.state)

    def _take_scan(self) -> None:
        info, problem = scan_info(self.scan)
        self.session.update(refine_scan=info, refine_problem=problem)
        self._preview_soon()

    def _take_region(self) -> None:
        layer = self.region_box.layer
        self.session.update(
            region=None if layer is None else MaskInfo(layer.name, mask_shape_of(layer), too_large(layer))
        )
        self._preview_soon()

    def _take_steps(self, config: RefineConfig) -> None:
        self.session.update(refine_config=config)
        self._preview_soon()

    def _show_steps(self, config: RefineConfig) -> None:
        self.steps.set_config(config)
        self._take_steps(config)

    def _show_state(self, state: State) -> None:
        for widget in (self.region_box, self._labels[self.region_box]):
            widget.setVisible("region" in state.refine_config.looks_at)
        self.panel.set_readiness(self.session.readiness(Verb.REFINE))
        self.suggest.show_readiness()

    # --- the preview

    def _toggle_preview(self, on: bool) -> None:
        self.effect.setVisible(on)
        if on:
            self.effect.setText("…")
            self._preview_soon()
        else:
            self._wait.stop()
            self._follow([])
            self.workspace.refine_preview.cancel(patiently=True)
            self.workspace.refine_preview.remove_preview()

    def _preview_soon(self, event: object = None) -> None:
        if self.preview.isChecked():
            self.effect.setEnabled(False)  # what it says is of before
            self._wait.start(PREVIEW_MS)

    def _start_preview(self) -> None:
        preview = self.workspace.refine_preview
        self._outdated = preview.running
        if preview.running:
            preview.cancel(patiently=True)  # what it would show is of yesterday; the next one begins when it is over
        elif self.workspace.refinery.running:
            self._wait.start(BUSY_MS)
        else:
            self._preview()

    def _preview(self) -> None:
        readiness = self.session.readiness(Verb.REFINE)
        try:
            chosen = self._chosen()
            if chosen is not None and isinstance(readiness, Ready):
                self._follow([layer for layer in (chosen.mask, chosen.paint) if layer is not None])
                self.workspace.refine_preview.start(chosen)
            else:
                self.workspace.refine_preview.show_nothing()
                self.effect.setText("")
        except UnetError as error:
            self.effect.setText(str(error))
            self.effect.setEnabled(True)

    def _previewed(self, ending: Ending) -> None:
        if not self.preview.isChecked():
            self.workspace.refine_preview.remove_preview()
        elif self._outdated:
            self._wait.start(0)
        elif ending.how is How.CANCELLED:
            self._wait.start(BUSY_MS)  # it made room for another job
        else:
            self.effect.setText(ending.text)
            self.effect.setEnabled(not self._wait.isActive())

    def _follow(self, layers: list[Labels]) -> None:
        """Preview again when somebody paints on these layers, or takes a stroke back."""
        if layers == self._followed:
            return
        for layer in self._followed:
            for event in (layer.events.paint, layer.events.data, layer.events.set_data):
                event.disconnect(self._preview_soon)
        self._followed = layers
        for layer in layers:
            for event in (layer.events.paint, layer.events.data, layer.events.set_data):
                event.connect(self._preview_soon)
