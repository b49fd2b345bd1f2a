"""Connected pieces: which stay and which go."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_unet.errors import BadInput
from napari_unet.refinement.pieces import FIRST_REACH, keep_largest, keep_touching, remove_small

sparse_masks = arrays(np.uint8, (14, 5, 5), elements=st.sampled_from([0, 0, 0, 0, 1, 2]))


def without_small(labels, *args, **options):
    labels = labels.copy()
    remove_small(labels, *args, **options)
    return labels


def largest(labels, *args, **options):
    labels = labels.copy()
    keep_largest(labels, *args, **options)
    return labels


@pytest.fixture
def three_pieces():
    """Class 1 with pieces of 8, 4 and 2 voxels; the last touches a single voxel of class 2."""
    labels = np.zeros((3, 8, 12), np.uint8)
    labels[0:2, 1:3, 1:3] = 1
    labels[1, 1:3, 6:8] = 1
    labels[2, 6, 9:11] = 1
    labels[2, 6, 11] = 2
    return labels


@pytest.mark.parametrize(("fewest", "left"), [(0, 14), (2, 14), (3, 12), (4, 12), (5, 8), (9, 0)])
def test_pieces_below_the_size_go(three_pieces, fewest, left):
    assert np.count_nonzero(without_small(three_pieces, fewest=fewest) == 1) == left


def test_classes_that_touch_are_pieces_of_their_own(three_pieces):
    assert not (without_small(three_pieces, fewest=3) == 2).any()


def test_only_pieces_of_named_classes_go(three_pieces):
    after = without_small(three_pieces, (2,), fewest=100)
    np.testing.assert_array_equal(after, np.where(three_pieces == 2, 0, three_pieces))


def test_a_corner_joins():
    labels = np.zeros((2, 2, 2), np.uint8)
    labels[0, 0, 0] = labels[1, 1, 1] = 1
    np.testing.assert_array_equal(without_small(labels, fewest=2), labels)


def test_a_piece_with_a_protected_voxel_stays_whole(three_pieces):
    fixed = np.zeros(three_pieces.shape, np.bool_)
    fixed[2, 6, 9] = True
    assert np.count_nonzero(without_small(three_pieces, fewest=5, fixed=fixed) == 1) == 10
    assert np.count_nonzero(largest(three_pieces, count=1, fixed=fixed) == 1) == 10


@pytest.mark.parametrize(("count", "left"), [(1, 8), (2, 12), (3, 14), (9, 14)])
def test_the_largest_stay(three_pieces, count, left):
    after = largest(three_pieces, count=count)
    assert np.count_nonzero(after == 1) == left
    assert np.count_nonzero(after == 2) == 1


def test_of_equal_pieces_the_first_stays():
    labels = np.zeros((1, 1, 5), np.uint8)
    labels[0, 0, [1, 3]] = 1
    assert largest(labels, count=1).ravel().tolist() == [0, 1, 0, 0, 0]


def test_a_few_slices_know_of_the_whole_piece():
    labels = np.zeros((6 * FIRST_REACH, 4, 4), np.uint8)
    labels[:, 1, 1] = 1  # long and thin: far more slices than are looked at first
    labels[10, 3, 3] = 1
    after = without_small(labels, fewest=len(labels), slices=slice(10, 11))
    assert after[10, 1, 1] == 1
    assert after[10, 3, 3] == 0
    assert not without_small(labels, fewest=len(labels) + 1, slices=slice(10, 11))[10].any()


@given(sparse_masks, st.integers(0, 12), st.integers(0, 13), st.booleans())
@settings(max_examples=80, deadline=None)
def test_a_few_slices_come_out_as_in_the_whole(labels, fewest, z, protect):
    fixed = np.zeros(labels.shape, np.bool_)
    fixed[5] = protect
    whole = without_small(labels, fewest=fewest, fixed=fixed)
    few = without_small(labels, fewest=fewest, fixed=fixed, slices=slice(z, z + 1))
    np.testing.assert_array_equal(few[z], whole[z])
    np.testing.assert_array_equal(np.delete(few, z, 0), np.delete(labels, z, 0))


@given(sparse_masks, st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_keeping_the_largest_twice_changes_nothing_more(labels, count):
    once = largest(labels, count=count)
    np.testing.assert_array_equal(largest(once, count=count), once)


def test_as_many_pieces_as_there_can_be_are_counted():
    dots = np.zeros((1, 101, 101), np.uint8)
    dots[:, ::2, ::2] = 1
    assert np.count_nonzero(largest(dots, count=7)) == 7
    assert not without_small(dots, fewest=2).any()


def test_nothing_has_no_pieces():
    empty = np.zeros((2, 3, 3), np.uint8)
    np.testing.assert_array_equal(without_small(empty, fewest=5), empty)
    np.testing.assert_array_equal(largest(empty, count=1), empty)


def touching(labels, *args, reach=0.0, spacing=(1.0, 1.0, 1.0), **options):
    labels = labels.copy()
    for _ in keep_touching(labels, *args, reach=reach, spacing=spacing, **options):
        pass
    return labels


def test_the_piece_with_the_point_stays_and_classes_without_one_stay_whole(three_pieces):
    after = touching(three_pieces, points=[(1, 2, 6.4)])
    assert np.argwhere(after == 1).tolist() == [[1, 1, 6], [1, 1, 7], [1, 2, 6], [1, 2, 7]]
    assert (after == 2).sum() == 1


def test_several_points_keep_several_pieces(three_pieces):
    after = touching(three_pieces, points=[(0, 1, 1), (2, 6, 9)])
    assert (after == 1).sum() == 10


def test_a_point_reaches_so_many_millimetres(three_pieces):
    # 3 columns of 2 mm from the piece of 4, 3 columns from that of 8, rounded away by the spacing of slices.
    point, spacing = [(1, 2, 4)], (5.0, 1.0, 2.0)
    np.testing.assert_array_equal(touching(three_pieces, points=point, spacing=spacing, reach=3.9), three_pieces)
    both = touching(three_pieces, points=point, spacing=spacing, reach=4.0)
    assert (both == 1).sum() == 12
    right = touching(three_pieces, points=[(1, 2, 4.1)], spacing=spacing, reach=3.9)
    assert np.argwhere(right == 1)[:, 2].min() == 6


def test_a_protected_piece_stays_beside_the_touched(three_pieces):
    fixed = np.zeros(three_pieces.shape, np.bool_)
    fixed[0, 1, 1] = True
    assert (touching(three_pieces, points=[(1, 1, 6)], fixed=fixed) == 1).sum() == 12


def test_no_point_keeps_everything(three_pieces):
    np.testing.assert_array_equal(touching(three_pieces, points=[]), three_pieces)


@pytest.mark.parametrize("point", [(3, 0, 0), (0, -1, 0), (0, 0, 11.6)])
def test_a_point_outside_is_refused(three_pieces, point):
    with pytest.raises(BadInput, match="lies outside the mask"):
        touching(three_pieces, points=[point])
