"""Putting a mask onto the grid of another scan, such as the one that a DICOM segmentation must refer to."""

from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtWidgets import QPushButton

from napari_unet.errors import UnetError
from napari_unet.gui.docks.dock import Dock, line, rows
from napari_unet.gui.layers.masks import mask_of
from napari_unet.gui.layers.scans import METADATA, class_look, place_of, scan_of
from napari_unet.gui.widgets.choosers import NO_MASK, NO_SCAN, LayerChooser, is_labels
from napari_unet.io import Regridded, onto_grid


class OntoScanDock(Dock):
    """Give a mask the grid of another scan of the same patient, as a new layer that saves as that scan's mask."""

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer)
        self.title = "Mask onto another scan"
        viewer = self.workspace.viewer
        self.mask_box = LayerChooser(viewer, is_labels, NO_MASK)
        self.scan_box = LayerChooser(viewer, lambda layer: isinstance(layer, Image), NO_SCAN)
        self.button = QPushButton("Put onto its grid")
        self.said = line("said")
        choices = rows()
        choices.addRow("Mask", self.mask_box)
        choices.addRow("Onto the scan", self.scan_box)
        self.column.addLayout(choices)
        self.column.addWidget(self.button)
        self.column.addWidget(self.said)
        self.column.addStretch()
        for box in (self.mask_box, self.scan_box):
            box.chosen.connect(self._show_readiness)
        self.button.clicked.connect(self._begin)
        self._show_readiness()

    def leave(self) -> None:
        """Let go of the viewer."""
        self.mask_box.disconnect_viewer()
        self.scan_box.disconnect_viewer()

    def _show_readiness(self) -> None:
        blocked = self._blocked()
        self.button.setEnabled(not blocked)
        self.button.setToolTip(blocked or "Each voxel gets the label of the nearest voxel of the mask; a new layer")
        self.said.setText(blocked)

    def _blocked(self) -> str:
        """Say why it cannot begin; empty when it can."""
        for layer, missing in ((self.mask_box.layer, "Open a mask."), (self.scan_box.layer, "Open a scan.")):
            if layer is None:
                return missing
            if layer.metadata.get(METADATA, {}).get("geometry") is None:
                return f'"{layer.name}" does not say where in the patient it lies: open it from DICOM, NIfTI or NRRD.'
        return ""

    def _begin(self) -> None:
        mask, image = self.mask_box.layer, self.scan_box.layer
        if mask is None or image is None:
            return
        data, attributes, _ = mask.as_layer_data_tuple()
        scan = scan_of(image)
        self.button.setEnabled(False)
        self.said.setText("Working …")
        self.workspace.background.run(
            lambda: onto_grid(mask_of(data, attributes), scan), lambda moved: self._show(moved, image), self._failed
        )

    def _show(self, moved: Regridded, image: Image) -> None:
        mask = moved.mask
        name = f"mask on {image.name}"
        self.workspace.viewer.add_layer(Labels(mask.labels, name=name, **place_of(image), **class_look(mask.classes)))
        self._show_readiness()
        self.said.setText(moved.sentence)

    def _failed(self, error: Exception) -> None:
        self._show_readiness()
        self.said.setText(str(error))
        if not isinstance(error, UnetError):
            raise error
