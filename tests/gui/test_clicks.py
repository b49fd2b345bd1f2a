"""What a click on a piece comes to: in masks and in paint, in volumes and series, and taken back exactly."""

import weakref
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_unet.annotation import new_class
from napari_unet.errors import BadInput
from napari_unet.gui.layers.edits import applied, make_edit
from napari_unet.gui.layers.scans import METADATA, REVIEW, class_look
from napari_unet.gui.work.clicks import Accepted, Click, Tool, note_click, outcome_of
from napari_unet.review.corrections import Review, SliceState
from napari_unet.strokes import Limits

LIVER = class_look([new_class(1, "liver"), new_class(2, "kidney")])


class Desk:
    """A mask of two pieces of liver, one of which touches the kidney, and paint on some of it."""

    def __init__(self, shape=(6, 20, 30)):
        self.viewer = ViewerModel()
        self.before = np.zeros(shape, np.uint8)
        volume = self.before.reshape(-1, 20, 30)
        volume[:, 2:10, 2:10] = 1
        volume[:, 2:18, 14:28] = 1
        volume[:, 10:18, 20:28] = 2
        self.mask = self.viewer.add_labels(self.before.copy(), name="prediction", **LIVER)
        self.paint = self.viewer.add_labels(np.zeros(shape, np.uint8), name="paint", **LIVER)

    def click(self, tool, *corners, source=None, target=None, **more):
        click = Click(tool, source or self.mask, target or self.mask, np.array(corners), **more)
        click.check()
        outcome = outcome_of(click)
        make_edit(click.target, outcome.parts)
        return outcome

    def changed(self):
        return self.mask.data != self.before


@pytest.fixture
def desk():
    return Desk()


def test_a_rejected_piece_is_gone_and_comes_back(desk):
    outcome = desk.click(Tool.REJECT, (3, 5, 5))
    assert outcome.edit.name == "rejecting a piece of liver"
    assert outcome.text == "384 voxels of liver: gone now."
    expected = desk.before.copy()
    expected[:, 2:10, 2:10] = 0
    np.testing.assert_array_equal(desk.mask.data, expected)
    assert applied(desk.mask) == [], "it says nothing of how the mask was made"
    desk.mask.undo()
    np.testing.assert_array_equal(desk.mask.data, desk.before)
    desk.mask.redo()
    np.testing.assert_array_equal(desk.mask.data, expected)


def test_only_on_this_slice(desk):
    desk.click(Tool.REJECT, (3, 5, 5), one_slice=True)
    assert np.unique(np.nonzero(desk.changed())[0]).tolist() == [3]
    desk.click(Tool.REJECT, (3, 5, 20), one_slice=True, across=1)
    assert np.unique(np.nonzero(desk.changed()[:, :, 14:])[1]).tolist() == [5]


def test_an_accepted_piece_is_painted_where_nothing_was(desk):
    desk.paint.data[3, 2:4, 2:10], desk.paint.data[3, 4, 2:10] = 255, 2
    painted = desk.paint.data.copy()
    outcome = desk.click(Tool.ACCEPT, (0, 3, 3), target=desk.paint)
    assert outcome.text == "Accepted: 360 voxels of liver, painted now."
    np.testing.assert_array_equal(desk.paint.data[painted > 0], painted[painted > 0])
    piece = np.zeros_like(painted, bool)
    piece[:, 2:10, 2:10] = True
    np.testing.assert_array_equal(desk.paint.data == 1, piece & (painted == 0))
    assert not desk.changed().any()
    desk.click(Tool.REJECT, (0, 12, 24), target=desk.paint, removed=255)
    assert (desk.paint.data[:, 10:18, 20:28] == 255).all()
    with pytest.raises(BadInput, match="protected, or painted already"):
        desk.click(Tool.ACCEPT, (0, 3, 3), target=desk.paint)


def test_what_is_accepted_in_a_mask_teaches_until_it_is_taken_back(desk):
    review = Review(Path("model.unet"))
    for z, plane in enumerate(desk.before):
        review.note(z, plane)
    earlier = np.zeros((20, 30), bool)
    earlier[3:5] = True
    review.vouch(2, earlier)
    desk.mask.metadata[METADATA] = {REVIEW: review}
    review.note(5, np.zeros_like(desk.before[5]))  # there the person drew it: that is known, and was effort
    outcome = desk.click(Tool.ACCEPT, (3, 5, 5))
    before = review.lesson(desk.before)
    drawn = []
    desk.mask.events.set_data.connect(drawn.append)
    step = Accepted(outcome.edit.name, weakref.ref(desk.viewer), desk.mask, outcome.accepted)
    step.redo()
    assert (review.lesson(desk.before)[:, 2:10, 2:10] == 1).all()
    assert [np.count_nonzero(review.vouched(z, (20, 30))) for z in range(6)] == [64, 64, 64 + 44, 64, 64, 0]
    assert drawn, "whoever counts hears of it"
    with pytest.raises(BadInput, match="accepted already"):
        desk.click(Tool.ACCEPT, (3, 5, 5))
    step.undo()
    np.testing.assert_array_equal(review.lesson(desk.before), before)
    desk.viewer.layers.remove(desk.mask)
    assert step.is_done(True) is None


def test_only_the_slice_that_was_clicked_on_counts_as_looked_at(desk):
    review = Review(Path("model.unet"))
    for z, plane in enumerate(desk.before):
        review.note(z, plane)
    desk.mask.metadata[METADATA] = {REVIEW: review}
    desk.paint.data[1, 0, 0] = 1
    into_paint = Click(Tool.ACCEPT, desk.mask, desk.paint, np.array([(3, 5, 5)]))
    rejected = Click(Tool.REJECT, desk.mask, desk.mask, np.array([(2, 12, 24)]))
    for click in (into_paint, rejected):
        outcome = outcome_of(click)
        make_edit(click.target, outcome.parts)
        note_click(desk.viewer, click, outcome)
    assert (review.touched, review.copied) == ({2, 3}, {0, 2, 4, 5})
    states = review.summary(desk.mask.data, desk.paint.data).states
    not_seen = [z for z, state in enumerate(states) if state is SliceState.PREDICTED]
    assert not_seen == [0, 4, 5]
    desk.viewer.dims.ndisplay = 3
    note_click(desk.viewer, into_paint, outcome)
    assert review.touched == {2, 3}, "in 3-D no slice is in view"


def test_a_piece_becomes_the_selected_class_and_one_with_what_it_touches(desk):
    desk.click(Tool.RENAME, (3, 12, 24), label=1)
    assert desk.click(Tool.REJECT, (3, 5, 20)).parts
    assert not desk.mask.data[:, :, 14:].any()


def test_protected_voxels_stay(desk):
    with pytest.raises(BadInput, match="it is protected"):
        desk.click(Tool.REJECT, (3, 5, 5), limits=Limits(frozenset({1})))
    with pytest.raises(BadInput, match="it is protected"):
        desk.click(Tool.RENAME, (3, 5, 5), label=2, limits=Limits(only=2))
    assert not desk.changed().any()


@pytest.mark.parametrize(("label", "value", "gap"), [(2, 2, 0), (1, 0, 6 * 8), (0, 0, 6 * 8), (255, 0, 6 * 8)])
def test_a_line_splits_into_two_classes_or_two_pieces(desk, label, value, gap):
    outcome = desk.click(Tool.SPLIT, (3, 0, 5), (3, 12, 5), label=label)
    part = desk.changed()
    assert np.unique(desk.mask.data[part]).tolist() == [value]
    if gap:
        assert part.sum() == gap
        assert "behind a gap" in outcome.text
        assert outcome_of(Click(Tool.REJECT, desk.mask, desk.mask, np.array([(3, 5, 9)]))).parts[0].voxels < 64 - 8
    else:
        assert 0 < part.sum() <= 192
        assert outcome.text == f"{part.sum()} voxels of liver: kidney now."
    desk.mask.undo()
    assert not desk.changed().any()


def test_a_piece_ends_with_its_volume_in_a_series():
    desk = Desk((2, 3, 20, 30))
    desk.click(Tool.REJECT, (1, 0, 5, 5))
    assert not desk.changed()[0].any()
    assert desk.changed()[1].sum() == 3 * 64
    desk.click(Tool.SPLIT, (0, 1, 0, 5), (0, 1, 12, 5), label=2)
    assert desk.changed()[0].any()


def test_a_flat_mask_has_pieces_too():
    desk = Desk((20, 30))
    desk.click(Tool.REJECT, (5, 5))
    desk.click(Tool.SPLIT, (5, 10), (5, 29), label=2)
    assert not desk.mask.data[:, :12].any()
    assert (desk.mask.data[2:5, 14:28] == 2).all()
    assert (desk.mask.data[6:10, 14:28] == 1).all()


def test_it_says_why_a_click_comes_to_nothing(desk):
    other = desk.viewer.add_labels(np.zeros((2, 20, 30), np.uint8), name="other")
    for says, tool, more in (
        ("does not lie on the scan", Tool.REJECT, {"target": other}),
        ("was not predicted here", Tool.ACCEPT, {}),
        ("Select the class", Tool.RENAME, {"label": 0}),
        ('Select "prediction" in the layer list', Tool.SPLIT, {"target": desk.paint}),
        ("There is nothing", Tool.REJECT, {"source": desk.paint, "target": desk.paint}),
    ):
        with pytest.raises(BadInput, match=says):
            desk.click(tool, (1, 5, 5), **more)
    for outside in ((1, -3, 5), (1, 5, 30)):
        with pytest.raises(BadInput, match="There is nothing"):
            desk.click(Tool.REJECT, outside)
    other.editable = False
    with pytest.raises(BadInput, match="cannot be painted on"):
        desk.click(Tool.REJECT, (1, 5, 5), source=other, target=other)
