"""What a stroke leaves as it is: protected labels, all but one label, intensities out of range."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_unet.strokes import Limits, range_around

LABELS = arrays(np.uint8, (3, 5, 6), elements=st.sampled_from([0, 1, 2, 3, 255]))
SCAN = arrays(np.float32, (3, 5, 6), elements=st.floats(-100, 100, width=32) | st.just(np.nan))


@given(LABELS, SCAN, st.sets(st.sampled_from([0, 1, 2, 255])), st.none() | st.sampled_from([1, 2]), st.booleans())
def test_a_voxel_is_free_unless_one_limit_forbids_it(labels, scan, protected, only, ranged):
    limits = Limits(frozenset(protected), only, (-20.0, 30.0) if ranged else None)
    free = limits.leave_free(labels, scan)
    for at in np.ndindex(labels.shape):
        forbidden = labels[at] in protected
        forbidden |= only is not None and labels[at] not in (0, only)
        forbidden |= ranged and not -20 <= scan[at] <= 30
        assert free[at] == (not forbidden)


def test_without_limits_everything_is_free():
    assert Limits().leave_free(np.arange(256, dtype=np.uint8)).all()


def test_labels_of_other_plugins_are_protected_too():
    assert Limits(frozenset({70_000})).leave_free(np.array([0, 70_000], np.int32)).tolist() == [True, False]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4])
def test_the_range_is_that_of_the_tissue_the_brush_begins_on_also_across_its_edge(share):
    random = np.random.default_rng(0)
    tissue, other = random.normal(60, 5, 400), random.normal(-100, 5, 400)
    dab = np.where(np.arange(400) < 400 * share, other, tissue)
    low, high = range_around(dab, 2.5)
    assert np.mean((tissue >= low) & (tissue <= high)) > 0.95
    assert not ((other >= low) & (other <= high)).any()


@given(arrays(np.float64, st.integers(1, 30), elements=st.floats(-1e6, 1e6)), st.floats(0, 10))
def test_the_range_holds_the_middle_and_grows_with_the_spread(values, spread):
    low, high = range_around(values, spread)
    assert low <= np.median(values) <= high
    wider = range_around(values, spread + 1)
    assert wider[0] <= low
    assert wider[1] >= high


def test_nothing_is_like_what_is_no_number():
    limits = Limits(within=range_around(np.array([np.nan, np.inf]), 2.5))
    assert not limits.leave_free(np.zeros(2, np.uint8), np.array([0.0, np.inf])).any()
