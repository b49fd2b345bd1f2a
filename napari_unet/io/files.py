"""Reading scans and masks, and writing masks, whatever the format."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np

from napari_unet.annotation import BACKGROUND, as_paint
from napari_unet.durable import written_whole
from napari_unet.errors import BadInput, OutOfMemory, UnetError
from napari_unet.io.contents import Contents
from napari_unet.io.formats import MASK_SUFFIXES, WRITE_SUFFIXES, Format, format_of, stem_of, suffix_of
from napari_unet.io.label_descriptions import described_beside
from napari_unet.io.mask import Mask, named
from napari_unet.io.ome_zarr_labels import is_label_image
from napari_unet.io.proof import check_read_back, check_second_opinion
from napari_unet.io.zarr_file import in_zarr, read_zarr
from napari_unet.scan import Scan, stack_channels

PathLike = str | os.PathLike[str]
ITK_OBJECT = re.compile(r"^.*\(0x[0-9a-f]+\): ")
"""How ITK begins a sentence: with which part of it says so, and where that lies in memory."""


def read_scan(
    path: PathLike | Sequence[PathLike], *, series: str | None = None, assume_even_spacing: bool = False
) -> Scan:
    """Read a scan from a file, or from a folder of DICOM files.

    Parameters
    ----------
    path
        A file with one of ``READ_SUFFIXES``, or a folder that holds the files of a DICOM series. Of several, which
        must lie on one grid, the channels of one scan are made.
    series
        Which of several: the number or the UID of a series in a DICOM folder, the name of an array in a file;
        needed only when there are several.
    assume_even_spacing
        Read a DICOM series in which slices are missing or unevenly spaced as if they were evenly spaced.

    Raises
    ------
    BadInput
        It is missing, not of a known format, damaged, or its slices do not make one volume.
    OutOfMemory
        It would not fit into memory.
    """
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    files = [Path(one) for one in paths]
    scans = [_read_scan(file, series, assume_even_spacing=assume_even_spacing) for file in files]
    if not scans:
        raise BadInput("name at least one file to read.")
    return stack_channels(scans) if len(scans) > 1 else scans[0]


def _read_scan(file: Path, series: str | None, *, assume_even_spacing: bool) -> Scan:
    if in_zarr(file):
        return read_zarr(file)
    return _scan(file, _contents(file, series, assume_even_spacing=assume_even_spacing))


def read_mask(path: PathLike, *, series: str | None = None) -> Mask:
    """Read a mask, or a paint.

    Parameters
    ----------
    path
        A file with one of ``MASK_SUFFIXES``, or a folder with a DICOM segmentation. Whole numbers stored as floats
        are accepted.
    series
        As for :func:`read_scan`.

    Raises
    ------
    BadInput
        It is missing, not of a known format, damaged, or holds something other than labels 0 to 255.
    OutOfMemory
        It would not fit into memory.
    """
    file = Path(path)
    if in_zarr(file):
        return _mask(file, _guarded(file, lambda: format_of(Path(".zarr")).load().read_labels(file)))
    if file.is_dir() and suffix_of(file) is None:
        return _mask(file, _guarded(file, lambda: format_of(Path(".dcm")).load().read_labels(file, series)))
    form = _dicom(file) or format_of(file, MASK_SUFFIXES)
    chosen = (series,) if form.several else ()
    return _mask(file, _read(file, lambda: form.load().read_labels(file, *chosen)))


def read_scan_or_mask(path: PathLike, *, series: str | None = None, assume_even_spacing: bool = False) -> Scan | Mask:
    """Read a file as what it says it is: a mask when it has segments, or was written as one; else a scan.

    Parameters
    ----------
    path
        A file or folder.
    series, assume_even_spacing
        As for :func:`read_scan`.

    Raises
    ------
    BadInput, OutOfMemory
        As :func:`read_scan`.
    """
    file = Path(path)
    if in_zarr(file):
        return read_mask(file) if is_label_image(file) else read_zarr(file)
    contents = _contents(file, series, assume_even_spacing=assume_even_spacing)
    if contents.classes is not None:
        try:
            return _mask(file, contents)
        except BadInput:
            pass  # such as thousands of numbered cells: to be looked at as an image
    return _scan(file, contents)


def write_mask(path: PathLike, mask: Mask) -> Path:
    """Write a mask whole or not at all; an older file is replaced only by one that reads back equal.

    Only labels, place, spacing, class names and colours are written: nothing else that the scan's file may
    have said about a patient. What a format cannot carry: .tif has a spacing but no position.

    Parameters
    ----------
    path
        A file name with one of ``WRITE_SUFFIXES``.
    mask
        The mask, or paint: its label 255 survives.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    BadInput
        The format is not known or cannot hold the mask, or the file cannot be written: the disk is full or
        the folder is not yours. An older file of that name is then as it was.
    """
    target = Path(path)
    form = format_of(target, WRITE_SUFFIXES)
    if target.is_dir() and not form.folder:
        raise BadInput(f"{target} is a folder: choose a file name in it.")
    complete = replace(mask, labels=np.ascontiguousarray(mask.labels), classes=named(mask.labels, mask.classes))
    writer = form.load_writer()
    _check_name(writer, target)

    def check(written: Path) -> None:
        _check(written, complete, form)

    try:
        if form.folder:
            writer.write_folder(target, complete, check)
            return target
        with written_whole(target, check=check) as temporary:
            writer.write(temporary, complete)
    except (OSError, RuntimeError, ValueError) as error:  # SimpleITK raises RuntimeError for everything
        raise BadInput(
            f"{target} could not be written ({_reason(error)}): is the disk full? An older file is untouched."
        ) from error
    return target


def check_mask_fits(path: str | os.PathLike[str], scan: Scan) -> None:
    """Check that the mask of a scan can be written as a file of that name, before the work that makes it.

    Raises
    ------
    BadInput
        The format is not known, or cannot hold masks of this scan.
    MissingDependency
        The format needs a library that is not installed.
    """
    writer = format_of(Path(path), WRITE_SUFFIXES).load_writer()
    _check_name(writer, Path(path))
    if hasattr(writer, "check_fits"):
        writer.check_fits(scan)


def _check_name(writer: ModuleType, path: Path) -> None:
    if hasattr(writer, "check_name"):
        writer.check_name(path)


def _contents(file: Path, series: str | None, *, assume_even_spacing: bool) -> Contents:
    if file.is_dir() or _dicom(file):
        from napari_unet.io import dicom

        return _guarded(file, lambda: dicom.read(file, series, assume_even_spacing=assume_even_spacing))
    form = format_of(file)
    chosen = (series,) if form.several else ()
    return _read(file, lambda: form.load().read(file, *chosen))


def _dicom(file: Path) -> Format | None:
    """Tell a DICOM file by its content: few have a suffix."""
    return format_of(Path(".dcm")) if suffix_of(file) in (None, ".dcm") and is_dicom(file) else None


def _scan(file: Path, contents: Contents) -> Scan:
    return Scan.from_array(
        contents.array,
        contents.axes,
        spacing=contents.spacing,
        unit=contents.unit,
        geometry=contents.geometry,
        name=contents.name or stem_of(file),
        dicom=contents.dicom,
    )


def _mask(file: Path, contents: Contents) -> Mask:
    if "C" in contents.axes:
        raise BadInput(f"{file} is a colour or many-channel image, not a mask: a mask has one label for each voxel.")
    labels = as_paint(contents.array, str(file))
    classes = contents.classes or described_beside(file, stem_of(file))
    known = tuple(info for info in classes if 0 < info.label < BACKGROUND)
    return Mask(
        labels,
        contents.axes,
        contents.spacing,
        contents.unit,
        contents.geometry,
        named(labels, known),
        contents.dicom,
    )


def _check(written: Path, meant: Mask, form: Format) -> None:
    """Compare a file with the mask it was made from, as this program and another read it."""
    writer = form.load_writer()
    if hasattr(writer, "read_back"):
        read = _mask(written, _read(written, lambda: writer.read_back(written, meant)))
    else:
        read = read_mask(written)
    check_read_back(written.name, read, meant, form)
    check_second_opinion(written, meant, form)


def _read(file: Path, reader: Callable[[], Contents]) -> Contents:
    """Run a reader on a file that is there and not empty."""
    try:
        empty = file.stat().st_size == 0
    except OSError as error:
        raise BadInput(f"cannot read {file}: {error.strerror}.") from error
    if file.is_dir():
        raise BadInput(f"{file} is a folder: choose a file in it.")
    if not file.is_file():  # to open a pipe or a device is to wait for it
        raise BadInput(f"{file} is not a file: choose a file.")
    if empty:
        raise BadInput(f"{file} is empty: get it again from where it came from.")
    return _guarded(file, reader)


def _guarded(file: Path, reader: Callable[[], Contents]) -> Contents:
    """Run a reader; whatever a library makes of a damaged file becomes one sentence."""
    try:
        return reader()
    except UnetError:
        raise
    except MemoryError as error:
        raise OutOfMemory(f"{file} does not fit into memory: close other programs, or crop it.") from error
    except Exception as error:  # parsers of foreign files raise nearly everything
        raise BadInput(
            f"{file} is damaged, cut short or not what its name says ({_reason(error)}): get it again from where it "
            "came from."
        ) from error


def is_dicom(file: Path) -> bool:
    """Look for the four letters every DICOM file has after its preamble; such files often have no suffix."""
    try:
        if not file.is_file():
            return False
        with file.open("rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said = [line.strip() for line in str(error).splitlines() if line.strip()]
    # SimpleITK ends with where it was in its code and what the system said, nibabel with a question.
    telling = [line for line in said if not line.startswith(("Reason:", "- could"))]
    return ITK_OBJECT.sub("", (telling or said or [type(error).__name__])[-1])
