"""The Refine dock: a mask, the steps, a preview of the slice in view, and Apply to a new layer."""

from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox, QLabel

from napari_unet.config import RefineConfig
from napari_unet.errors import UnetError
from napari_unet.gui.activity import Ending, How
from napari_unet.gui.choosers import NO_MASK, LayerChooser, is_labels
from napari_unet.gui.dock import Dock, line, rows
from napari_unet.gui.job_panel import JobPanel
from napari_unet.gui.layers import mask_shape_of, scan_of
from napari_unet.gui.refining import Refinement
from napari_unet.gui.step_list import StepList
from napari_unet.session import MaskInfo, Ready, State, Verb

PREVIEW_MS = 150
"""After a change it waits for so long before it previews."""
NO_SPACING = "This mask has no spacing in mm: lengths count voxels, and 1 ml is 1000 voxels."


class RefineDock(Dock):
    """Refine a mask into a new layer."""

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer)
        self.mask_box = LayerChooser(self.workspace.viewer, is_labels, NO_MASK)
        self.steps = StepList(self.session.state.refine_config)
        self.units = line("units")
        self.units.setText(NO_SPACING)
        self.keep_paint = QCheckBox("Keep what I painted")
        self.keep_paint.setToolTip("Voxels painted in the layer chosen in the Train dock are not changed")
        self.keep_paint.setChecked(True)
        self.preview = QCheckBox("Preview this slice")
        self.effect = line("effect")
        self.panel = JobPanel(self.workspace.refinement, "Apply")
        self._wait = QTimer(self)
        self._wait.setSingleShot(True)
        self._wait.setInterval(PREVIEW_MS)
        self._apply_next = False
        self._lay_out()
        self._connect()
        self._take_mask()

    def _lay_out(self) -> None:
        choices = rows()
        choices.addRow("Mask", self.mask_box)
        self.column.addLayout(choices)
        self.column.addWidget(QLabel("Steps, first to last"))
        self.column.addWidget(self.steps)
        for widget in (self.units, self.keep_paint, self.preview, self.effect, self.panel):
            self.column.addWidget(widget)
        self.column.addStretch()
        self.effect.hide()

    def _connect(self) -> None:
        self.mask_box.chosen.connect(self._take_mask)
        self.steps.changed.connect(self._take_steps)
        self.preview.toggled.connect(self._toggle_preview)
        self.keep_paint.toggled.connect(self._preview_soon)
        self.panel.pressed.connect(self.start)
        self._wait.timeout.connect(self._start_preview)
        self.session.changed.connect(self._show_state)
        self.workspace.refine_preview.ended.connect(self._previewed)
        self.workspace.viewer.dims.events.current_step.connect(self._preview_soon)

    def leave(self) -> None:
        """Let go of everything that outlives the dock."""
        self._wait.stop()
        self.panel.disconnect_activity()
        self.session.changed.disconnect(self._show_state)
        self.workspace.refine_preview.ended.disconnect(self._previewed)
        self.workspace.refine_preview.remove_preview()
        self.workspace.viewer.dims.events.current_step.disconnect(self._preview_soon)
        self.mask_box.disconnect_viewer()

    def start(self) -> None:
        """Refine the whole mask into a new layer."""
        preview = self.workspace.refine_preview
        if preview.running:
            self._apply_next = True
            preview.cancel()
            return
        self._apply_next = False
        self.preview.setChecked(False)
        self._run(self.workspace.refinement)

    def _run(self, refinement: Refinement) -> None:
        mask = self.mask_box.layer
        if mask is None:
            return
        try:
            refinement.start(mask, self.steps.config, self._paint() if self.keep_paint.isChecked() else None)
        except UnetError as error:
            self.panel.show_problem(str(error))

    def _paint(self) -> Labels | None:
        """Find the layer that the Train dock has chosen, if it lies on this mask and is not the mask."""
        mask, paint = self.mask_box.layer, self.session.state.paint
        layers = self.workspace.viewer.layers
        if mask is None or paint is None or paint.name not in layers:
            return None
        layer = layers[paint.name]
        return layer if layer is not mask and mask_shape_of(layer) == mask_shape_of(mask) else None

    def _take_mask(self) -> None:
        layer = self.mask_box.layer
        info, spaced = None, True
        if layer is not None:
            info = MaskInfo(layer.name, mask_shape_of(layer))
            try:
                spaced = scan_of(layer).unit == "mm"
            except UnetError as error:
                info = MaskInfo(layer.name, mask_shape_of(layer), str(error))
        self.units.setVisible(not spaced)
        self.session.update(mask=info)
        self._show_state(self.session.state)
        self._preview_soon()

    def _take_steps(self, config: RefineConfig) -> None:
        self.session.update(refine_config=config)
        self._preview_soon()

    def _toggle_preview(self, on: bool) -> None:
        self.effect.setVisible(on)
        if on:
            self.effect.setText("…")
            self._preview_soon()
        else:
            self._wait.stop()
            self.workspace.refine_preview.cancel()
            self.workspace.refine_preview.remove_preview()

    def _preview_soon(self, event: object = None) -> None:
        if self.preview.isChecked():
            self._wait.start()

    def _start_preview(self) -> None:
        if self.workspace.refine_preview.running or self.workspace.refinement.running:
            self._wait.start()
        elif self.preview.isChecked() and isinstance(self.session.readiness(Verb.REFINE), Ready):
            self._run(self.workspace.refine_preview)

    def _previewed(self, ending: Ending) -> None:
        self.effect.setText(ending.text if ending.how is not How.CANCELLED else "")
        if self._apply_next:
            self.start()
        elif not self.preview.isChecked():
            self.workspace.refine_preview.remove_preview()

    def _show_state(self, state: State) -> None:
        self.panel.set_readiness(self.session.readiness(Verb.REFINE))
