"""Make the bundled sample in ``assets/sample`` from the chest CT inside the package slicerio.

Run ``pip install -e ".[bench]"`` once, then ``python assets/make_sample.py``. The result is part of the
repository; this script says how it came about.
"""

from dataclasses import replace
from importlib.metadata import files
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from napari_unet.annotation import BACKGROUND
from napari_unet.io import read_mask, read_scan, write_mask
from napari_unet.io.sample import PAINT, SCAN, TRUTH

PAINTED = (5, 13, 21, 29)
"""Slices painted whole, counted from 0."""
FOLDER = Path(__file__).parent / "sample"


def source(name: str) -> Path:
    """Find a file of the package slicerio."""
    return next(Path(str(file.locate())) for file in files("slicerio") or () if file.name == name)


def main() -> None:
    """Write the scan, its segmentation and its paint."""
    FOLDER.mkdir(exist_ok=True)
    image = sitk.ReadImage(str(source("CTChest4.nrrd")))
    small = sitk.Cast(image, sitk.sitkInt16)
    if not np.array_equal(sitk.GetArrayFromImage(small), sitk.GetArrayFromImage(image)):
        raise SystemExit("the scan holds values that int16 does not")
    for key in small.GetMetaDataKeys():
        small.EraseMetaData(key)
    sitk.WriteImage(small, str(FOLDER / SCAN), useCompression=True)

    truth = read_mask(source("Segmentation.seg.nrrd"))
    truth.folded_onto(read_scan(FOLDER / SCAN))
    write_mask(FOLDER / TRUTH, truth)
    paint = np.zeros_like(truth.labels)
    painted = list(PAINTED)
    paint[painted] = np.where(truth.labels[painted] == 0, BACKGROUND, truth.labels[painted])
    write_mask(FOLDER / PAINT, replace(truth, labels=paint))


if __name__ == "__main__":
    main()
