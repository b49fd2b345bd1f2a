"""napari opens scans and masks through this plugin, and saves masks with all that belongs to them."""

import threading

import numpy as np
import pytest
from napari.layers import Image, Labels, Layer
from npe2 import PluginManifest
from qtpy.QtCore import QTimer

import napari_unet
from napari_unet.annotation import ClassInfo
from napari_unet.errors import BadInput
from napari_unet.gui.layers import writers
from napari_unet.gui.layers.readers import get_reader, open_project
from napari_unet.gui.layers.samples import chest
from napari_unet.gui.layers.writers import write_labels
from napari_unet.io import EXPORT_SUFFIXES, READ_SUFFIXES, WRITE_SUFFIXES, Mask, read_mask, write_mask
from napari_unet.scan import Geometry

AFFINE = np.array([[0.0, 0.7, 0, 5], [-0.6, 0, 0, 6], [0, 0, 3, -7], [0, 0, 0, 1]])
CLASSES = (
    ClassInfo(label=1, name="Leber é", colour=(0.25, 0.5, 1.0)),
    ClassInfo(label=9, name="not painted yet", colour=(1.0, 0.0, 0.0)),
)


@pytest.fixture
def mask():
    labels = np.zeros((3, 6, 5), np.uint8)
    labels[1, 2:4], labels[2] = 1, 255
    geometry = Geometry(AFFINE)
    return Mask(labels, "ZYX", geometry.spacing, "mm", geometry, CLASSES)


def opened(path):
    reader = get_reader(str(path))
    assert reader is not None
    return [Layer.create(*layer) for layer in reader(str(path))]


@pytest.mark.parametrize("suffix", [suffix for suffix in WRITE_SUFFIXES if suffix != ".dcm"])
def test_a_mask_opens_as_labels_and_saves_as_it_was(tmp_path, mask, suffix):
    (layer,) = opened(write_mask(tmp_path / f"mask{suffix}", mask))
    assert isinstance(layer, Labels)
    np.testing.assert_allclose(layer.scale, mask.spacing, rtol=1e-5)
    assert layer.features["name"].tolist() == [info.name for info in CLASSES]
    np.testing.assert_allclose(layer.get_color(1)[:3], CLASSES[0].colour, atol=1e-6)
    data, attributes, _ = layer.as_layer_data_tuple()
    (written,) = write_labels(str(tmp_path / f"again{suffix}"), data, attributes)
    read = read_mask(written)
    np.testing.assert_array_equal(read.labels, mask.labels)
    np.testing.assert_allclose(read.spacing, mask.spacing, rtol=1e-5)
    assert read.classes == mask.classes
    if ".tif" not in suffix and "zarr" not in suffix:
        assert read.geometry.close_to(mask.geometry, 1e-4)


def test_the_sample_is_a_scan_and_its_paint():
    image, paint = (Layer.create(*layer) for layer in chest())
    assert isinstance(image, Image)
    assert isinstance(paint, Labels)
    assert image.data.shape == paint.data.shape == (34, 128, 128)
    np.testing.assert_allclose(image.scale, paint.scale)
    assert image.units == paint.units
    assert paint.features["name"].iloc[4] == "right lung"
    assert np.flatnonzero((paint.data == 255).any(axis=(1, 2))).tolist() == [5, 13, 21, 29]


def test_a_layer_of_napari_saves_with_its_colours(tmp_path):
    layer = Labels(np.diag([1, 2, 3]), scale=(2.0, 3.0), units=("mm", "mm"))
    data, attributes, _ = layer.as_layer_data_tuple()
    read = read_mask(write_labels(str(tmp_path / "a.nrrd"), data, attributes)[0])
    assert (read.axes, read.spacing[1:], read.unit) == ("YX", (2.0, 3.0), "mm")
    np.testing.assert_allclose(
        [info.colour for info in read.classes], [layer.get_color(i)[:3] for i in (1, 2, 3)], atol=1e-5
    )


def test_labels_over_255_are_refused(tmp_path):
    with pytest.raises(BadInput, match="the label 300"):
        write_labels(str(tmp_path / "a.nrrd"), np.full((2, 2), 300), {"name": "cells"})
    assert not list(tmp_path.iterdir())


def test_a_suffix_is_added_but_never_over_a_file_nobody_was_asked_about(tmp_path):
    labels = np.eye(3, dtype=np.uint8)
    assert write_labels(str(tmp_path / "mask.v2"), labels, {}) == [str(tmp_path / "mask.v2.nii.gz")]
    before = (tmp_path / "mask.v2.nii.gz").read_bytes()
    with pytest.raises(BadInput, match="exists already"):
        write_labels(str(tmp_path / "mask.v2"), labels * 2, {})
    assert (tmp_path / "mask.v2.nii.gz").read_bytes() == before
    write_labels(str(tmp_path / "mask.v2.nii.gz"), labels * 2, {})
    assert read_mask(tmp_path / "mask.v2.nii.gz").labels.max() == 2


def test_surfaces_are_named_by_class_and_replace_nothing_unasked(tmp_path, mask):
    mask.labels[0, 0, 0] = 9
    (layer,) = opened(write_mask(tmp_path / "mask.nii.gz", mask))
    data, attributes, _ = layer.as_layer_data_tuple()
    written = write_labels(str(tmp_path / "a.stl"), data, attributes)
    assert written == [str(tmp_path / "a-1-Leber_é.stl"), str(tmp_path / "a-9-not_painted_yet.stl")]
    with pytest.raises(BadInput, match="exists already"):
        write_labels(str(tmp_path / "a.stl"), data, attributes)
    for suffix in (".obj", ".csv", ".txt"):
        assert write_labels(str(tmp_path / f"a{suffix}"), data, attributes) == [str(tmp_path / f"a{suffix}")]
        write_labels(str(tmp_path / f"a{suffix}"), data, attributes)


def test_the_window_lives_while_a_mask_is_saved_and_paint_then_does_not_get_into_it(tmp_path, mask, monkeypatch, qapp):
    (layer,) = opened(write_mask(tmp_path / "mask.nii.gz", mask))
    data, attributes, _ = layer.as_layer_data_tuple()
    painted, write = threading.Event(), writers.export

    def paint():
        data[:] = 7
        painted.set()

    def slowly(path, mask):
        assert painted.wait(10)
        return write(path, mask)

    monkeypatch.setattr(writers, "export", slowly)
    QTimer.singleShot(0, paint)
    (written,) = write_labels(str(tmp_path / "again.nii.gz"), data, attributes)
    assert painted.is_set()
    np.testing.assert_array_equal(read_mask(written).labels, mask.labels)


def test_what_is_not_ours_is_left_to_others(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    for path in (tmp_path, tmp_path / "notes.txt", tmp_path / "missing.docx"):
        assert get_reader(str(path)) is None
    for name in ("empty", "study.unetproject"):
        (tmp_path / name).mkdir()
        assert get_reader(str(tmp_path / name)) is open_project, "who opens it is told that it is no project"
    assert get_reader([str(tmp_path / "notes.txt")] * 2) is None


def test_the_manifest_names_every_format_and_nothing_that_is_not_there():
    manifest = PluginManifest.from_file(f"{napari_unet.__path__[0]}/napari.yaml")
    assert manifest.name == "napari-unet-paint"
    (reader,), (writer, exporter) = manifest.contributions.readers, manifest.contributions.writers
    dicom = {"*.dicom", "*.ima", "*[!p][0-9]"}
    assert set(reader.filename_patterns) == {f"*{suffix}" for suffix in READ_SUFFIXES} | dicom
    assert reader.accepts_directories
    assert set(writer.filename_extensions) == set(WRITE_SUFFIXES)
    assert {*writer.filename_extensions, *exporter.filename_extensions} == set(EXPORT_SUFFIXES)
