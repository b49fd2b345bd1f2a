"""The voxels of DICOM images, rescaled to the values they stand for.

Plain grey values are read as they lie in the file, which takes no decoder of foreign bytes and half the time;
GDCM, through SimpleITK, decodes all others.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_unet.errors import BadInput
from napari_unet.io.dicom.headers import Slice, Stored

SMALL = (np.uint8, np.int16, np.uint16)
"""The types that whole numbers are kept in when they fit, in this order."""


def voxels_of(path: Path, slices: Sequence[Slice]) -> NDArray[Any]:
    """Read the images of a volume, one a file: (Z, Y, X), or (Z, Y, X, C) in colour.

    Returns
    -------
    numpy.ndarray
        uint8, int16, uint16 or int32, the first of them that holds the values; float32 for fractions.

    Raises
    ------
    BadInput
        A file is cut short or cannot be decoded.
    """
    stored = [slice_.stored for slice_ in slices if slice_.stored is not None]
    if len(stored) < len(slices) or len({plain.dtype for plain in stored}) > 1:
        return smallest(_decoded(path, slices))
    raw = np.empty((len(slices), *slices[0].shape[:2]), stored[0].dtype)
    for image, slice_, plain in zip(raw, slices, stored, strict=True):
        read_into(image, slice_.path, plain)
    return rescaled(raw, slices)


def read_into(image: NDArray[Any], path: Path, stored: Stored) -> None:
    """Read stored numbers into an array.

    Raises
    ------
    BadInput
        The file ends before they do.
    """
    with path.open("rb", buffering=0) as stream:
        stream.seek(stored.offset)
        if stream.readinto(image.reshape(-1).view(np.uint8).data) != image.nbytes:
            raise BadInput(f"{path} is cut short, so the series is not whole: get it again from where it came from.")
    if stored.unused_bits:  # old scanners keep drawings there
        image <<= stored.unused_bits
        image >>= stored.unused_bits


def rescaled(raw: NDArray[Any], slices: Sequence[Slice]) -> NDArray[Any]:
    """Make values of stored numbers, slice by slice, in the smallest type that holds them.

    Parameters
    ----------
    raw
        (Z, Y, X) whole numbers; they may be overwritten.
    slices
        What the header says of each.
    """
    if not all(slice_.whole for slice_ in slices):
        values = np.empty(raw.shape, np.float32)
        for image, stored, slice_ in zip(values, raw, slices, strict=True):
            np.multiply(stored, slice_.slope, out=image, casting="unsafe", dtype=np.float64)
            image += slice_.intercept
        return values
    rules = {(int(slice_.slope), int(slice_.intercept)) for slice_ in slices}
    extremes = [slope * int(number) + add for slope, add in rules for number in (raw.min(), raw.max())]
    kind = next(
        (kind for kind in SMALL if np.iinfo(kind).min <= min(extremes) and max(extremes) <= np.iinfo(kind).max),
        np.int32,
    )
    if len(rules) == 1 and np.dtype(kind).itemsize == raw.dtype.itemsize:
        ((slope, add),) = rules
        # What overflows on the way comes back: the result fits.
        whole: NDArray[Any] = raw.astype(raw.dtype.newbyteorder("="), copy=False).view(kind)
        np.multiply(whole, np.array(slope).astype(kind), out=whole)
        np.add(whole, np.array(add).astype(kind), out=whole)
        return whole
    values = np.empty(raw.shape, kind)
    for image, stored, slice_ in zip(values, raw, slices, strict=True):
        image[...] = stored.astype(np.int64) * int(slice_.slope) + int(slice_.intercept)
    return values


def _decoded(path: Path, slices: Sequence[Slice]) -> NDArray[Any]:
    """Let GDCM decode and rescale: int32, float32, or uint8 in colour."""
    reader = sitk.ImageSeriesReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileNames([str(slice_.path) for slice_ in slices])
    if slices[0].shape[2] == 1:
        # Left alone, the first file's type would be forced on all the others.
        whole = all(slice_.whole for slice_ in slices)
        reader.SetOutputPixelType(sitk.sitkInt32 if whole else sitk.sitkFloat32)
    return executed(reader.Execute, path)


def executed(read: Callable[[], Any], path: Path) -> NDArray[Any]:
    """Let a reader of SimpleITK read, and name the file where it cannot.

    Raises
    ------
    BadInput
        It cannot be decoded.
    """
    try:
        array: NDArray[Any] = sitk.GetArrayFromImage(read())
    except RuntimeError as error:
        raise undecodable(path, error) from error
    return array


def undecodable(path: Path, error: Exception) -> BadInput:
    """Say that voxels cannot be decoded, and what the library said."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
    return BadInput(f"{path}: the images of this series cannot be decoded ({reason}). Export it uncompressed.")


def smallest(array: NDArray[Any]) -> NDArray[Any]:
    """Keep int32 in a smaller type that holds the values; other types stay."""
    if array.dtype != np.int32:
        return array
    lowest, highest = array.min(), array.max()
    for kind in SMALL:
        if np.iinfo(kind).min <= lowest and highest <= np.iinfo(kind).max:
            return array.astype(kind)
    return array
