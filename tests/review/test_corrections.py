"""A review knows what a person changed, what is right, and what there is to learn from it."""

import json
from pathlib import Path

import numpy as np
import pytest

from napari_unet.annotation import BACKGROUND
from napari_unet.review.corrections import Review, SliceState, mean_dice
from napari_unet.review.effort import SliceEffort

GRID = (5, 6, 7)


@pytest.fixture
def written():
    mask = np.zeros(GRID, np.uint8)
    mask[:, 1:4, 1:4] = 1
    return mask


@pytest.fixture
def review(written):
    review = Review(Path("model.unet"))
    for z, plane in enumerate(written):
        review.note(z, plane)
    return review


def test_what_a_person_changed_is_known_and_undone_is_not(review, written):
    mask = written.copy()
    mask[2, 0, 0] = 2
    mask[2, 1, 1] = 0
    assert np.argwhere(review.corrected(2, mask[2])).tolist() == [[0, 0], [1, 1]]
    assert review.summary(mask).corrected == {2: 2}
    mask[2] = written[2]
    assert not review.summary(mask).corrected
    assert not review.summary(mask).can_teach


def test_states_of_slices(review, written):
    mask, paint = written.copy(), np.zeros(GRID, np.uint8)
    mask[1, 0, 0] = mask[3, 0, 0] = 1
    mask[4, 0, 0] = 1
    paint[[0, 1], 5, 5] = BACKGROUND
    review.reviewed = {3}
    review.touch(1)
    summary = review.summary(mask, paint)
    assert summary.states == (
        SliceState.PAINTED,
        SliceState.CORRECTED,
        SliceState.PREDICTED,
        SliceState.REVIEWED,
        SliceState.PREDICTED,
    )
    assert summary.can_teach
    assert summary.sentence() == "1 slice reviewed, 1 more corrected; 2 of 5 not looked at."


def test_what_changed_from_another_slice_was_not_looked_at(review, written):
    mask, paint = written.copy(), np.zeros(GRID, np.uint8)
    mask[:3, 1:4, 1:4], paint[2:, 0] = 0, 1
    review.touch(1)
    review.copied = {3, 4}
    review.spend(2, 5.0)
    expected = [SliceState.PREDICTED, SliceState.CORRECTED, SliceState.CORRECTED, *2 * [SliceState.PREDICTED]]
    following = Review(Path("next.unet"))
    following.take_notes(json.loads(json.dumps(review.notes())))
    for known in (review, following):
        for z, plane in enumerate(written):
            known.note(z, plane)
        summary = known.summary(mask, paint)
        assert list(summary.states) == expected
        assert summary.corrected == {0: 9, 1: 9, 2: 9}, "the person stands for them all the same"
    review.touch(3)
    assert review.summary(mask, paint).states[3] is SliceState.PAINTED


def test_a_person_stands_for_reviewed_slices_and_corrections(review, written):
    mask = written.copy()
    mask[1, 0, 0] = 1
    review.reviewed = {3}
    sure = review.vouched_for(mask)
    assert sure[3].all()
    assert np.argwhere(sure[1]).tolist() == [[0, 0]]
    assert not sure[[0, 2, 4]].any()


def test_the_lesson_is_what_a_person_said_and_nothing_else(review, written):
    mask = written.copy()
    mask[1, 0, 0], mask[1, 1, 1] = 2, 0
    review.reviewed = {3}
    lesson = review.lesson(mask)
    assert lesson[1, 0, 0] == 2
    assert lesson[1, 1, 1] == BACKGROUND
    assert np.count_nonzero(lesson[1]) == 2
    np.testing.assert_array_equal(lesson[3], np.where(mask[3] == 0, BACKGROUND, mask[3]))
    assert not lesson[[0, 2, 4]].any()


def test_what_was_corrected_once_stays_said_when_the_next_model_agrees(review, written):
    mask = written.copy()
    mask[1, 0, 0] = 2
    following = Review(Path("next.unet"))
    for z, plane in enumerate(mask):
        following.note(z, plane)
        following.vouch(z, review.corrected(z, plane))
    assert np.argwhere(following.lesson(mask)).tolist() == [[1, 0, 0]]
    assert following.summary(mask).corrected == {1: 1}


def test_models_are_scored_on_reviewed_slices_only(review, written):
    truth = written.copy()
    truth[2, 1:4, 1:4] = 0
    truth[2, 1:4, 2:5] = 1
    review.reviewed = {0, 2}
    assert review.dice(truth) == pytest.approx({0: 1.0, 2: 2 / 3})


def test_the_dice_of_several_classes_is_their_mean_and_of_none_it_is_one():
    one = np.array([[1, 1, 2, 0]], np.uint8)
    assert mean_dice(one, np.array([[1, 1, 0, 2]], np.uint8)) == pytest.approx(0.5)
    assert mean_dice(one * 0, one * 0) == 1.0
    assert mean_dice(one * 0, one) == 0.0


def test_what_the_model_wrote_takes_little_memory(review):
    plane = np.zeros((512, 512), np.uint8)
    plane[100:300, 50:400] = 3
    for z in range(100):
        review.note(z, plane)
    assert sum(map(len, review._written.values())) < plane.size
    np.testing.assert_array_equal(review.written(0, plane.shape), plane)


def test_what_is_known_of_slices_is_told_from_what_was_known_before(review):
    before, sure = review.checksum, np.zeros((8, 8), np.bool_)
    assert review.copy().checksum == before
    checksums = {before}
    for place in ((2, 2), (2, 3)):  # packed, both take as many bytes
        sure[:], sure[place] = False, True
        review.vouch(1, sure)
        checksums.add(review.checksum)
    assert len(checksums) == 3


def test_a_slice_is_looked_at_once_somebody_stayed(review, written):
    assert not review.spend(2, 1.5)
    assert review.spend(2, 1.0)
    assert not review.spend(2, 1.0), "it was looked at before"
    review.spend(4, 0.5)
    summary = review.summary(written)
    assert [z for z, state in enumerate(summary.states) if state is SliceState.LOOKED_AT] == [2]
    assert summary.effort == (SliceEffort(2, 3.5, 0, ((1, 0, 9),)),)


def test_effort_is_what_changed_on_slices_in_the_order_of_looking(review, written):
    mask = written.copy()
    mask[3, 0, :2], mask[1, 1:4, 1:4], mask[0, 0, 0] = 2, 0, 1
    for z, seconds in ((3, 10.0), (1, 20.0), (3, 5.0)):
        review.spend(z, seconds)
    assert review.effort(mask) == (
        SliceEffort(3, 15.0, 2, ((1, 0, 9), (2, 2, 2))),
        SliceEffort(1, 20.0, 9, ((1, 9, 9),)),
    )


def test_effort_goes_on_over_the_next_model_and_counts_nothing_twice(review, written):
    mask = written.copy()
    mask[1, 0, 0] = mask[2, 0, 0] = 2
    review.reviewed = {2}
    review.spend(1, 9.0)
    following = Review(Path("next.unet"))
    for z, plane in enumerate(written):
        following.note(z, plane)
        following.vouch(z, review.corrected(z, mask[z]) & (z != 2))
    following.take_over(review, review.effort(mask))
    assert following.reviewed == {2}
    for z in (1, 2):
        following.spend(z, 5.0)
    mask[1, 0, 1] = 2
    effort = ((SliceEffort(1, 5.0, 1, ((1, 0, 9), (2, 1, 2))),), (SliceEffort(1, 9.0, 1, ((1, 0, 9), (2, 1, 1))),))
    assert (following.effort(mask), following.earlier) == effort
    kept = Review(Path("next.unet"))
    for z, plane in enumerate(written):
        kept.note(z, plane)
        kept.vouch(z, following.vouched(z, plane.shape))
    kept.take_notes(json.loads(json.dumps(following.notes())))
    assert kept.reviewed == {2}
    summary = kept.summary(mask)
    assert (summary.effort, summary.earlier) == effort
