"""A scan on a disk that is too large for memory: predicted chunk by chunk, into labels that lie on the disk as well."""

import numpy as np
import pytest
import zarr

from napari_unet.errors import BadInput
from napari_unet.events import SlicesDone
from napari_unet.gui.layers import stored_labels
from napari_unet.gui.widgets.scope import Where
from napari_unet.gui.work.activity import How
from napari_unet.gui.work.predicting import Wish
from napari_unet.io.growing_labels import KEY
from napari_unet.session import Verb


@pytest.fixture
def dock(window, model_path, monkeypatch, tmp_path):
    """Give the Predict dock with a model in it; little is too large."""
    monkeypatch.setattr(stored_labels, "MOST_IN_MEMORY", 1000)
    monkeypatch.setattr("napari_unet.gui.work.predicting.folder", lambda: tmp_path / "documents")
    opened = window.open("Review", "Brush", "Predict")
    opened.open_model(str(model_path))
    return opened


def test_a_large_scan_is_predicted_onto_the_disk_and_goes_on_there(window, dock, tmp_path):
    viewer, prediction = window.viewer, window.workspace.prediction
    scan = np.random.default_rng(0).normal(size=(8, 64, 64)).astype(np.float32)
    stored = zarr.create_array(tmp_path / "scan.zarr", data=scan, chunks=(4, 32, 32))
    viewer.add_image(stored, name="scan", scale=(2, 1, 1))
    viewer.dims.set_current_step(0, 3)
    dock.scope.choose(Where.SLICE)
    editable = []
    viewer.layers.events.inserted.connect(lambda event: editable.append(event.value.editable))
    assert window.ended(prediction, lambda: window.press(dock)).how is How.DONE
    layer, path = viewer.layers["scan prediction"], tmp_path / "scan prediction.zarr"
    assert editable == [False], "what is not written yet is nobody's to paint on"
    assert layer.editable
    assert zarr.open_group(path, mode="r").attrs[KEY]["done"] == [3]

    viewer.layers.remove(layer)  # as in a window that is opened anew
    dock.scope.choose(Where.WHOLE)
    slices = []
    prediction.reported.connect(lambda event: slices.extend(event.slices if isinstance(event, SlicesDone) else ()))
    ending = window.ended(prediction, lambda: window.press(dock))
    assert ending.how is How.DONE, ending.text
    assert str(path) in ending.text
    assert sorted(slices) == [0, 1, 2, 4, 5, 6, 7]
    result = viewer.layers["scan prediction"]
    np.testing.assert_allclose(result.scale, (2, 1, 1))
    window.until(lambda: window.workspace.session.state.review is not None)
    blocked = window.workspace.session.readiness(Verb.REVIEW)
    assert "too large to be taken into memory" in blocked.reason

    viewer.layers.remove("scan")
    viewer.add_image(scan, name="in memory", scale=(2, 1, 1))
    window.ended(prediction, lambda: window.press(dock))
    np.testing.assert_array_equal(result.data[:], viewer.layers["in memory prediction"].data)

    viewer.layers.selection.active = result
    before = int(result.data[3, 20, 20])
    result.paint((3, 20, 20), 1 - before)
    assert zarr.open_group(path, mode="r")["0"][3, 20, 20] == 1 - before
    result.undo()
    assert zarr.open_group(path, mode="r")["0"][3, 20, 20] == before


def test_more_than_labels_of_a_large_scan_is_refused(window, dock, tmp_path):
    stored = zarr.create_array(tmp_path / "scan.zarr", shape=(12, 16, 16), dtype="uint8")
    image = window.viewer.add_image(stored, name="scan")
    models = (window.workspace.session.models[0],)
    with pytest.raises(BadInput, match="only labels are kept"):
        window.workspace.predict([image], Wish(models, show_uncertainty=True))
