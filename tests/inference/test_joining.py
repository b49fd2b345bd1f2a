"""Windows that overlap cover everything and become one result without seams."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_unet.inference.joining import Blended, SideBySide
from napari_unet.inference.maps import Decision, Maps, Wanted
from napari_unet.inference.tiling import cover, windows

SIDES = st.tuples(st.integers(1, 9), st.integers(1, 70), st.integers(1, 70))


@settings(deadline=None)
@given(shape=SIDES, core=SIDES, strides=st.tuples(st.sampled_from([1, 2]), st.sampled_from([2, 4]), st.just(8)))
def test_windows_overlap_by_half_and_have_one_size(shape, core, strides):
    tiles = windows(shape, core, strides, (3, 0, 0))
    assert all(tile not in tiles[:number] for number, tile in enumerate(tiles))
    seen = np.zeros(shape, int)
    for tile in tiles:
        seen[tile.core] += 1
        assert tile.core[1:] == tile.seen[1:]
    assert (seen > 0).all()
    for axis in (1, 2):
        starts = sorted({tile.core[axis].start for tile in tiles})
        (side,) = {tile.core[axis].stop - tile.core[axis].start for tile in tiles}
        assert starts[0] == 0
        assert starts[-1] + side == shape[axis]
        assert all(2 * (after - before) <= side + 2 for before, after in pairwise(starts))
    assert {(tile.core[0].start, tile.seen[0].start) for tile in tiles} == {
        (tile.core[0].start, tile.seen[0].start) for tile in cover(shape, core, strides, (3, 0, 0))
    }


def joined(joining, tiles, volume):
    """Cut a volume (N, classes, Z, Y, X) into tiles and join them again."""
    for tile in tiles:
        part = volume[(..., *tile.core)]
        joining.add(tile, Maps(part.argmax(1).astype(np.uint8), part))
    return joining.result()


def decision(*labels):
    return Decision(labels, {}, torch.device("cpu"))


@pytest.mark.parametrize("cut", [cover, windows])
def test_tiles_that_agree_become_what_they_were_cut_from(cut):
    softmax = np.random.default_rng(0).dirichlet([1, 1, 1], (2, 3, 20, 33)).transpose(0, 4, 1, 2, 3).astype(np.float16)
    shape = softmax.shape[2:]
    wanted = Wanted(probabilities=True)
    joining = SideBySide(2, shape, 3, wanted) if cut is cover else Blended(2, shape, 3, wanted, decision(0, 1, 2))
    maps = joined(joining, cut(shape, (3, 8, 8), (1, 4, 4), (0, 0, 0)), softmax)
    np.testing.assert_array_equal(maps.labels, softmax.argmax(1))
    np.testing.assert_allclose(maps.probabilities, softmax, atol=1e-3)


def test_tiles_that_disagree_leave_no_seam():
    blended = Blended(1, (1, 32, 128), 2, Wanted(probabilities=True), decision(4, 9))
    for number, tile in enumerate(windows((1, 32, 128), (1, 32, 64), (1, 16, 16), (0, 0, 0))):
        certain = np.zeros((1, 2, 1, 32, 64), np.float16)
        certain[:, number % 2] = 1
        blended.add(tile, Maps(np.zeros((1, 1, 32, 64), np.uint8), certain))
    maps = blended.result()
    along = maps.probabilities[0, 0, 0, 16].astype(float)
    assert along.min() < 0.01
    assert along.max() > 0.99
    assert abs(np.diff(along)).max() < 0.15
    assert set(np.unique(maps.labels)) == {4, 9}
