"""The Brush dock in a window: its keys, real presses of the mouse on the scan, and nothing left when it closes."""

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_unet.annotation import new_class
from napari_unet.gui.layers.scans import METADATA, REVIEW, class_look
from napari_unet.gui.layers.strokes import WRITTEN, Rules
from napari_unet.gui.work.clicks import Tool
from napari_unet.review.corrections import Review

KEYS = ("O", "W", "Shift-E", "T", "A", "D", "C", "S")


@pytest.fixture
def brush(window, phantom):
    """A window with the phantom, its paint, a prediction of the ball, and the Brush dock."""
    window.viewer.add_image(phantom.scan, name="scan")
    look = class_look([new_class(1, "ball"), new_class(2, "other")])
    window.mask = window.viewer.add_labels(phantom.ball.astype(np.uint8), name="prediction", **look)
    review = window.review = Review(Path("model.unet"))
    for z, plane in enumerate(window.mask.data):
        review.note(z, plane)
    window.mask.metadata[METADATA] = {REVIEW: review}
    window.paint = window.viewer.add_labels(phantom.paint, name="paint", **look)
    window.brush = window.open("Brush")
    window.viewer.dims.set_current_step(0, 1)
    return window


def press(layer, key):
    layer.keymap[coerce_keybinding(key)](layer)


def tell(window, kind, point):
    """Tell the canvas of the mouse over a voxel (row, column) of the slice in view."""
    canvas = window.viewer.window._qt_viewer.canvas
    node = canvas.layer_to_visual[window.mask].node
    x, y, *_ = node.get_transform("visual", "canvas").map([point[1] + 0.5, point[0] + 0.5])
    place, left, none = QPointF(round(x), round(y)), Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    button, held = {
        QEvent.Type.MouseButtonPress: (left, left),
        QEvent.Type.MouseMove: (none, left),
        QEvent.Type.MouseButtonRelease: (left, none),
    }[kind]
    canvas.native._last_time = 0.0  # it leaves out moves that come within 10 ms
    event = QMouseEvent(kind, place, place, button, held, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(canvas.native, event)
    # napari puts off moves that come in quick succession
    window.until(lambda: np.allclose(window.viewer.cursor.position[-2:], point, atol=0.5))


def drag(window, *points):
    tell(window, QEvent.Type.MouseButtonPress, points[0])
    for point in points[1:]:
        tell(window, QEvent.Type.MouseMove, point)
    tell(window, QEvent.Type.MouseButtonRelease, points[-1])


def said(window, words, *points):
    """Click, or draw a line, and wait for what comes of it."""
    drag(window, *points)
    window.until(lambda: words in window.brush.pieces.said.text())


def test_strokes_of_the_mouse_obey_what_the_keys_choose(brush, phantom):
    dock, mask = brush.brush, brush.mask
    assert not set(KEYS) & {str(key) for key in mask.keymap}
    brush.viewer.layers.selection.active = mask
    assert dock.about.text() == 'On "prediction", a mask:'
    shown = " ".join([dock.brush.ball.text(), *(button.text() for button in dock.pieces.buttons.values())])
    assert all(f"({key})" in shown for key in ("T", "A", "D", "C", "S"))
    mask.selected_label, mask.brush_size, mask.mode = 2, 7, "paint"
    press(mask, "O")
    drag(brush, (16, 2), (16, 30))
    changed = mask.data != phantom.ball
    assert changed[1].any()
    assert not changed[phantom.ball].any()
    mask.undo()
    press(mask, "O")
    press(mask, "W")
    drag(brush, (16, 16), (16, 3))
    assert dock.rules.last.text().startswith("last stroke: ")
    assert not dock.rules.refused.isVisibleTo(dock)
    assert not (mask.data != phantom.ball)[~phantom.ball].any()
    assert (mask.data[1, 15:18, 9:17] == 2).mean() > 0.8
    dock.rules.lowest.set_value(200)
    dock.rules.within.setCurrentText("a range")
    drag(brush, (21, 16))
    assert dock.rules.refused.isVisibleTo(dock)
    press(mask, "W")
    press(mask, "Shift-E")
    press(mask, "T")
    assert dock.rules.rules == Rules(spread=dock.rules.spread.value(), eraser=WRITTEN)
    assert mask.n_edit_dimensions == 3
    dock.rules.protect.setCurrentText("the ticked classes")
    dock.rules.classes.item(1).setCheckState(Qt.CheckState.Checked)
    assert dock.strokes.rules.protected == {2}
    while mask._undo_history:
        mask.undo()
    np.testing.assert_array_equal(mask.data, phantom.ball)
    callbacks = len(brush.viewer.mouse_drag_callbacks)
    gone = weakref.ref(dock)
    del dock, brush.brush
    brush.close("Brush")
    gc.collect()
    assert gone() is None
    assert len(brush.viewer.mouse_drag_callbacks) == callbacks - 1
    assert not set(KEYS) & {str(key) for key in mask.keymap}
    assert "_paint_region_with_mask" not in vars(mask)


def test_pieces_under_clicks_are_accepted_rejected_relabelled_and_split(brush, phantom):
    dock, mask, paint = brush.brush, brush.mask, brush.paint
    assert dock.about.text() == 'On "paint", paint:'
    press(paint, "A")
    assert dock.pieces.buttons[Tool.ACCEPT].isChecked()
    assert dock.pieces.source_box.layer is mask
    paint.mode = "pan_zoom"
    said(brush, "Accepted", (16, 16))
    assert (paint.data[phantom.ball] == 1).all()
    assert (paint.data[1, :4] == 255).all()
    assert dock.undo.undo_button.text() == "Undo: accepting a piece of ball (Ctrl+Z)"
    dock.undo.undo_button.click()
    assert np.count_nonzero(paint.data) == 64 + 4 * 32
    brush.viewer.layers.selection.active = mask
    assert dock.pieces.picking.tool is None
    mask.mode = "paint"
    dock.pieces.buttons[Tool.ACCEPT].click()
    said(brush, "Accepted", (16, 16))
    assert brush.review.summary(mask.data).can_teach
    dock.undo.undo_button.click()
    assert not brush.review.summary(mask.data).can_teach
    mask.selected_label = 2
    press(mask, "S")
    said(brush, "other now", (14, 2), (14, 30))
    assert not (mask.data == 255).any(), "the line was for the eye"
    assert len(mask._undo_history) == 1
    press(mask, "D")
    said(brush, "gone", (10, 16))
    assert not (mask.data == 2).any()
    press(mask, "C")
    said(brush, "other now", (20, 16))
    assert not (mask.data == 1).any()
    said(brush, "nothing of", (1, 1))
    press(mask, "C")
    assert mask.mode == "paint", "the brush is in hand again"
    assert len(mask._undo_history) == 3
    while mask._undo_history:
        mask.undo()
    np.testing.assert_array_equal(mask.data, phantom.ball)
    press(mask, "A")
    mask.mode = "erase"
    assert dock.pieces.picking.tool is None
    assert mask.mode == "erase"
