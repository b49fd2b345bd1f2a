"""Every kind of layer is a scan, and its mask lies exactly on it."""

import dask.array as da
import numpy as np
import pytest
import zarr
from napari.layers import Image, Labels

from napari_unet.annotation import BACKGROUND, ClassInfo, class_colour
from napari_unet.errors import BadInput
from napari_unet.gui.layers.scans import (
    METADATA,
    axes_of,
    class_look,
    classes_of,
    layer_data,
    mask_shape_of,
    place_of,
    scan_of,
    scan_of_layers,
    show_classes,
    voxels_of,
)
from napari_unet.scan import Geometry, Scan

TURN = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
CLASSES = (
    ClassInfo(label=1, name="Leber é", colour=(0.25, 0.5, 1.0)),
    ClassInfo(label=9, name="not painted yet", colour=(1.0, 0.0, 0.0)),
    ClassInfo(label=254, name="the last", colour=(0.0, 0.0, 0.1)),
)


def voxels(*shape, dtype=np.uint8):
    return (np.arange(np.prod(shape)) % 251).reshape(shape).astype(dtype)


def multiscale(*shape, **details):
    return Image([voxels(*shape), voxels(*(n // 2 for n in shape))], multiscale=True, **details)


# Layers, their axes, and the shapes of their scan (C, Z, Y, X) and mask.
KINDS = {
    "flat": (lambda: Image(voxels(4, 6)), "YX", (1, 1, 4, 6), (4, 6)),
    "volume": (lambda: Image(voxels(3, 4, 6)), "ZYX", (1, 3, 4, 6), (3, 4, 6)),
    "volumes over time": (lambda: Image(voxels(2, 3, 4, 6)), "TZYX", (1, 6, 4, 6), (2, 3, 4, 6)),
    "five axes": (lambda: Image(voxels(2, 2, 3, 4, 6)), "TUZYX", (1, 12, 4, 6), (2, 2, 3, 4, 6)),
    "film": (lambda: Image(voxels(3, 4, 6), axis_labels=("time", "y", "x")), "TYX", (1, 3, 4, 6), (3, 4, 6)),
    "colours": (lambda: Image(voxels(4, 6, 3), rgb=True), "YX", (3, 1, 4, 6), (4, 6)),
    "colours with transparency": (lambda: Image(voxels(4, 6, 4), rgb=True), "YX", (3, 1, 4, 6), (4, 6)),
    "a stack of colours": (lambda: Image(voxels(2, 4, 6, 3), rgb=True), "ZYX", (3, 2, 4, 6), (2, 4, 6)),
    "channels": (
        lambda: Image(voxels(2, 3, 4, 6), axis_labels=("c", "z", "y", "x")), "CZYX", (2, 3, 4, 6), (3, 4, 6)
    ),
    "channels inside": (
        lambda: Image(voxels(3, 2, 4, 6), axis_labels=("z", "Channel", "y", "x")), "ZCYX", (2, 3, 4, 6), (3, 4, 6)
    ),
    "channels of a film": (
        lambda: Image(voxels(3, 2, 4, 6), axis_labels=("t", "c", "y", "x")), "TCYX", (2, 3, 4, 6), (3, 4, 6)
    ),
    "channels of a flat image": (
        lambda: Image(voxels(2, 4, 6), axis_labels=("c", "y", "x")), "CYX", (2, 1, 4, 6), (4, 6)
    ),
    "several resolutions": (lambda: multiscale(4, 8, 8), "ZYX", (1, 4, 8, 8), (4, 8, 8)),
    "labels": (lambda: Labels(voxels(3, 4, 6)), "ZYX", (1, 3, 4, 6), (3, 4, 6)),
}  # fmt: skip


@pytest.mark.parametrize(("make", "axes", "shape", "mask_shape"), KINDS.values(), ids=KINDS)
def test_every_kind_of_layer_is_a_scan(make, axes, shape, mask_shape):
    layer = make()
    assert axes_of(layer) == axes
    scan = scan_of(layer)
    assert (scan.array.shape, scan.mask_shape) == (shape, mask_shape)
    original = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    if getattr(layer, "rgb", False):
        original = np.moveaxis(original[..., :3], -1, 0)
        assert scan.channel_names == ("red", "green", "blue")
    elif "C" in axes:
        original = np.moveaxis(original, axes.index("C"), 0)
    else:
        original = original[None]
    for channel, expected in zip(scan.array, original, strict=True):
        np.testing.assert_array_equal(scan.unfold(channel), expected)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint16", "float16", "float32", "float64"])
def test_every_kind_of_number(dtype):
    scan = scan_of(Image(voxels(3, 4, 6, dtype=dtype)))
    assert scan.array.dtype == dtype
    np.testing.assert_array_equal(scan.array[0], voxels(3, 4, 6, dtype=dtype))


def test_lazy_layers_stay_lazy(tmp_path):
    read = []

    def block(block_info):
        read.append(block_info[None]["chunk-location"])
        return np.ones((1, 4, 6), np.int16)

    lazy = da.map_blocks(block, chunks=((1,) * 5, (4,), (6,)), dtype=np.int16, meta=np.empty((0,) * 3, np.int16))
    layer = Image(lazy, contrast_limits=(0, 1))
    read.clear()  # napari looks at what it shows
    scan = scan_of(layer)
    assert not read
    assert np.asarray(scan.array[0, 3]).min() == 1
    assert set(read) == {(3, 0, 0)}

    stored = zarr.create_array(tmp_path / "a.zarr", shape=(3, 4, 6), chunks=(1, 4, 6), dtype="i2")
    stored[2] = 7
    scan = scan_of(Image(stored, contrast_limits=(0, 1)))
    assert isinstance(scan.array, da.Array)
    assert np.asarray(scan.array[0, 2]).min() == 7


@pytest.mark.parametrize(
    ("scale", "units", "spacing", "unit"),
    [
        ((5, 0.8, 0.7), ("mm", "mm", "mm"), (5, 0.8, 0.7), "mm"),
        ((5, 0.8, 0.7), ("micrometer",) * 3, (0.005, 0.0008, 0.0007), "mm"),
        ((5, 0.8, 0.7), ("cm", "mm", "mm"), (50, 0.8, 0.7), "mm"),
        ((5, 0.8, 0.7), ("pixel",) * 3, (5, 0.8, 0.7), "pixel"),
        ((5, 0.8, 0.7), None, (5, 0.8, 0.7), "pixel"),
        ((-5, 0.8, -0.7), ("mm",) * 3, (5, 0.8, 0.7), "mm"),
        ((0.8, 0.7), ("mm", "mm"), (1, 0.8, 0.7), "mm"),
        ((9, 5, 0.8, 0.7), ("second", "mm", "mm", "mm"), (5, 0.8, 0.7), "mm"),
    ],
)
def test_spacing_is_that_of_the_layer(scale, units, spacing, unit):
    scan = scan_of(Image(voxels(*range(3, 3 + len(scale))), scale=scale, units=units))
    np.testing.assert_allclose(scan.spacing, spacing)
    assert scan.unit == unit
    assert (scan.geometry is not None) == (unit == "mm")
    if scan.geometry is not None:
        np.testing.assert_allclose(scan.geometry.spacing, spacing)


def test_the_place_in_the_patient_is_kept_until_somebody_gives_another_scale():
    affine = np.array([[0.0, 0.7, 0, 5], [-0.6, 0, 0, 6], [0, 0, 3, -7], [0, 0, 0, 1]])
    layer = Image(
        voxels(3, 4, 6), scale=(3, 0.7, 0.6), units=("mm",) * 3, metadata={METADATA: {"geometry": Geometry(affine)}}
    )
    assert scan_of(layer).geometry.close_to(Geometry(affine))
    mask = Labels(voxels(3, 4, 6), **place_of(layer))
    assert scan_of(mask).geometry.close_to(Geometry(affine))
    layer.scale = (3, 0.7, 0.7)
    assert scan_of(layer).geometry.close_to(Geometry.from_spacing((3, 0.7, 0.7)))


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((4, 6), "YX"),
        ((3, 4, 6), "ZYX"),
        ((2, 3, 4, 6), "TZYX"),
        ((2, 3, 4, 6), "CZYX"),
        ((3, 4, 6, 2), "ZYXC"),
        ((4, 6, 3), "YXC"),
    ],
)
def test_a_scan_becomes_a_layer_and_the_same_scan_again(shape, axes):
    names = {2: ("CT", "PET"), 3: ("red", "green", "blue")}.get(dict(zip(axes, shape, strict=True)).get("C"), ("CT",))
    geometry = Geometry.from_spacing((5, 0.8, 0.7), (1, 2, 3)) if "Z" in axes else None
    scan = Scan.from_array(
        voxels(*shape), axes, spacing=(5, 0.8, 0.7) if "Z" in axes else (0.8, 0.7), unit="mm", geometry=geometry,
        channel_names=names, name="head",
    )  # fmt: skip
    data, attributes, kind = layer_data(scan)
    assert kind == "image"
    layer = Image(data, **attributes)
    again = scan_of(layer)
    np.testing.assert_array_equal(again.array, scan.array)
    for field in ("spacing", "unit", "channel_names", "name", "folded", "mask_shape"):
        assert getattr(again, field) == getattr(scan, field)
    assert again.geometry.close_to(geometry or Geometry.from_spacing(scan.spacing))


def flat_and_deep(matrix):
    """Put a turn or shear of the last two axes into three."""
    deep = np.eye(3)
    deep[1:, 1:] = matrix
    return deep


# Skewed layers are shown without their skew; where they lie is what counts here.
skewed = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing:UserWarning")
AFFINE = np.array([[1.0, 0.2, 0, 5], [0, 0.9, -0.1, 6], [0.3, 0, 1.1, 7], [0, 0, 0, 1]])
PLACES = {
    "scaled": {"scale": (5, 0.8, 0.7), "translate": (1, -2, 3)},
    "mirrored": {"scale": (-5, 0.8, -0.7), "translate": (1, -2, 3)},
    "turned": {"scale": (5, 0.8, 0.7), "rotate": flat_and_deep(TURN)},
    "sheared": {"scale": (5, 0.8, 0.7), "shear": (0.1, 0.2, 0.3)},
    "sheared the other way": {"shear": np.array([[1, 0, 0], [0.2, 1, 0], [0.1, 0.3, 1.0]])},
    "by an affine matrix": {"scale": (5, 0.8, 0.7), "affine": AFFINE},
    "all at once": {
        "scale": (5, -0.8, 0.7), "translate": (1, -2, 3), "rotate": flat_and_deep(TURN), "shear": (0.1, 0.2, 0.3),
        "affine": AFFINE,
    },
}  # fmt: skip


def world(layer):
    """Give the matrix from voxel index to world of a layer."""
    corners = np.vstack([np.zeros(layer.ndim), np.eye(layer.ndim)])
    at = np.array([layer.data_to_world(corner) for corner in corners])
    return np.column_stack([(at[1:] - at[0]).T, at[0]])


@skewed
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("units", ["mm", "pixel"])
def test_a_mask_lies_exactly_on_its_image(place, units):
    image = Image(voxels(3, 4, 6), units=(units,) * 3, axis_labels=("z", "y", "x"), **place)
    mask = Labels(np.zeros(scan_of(image).mask_shape, np.uint8), **place_of(image))
    np.testing.assert_allclose(world(mask), world(image), atol=1e-12)
    np.testing.assert_allclose(mask.extent.world, image.extent.world)
    assert (mask.units, mask.axis_labels) == (image.units, image.axis_labels)
    np.testing.assert_allclose(place_of(mask)["scale"], image.scale)


@skewed
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("channel", [0, 1])
def test_a_mask_lies_on_an_image_with_a_channel_axis(place, channel):
    """The image with channels is placed as one without, whose channels napari never heard of."""
    plain = Image(voxels(3, 4, 6), **place)
    labels, keep = ["z", "y", "x"], [i for i in range(4) if i != channel]
    labels.insert(channel, "c")
    rotate, shear, affine = np.eye(4), np.eye(4), np.eye(5)
    rotate[np.ix_(keep, keep)] = plain.rotate
    given = np.asarray(plain.shear)
    upper = np.eye(3)
    upper[np.triu_indices(3, 1)] = given if given.ndim == 1 else 0
    shear[np.ix_(keep, keep)] = upper if given.ndim == 1 else given
    affine[np.ix_([*keep, 4], [*keep, 4])] = plain.affine.affine_matrix
    image = Image(
        voxels(*np.insert((3, 4, 6), channel, 2)), axis_labels=labels, scale=np.insert(plain.scale, channel, 1),
        translate=np.insert(plain.translate, channel, 0), rotate=rotate, shear=shear, affine=affine,
    )  # fmt: skip
    mask = Labels(np.zeros(scan_of(image).mask_shape, np.uint8), **place_of(image))
    assert mask.axis_labels == ("z", "y", "x")
    np.testing.assert_allclose(world(mask), world(plain), atol=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Image(voxels(4, 6, 3), rgb=True, scale=(0.8, 0.7), rotate=30, units=("mm", "mm")),
        lambda: Image(voxels(4, 6), scale=(0.8, 0.7), rotate=30, shear=(0.2,)),
        lambda: multiscale(4, 8, 8, scale=(5, 0.8, 0.7), translate=(1, 2, 3)),
        lambda: Image(voxels(2, 3, 4, 6), scale=(1, 5, 0.8, 0.7), translate=(0, 1, 2, 3)),
    ],
    ids=["colours", "flat", "several resolutions", "over time"],
)
def test_a_mask_lies_on_other_kinds_of_layers(make):
    image = make()
    mask = Labels(np.zeros(scan_of(image).mask_shape, np.uint8), **place_of(image))
    np.testing.assert_allclose(world(mask), world(image), atol=1e-12)


def test_several_layers_are_one_scan():
    first, second = (Image(voxels(3, 4, 6), name=name, scale=(5, 1, 1)) for name in ("T1", "T2"))
    scan = scan_of_layers([first, second])
    assert (scan.channels, scan.mask_shape) == (2, (3, 4, 6))
    with pytest.raises(BadInput, match="Choose an image layer"):
        scan_of_layers([])
    second.scale = (4, 1, 1)
    with pytest.raises(BadInput, match='"T2" does not lie where "T1" lies'):
        scan_of_layers([first, second])


def test_one_layer_gives_the_model_no_name_to_remember():
    assert scan_of_layers([Image(voxels(4, 6), name="DOE^JOHN")]).channel_names == ("channel 0",)


def test_classes_come_back_as_they_were():
    layer = Labels(np.zeros((4, 6), np.uint8))
    assert classes_of(layer) == ()
    before = layer.data.copy()
    show_classes(layer, CLASSES)
    assert classes_of(layer) == CLASSES
    np.testing.assert_array_equal(layer.data, before)
    assert classes_of(Labels(np.zeros((4, 6), np.uint8), **class_look(CLASSES))) == CLASSES
    assert layer.get_color(BACKGROUND)[3] == 1
    assert layer.get_color(1).tolist() == pytest.approx([0.25, 0.5, 1.0, 1.0])


def test_classes_keep_their_colours_while_one_is_shown_alone():
    layer = Labels(np.zeros((4, 6), np.uint8), **class_look(CLASSES))
    layer.selected_label = 9
    layer.show_selected_label = True
    assert classes_of(layer) == CLASSES
    plain = Labels(np.zeros((4, 6), np.uint8), features={"index": [2, 3], "name": ["a", "b"]})
    shown = classes_of(plain)
    plain.show_selected_label = True
    assert classes_of(plain) == shown


def test_tables_of_other_programs_do_no_harm():
    layer = Labels(np.zeros((4, 6), np.uint8))
    layer.features = {"index": [0, 2.0, float("nan"), float("inf"), 255, 300], "name": list("abcdef")}
    assert [(info.label, info.name) for info in classes_of(layer)] == [(2, "b")]
    layer.features = {"index": ["x", "7", None, 7], "name": list("abcd")}
    assert [(info.label, info.name) for info in classes_of(layer)] == [(7, "d")]
    layer.features = {"area": [1, 2]}
    assert classes_of(layer) == ()


def test_a_class_that_a_layer_shows_in_no_colour_gets_its_own():
    layer = Labels(np.zeros((4, 6), np.uint8), colormap={None: "transparent", 1: "red"})
    layer.features = {"index": [1, 5], "name": ["a", "b"]}
    assert [info.colour for info in classes_of(layer)] == [(1, 0, 0), class_colour(5)]


def test_labels_are_given_at_their_finest():
    fine, coarse = voxels(4, 8, 8), voxels(2, 4, 4)
    layer = Labels([fine, coarse], multiscale=True)
    assert mask_shape_of(layer) == (4, 8, 8)
    assert np.asarray(voxels_of(layer)).shape == (4, 8, 8)
    lazy = da.zeros((3, 4, 6), dtype=np.uint8)
    assert voxels_of(Labels(lazy)) is lazy
