"""TIFF through tifffile: pages, ImageJ and OME stacks; masks as ImageJ stacks with their spacing.

A TIFF file has no place for a position or an orientation in the patient.
"""

import json
import os
import struct
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile

from napari_unet.errors import BadInput
from napari_unet.io.contents import LEGEND_KEY, Contents, Legend, volumes
from napari_unet.io.gate import admit
from napari_unet.io.mask import Mask
from napari_unet.io.picture import from_greys
from napari_unet.scan import Unit

MILLIMETRES = {
    "mm": 1.0, "millimeter": 1.0, "cm": 10.0, "centimeter": 10.0, "m": 1000.0, "meter": 1000.0, "inch": 25.4,
    "µm": 1e-3, "\u03bcm": 1e-3, "um": 1e-3, "micron": 1e-3, "micrometer": 1e-3, "\\u00b5m": 1e-3, "nm": 1e-6,
}  # fmt: skip
"""What the length units of ImageJ and OME are in mm."""
CENTIMETRE = 3
"""The TIFF resolution unit that microscopes use; "inch" only ever says how large to print."""


def read(path: Path) -> Contents:
    """Read the first image of a TIFF file.

    Raises
    ------
    BadInput
        It is cut short.
    OutOfMemory
        It would not fit into memory.
    """
    with tifffile.TiffFile(path) as file:
        _check_whole(path, file)
        series = file.series[0]
        admit(path, series.size * series.dtype.itemsize)
        array, axes = series.asarray(), _axes(series.axes, series.shape)
        if series.keyframe.extrasamples and axes.endswith("C"):
            array = array[..., : -len(series.keyframe.extrasamples)]
        if axes.endswith("C") and array.shape[-1] == 1:
            array, axes = array[..., 0], axes[:-1]
        spacing, unit = _spacing(file)
        legend = Legend.parse(_ome_note(file) or (file.imagej_metadata or {}).get(LEGEND_KEY, ""))
    return Contents(array, axes, spacing, unit).explained_by(legend)


def read_labels(path: Path) -> Contents:
    """Read a mask; of greys in even steps up to white, such as 0 and 255 in ImageJ, each is a class.

    Raises
    ------
    BadInput, OutOfMemory
        As :func:`read`.
    """
    contents = read(path)
    if contents.classes is not None:
        return contents
    return Contents(from_greys(path, contents.array), contents.axes, contents.spacing, contents.unit)


def _check_whole(path: Path, file: Any) -> None:
    """Refuse a file that ends before its pages or voxels do: missing slices would go unnoticed, or read as 0."""
    form, length = file.tiff, path.stat().st_size
    try:
        with path.open("rb") as stream:
            stream.seek(form.offsetsize)  # 4, or 8 in a BigTIFF: there the position of the first page stands
            offsets: set[int] = set()
            while offset := _number(stream, form.offsetformat, form.offsetsize):
                if offset in offsets:
                    raise BadInput(f"{path} is damaged: its pages follow each other in a circle.")
                offsets.add(offset)
                stream.seek(offset)
                stream.seek(_number(stream, form.tagnoformat, form.tagnosize) * form.tagsize, os.SEEK_CUR)
        series = file.series[0]
        pages = [page for page in series.pages if page]
        parts = prod(series.keyframe.chunked)
        if not series.keyframe.is_contiguous and any(len(page.dataoffsets) < parts for page in pages):
            raise BadInput(f"{path} is damaged: parts of its images are missing. Get it again from where it came from.")
        ends = [o + n for page in pages for o, n in zip(page.dataoffsets, page.databytecounts, strict=True)]
        if series.dataoffset is not None:
            ends.append(series.dataoffset + series.nbytes)
        short = max(ends, default=0) > length
    except struct.error:
        short = True
    if short:
        raise BadInput(f"{path} is cut short: get it again from where it came from.")


def _number(stream: BinaryIO, form: str, size: int) -> int:
    return int(struct.unpack(form, stream.read(size))[0])


def _axes(axes: str, shape: tuple[int, ...]) -> str:
    """Name the axes as this program does: samples are channels, pages of no known kind are slices."""
    axes = axes.replace("S", "C") if "C" not in axes else axes
    for unknown in "IQ":
        if "Z" not in axes and unknown in axes:
            axes = axes.replace(unknown, "Z", 1)
    if len(set(axes)) != len(axes):
        raise ValueError(f"its axes are {axes} with the lengths {shape}")
    return axes


def _spacing(file: Any) -> tuple[tuple[float, float, float], Unit]:
    """Find the (z, y, x) spacing in mm; 1 and "pixel" when the file does not say."""
    page = file.series[0].keyframe
    if file.ome_metadata:
        return _ome_spacing(file.ome_metadata)
    across = [1.0 / density if (density := _density(page, tag)) else 0.0 for tag in ("YResolution", "XResolution")]
    described = file.imagej_metadata or {}
    if described:
        factor = MILLIMETRES.get(str(described.get("unit", "")).lower())
        spacing = (float(described.get("spacing", 1.0)), across[0] or 1.0, across[1] or 1.0)
        if factor is None or not all(across):
            return spacing, "pixel"
        return (spacing[0] * factor, spacing[1] * factor, spacing[2] * factor), "mm"
    unit = page.tags.get("ResolutionUnit")
    if unit is not None and int(unit.value) == CENTIMETRE and all(across):
        return (1.0, across[0] * 10.0, across[1] * 10.0), "mm"
    return (1.0, 1.0, 1.0), "pixel"


def _density(page: Any, tag: str) -> float:
    """Pixels for each unit of length; 0 when the file does not say."""
    found = page.tags.get(tag)
    if found is None or not found.value[1]:
        return 0.0
    return float(found.value[0] / found.value[1])


def _ome_spacing(text: str) -> tuple[tuple[float, float, float], Unit]:
    images = tifffile.xml2dict(text).get("OME", {}).get("Image", {})
    pixels = (images[0] if isinstance(images, list) else images).get("Pixels", {})
    if "PhysicalSizeX" not in pixels or "PhysicalSizeY" not in pixels:
        return (1.0, 1.0, 1.0), "pixel"
    units = [str(pixels.get(f"PhysicalSize{axis}Unit", "µm")).lower() for axis in "ZYX"]
    in_pixels = set(units) == {"pixel"}
    if not in_pixels and not set(units) <= set(MILLIMETRES):
        return (1.0, 1.0, 1.0), "pixel"
    z, y, x = (
        float(pixels.get(f"PhysicalSize{axis}", 1.0)) * MILLIMETRES.get(unit, 1.0)
        for axis, unit in zip("ZYX", units, strict=True)
    )
    return (z, y, x), "pixel" if in_pixels else "mm"


def _ome_note(file: Any) -> str:
    """Find what this program wrote beside the voxels of a mask; empty when it wrote nothing."""
    notes = tifffile.xml2dict(file.ome_metadata or "<OME/>").get("OME") or {}
    found = (notes.get("StructuredAnnotations") or {}).get("MapAnnotation", ())
    for note in found if isinstance(found, list | tuple) else (found,):
        entries = note.get("Value", {}).get("M", ())
        for entry in entries if isinstance(entries, list | tuple) else (entries,):
            if entry.get("K") == LEGEND_KEY:
                return str(entry.get("value", ""))
    return ""


def write(path: Path, mask: Mask) -> None:
    """Write a mask as an ImageJ stack: (T, Z, Y, X), its spacing in mm, its classes in the description.

    Raises
    ------
    BadInput
        The mask has more than four axes.
    """
    labels = np.ascontiguousarray(volumes(mask.labels, mask.axes))
    depth, height, width = mask.spacing
    tifffile.imwrite(
        path,
        labels,
        imagej=True,
        resolution=(1.0 / width, 1.0 / height),
        metadata={
            "axes": "TZYX"[-labels.ndim :],
            "spacing": depth,
            "unit": "mm" if mask.unit == "mm" else "pixel",
            LEGEND_KEY: json.dumps(Legend.of(mask).model_dump(mode="json")),
        },
    )
