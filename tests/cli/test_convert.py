"""``napari-unet convert``: other formats, other grids, surfaces, volumes, names."""

import gzip

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from napari_unet.io import read_mask, read_scan

SECRETS = {
    "PatientName": "CANARYNAME^ANNA",
    "PatientID": "CANARYNUMBER",
    "PatientBirthDate": "19010203",
    "AccessionNumber": "CANARYACCESSION",
    "ReferringPhysicianName": "CANARYREFERRER^EVE",
    "InstitutionName": "CANARYHOSPITAL",
    "OperatorsName": "CANARYOPERATOR^BOB",
    "PatientComments": "CANARYCOMMENT",
    "StudyDescription": "CANARYSTUDY",
    "DeviceSerialNumber": "CANARYDEVICE",
    "SeriesDescription": "CANARYSERIES",
}
REQUIRED = 5
"""How many of them, from the first, a DICOM segmentation must name."""


@pytest.fixture
def dicom(nifti, tmp_path):
    """The phantom as a DICOM series, full of what nobody else should know, in a folder named by it."""
    scan = read_scan(nifti.scan)
    folder = tmp_path / "CANARYPATH"
    folder.mkdir()
    series, study, frame = (generate_uid() for _ in range(3))
    for z, voxels in enumerate(np.asarray(scan.array[0])):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        image.SeriesInstanceUID, image.StudyInstanceUID, image.FrameOfReferenceUID = series, study, frame
        image.Modality, image.SeriesNumber = "CT", 3
        for name, secret in SECRETS.items():
            setattr(image, name, secret)
        affine = scan.geometry.affine
        image.ImageOrientationPatient = [*(affine[:3, 0] / scan.spacing[2]), *(affine[:3, 1] / scan.spacing[1])]
        image.ImagePositionPatient = list(affine[:3] @ [0, 0, z, 1])
        image.PixelSpacing, image.SliceThickness = list(scan.spacing[1:]), scan.spacing[0]
        image.Rows, image.Columns = voxels.shape
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated = image.BitsStored = 16
        image.HighBit, image.PixelRepresentation = 15, 1
        image.PixelData = voxels.astype("<i2").tobytes()
        pydicom.dcmwrite(folder / f"{z}.dcm", image, enforce_file_format=True)
    return folder


def secrets_in(text):
    return [secret for secret in SECRETS.values() if secret.encode() in text]


def test_every_kind_of_file_is_made(command, nifti, tmp_path):
    for name in ("a.nrrd", "a.ome.tif", "a.obj", "a.csv", "a.txt"):
        status, out, told = command("convert", nifti.truth, tmp_path / name)
        assert (status, out.strip(), told) == (0, str(tmp_path / name), "")
        assert (tmp_path / name).stat().st_size > 0
    np.testing.assert_array_equal(read_mask(tmp_path / "a.nrrd").labels, read_mask(nifti.truth).labels)
    status, out, _ = command("convert", nifti.truth, tmp_path / "a.stl")
    assert out.split() == [str(tmp_path / "a-1-block.stl"), str(tmp_path / "a-5-ball.stl")]
    command("convert", nifti.truth, tmp_path / "ball.stl", "--classes", "5")
    assert (tmp_path / "ball.stl").is_file()


def test_only_some_classes_with_names_from_a_list(command, nifti, tmp_path):
    (tmp_path / "labels.txt").write_text('5 0 255 0 1 1 1 "Kugel"\n9 0 0 255 1 1 1 "none"\n')
    argv = ("convert", nifti.truth, tmp_path / "a.seg.nrrd", "--names", tmp_path / "labels.txt", "--classes", "5")
    assert command(*argv)[0] == 0
    mask = read_mask(tmp_path / "a.seg.nrrd")
    assert set(np.unique(mask.labels)) == {0, 5}
    assert [(info.label, info.name, info.colour) for info in mask.classes] == [(5, "Kugel", (0.0, 1.0, 0.0))]
    status, _, told = command("convert", nifti.truth, tmp_path / "b.nrrd", "--classes", "4")
    assert status == 1
    assert "5 (ball)" in told


def test_a_mask_goes_onto_the_grid_of_another_scan_and_says_so(command, nifti, dicom, tmp_path):
    status, _, told = command("convert", nifti.truth, tmp_path / "mask.nii.gz", "--onto", dicom)
    assert status == 0
    scan = read_scan(dicom)
    moved = read_mask(tmp_path / "mask.nii.gz")
    assert moved.geometry.close_to(scan.geometry, 1e-3)
    assert "CT series" in told
    assert (moved.labels > 0).sum() == (read_mask(nifti.truth).labels > 0).sum()


def test_a_segmentation_needs_a_series_and_says_whom_it_names(command, nifti, dicom, tmp_path):
    status, _, told = command("convert", nifti.truth, tmp_path / "seg.dcm")
    assert status == 1
    assert "--onto" in told
    status, _, told = command("convert", nifti.truth, tmp_path / "seg.dcm", "--onto", dicom)
    assert status == 0
    assert "names the patient" in told
    assert not secrets_in(told.encode())
    segmentation = pydicom.dcmread(tmp_path / "seg.dcm")
    assert [segment.SegmentLabel for segment in segmentation.SegmentSequence] == ["block", "ball"]
    assert segmentation.PatientName == SECRETS["PatientName"]


def test_prediction_to_a_segmentation_is_refused_before_the_work(command, model, nifti, tmp_path):
    status, _, told = command("predict", model, nifti.scan, "-o", tmp_path / "seg.dcm")
    assert status == 1
    assert "DICOM series" in told


def test_from_a_series_to_scores_nobody_is_named(command, nifti, dicom, quick, tmp_path):
    """Train, predict, refine and evaluate on a scan full of secrets; look for them in all that comes of it."""
    series, results = str(dicom), tmp_path / "results"
    results.mkdir()
    said = []
    for argv in (
        ("train", series, nifti.paint, "-o", results / "a.unet", *quick),
        ("info", results / "a.unet", "--json"),
        ("info", series),
        ("predict", results / "a.unet", series, "-o", results / "a.nii.gz"),
        ("predict", results / "a.unet", series, "-o", results / "a.seg.nrrd", "--probabilities", results / "a.npz"),
        ("predict", results / "a.unet", series, "-o", results / "a.dcm"),
        (
            "refine",
            results / "a.nii.gz",
            "-o",
            results / "b.nrrd",
            "--fill-holes",
            "--save-pipeline",
            results / "a.json",
        ),
        ("evaluate", results / "b.nrrd", nifti.truth),
        ("convert", results / "b.nrrd", results / "b.csv", "--onto", series),
        ("convert", nifti.truth, results / "b.obj", "--onto", series),
    ):
        status, out, told = command(*argv)
        assert status == 0, told
        said.append(out + told)
    assert not secrets_in("".join(said).encode())
    for file in results.iterdir():
        raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        found = secrets_in(raw)
        assert found == (list(SECRETS.values())[:REQUIRED] if file.suffix == ".dcm" else []), file.name
        assert b"CANARYPATH" not in raw
