"""What was written is what was meant: a mask file read back by this program and by another library.

A library that wrote a file wrongly may read it back wrongly in the same way, so a second one looks at the voxels
and, where it knows of one, at the place: SimpleITK at NIfTI, Pillow at TIFF, pydicom at DICOM segmentations. For NRRD
and MetaImage there is no second library here; their headers are text and their voxels deflated, which is read by hand.
"""

import gzip
import re
import warnings
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.annotation import ClassInfo
from napari_unet.errors import BadInput
from napari_unet.io.contents import volumes
from napari_unet.io.formats import Format
from napari_unet.io.mask import Mask
from napari_unet.scan import Geometry

CLOSE = 1e-4
"""Largest difference, in mm, between a matrix as it was written and as it reads back."""
COLOUR_STEP = 1.01 / 255
"""Colours are stored as whole numbers up to 255 in some formats."""


def check_read_back(name: str, read: Mask, meant: Mask, form: Format) -> None:
    """Compare a mask as it reads back with the mask that was written.

    Raises
    ------
    BadInput
        They differ.
    """
    placed = not form.geometry or (
        read.geometry is meant.geometry
        if read.geometry is None or meant.geometry is None
        else read.geometry.close_to(meant.geometry, CLOSE)
    )
    same = (
        read.axes == meant.axes
        and np.array_equal(read.labels, meant.labels)
        and placed
        and read.unit == meant.unit
        and np.allclose(read.spacing, meant.spacing, rtol=1e-5, atol=CLOSE)
        and _same_classes(read.classes, meant.classes)
    )
    if not same:
        raise BadInput(f"{name} did not read back as it was written: an older file is untouched. Try again.")


def _same_classes(read: Sequence[ClassInfo], meant: Sequence[ClassInfo]) -> bool:
    return [(info.label, info.name) for info in read] == [(info.label, info.name) for info in meant] and np.allclose(
        [info.colour for info in read], [info.colour for info in meant], rtol=0, atol=COLOUR_STEP
    )


def check_second_opinion(written: Path, meant: Mask, form: Format) -> None:
    """Let another library read a mask file, and compare its voxels and place with the mask that was written.

    Raises
    ------
    BadInput
        They differ.
    """
    look = SECOND_OPINIONS.get(form.writer or form.module)
    if look is None:
        return
    try:
        labels, affine = look(written, meant)
    except Exception as error:  # parsers raise nearly everything
        raise BadInput(
            f"another program cannot read {written.name}: an older file is untouched. Is the disk full?"
        ) from error
    expected = volumes(meant.labels, meant.axes)
    same = labels.size == expected.size and np.array_equal(labels.reshape(expected.shape), expected)
    if affine is not None and meant.geometry is not None:
        same = same and Geometry(affine).close_to(meant.geometry, CLOSE)
    if not same:
        raise BadInput(
            f"another program reads {written.name} differently from how it was written: an older file is untouched. "
            "Save it in another format, such as .nrrd."
        )


Opinion = tuple[NDArray[Any], NDArray[np.float64] | None]
"""Labels, of any shape with as many voxels in their order, and the matrix to LPS mm when the library knows one."""


def _of_nifti(path: Path, meant: Mask) -> Opinion:
    """Read with SimpleITK; on the place it and nibabel rightly disagree where sform and qform differ or are sheared."""
    import SimpleITK as sitk

    image = sitk.ReadImage(str(path), imageIO="NiftiImageIO")
    labels = sitk.GetArrayFromImage(image)
    geometry = meant.geometry
    if geometry is None or image.GetDimension() != 3:
        return labels, None
    source = geometry.source
    axes = geometry.affine[:3, :3] / np.linalg.norm(geometry.affine[:3, :3], axis=0)
    plain = np.allclose(axes.T @ axes, np.eye(3), atol=1e-6) and "other_form" not in source
    if not plain or source.get("form") == "none":
        return labels, None
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return labels, affine


def _of_itk(path: Path, meant: Mask) -> Opinion:
    """Read NRRD or MetaImage by hand; with time they are of four dimensions, whose places are not compared."""
    raw = path.read_bytes()
    if raw.startswith(b"NRRD"):
        head, body = raw.split(b"\n\n", 1)
        fields = dict(re.findall(r"^([\w ]+): (.*?)\r?$", head.decode(), re.MULTILINE))
        labels = np.frombuffer(gzip.decompress(body), np.uint8)
        if volumes(meant.labels, meant.axes).ndim != 3 or "space origin" not in fields:
            return labels, None
        vectors = [fields["space origin"], *re.findall(r"\([^)]*\)", fields["space directions"])]
        origin, *steps = [[float(part) for part in vector.strip("()").split(",")] for vector in vectors]
    else:
        head, body = raw.split(b"ElementDataFile = LOCAL\n", 1)
        fields = dict(re.findall(r"^(\w+) = (.*?)\r?$", head.decode("latin-1"), re.MULTILINE))
        labels = np.frombuffer(zlib.decompress(body), np.uint8)
        if volumes(meant.labels, meant.axes).ndim != 3:
            return labels, None
        numbers = {key: np.array(fields[key].split(), float) for key in ("TransformMatrix", "ElementSpacing", "Offset")}
        steps = list(numbers["TransformMatrix"].reshape(3, 3) * numbers["ElementSpacing"][:, None])
        origin = list(numbers["Offset"])
    affine = np.eye(4)
    affine[:3] = np.column_stack([*steps, origin])
    return labels, affine


def _of_tiff(path: Path, _: Mask) -> Opinion:
    """Read page by page with Pillow; the format has no place for a position."""
    from PIL import Image, ImageSequence

    with warnings.catch_warnings(), Image.open(path, formats=("TIFF",)) as pages:
        warnings.simplefilter("error")  # it warns of a file that is cut short
        return np.stack([np.asarray(page) for page in ImageSequence.Iterator(pages)]), None


def _of_dicom_seg(path: Path, meant: Mask) -> Opinion:
    """Read frame by frame with pydicom, each to the slice where it says it lies."""
    import pydicom

    from napari_unet.io.dicom.segmentation import label_of

    assert meant.geometry is not None
    file = pydicom.dcmread(path)
    numbers = {int(segment.SegmentNumber): label_of(segment) for segment in file.SegmentSequence}
    labels = np.zeros(volumes(meant.labels, meant.axes).shape, np.uint8)
    frames = file.pixel_array.reshape(-1, *labels.shape[1:])
    shared = file.SharedFunctionalGroupsSequence[0]
    to_voxel = np.linalg.inv(meant.geometry.affine)
    for frame, group in zip(frames, file.PerFrameFunctionalGroupsSequence, strict=True):
        position = [float(part) for part in group.PlanePositionSequence[0].ImagePositionPatient]
        x, y, z = (to_voxel @ [*position, 1.0])[:3]
        if not np.allclose([x, y, z], [0, 0, round(z)], atol=1e-3):
            raise BadInput(f"{path.name}: a frame lies beside the grid of the mask. Save it as .seg.nrrd.")
        holder = group if "SegmentIdentificationSequence" in group else shared
        labels[round(z)][frame > 0] = numbers[int(holder.SegmentIdentificationSequence[0].ReferencedSegmentNumber)]
    return labels, None


SECOND_OPINIONS: dict[str, Callable[[Path, Mask], Opinion]] = {
    "nifti": _of_nifti,
    "itk": _of_itk,
    "seg_nrrd": _of_itk,
    "tiff": _of_tiff,
    "ome_tiff": _of_tiff,
    "dicom.seg_writer": _of_dicom_seg,
}
"""By the module that wrote the file."""
