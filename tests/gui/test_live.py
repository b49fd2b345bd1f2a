"""Learning while one paints, in the real process: from nothing, from a model, and out of the way of a stroke."""

import numpy as np
import pytest

from napari_unet.gui.work import live as live_module
from napari_unet.gui.work.live import LIVE_NAME


@pytest.fixture
def painting(window, phantom, monkeypatch):
    """A window with a scan and an empty paint layer, and rounds that are short."""
    monkeypatch.setattr(live_module, "ROUND_SECONDS", 600.0)
    window.live = window.workspace.live
    window.live._pause.setInterval(1)
    window.image = window.viewer.add_image(phantom.scan, name="scan")
    window.paint = window.viewer.add_labels(np.zeros_like(phantom.paint), name="paint")
    window.train_dock = window.open("Train")
    window.train_dock.paint.choose(window.paint)
    return window


def stroke(window, z, phantom):
    """Paint the ball and some background on a slice."""
    window.viewer.dims.set_point(0, z)
    for label, where in ((1, phantom.ball[z]), (255, ~phantom.ball[z])):
        window.paint.data_setitem(np.nonzero(np.where(np.arange(4)[:, None, None] == z, where, False)), label)


def outlined(window, z):
    layers = window.viewer.layers
    return layers[LIVE_NAME].data[z].any() if LIVE_NAME in layers else False


def test_it_learns_from_paint_makes_room_and_leaves_a_model(painting, phantom):
    live, box, line = painting.live, painting.train_dock.live.box, painting.train_dock.live.line
    box.click()
    painting.until(lambda: live.running)
    assert line.text() == "Waits for paint."
    box.click()
    painting.until(lambda: not live.running and live._runner.child is None)
    assert line.text() == "", "nothing was learned"
    offered = []
    painting.viewer.layers.events.inserted.connect(lambda event: offered.append(event.value.editable))
    box.click()
    painting.until(lambda: "Paint some of a class" in line.text())
    stroke(painting, 1, phantom)
    said = painting.paint.data.copy()
    painting.until(lambda: live.running and outlined(painting, 1))
    assert not painting.viewer.layers[LIVE_NAME].editable
    assert offered == [False], "nobody may choose it as paint"
    np.testing.assert_array_equal(painting.paint.data, said)
    live._pause.setInterval(600_000)
    painting.paint.paint((1, 2, 2), 1)
    painting.until(lambda: not live.running)
    assert line.text() == "Learns when you pause."
    painting.viewer.dims.set_point(0, 3)
    live._pause.stop()
    painting.until(lambda: outlined(painting, 3))
    box.click()
    painting.until(lambda: painting.workspace.session.models)
    assert painting.workspace.session.state.model.name == "scan live model"
    painting.until(lambda: live._runner.child is None)
    assert LIVE_NAME not in painting.viewer.layers
    painting.until(lambda: not list(painting.workspace.exchange.folder.glob("*.raw")))


def test_a_training_has_the_processor_and_its_model_is_gone_on_from(painting, phantom):
    live = painting.live
    stroke(painting, 1, phantom)
    painting.train_dock.live.box.click()
    painting.until(lambda: outlined(painting, 1))
    painting.begin_to_train(painting.train_dock)
    painting.until(lambda: not live.running)
    assert live.text == "Waits until the training is over."
    ending = painting.ended(painting.workspace.training, painting.workspace.training.stop_and_keep)
    assert "Trained" in ending.text
    painting.until(lambda: live.running and "step" in live.text)
    assert live._from == ((painting.image,), painting.workspace.session.state.model)
    painting.close("Train")
    assert not live.on


def test_it_ends_with_its_scan_and_what_it_learned_stays(painting, phantom):
    live, viewer = painting.live, painting.viewer
    other = viewer.add_image(phantom.scan, name="other")
    painting.train_dock.scan.choose([painting.image])
    stroke(painting, 1, phantom)
    painting.train_dock.live.box.click()
    painting.until(lambda: outlined(painting, 1))
    assert live._chosen() == (painting.paint, None)
    live._images = (other,)
    assert live._chosen() == (None, None), "paint of another scan that is as large"
    live._images = (painting.image,)
    viewer.layers.remove(painting.image)
    assert not live.on
    assert live.text == '"scan" was removed: it learns no more.'
    painting.until(lambda: live._runner.child is None)
    assert live.text.endswith('What it learned is the model "scan live model".')
    assert live.text.startswith('"scan" was removed')
    assert not painting.train_dock.live.box.isChecked()
    assert LIVE_NAME not in viewer.layers


def test_without_a_scan_it_is_grey(window):
    dock = window.open("Train")
    assert not dock.live.box.isEnabled()
    assert "Open a scan first" in dock.live.box.toolTip()
