"""Files that made a library crash or never end, as the damaging of files found them: each is refused at once."""

import os

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import tifffile

from napari_unet.errors import BadInput
from napari_unet.io import read_scan

ARRAY = np.random.default_rng(0).integers(0, 3000, (3, 8, 9)).astype(np.int16)


def changed(path, before, after):
    whole = path.read_bytes()
    assert before in whole
    path.write_bytes(whole.replace(before, after))
    return path


def test_a_meta_image_of_65536_dimensions(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(ARRAY), str(tmp_path / "a.mha"))
    with pytest.raises(BadInput, match="65536 dimensions"):
        read_scan(changed(tmp_path / "a.mha", b"NDims = 3", b"NDims = 65536"))


@pytest.mark.parametrize("suffix", [".mha", ".mhd"])
def test_a_meta_image_whose_compressed_voxels_break_off(tmp_path, suffix):
    sitk.WriteImage(sitk.GetImageFromArray(ARRAY), str(tmp_path / f"a{suffix}"), useCompression=True)
    assert read_scan(tmp_path / f"a{suffix}").depth == 3
    data = tmp_path / ("a.mha" if suffix == ".mha" else "a.zraw")
    whole = data.read_bytes()
    data.write_bytes(whole[:-80] + whole[-40:] * 2)
    with pytest.raises(BadInput, match="damaged"):
        read_scan(tmp_path / f"a{suffix}")
    data.write_bytes(whole[:-40])
    with pytest.raises(BadInput, match="damaged"):
        read_scan(tmp_path / f"a{suffix}")


def test_a_tiff_that_claims_more_strips_than_it_has(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ARRAY[0].astype(np.uint8), compression="zlib", rowsperstrip=8)
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["ImageLength"].overwrite(60_000_000)
    with pytest.raises(BadInput, match="parts of its images are missing"):
        read_scan(path)


def test_a_dicom_file_without_voxels(dicom_folder):
    folder = dicom_folder(slices=1)
    (file,) = folder.iterdir()
    header = pydicom.dcmread(file)
    del header.PixelData
    header.save_as(file)
    with pytest.raises(BadInput, match="it holds no voxels"):
        read_scan(file)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="only POSIX has pipes in folders")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.nii")
    with pytest.raises(BadInput, match="not a file"):
        read_scan(tmp_path / "a.nii")
