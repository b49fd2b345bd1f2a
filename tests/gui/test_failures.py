"""What goes wrong is told, in the window and in words, and nobody's layers are touched."""

import os
import signal
import subprocess
import sys

import dask.array as da
import numpy as np
import pytest
import qtpy
import zarr
from qtpy.QtCore import QTimer

from napari_unet.gui.layers.scans import images_beneath, scan_of
from napari_unet.gui.work.activity import How
from napari_unet.gui.work.jobs import JobRunner

OPEN_AND_END = """
import napari
from qtpy.QtTest import QTest

def main():
    viewer = napari.Viewer()
    for dock in ("Train", "Refine"):
        viewer.window.add_plugin_dock_widget("napari-unet-paint", dock)
    QTest.qWait(100)

main()
"""


@pytest.fixture
def no_process(monkeypatch):
    """Start no process, for tests that need none."""
    monkeypatch.setattr(JobRunner, "warm", lambda self: None)


def reason(dock):
    """Why the dock's button is grey."""
    return "" if dock.panel.button.isEnabled() else dock.panel.reason.text()


@pytest.mark.usefixtures("no_process")
def test_paint_that_nothing_can_be_learned_from(window, phantom):
    viewer = window.viewer
    viewer.add_image(phantom.scan, name="scan")
    paint = phantom.paint
    for name, labels in {
        "empty": 0 * paint,
        "one class": (paint == 1).astype(np.uint8),
        "other shape": paint[:, :30],
        "too many": paint.astype(np.int32) * 300,
    }.items():
        viewer.add_labels(labels, name=name)
    dock = window.open("Train")
    for name, words in {
        "empty": "Nothing is painted yet",
        "one class": "Only one class is painted",
        "other shape": '"other shape" is (4, 30, 32) but the scan is (4, 32, 32)',
        "too many": "Renumber its labels",
    }.items():
        dock.paint.choose(viewer.layers[name])
        window.until(lambda words=words: words in reason(dock))
    assert viewer.layers["too many"].data.max() == 300 * 255


def labels_beside(window, phantom, data, **kwargs):
    """Open the Train dock on this image and on the phantom's paint."""
    window.viewer.add_image(data, name="scan", **kwargs)
    window.viewer.add_labels(phantom.paint, name="paint")
    return window.open("Train")


def test_voxels_that_are_no_numbers_are_told_of(window, phantom):
    phantom.scan[0, 0, :5] = np.nan
    dock = labels_beside(window, phantom, phantom.scan)
    assert window.train(dock).how is How.DONE
    assert not dock.panel.notes.isHidden()
    assert dock.panel.notes.text()


def test_a_scan_without_contrast_is_told_of(window, phantom):
    dock = labels_beside(window, phantom, np.zeros_like(phantom.scan))
    assert window.train(dock).how is How.FAILED
    assert dock.panel.ending.text().startswith('Every voxel of "scan"')
    assert dock.panel.button.isEnabled()


def test_colours_train_and_predict(window, phantom):
    colours = np.stack([phantom.scan, 200 - phantom.scan, phantom.scan + 30], axis=-1).clip(0, 255).astype(np.uint8)
    dock = labels_beside(window, phantom, colours, rgb=True)
    assert window.train(dock).how is How.DONE
    assert window.workspace.session.models[0].description.channel_names == ("red", "green", "blue")
    assert window.ended(window.workspace.prediction, dock.predict_button.click).how is How.DONE
    assert window.viewer.layers["scan prediction"].data.shape == phantom.scan.shape


def test_layers_as_channels_and_a_scan_with_other_channels(window, phantom):
    dock = labels_beside(window, phantom, phantom.scan)
    other = window.viewer.add_image(-phantom.scan, name="other")
    dock.scan.box.choose(window.viewer.layers["scan"])
    dock.scan._fill_menu()
    next(action for action in dock.scan._menu.actions() if action.data() is other).trigger()
    assert window.train(dock).how is How.DONE
    assert window.workspace.session.models[0].description.channel_names == ("channel 0", "channel 1")
    predict = window.open("Predict")
    assert "expects 2 channels" in reason(predict)
    assert "has 1 channel" in reason(predict)


def test_little_paint_on_a_scan_smaller_than_the_network(window, phantom):
    window.viewer.add_image(phantom.scan[:, :3, :5], name="scan")
    paint = np.zeros((4, 3, 5), np.uint8)
    paint[0, 0, 0], paint[0, 2] = 1, 255
    window.viewer.add_labels(paint, name="paint")
    dock = window.open("Train")
    window.until(lambda: "has 1 voxel on 1 slice" in dock.warning.text())
    assert window.train(dock).how is How.DONE
    assert window.ended(window.workspace.prediction, dock.predict_button.click).how is How.DONE


@pytest.mark.parametrize("name", ["scan", "paint"])
def test_a_layer_deleted_meanwhile(window, phantom, name):
    dock = labels_beside(window, phantom, phantom.scan)
    window.begin_to_train(dock)
    del window.viewer.layers[name]
    ending = window.ended(window.workspace.training, dock.panel.stop_button.click)
    assert ending.how is How.DONE
    assert len(window.workspace.session.models) == 1
    assert reason(dock)


def test_a_process_that_is_killed(window, phantom):
    dock = labels_beside(window, phantom, phantom.scan)
    window.begin_to_train(dock)
    pid = window.workspace.engine.child.pid
    ending = window.ended(window.workspace.training, lambda: os.kill(pid, signal.SIGKILL))
    assert ending.how is How.FAILED
    assert "It was killed" in dock.panel.ending.text()
    assert [layer.name for layer in window.viewer.layers] == ["scan", "paint"]
    np.testing.assert_array_equal(window.viewer.layers["paint"].data, phantom.paint)
    assert window.train(dock).how is How.DONE


def test_a_window_closed_while_it_trains(window, phantom):
    dock = labels_beside(window, phantom, phantom.scan)
    window.open("Predict", "Refine")
    window.begin_to_train(dock)
    process = window.workspace.engine.child
    window.docks.clear()
    del dock
    window.viewer.close()
    window.until(lambda: not process.alive)


def test_a_script_that_ends_without_closing_its_window():
    environment = {**os.environ, "QT_API": qtpy.API_NAME}
    ended = subprocess.run(
        [sys.executable, "-c", OPEN_AND_END], env=environment, capture_output=True, text=True, check=True
    )
    assert "Traceback" not in ended.stderr, ended.stderr


def test_how_likely_classes_are_is_kept_with_the_prediction(window, phantom, model_path):
    image = window.viewer.add_image(np.stack([phantom.scan, -phantom.scan]), name="scan")
    dock = window.open("Predict")
    dock.open_model(str(model_path))
    dock.keep.setChecked(True)
    assert window.ended(window.workspace.prediction, lambda: window.press(dock)).how is How.DONE
    layer = window.viewer.layers["scan prediction"]
    likely, labels = layer.metadata["napari_unet"]["probabilities"]
    assert (likely.shape, likely.dtype, labels) == ((2, 8, 32, 32), np.float16, (0, 1))
    np.testing.assert_array_equal(np.argmax(likely, 0).reshape(layer.data.shape), layer.data)
    np.testing.assert_allclose(likely.astype(float).sum(0), 1, atol=2e-3)
    assert images_beneath(window.viewer, layer) == [image]


@pytest.mark.usefixtures("no_process")
def test_a_damaged_model_file(window, model_path, tmp_path):
    damaged = tmp_path / "damaged.unet"
    damaged.write_bytes(model_path.read_bytes()[:200])
    dock = window.open("Predict")
    dock.open_model(str(damaged))
    assert not dock.panel.ending.isHidden()
    assert "damaged.unet" in dock.panel.ending.text()
    assert "Train a model first" in reason(dock)


def test_a_prediction_that_is_cancelled_says_how_far_it_came(window, model_path):
    window.viewer.add_image(np.random.default_rng(0).normal(size=(800, 64, 64)), name="scan")
    dock = window.open("Predict")
    dock.open_model(str(model_path))
    prediction = window.workspace.prediction
    window.press(dock)
    window.until(lambda: "scan prediction" in window.viewer.layers)
    ending = window.ended(prediction, dock.panel.cancel_button.click)
    assert ending.how is How.CANCELLED
    assert "partial" in window.viewer.layers[-1].name


def test_a_prediction_whose_layer_is_deleted_meanwhile_says_so(window, model_path):
    scan = window.viewer.add_image(np.random.default_rng(0).normal(size=(40, 64, 64)), name="scan")
    dock = window.open("Predict")
    dock.open_model(str(model_path))
    window.viewer.layers.events.inserted.connect(lambda event: QTimer.singleShot(0, window.viewer.layers.pop))
    ending = window.ended(window.workspace.prediction, lambda: window.press(dock))
    assert list(window.viewer.layers) == [scan]
    assert ending.text == 'Layer "scan prediction" was taken away meanwhile: predict again for another.'


CASES = {
    "flat": lambda z: {"data": z[0]},
    "time series": lambda z: {"data": np.stack([z, z])},
    "multiscale": lambda z: {"data": [z, z[:, ::2, ::2]], "multiscale": True},
    "dask": lambda z: {"data": da.from_array(z, chunks=(1, 32, 32))},
    "zarr": lambda z: {"data": zarr.array(z)},
    "mirrored": lambda z: {"data": z, "scale": (2, -1, 0.5), "translate": (5, 6, -7)},
    "turned": lambda z: {"data": z, "rotate": 30.0, "scale": (2, 1, 1)},
    "moved": lambda z: {"data": z, "affine": np.array([[2, 0, 0, 1], [0, 0, 1, 2], [0, -1, 0, 3], [0, 0, 0, 1.0]])},
}


def test_a_prediction_lies_on_any_scan(window, phantom, model_path):
    dock = window.open("Predict")
    dock.open_model(str(model_path))
    for name, make in CASES.items():
        image = window.viewer.add_image(**make(phantom.scan), name=name)
        dock.scan.box.choose(image)
        assert window.ended(window.workspace.prediction, lambda: window.press(dock)).how is How.DONE
        layer = window.viewer.layers[f"{name} prediction"]
        assert layer.data.shape == scan_of(image).mask_shape
        for corner in (np.zeros(layer.ndim), np.array(layer.data.shape) - 1):
            np.testing.assert_allclose(layer.data_to_world(corner), image.data_to_world(corner), err_msg=name)
        window.viewer.layers.clear()
