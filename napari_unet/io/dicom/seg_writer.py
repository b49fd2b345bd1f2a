"""Masks as DICOM segmentations (DICOM-SEG, .dcm) through highdicom, which refer to the series they were made on.

A segmentation belongs to a patient and a study: DICOM requires it to name them (PS3.3, A.51, the modules Patient
and General Study). What it requires is copied from the series, see ``COPIED``, and nothing else of its headers is
looked at. DICOM numbers segments 1, 2, 3 without gaps; the numbers that classes have here stand in the segments'
descriptions.
"""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.sr.coding import Code

import napari_unet
from napari_unet.annotation import BACKGROUND, ClassInfo
from napari_unet.errors import BadInput, MissingDependency
from napari_unet.io.contents import PAINTED_BACKGROUND, Contents, volumes
from napari_unet.io.dicom.segment_codes import codes_for
from napari_unet.io.dicom.segmentation import label_of
from napari_unet.io.mask import Mask
from napari_unet.io.regrid import resample
from napari_unet.scan import Geometry, Scan

COPIED = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
"""What the standard requires of patient and study, beside the identifiers of study, series and images."""
LOOKED_AT = (
    "SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber",
    "Modality", "FrameOfReferenceUID", "PositionReferenceIndicator", "Rows", "Columns", "PixelSpacing",
    "SliceThickness", "SpacingBetweenSlices", "ImageOrientationPatient", "ImagePositionPatient", "NumberOfFrames",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "DimensionIndexSequence",
    "DimensionOrganizationSequence",
)  # fmt: skip
"""What else is read of the series, to refer to its images and to say where they lie."""
ALLOWED = {"Date": r"\d{8}", "Time": r"\d{6}(\.\d{1,6})?", "Sex": "[MFO]"}
"""How values look, by the ends of their names."""
LONGEST_NAME = 64
"""Of a segment, in characters."""
LARGEST_NUMBER = 2**31 - 1
"""The largest number of a series."""


def write(path: Path, mask: Mask) -> None:
    """Write a mask as a binary segmentation of the series that it lies on.

    Raises
    ------
    BadInput
        It does not lie on a DICOM series, is a series of volumes, or has no classes.
    MissingDependency
        highdicom is not installed.
    """
    check_fits(mask.as_scan("mask"))
    hd = _highdicom()
    if not segments_of(mask):
        raise BadInput("the mask has no classes, and a DICOM segmentation needs at least one: name a class first.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the libraries' warnings about odd values quote them, the patient's name too
        try:
            segmentation = _segmentation(hd, mask)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise BadInput(
                "no DICOM segmentation can be made for this series: its headers are incomplete or contradict each "
                "other. Save the mask as .seg.nrrd."
            ) from error
        segmentation.save_as(path)


def _segmentation(hd: Any, mask: Mask) -> Any:
    """Make the segmentation object of a mask that fits."""
    series = [_header(file) for file in mask.dicom]
    patient = {name: series[0][name].value for name in COPIED}
    for header in series:
        for name in COPIED:
            setattr(header, name, "")  # copied below, past highdicom, which checks them loudly
    segments = segments_of(mask)
    numbers = np.zeros(256, np.uint8)
    for number, info in enumerate(segments, 1):
        numbers[info.label] = number
    first = series[0]
    assert mask.geometry is not None
    volume = hd.Volume(
        numbers[volumes(mask.labels, mask.axes)],
        affine=mask.geometry.affine[:, [2, 1, 0, 3]],  # of (slice, row, column)
        coordinate_system="PATIENT",
        frame_of_reference_uid=first.FrameOfReferenceUID,
    )
    segmentation = hd.seg.Segmentation(
        source_images=series,
        pixel_array=volume,
        segmentation_type="BINARY",
        segment_descriptions=[_description(hd, number, info) for number, info in enumerate(segments, 1)],
        series_instance_uid=hd.UID(),
        series_number=min(int(first.SeriesNumber or 0) + 1000, LARGEST_NUMBER),
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="napari-unet developers",
        manufacturer_model_name="napari-unet-paint",
        software_versions=napari_unet.__version__,
        device_serial_number="0",
        content_label="SEGMENTATION",
        content_description="Segmentation made with napari-unet",
        series_description="Segmentation (napari-unet)",
        specific_character_set="ISO_IR 192",
    )
    for name, value in patient.items():
        setattr(segmentation, name, value)
    return segmentation


def check_fits(scan: Scan) -> None:
    """Check that masks of a scan can become segmentations.

    Raises
    ------
    BadInput
        It was not read from a DICOM series, or is a series of volumes.
    MissingDependency
        highdicom is not installed.
    """
    _highdicom()
    if not scan.dicom or scan.geometry is None:
        raise BadInput(
            "a DICOM segmentation (.dcm) refers to the DICOM series that the mask was made on, and this mask lies on "
            "none: put it onto the series first (napari-unet convert --onto FOLDER, or Plugins > U-Net > Mask onto "
            "another scan), or save it as .seg.nrrd or .nii.gz."
        )
    if scan.folded:
        raise BadInput("a DICOM segmentation holds one volume, not a series of them: save the mask as .nii.gz.")


def _highdicom() -> Any:
    try:
        import highdicom
        import highdicom.seg
    except ImportError as error:
        raise MissingDependency(
            'DICOM segmentations need highdicom: pip install "napari-unet-paint[dicomseg]".'
        ) from error
    return highdicom


def _header(file: Path) -> Any:
    """Read what a segmentation takes from an image of its series; what it needs and is missing becomes empty."""
    try:
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=[*LOOKED_AT, *COPIED])
    except (OSError, pydicom.errors.InvalidDicomError) as error:
        raise BadInput(
            f"{file}, of the series that the mask was made on, cannot be read any more: put it back, or save the mask "
            "as .seg.nrrd."
        ) from error
    for name in COPIED:
        setattr(header, name, _plain(header, name))
    header.setdefault("SeriesNumber", None)
    header.setdefault("StudyInstanceUID", pydicom.uid.generate_uid(entropy_srcs=[header.SeriesInstanceUID, "study"]))
    header.setdefault("FrameOfReferenceUID", pydicom.uid.generate_uid(entropy_srcs=[header.SeriesInstanceUID, "frame"]))
    header.setdefault("PositionReferenceIndicator", None)
    header.setdefault("SliceThickness", None)
    return header


def _plain(header: Any, name: str) -> str:
    """Give a value as DICOM allows it; archives hold others, such as a sex of "U", which count as not known."""
    allowed = next((pattern for ending, pattern in ALLOWED.items() if name.endswith(ending)), None)
    if allowed is None:
        return str(header.get(name) or "")
    raw = header.get_item(name)  # not decoded: pydicom would log what is not allowed
    text = raw.value.decode("ascii", "replace").strip(" \0") if raw is not None and raw.value else ""
    return text if re.fullmatch(allowed, text) else ""


def segments_of(mask: Mask) -> list[ClassInfo]:
    """Give the classes of a mask as segments can name them, and one for painted background when there is any."""
    segments = [info.model_copy(update={"name": segment_name(info.name)}) for info in mask.classes]
    if (mask.labels == BACKGROUND).any():
        segments.append(PAINTED_BACKGROUND)
    return segments


def segment_name(name: str) -> str:
    r"""Give a name as a segment can have it: at most 64 characters, without \, which DICOM parts values by."""
    printable = "".join(letter for letter in name.replace("\\", "/") if letter.isprintable())
    return printable.strip()[:LONGEST_NAME].strip() or "class"


def _description(hd: Any, number: int, info: ClassInfo) -> Any:
    """Describe one segment: name, colour, what it is in SNOMED CT, and what made it."""
    codes = codes_for(info.name)
    algorithm = hd.AlgorithmIdentificationSequence(
        name="napari-unet", family=Code("123110", "DCM", "Artificial Intelligence"),
        version=napari_unet.__version__,
    )  # fmt: skip
    description = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=info.name,
        segmented_property_category=codes.category,
        segmented_property_type=codes.kind,
        algorithm_type="SEMIAUTOMATIC",  # a person painted, and may have corrected
        algorithm_identification=algorithm,
        display_color=hd.color.CIELabColor.from_rgb(*(round(255 * part) for part in info.colour)),
    )
    if codes.side is not None:
        side = hd.sr.CodedConcept.from_code(codes.side)
        description.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [side]
    description.SegmentDescription = f"label {info.label}"
    return description


def read_back(path: Path, meant: Mask) -> Contents:
    """Read a segmentation onto the grid of the mask it was made from; frames without labels are not in the file."""
    hd = _highdicom()
    segmentation = hd.seg.segread(path)
    volume = segmentation.get_volume(combine_segments=True)
    affine = np.asarray(volume.affine)[:, [2, 1, 0, 3]]
    described = [segmentation.get_segment_description(n) for n in segmentation.segment_numbers]
    numbers = np.zeros(len(described) + 1, np.uint8)
    classes = []
    names = {segment_name(info.name): info.name for info in meant.classes}
    for description in described:
        label = label_of(description)
        numbers[description.SegmentNumber] = label
        if label == BACKGROUND:
            continue
        red, green, blue = hd.color.CIELabColor.from_dicom_value(description.RecommendedDisplayCIELabValue).to_rgb()
        name = names.get(description.SegmentLabel, description.SegmentLabel)
        classes.append(ClassInfo(label=label, name=name, colour=(red / 255, green / 255, blue / 255)))
    scan = meant.as_scan("mask")
    shown = Mask(numbers[volume.array], geometry=Geometry(affine), unit="mm", spacing=Geometry(affine).spacing)
    labels = resample(shown, scan)
    return Contents(labels, meant.axes, meant.spacing, "mm", meant.geometry, tuple(classes))
