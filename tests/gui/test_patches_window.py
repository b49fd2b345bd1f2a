"""Patches as the network sees them, also while it trains; the process that draws them goes with the window."""

import numpy as np

from napari_unet.gui.widgets.patches_window import PatchesWindow
from napari_unet.gui.work.activity import How
from napari_unet.training.drawing import draw_grid


def test_patches_are_shown_also_while_it_trains(window, phantom):
    window.viewer.add_image(phantom.scan, name="scan")
    paint = window.viewer.add_labels(phantom.paint, name="paint")
    dock = window.open("Train")
    window.begin_to_train(dock)
    preview = window.workspace.patches
    assert window.ended(preview, dock.patches_button.click).how is How.DONE
    (shown,) = dock.findChildren(PatchesWindow)
    assert shown.isVisible()
    first = shown.picture.pixmap().toImage()
    assert first.width() > 300
    window.ended(preview, shown.others.click)
    assert shown.picture.pixmap().toImage() != first
    assert preview._lent == []
    assert window.workspace.training.running

    paint.data[:] = 0
    assert window.ended(preview, shown.others.click).how is How.FAILED
    assert "Nothing is painted" in shown.words.text()
    child = preview._runner.child
    shown.close()
    window.until(lambda: not child.alive)
    window.ended(window.workspace.training, dock.panel.cancel_button.click)


def test_without_paint_the_button_says_why(window, phantom):
    window.viewer.add_image(phantom.scan, name="scan")
    dock = window.open("Train")
    assert not dock.patches_button.isEnabled()
    assert "first" in dock.patches_button.toolTip()


def test_a_grid_holds_all_patches():
    images = np.random.default_rng(0).normal(size=(5, 20, 40)).astype(np.float32)
    picture = np.asarray(draw_grid(images, np.zeros((5, 20, 40), np.uint8), (), columns=4))
    assert picture.shape == (2 * 80 + 8, 4 * 160 + 3 * 8, 3)
    assert (picture[88:, 168:] == 255).all()
