"""What part of which scans is predicted, what is shown of it, and how a prediction that was cut short goes on."""

import numpy as np
import pytest

from napari_unet.config import PredictConfig
from napari_unet.errors import BadInput
from napari_unet.gui.widgets.scope import Scope, Where, box_on
from napari_unet.gui.work.activity import How
from napari_unet.gui.work.jobs import JobRunner
from napari_unet.gui.work.predicting import Wish

RECTANGLE = np.array([[1, 8, 4], [1, 8, 19], [1, 23, 19], [1, 23, 4]])


@pytest.fixture
def dock(window, model_path):
    """Give the Predict dock with a model in it."""
    opened = window.open("Predict")
    opened.open_model(str(model_path))
    return opened


def test_what_is_said_of_a_model_is_read_whole_in_a_narrow_dock(dock):
    dock.about.setText("7 classes, trained on 4 slices, Dice 0.78 on held-out paint, and three times from corrections")
    dock.resize(340, 700)
    dock.grab()  # lays it out
    assert dock.about.height() >= dock.about.heightForWidth(dock.about.width())


def predicted(window, dock):
    ending = window.ended(window.workspace.prediction, lambda: window.press(dock))
    assert ending.how is How.DONE, ending.text
    return window.viewer.layers[ending.text.split('"')[1]].data


def test_each_scope_is_the_whole_within_it(window, dock, phantom):
    window.viewer.add_image(phantom.scan, name="scan", scale=(3, 0.5, 0.5), translate=(5, 6, 7))
    shapes = window.viewer.add_shapes(RECTANGLE, name="box", scale=(3, 0.5, 0.5), translate=(5, 6, 7))
    whole = predicted(window, dock)
    assert whole.any(axis=(1, 2)).all()
    window.viewer.dims.set_current_step(0, 2)
    dock.scope.choose(Where.SLICE)
    here = predicted(window, dock)
    np.testing.assert_array_equal(here[2], whole[2])
    assert not np.delete(here, 2, 0).any()

    dock.scope.choose(Where.RANGE)
    assert (dock.scope.first.value(), dock.scope.last.value()) == (0, 3)
    dock.scope.first.setValue(1)
    dock.scope.last.setValue(2)
    some = predicted(window, dock)
    np.testing.assert_array_equal(some[1:3], whole[1:3])
    assert not some[[0, 3]].any()

    dock.scope.choose(Where.SHAPE)
    assert dock.scope.shapes.layer is shapes
    boxed = predicted(window, dock)
    np.testing.assert_array_equal(boxed[:, 8:24, 4:20], whole[:, 8:24, 4:20])
    boxed[:, 8:24, 4:20] = 0
    assert not boxed.any()


def test_every_scan_that_fits_is_predicted_in_turn(window, dock, phantom):
    viewer = window.viewer
    viewer.add_image(phantom.scan, name="one")
    viewer.add_image(np.stack([phantom.scan] * 3, -1).astype(np.uint8), name="colours", rgb=True)
    viewer.add_image(phantom.scan[:2], name="two")
    viewer.add_image(phantom.scan[:0:-1], name="three", visible=False)
    dock.scope.choose(Where.EVERY)
    window.press(dock)
    names = {"one prediction", "two prediction", "three prediction"}
    window.until(lambda: names <= {layer.name for layer in viewer.layers} and not window.workspace.prediction.running)
    assert "colours prediction" not in viewer.layers
    assert sum("prediction" in layer.name for layer in viewer.layers) == 3, "each once"
    assert viewer.layers["three prediction"].data.shape == (3, 32, 32)
    hidden = {layer.name for layer in viewer.layers if not layer.visible}
    assert hidden == {"three", "three prediction"}, "what is in view stays"


def test_cancelled_among_many_it_does_not_go_on_with_the_next(window, dock):
    scan = np.random.default_rng(0).normal(size=(150, 64, 64))
    window.viewer.add_image(scan, name="one")
    window.viewer.add_image(scan, name="two")
    dock.scope.choose(Where.EVERY)
    window.press(dock)
    window.until(lambda: "two prediction" in window.viewer.layers)
    assert window.ended(window.workspace.prediction, dock.panel.cancel_button.click).how is How.CANCELLED
    window.qtbot.wait(50)
    assert not window.workspace.prediction.running


def test_predict_goes_on_where_it_was_cut_short(window, dock):
    scan = np.random.default_rng(0).normal(size=(120, 64, 64)).astype(np.float32)
    window.viewer.add_image(scan, name="scan")
    expected = predicted(window, dock).copy()
    window.viewer.layers.pop(-1)
    window.press(dock)
    window.until(lambda: "scan prediction" in window.viewer.layers)
    ending = window.ended(window.workspace.prediction, dock.panel.cancel_button.click)
    assert "Predict goes on from there" in ending.text
    partial = window.viewer.layers[-1]
    assert partial.name.startswith("scan prediction (partial: ")
    done = partial.data.any(axis=(1, 2))
    assert 0 < done.sum() < 120
    partial.data[np.flatnonzero(done)[0], :5] = 7  # a correction
    events = []
    window.workspace.prediction.reported.connect(events.append)
    ending = window.ended(window.workspace.prediction, lambda: window.press(dock))
    assert ending.how is How.DONE
    assert window.viewer.layers[-1] is partial
    assert partial.name == "scan prediction"
    told = {z for event in events for z in getattr(event, "slices", ())}
    assert len(told) < 120
    assert (partial.data[np.flatnonzero(done)[0], :5] == 7).all()
    partial.data[np.flatnonzero(done)[0]] = expected[np.flatnonzero(done)[0]]
    np.testing.assert_array_equal(partial.data, expected)


def test_what_is_asked_for_otherwise_begins_anew(window, dock):
    window.viewer.add_image(np.random.default_rng(0).normal(size=(120, 64, 64)), name="scan")
    window.press(dock)
    window.until(lambda: "scan prediction" in window.viewer.layers)
    window.ended(window.workspace.prediction, dock.panel.cancel_button.click)
    partial = window.viewer.layers[-1]
    dock.scope.choose(Where.SLICE)
    assert predicted(window, dock) is not partial.data
    assert "partial" in partial.name


def test_doubt_and_probabilities_are_layers_on_the_scan(window, dock, phantom):
    image = window.viewer.add_image(phantom.scan, name="scan", translate=(5, 6, 7))
    window.viewer.layers.selection.active = image
    dock.show_doubt.setChecked(True)
    dock.show_likely.setChecked(True)
    dock.form.set_value(PredictConfig(views=2))
    labels = predicted(window, dock)
    doubt, likely = window.viewer.layers["scan uncertainty"], window.viewer.layers["scan class 1"]
    np.testing.assert_allclose(doubt.extent.world, image.extent.world)
    assert window.viewer.layers.selection.active is image
    p = likely.data.astype(float)
    clear = abs(p - 0.5) > 0.01
    np.testing.assert_array_equal((p > 0.5)[clear], labels[clear] == 1)
    certain = doubt.data.astype(float) < 0.3
    assert (abs(p[certain] - 0.5) > 0.4).all()


def test_models_are_averaged_with_others_that_learned_the_same(window, dock, phantom, model_path, tmp_path):
    assert dock.others.isHidden()
    other = tmp_path / "other.unet"
    other.write_bytes(model_path.read_bytes())
    dock.open_model(str(other))
    assert not dock.others.isHidden()
    dock.others._menu.actions()[0].trigger()
    assert [model.name for model in dock.others.chosen] == ["small"]
    assert "1 other model" in dock.others.text()
    window.viewer.add_image(phantom.scan, name="scan")
    assert predicted(window, dock).shape == phantom.scan.shape


@pytest.fixture
def no_process(monkeypatch):
    monkeypatch.setattr(JobRunner, "warm", lambda self: None)


@pytest.mark.usefixtures("no_process")
def test_a_rectangle_must_lie_on_the_scan(window, phantom):
    viewer = window.viewer
    image = viewer.add_image(np.stack([phantom.scan] * 2), name="series", translate=(0, 0, 10, 10))
    shapes = viewer.add_shapes(name="box")
    with pytest.raises(BadInput, match="Draw a rectangle"):
        box_on(image, shapes)
    shapes.add_rectangles(np.array([[0, 0], [0, 5], [5, 5], [5, 0]]))
    with pytest.raises(BadInput, match="do not lie on"):
        box_on(image, shapes)
    shapes.add_rectangles(np.array([[0, 0], [0, 14.4], [13, 14.4], [13, 0]]))
    shapes.selected_data = {1}
    assert box_on(image, shapes) == (slice(0, 4), slice(0, 5))


@pytest.mark.usefixtures("no_process")
def test_a_wish_tells_whether_it_is_for_labels_only(window, dock):
    models = (window.workspace.session.models[0],)
    assert Wish(models, scope=Scope(slices=(1,))).labels_only
    assert not Wish(models, show_uncertainty=True).labels_only
