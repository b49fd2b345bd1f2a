"""Splitting touching objects at their necks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.morphology import h_maxima
from skimage.segmentation import watershed

from napari_unet.errors import BadInput
from napari_unet.refinement.connected import connected_pieces
from napari_unet.refinement.splitting import split

ISOTROPIC = (1.0, 1.0, 1.0)


def after(labels, classes=(), *, neck=1.0, spacing=ISOTROPIC, **options):
    labels = labels.copy()
    for _ in split(labels, classes, neck=neck, spacing=spacing, **options):
        pass
    return labels


def balls(shape, *centres_and_radii, spacing=ISOTROPIC):
    labels = np.zeros(shape, np.uint8)
    grid = np.indices(shape)
    for *centre, radius in centres_and_radii:
        squared = sum(((axis - place) * step) ** 2 for axis, place, step in zip(grid, centre, spacing, strict=True))
        labels[squared <= radius**2] = 1
    return labels


@pytest.fixture
def cells():
    """Three discs in a row that overlap a little, and one by itself."""
    return balls((1, 40, 80), (0, 20, 14, 9), (0, 20, 30, 9), (0, 20, 46, 9), (0, 20, 68, 6))


def pieces(labels):
    return int(connected_pieces(labels > 0, connectivity=26).max())


def test_a_line_of_one_voxel_parts_touching_cells(cells):
    assert pieces(cells) == 2
    parted = after(cells)
    assert pieces(parted) == 4
    lost = np.argwhere((parted != cells)[0])
    assert set(lost[:, 1]) <= {21, 22, 23, 37, 38, 39}
    assert len(lost) < 2 * 12
    assert not (parted > cells).any()


def test_numbered_cells_keep_all_their_voxels(cells):
    numbered = after(cells, number=True)
    np.testing.assert_array_equal(numbered > 0, cells > 0)
    assert [int(numbered[0, 20, x]) for x in (14, 30, 46, 68)] == [1, 2, 3, 4]


def test_a_neck_that_is_not_thin_enough_parts_nothing(cells):
    np.testing.assert_array_equal(after(cells, neck=5.0), cells)


def test_the_neck_is_in_millimetres(cells):
    np.testing.assert_array_equal(after(cells, neck=5.0, spacing=(1.0, 10.0, 10.0)), after(cells, neck=0.5))


def test_balls_in_thick_slices_are_parted_in_three_dimensions():
    spacing = (2.0, 1.0, 1.0)
    two = balls((24, 30, 30), (6, 15, 15, 9), (13.5, 15, 15, 9), spacing=spacing)
    assert pieces(two) == 1
    parted = after(two, spacing=spacing)
    assert pieces(parted) == 2
    assert set(np.argwhere(parted != two)[:, 0]) <= {9, 10}
    np.testing.assert_array_equal(after(two, spacing=spacing, by_slice=True), two)


def test_slice_by_slice_each_slice_is_by_itself(cells):
    stack = np.concatenate([cells, np.zeros_like(cells), cells])
    parted = after(stack, by_slice=True)
    np.testing.assert_array_equal(parted, np.concatenate([after(cells), np.zeros_like(cells), after(cells)]))
    numbered = after(stack, by_slice=True, number=True)
    np.testing.assert_array_equal(numbered[0], numbered[2])


@pytest.mark.parametrize("seed", range(4))
def test_the_objects_are_those_of_scikit_image(seed):
    random = np.random.default_rng(seed)
    labels = balls((1, 80, 80), *((0, *random.uniform(5, 75, 2), random.uniform(6, 10)) for _ in range(14)))[0]
    padded = np.pad(labels, 1)  # there the border of the picture is an edge
    depth = ndimage.distance_transform_edt(padded)
    seeds, count = ndimage.label(h_maxima(depth, 1.0), np.ones((3, 3)))
    expected = watershed(-depth, seeds, mask=padded > 0, connectivity=2)
    found = after(padded[None], number=True)[0]
    assert found.max() == count > 4
    # Each has its counterpart; voxels as near to one as to another may go either way.
    pairs = [(expected == label, found == found[seeds == label][0]) for label in range(1, count + 1)]
    assert sum((a & b).sum() for a, b in pairs) > 0.98 * (padded > 0).sum()


def test_classes_are_split_by_themselves(cells):
    two = np.where(np.arange(80) < 38, cells, 2 * cells).astype(np.uint8)
    only_second = after(two, (2,))
    np.testing.assert_array_equal(only_second[two == 1], 1)
    both = after(two)
    assert ((both == two) | (both == 0)).all()


def test_numbers_skip_those_of_classes_that_stay(cells):
    labels = cells.copy()
    labels[0, 0, :5] = 2
    numbered = after(labels, (1,), number=True)
    assert numbered[0, 0, 0] == 2
    assert set(np.unique(numbered)) == {0, 1, 2, 3, 4, 5}
    assert (numbered[labels == 1] != 2).all()


def test_more_objects_than_numbers_are_refused():
    dots = np.zeros((1, 33, 33), np.uint8)
    dots[:, ::2, ::2] = 1
    with pytest.raises(BadInput, match="more than 254 objects"):
        after(dots, number=True)


@given(
    arrays(np.uint8, (4, 7, 8), elements=st.sampled_from([0, 1, 1, 2])),
    st.sampled_from([0.0, 0.5, 2.0]),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_it_only_removes_and_never_joins_or_loses_an_object(labels, neck, by_slice):
    parted = after(labels, neck=neck, spacing=(2.0, 1.0, 1.0), by_slice=by_slice)
    assert ((parted == labels) | (parted == 0)).all()
    numbered = after(labels, neck=neck, spacing=(2.0, 1.0, 1.0), number=True)
    np.testing.assert_array_equal(numbered > 0, labels > 0)
    for number in np.unique(numbered)[1:]:
        assert len(np.unique(labels[numbered == number])) == 1
    before = connected_pieces(labels == 1, connectivity=26)
    assert set(np.unique(before[parted == 1])) == set(np.unique(before)) - {0} or not (labels == 1).any()


def test_a_few_slices_come_out_as_in_the_whole():
    pairs = [(6, 15, 12, 7), (6, 15, 22, 7), (26, 12, 15, 7), (26, 22, 15, 7), (28, 3, 28, 2)]
    labels = balls((36, 30, 34), *pairs)
    whole = after(labels)
    assert (whole[6] != labels[6]).any()
    assert (whole[26] != labels[26]).any()
    for z in (6, 16, 26, 35):
        few = after(labels, slices=slice(z, z + 1))
        np.testing.assert_array_equal(few[z], whole[z])
        np.testing.assert_array_equal(few[(z + 18) % 36], labels[(z + 18) % 36])


@pytest.mark.parametrize("value", [0, 1])
def test_nothing_and_all_stay(value):
    labels = np.full((2, 5, 5), value, np.uint8)
    np.testing.assert_array_equal(after(labels), labels)
