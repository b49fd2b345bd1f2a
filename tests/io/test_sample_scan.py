"""The bundled scan, its segmentation and its paint belong together."""

import numpy as np

from napari_unet.io import read_mask, read_scan
from napari_unet.io.sample import PAINT, SCAN, TRUTH, sample_folder


def test_scan_truth_and_paint_lie_on_one_grid():
    folder = sample_folder()
    scan, truth, paint = read_scan(folder / SCAN), read_mask(folder / TRUTH), read_mask(folder / PAINT)
    assert scan.array.dtype == np.int16
    assert scan.mask_shape == (34, 128, 128)
    np.testing.assert_allclose(scan.spacing, (10.0, 3.047, 3.047), atol=1e-3)
    labels, painted = truth.folded_onto(scan), paint.folded_onto(scan)
    assert [info.name for info in paint.classes] == [info.name for info in truth.classes]
    assert [info.label for info in truth.classes] == [1, 2, 3, 4, 5, 6, 7]
    assert truth.classes[4].name == "right lung"
    slices = [5, 13, 21, 29]
    assert np.flatnonzero(painted.any(axis=(1, 2))).tolist() == slices
    np.testing.assert_array_equal(painted[slices] % 255, labels[slices])
    assert painted[slices].all()


def test_its_credit_lies_beside_it():
    text = (sample_folder() / "LICENSE.txt").read_text()
    assert "MIT License" in text
    assert "Andras Lasso" in text
