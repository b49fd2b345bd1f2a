"""Refining in the window: what the steps look at, the preview, a new layer or the mask itself, and taking it back."""

import json

import numpy as np
import pytest

from napari_unet.config import (
    Closing,
    DenseCRF,
    FillHoles,
    RefineConfig,
    RemoveSmall,
    WithinIntensities,
    WithinRegion,
)
from napari_unet.gui.layers.edits import applied
from napari_unet.gui.layers.outlines import ADDED, EXCHANGED, KEPT, REMOVED, outline_labels
from napari_unet.gui.layers.scans import METADATA, PROBABILITIES
from napari_unet.gui.work import refining
from napari_unet.gui.work.activity import How
from napari_unet.gui.work.refining import PREVIEW_NAME
from napari_unet.refinement import Probabilities, refine

PLACE = {"scale": (2.0, 1.0, 1.0), "units": ("mm", "mm", "mm")}
HOLES = RefineConfig(steps=(FillHoles(),))


@pytest.fixture
def refinable(window, phantom):
    """Give the dock of a window with a scan and a mask of it that has a hole in every slice, and specks."""
    window.viewer.add_image(phantom.scan, name="scan", **PLACE)
    mask = phantom.ball.astype(np.uint8)
    mask[:, 15:17, 15:17] = 0
    mask[:, 1, 1] = 1
    window.viewer.add_labels(mask, name="mask", **PLACE)
    window.viewer.dims.set_current_step(0, 2)
    return window.open("Refine")


def choose(dock, *steps):
    dock._show_steps(RefineConfig(steps=steps))


def preview(window, dock):
    """Wait for a preview that is of now; give its outlines of the slice in view."""
    dock.preview.setChecked(True)
    window.until(lambda: dock.effect.isEnabled() and dock.effect.text() not in ("", "…"))
    return window.viewer.layers[PREVIEW_NAME].data[2]


def apply(window, dock):
    return window.ended(window.workspace.refinement, lambda: window.press(dock))


def reason(dock):
    return "" if dock.panel.button.isEnabled() else dock.panel.reason.text()


def test_what_changes_is_told_apart():
    before, after = np.array([[0, 1, 1, 2, 0]], np.uint8), np.array([[1, 0, 2, 2, 0]], np.uint8)
    kept = np.array([[False, False, False, True, False]])
    assert outline_labels(before, after, kept).tolist() == [[ADDED, REMOVED, EXCHANGED, KEPT, 0]]


def test_the_preview_is_what_comes_of_it(window, refinable):
    mask = window.viewer.layers["mask"]
    before, active = mask.data.copy(), window.viewer.layers.selection.active
    steps = (FillHoles(), Closing(radius=2), RemoveSmall(volume=0, voxels=50))
    choose(refinable, *steps)
    outlines = preview(window, refinable)
    expected = refine(before, RefineConfig(steps=steps), spacing=PLACE["scale"]).labels[2]
    np.testing.assert_array_equal(outlines, outline_labels(before[2], expected))
    assert {ADDED, REMOVED} <= set(np.unique(outlines))
    added, removed = (np.count_nonzero(outlines == which) * 2 for which in (ADDED, REMOVED))  # mm³
    assert f"+{added} mm³, −{removed} mm³ in class 1" in refinable.effect.text()
    layer = window.viewer.layers[PREVIEW_NAME]
    assert not layer.editable
    assert layer.contour == 1
    assert window.viewer.layers.selection.active is active
    np.testing.assert_array_equal(mask.data, before)
    refinable.preview.setChecked(False)
    assert PREVIEW_NAME not in window.viewer.layers


def test_the_preview_follows_steps_slices_and_strokes(window, refinable):
    choose(refinable, FillHoles())
    assert np.count_nonzero(preview(window, refinable)) == 4
    layer = window.viewer.layers[PREVIEW_NAME]
    refinable.steps.rows[0].switch.setChecked(False)
    window.until(lambda: not layer.data.any())
    assert refinable.effect.text() == ""
    refinable.steps.rows[0].switch.setChecked(True)
    window.until(lambda: np.count_nonzero(layer.data[2]) == 4)
    window.viewer.dims.set_current_step(0, 1)
    window.until(lambda: np.count_nonzero(layer.data[1]) == 4)
    assert not layer.data[2].any()
    mask = window.viewer.layers["mask"]
    mask.brush_size = 1
    mask.paint((1, 14, 14), 0)
    window.until(lambda: np.count_nonzero(layer.data[1]) == 5)
    mask.undo()
    window.until(lambda: np.count_nonzero(layer.data[1]) == 4)
    assert window.viewer.layers[PREVIEW_NAME] is layer


def test_only_the_last_of_many_changes_is_shown(window, refinable):
    shown = []
    window.workspace.refine_preview.ended.connect(lambda ending: shown.append(ending.how))
    choose(refinable, Closing(radius=0.5))
    preview(window, refinable)
    for radius in np.arange(1, 6, 0.5):
        choose(refinable, Closing(radius=radius))
        window.qtbot.wait(30)
    window.until(refinable.effect.isEnabled)
    mask = window.viewer.layers["mask"].data
    expected = refine(mask, RefineConfig(steps=(Closing(radius=5.5),)), spacing=PLACE["scale"]).labels[2]
    np.testing.assert_array_equal(window.viewer.layers[PREVIEW_NAME].data[2], outline_labels(mask[2], expected))
    assert How.FAILED not in shown


def test_a_new_layer_knows_how_it_was_made(window, refinable, tmp_path):
    choose(refinable, FillHoles(classes=(1,)), Closing(enabled=False))
    ending = apply(window, refinable)
    refined = window.viewer.layers["mask refined"]
    assert ending.text.startswith('Result: layer "mask refined": +')
    assert (refined.data[:, 15:17, 15:17] == 1).all()
    assert refinable.undo.undo_button.text() == "Undo: fill holes into a new layer (Ctrl+Z)"
    refinable.undo.undo_button.resize(200, 24)
    shown = refinable.undo.undo_button.shown_text()
    assert shown.startswith("Undo: fill")
    assert shown.endswith("(Ctrl+Z)")
    refinable.undo.undo_button.click()
    assert not refined.visible
    refinable.undo.redo_button.click()
    assert refined.visible
    assert refinable.pipeline.earlier() == []
    refinable.mask_box.choose(refined)
    assert refinable.pipeline.earlier() == [RefineConfig(steps=(FillHoles(classes=(1,)), Closing(enabled=False)))]
    assert json.loads(json.dumps(applied(refined))) == applied(refined)

    choose(refinable, RemoveSmall())
    refinable.pipeline._list_again()
    (action,) = refinable.pipeline._again.actions()
    assert action.text() == "fill holes"
    action.trigger()
    assert refinable.steps.config == window.workspace.session.state.refine_config == refinable.pipeline.earlier()[0]


def test_a_pipeline_is_saved_and_opened(window, refinable, tmp_path):
    choose(refinable, RemoveSmall(volume=0.7), Closing(enabled=False, classes=(2,)))
    saved = refinable.steps.config
    refinable.pipeline.save(tmp_path / "steps")
    choose(refinable, FillHoles())
    refinable.pipeline.open(tmp_path / "steps.json")
    assert refinable.steps.config == saved
    (tmp_path / "steps.json").write_text("{")
    refinable.pipeline.open(tmp_path / "steps.json")
    assert "steps.json" in refinable.panel.ending.text()
    assert refinable.steps.config == saved


def test_in_place_is_one_undo_among_strokes(window, refinable):
    mask = window.viewer.layers["mask"]
    mask.brush_size = 3
    states = [mask.data.copy()]
    mask.paint((0, 3, 3), 2)
    states.append(mask.data.copy())
    refinable.where.setCurrentIndex(1)
    choose(refinable, FillHoles(), RemoveSmall())
    ending = apply(window, refinable)
    assert ending.text.startswith('Changed "mask": +')
    states.append(mask.data.copy())
    assert [layer.name for layer in window.viewer.layers] == ["scan", "mask"]
    assert window.viewer.layers.selection.active is mask
    assert refinable.undo.undo_button.text() == "Undo: fill holes and 1 more step (Ctrl+Z)"
    expected = refine(states[1], refinable.steps.config, spacing=PLACE["scale"]).labels
    np.testing.assert_array_equal(mask.data, expected)
    mask.paint((1, 16, 16), 3)
    states.append(mask.data.copy())
    assert refinable.undo.undo_button.text() == "Undo: painting on slice 2 (Ctrl+Z)"
    for state in (2, 1, 0):
        mask.undo()
        np.testing.assert_array_equal(mask.data, states[state])
    for state in (1, 2, 3):
        mask.redo()
        np.testing.assert_array_equal(mask.data, states[state])
    mask.undo()
    refinable.undo.undo_button.click()
    np.testing.assert_array_equal(mask.data, states[1])
    assert refinable.undo.redo_button.text() == "Redo: fill holes and 1 more step (Ctrl+Shift+Z)"
    assert applied(mask) == []
    refinable.undo.redo_button.click()
    np.testing.assert_array_equal(mask.data, states[2])


def test_strokes_painted_meanwhile_stay(window, refinable):
    mask = window.viewer.layers["mask"]
    refinable.where.setCurrentIndex(1)
    choose(refinable, FillHoles())
    with window.qtbot.waitSignal(window.workspace.refinement.ended, timeout=30_000) as waiting:
        window.press(refinable)
        with window.qtbot.waitSignal(window.workspace.refinement.reported, timeout=30_000):
            pass
        mask.data[0, 15, 15] = 7
    assert "1 voxel stays as you painted meanwhile" in waiting.args[0].text
    assert mask.data[0, 15, 15] == 7
    assert (mask.data[1:, 15:17, 15:17] == 1).all()


def test_what_would_not_fit_into_the_undo_becomes_a_layer(window, refinable, monkeypatch):
    monkeypatch.setattr(refining, "UNDO_BYTES", 10)
    mask = window.viewer.layers["mask"]
    before = mask.data.copy()
    refinable.where.setCurrentIndex(1)
    choose(refinable, FillHoles())
    assert "too many places" in apply(window, refinable).text
    np.testing.assert_array_equal(mask.data, before)
    assert (window.viewer.layers["mask refined"].data[:, 15:17, 15:17] == 1).all()


def test_a_mask_that_cannot_be_edited_goes_into_a_new_layer_only(window, refinable):
    fine = window.viewer.layers["mask"].data
    refinable.where.setCurrentIndex(1)
    layer = window.viewer.add_labels([fine, fine[:, ::2, ::2]], multiscale=True, name="pyramid")
    refinable.mask_box.choose(layer)
    assert not refinable.where.currentData()
    assert not refinable.where.isEnabled()
    assert refinable.where.toolTip()
    choose(refinable, FillHoles())
    assert apply(window, refinable).how is How.DONE
    assert window.viewer.layers["pyramid refined"].data.shape == fine.shape


@pytest.mark.parametrize("in_place", [False, True])
def test_cancel_changes_nothing(window, refinable, in_place):
    mask = window.viewer.layers["mask"]
    before = mask.data.copy()
    refinable.where.setCurrentIndex(int(in_place))
    choose(refinable, FillHoles(), Closing(radius=5))
    for when in ("began", "reported"):

        def cancel(event=None):
            refinable.panel.cancel_button.click()

        signal = getattr(window.workspace.refinement, when)
        signal.connect(cancel)
        ending = apply(window, refinable)
        signal.disconnect(cancel)
        assert ending.how is How.CANCELLED
        np.testing.assert_array_equal(mask.data, before)
        assert not mask._undo_history
        assert [layer.name for layer in window.viewer.layers] == ["scan", "mask"]


def test_cancel_while_the_result_is_made_ready(window, refinable, monkeypatch):
    mask = window.viewer.layers["mask"]
    before = mask.data.copy()
    refinable.where.setCurrentIndex(1)
    choose(refinable, FillHoles())
    refinement = window.workspace.refinement
    real = refinement._ready

    def ready(result):
        prepared = real(result)
        refinable.panel.cancel_button.click()  # comes before the thread has begun
        return prepared

    monkeypatch.setattr(refinement, "_ready", ready)
    ending = apply(window, refinable)
    assert ending.how is How.CANCELLED
    window.until(lambda: not window.workspace.refinery.running)
    monkeypatch.undo()
    np.testing.assert_array_equal(mask.data, before)
    assert apply(window, refinable).how is How.DONE
    assert (mask.data[:, 15:17, 15:17] == 1).all()


def test_what_i_painted_stays_and_is_counted(window, refinable, phantom):
    paint = np.zeros(phantom.scan.shape, np.uint8)
    paint[2, 15, 15:17] = 255
    window.viewer.add_labels(paint, name="paint", **PLACE)
    train = window.open("Train")
    train.paint.choose(window.viewer.layers["paint"])
    refinable.mask_box.choose(window.viewer.layers["mask"])
    choose(refinable, FillHoles())
    outlines = preview(window, refinable)
    assert np.count_nonzero(outlines == KEPT) == 2
    assert np.count_nonzero(outlines == ADDED) == 2
    assert "2 painted voxels stay as they are" in refinable.effect.text()
    refinable.where.setCurrentIndex(1)
    assert "2 painted voxels stay as they are" in apply(window, refinable).text
    data = window.viewer.layers["mask"].data
    assert data[2, 15:17, 15:17].tolist() == [[0, 0], [1, 1]]
    refinable.keep_paint.setChecked(False)
    apply(window, refinable)
    assert data[2, 15:17, 15:17].all()


def test_steps_that_look_at_the_scan(window, refinable, phantom):
    assert refinable.region_box.isHidden()
    choose(refinable, WithinIntensities(lowest=50, highest=1e6))
    assert reason(refinable) == ""
    other = window.viewer.add_image(np.zeros((3, 5)), name="other")
    refinable.scan.choose([other])
    assert '"other" is (3, 5) and "mask" is (4, 32, 32)' in reason(refinable)
    del window.viewer.layers["other"]
    assert reason(refinable) == ""
    mask = window.viewer.layers["mask"].data
    outlines = preview(window, refinable)
    np.testing.assert_array_equal(outlines == REMOVED, (mask[2] > 0) & (phantom.scan[2] < 50))
    assert apply(window, refinable).how is How.DONE
    np.testing.assert_array_equal(window.viewer.layers["mask refined"].data, mask * (phantom.scan >= 50))
    window.viewer.layers.remove("scan")
    assert "looks at the scan" in reason(refinable)
    choose(refinable, FillHoles())
    assert reason(refinable) == ""


def test_steps_that_look_at_another_mask(window, refinable):
    choose(refinable, WithinRegion())
    assert not refinable.region_box.isHidden()
    region = np.zeros((4, 32, 32), np.uint8)
    region[:, :16] = 3
    refinable.region_box.choose(window.viewer.add_labels(region, name="body", **PLACE))
    refinable.mask_box.choose(window.viewer.layers["mask"])
    assert apply(window, refinable).how is How.DONE
    refined = window.viewer.layers["mask refined"].data
    assert refined[:, :16].any()
    assert not refined[:, 16:].any()
    refinable.region_box.choose(window.viewer.add_labels(region[0], name="flat"))
    assert '"flat" is (32, 32)' in reason(refinable)


def test_the_scan_of_a_mask_is_found(window, refinable, phantom):
    later = window.viewer.add_image(-phantom.scan, name="later", **PLACE)
    mask = window.viewer.add_labels(phantom.ball.astype(np.uint8), name="other mask", **PLACE)
    refinable.mask_box.choose(mask)
    assert refinable.scan.layers == [later]
    predicted = window.viewer.add_labels(
        phantom.ball.astype(np.uint8), name="prediction", metadata={"napari_unet": {"scan_layers": ("scan", "later")}}
    )
    refinable.mask_box.choose(predicted)
    assert [layer.name for layer in refinable.scan.layers] == ["scan", "later"]
    choose(refinable, WithinIntensities(channel=1, lowest=-1e6, highest=-50))
    assert reason(refinable) == ""
    assert apply(window, refinable).how is How.DONE
    np.testing.assert_array_equal(
        window.viewer.layers["prediction refined"].data, phantom.ball * (-phantom.scan <= -50)
    )


def test_the_dense_crf_gets_the_scan_and_the_probabilities(window, refinable, phantom):
    mask = window.viewer.layers["mask"]
    likely = np.stack([1.0 - phantom.ball, phantom.ball]).astype(np.float16)
    mask.metadata[METADATA] = {PROBABILITIES: (likely, (0, 1))}
    steps = RefineConfig(steps=(DenseCRF(),))
    choose(refinable, *steps.steps)
    outlines = preview(window, refinable).copy()
    assert apply(window, refinable).how is How.DONE
    refined = window.viewer.layers["mask refined"].data
    np.testing.assert_array_equal(outlines, outline_labels(mask.data[2], refined[2]))
    known = {"intensities": phantom.scan, "probabilities": Probabilities(likely, (0, 1))}
    np.testing.assert_array_equal(refined, refine(mask.data, steps, spacing=PLACE["scale"], **known).labels)
