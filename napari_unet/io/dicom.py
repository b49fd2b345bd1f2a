"""A DICOM series, from its folder or from any of its files.

pydicom reads the headers and this module decides which files make one volume, in which order and where it
lies; GDCM, through SimpleITK, decodes the voxels and applies the rescale slope and intercept. Distances
between slices come from their positions, never from the slice thickness or the instance number. Nothing that
the headers say about a patient is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info

from napari_unet.errors import BadInput
from napari_unet.io.contents import Contents
from napari_unet.io.gate import admit
from napari_unet.scan import Geometry

DEFLATED = "1.2.840.10008.1.2.1.99"
"""A transfer syntax with the whole file compressed, unpacked before anything can be checked."""
TAGS = (
    "SOPClassUID", "SeriesInstanceUID", "SeriesNumber", "Modality", "Rows", "Columns", "NumberOfFrames",
    "SamplesPerPixel", "BitsAllocated", "PixelSpacing", "ImagerPixelSpacing", "SpacingBetweenSlices", "SliceThickness",
    "ImageOrientationPatient", "ImagePositionPatient", "RescaleSlope", "RescaleIntercept",
)  # fmt: skip
"""All that is ever read of a header."""
SEGMENTATIONS = "1.2.840.10008.5.1.4.1.1.66"
"""How the class of segmentation and registration objects begins: their voxels are not a scan's."""
UNEVEN = 0.01
"""Slices may lie this share of their distance off their place: scanners round positions."""
SAME_DIRECTION = 1e-3
"""Direction cosines closer than this are the same (0.06 degrees)."""


@dataclass(frozen=True, eq=False)
class Slice:
    """One file of a series.

    Parameters
    ----------
    path
        The file.
    uid, number, modality
        Of its series.
    shape
        (rows, columns, samples).
    spacing
        (y, x) in mm; None when the header does not say.
    thickness
        In mm; for a single slice only.
    plane
        (3, 3) LPS: columns are the unit vector along a row, that along a column, and the position of the first
        voxel in mm; None when the header does not say.
    whole
        Whether rescaled values are whole numbers.
    refusal
        Why this file cannot be read, for the user; empty when it can.
    """

    path: Path
    uid: str
    number: str
    modality: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float] | None
    thickness: float
    plane: NDArray[np.float64] | None
    whole: bool
    refusal: str


def read(path: Path, series: str | None = None) -> Contents:
    """Read one series as a volume (Z, Y, X), slices ascending along the normal of the image plane.

    Parameters
    ----------
    path
        A folder, whose subfolders are not looked into, or any file of the series. A single image that does
        not say where it lies becomes (Y, X).
    series
        Its number or UID, when a folder holds several.

    Raises
    ------
    BadInput
        There is no series, or several and none was chosen; slices are missing, doubled, tilted, or unevenly
        spaced; or the files are of a kind that is not read yet.
    OutOfMemory
        It would not fit into memory.
    """
    slices = _choose(path, _headers(path), series)
    slices, geometry, spacing = _arrange(path, slices)
    rows, columns, samples = slices[0].shape
    admit(path, len(slices) * rows * columns * samples * 4)
    array = _voxels(path, slices)
    axes = "ZYX" + ("C" if array.ndim == 4 else "")
    if geometry is None:  # a single picture, such as an X-ray or an ultrasound image
        array, axes = array[0], axes[1:]
    name, files = f"{slices[0].modality} series", tuple(slice_.path for slice_ in slices)
    if spacing is None:
        return Contents(array, axes, name=name, dicom=files)
    return Contents(array, axes, spacing, "mm", geometry, name=name, dicom=files)


def _headers(path: Path) -> list[Slice]:
    """Read the headers of all images in a folder; for a file, of those of its series."""
    folder = path if path.is_dir() else path.parent
    try:
        files = sorted(file for file in folder.iterdir() if file.is_file())
    except OSError as error:
        raise BadInput(f"cannot read the folder {folder}: {error.strerror}.") from error
    if path.is_dir():
        return [found for file in files if (found := _header(file)) is not None]
    asked = _header(path)
    if asked is None:
        raise BadInput(f"{path} is a DICOM file without an image, or damaged: choose a file of an image series.")
    beside = [_header(file) for file in files if file != path]
    return [asked, *(found for found in beside if found is not None and found.uid == asked.uid)]


def _header(file: Path) -> Slice | None:
    """Read what is needed of a header; None when the file is not a DICOM image."""
    try:
        if read_file_meta_info(file).get("TransferSyntaxUID") == DEFLATED:
            raise BadInput(f"{file} is a deflated DICOM file, which is not read here: export the series uncompressed.")
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(TAGS))
        if "Rows" not in header or "Columns" not in header:
            return None
        return _slice_of(file, header)
    except InvalidDicomError:
        return None
    except (ValueError, TypeError, AttributeError, KeyError, OSError, EOFError) as error:
        raise BadInput(f"{file} is a damaged DICOM file ({error}): get it again from where it came from.") from error


def _slice_of(file: Path, header: Any) -> Slice:
    spacing = header.get("PixelSpacing") or header.get("ImagerPixelSpacing")
    directions, position = header.get("ImageOrientationPatient"), header.get("ImagePositionPatient")
    special = int(header.get("NumberOfFrames") or 1) > 1 or str(header.get("SOPClassUID")).startswith(SEGMENTATIONS)
    refusal = (
        f"{file} holds many images in one DICOM file (a multi-frame image or a segmentation), which is not read yet: "
        "export it as NIfTI or as one file for each slice."
    )
    slope, intercept = float(header.get("RescaleSlope") or 1), float(header.get("RescaleIntercept") or 0)
    return Slice(
        path=file,
        uid=str(header.get("SeriesInstanceUID", "")),
        number=str(header.get("SeriesNumber") or "without number"),
        modality=str(header.get("Modality") or "DICOM"),
        shape=(int(header.Rows), int(header.Columns), int(header.get("SamplesPerPixel") or 1)),
        spacing=(float(spacing[0]), float(spacing[1])) if spacing else None,
        thickness=float(header.get("SpacingBetweenSlices") or header.get("SliceThickness") or 1),
        plane=np.reshape([float(v) for v in (*directions, *position)], (3, 3)).T if directions and position else None,
        whole=slope.is_integer() and intercept.is_integer(),
        refusal=refusal if special else "",
    )


def _choose(path: Path, slices: Sequence[Slice], series: str | None) -> list[Slice]:
    """Keep the files of one series."""
    readable = [slice_ for slice_ in slices if not slice_.refusal]
    if slices and not readable:
        raise BadInput(slices[0].refusal)
    found: dict[str, list[Slice]] = {}
    for slice_ in readable:
        found.setdefault(slice_.uid, []).append(slice_)
    listed = "; ".join(
        f"{members[0].number} ({members[0].modality}, {len(members)} images of "
        f"{members[0].shape[0]} x {members[0].shape[1]})"
        for members in sorted(found.values(), key=lambda members: members[0].number)
    )
    if not found:
        raise BadInput(f"{path} holds no DICOM images: choose the folder with the files of one series.")
    if series is not None:
        found = {uid: members for uid, members in found.items() if series in (uid, members[0].number)}
        if len(found) != 1:
            raise BadInput(
                f'{path} has {"no" if not found else "more than one"} series "{series}", but these: {listed}.'
            )
    elif len(found) > 1:
        raise BadInput(
            f"{path} holds {len(found)} series: {listed}. Choose one by its number (--series), or open one of its "
            "files."
        )
    return next(iter(found.values()))


def _arrange(path: Path, slices: list[Slice]) -> tuple[list[Slice], Geometry | None, tuple[float, float, float] | None]:
    """Sort the slices of a series and say where they lie: (slices, geometry, (z, y, x) spacing in mm)."""
    first = slices[0]
    for other in slices:
        if other.shape != first.shape or other.spacing != first.spacing:
            raise BadInput(
                f"{path}: {other.path.name} has another size or pixel spacing than {first.path.name}: keep one kind of "
                "image in the folder, without localisers."
            )
    planes = [slice_.plane for slice_ in slices if slice_.plane is not None]
    if first.spacing is None or len(planes) < len(slices):
        if len(slices) > 1:
            raise BadInput(f"{path}: its images do not say where they lie, so they make no volume: open one of them.")
        return slices, None, None if first.spacing is None else (first.thickness, *first.spacing)
    along_row, along_column = planes[0][:, 0], planes[0][:, 1]
    for slice_, plane in zip(slices, planes, strict=True):
        if not np.allclose(plane[:, :2], planes[0][:, :2], rtol=0, atol=SAME_DIRECTION):
            raise BadInput(
                f"{path}: {slice_.path.name} is turned against {first.path.name}: keep one orientation in the folder, "
                "without localisers."
            )
    normal = np.cross(along_row, along_column)
    order = np.argsort([normal @ plane[:, 2] for plane in planes], kind="stable")
    ordered = [slices[i] for i in order]
    positions = np.array([planes[i][:, 2] for i in order])
    step = _step(path, positions, normal) if len(ordered) > 1 else normal * first.thickness
    affine = np.eye(4)
    affine[:3, 0] = along_row * first.spacing[1]
    affine[:3, 1] = along_column * first.spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = positions[0]
    geometry = Geometry(affine)
    return ordered, geometry, geometry.spacing


def _step(path: Path, positions: NDArray[np.float64], normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the vector from one slice to the next, in mm; the slices must lie evenly on a line along the normal."""
    distances = np.diff(positions @ normal)
    usual = float(np.median(distances))
    tolerance = max(UNEVEN * usual, 1e-3)
    if distances.min() < 1e-3:
        twice = int(distances.argmin())
        raise BadInput(
            f"{path}: images {twice + 1} and {twice + 2}, counted along the scan, lie at the same place: the series "
            "holds several phases, echoes or times. Put one of them into a folder of its own."
        )
    if np.abs(distances - usual).max() > tolerance:
        where = int(np.abs(distances - usual).argmax())
        raise BadInput(
            f"{path}: slices {where + 1} and {where + 2}, counted along the scan, are {distances[where]:.2f} mm apart "
            f"and the others {usual:.2f} mm: a slice is missing or the spacing changes. Export the series again."
        )
    step = (positions[-1] - positions[0]) / (len(positions) - 1)
    on_line = positions[0] + np.arange(len(positions))[:, None] * step
    sideways = np.linalg.norm(step - normal * (step @ normal))
    if sideways > 2e-3 * usual or np.abs(positions - on_line).max() > 2 * tolerance:
        raise BadInput(
            f"{path}: the slices are shifted sideways against each other (a tilted gantry), so they make no straight "
            "volume: have it resampled, or use a reconstruction without tilt."
        )
    return np.asarray(step)


def _voxels(path: Path, slices: Sequence[Slice]) -> NDArray[Any]:
    """Decode the rescaled voxels: (Z, Y, X), or (Z, Y, X, C) in colour; in the smallest whole-number type."""
    reader = sitk.ImageSeriesReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileNames([str(slice_.path) for slice_ in slices])
    whole = all(slice_.whole for slice_ in slices)
    if slices[0].shape[2] == 1:
        # Left alone, the first file's type would be forced on all the others.
        reader.SetOutputPixelType(sitk.sitkInt32 if whole else sitk.sitkFloat32)
    try:
        array: NDArray[Any] = sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise BadInput(f"{path}: its images cannot be decoded ({reason}). Export the series uncompressed.") from error
    if array.dtype == np.int32:
        for smaller in (np.uint8, np.int16, np.uint16):
            if np.iinfo(smaller).min <= array.min() and array.max() <= np.iinfo(smaller).max:
                return array.astype(smaller)
    return array
