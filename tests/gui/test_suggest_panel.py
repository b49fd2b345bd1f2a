"""Suggesting steps in the window: told by the paint, put into the list when asked for, and taken back."""

import numpy as np
import pytest

from napari_unet.config import DenseCRF, FillHoles, RefineConfig
from napari_unet.gui.widgets.suggest_panel import BACK, USE
from napari_unet.gui.work.activity import How
from napari_unet.gui.work.refining import PREVIEW_NAME
from napari_unet.refinement import advice, suggest

PLACE = {"scale": (2.0, 1.0, 1.0), "units": ("mm", "mm", "mm")}
MINE = RefineConfig(steps=(FillHoles(classes=(1,)),))


@pytest.fixture
def refine(window):
    """Give the Refine dock of a window with a disc painted on two slices, and a mask with specks around it."""
    y, x = np.mgrid[:32, :32]
    disc = np.broadcast_to((y - 16) ** 2 + (x - 16) ** 2 < 60, (4, 32, 32))
    paint = np.zeros(disc.shape, np.uint8)
    paint[1:3] = np.where(disc[1:3], 1, 255)
    mask = disc.astype(np.uint8)
    mask[:, 2:30:4, 2:30:4] = 1
    noise = np.random.default_rng(0).normal(0, 5, disc.shape)
    window.viewer.add_image((100 * disc + noise).astype(np.float32), name="scan", **PLACE)
    window.viewer.add_labels(paint, name="paint", **PLACE)
    window.viewer.add_labels(mask, name="mask", **PLACE)
    train, dock = window.open("Train"), window.open("Refine")
    train.paint.choose(window.viewer.layers["paint"])
    dock.mask_box.choose(window.viewer.layers["mask"])
    dock._show_steps(MINE)
    return dock


def ask(window, dock):
    window.until(dock.suggest.panel.button.isEnabled)
    return window.ended(window.workspace.suggesting, dock.suggest.panel.button.click)


def reason(dock):
    return "" if dock.suggest.panel.button.isEnabled() else dock.suggest.panel.reason.text()


def test_what_helps_is_said_and_taken_when_asked_for(window, refine):
    layers = window.viewer.layers
    before = layers["mask"].data.copy()
    ending = ask(window, refine)
    scan, paint = layers["scan"].data, layers["paint"].data
    expected = suggest(before, paint, spacing=PLACE["scale"], intensities=scan)
    assert expected[0].helps
    assert ending.text.lower() == advice(expected).lower()
    assert ending.text[0].isupper()
    assert refine.suggest.panel.ending.text() == ending.text
    assert refine.steps.config == MINE
    np.testing.assert_array_equal(layers["mask"].data, before)
    assert [layer.name for layer in layers] == ["scan", "paint", "mask"]

    button, session = refine.suggest.use_button, window.workspace.session
    assert button.text() == USE
    button.click()
    assert refine.steps.config == session.state.refine_config == expected[0].config
    assert button.text() == BACK
    button.click()
    assert refine.steps.config == session.state.refine_config == MINE
    assert button.text() == USE


def test_what_was_changed_is_kept_both_ways(window, refine):
    ask(window, refine)
    refine.suggest.use_button.click()
    refine.steps.add(DenseCRF())
    theirs = refine.steps.config
    refine.mask_box.choose(window.viewer.add_labels(window.viewer.layers["mask"].data.copy(), name="other", **PLACE))
    assert not refine.suggest.use_button.isHidden()
    assert refine.suggest.panel.ending.isHidden()
    refine.suggest.use_button.click()
    assert refine.steps.config == MINE
    refine.suggest.use_button.click()
    assert refine.steps.config == theirs


def test_a_mask_that_is_best_as_it_is(window, refine):
    mask = window.viewer.layers["mask"]
    mask.data = (window.viewer.layers["paint"].data == 1).astype(np.uint8)
    ending = ask(window, refine)
    assert ending.how is How.DONE
    assert "the mask is best as it is" in ending.text
    assert refine.suggest.use_button.isHidden()


def test_an_offer_is_of_one_mask(window, refine):
    ask(window, refine)
    assert not refine.suggest.use_button.isHidden()
    refine.mask_box.choose(window.viewer.add_labels(window.viewer.layers["mask"].data.copy(), name="other", **PLACE))
    assert refine.suggest.use_button.isHidden()
    assert refine.suggest.panel.ending.isHidden()


def test_another_mask_ends_it(window, refine):
    other = window.viewer.add_labels(window.viewer.layers["mask"].data.copy(), name="other", **PLACE)
    window.workspace.suggesting.reported.connect(lambda: refine.mask_box.choose(other))
    assert ask(window, refine).how is How.CANCELLED
    assert refine.suggest.use_button.isHidden()


def test_cancelled_it_offers_nothing_and_a_preview_makes_room(window, refine):
    refine.preview.setChecked(True)
    window.until(lambda: window.workspace.refine_preview.running)
    window.workspace.suggesting.reported.connect(refine.suggest.panel.cancel_button.click)
    assert ask(window, refine).how is How.CANCELLED
    assert refine.suggest.use_button.isHidden()
    assert refine.steps.config == MINE
    window.until(refine.panel.button.isEnabled)
    window.until(lambda: PREVIEW_NAME in window.viewer.layers)


def test_one_thing_at_a_time(window, refine):
    seen = []
    window.workspace.suggesting.began.connect(lambda: seen.append(refine.panel.reason.text()))
    ask(window, refine)
    assert seen == ["Refinements are being tried: wait for it or cancel it first."]
    assert refine.panel.button.isEnabled()


def test_what_is_missing_is_said(window, refine):
    layers = window.viewer.layers
    window.until(lambda: reason(refine) == "")
    layers["paint"].data = np.zeros_like(layers["paint"].data)
    window.until(lambda: reason(refine).endswith("paint a class on a slice or two, all of it."))
    del layers["scan"]
    window.until(lambda: "the scan: open it and choose it above." in reason(refine))
    window.docks["Train"][1].paint.choose(layers["mask"])
    assert reason(refine).endswith("choose a paint layer on this scan in the Train dock.")
    del layers["mask"], layers["paint"]
    assert reason(refine) == "There is no mask yet."
