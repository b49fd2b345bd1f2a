"""Strokes with napari's own tools obey the rules, and undo brings back exactly what was there."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks

from napari_unet.gui.layers.scans import METADATA, REVIEW
from napari_unet.gui.layers.strokes import WRITTEN, Rules, Strokes, diameter, set_ball, set_diameter
from napari_unet.review.corrections import Review

SHAPE = (5, 40, 50)


class Bench:
    """A scan of two tissues, left and right of x = 25, and labels on it: class 1 above, 2 in the middle, 0 below."""

    def __init__(self, scale=(1, 1, 1)):
        self.viewer = ViewerModel()
        scan = np.random.default_rng(0).normal(0, 3, SHAPE) + np.where(np.arange(50) < 25, 100, -100)
        self.viewer.add_image(scan.astype(np.float32), name="scan", scale=scale)
        self.before = np.zeros(SHAPE, np.uint8)
        self.before[:, :12], self.before[:, 12:26] = 1, 2
        self.layer = self.viewer.add_labels(self.before.copy(), name="labels", scale=scale)
        self.layer.selected_label, self.layer.brush_size, self.layer.mode = 3, 9, "paint"
        self.viewer.dims.set_current_step(0, 2)
        self.strokes = Strokes(self.viewer)
        self.strokes.follow(self.layer)
        self.strokes.image = self.viewer.layers["scan"]

    def obey(self, **rules):
        self.strokes.rules = Rules(**rules)

    @property
    def changed(self):
        return self.layer.data != self.before

    def drag(self, *points):
        """Press, move and release the mouse over (row, column) of the slice in view, as napari's canvas tells it."""
        tell(self, "mouse_press", mouse_press_callbacks, points[0])
        for point in points[1:]:
            tell(self, "mouse_move", mouse_move_callbacks, point)
        tell(self, "mouse_release", mouse_release_callbacks, points[-1])


def tell(bench, kind, callbacks, point):
    about = {"view_direction": None, "up_direction": None, "dims_displayed": [1, 2], "modifiers": [], "button": 1}
    place = bench.layer.data_to_world((2, *point))
    event = SimpleNamespace(type=kind, is_dragging=kind != "mouse_press", position=place, pos=point, **about)
    for each in (bench.viewer, bench.layer):
        callbacks(each, ReadOnlyWrapper(event))


@pytest.fixture
def bench():
    return Bench()


def test_without_rules_a_stroke_is_napari_s(bench):
    plain = Bench()
    plain.strokes.disconnect_viewer()
    for each in (bench, plain):
        each.drag((5, 5), (35, 45))
        each.layer.mode = "fill"
        each.drag((20, 10))
    np.testing.assert_array_equal(bench.layer.data, plain.layer.data)
    assert len(bench.layer._undo_history) == 2
    assert plain.viewer.mouse_drag_callbacks == ViewerModel().mouse_drag_callbacks
    assert "_paint_region_with_mask" not in vars(plain.layer)


@pytest.mark.parametrize("mode", ["paint", "erase", "fill"])
def test_a_protected_class_stays_also_in_the_undo(bench, mode):
    bench.obey(protected=frozenset({2}))
    bench.layer.mode = mode
    bench.drag((5, 10), (35, 10))
    assert not bench.changed[bench.before == 2].any()
    assert bench.changed[2, 5, 10]
    after = bench.layer.data.copy()
    assert len(bench.layer._undo_history) == 1
    bench.layer.undo()
    np.testing.assert_array_equal(bench.layer.data, bench.before)
    bench.layer.redo()
    np.testing.assert_array_equal(bench.layer.data, after)


def test_all_but_the_selected_class_stay(bench):
    bench.obey(others=True)
    bench.layer.selected_label = 2
    bench.drag((5, 10), (35, 10))
    assert np.unique(bench.before[bench.changed]).tolist() == [0]
    assert np.unique(bench.layer.data[bench.changed]).tolist() == [2]
    bench.layer.mode = "erase"
    bench.drag((5, 30), (35, 30))
    assert not bench.changed[bench.before == 1].any()
    assert bench.layer.data[2, 20, 30] == 0
    bench.layer.mode = "paint"
    bench.layer.selected_label = 0  # as napari's key X does
    bench.drag((5, 40), (35, 40))
    assert not bench.changed[bench.before == 1].any()
    assert bench.layer.data[2, 20, 40] == 0


def test_a_stroke_stays_on_what_is_like_the_place_where_it_begins(bench):
    ranges = []
    bench.strokes.ranged.connect(lambda *ends: ranges.append(ends))
    bench.obey(spread=3.0)
    bench.drag((32, 18), (32, 45))
    left = np.arange(50) < 25
    assert not bench.changed[..., ~left].any()
    assert bench.changed[2, 32, 14:25].mean() > 0.9
    bench.drag((32, 30), (32, 10))  # another stroke, begun on the other side
    assert bench.changed[2, 32, 25:32].mean() > 0.9
    assert len(ranges) == 2, "measured once a stroke"
    assert ranges[0][0] > 50 > -50 > ranges[1][1]
    bench.layer.undo()
    bench.layer.undo()
    np.testing.assert_array_equal(bench.layer.data, bench.before)


def test_a_bucket_fills_what_is_like_the_place_that_was_clicked(bench):
    bench.obey(spread=5.0)
    bench.layer.mode = "fill"
    bench.drag((32, 40))
    assert not bench.changed[..., :25].any()
    assert bench.changed[2, 26:, 25:].mean() > 0.99


def test_a_range_can_be_given(bench):
    bench.obey(within=(50, 200))
    bench.drag((32, 5), (32, 45))
    assert not bench.changed[..., 25:].any()
    assert bench.changed[2, 32, 5:25].all()


def test_it_says_when_nothing_is_left_of_a_dab(bench):
    refused = []
    bench.strokes.refused.connect(lambda: refused.append(True))
    bench.obey(protected=frozenset({1}))
    bench.layer.paint((2, 5, 5), 3)
    assert refused
    assert not bench.changed.any()
    assert not bench.layer._undo_history
    bench.layer.paint((2, 5, 5), 1)
    assert len(refused) == 1, "nothing was to be changed"


def test_the_eraser_writes_background_or_what_the_model_wrote(bench):
    bench.layer.mode = "erase"
    bench.obey(eraser=255)
    bench.drag((5, 5), (5, 20))
    assert np.unique(bench.layer.data[bench.changed]).tolist() == [255]
    review = Review(Path("model.unet"))
    written = np.random.default_rng(1).integers(0, 3, SHAPE).astype(np.uint8)
    for z, plane in enumerate(written):
        review.note(z, plane)
    bench.layer.metadata[METADATA] = {REVIEW: review}
    set_ball(bench.layer, True)
    bench.obey(eraser=WRITTEN, protected=frozenset({2}))
    bench.drag((5, 5), (20, 30))
    back = bench.layer.data == written
    assert back[1:4, 5, 5:10].all()
    assert not bench.changed[bench.before == 2].any()
    bench.layer.undo()
    bench.layer.undo()
    np.testing.assert_array_equal(bench.layer.data, bench.before)


@pytest.mark.parametrize("scale", [(2.5, 0.7, 0.7), (0.5, 1.0, 1.0), (1.0, 1.0, 2.0)])
def test_the_ball_is_one_in_mm(scale):
    bench = Bench(scale)
    bench.viewer.layers["scan"].units = bench.layer.units = "mm"
    set_diameter(bench.layer, 7.0)
    disc = diameter(bench.layer)
    set_ball(bench.layer, True)
    assert diameter(bench.layer) == pytest.approx(disc, abs=min(scale))
    bench.layer.paint((2, 20, 25), 3)
    z, y, x = (np.arange(n).reshape([-1 if i == axis else 1 for i in range(3)]) for axis, n in enumerate(SHAPE))
    away = np.sqrt(((z - 2) * scale[0]) ** 2 + ((y - 20) * scale[1]) ** 2 + ((x - 25) * scale[2]) ** 2)
    np.testing.assert_array_equal(bench.layer.data == 3, away <= diameter(bench.layer) / 2)


POINT = st.tuples(st.integers(0, 39), st.integers(0, 49))
STROKE = st.tuples(
    st.sampled_from(["paint", "erase", "fill"]), st.integers(0, 4), st.lists(POINT, min_size=1, max_size=3)
)


@given(
    st.lists(STROKE, min_size=1, max_size=3),
    st.sets(st.sampled_from([1, 2])),
    st.booleans(),
    st.none() | st.just(2.0),
    st.booleans(),
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_the_strokes_what_is_protected_stays_and_undo_is_exact(strokes, protected, others, spread, ball):
    bench = Bench((2, 1, 1))
    bench.obey(protected=frozenset(protected), others=others, spread=spread)
    set_ball(bench.layer, ball)
    for mode, label, points in strokes:
        before = bench.layer.data.copy()
        bench.layer.selected_label = label
        bench.layer.mode = mode
        bench.drag(*points)
        changed = bench.layer.data != before
        assert not np.isin(before[changed], list(protected)).any()
        if others and label:
            assert np.isin(before[changed], [0, label]).all()
    while bench.layer._undo_history:
        bench.layer.undo()
    np.testing.assert_array_equal(bench.layer.data, bench.before)
