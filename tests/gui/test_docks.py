"""The docks in a real window, with a real process behind them."""

import gc
import hashlib
import weakref
from functools import partial
from time import perf_counter

import numpy as np
from napari.layers import Image

from napari_unet.annotation import new_class
from napari_unet.gui.layers.live_labels import LiveLabels
from napari_unet.gui.layers.scans import mask_shape_of, scan_of
from napari_unet.gui.work.activity import How
from napari_unet.gui.work.jobs import JobRunner
from napari_unet.gui.work.predicting import volumes
from napari_unet.io import read_mask

TIMES = 20
"""How often docks are opened and closed."""
PLACE = {"scale": (3.0, 0.5, 0.5), "translate": (7.0, -2.0, 4.0), "units": ("mm", "mm", "mm")}


def fingerprint(viewer):
    """Names, order and voxels of all layers."""
    return [(layer.name, hashlib.sha256(np.asarray(layer.data).tobytes()).hexdigest()) for layer in viewer.layers]


def test_the_way_to_the_first_stroke(window, phantom):
    viewer = window.viewer
    viewer.add_image(phantom.scan, name="scan", **PLACE)
    before = fingerprint(viewer)
    window.open("Predict", "Refine")
    dock = window.open("Train")
    assert fingerprint(viewer) == before
    assert not dock.panel.button.isEnabled()
    assert dock.panel.reason.text().startswith("Press New")
    assert dock.new_button.isEnabled()

    dock.new_button.click()
    paint = dock.paint.layer
    assert paint.data.dtype == np.uint8
    assert (paint.selected_label, paint.mode) == (1, "paint")
    assert viewer.layers.selection.active is paint
    corner = (3, 31, 31)
    np.testing.assert_allclose(paint.data_to_world(corner), viewer.layers["scan"].data_to_world(corner))
    assert paint.units == viewer.layers["scan"].units
    window.until(lambda: "Nothing is painted" in dock.panel.reason.text())

    paint.paint((1, 16, 16), 1)
    window.until(lambda: "Only one class" in dock.panel.reason.text())
    assert "1 slice, 1 class" in dock.sentence.text()
    paint.paint((1, 2, 2), 255)
    window.until(dock.panel.button.isEnabled)
    paint.undo()
    window.until(lambda: not dock.panel.button.isEnabled())


def test_the_class_list_and_the_brush_follow_each_other(window, phantom):
    window.viewer.add_image(phantom.scan, name="scan")
    dock = window.open("Train")
    dock.new_button.click()
    paint = dock.paint.layer
    told = []
    dock.classes.selected.connect(told.append)
    paint.selected_label = 255
    assert dock.classes._view.label() == 255
    dock.classes._view.choose(1)
    assert (paint.selected_label, paint.mode) == (1, "paint")
    dock.classes._view.choose(0)
    assert paint.mode == "erase"
    assert told == [1, 0]

    background = next(call for key, call in paint.keymap.items() if str(key) == "G")
    background(paint)
    assert (paint.selected_label, paint.mode) == (255, "paint")
    window.close("Train")
    assert "G" not in {str(key) for key in paint.keymap}


def test_from_paint_to_a_file(window, phantom, tmp_path):
    viewer = window.viewer
    viewer.add_image(phantom.scan, name="scan", **PLACE)
    paint = viewer.add_labels(phantom.paint, name="paint", **PLACE)
    dock = window.open("Train")
    window.until(lambda: dock.classes.classes)
    dock.classes._model.change(1, name="ball")
    before = fingerprint(viewer)
    viewer.layers.selection.active = paint
    window.begin_to_train(dock)
    assert viewer.layers.selection.active is paint
    assert not viewer.layers["U-Net preview"].editable
    assert dock.paint.layer is paint
    ending = window.ended(window.workspace.training, dock.panel.stop_button.click)
    assert ending.text.startswith("Trained")
    (model,) = window.workspace.session.models
    assert [info.name for info in model.description.foreground] == ["ball"]

    ending = window.ended(window.workspace.prediction, dock.predict_button.click)
    assert ending.text.startswith('Result: layer "scan prediction"')
    prediction = viewer.layers["scan prediction"]
    assert not viewer.layers["U-Net preview"].visible
    assert prediction.editable
    assert mask_shape_of(prediction) == phantom.scan.shape
    np.testing.assert_allclose(prediction.extent.world, viewer.layers["scan"].extent.world)
    assert list(prediction.features["name"]) == ["ball"]
    np.testing.assert_allclose(prediction.get_color(1), paint.get_color(1), atol=1e-6)
    assert set(np.unique(prediction.data)) <= {0, 1}
    assert fingerprint(viewer)[:2] == before

    prediction.data[:] = phantom.ball
    prediction.data[0, 0, 0] = 1
    refine = window.open("Refine")
    refine.mask_box.choose(prediction)
    refine.keep_paint.setChecked(False)
    refine.preview.setChecked(True)
    window.until(lambda: "Refine preview" in viewer.layers)
    assert not viewer.layers["Refine preview"].editable
    window.ended(window.workspace.refinement, lambda: window.press(refine))
    assert "Refine preview" not in viewer.layers
    refined = viewer.layers["scan refined"]
    assert refined.data[0, 0, 0] == 0
    assert fingerprint(viewer)[:2] == before

    viewer.layers.selection.active = refined
    for number, suffix in enumerate((".nii.gz", ".nrrd", ".seg.nrrd", ".tif")):
        path = str(tmp_path / f"mask{suffix}")
        plugin = "napari-unet-paint" if suffix == ".tif" else None  # napari has a writer of its own for it
        save = refined.save if number % 2 else partial(viewer.layers.save, selected=True)
        (path,) = save(path, plugin=plugin)
        mask = read_mask(path)
        np.testing.assert_array_equal(mask.labels, refined.data)
        np.testing.assert_allclose(mask.spacing, PLACE["scale"], rtol=1e-5)
        assert [info.name for info in mask.classes] == ["ball"]


def test_cancel_comes_at_once_and_leaves_nothing(window, phantom):
    viewer = window.viewer
    viewer.add_image(phantom.scan, name="scan")
    viewer.add_labels(phantom.paint, name="paint")
    before = fingerprint(viewer)
    dock = window.open("Train")
    window.begin_to_train(dock)
    start = perf_counter()
    ending = window.ended(window.workspace.training, dock.panel.cancel_button.click)
    assert perf_counter() - start < 3  # a second, and what other tests beside it take
    assert ending.how is How.CANCELLED
    assert not window.workspace.session.models
    assert fingerprint(viewer) == before
    assert window.train(dock).how is How.DONE


def test_two_windows_know_nothing_of_each_other(new_window, phantom):
    one, other = new_window(), new_window()
    for window in (one, other):
        window.viewer.add_image(phantom.scan, name="scan")
        window.viewer.add_labels(phantom.paint, name="paint")
        window.open("Train")
    assert one.workspace is not other.workspace
    one.train(one.docks["Train"][1])
    assert len(one.workspace.session.models) == 1
    assert not other.workspace.session.models
    assert other.docks["Train"][1].panel.ending.isHidden()
    assert [layer.name for layer in other.viewer.layers] == ["scan", "paint"]


def test_docks_come_and_go_without_a_trace(window, phantom, monkeypatch):
    monkeypatch.setattr(JobRunner, "warm", lambda self: None)  # processes are what other tests are about
    viewer = window.viewer
    viewer.add_image(phantom.scan, name="scan")
    viewer.add_labels(phantom.paint, name="paint")
    events = [viewer.layers.events[name] for name in viewer.layers.events.emitters]
    events += [viewer.dims.events.current_step, *(viewer.layers["paint"].events[name] for name in ("paint", "mode"))]

    def come_and_go():
        window.open("Train", "Predict", "Refine")
        widgets = [weakref.ref(widget) for _, widget in window.docks.values()]
        for name in list(window.docks):
            window.close(name)
        return widgets

    widgets = come_and_go()
    before = [len(event.callbacks) for event in events]
    for _ in range(TIMES - 1):
        widgets += come_and_go()
    gc.collect()
    assert [widget() for widget in widgets if widget() is not None] == []
    assert [len(event.callbacks) for event in events] == before


def test_strokes_on_a_prediction_that_fills_stay(window, phantom):
    image = window.viewer.add_image(phantom.scan, name="scan")
    live = LiveLabels(window.viewer, scan_of(image), image, "prediction", [new_class(1), new_class(2)])
    live.write([0], np.ones(phantom.scan.shape, np.uint8))
    live.layer.paint((1, 16, 16), 2)
    painted = live.layer.data[1] == 2
    assert painted.any()
    live.write([1, 2, 3], np.ones(phantom.scan.shape, np.uint8))
    np.testing.assert_array_equal(live.layer.data[1], np.where(painted, 2, 1))
    assert (live.layer.data[2:] == 1).all()


def test_volumes_are_told_by_class():
    classes = [new_class(1, "liver"), new_class(2)]
    labels = np.zeros((2, 30, 40), np.uint8)
    labels[:, :20] = 1
    image = Image(np.zeros(labels.shape), scale=(5, 2, 1), units=("mm", "mm", "mm"))
    assert volumes(labels, classes, scan_of(image)) == "liver: 16.0 ml\nclass 2: 0.00 ml"
    assert volumes(labels, classes, scan_of(Image(image.data))) == "liver: 1,600 voxels\nclass 2: 0 voxels"
