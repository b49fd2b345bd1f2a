"""The piece under a click is that of the whole volume, and a line cuts it in two, through all slices."""

import cc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_unet.errors import BadInput
from napari_unet.refinement import clicked
from napari_unet.refinement.clicked import border_between, cut_off, piece_across, piece_at

SPACING = (2.0, 1.0, 1.0)


def filled(piece, shape):
    """Put a piece back into an empty volume."""
    volume = np.zeros(shape, bool)
    volume[piece.box] = piece.where
    return volume


@given(arrays(np.uint8, (5, 9, 10), elements=st.sampled_from([0, 1, 1, 1, 2])), st.data())
@settings(deadline=None)
def test_a_piece_is_what_hangs_together_in_the_whole_volume(labels, data):
    voxel = tuple(data.draw(st.integers(0, length - 1)) for length in labels.shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clicked, "FIRST_REACH", (0, 1, 1))
        piece = piece_at(labels, voxel)
    pieces = cc3d.connected_components((labels == labels[voxel]).astype(np.uint8), connectivity=6)
    np.testing.assert_array_equal(filled(piece, labels.shape), pieces == pieces[voxel])
    assert piece.label == labels[voxel]
    assert piece.voxels == np.count_nonzero(pieces == pieces[voxel])


def dumbbell():
    """Two balls that touch, in labels (20, 40, 60); the left one is larger."""
    z, y, x = np.mgrid[:20, :40, :60]
    left = ((z - 10) * 2) ** 2 + (y - 20) ** 2 + (x - 18) ** 2 < 15**2
    right = ((z - 10) * 2) ** 2 + (y - 20) ** 2 + (x - 42) ** 2 < 12**2
    return (3 * (left | right)).astype(np.uint8), left & (x < 31)


def test_a_line_cuts_through_all_slices_and_gives_the_smaller_part():
    labels, left = dumbbell()
    line = np.array([(10, 0, 31), (10, 39, 31)])
    piece = piece_across(labels, line)
    part = cut_off(piece, line, 0, SPACING)
    np.testing.assert_array_equal(filled(part, labels.shape), (labels == 3) & ~left & (np.arange(60) > 31))
    gap = border_between(part, piece)
    apart = labels.copy()
    apart[piece.box][gap] = 0
    assert piece_at(apart, (10, 20, 42)).voxels + np.count_nonzero(gap) == part.voxels
    assert piece_at(apart, (10, 20, 18)).voxels == piece.voxels - part.voxels


def test_a_line_on_a_slice_along_another_axis_cuts_too():
    labels, _ = dumbbell()
    line = np.array([(0, 20, 31), (19, 20, 31)])
    part = cut_off(piece_across(labels, line), line, 1, SPACING)
    assert piece_at(labels, (10, 20, 42)).voxels > 2 * part.voxels > 0


@given(st.integers(0, 4), st.integers(35, 39), st.integers(25, 37), st.integers(25, 37))
@settings(deadline=None, max_examples=20)
def test_a_line_all_the_way_across_always_gives_the_smaller_of_two_parts(top, bottom, left, right):
    labels, _ = dumbbell()
    line = np.array([(9, top, left), (9, bottom, right)])
    piece = piece_across(labels, line)
    part = cut_off(piece, line, 0, SPACING)
    assert 0 < part.voxels <= piece.voxels - part.voxels
    assert not (part.where & ~piece.where).any()


@pytest.mark.parametrize(
    ("corners", "says"),
    [
        ([(10, 20, 20), (10, 20, 25)], "all the way across"),
        ([(10, 0, 0), (10, 0, 59)], "does not cross"),
        ([(10, -9, -9), (10, -5, -5)], "does not cross"),
        ([(10, 20, 20)], "all the way across"),
    ],
)
def test_a_line_that_does_not_divide_says_how_to_draw_it(corners, says):
    labels, _ = dumbbell()
    line = np.array(corners)
    with pytest.raises(BadInput, match=says):
        cut_off(piece_across(labels, line), line, 0, SPACING)
