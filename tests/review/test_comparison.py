"""Two models compared on what a person said: what was gained and lost, in words."""

from napari_unet.review.comparison import Ground, slices_found_right, verdict


def test_gained_and_lost_slices_are_told_and_the_worst_come_first():
    ground = Ground(slices_found_right(3), {1: (0.5, 0.7), 2: (0.9, 0.8), 4: (0.8, 0.801)})
    assert (ground.gained, ground.lost, ground.slices) == ((1,), (2,), (2, 4, 1))
    assert ground.sentence() == (
        "On the 3 slices you found right: Dice 0.733 before, 0.767 now; better on 1, worse on 1 (2)."
    )


def test_slices_without_a_difference_are_neither_and_no_ground_is_said_to_be_none():
    paint = Ground('the paint "CTChest paint" from before', dict.fromkeys(range(7), (0.91, 0.9)))
    assert paint.sentence() == (
        'On the paint "CTChest paint" from before: Dice 0.910 before, 0.900 now; '
        "better on 0, worse on 7 (0, 1, 2, 3, 4, …)."
    )
    right = Ground(slices_found_right(1), {3: (0.2, 0.201)})
    assert (
        verdict([right, paint])
        == "On the slice you found right: Dice 0.200 before, 0.201 now; better on 0, worse on 0."
    )
    assert "cannot be compared" in verdict([])
