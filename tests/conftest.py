"""A DICOM series on disk, for every room that opens one."""

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

OBLIQUE = (0.6942720440, 0.5825634161, 0.4226182617, -0.7046763620, 0.6696329392, 0.2345697160)
"""The directions of a row and a column, turned about all three axes."""


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
        cosines = orientation if orientation is not None else OBLIQUE
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
