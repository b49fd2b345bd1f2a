"""What the headers of DICOM files say, as far as a volume is made of it. Nothing about a patient is looked at."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.datadict import tag_for_keyword
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from napari_unet.errors import BadInput
from napari_unet.io.gate import unpacked_size

LARGEST_DEFLATED = 1 << 30
"""Bytes that a deflated file may unpack to: all of it is unpacked before its header can be read."""
TAGS = (
    "SOPClassUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "Modality", "Rows", "Columns",
    "NumberOfFrames", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PhotometricInterpretation", "PixelSpacing", "ImagerPixelSpacing", "SpacingBetweenSlices", "SliceThickness",
    "ImageOrientationPatient", "ImagePositionPatient", "RescaleSlope", "RescaleIntercept",
)  # fmt: skip
"""All that is ever read of a file with one image."""
NUMBERS = [int(number) for tag in TAGS if (number := tag_for_keyword(tag)) is not None]
SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Segmentation Storage and Label Map Segmentation Storage."""
NOT_SCANS = "1.2.840.10008.5.1.4.1.1.66"
"""How the class of segmentation and registration objects begins: their voxels are not a scan's."""
LOOKED_AT = 2048
"""Bytes at the start of a file; the part that names its encoding is nearly always shorter."""
GROUP_LENGTH = bytes.fromhex("02000000")
"""The tag that begins this part and says how long it is."""
PIXEL_DATA = bytes.fromhex("e07f1000")
"""The tag of the voxels, as it stands in a little-endian file."""
UNDEFINED = 0xFFFFFFFF
"""The length of voxels in parts, which is how compressed ones are stored."""
MOST_FILES = 50_000
"""Files of a folder that are looked at: more is a disk, not a scan."""


@dataclass(frozen=True, eq=False)
class Slice:
    """One image: a file of a series, or a frame of a file with many.

    Parameters
    ----------
    path
        The file.
    uid, number, description, modality
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
    slope, intercept
        What makes values of the stored numbers.
    frames
        Images in the file.
    segmentation
        Whether the file is a DICOM segmentation.
    stored
        How the voxels lie in the file, when plainly.
    name
        For messages.
    """

    path: Path
    uid: str
    number: str
    description: str
    modality: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float] | None
    thickness: float
    plane: NDArray[np.float64] | None
    slope: float = 1.0
    intercept: float = 0.0
    frames: int = 1
    segmentation: bool = False
    stored: "Stored | None" = None
    name: str = ""

    @property
    def title(self) -> str:
        """What a scan made of it is called: nothing that somebody wrote, which may name the patient."""
        return f"{self.modality} series {self.number}" if self.number.isdigit() else f"{self.modality} series"

    @property
    def whole(self) -> bool:
        """Whether rescaled values are whole numbers."""
        return self.slope.is_integer() and self.intercept.is_integer()


@dataclass(frozen=True)
class Stored:
    """Uncompressed grey values in a file.

    Parameters
    ----------
    offset
        Where they begin, in bytes.
    dtype
        As they lie in the file.
    unused_bits
        Highest bits of each number that are not part of its value.
    """

    offset: int
    dtype: str
    unused_bits: int = 0


def headers_of(path: Path) -> list[Slice]:
    """Read the headers of all images of a folder; of a file, its own and those of its series beside it.

    Parameters
    ----------
    path
        A folder, or a file. When no file of the folder is DICOM, those of its subfolders are looked at, as
        the exports of archives have them.

    Raises
    ------
    BadInput
        The folder cannot be read, a file of it is damaged, or the file holds no image.
    """
    if path.is_dir():
        found = [header for file in _files(path) if (header := header_of(file)) is not None]
        return found or [header for file in _files(path, deep=True) if (header := header_of(file)) is not None]
    asked = header_of(path)
    if asked is None:
        raise BadInput(f"{path} is a DICOM file without an image, or damaged: choose a file of an image series.")
    if asked.segmentation or asked.frames > 1:
        return [asked]
    beside = [header_of(file) for file in _files(path.parent) if file != path]
    return [asked, *(found for found in beside if found is not None and found.uid == asked.uid and found.frames == 1)]


def _files(folder: Path, *, deep: bool = False) -> list[Path]:
    """List the files of a folder; hidden ones are no scan's."""

    def found() -> Iterator[Path]:
        for entry in folder.rglob("*") if deep else folder.iterdir():
            if not entry.name.startswith(".") and entry.is_file():
                yield entry

    try:
        return sorted(islice(found(), MOST_FILES))
    except OSError as error:
        raise BadInput(f"cannot read the folder {folder}: {error.strerror}.") from error


def header_of(file: Path) -> Slice | None:
    """Read what is needed of a header; None when the file is not a DICOM image.

    Raises
    ------
    BadInput
        It is damaged.
    """
    try:
        with file.open("rb") as stream:
            start = stream.read(LOOKED_AT)
            if start[128:132] != b"DICM":
                return None
            if _is_deflated(file, start):
                _check_deflated(file, start)
            stream.seek(0)
            header = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=NUMBERS)
            kind = str(header.get("SOPClassUID"))
            if "Rows" not in header or "Columns" not in header:
                _check_no_image(header)
                return None
            if kind.startswith(NOT_SCANS) and kind not in SEGMENTATIONS:
                return None
            return _slice_of(file, header, stored_in(stream, header))
    except InvalidDicomError:
        return None
    except BadInput:
        raise
    except Exception as error:  # pydicom raises nearly everything on damaged headers
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise BadInput(
            f"{file} is a damaged DICOM file ({reason[0]}): get it again from where it came from."
        ) from error


def _check_no_image(header: Any) -> None:
    """Refuse a file that ends before it says what it is, or how large an image: left out, its slice would be missed."""
    kind = header.get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID") or ""
    if not kind or "Image Storage" in UID(kind).name:
        raise ValueError("it is cut short within its header")


def _is_deflated(file: Path, start: bytes) -> bool:
    """Look at the transfer syntax: in the first bytes, where it nearly always is, else where pydicom finds it."""
    first_tag, length = start[132:136], int.from_bytes(start[140:144], "little")
    if first_tag == GROUP_LENGTH and 144 + length <= len(start):
        return DeflatedExplicitVRLittleEndian.encode() in start[: 144 + length]
    return bool(read_file_meta_info(file).get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian)


def _check_deflated(file: Path, start: bytes) -> None:
    """Refuse a file that unpacks to more than any image has, before pydicom or GDCM unpack it."""
    if start[132:136] != GROUP_LENGTH:
        raise ValueError("it does not say where its deflated part begins")
    with file.open("rb") as stream:
        stream.seek(144 + int.from_bytes(start[140:144], "little"))
        if unpacked_size(stream, file.stat().st_size, LARGEST_DEFLATED, -zlib.MAX_WBITS) >= LARGEST_DEFLATED:
            raise BadInput(f"{file} is deflated and unpacks to more than 1 GB: export the series uncompressed.")


def _slice_of(file: Path, header: Any, stored: Stored | None) -> Slice:
    spacing = header.get("PixelSpacing") or header.get("ImagerPixelSpacing")
    kind = str(header.get("SOPClassUID"))
    return Slice(
        path=file,
        uid=str(header.get("SeriesInstanceUID", "")),
        number=str(header.get("SeriesNumber") or "without number"),
        description=str(header.get("SeriesDescription") or ""),
        modality=str(header.get("Modality") or "DICOM"),
        shape=(int(header.Rows), int(header.Columns), int(header.get("SamplesPerPixel") or 1)),
        spacing=(float(spacing[0]), float(spacing[1])) if spacing else None,
        thickness=float(header.get("SpacingBetweenSlices") or header.get("SliceThickness") or 1),
        plane=plane_of(header.get("ImageOrientationPatient"), header.get("ImagePositionPatient")),
        slope=float(header.get("RescaleSlope") or 1),
        intercept=float(header.get("RescaleIntercept") or 0),
        frames=int(header.get("NumberOfFrames") or 1),
        segmentation=kind in SEGMENTATIONS,
        stored=stored,
        name=file.name,
    )


def plane_of(directions: Any, position: Any) -> NDArray[np.float64] | None:
    """Make the plane of a :class:`Slice` of the values of two tags; None when one is missing."""
    if not directions or not position:
        return None
    plane = np.reshape([float(value) for value in (*directions, *position)], (3, 3)).T
    if not np.isfinite(plane).all():
        raise ValueError("its position is not a number")
    return plane


def stored_in(stream: BinaryIO, header: Any) -> Stored | None:
    """Look whether the voxels of a file lie there as plain grey values, so that no decoder is needed.

    Parameters
    ----------
    stream
        The file, where reading its header has stopped: at the tag of the voxels.
    header
        The header.

    Raises
    ------
    ValueError
        There are no voxels.
    """
    syntax = header.file_meta.get("TransferSyntaxUID")
    if syntax == DeflatedExplicitVRLittleEndian:
        return None
    explicit = syntax != ImplicitVRLittleEndian
    bits, used = int(header.get("BitsAllocated") or 0), int(header.get("BitsStored") or 0)
    plain = (
        syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
        and header.get("PhotometricInterpretation") == "MONOCHROME2"
        and int(header.get("SamplesPerPixel") or 1) == 1
        and bits in (8, 16)
        and 0 < used <= bits
        and int(header.get("HighBit", used - 1)) == used - 1
    )
    offset = stream.tell()
    start = stream.read(12 if explicit else 8)
    if start[:4] != PIXEL_DATA and syntax != ExplicitVRBigEndian:
        raise ValueError("it holds no voxels")
    if not plain or int.from_bytes(start[-4:], "little") == UNDEFINED:
        return None
    sign = "i" if int(header.get("PixelRepresentation") or 0) else "u"
    return Stored(offset + len(start), f"<{sign}{bits // 8}", bits - used)
