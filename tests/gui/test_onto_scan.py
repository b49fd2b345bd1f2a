"""A mask is put onto the grid of another scan, as a layer that saves as that scan's mask."""

import numpy as np
import pytest
from napari.layers import Layer

from napari_unet.annotation import new_class
from napari_unet.gui.layers.masks import mask_layer_data, mask_of
from napari_unet.gui.layers.scans import layer_data
from napari_unet.io import Mask
from napari_unet.scan import Geometry, Scan

COARSE, FINE = (Geometry.from_spacing((step, step, step), (5.0, 6.0, 7.0)) for step in (2.0, 1.0))


@pytest.fixture
def dock(window):
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1:3, 1:3, 1:3] = 4
    mask = Mask(labels, "ZYX", COARSE.spacing, "mm", COARSE, (new_class(4, "liver"),))
    window.viewer.add_layer(Layer.create(*mask_layer_data(mask, "old mask")))
    return window.open("Mask onto another scan")


def test_it_says_what_is_missing(window, dock):
    assert not dock.button.isEnabled()
    assert dock.said.text() == "Open a scan."
    window.viewer.add_image(np.zeros((8, 10, 12)), name="elsewhere")
    assert not dock.button.isEnabled()
    assert '"elsewhere" does not say where' in dock.said.text()


def test_a_new_layer_lies_on_the_scan_and_knows_its_files(window, dock, tmp_path):
    scan = Scan.from_array(
        np.zeros((8, 10, 12)), geometry=FINE, unit="mm", name="follow-up", dicom=(tmp_path / "1.dcm",)
    )
    window.viewer.add_layer(Layer.create(*layer_data(scan)))
    before = window.viewer.layers["old mask"].data.copy()
    dock.button.click()
    window.until(lambda: "mask on follow-up" in window.viewer.layers)
    layer = window.viewer.layers["mask on follow-up"]
    mask = mask_of(*layer.as_layer_data_tuple()[:2])
    assert mask.labels.shape == (8, 10, 12)
    assert (mask.labels == 4).sum() == 64
    assert mask.geometry.close_to(FINE)
    assert mask.dicom == scan.dicom
    assert mask.classes[0].name == "liver"
    assert "resampled" in dock.said.text()
    assert dock.button.isEnabled()
    np.testing.assert_array_equal(window.viewer.layers["old mask"].data, before)


def test_scans_of_different_places_are_refused_in_a_sentence(window, dock):
    far = Scan.from_array(
        np.zeros((3, 3, 3)), geometry=Geometry.from_spacing((1, 1, 1), (900, 0, 0)), unit="mm", name="other"
    )
    window.viewer.add_layer(Layer.create(*layer_data(far)))
    dock.button.click()
    window.until(lambda: "same patient" in dock.said.text())
    assert dock.button.isEnabled()
    assert len(window.viewer.layers) == 2
