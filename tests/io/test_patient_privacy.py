"""Nothing that a scan's file says about a patient gets into a mask made on it.

Twelve canaries are planted wherever a format has room for text, and looked for in every file that is written, as it is
and unpacked. A DICOM segmentation names the patient, as DICOM requires; nothing else gets into it.
"""

import zlib
from contextlib import suppress

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import tifffile
from PIL import Image, PngImagePlugin

from napari_unet.annotation import new_class
from napari_unet.io import EXPORT_SUFFIXES, WRITE_SUFFIXES, Mask, export, read_scan, write_mask
from napari_unet.io.formats import patient_notice

REQUIRED = {
    "PatientName": "CANARYNAME^ANNA",
    "PatientID": "CANARYNUMBER",
    "PatientBirthDate": "19010203",
    "AccessionNumber": "CANARYACCESSION",
    "ReferringPhysicianName": "CANARYREFERRER^EVE",
}
"""What a DICOM segmentation must copy."""
CANARIES = REQUIRED | {
    "InstitutionName": "CANARYHOSPITAL",
    "OperatorsName": "CANARYOPERATOR^BOB",
    "PatientComments": "CANARYCOMMENT",
    "StudyDescription": "CANARYSTUDY",
    "DeviceSerialNumber": "CANARYDEVICE",
    "private tag": "CANARYPRIVATE",
    "path": "CANARYPATH",
}
ALL = " ".join(CANARIES.values())


def found_in(path):
    """Name the canaries in a file or a folder of files, plain or deflated at any place, in any usual encoding."""
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    texts = [text for file in files for text in (file.name.encode(), *unpacked(file.read_bytes()))]
    spellings = {
        name: [canary.encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be")] for name, canary in CANARIES.items()
    }
    return {name for name, ways in spellings.items() if any(way in text for way in ways for text in texts)}


def unpacked(raw):
    """Give the bytes, and those of every deflated stream in them."""
    yield raw
    for magic in (b"\x1f\x8b\x08", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"):
        start = raw.find(magic)
        while start >= 0:
            with suppress(zlib.error):
                yield zlib.decompressobj(31 if magic[0] == 0x1F else 15).decompress(raw[start:])
            start = raw.find(magic, start + 1)


def in_nifti(folder, _):
    image = nib.Nifti1Image(np.ones((6, 8, 9), np.int16), np.eye(4))
    for field, canary in zip(("descrip", "aux_file", "db_name", "intent_name"), CANARIES.values(), strict=False):
        image.header[field] = canary.encode()
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", ALL.encode()))
    nib.save(image, folder / "CANARYPATH.nii.gz")
    return folder / "CANARYPATH.nii.gz"


def in_fields(folder, suffix):
    image = sitk.GetImageFromArray(np.ones((6, 8, 9), np.int16))
    for key in ("0010|0010", "PatientName", "Segment0_Name", "napari_unet", "Comment"):
        image.SetMetaData(key, ALL)
    sitk.WriteImage(image, str(folder / f"CANARYPATH{suffix}"))
    return folder / f"CANARYPATH{suffix}"


def in_nrrd(folder, _):
    return in_fields(folder, ".nrrd")


def in_mha(folder, _):
    return in_fields(folder, ".mha")


def in_tiff(folder, _):
    tags = [(315, 2, None, ALL, False), (316, 2, None, ALL, False), (33432, 2, None, ALL, False)]
    tifffile.imwrite(
        folder / "CANARYPATH.tif", np.ones((6, 8, 9), np.uint16), photometric="minisblack", description=ALL,
        software=ALL, metadata=None, extratags=tags,
    )  # fmt: skip
    return folder / "CANARYPATH.tif"


def in_ome_tiff(folder, _):
    tifffile.imwrite(
        folder / "CANARYPATH.ome.tif", np.ones((6, 8, 9), np.uint16), photometric="minisblack",
        metadata={"axes": "ZYX", "Name": ALL, "Description": ALL, "Channel": {"Name": [ALL]}},
    )  # fmt: skip
    return folder / "CANARYPATH.ome.tif"


def in_png(folder, _):
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", ALL)
    text.add_text("Author", ALL)
    Image.fromarray(np.ones((8, 9), np.uint8)).save(folder / "CANARYPATH.png", pnginfo=text)
    return folder / "CANARYPATH.png"


def in_dicom(_, dicom_folder):
    folder = dicom_folder("CANARYPATH")
    for file in folder.iterdir():
        header = pydicom.dcmread(file)
        for name, canary in CANARIES.items():
            if name[0].isupper():
                setattr(header, name, canary)
        header.private_block(0x0011, "CANARYPRIVATE", create=True).add_new(1, "LO", "CANARYPRIVATE")
        header.file_meta.PrivateInformationCreatorUID, header.file_meta.PrivateInformation = "1.2.3", b"CANARYPRIVATE"
        header.RequestAttributesSequence = [pydicom.Dataset()]
        header.RequestAttributesSequence[0].ScheduledProcedureStepDescription = "CANARYCOMMENT"
        header.save_as(file)
    return folder


SOURCES = [in_nifti, in_nrrd, in_mha, in_tiff, in_ome_tiff, in_png, in_dicom]
ANONYMOUS = [suffix for suffix in EXPORT_SUFFIXES if suffix != ".dcm"]


def made_on(path):
    scan = read_scan(path)
    return Mask.on(scan, np.ones(scan.mask_shape, np.uint8), (new_class(1, "lung"),))


@pytest.mark.parametrize("source", SOURCES)
def test_no_canary_is_in_a_mask(tmp_path, dicom_folder, source):
    path = source(tmp_path, dicom_folder)
    assert {"PatientName", "path"} <= found_in(path) | ({"path"} if path.is_dir() else set())
    mask = made_on(path)
    results = tmp_path / "results"
    results.mkdir()
    for suffix in ANONYMOUS:
        (written,) = export(results / f"mask-{suffix[1:]}{suffix}", mask)
        assert not found_in(written), suffix
        files = [file for file in written.rglob("*") if file.is_file()] if written.is_dir() else [written]
        assert not [file for file in files if str(tmp_path).encode() in b"".join(unpacked(file.read_bytes()))]


def test_a_series_tells_its_name_to_nothing(tmp_path, dicom_folder):
    scan = read_scan(in_dicom(tmp_path, dicom_folder))
    said = f"{scan.name} {scan.geometry} {scan.channel_names}"
    assert not [canary for canary in CANARIES.values() if canary in said]


def test_a_segmentation_copies_what_dicom_requires_and_says_so(tmp_path, dicom_folder, caplog, capfd):
    with caplog.at_level("DEBUG"):
        written = write_mask(tmp_path / "mask.dcm", made_on(in_dicom(tmp_path, dicom_folder)))
    assert found_in(written) == set(REQUIRED)
    assert not [canary for canary in CANARIES.values() if canary in caplog.text + "".join(capfd.readouterr())]
    assert not [suffix for suffix in WRITE_SUFFIXES if suffix != ".dcm" and patient_notice(tmp_path / f"mask{suffix}")]
    said = patient_notice(written)
    assert "names the patient" in said
    assert "birth date" in said
