"""Growing and shrinking: against scikit-image, by hand, and the rules between neighbours."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage import morphology as reference

from napari_unet.refinement.morphology import grow, shrink

ISOTROPIC = (1.0, 1.0, 1.0)
THICK = (2.5, 0.8, 1.1)

small_masks = arrays(np.uint8, (4, 6, 7), elements=st.sampled_from([0, 0, 1, 1, 2, 3]))
spacings = st.sampled_from([ISOTROPIC, THICK, (0.5, 1.0, 2.0)])
radii = st.sampled_from([0.0, 1.0, 1.7, 2.5, 6.0])


def done(operation, labels, *args, **options):
    labels = labels.copy()
    for _ in operation(labels, *args, **options):
        pass
    return labels


def row(*labels):
    return np.array(labels, np.uint8).reshape(1, 1, -1)


def blob(seed):
    smoothed = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((12, 20, 18)), 1.5)
    return (smoothed > 0.05).astype(np.uint8)


@pytest.mark.parametrize("radius", [1, 2, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_isotropic_balls_are_those_of_scikit_image(radius, seed):
    labels, ball = blob(seed), reference.ball(radius)
    grown, shrunk = reference.dilation(labels, ball, mode="ignore"), reference.erosion(labels, ball, mode="ignore")
    assert grown.sum() > labels.sum() > shrunk.sum() > 0
    np.testing.assert_array_equal(done(grow, labels, radius=radius, spacing=ISOTROPIC), grown)
    np.testing.assert_array_equal(done(shrink, labels, radius=radius, spacing=ISOTROPIC), shrunk)


def test_lengths_are_millimetres_along_each_axis():
    labels = np.zeros((7, 9, 9), np.uint8)
    labels[3, 4, 4] = 1
    grown = done(grow, labels, radius=2.0, spacing=(5.0, 1.0, 2.0))
    # Nothing across the thick slices, two rows, one column; no corner is within 2 mm.
    assert np.argwhere(grown).tolist() == [[3, 2, 4], [3, 3, 4], [3, 4, 3], [3, 4, 4], [3, 4, 5], [3, 5, 4], [3, 6, 4]]
    block = np.zeros((5, 9, 9), np.uint8)
    block[1:4, 1:8, 1:8] = 1
    shrunk = done(shrink, block, radius=2.0, spacing=(5.0, 1.0, 2.0))
    expected = np.zeros_like(block)
    expected[1:4, 3:6, 2:7] = 1
    np.testing.assert_array_equal(shrunk, expected)


@pytest.mark.parametrize(("left", "right"), [(1, 2), (2, 1)])
def test_where_two_classes_meet_the_nearer_wins_then_the_lower_label(left, right):
    between = done(grow, row(left, 0, 0, 0, right), radius=3, spacing=ISOTROPIC)[0, 0]
    assert between.tolist() == [left, left, 1, right, right]


def test_a_class_that_does_not_grow_keeps_its_voxels():
    labels = row(1, 2, 0, 0)
    assert done(grow, labels, (1,), radius=2, spacing=ISOTROPIC)[0, 0].tolist() == [1, 2, 1, 0]


def test_it_grows_into_named_classes_but_not_into_others():
    labels = row(1, 2, 3, 0)
    assert done(grow, labels, (1,), radius=3, spacing=ISOTROPIC, into=(2,))[0, 0].tolist() == [1, 1, 3, 1]


def test_a_class_that_grows_itself_loses_nothing():
    labels = row(1, 2, 2, 0, 0)
    grown = done(grow, labels, (1, 2), radius=2, spacing=ISOTROPIC, into=(1, 2))
    assert grown[0, 0].tolist() == [1, 2, 2, 2, 2]


def test_shrinking_leaves_borders_between_classes_alone_unless_asked():
    labels = row(0, 1, 1, 1, 2, 2, 2, 0)
    assert done(shrink, labels, radius=1, spacing=ISOTROPIC)[0, 0].tolist() == [0, 0, 1, 1, 2, 2, 0, 0]
    apart = done(shrink, labels, radius=1, spacing=ISOTROPIC, from_neighbours=True)
    assert apart[0, 0].tolist() == [0, 0, 1, 0, 0, 2, 0, 0]


def test_the_border_of_the_volume_shrinks_nothing():
    labels = np.zeros((3, 6, 6), np.uint8)
    labels[:, :4] = 1
    shrunk = done(shrink, labels, radius=1, spacing=ISOTROPIC)
    np.testing.assert_array_equal(shrunk[:, :3], 1)
    assert not shrunk[:, 3:].any()


@given(small_masks, radii, spacings, st.sampled_from([(), (1,), (2, 3)]))
@settings(max_examples=60, deadline=None)
def test_only_background_is_gained_and_lost(labels, radius, spacing, classes):
    grown = done(grow, labels, classes, radius=radius, spacing=spacing)
    assert ((grown == labels) | (labels == 0)).all()
    for apart in (True, False):
        shrunk = done(shrink, labels, classes, radius=radius, spacing=spacing, from_neighbours=apart)
        assert ((shrunk == labels) | (shrunk == 0)).all()
    if classes:
        others = ~np.isin(labels, (0, *classes))
        np.testing.assert_array_equal(grown[others], labels[others])
        np.testing.assert_array_equal(shrunk[others], labels[others])


@given(small_masks, radii, spacings)
@settings(max_examples=40, deadline=None)
def test_the_order_of_the_classes_plays_no_part(labels, radius, spacing):
    """Each class is looked at as it was: what one of them loses is not background to the next."""
    renumbered = np.array([0, 3, 2, 1], np.uint8)
    shrunk = done(shrink, labels, radius=radius, spacing=spacing)
    np.testing.assert_array_equal(done(shrink, renumbered[labels], radius=radius, spacing=spacing), renumbered[shrunk])
    by_hand = np.where(_within(labels == 0, radius, spacing), 0, labels)
    np.testing.assert_array_equal(shrunk, by_hand)


def _within(shape, radius, spacing):
    if not shape.any():
        return shape
    return ndimage.distance_transform_edt(~shape, sampling=spacing) <= radius * (1 + 1e-6)
