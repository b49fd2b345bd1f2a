"""Smoothing the signed distance of each class: against SciPy, and the rules between classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from napari_unet.refinement.smoothing import TRUNCATE, smooth_distance

ISOTROPIC = (1.0, 1.0, 1.0)
THICK = (2.5, 0.8, 1.1)


def smoothed(labels, classes=(), **options):
    labels = labels.copy()
    for _ in smooth_distance(labels, classes, **options):
        pass
    return labels


def by_scipy(shape, sigma, spacing):
    outside = ndimage.distance_transform_edt(~shape, sampling=spacing)
    distance = outside - ndimage.distance_transform_edt(shape, sampling=spacing)
    cut = TRUNCATE * sigma
    return ndimage.gaussian_filter(distance.clip(-cut, cut), [sigma / s for s in spacing], truncate=TRUNCATE)


@pytest.mark.parametrize("spacing", [ISOTROPIC, THICK])
@pytest.mark.parametrize("sigma", [0.8, 1.5])
@pytest.mark.parametrize("seed", [0, 1])
def test_one_class_is_what_scipy_gives(seed, sigma, spacing):
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((12, 20, 18)), 1.0)
    labels = (field > 0.05).astype(np.uint8)
    expected = by_scipy(labels > 0, sigma, spacing)
    found = smoothed(labels, sigma=sigma, spacing=spacing)
    clear = np.abs(expected) > 1e-3
    assert (found != labels).any()
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(found[clear] == 1, expected[clear] < 0)


def test_a_straight_edge_stays_where_it_is():
    labels = np.zeros((5, 20, 20), np.uint8)
    labels[:, :9] = 1
    np.testing.assert_array_equal(smoothed(labels, sigma=2, spacing=THICK), labels)


def test_a_step_in_an_edge_is_rounded_off():
    labels = np.zeros((1, 40, 40), np.uint8)
    labels[0, :20] = 1
    labels[0, 16:20, 19:22] = 0  # a notch, 3 wide and 4 deep
    labels[0, 20:24, 9:12] = 1  # a bump
    found = smoothed(labels, sigma=3, spacing=ISOTROPIC)[0]
    assert not found[21:].any()
    assert found[:18].all()


def test_no_width_changes_nothing():
    labels = np.random.default_rng(0).integers(0, 3, (3, 8, 8)).astype(np.uint8)
    np.testing.assert_array_equal(smoothed(labels, sigma=0, spacing=ISOTROPIC), labels)


@given(
    arrays(np.uint8, (4, 6, 7), elements=st.sampled_from([0, 0, 1, 1, 2, 3])),
    st.sampled_from([0.5, 1.0, 2.0]),
    st.sampled_from([(), (1,), (2, 3)]),
)
@settings(max_examples=60, deadline=None)
def test_no_class_eats_another_and_others_stay(labels, sigma, classes):
    found = smoothed(labels, classes, sigma=sigma, spacing=THICK)
    assert ((found == labels) | (found == 0) | (labels == 0)).all()
    if classes:
        others = ~np.isin(labels, (0, *classes))
        np.testing.assert_array_equal(found[others], labels[others])
        assert np.isin(found[found != labels], (0, *classes)).all()
