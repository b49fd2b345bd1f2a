"""Tiles cover a volume once, lie on the network's lattice and see real neighbours."""

from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_unet.inference.tiling import (
    MOST_WORK,
    Tile,
    affordable,
    core_within,
    cover,
    most_seen,
    smaller_core,
    work,
)


def triples(smallest: int, largest: int) -> st.SearchStrategy[tuple[int, int, int]]:
    side = st.integers(smallest, largest)
    return st.tuples(side, side, side)


strides = st.tuples(*[st.sampled_from((1, 2, 4, 8))] * 3)
cuts = st.tuples(triples(1, 30), triples(3, 40), strides, triples(0, 12))
quick = settings(deadline=None, max_examples=60, derandomize=True)


@quick
@given(cuts)
def test_every_voxel_is_in_exactly_one_core(cut):
    times = np.zeros(cut[0], int)
    for tile in cover(*cut):
        times[tile.core] += 1
    assert (times == 1).all()


@quick
@given(cuts)
def test_tiles_lie_on_the_lattice_and_see_their_halo(cut):
    shape, _, stride, halo = cut
    for tile in cover(*cut):
        for size, step, margin, core, seen in zip(shape, stride, halo, tile.core, tile.seen, strict=True):
            assert seen.start % step == 0
            assert seen.stop % step == 0 or seen.stop == size
            assert seen.start <= max(0, core.start - margin)
            assert seen.stop >= min(size, core.stop + margin)
            assert 0 <= seen.start < seen.stop <= size


@quick
@given(cuts)
def test_the_core_is_found_again_in_what_is_seen(cut):
    volume = np.arange(prod(cut[0])).reshape(cut[0])
    for tile in cover(*cut):
        np.testing.assert_array_equal(volume[tile.seen][tile.core_in_seen], volume[tile.core])


@quick
@given(cuts)
def test_no_tile_sees_more_than_foretold(cut):
    assert max(prod(s.stop - s.start for s in tile.seen) for tile in cover(*cut)) <= most_seen(*cut)


@quick
@given(cuts)
def test_smaller_cores_see_less_and_come_to_an_end(cut):
    shape, core, stride, halo = cut
    for _ in range(100):
        smaller = smaller_core(core, shape, stride, halo)
        if smaller is None:
            break
        assert most_seen(shape, smaller, stride, halo) < most_seen(shape, core, stride, halo)
        core = smaller
    assert smaller is None


def test_a_volume_that_fits_is_one_tile():
    shape = (1, 512, 500)
    core = core_within(1536**2, shape, (1, 16, 16), (0, 96, 96))
    everything = tuple(slice(0, n) for n in shape)
    assert cover(shape, core, (1, 16, 16), (0, 96, 96)) == (Tile(everything, everything),)


@pytest.mark.parametrize("shape", [(1, 4000, 3000), (40, 512, 512), (700, 90, 90)])
def test_a_volume_that_does_not_fit_is_cut_until_it_does(shape):
    stride, halo = (1, 16, 16) if shape[0] == 1 else (16, 16, 16), (0 if shape[0] == 1 else 20, 20, 20)
    core = core_within(1_000_000, shape, stride, halo)
    assert 250_000 < most_seen(shape, core, stride, halo) <= 1_000_000


def test_a_core_is_not_cut_below_its_halo():
    assert min(core_within(1, (1, 4000, 4000), (1, 16, 16), (0, 96, 96))[1:]) >= 96


def test_of_cores_that_fit_the_one_with_the_least_work_is_taken():
    shape, stride, halo = (64, 256, 256), (16, 16, 16), (16, 16, 16)
    core = core_within(3_000_000, shape, stride, halo)
    assert work(shape, core, stride, halo) < 1.25
    assert core_within(2_000_000, (8, 64, 64), (8, 8, 8), (0, 0, 0)) == (8, 64, 64)


@pytest.mark.parametrize("room", [2e6, 4e6, 8e6, 1e9])
def test_a_halo_that_costs_too_much_is_narrowed(room):
    shape, stride, halo = (300, 400, 400), (16, 16, 16), (92, 92, 92)
    core, narrowed = affordable(room, shape, stride, halo)
    assert most_seen(shape, core, stride, narrowed) <= room
    assert all(31 <= margin <= 92 for margin in narrowed)
    if narrowed != (31, 31, 31):
        assert work(shape, core, stride, narrowed) <= MOST_WORK
    assert (narrowed == halo) == (room == 1e9)


def test_slices_keep_their_halo():
    shape, stride, halo = (1, 2048, 2048), (1, 16, 16), (0, 92, 92)
    core, narrowed = affordable(2e6, shape, stride, halo)
    assert narrowed == halo
    assert work(shape, core, stride, halo) < 1.25


def test_a_tile_is_moved_along_z_only():
    (tile,) = cover((3, 8, 8), (3, 8, 8), (1, 1, 1), (0, 0, 0))
    assert tile.moved(6).core == (slice(6, 9), slice(0, 8), slice(0, 8))
    assert tile.moved(6).core_in_seen == tile.core_in_seen
