"""Shapes: against brute force, against scikit-image, and the rules between classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from scipy.spatial.distance import cdist
from skimage import morphology as reference

from napari_unet.refinement.morphology import closing, fill_holes, opening
from napari_unet.refinement.smoothing import smooth_together as smooth

ISOTROPIC = (1.0, 1.0, 1.0)
THICK = (2.5, 0.8, 1.1)


def done(operation, labels, *args, **options):
    """Run an operation to its end on a copy."""
    labels = labels.copy()
    for _ in operation(labels, *args, **options):
        pass
    return labels


def blobs(seed, shape=(12, 20, 18), classes=1, sigma=1.2):
    """Smooth random shapes of several classes that also reach the border."""
    fields = np.random.default_rng(seed).standard_normal((classes + 1, *shape))
    smoothed = [ndimage.gaussian_filter(field, sigma) for field in fields]
    return np.argmax(smoothed, axis=0).astype(np.uint8)


def distances(shape, spacing):
    points = np.argwhere(np.ones(shape)) * spacing
    return cdist(points, points)


def by_brute_force(shape, radius, spacing):
    """Opening and closing by the distance of every voxel to every other."""
    near = distances(shape.shape, spacing) <= radius
    flat = shape.ravel()
    eroded = ~(near & ~flat).any(axis=1)
    dilated = (near & flat).any(axis=1)
    opened = (near & eroded).any(axis=1)
    closed = ~(near & ~dilated).any(axis=1)
    return opened.reshape(shape.shape), closed.reshape(shape.shape)


small_masks = arrays(np.uint8, (4, 6, 7), elements=st.sampled_from([0, 0, 1, 1, 2, 3]))
spacings = st.sampled_from([ISOTROPIC, THICK, (0.5, 1.0, 2.0)])
radii = st.sampled_from([0.0, 1.0, 1.7, 2.5, 6.0])


@pytest.mark.parametrize("radius", [1, 2, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_isotropic_balls_are_those_of_scikit_image(radius, seed):
    labels = blobs(seed)
    ball = reference.ball(radius)
    opened = reference.opening(labels, ball, mode="ignore")
    closed = reference.closing(labels, ball, mode="ignore")
    assert (opened != labels).any()
    assert (closed != labels).any()
    np.testing.assert_array_equal(done(opening, labels, radius=radius, spacing=ISOTROPIC), opened)
    np.testing.assert_array_equal(done(closing, labels, radius=radius, spacing=ISOTROPIC), closed)


@given(arrays(np.uint8, (4, 6, 7), elements=st.sampled_from([0, 1])), radii, spacings)
@settings(max_examples=60, deadline=None)
def test_anisotropic_balls_are_those_of_brute_force(labels, radius, spacing):
    opened, closed = by_brute_force(labels == 1, radius, spacing)
    np.testing.assert_array_equal(done(opening, labels, radius=radius, spacing=spacing), opened)
    np.testing.assert_array_equal(done(closing, labels, radius=radius, spacing=spacing), closed)


@pytest.mark.parametrize("operation", [opening, closing])
@pytest.mark.parametrize("spacing", [ISOTROPIC, THICK])
def test_beyond_the_border_the_volume_counts_as_mirrored(operation, spacing):
    labels = blobs(3, (8, 12, 10))
    mirrored = np.pad(labels, 6, mode="symmetric")
    inside = done(operation, mirrored, radius=2.6, spacing=spacing)[6:-6, 6:-6, 6:-6]
    np.testing.assert_array_equal(done(operation, labels, radius=2.6, spacing=spacing), inside)


@pytest.mark.parametrize("operation", [opening, closing])
def test_an_organ_cut_off_by_the_border_stays_as_it_is(operation):
    labels = np.zeros((6, 20, 20), np.uint8)
    labels[:, :9] = 1
    np.testing.assert_array_equal(done(operation, labels, radius=4, spacing=ISOTROPIC), labels)


def test_in_a_single_slice_balls_are_discs():
    labels = blobs(5, (1, 40, 40))
    opened = reference.opening(labels[0], reference.disk(2), mode="ignore")
    np.testing.assert_array_equal(done(opening, labels, radius=2, spacing=(5.0, 1.0, 1.0))[0], opened)


def test_across_slices_thicker_than_the_radius_nothing_happens():
    labels = np.zeros((3, 9, 9), np.uint8)
    labels[1, 2:7, 2:7] = 1
    np.testing.assert_array_equal(done(opening, labels, radius=1, spacing=(5.0, 1.0, 1.0)).any((1, 2)), [0, 1, 0])
    assert not done(opening, labels, radius=1, spacing=ISOTROPIC).any()


@pytest.mark.parametrize(("left", "right"), [(1, 2), (2, 1)])
def test_a_gap_between_two_classes_goes_to_the_nearer_then_to_the_lower_label(left, right):
    # Each class has walls on both sides of the gap, further apart for the right one.
    labels = np.zeros((1, 7, 9), np.uint8)
    labels[0, 0], labels[0, 6] = left, left
    labels[0, 2], labels[0, 5] = right, right
    closed = done(closing, labels, radius=3, spacing=ISOTROPIC)[0, :, 4]
    # Row 1 lies one row from both; row 3 one from `right`, three from `left`; row 4 likewise.
    assert closed.tolist() == [left, min(left, right), right, right, right, right, left]


def test_closing_leaves_other_classes_alone():
    labels = np.zeros((1, 9, 9), np.uint8)
    labels[0, 2:7, 2:7] = 1
    labels[0, 4, 4], labels[0, 4, 3] = 2, 0
    closed = done(closing, labels, (1,), radius=2, spacing=ISOTROPIC)
    assert closed[0, 4, 4] == 2
    assert closed[0, 4, 3] == 1


@given(small_masks, radii, spacings)
@settings(max_examples=40, deadline=None)
def test_no_class_eats_another(labels, radius, spacing):
    opened = done(opening, labels, radius=radius, spacing=spacing)
    assert ((opened == labels) | (opened == 0)).all()
    for grown in (
        done(closing, labels, radius=radius, spacing=spacing),
        done(fill_holes, labels, by_slice=True),
        done(fill_holes, labels, by_slice=False),
    ):
        assert ((grown == labels) | (labels == 0)).all()


@given(small_masks, radii, spacings)
@settings(max_examples=40, deadline=None)
def test_doing_it_twice_changes_nothing_more(labels, radius, spacing):
    for operation, options in (
        (opening, {"radius": radius, "spacing": spacing}),
        (closing, {"radius": radius, "spacing": spacing}),
        (fill_holes, {"by_slice": True}),
        (fill_holes, {"by_slice": False}),
    ):
        once = done(operation, labels, **options)
        np.testing.assert_array_equal(done(operation, once, **options), once)


@pytest.mark.parametrize("classes", [(2,), (1, 3)])
def test_only_the_named_classes_change(classes):
    labels = blobs(7, classes=3)
    for label in (1, 2, 3):
        labels[label, 1:4, 1:4] = label
        labels[label, 2, 2] = 0
    for operation, options in (
        (opening, {"radius": 2.0, "spacing": ISOTROPIC}),
        (closing, {"radius": 2.0, "spacing": ISOTROPIC}),
        (fill_holes, {"by_slice": True}),
        (smooth, {"sigma": 1.5, "spacing": ISOTROPIC}),
    ):
        after = done(operation, labels, classes, **options)
        changed = after != labels
        assert changed.any()
        assert set(np.unique(labels[changed])) | set(np.unique(after[changed])) <= {0, *classes}


@pytest.mark.parametrize("seed", range(3))
def test_holes_are_those_of_scipy(seed):
    labels = blobs(seed, (10, 24, 24), sigma=0.6)
    in_3d = ndimage.binary_fill_holes(labels)
    by_slice = np.stack([ndimage.binary_fill_holes(plane) for plane in labels])
    assert (in_3d != labels).any()
    np.testing.assert_array_equal(done(fill_holes, labels, by_slice=False), in_3d)
    np.testing.assert_array_equal(done(fill_holes, labels, by_slice=True), by_slice)


def test_a_canal_is_a_hole_of_its_slices_only():
    labels = np.zeros((5, 7, 7), np.uint8)
    labels[1:4, 1:6, 1:6] = 1
    labels[:, 3, 3] = 0
    np.testing.assert_array_equal(done(fill_holes, labels, by_slice=False), labels)
    assert done(fill_holes, labels, by_slice=True)[1:4, 3, 3].tolist() == [1, 1, 1]


def test_in_a_single_slice_a_hole_is_a_hole_either_way():
    labels = np.ones((1, 5, 5), np.uint8)
    labels[0, 2, 2] = 0
    assert done(fill_holes, labels, by_slice=False)[0, 2, 2] == 1


@pytest.mark.parametrize(("inner", "outer"), [(1, 2), (2, 1)])
def test_a_hole_within_a_hole_belongs_to_the_inner_class(inner, outer):
    labels = np.zeros((1, 11, 11), np.uint8)
    labels[0, 1:10, 1:10] = outer
    labels[0, 2:9, 2:9] = 0
    labels[0, 3:8, 3:8] = inner
    labels[0, 4:7, 4:7] = 0
    filled = done(fill_holes, labels, by_slice=True)[0]
    assert (filled[4:7, 4:7] == inner).all()
    assert (filled[2, 2:9] == outer).all()
    assert (filled[3:8, 3:8] == inner).all()


def test_smoothing_is_the_strongest_of_all_gaussians():
    labels = blobs(11, classes=3)
    strength = [
        ndimage.gaussian_filter((labels == label).astype(np.float64), [1.5 / s for s in THICK], truncate=3)
        for label in range(4)
    ]
    smoothed = done(smooth, labels, sigma=1.5, spacing=THICK)
    assert (smoothed != labels).any()
    np.testing.assert_array_equal(smoothed, np.argmax(strength, axis=0))


def test_smoothing_opens_no_gap_between_classes():
    jagged = np.random.default_rng(0).integers(-2, 3, 60) + 30
    labels = np.where(np.arange(60) < jagged[:, None], 1, 2).astype(np.uint8)[None]
    smoothed = done(smooth, labels, sigma=2, spacing=ISOTROPIC)
    assert smoothed.min() == 1
    assert np.abs(np.diff((smoothed[0] == 1).sum(axis=1))).max() < np.abs(np.diff(jagged)).max()


def test_smoothing_works_in_millimetres():
    labels = np.zeros((7, 21, 21), np.uint8)
    labels[3, 10, 3:18] = 1
    assert not done(smooth, labels, sigma=1, spacing=ISOTROPIC).any()
    fine = done(smooth, labels, sigma=1, spacing=(10.0, 10.0, 10.0))
    np.testing.assert_array_equal(fine, labels)


@pytest.mark.parametrize("shape", [(1, 6, 6), (4, 6, 6)])
def test_nothing_comes_of_nothing_and_all_of_all(shape):
    for value in (0, 1):
        labels = np.full(shape, value, np.uint8)
        for operation, options in (
            (opening, {"radius": 3.0, "spacing": ISOTROPIC}),
            (closing, {"radius": 3.0, "spacing": ISOTROPIC}),
            (fill_holes, {"by_slice": False}),
            (smooth, {"sigma": 2.0, "spacing": ISOTROPIC}),
        ):
            np.testing.assert_array_equal(done(operation, labels, **options), labels)
