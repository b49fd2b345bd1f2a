"""Filling between painted slices in the window: said, shown, then painted as one step of the undo."""

import numpy as np
import pytest

from napari_unet.annotation import PaintSummary
from napari_unet.config import FillBetweenConfig
from napari_unet.gui.widgets.fill_panel import what_is_filled
from napari_unet.gui.work.activity import How
from napari_unet.gui.work.filling import PREVIEW_NAME
from napari_unet.refinement import fill_between

PLACE = {"scale": (2.0, 1.0, 1.0), "units": ("mm", "mm", "mm")}


@pytest.fixture
def fillable(window):
    """Give the Train dock of a window with paint on three of seven slices, which shrinks and is 7 in a corner."""
    paint = np.zeros((7, 32, 32), np.uint8)
    for z, margin in ((0, 4), (2, 6), (5, 10)):
        paint[z] = 255
        paint[z, margin:-margin, margin:-margin] = 1
    paint[3, 0, 0] = 0
    window.viewer.add_image(np.random.default_rng(0).normal(size=paint.shape).astype(np.float32), name="scan", **PLACE)
    window.viewer.add_labels(paint, name="paint", **PLACE)
    dock = window.open("Train")
    window.until(dock.fill.panel.button.isEnabled)
    return dock


def ask(window, dock):
    return window.ended(window.workspace.filling, dock.fill.panel.button.click)


@pytest.mark.parametrize(
    ("slices", "config", "words"),
    [
        ((5, 13, 21), {}, "Between slices 5 and 13, 13 and 21: 14 slices."),
        ((5, 7), {}, "Between slices 5 and 7: 1 slice."),
        ((1, 3, 5, 7, 9, 10), {}, "Between slices 1 and 3, 3 and 5, 5 and 7 and in 1 more gaps: 4 slices."),
        ((5, 13, 15), {"most_gap": 3}, "Between slices 13 and 15: 1 slice."),
        ((5, 6), {}, ""),
        ((9, 11), {}, ""),
        ((5, 6), {"axis": "y"}, "Between the slices painted across y."),
        ((5, 6), {"classes": (1, 2)}, "Between the slices painted across z with classes 1, 2."),
    ],
)
def test_what_will_be_filled_is_said(slices, config, words):
    summary = PaintSummary((30, 4, 4), slices, {1: 9}, {1: 3})
    assert what_is_filled(summary, 10 if slices == (9, 11) else 30, FillBetweenConfig(**config)) == words


def test_shown_then_painted_then_taken_back(window, fillable):
    panel, paint = fillable.fill, window.viewer.layers["paint"]
    before = paint.data.copy()
    expected = fill_between(before, spacing=PLACE["scale"])
    assert panel.sentence.text() == "Between slices 0 and 2, 2 and 5: 3 slices."
    assert panel._offer.isHidden()
    ending = ask(window, fillable)
    assert ending.text.startswith(f"Would paint 3 slices: {expected.added_ml[1]:.2f} ml of class 1.")
    np.testing.assert_array_equal(paint.data, before)
    preview = window.viewer.layers[PREVIEW_NAME]
    np.testing.assert_array_equal(preview.data == 1, (expected.paint == 1) & (before != 1))
    assert preview.contour == 1
    assert not preview.editable
    panel.fill_button.click()
    np.testing.assert_array_equal(paint.data, expected.paint)
    assert PREVIEW_NAME not in window.viewer.layers
    assert panel._offer.isHidden()
    assert "Painted 3 slices" in panel.panel.ending.text()
    assert panel.undo.undo_button.text() == "Undo: filling between slices (Ctrl+Z)"
    window.until(lambda: not panel.panel.button.isEnabled())
    assert "Nothing lies between" in panel.panel.reason.text()
    panel.undo.undo_button.click()
    np.testing.assert_array_equal(paint.data, before)
    window.until(panel.panel.button.isEnabled)


def test_what_is_painted_stays(window, fillable):
    paint = window.viewer.layers["paint"]
    paint.data[1, 14:18, 14:18] = 9
    before = paint.data.copy()
    fillable.fill._take_config(FillBetweenConfig(classes=(1,)))
    fillable.fill.form.set_value(FillBetweenConfig(classes=(1,)))
    ask(window, fillable)
    fillable.fill.fill_button.click()
    assert (paint.data != before).any()
    np.testing.assert_array_equal(paint.data[before > 0], before[before > 0])


def test_discard_paint_on_and_other_settings_take_the_offer_away(window, fillable):
    panel, paint = fillable.fill, window.viewer.layers["paint"]
    before = paint.data.copy()
    for do in (
        panel.discard_button.click,
        lambda: paint.paint((1, 3, 3), 2),
        paint.undo,
        lambda: panel.form._controls["most_gap"].widget.setValue(1),
    ):
        window.until(panel.panel.button.isEnabled)
        assert ask(window, fillable).how is How.DONE
        assert not panel._offer.isHidden()
        do()
        assert panel._offer.isHidden()
        assert PREVIEW_NAME not in window.viewer.layers
    np.testing.assert_array_equal(paint.data, before)


def test_painting_meanwhile_and_cancelling_change_nothing(window, fillable):
    panel, paint, filling = fillable.fill, window.viewer.layers["paint"], window.workspace.filling
    before = paint.data.copy()
    filling.began.connect(panel.panel.cancel_button.click)
    assert ask(window, fillable).how is How.CANCELLED
    filling.began.disconnect(panel.panel.cancel_button.click)
    assert PREVIEW_NAME not in window.viewer.layers
    np.testing.assert_array_equal(paint.data, before)

    def stroke():
        paint.paint((3, 3, 3), 2)

    filling.began.connect(stroke)
    assert "painted on meanwhile" in ask(window, fillable).text
    filling.began.disconnect(stroke)
    assert panel._offer.isHidden()


def test_a_preview_of_a_refinement_makes_room(window, fillable):
    mask = window.viewer.add_labels((window.viewer.layers["paint"].data == 1).astype(np.uint8), name="mask", **PLACE)
    refine = window.open("Refine")
    refine.mask_box.choose(mask)
    refine.preview.setChecked(True)
    window.until(lambda: window.workspace.refine_preview.running)
    assert ask(window, fillable).how is How.DONE
    assert window.workspace.filling.offer
    window.close("Train")
    assert PREVIEW_NAME not in window.viewer.layers
