"""The time on a slice is that of a person at work, and the advice to stop holds for large and for small structures."""

import numpy as np
import pytest

from napari_unet.review.effort import IDLE, LONGEST_TICK, Attention, SliceEffort, advice


def voxels(number):
    return f"{number} voxels"


def told(series):
    return advice(series, voxels, "class {}".format)


def spent(*changed, mask=1000, seconds=10.0):
    """Say what slices took, of one class."""
    return [SliceEffort(z, seconds, number, ((1, number, mask),) * bool(mask)) for z, number in enumerate(changed)]


@pytest.fixture
def attention():
    """Give one that begins to count at 100 s."""
    attention = Attention()
    assert attention.seconds(100.0, "mouse here", True) == 0
    return attention


def test_time_counts_while_a_person_is_there(attention):
    ticks = [attention.seconds(100.0 + half / 2, f"mouse at {half}", True) for half in range(1, 200)]
    assert sum(ticks) == pytest.approx(99.5)


def test_whoever_does_nothing_is_not_there_for_long(attention):
    ticks = [attention.seconds(101.0 + second, "mouse here", True) for second in range(60)]
    assert sum(ticks) == IDLE - 1
    assert attention.seconds(161.0, "a key", True) == 1


def test_a_window_behind_others_does_not_count_and_nor_does_the_mouse_over_them(attention):
    assert attention.seconds(101.0, "mouse there", False) == 0
    assert attention.seconds(102.0, "mouse further", False) == 0
    assert attention.seconds(103.0, "mouse back", True) == 1


def test_a_computer_that_slept_was_not_worked_at(attention):
    assert attention.seconds(5000.0, "lid open", True) == LONGEST_TICK


def test_before_anything_was_looked_at_there_is_no_advice():
    assert told([]) == ""
    assert told(spent(0, 0, 0, 0, 0, 0, mask=0)) == "", "empty slices tell nothing about the mask"


def test_a_few_slices_are_too_few():
    assert told(spent(0, 0, 0)).startswith("You looked at 3 of the 5 slices")


def test_stop_when_the_last_five_needed_little():
    assert told(spent(500, 400, 30, 20, 0, 0, 10)) == (
        "The last 5 slices needed 60 voxels (1.2 % of the mask there), 10 s each: you can stop."
    )
    assert told(spent(0, 0, 0, 0, 0, seconds=4)) == ("The last 5 slices needed no change, 4 s each: you can stop.")


def test_go_on_when_they_needed_more():
    assert told(spent(0, 0, 0, 0, 0, 500, 100, 100, 0, 0)) == (
        "Slices still need about 140 voxels each (14 % of class 1 there), 10 s each: "
        "go on, or let it learn from what you corrected."
    )


@pytest.mark.parametrize("mask", [500, 1000, 100_000])
def test_the_size_of_the_structure_makes_no_difference(mask):
    little, much = (
        told(spent(*[mask // 50] * 5, mask=mask)),
        told(spent(*[mask // 10] * 5, mask=mask)),
    )
    assert little.endswith("you can stop.")
    assert "go on" in much


def test_empty_slices_between_do_not_make_it_look_better():
    bad, empty = spent(100, 100, 100, 100, 100), spent(*[0] * 20, mask=0)
    assert "go on" in told([*bad, *empty])


def test_a_lesion_in_a_liver_counts_as_much_as_the_liver():
    slices = [SliceEffort(z, 10.0, 8, ((1, 4, 50_000), (2, 8, 40))) for z in range(5)]
    assert told(slices).startswith("Slices still need about 8 voxels each (20 % of class 2 there)")


def test_less_than_a_voxel_a_slice_is_good_enough_for_the_smallest_structure():
    assert told(spent(1, 1, 1, 0, 1, mask=20)).endswith("you can stop.")
    assert "go on" in told(spent(2, 1, 1, 1, 1, mask=20))


def test_what_a_slice_took_is_told_by_class():
    before, after = np.array([[0, 1, 1, 2]], np.uint8), np.array([[1, 1, 2, 2]], np.uint8)
    assert SliceEffort.of(3, 7.0, before, after) == SliceEffort(3, 7.0, 2, ((1, 2, 2), (2, 1, 2)))
    assert SliceEffort.of(3, 7.0, before * 0, before * 0).classes == ()
