"""A mask saved as OME-TIFF says its voxel size and what its labels mean to other programs."""

import numpy as np
import pytest
import tifffile

from napari_unet.io import Mask, read_mask, write_mask
from napari_unet.scan import Geometry


def test_its_description_is_plain_ome(tmp_path, mask):
    path = write_mask(tmp_path / "mask.ome.tif", mask)
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        np.testing.assert_array_equal(file.asarray().reshape(mask.labels.shape), mask.labels)
        ome = tifffile.xml2dict(file.ome_metadata)["OME"]
    pixels = ome["Image"]["Pixels"]
    for axis, step in zip("ZYX", mask.spacing, strict=True):
        assert pixels[f"PhysicalSize{axis}"] == pytest.approx(step)
        assert pixels[f"PhysicalSize{axis}Unit"] == "mm"
    assert pixels["Channel"]["Name"] == "labels"
    entries = ome["StructuredAnnotations"]["MapAnnotation"]["Value"]["M"]
    names = {str(entry["K"]): entry["value"] for entry in entries}
    for info in mask.classes:
        assert names[str(info.label)] == info.name


def test_it_does_not_tell_which_computer_wrote_it(tmp_path, mask):
    first, second = (write_mask(tmp_path / f"{n}.ome.tif", mask) for n in "ab")
    uuids = [tifffile.xml2dict(tifffile.tiffcomment(path))["OME"]["UUID"] for path in (first, second)]
    assert uuids[0][-12:] != uuids[1][-12:]


def test_a_time_series_keeps_its_axes(tmp_path):
    labels = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5) % 3
    mask = Mask(labels, "TZYX", (3.0, 0.5, 0.5), "mm", Geometry.from_spacing((3.0, 0.5, 0.5)))
    read = read_mask(write_mask(tmp_path / "mask.ome.tif", mask))
    assert read.axes == "TZYX"
    np.testing.assert_array_equal(read.labels, labels)
    with tifffile.TiffFile(tmp_path / "mask.ome.tif") as file:
        assert file.series[0].axes == "TZYX"
