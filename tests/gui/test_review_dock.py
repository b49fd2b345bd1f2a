"""The Review dock: what was corrected is seen, marks and keys, and learning from it in the real process."""

from pathlib import Path

import numpy as np
import pytest
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtCore import QPoint, Qt

from napari_unet.gui.layers.scans import METADATA, REVIEW, SCAN_LAYERS, review_of
from napari_unet.gui.widgets.slice_strip import SliceStrip
from napari_unet.review.corrections import Review, SliceState
from napari_unet.review.looking import Look


@pytest.fixture
def written(window, phantom):
    """A window with a mask that a model wrote, and the Review dock."""
    window.viewer.add_image(phantom.scan, name="scan")
    paint = window.viewer.add_labels(phantom.paint, name="paint")
    window.open("Train").paint.choose(paint)
    window.mask = window.viewer.add_labels(phantom.ball.astype(np.uint8), name="scan prediction")
    review = Review(Path("model.unet"))
    for z, plane in enumerate(window.mask.data):
        review.note(z, plane)
    window.mask.metadata[METADATA] = {REVIEW: review}
    return with_review(window)


@pytest.fixture
def predicted(window, phantom):
    """A window with a mask that a model of this window predicted, and the Review dock."""
    window.viewer.add_image(phantom.scan, name="scan")
    window.viewer.add_labels(phantom.paint, name="paint")
    window.open("Train", "Predict")
    train, predict = (window.docks[name][1] for name in ("Train", "Predict"))
    refine, review = window.open("Refine"), window.open("Review")
    window.train(train)
    window.ended(window.workspace.prediction, lambda: window.press(predict))
    window.mask = window.viewer.layers["scan prediction"]
    assert refine.mask_box.layer is window.mask  # which other docks choose by themselves
    assert review.mask_box.layer is window.mask
    window.close("Refine")
    return with_review(window)


def with_review(window):
    window.review = window.docks["Review"][1] if "Review" in window.docks else window.open("Review")
    window.review.mask_box.choose(window.mask)
    window.until(lambda: window.review.strip.isVisibleTo(window.review))
    return window


def learn_for(window, seconds):
    window.review.time.addItem("so long", seconds)
    window.review.time.setCurrentIndex(window.review.time.count() - 1)


def states(window):
    return window.workspace.session.state.review.summary.states


def press(viewer, key):
    viewer.keymap[coerce_keybinding(key)](viewer)


def correct(window, z):
    """Paint a few voxels on a slice of the mask that the model wrote otherwise."""
    window.viewer.dims.set_point(0, z)
    plane = window.mask.data[z]
    window.mask.selected_label = 0 if plane[16, 16] else 1
    window.mask.mode = "paint"
    window.mask.paint((z, 16, 16), window.mask.selected_label)


def test_without_corrections_it_says_what_to_do(written):
    assert not written.review.panel.button.isEnabled()
    assert "press R on a slice that is right" in written.review.panel.reason.text()
    assert states(written) == (SliceState.PREDICTED, SliceState.PAINTED, SliceState.PREDICTED, SliceState.PREDICTED)


def test_a_mask_of_unknown_origin_cannot_be_reviewed(written, phantom):
    other = written.viewer.add_labels(phantom.ball.astype(np.uint8), name="other")
    written.review.mask_box.choose(other)
    assert "was not predicted here" in written.review.panel.reason.text()
    assert not written.review.panel.button.isEnabled()


def test_corrections_are_seen_and_undo_is_too(written):
    correct(written, 2)
    written.until(lambda: states(written)[2] is SliceState.CORRECTED)
    assert written.review.panel.button.isEnabled()
    written.mask.undo()
    written.until(lambda: states(written)[2] is SliceState.PREDICTED)


def test_keys_mark_slices_and_go_on(written):
    viewer = written.viewer
    viewer.dims.set_point(0, 0)
    press(viewer, "R")
    written.until(lambda: states(written)[0] is SliceState.REVIEWED)
    assert written.review.right_button.isChecked()
    press(viewer, "N")
    assert viewer.dims.current_step[0] == 3, "the slice furthest from 0, which is right, and 1, which is painted"
    press(viewer, "Shift-R")
    written.until(lambda: set(states(written)) == {SliceState.REVIEWED})
    press(viewer, "Shift-R")
    written.until(lambda: SliceState.REVIEWED not in states(written))


def test_next_goes_to_where_the_model_is_unsure_and_passes_over_what_was_seen(written):
    viewer, panel = written.viewer, written.review.next
    doubts = {0: 0.05, 2: 0.3, 3: 0.25}
    review_of(written.mask).looks |= {
        z: Look(doubt, doubt, (4.0, 10.0 * z), np.full(3, z, np.float32)) for z, doubt in doubts.items()
    }
    written.review.recount.count()
    written.until(lambda: "slice 2" in panel.reason.text())
    assert panel.reason.text() == "Look at slice 2 next: unsure along 30 % of the edge."
    zoom = viewer.scene.camera.zoom
    press(viewer, "N")
    assert viewer.dims.current_step[0] == 2
    assert viewer.scene.camera.center[1:] == (4.0, 20.0)
    assert viewer.scene.camera.zoom == zoom
    press(viewer, "N")
    assert viewer.dims.current_step[0] == 3, "slice 2 was seen; 3 is more like it than 0 is, and in more doubt yet"
    written.review.mark_slice()
    written.until(lambda: "slice 0" in panel.reason.text())
    assert panel.reason.text().endswith("; unlike the slices you painted.")
    panel.button.click()
    assert viewer.dims.current_step[0] == 0
    panel.button.click()
    assert viewer.dims.current_step[0] == 2, "nothing else is left: what was passed over comes again"
    written.review.mark_all()
    written.until(lambda: not panel.button.isEnabled())


def test_paint_of_another_scan_as_large_does_not_count(written, phantom):
    train = written.docks["Train"][1]
    paint = train.paint.layer
    assert written.workspace.paint_on(written.mask) is paint
    written.mask.metadata[METADATA][SCAN_LAYERS] = ("scan",)
    other = written.viewer.add_image(phantom.scan, name="other")
    train.scan.choose([other])
    train.paint.choose(paint)
    assert written.workspace.session.state.train_scan.name == "other"
    assert written.workspace.paint_on(written.mask) is None


def test_keys_go_with_the_dock(written):
    viewer = written.viewer
    keys = {coerce_keybinding(key) for key in ("R", "N", "Shift-R")}
    assert keys <= set(viewer.keymap)
    written.close("Review")
    assert not keys & set(viewer.keymap)


def test_learning_again_keeps_what_a_person_said(predicted):
    refine = predicted.open("Refine")
    review, mask = predicted.review, predicted.mask
    learn_for(predicted, 1)
    correct(predicted, 2)
    review._look_at(3)
    review.mark_slice()
    predicted.until(lambda: states(predicted)[2:] == (SliceState.CORRECTED, SliceState.REVIEWED))
    models, workspace, lower = predicted.workspace.session.models, predicted.workspace, mask.data[2:].copy()

    def say_more():
        correct(predicted, 1)
        mask.brush_size, mask.mode = 7, "paint"
        workspace.marking.mark(mask, {0})

    workspace.prediction.began.connect(say_more)
    ending = predicted.ended(workspace.learning_again, lambda: predicted.press(review))
    workspace.prediction.began.disconnect(say_more)
    before = mask.data.copy()
    np.testing.assert_array_equal(before[2:], lower)
    corrected = [review_of(mask).corrected(z, before[z]) for z in (1, 2)]
    assert all(where.any() for where in corrected)
    assert "New result" in ending.text
    assert "you found right: Dice" in ending.text
    after = review.mask_box.layer
    assert after is not mask
    assert after.visible
    assert not mask.visible
    assert refine.mask_box.layer is after, "what is shown is refined"
    for z in (0, 3):
        np.testing.assert_array_equal(after.data[z], before[z])
    for z, where in zip((1, 2), corrected, strict=True):
        np.testing.assert_array_equal(after.data[z][where], before[z][where])
        assert review_of(after).corrected(z, after.data[z])[where].all()
    assert review_of(after).reviewed == {0, 3}
    assert len(predicted.workspace.session.models) == len(models) + 1
    assert predicted.workspace.session.state.model == models[0], "the new one counts once it is kept"
    assert (after.brush_size, after.selected_label, after.mode) == (7, mask.selected_label, "paint")
    review.comparison.back_button.click()
    assert not review.comparison.isVisibleTo(review)
    assert mask.visible
    assert not after.visible
    assert after in predicted.viewer.layers
    assert predicted.workspace.session.state.model == models[0]
    undoing = predicted.workspace.undoing
    undoing.undo()
    assert (mask.visible, after.visible, review.mask_box.layer) == (False, True, after)
    assert predicted.workspace.session.state.model == models[0]
    predicted.close("Review")
    review = predicted.review = predicted.open("Review")
    assert review.comparison.isVisibleTo(review), "there is a choice again"
    assert review.comparison.table.topLevelItemCount() == 2
    assert review.panel.ending.text() == ending.text
    assert review.mask_box.layer is after
    after.mode = "paint"
    after.selected_label, after.brush_size = 3, 10  # which no model says
    after.paint((1, 5, 5), 3)
    painted = after.data.copy()
    undoing.undo()
    undoing.undo()
    assert (mask.visible, after.visible, review.mask_box.layer) == (True, False, mask)
    assert predicted.workspace.session.state.model == models[0]
    assert review.undo.redo_button.text() == "Redo: learning from corrections (Ctrl+Shift+Z)"
    for _ in range(2):
        undoing.redo()
    assert (mask.visible, after.visible) == (False, True)
    np.testing.assert_array_equal(after.data, painted)
    names = ["painting on slice 2", "marked slice 3 as right", "painting on slice 1", "marked slice 0 as right"]
    names += ["learning from corrections", "painting on slice 0"]
    for name in reversed(names):
        assert predicted.workspace.history.next_undo.name == name
        undoing.undo()
    assert predicted.workspace.history.next_undo.name == 'predicting "scan"'
    assert not review_of(mask).reviewed
    assert not review_of(mask).corrected(2, mask.data[2]).any()
    assert review_of(after).reviewed == {0, 3}


def test_cancelling_leaves_everything_as_it_was(predicted):
    review = predicted.review
    learn_for(predicted, 3600)
    correct(predicted, 2)
    predicted.until(lambda: review.panel.button.isEnabled())
    before, layers = predicted.mask.data.copy(), set(predicted.viewer.layers) - {predicted.mask}
    review.panel.button.click()
    predicted.until(lambda: predicted.workspace.training.epochs)
    ending = predicted.ended(predicted.workspace.learning_again, review.panel.cancel_button.click)
    assert ending.text == "Cancelled."
    np.testing.assert_array_equal(predicted.mask.data, before)
    assert {layer.name for layer in layers} <= {layer.name for layer in predicted.viewer.layers} | {"U-Net preview"}
    assert review.panel.button.isEnabled()


def test_a_click_on_the_strip_chooses_the_slice_under_it(qtbot):
    strip = SliceStrip()
    qtbot.addWidget(strip)
    strip.resize(200, 22)
    strip.show_states([SliceState.PREDICTED] * 10)
    with qtbot.waitSignal(strip.chosen) as waiting:
        qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=QPoint(75, 10))
    assert waiting.args == [3]
