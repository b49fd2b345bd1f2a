"""The time on each slice is noted while a person works on it, and what follows is said and drawn."""

import weakref
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import QPoint, Qt

from napari_unet.gui.layers.scans import METADATA, REVIEW
from napari_unet.gui.widgets.effort_panel import EffortPanel
from napari_unet.gui.work import slice_clock
from napari_unet.gui.work.activity import is_along_slices, look_at_slice, slice_in_view
from napari_unet.gui.work.slice_clock import SliceClock
from napari_unet.review.corrections import Review
from napari_unet.review.effort import SliceEffort


@pytest.fixture
def mask():
    """A mask that a model wrote, (4, 8, 8)."""
    return Labels(np.zeros((4, 8, 8), np.uint8), metadata={METADATA: {REVIEW: Review(Path("model.unet"))}})


@pytest.fixture
def at_work(monkeypatch):
    """A person in front of the window, and a clock on the wall that says what it is told."""
    wall = {"time": 0.0, "window": object()}
    monkeypatch.setattr(slice_clock, "monotonic", lambda: wall["time"])
    monkeypatch.setattr(slice_clock.QApplication, "activeWindow", lambda: wall["window"])
    return wall


def stay(clock, wall, seconds):
    for _ in range(2 * seconds):
        wall["time"] += 0.5
        clock.tick()


def test_time_goes_to_the_slice_in_view(qtbot, mask, at_work):
    viewer = ViewerModel()
    viewer.add_layer(mask)
    clock, review, looked_at = SliceClock(weakref.ref(viewer)), mask.metadata[METADATA][REVIEW], []
    clock.looked_at.connect(looked_at.append)
    clock.follow(mask)
    clock.tick()
    for z, seconds in ((2, 5), (0, 1), (3, 3)):
        viewer.dims.set_current_step(0, z)
        stay(clock, at_work, seconds)
    clock.follow(None)
    stay(clock, at_work, 5)
    assert review.seconds == {2: 5, 0: 1, 3: 8}, "it is selected"
    viewer.layers.selection.clear()
    stay(clock, at_work, 5)
    clock.follow(mask)
    assert looked_at == [mask, mask], "a second is not looking"
    at_work["window"] = None
    stay(clock, at_work, 5)
    at_work["window"] = object()
    mask.visible = False
    stay(clock, at_work, 5)
    mask.visible = True
    viewer.dims.order = (1, 0, 2)
    stay(clock, at_work, 5)
    viewer.dims.order = (0, 1, 2)
    viewer.layers.remove(mask)
    stay(clock, at_work, 5)
    clock.follow(None)
    assert review.seconds == {2: 5, 0: 1, 3: 8}


@pytest.mark.parametrize(
    ("shape", "place"),
    [
        ((4, 8, 8), {"scale": (-2, 1, 1), "translate": (30, 0, 0)}),
        ((3, 4, 8, 8), {"axis_labels": ("t", "z", "y", "x")}),
        ((3, 8, 8), {"axis_labels": ("t", "y", "x")}),
        ((8, 8), {}),
    ],
)
def test_the_slice_in_view_is_known_in_flipped_scans_series_and_pictures(shape, place):
    viewer = ViewerModel()
    slices = int(np.prod(shape[:-2]))
    numbered = np.repeat(np.arange(1, slices + 1, dtype=np.uint8), 64).reshape(shape)
    layer = viewer.add_labels(numbered, **place)
    for z in range(slices):
        look_at_slice(viewer, layer, z)
        assert slice_in_view(viewer, layer) == z
        assert layer.get_value(viewer.dims.point, world=True) == z + 1
    assert is_along_slices(viewer, layer)
    viewer.dims.ndisplay = 3
    assert is_along_slices(viewer, layer) == (len(shape) == 2)


def test_it_says_when_to_stop_and_on_what_that_rests(qtbot):
    panel = EffortPanel()
    qtbot.addWidget(panel)
    panel.show_effort([], [], str, str)
    assert panel.isHidden()
    series = [SliceEffort(z, 10.0, 1, ((1, 1, 1000),)) for z in (7, 3, 9, 1, 5)]
    panel.show_effort([], series, "{} voxels".format, str)
    assert not panel.isHidden()
    assert panel.sentence.isHidden(), "what another model wrote says nothing of this one"
    panel.show_effort(series, series[:1], "{} voxels".format, str)
    assert not panel.isHidden()
    assert (
        panel.sentence.text() == "The last 5 slices needed 5 voxels (0.1 % of the mask there), 10 s each: you can stop."
    )
    bars = panel.bars
    bars.resize(300, bars.height())
    picture = bars.grab().toImage()
    colours = {picture.pixelColor(x, y).name() for x in range(0, 120, 3) for y in range(picture.height())}
    assert {"#e69f00", "#56b4e9"} <= colours
    with qtbot.waitSignal(bars.chosen) as waiting:
        qtbot.mouseClick(bars, Qt.MouseButton.LeftButton, pos=QPoint(30, 40))
    assert waiting.args == [7]
