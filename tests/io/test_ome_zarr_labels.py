"""Masks as OME-Zarr label images: by themselves or in an image, written whole or not at all."""

import os
import sys

import numpy as np
import pytest
import zarr

from napari_unet.annotation import ClassInfo, new_class
from napari_unet.errors import BadInput, MissingDependency
from napari_unet.io import GrowingLabels, Mask, ome_zarr_labels, read_mask, read_scan_or_mask, write_mask

CLASSES = (ClassInfo(label=1, name="Leber é", colour=(1.0, 0.5, 0.0)), new_class(9, "spleen"))


@pytest.fixture
def mask():
    labels = np.random.default_rng(0).choice(np.array([0, 1, 9, 255], np.uint8), (5, 40, 60))
    return Mask(labels, "ZYX", (3.0, 0.5, 0.25), "mm", None, CLASSES)


def image_at(path, zarr_format):
    """An OME-Zarr image of three resolutions."""
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    for level, shape in enumerate([(1, 5, 40, 60), (1, 5, 20, 30), (1, 5, 10, 15)]):
        group.create_array(str(level), shape=shape, dtype="uint16")
    axes = [{"name": "c", "type": "channel"}, *({"name": name, "type": "space"} for name in "zyx")]
    datasets = [
        {"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 2**level, 2**level]}]}
        for level in range(3)
    ]
    multiscales = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    group.attrs.update({"ome": {"multiscales": multiscales}} if zarr_format == 3 else {"multiscales": multiscales})
    return path


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_by_itself_it_is_a_label_image_of_version_0_4(tmp_path, mask):
    path = write_mask(tmp_path / "liver.ome.zarr", mask)
    attributes = dict(zarr.open_group(path, mode="r", zarr_format=2).attrs)
    (scales,) = attributes["multiscales"]
    assert scales["version"] == "0.4"
    assert [(axis["name"], axis["type"], axis["unit"]) for axis in scales["axes"]] == [
        (name, "space", "millimeter") for name in "zyx"
    ]
    (dataset,) = scales["datasets"]
    assert dataset["coordinateTransformations"] == [{"type": "scale", "scale": [3.0, 0.5, 0.25]}]
    np.testing.assert_array_equal(zarr.open_array(path / dataset["path"], mode="r")[:], mask.labels)
    about = attributes["image-label"]
    assert about["colors"][0] == {"label-value": 1, "rgba": [255, 128, 0, 255]}
    assert about["properties"][1] == {"label-value": 9, "name": "spleen"}


def test_it_comes_back_as_it_was(tmp_path, mask):
    path = write_mask(tmp_path / "liver.zarr", mask)
    read = read_scan_or_mask(path)
    assert isinstance(read, Mask)
    np.testing.assert_array_equal(read.labels, mask.labels)
    assert (read.axes, read.spacing, read.unit, read.classes) == ("ZYX", (3.0, 0.5, 0.25), "mm", CLASSES)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_in_an_image_it_has_its_resolutions_and_is_on_its_list(tmp_path, mask, zarr_format):
    image = image_at(tmp_path / "scan.ome.zarr", zarr_format)
    before = contents(image)
    for name in ("b.ome.zarr", "a.ome.zarr", "a.ome.zarr"):
        write_mask(image / "labels" / name, mask)
    after = contents(image)
    assert {path: after[path] for path in before} == before
    group = zarr.open_group(image, mode="r", zarr_format=zarr_format)
    about = [dict(group[name].attrs) for name in ("labels", "labels/a.ome.zarr")]
    listed, label = [one["ome"] for one in about] if zarr_format == 3 else about
    assert listed["labels"] == ["a.ome.zarr", "b.ome.zarr"]
    assert len(label["multiscales"][0]["datasets"]) == 3
    assert [group[f"labels/a.ome.zarr/{level}"].shape for level in range(3)] == [(5, 40, 60), (5, 20, 30), (5, 10, 15)]
    assert set(np.unique(group["labels/a.ome.zarr/2"][:])) <= {0, 1, 9, 255}
    np.testing.assert_array_equal(read_mask(image / "labels" / "a.ome.zarr").labels, mask.labels)


def test_a_mask_of_another_size_is_not_put_into_an_image(tmp_path, mask):
    image = image_at(tmp_path / "scan.ome.zarr", 2)
    small = Mask(mask.labels[:, :20], "ZYX", classes=CLASSES)
    with pytest.raises(BadInput, match="grid of the image"):
        write_mask(image / "labels" / "a.ome.zarr", small)
    assert not [path for path in (image / "labels").iterdir() if path.is_dir()]


def test_an_image_or_any_other_folder_is_never_replaced(tmp_path, mask):
    image = image_at(tmp_path / "scan.ome.zarr", 2)
    (tmp_path / "notes.zarr").mkdir()
    (tmp_path / "notes.zarr" / "letter.txt").write_text("x")
    before = contents(tmp_path)
    for path in (image, tmp_path / "notes.zarr"):
        with pytest.raises(BadInput, match="not replaced"):
            write_mask(path, mask)
    assert contents(tmp_path) == before


def test_labels_of_other_programs_have_their_names_and_colours(tmp_path):
    group = zarr.open_group(tmp_path / "image.zarr" / "labels" / "cells", mode="w", zarr_format=2)
    group.create_array("0", shape=(1, 4, 6), dtype="int64")[:] = 3
    group.attrs["multiscales"] = [
        {
            "axes": [{"name": "c"}, {"name": "y", "unit": "micrometer"}, {"name": "x", "unit": "micrometer"}],
            "datasets": [
                {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 0.5, 0.5]}]},
            ],
            "coordinateTransformations": [{"type": "scale", "scale": [1, 2, 2]}],
        }
    ]
    group.attrs["image-label"] = {
        "colors": [{"label-value": 3, "rgba": [0, 0, 255, 255]}, {"label-value": 5, "rgba": [255, 0, 0, 255]}],
        "properties": [{"label-value": 3, "name": "nucleus"}],
    }
    read = read_mask(tmp_path / "image.zarr" / "labels" / "cells")
    assert (read.labels.shape, read.axes, read.unit) == ((4, 6), "YX", "mm")
    np.testing.assert_allclose(read.spacing[1:], 1e-3)
    assert read.classes[0] == ClassInfo(label=3, name="nucleus", colour=(0.0, 0.0, 1.0))


def test_labels_that_grew_on_the_disk_are_a_mask(tmp_path, mask):
    grown = GrowingLabels(tmp_path / "a.zarr", mask.as_scan("scan"), CLASSES, "model")
    grown.array[:] = mask.labels
    read = read_scan_or_mask(tmp_path / "a.zarr")
    np.testing.assert_array_equal(read.labels, mask.labels)
    assert [info.name for info in read.classes] == [info.name for info in CLASSES]


def test_a_full_disk_leaves_the_older_mask(tmp_path, mask):
    resource = pytest.importorskip("resource", reason="Windows cannot limit the size of files")
    path = write_mask(tmp_path / "a.ome.zarr", mask)
    before = contents(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
    try:
        with pytest.raises(BadInput, match=r"a\.ome\.zarr"):
            write_mask(path, mask)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert contents(tmp_path) == before


def test_what_does_not_read_back_or_cannot_be_moved_leaves_the_older_mask(tmp_path, mask, monkeypatch):
    path = write_mask(tmp_path / "a.ome.zarr", mask)
    before = contents(tmp_path)
    write, rename = ome_zarr_labels.write, os.rename
    with monkeypatch.context() as wrong:
        other = Mask(mask.labels[::-1], "ZYX", mask.spacing, "mm", None, CLASSES)
        wrong.setattr(ome_zarr_labels, "write", lambda file, _, image: write(file, other, image))
        with pytest.raises(BadInput, match="did not read back"):
            write_mask(path, mask)
    assert contents(tmp_path) == before

    def fails_once_moved(source, target):
        if str(target) == str(path) and ".part" in str(source):
            raise OSError(28, "No space left on device")
        rename(source, target)

    with monkeypatch.context() as full:
        full.setattr("os.rename", fails_once_moved)
        with pytest.raises(BadInput, match="No space left"):
            write_mask(path, mask)
    assert contents(tmp_path) == before


def test_a_damaged_one_is_refused_in_a_sentence(tmp_path, mask):
    path = write_mask(tmp_path / "a.ome.zarr", mask)
    (path / "0" / ".zarray").write_text("{")
    with pytest.raises(BadInput, match=r"a\.ome\.zarr"):
        read_mask(path)
    (tmp_path / "b.zarr").mkdir()
    with pytest.raises(BadInput, match=r"b\.zarr"):
        read_mask(tmp_path / "b.zarr")


def test_without_zarr_it_says_what_to_install(tmp_path, mask, monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(MissingDependency, match=r"napari-unet-paint\[zarr\]"):
        write_mask(tmp_path / "a.zarr", mask)
