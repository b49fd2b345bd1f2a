"""Nothing that a scan's file says about a patient gets into a mask made on it."""

import gzip

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile

from napari_unet.annotation import new_class
from napari_unet.io import WRITE_SUFFIXES, Mask, read_scan, write_mask

CANARY = b"CANARY"


def from_nifti(folder, _):
    image = nib.Nifti1Image(np.ones((3, 4, 5), np.int16), np.eye(4))
    for field in ("descrip", "aux_file", "db_name", "intent_name"):
        image.header[field] = b"CANARY"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"CANARY^NAME"))
    path = folder / "CANARY.nii.gz"
    nib.save(image, path)
    return path


def from_nrrd(folder, _):
    image = sitk.GetImageFromArray(np.ones((3, 4, 5), np.int16))
    for key in ("0010|0010", "PatientName", "Segment0_Name", "napari_unet"):
        image.SetMetaData(key, "CANARY^NAME")
    path = folder / "CANARY.nrrd"
    sitk.WriteImage(image, str(path))
    return path


def from_tiff(folder, _):
    path = folder / "CANARY.tif"
    tifffile.imwrite(
        path, np.ones((3, 4, 5), np.uint16), photometric="minisblack", description="CANARY", software="CANARY",
        metadata=None,
    )  # fmt: skip
    return path


def from_dicom(_, dicom_folder):
    return dicom_folder("CANARY")


@pytest.mark.parametrize("source", [from_nifti, from_nrrd, from_tiff, from_dicom])
@pytest.mark.parametrize("suffix", WRITE_SUFFIXES)
def test_no_canary_is_in_a_mask(tmp_path, dicom_folder, source, suffix):
    path = source(tmp_path, dicom_folder)
    files = path.iterdir() if path.is_dir() else (path,)
    assert all(
        CANARY in (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw) for raw in (f.read_bytes() for f in files)
    )
    scan = read_scan(path)
    assert not path.is_dir() or "CANARY" not in scan.name
    labels = np.ones(scan.mask_shape, np.uint8)
    raw = write_mask(tmp_path / f"mask{suffix}", Mask.on(scan, labels, (new_class(1, "lung"),))).read_bytes()
    raw = gzip.decompress(raw) if suffix == ".nii.gz" else raw
    assert b"lung" in raw
    assert CANARY not in raw
    assert str(tmp_path).encode() not in raw
