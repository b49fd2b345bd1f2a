"""How large the brush is in mm, and whether it paints a ball across slices."""

from napari.layers import Labels
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QWidget

from napari_unet.gui.layers.scans import scan_of
from napari_unet.gui.layers.strokes import can_be_ball, diameter, set_ball, set_diameter
from napari_unet.gui.widgets.controls import DecimalBox, Range

BALL_KEY = "T"
LARGEST_MM = 500.0


class BrushSizePanel(QWidget):
    """Shows and changes the brush of a layer; napari's own control of it goes along."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layer: Labels | None = None
        self._told = False
        self.ball = QCheckBox(f"3-D ball ({BALL_KEY})")
        self.ball.setToolTip("Paint, erase and fill across slices: the brush is a ball in mm, whatever their distance")
        self.diameter = DecimalBox(Range(0.001, LARGEST_MM, 1, "mm"))
        self.diameter.setToolTip("Diameter of the brush; [ and ] make it smaller and larger")
        self._unit = QLabel("Diameter")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for widget in (self.ball, self._unit, self.diameter):
            row.addWidget(widget)
        self.ball.toggled.connect(self._take_ball)
        self.diameter.changed.connect(self._take_diameter)

    def follow(self, layer: Labels | None) -> None:
        """Be about this layer, or about none."""
        before, self._layer = self._layer, layer
        for each, act in ((before, "disconnect"), (layer, "connect")):
            if each is not None:
                for event in (each.events.brush_size, each.events.n_edit_dimensions):
                    getattr(event, act)(self._show)
        if layer is not None:
            in_mm = scan_of(layer).unit == "mm"
            self._unit.setText("Diameter" if in_mm else "Diameter, 1 mm a voxel")
        self._show()

    def toggle_ball(self) -> None:
        """Paint a ball, or a disc."""
        if self.ball.isEnabled():
            self.ball.toggle()

    def _show(self, event: object = None) -> None:
        if self._layer is None or self._told:
            return
        self._told = True
        can = can_be_ball(self._layer)
        self.ball.setEnabled(can)
        self.ball.setChecked(can and self._layer.n_edit_dimensions >= 3)
        self.diameter.set_value(float(f"{diameter(self._layer):.3g}"))
        self._told = False

    def _take_ball(self, ball: bool) -> None:
        if self._layer is not None and not self._told:
            set_ball(self._layer, ball)

    def _take_diameter(self, mm: float) -> None:
        if self._layer is not None and not self._told:
            set_diameter(self._layer, mm)
