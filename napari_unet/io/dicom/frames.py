"""DICOM files with many images: enhanced CT, MR and PET, and runs of pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.pixels.utils import pixel_array
from pydicom.uid import RLELossless

from napari_unet.errors import BadInput
from napari_unet.io.contents import Contents
from napari_unet.io.dicom.headers import Slice, plane_of
from napari_unet.io.dicom.stack import arrange
from napari_unet.io.dicom.voxels import executed, read_into, rescaled, smallest, undecodable
from napari_unet.io.gate import admit


def read(path: Path, about: Slice, *, assume_even_spacing: bool = False) -> Contents:
    """Read a file with many images: (Z, Y, X) when each says where it lies, else (T, Y, X); colours come last.

    Parameters
    ----------
    path
        The file.
    about
        Its header, as for any file.
    assume_even_spacing
        As in :func:`~napari_unet.io.dicom.stack.arrange`.

    Raises
    ------
    BadInput
        It is cut short, cannot be decoded, or its images make no volume.
    Uneven
        As :func:`~napari_unet.io.dicom.stack.arrange`.
    OutOfMemory
        It would not fit into memory.
    """
    header, frames = frames_of(path, about)
    rows, columns, samples = about.shape
    admit(path, len(frames) * rows * columns * samples * 4)
    name, files = about.title, (path,)
    if any(frame.plane is None or frame.spacing is None for frame in frames):
        values = _values(path, header, about, frames)
        axes = "TYX" + ("C" if values.ndim == 4 else "")
        if about.spacing is None:
            return Contents(values, axes, name=name, dicom=files)
        return Contents(values, axes, (1.0, *about.spacing), "mm", name=name, dicom=files)
    ordered, geometry, spacing = arrange(path, frames, assume_even_spacing=assume_even_spacing)
    place_of = {id(frame): place for place, frame in enumerate(frames)}
    order = [place_of[id(frame)] for frame in ordered]
    values = _values(path, header, about, frames)
    if order != sorted(order):
        values = values[order]
    axes = "ZYX" + ("C" if values.ndim == 4 else "")
    return Contents(values, axes, spacing or (1.0, 1.0, 1.0), "mm", geometry, name=name, dicom=files)


def frames_of(path: Path, about: Slice) -> tuple[Any, list[Slice]]:
    """Read the whole header of a file and what it says of each of its images, in the order of the file.

    Raises
    ------
    BadInput
        It does not describe as many images as it claims to hold.
    """
    with path.open("rb") as stream:
        header = pydicom.dcmread(stream, stop_before_pixels=True)
    described = len(header.get("PerFrameFunctionalGroupsSequence", ()))
    if described not in (0, about.frames):
        raise BadInput(
            f"{path} claims {about.frames} images and describes {described}: it is damaged. Get it again from where it "
            "came from."
        )
    return header, [_frame(header, about, number) for number in range(about.frames)]


def _frame(header: Any, about: Slice, number: int) -> Slice:
    measures = group(header, number, "PixelMeasuresSequence")
    orientation = group(header, number, "PlaneOrientationSequence")
    position = group(header, number, "PlanePositionSequence")
    scaling = group(header, number, "PixelValueTransformationSequence")
    spacing = measures.get("PixelSpacing") or about.spacing
    return Slice(
        path=about.path,
        uid=about.uid,
        number=about.number,
        description=about.description,
        modality=about.modality,
        shape=about.shape,
        spacing=(float(spacing[0]), float(spacing[1])) if spacing else None,
        thickness=float(measures.get("SpacingBetweenSlices") or measures.get("SliceThickness") or about.thickness),
        plane=plane_of(orientation.get("ImageOrientationPatient"), position.get("ImagePositionPatient")),
        slope=float(scaling.get("RescaleSlope") or about.slope),
        intercept=float(scaling.get("RescaleIntercept") or about.intercept),
        name=f"image {number + 1}",
    )


def group(header: Any, number: int, name: str) -> Any:
    """Find what is said about image ``number``: of itself, else of all images of the file, else nothing."""
    for groups, place in (("PerFrameFunctionalGroupsSequence", number), ("SharedFunctionalGroupsSequence", 0)):
        said = header.get(groups)
        if said and (found := said[place].get(name)):
            return found[0]
    return pydicom.Dataset()


def _values(path: Path, header: Any, about: Slice, frames: list[Slice]) -> NDArray[Any]:
    """Read the rescaled values of all images, in the order of the file."""
    if about.stored is not None:
        return rescaled(stored_frames(path, about), frames)
    if header.file_meta.TransferSyntaxUID == RLELossless and about.shape[2] == 1:
        return rescaled(np.array(_by_pydicom(path)), frames)
    rules = {(frame.slope, frame.intercept) for frame in frames}
    if len(rules) > 1:
        raise BadInput(
            f"{path} is compressed and scales each image by itself, which is not read: export it uncompressed."
        )
    return smallest(_by_gdcm(path, whole=all(frame.whole for frame in frames), grey=about.shape[2] == 1))


def stored_frames(path: Path, about: Slice) -> NDArray[Any]:
    """Read numbers that lie plainly in the file: (frames, Y, X).

    Raises
    ------
    BadInput
        The file ends before they do, or they are not plainly stored.
    """
    if about.stored is None:
        return _by_pydicom(path)
    raw = np.empty((about.frames, *about.shape[:2]), about.stored.dtype)
    read_into(raw, path, about.stored)
    return raw


def _by_pydicom(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = pixel_array(pydicom.dcmread(path), raw=True)
    except Exception as error:  # it raises nearly everything on damaged voxels
        raise undecodable(path, error) from error
    return array


def _by_gdcm(path: Path, *, whole: bool, grey: bool) -> NDArray[Any]:
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    if grey:
        reader.SetOutputPixelType(sitk.sitkInt32 if whole else sitk.sitkFloat32)
    return executed(reader.Execute, path)
