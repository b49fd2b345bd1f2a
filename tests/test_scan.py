"""Any axes go in, (C, Z, Y, X) comes out, and masks find their way back."""

import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_unet.errors import BadInput
from napari_unet.scan import Geometry, Scan, stack_channels

AFFINE = np.array([[0.0, 0.7, 0, 5], [-0.6, 0, 0, 6], [0, 0, 3, -7], [0, 0, 0, 1]])


@st.composite
def arrays(draw):
    """Give an array of numbered voxels and the names of its axes, in any order."""
    others = draw(st.lists(st.sampled_from("CZTPSV"), unique=True, max_size=5))
    axes = "".join(draw(st.permutations(["Y", "X", *others])))
    shape = draw(st.tuples(*(st.integers(1, 4) for _ in axes)))
    return np.arange(np.prod(shape)).reshape(shape), axes


def looked_up(array, axes, scan):
    """Give what (C, Z, Y, X) must be, voxel by voxel from the definition."""
    extra = [axis for axis in axes if axis not in "CZYX"]
    expected = np.empty(scan.array.shape, array.dtype)
    for index, value in np.ndenumerate(array):
        at = dict(zip(axes, index, strict=True))
        z = 0
        for axis in extra:
            z = z * array.shape[axes.index(axis)] + at[axis]
        z = z * scan.depth + at.get("Z", 0)
        expected[at.get("C", 0), z, at["Y"], at["X"]] = value
    return expected


@settings(max_examples=150, deadline=None)
@given(arrays())
def test_every_voxel_lies_where_its_axes_say(named):
    array, axes = named
    scan = Scan.from_array(array, axes)
    np.testing.assert_array_equal(scan.array, looked_up(array, axes, scan))
    assert scan.mask_shape == tuple(n for n, axis in zip(array.shape, axes, strict=True) if axis != "C")


@settings(max_examples=150, deadline=None)
@given(arrays())
def test_masks_fold_as_their_scan_and_unfold_again(named):
    array, axes = named
    scan = Scan.from_array(array, axes)
    mask = array.take(0, axes.index("C")) if "C" in axes else array
    np.testing.assert_array_equal(scan.fold(mask), scan.array[0])
    np.testing.assert_array_equal(scan.unfold(scan.fold(mask)), mask)
    assert scan.fold(mask).shape == scan.grid


@settings(max_examples=50, deadline=None)
@given(arrays())
def test_volumes_part_the_slices(named):
    scan = Scan.from_array(*named)
    slices = [z for volume in scan.volumes() for z in range(volume.start, volume.stop)]
    assert slices == list(range(scan.grid[0]))
    assert len(list(scan.volumes())) == np.prod(scan.folded, dtype=int)


@pytest.mark.parametrize(
    ("shape", "axes"), [((4, 5), "YX"), ((3, 4, 5), "ZYX"), ((2, 3, 4, 5), "TZYX"), ((5, 2, 3, 4), "TCYX")]
)
def test_a_mask_is_a_view_where_it_can_be(shape, axes):
    scan = Scan.from_array(np.zeros(shape), axes)
    mask = np.zeros(scan.mask_shape, np.uint8)
    scan.fold(mask)[-1, 2, 3] = 7
    scan.unfold(scan.fold(mask))[..., 0, 0] = 9
    assert mask.max() == 9
    assert (mask == 7).sum() == 1


@pytest.mark.parametrize(("ndim", "axes"), [(2, "YX"), (3, "ZYX"), (4, "TZYX")])
def test_axes_are_guessed(ndim, axes):
    assert Scan.from_array(np.zeros((2,) * ndim)).axes == axes


def test_a_lazy_array_stays_lazy():
    read = []

    def block(block_info):
        read.append(block_info[None]["chunk-location"])
        return np.full((1, 1, 4, 5), len(read))

    lazy = da.map_blocks(block, chunks=((1,) * 2, (1,) * 3, (4,), (5,)), dtype=int, meta=np.empty((0,) * 4, int))
    scan = Scan.from_array(lazy, "TZYX")
    assert scan.grid == (6, 4, 5)
    assert not read
    assert np.asarray(scan.array[0, 4]).shape == (4, 5)
    assert read == [(1, 1, 0, 0)]


def test_lists_and_zarr_arrays_are_taken(tmp_path):
    assert Scan.from_array([[1, 2], [3, 4]]).array.tolist() == [[[[1, 2], [3, 4]]]]
    stored = zarr.create_array(tmp_path / "a.zarr", shape=(3, 4, 5), dtype="u1")
    stored[1] = 7
    assert Scan.from_array(stored, "ZYX").array[0, 1].min() == 7


def test_spacing_comes_from_the_geometry_or_is_one():
    geometry = Geometry(AFFINE)
    np.testing.assert_allclose(Scan.from_array(np.zeros((2, 3, 4)), geometry=geometry).spacing, (3, 0.7, 0.6))
    assert Scan.from_array(np.zeros((2, 3, 4))).spacing == (1, 1, 1)
    assert Scan.from_array(np.zeros((3, 4)), spacing=(0.5, 0.25)).spacing == (1, 0.5, 0.25)
    made = Geometry.from_spacing((5, 0.8, 0.7), (1, 2, 3))
    assert made.affine.tolist() == [[0.7, 0, 0, 1], [0, 0.8, 0, 2], [0, 0, 5, 3], [0, 0, 0, 1]]
    assert made.spacing == (5, 0.8, 0.7)
    assert made.close_to(Geometry(made.affine + 1e-4))
    assert not made.close_to(Geometry(made.affine + 1e-2))


@pytest.mark.parametrize(
    ("array", "axes", "text"),
    [
        (np.zeros((3, 4)), "ZYX", r"shape \(3, 4\) does not have the axes 'ZYX'"),
        (np.zeros((3, 4, 5)), "YYX", "name each axis once"),
        (np.zeros((3, 4, 5)), "ZTX", "with Y and X among them"),
        (np.zeros((1,) * 5), None, r"shape \(1, 1, 1, 1, 1\)"),
        (np.zeros(4), None, r"shape \(4,\)"),
        (np.zeros((0, 4, 4)), "ZYX", "at least one voxel"),
        (np.zeros((3, 0, 4)), "ZYX", "at least one voxel"),
        (np.zeros((0, 3, 4)), "CYX", "at least one voxel"),
        (np.zeros((0, 3, 4, 4)), "TZYX", "at least one voxel"),
        (np.zeros((3, 4), complex), "YX", '"scan" holds complex128; a scan holds real numbers'),
        (np.array([["a", "b"]]), "YX", "real numbers"),
    ],
)
def test_what_is_no_scan_is_refused(array, axes, text):
    with pytest.raises(BadInput, match=text):
        Scan.from_array(array, axes)


@pytest.mark.parametrize("spacing", [(0, 1, 1), (1, -1, 1), (1, 1, float("nan")), (1, 1, float("inf")), (1, 1, 1, 1)])
def test_a_spacing_that_is_none_is_refused(spacing):
    with pytest.raises(BadInput, match="give three lengths"):
        Scan.from_array(np.zeros((2, 3, 4)), spacing=spacing)


def test_masks_of_another_shape_are_refused():
    scan = Scan.from_array(np.zeros((2, 3, 4)))
    with pytest.raises(BadInput, match=r"the mask is \(3, 4\) but the scan is \(2, 3, 4\): paint on a layer made for"):
        scan.fold(np.zeros((3, 4)), "the mask")


def test_channel_names_are_one_for_each_channel():
    assert Scan.from_array(np.zeros((2, 3, 4)), "CYX").channel_names == ("channel 0", "channel 1")
    with pytest.raises(BadInput, match="has 2 channels but 1 channel names"):
        Scan.from_array(np.zeros((2, 3, 4)), "CYX", channel_names=("T1",))


def one(value, name, axes="ZYX", shape=(2, 3, 4), **details):
    return Scan.from_array(np.full(shape, value), axes, name=name, **details)


def test_scans_become_the_channels_of_one():
    geometry = Geometry.from_spacing((5, 1, 1))
    colours = one(2, "rgb", "ZYXC", (2, 3, 4, 3), channel_names=("red", "green", "blue"), spacing=(5, 1, 1))
    stacked = stack_channels([one(1, "T1", geometry=geometry), colours])
    assert stacked.channel_names == tuple(f"channel {c}" for c in range(4))  # a layer may be named after a patient
    assert stacked.array[:, 1, 2, 3].tolist() == [1, 2, 2, 2]
    assert (stacked.mask_shape, stacked.spacing, stacked.geometry) == ((2, 3, 4), (5, 1, 1), geometry)


def test_one_scan_alone_stays_as_it_is():
    lazy = Scan.from_array(da.zeros((2, 3, 4)), name="a name that is nobody's business")
    assert stack_channels([lazy]).array is lazy.array
    assert stack_channels([lazy]).channel_names == ("channel 0",)


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (one(1, "b", shape=(2, 3, 5)), r'"b" is \(2, 3, 5\) but "a" is \(2, 3, 4\)'),
        (
            one(1, "b", spacing=(1, 1, 2)),
            '"b" does not lie where "a" lies: its spacing is 1 x 1 x 2, not 1 x 1 x 1. Resample',
        ),
        (one(1, "b", geometry=Geometry.from_spacing((1, 1, 1), (0, 0, 0.5))), "it lies up to 0.50 mm away"),
    ],
)
def test_scans_that_do_not_lie_together_are_refused(other, text):
    with pytest.raises(BadInput, match=text):
        stack_channels([one(0, "a", geometry=Geometry.from_spacing((1, 1, 1))), other])


def test_a_snapshot_keeps_the_rest():
    scan = Scan.from_array(np.zeros((2, 3, 4, 5)), "TZYX", name="a")
    snapshot = scan.with_array(scan.array + 1)
    assert (snapshot.axes, snapshot.folded, snapshot.name, snapshot.array.min()) == ("TZYX", (2,), "a", 1)
