"""The Brush dock: what strokes leave as it is, how large they are, and tools for pieces of a mask."""

from functools import partial

from napari.components import ViewerModel
from napari.layers import Labels

from napari_unet.annotation import BACKGROUND, BACKGROUND_CLASS, UNPAINTED, ClassInfo
from napari_unet.gui.docks.dock import Dock, line
from napari_unet.gui.layers.paint import is_paint
from napari_unet.gui.layers.scans import PAINTED_BACKGROUND, classes_of, images_beneath, mask_shape_of, review_of
from napari_unet.gui.layers.strokes import WRITTEN, Strokes
from napari_unet.gui.widgets.brush_size_panel import BALL_KEY, BrushSizePanel
from napari_unet.gui.widgets.piece_panel import BUTTONS, PiecePanel
from napari_unet.gui.widgets.stroke_rules_panel import ALIKE_KEY, ERASER_KEY, OTHERS_KEY, StrokeRulesPanel
from napari_unet.gui.widgets.undo_buttons import UndoButtons
from napari_unet.session import ScanInfo, State

NO_LAYER = "Select a paint layer or a mask in the layer list: what is chosen here is for strokes on it."


class BrushDock(Dock):
    """Say what strokes on the selected layer leave as it is, and act on pieces of a mask by a click."""

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer)
        viewer = self.workspace.viewer
        self._layer: Labels | None = None
        self._paint = False
        self._chosen: tuple[str, ScanInfo | None] | None = None
        self.about = line("about")
        self.rules = StrokeRulesPanel()
        self.brush = BrushSizePanel()
        self.pieces = PiecePanel(self.workspace)
        self.undo = UndoButtons(self.workspace.history, self.workspace.undoing)
        self.strokes = Strokes(viewer, self)
        for widget in (self.about, self.brush, self.rules, self.pieces, self.undo):
            self.column.addWidget(widget)
        self.column.addStretch()
        self._keys = {
            OTHERS_KEY: self.rules.toggle_others,
            ALIKE_KEY: self.rules.toggle_alike,
            ERASER_KEY: self.rules.next_eraser,
            BALL_KEY: self.brush.toggle_ball,
        } | {key: partial(self.pieces.toggle, tool) for tool, (_, key, _) in BUTTONS.items()}
        self.rules.changed.connect(self._take_rules)
        self.strokes.ranged.connect(self.rules.show_measured)
        self.strokes.refused.connect(partial(self.rules.show_refused, True))
        self.session.changed.connect(self._take_state)
        layers = viewer.layers
        self._events = (layers.selection.events.active, layers.events.inserted, layers.events.removed)
        for event in self._events:
            event.connect(self._take_layer)
        self._take_layer()

    def leave(self) -> None:
        """Let go of everything that outlives the dock: strokes obey no rules any more."""
        for event in self._events:
            event.disconnect(self._take_layer)
        self.session.changed.disconnect(self._take_state)
        self._follow(None)
        self.strokes.disconnect_viewer()
        self.pieces.disconnect_viewer()
        self.undo.disconnect_history()

    def _take_layer(self, event: object = None) -> None:
        viewer = self.workspace.viewer
        active = viewer.layers.selection.active
        can = isinstance(active, Labels) and active.editable and not active.multiscale
        if (layer := active if can else None) is not self._layer:
            self._follow(layer)
        if layer is not None:
            self._take_scan(layer)

    def _follow(self, layer: Labels | None) -> None:
        """Be about this layer, or about none."""
        before, self._layer = self._layer, layer
        if before is not None:
            before.events.features.disconnect(self._show_kind)
            before.events.paint.disconnect(self._painted)
            for key in self._keys:
                before.bind_key(key, None)
        self.strokes.follow(layer)
        self.brush.follow(layer)
        self.pieces.follow(layer)
        for widget in (self.rules, self.brush, self.pieces):
            widget.setEnabled(layer is not None)
        self.about.setText(NO_LAYER)
        if layer is not None:
            layer.events.features.connect(self._show_kind)
            layer.events.paint.connect(self._painted)
            for key, act in self._keys.items():
                layer.bind_key(key, lambda _, act=act: act(), overwrite=True)
            self._chosen = None
            self._take_state(self.session.state)

    def _take_state(self, state: State) -> None:
        """See whether the layer is paint, and on which scan: the Train dock knows what it has chosen."""
        chosen = ("" if state.paint is None else state.paint.name, state.train_scan)
        if self._layer is not None and chosen != self._chosen:
            self._chosen = chosen
            self._paint = is_paint(self._layer, chosen[0])
            self._take_scan(self._layer)
            self._show_kind()

    def _show_kind(self, event: object = None) -> None:
        """Show the classes of the layer, and what may be erased to in paint or in a mask."""
        layer, paint = self._layer, self._paint
        if layer is None:
            return
        background = BACKGROUND_CLASS
        if paint:
            background = ClassInfo.model_construct(label=BACKGROUND, name="background", colour=PAINTED_BACKGROUND)
        self.rules.show_classes([*classes_of(layer), background])
        erasers = {"not painted": UNPAINTED, "background": BACKGROUND} if paint else {"background": UNPAINTED}
        if review_of(layer) is not None:
            erasers["what the model wrote"] = WRITTEN
        self.rules.show_erasers(erasers)
        self.pieces.background = BACKGROUND if paint else UNPAINTED
        self.about.setText(f'On "{layer.name}", {"paint" if paint else "a mask"}:')

    def _take_rules(self) -> None:
        self.strokes.rules = self.pieces.rules = self.rules.rules

    def _take_scan(self, layer: Labels) -> None:
        """Let the intensities of the layer's scan count: for paint, of the one in the Train dock."""
        viewer, state = self.workspace.viewer, self.session.state
        images = images_beneath(viewer, layer)
        if self._paint and state.train_scan is not None and state.train_scan.mask_shape == mask_shape_of(layer):
            images = [image for image in viewer.layers if image.name == state.train_scan.name] or images
        self.strokes.image = image = images[0] if images else None
        self.rules.show_scan(
            "" if image is None else image.name, (0.0, 0.0) if image is None else image.contrast_limits
        )

    def _painted(self, event: object) -> None:
        self.rules.show_refused(False)
