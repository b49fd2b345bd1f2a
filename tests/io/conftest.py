"""Phantom scans and masks, in every position a scanner puts them."""

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from napari_unet.annotation import ClassInfo
from napari_unet.io import Mask
from napari_unet.scan import Geometry

CLASSES = (
    ClassInfo(label=1, name="right lung", colour=(0.0862745, 0.772549, 1 / 3)),
    ClassInfo(label=2, name='Leber — "größte" \\n := | ; é', colour=(0.1, 0.2, 0.3)),
    ClassInfo(label=7, name="never painted", colour=(1.0, 0.0, 0.0)),
    ClassInfo(label=254, name="the last", colour=(0.5, 0.5, 0.5)),
)


def oblique(spacing=(0.7, 0.8, 5.0), origin=(-120.5, 33.25, -700.0)):
    """Three turns about three axes, no two alike; (x, y, z) spacing."""
    a, b, c = np.deg2rad([15.0, -25.0, 40.0])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_y @ about_x * spacing
    affine[:3, 3] = origin
    return affine


def straight(steps, origin=(10.0, -20.0, 30.5)):
    affine = np.diag([*steps, 1.0])
    affine[:3, 3] = origin
    return affine


PLACES = {
    "axial": (straight((1.0, 1.0, 1.0)), (4, 6, 5)),
    "oblique": (oblique(), (4, 6, 5)),
    "flipped": (straight((-0.9, -0.9, 2.0)), (4, 6, 5)),
    "left-handed": (straight((0.9, 0.9, -2.0)), (4, 6, 5)),
    "anisotropic": (straight((0.35, 0.35, 9.999999999999996)), (4, 6, 5)),
    "one slice": (oblique(), (1, 6, 5)),
}


@pytest.fixture(params=PLACES, ids=str)
def place(request):
    """(affine to LPS mm, shape (Z, Y, X))."""
    return PLACES[request.param]


def labels_of(shape, seed=0):
    labels = np.random.default_rng(seed).choice(np.array([0, 1, 2, 254, 255], np.uint8), shape)
    labels.flat[:5] = [0, 1, 2, 254, 255]
    return labels


@pytest.fixture
def mask(place):
    affine, shape = place
    geometry = Geometry(affine)
    return Mask(labels_of(shape), "ZYX", geometry.spacing, "mm", geometry, CLASSES)


@pytest.fixture
def dicom_folder(tmp_path):
    """Make a folder with an oblique CT series; keywords change it."""

    def make(
        name="series", *, slices=6, step=2.5, uid=None, number=3, orientation=None, skip=(), twice=(), intercept=-1000,
        slope=1, sideways=0.0, into=None, shape=(8, 9),
    ):  # fmt: skip
        folder = into or tmp_path / name
        folder.mkdir(exist_ok=True)
        uid = uid or generate_uid()
        turned = oblique()[:3, :3] / np.linalg.norm(oblique()[:3, :3], axis=0)
        cosines = orientation if orientation is not None else [*turned[:, 0], *turned[:, 1]]
        normal = np.cross(cosines[:3], cosines[3:])
        start = np.array([-100.0, 50.0, 700.0])
        # Files come in any order: names run against the positions.
        places = [(i, copy) for i in range(slices) if i not in skip for copy in range(2 if i in twice else 1)]
        for i, copy in places:
            _write_slice(
                folder / f"{number:02d}-{slices - i:03d}-{copy}.dcm", uid, number, cosines, shape,
                start + normal * step * i + np.array(cosines[:3]) * sideways * i, i, slope, intercept,
            )  # fmt: skip
        return folder

    return make


def _write_slice(path, uid, number, cosines, shape, position, value, slope, intercept):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    header.SOPClassUID, header.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    header.SeriesInstanceUID, header.SeriesNumber, header.Modality = uid, number, "CT"
    header.StudyInstanceUID, header.FrameOfReferenceUID = (generate_uid(entropy_srcs=[uid, x]) for x in "sf")
    header.PatientName, header.PatientID = "CANARY^NAME", "CANARY-ID"
    header.SeriesDescription = "thin slices"
    header.PatientBirthDate, header.AccessionNumber, header.InstitutionName = "19010203", "CANARY-ACC", "CANARY-INST"
    header.Rows, header.Columns = shape
    header.PixelSpacing, header.SliceThickness = [0.75, 0.5], 9.0  # the thickness is a lie, as it often is
    header.ImageOrientationPatient = [f"{v:.10g}" for v in cosines]
    header.ImagePositionPatient = [f"{v:.10g}" for v in position]
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated = header.BitsStored = 16
    header.HighBit, header.PixelRepresentation = 15, 0
    header.RescaleSlope, header.RescaleIntercept = slope, intercept
    pixels = np.arange(shape[0] * shape[1], dtype=np.uint16).reshape(shape) + 100 * value
    header.PixelData = pixels.tobytes()
    pydicom.dcmwrite(path, header, enforce_file_format=True)
