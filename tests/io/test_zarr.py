"""OME-Zarr: images that stay on disk, and labels that grow slice by slice beside them."""

import json

import numpy as np
import pytest
import zarr

from napari_unet.annotation import new_class
from napari_unet.errors import BadInput
from napari_unet.io import GrowingLabels, read_scan
from napari_unet.io.zarr_file import open_image
from napari_unet.scan import Scan

VALUES = np.arange(3 * 8 * 9 * 10, dtype=np.uint16).reshape(3, 8, 9, 10)
CLASSES = [new_class(1, "liver"), new_class(5, "vessel")]


def write_ome(path, axes, values, form, unit="micrometer", scale=0.5):
    group = zarr.open_group(path, mode="w", zarr_format=form)
    group.create_array("s0", data=values, chunks=tuple(min(4, n) for n in values.shape))
    steps = [scale * (1 + i) if axis in "zyx" else 1.0 for i, axis in enumerate(axes)]
    named = [{"name": axis, "type": "space", "unit": unit} if axis in "zyx" else {"name": axis} for axis in axes]
    datasets = [{"path": "s0", "coordinateTransformations": [{"type": "scale", "scale": steps}]}]
    multiscales = [{"axes": named, "datasets": datasets, "version": "0.4"}]
    group.attrs.update({"multiscales": multiscales} if form == 2 else {"ome": {"multiscales": multiscales}})


@pytest.mark.parametrize("form", [2, 3])
@pytest.mark.parametrize("axes", ["czyx", "zyx", "tczyx", "yx"])
def test_an_image_is_read_where_it_lies(tmp_path, axes, form):
    values = {"czyx": VALUES, "zyx": VALUES[0], "tczyx": VALUES[None], "yx": VALUES[0, 0]}[axes]
    write_ome(tmp_path / "image.zarr", axes, values, form)
    scan = read_scan(tmp_path / "image.zarr")
    assert not isinstance(scan.array, np.ndarray)
    expected = VALUES if "c" in axes else VALUES[:1] if "z" in axes else VALUES[:1, :1]
    np.testing.assert_array_equal(np.asarray(scan.array), expected)
    assert scan.unit == "mm"
    np.testing.assert_allclose(scan.spacing[2], 0.5e-3 * len(axes))
    assert scan.name == "image"


def test_a_plain_array_is_read_too_and_has_no_spacing(tmp_path):
    zarr.save_array(tmp_path / "plain.zarr", VALUES[0])
    scan = read_scan(tmp_path / "plain.zarr")
    assert (scan.unit, scan.spacing, scan.grid) == ("pixel", (1.0, 1.0, 1.0), (8, 9, 10))


@pytest.mark.parametrize("made", ["nothing", "group", "broken"])
def test_what_is_no_image_is_refused(tmp_path, made):
    path = tmp_path / "x.zarr"
    if made == "group":
        zarr.open_group(path, mode="w")
    if made == "broken":
        path.mkdir()
        (path / "zarr.json").write_text("{")
    with pytest.raises(BadInput, match=r"x\.zarr"):
        read_scan(path)


@pytest.fixture
def scan():
    return Scan(VALUES[:1], spacing=(2.0, 0.5, 0.5), unit="mm")


def test_labels_go_on_where_they_were(tmp_path, scan):
    path = tmp_path / "labels.zarr"
    first = GrowingLabels(path, scan, CLASSES, "model")
    first.array[3] = np.full((9, 10), 5, np.uint8)
    first.note([3])
    again = GrowingLabels(path, scan, CLASSES, "model")
    assert again.done == {3}
    assert again.counts()[5] == 90
    again.array[0] = 1
    again.note([0])
    assert GrowingLabels(path, scan, CLASSES, "model").done == {0, 3}
    with pytest.raises(BadInput, match="made otherwise"):
        GrowingLabels(path, scan, CLASSES, "another model")
    about = zarr.open_group(path).attrs["ome"]
    assert about["image-label"]["properties"] == [
        {"label-value": 1, "name": "liver"},
        {"label-value": 5, "name": "vessel"},
    ]
    assert about["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"] == [2.0, 0.5, 0.5]
    np.testing.assert_allclose(read_scan(path).spacing, scan.spacing)


@pytest.mark.parametrize("form", [2, 3])
def test_labels_within_an_image_are_entered_in_its_list(tmp_path, scan, form):
    image = tmp_path / "image.zarr"
    write_ome(image, "zyx", VALUES[0], form)
    for name in ("liver", "again"):
        GrowingLabels(image / "labels" / name, scan, CLASSES, "model")
    file = image / "labels" / (".zattrs" if form == 2 else "zarr.json")
    attributes = json.loads(file.read_text())
    listed = attributes["labels"] if form == 2 else attributes["attributes"]["ome"]["labels"]
    assert listed == ["again", "liver"]
    np.testing.assert_array_equal(np.asarray(read_scan(image).array), VALUES[:1])


def test_nothing_else_is_overwritten(tmp_path, scan):
    write_ome(tmp_path / "image.zarr", "zyx", VALUES[0], 3)
    with pytest.raises(BadInput, match="choose another name"):
        GrowingLabels(tmp_path / "image.zarr", scan, CLASSES, "model")
    np.testing.assert_array_equal(np.asarray(read_scan(tmp_path / "image.zarr").array), VALUES[:1])


def test_a_series_is_refused(tmp_path):
    with pytest.raises(BadInput, match="one by one"):
        GrowingLabels(tmp_path / "x.zarr", Scan.from_array(VALUES, "TZYX"), CLASSES, "model")


def write_pyramid(path, names=("DAPI", "GFP", "mCherry"), inner="s1"):
    group = zarr.open_group(path, mode="w", zarr_format=2)
    for level in range(2):
        values = VALUES[..., :: 2**level, :: 2**level]
        group.create_array(f"s{level}", data=values, chunks=tuple(min(4, n) for n in values.shape))
    axes = [{"name": "c", "type": "channel"}, *({"name": a, "type": "space", "unit": "micrometer"} for a in "zyx")]
    datasets = [
        {"path": name, "coordinateTransformations": [{"type": "scale", "scale": [1, 2, step, step]}]}
        for name, step in (("s0", 0.5), (inner, 1.0))
    ]
    group.attrs.update(
        multiscales=[{"axes": axes, "datasets": datasets, "version": "0.4"}],
        omero={"channels": [{"label": name} for name in names]},
    )
    return path


def test_all_resolutions_and_the_names_of_the_channels_are_there(tmp_path):
    image = open_image(write_pyramid(tmp_path / "image.ome.zarr"))
    assert [level.shape for level in image.levels] == [(3, 8, 9, 10), (3, 8, 5, 5)]
    assert (image.axes, image.unit) == ("CZYX", "mm")
    np.testing.assert_allclose(image.spacing, (0.002, 0.0005, 0.0005))
    assert read_scan(tmp_path / "image.ome.zarr").channel_names == ("DAPI", "GFP", "mCherry")


def test_names_that_do_not_fit_the_channels_are_left_out(tmp_path):
    assert open_image(write_pyramid(tmp_path / "image.zarr", names=("DAPI",))).channel_names == ()


@pytest.mark.parametrize("inner", ["../outside.zarr", "/etc", "missing"])
def test_voxels_outside_the_folder_are_refused(tmp_path, inner):
    zarr.save_array(tmp_path / "outside.zarr", VALUES)
    with pytest.raises(BadInput, match=r"image\.zarr"):
        read_scan(write_pyramid(tmp_path / "image.zarr", inner=inner))
