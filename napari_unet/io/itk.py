"""NRRD (.nrrd, .nhdr) and MetaImage (.mha, .mhd) through SimpleITK. Both use LPS, as this program does."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from napari_unet.errors import BadInput
from napari_unet.io.contents import LEGEND_KEY, Contents, Legend, volumes
from napari_unet.io.gate import admit
from napari_unet.io.mask import Mask
from napari_unet.io.meta_image import check_compressed
from napari_unet.scan import Geometry, Unit

LARGEST_HEADER = 8_000_000


def read(path: Path) -> Contents:
    """Read a scan of two to four dimensions; several values at each voxel become the last axis, C.

    Raises
    ------
    BadInput
        It has more dimensions, or its voxels lie in a file outside its folder.
    OutOfMemory
        It would not fit into memory.
    """
    contents, fields = read_with_fields(path)
    return contents.explained_by(Legend.parse(fields.get(LEGEND_KEY, "")))


read_labels = read


def read_with_fields(path: Path) -> tuple[Contents, dict[str, str]]:
    """Read a file as it is, and the texts in its header by name.

    Raises
    ------
    BadInput, OutOfMemory
        As :func:`read`.
    """
    parts = _parts(path)
    reader = sitk.ImageFileReader()
    reader.SetImageIO("NrrdImageIO" if _is_nrrd(path) else "MetaImageIO")
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    size, components = reader.GetSize(), reader.GetNumberOfComponents()
    voxel = components * _bytes_of(path, reader.GetPixelID())
    claimed = int(np.prod(size, dtype=object)) * voxel
    admit(path, claimed, sum(part.stat().st_size for part in parts))
    if not 2 <= len(size) <= 4:
        raise BadInput(f"{path} has {len(size)} dimensions: an image, a volume or a series of volumes is needed.")
    if not _is_nrrd(path):
        check_compressed(path, parts, claimed)
    image = reader.Execute()
    fields = {key: _clean(image.GetMetaData(key)) for key in image.GetMetaDataKeys() if key.isascii()}
    axes = "TZYX"[-len(size) :] + ("C" if components > 1 else "")
    geometry, spacing, unit = _place(image, placed=not _is_nrrd(path) or "NRRD_space" in fields or len(size) == 4)
    return Contents(sitk.GetArrayFromImage(image), axes, spacing, unit, geometry), fields


def _bytes_of(path: Path, pixel_id: int) -> int:
    """Give the bytes of one number of a pixel type."""
    for name in ("UInt8", "Int8", "UInt16", "Int16", "UInt32", "Int32", "UInt64", "Int64", "Float32", "Float64"):
        if pixel_id in (getattr(sitk, f"sitk{name}"), getattr(sitk, f"sitkVector{name}")):
            return np.dtype(name.lower()).itemsize
    kind = sitk.GetPixelIDValueAsString(pixel_id)
    raise BadInput(f"{path} holds {kind}, not plain numbers: save it as grey values.")


def _clean(text: str) -> str:
    """Make text of bytes that are not UTF-8, which old programs wrote, printable."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _is_nrrd(path: Path) -> bool:
    return path.suffix.lower() in (".nrrd", ".nhdr")


def _place(image: Any, placed: bool) -> tuple[Geometry | None, tuple[float, float, float], Unit]:
    """Work out where the voxels lie: (geometry or None, (z, y, x) spacing, its unit)."""
    dimensions = image.GetDimension()
    used = min(dimensions, 3)
    affine = np.eye(4)
    directions = np.reshape(image.GetDirection(), (dimensions, dimensions))[:used, :used]
    affine[:used, :used] = directions * np.asarray(image.GetSpacing()[:used])
    affine[:used, 3] = image.GetOrigin()[:used]
    geometry = Geometry(affine)
    if not placed:  # a NRRD file without the field "space" gives distances only
        return None, geometry.spacing, "pixel" if geometry.spacing == (1.0, 1.0, 1.0) else "mm"
    return geometry, geometry.spacing, "mm"


def write(path: Path, mask: Mask) -> None:
    """Write a mask, compressed; names and colours go into one header field of this program's own.

    Raises
    ------
    BadInput
        The mask has more than four axes.
    """
    write_with_fields(path, mask, {})


def write_with_fields(path: Path, mask: Mask, fields: dict[str, str]) -> None:
    """Write a mask with further texts in its header."""
    labels = volumes(mask.labels, mask.axes)
    image = sitk.GetImageFromArray(np.ascontiguousarray(labels), isVector=False)
    further = labels.ndim - 3
    geometry = mask.geometry or Geometry.from_spacing(mask.spacing)
    steps = geometry.affine[:3, :3]
    lengths = np.linalg.norm(steps, axis=0)
    directions = np.eye(labels.ndim)
    directions[:3, :3] = steps / lengths
    image.SetSpacing([*lengths.tolist(), *[1.0] * further])
    image.SetOrigin([*geometry.affine[:3, 3].tolist(), *[0.0] * further])
    image.SetDirection(directions.ravel().tolist())
    for name, text in fields.items():
        image.SetMetaData(name, text)
    image.SetMetaData(LEGEND_KEY, _ascii_json(Legend.of(mask)))
    sitk.WriteImage(image, str(path), useCompression=True)


def _ascii_json(legend: Legend) -> str:
    """Write JSON that survives headers of one line of ASCII."""
    return json.dumps(legend.model_dump(mode="json"))


def _parts(path: Path) -> list[Path]:
    """List the files that hold the voxels: the file itself, or those its header names, in its own folder only.

    Raises
    ------
    BadInput
        One lies outside the folder: a header must not make this program read any file of the computer.
    """
    names = _data_files(path)
    if not names:
        return [path]
    folder = path.parent.resolve()
    parts = [(folder / name).resolve() for name in names]
    for name, part in zip(names, parts, strict=True):
        if folder not in part.parents:
            raise BadInput(
                f'{path} takes its voxels from "{name}", outside its folder: put both files into one folder and name '
                "the second without a path."
            )
        if not part.is_file():
            raise BadInput(f'{path} takes its voxels from "{name}", which is not beside it: put it there.')
    return parts


def _data_files(path: Path) -> list[str]:
    """Read which files a header names; none when the voxels follow in the same file."""
    with path.open("rb") as stream:
        head = stream.read(LARGEST_HEADER)
    is_nrrd = _is_nrrd(path)
    lines = iter(head.decode("latin-1").split("\n"))
    for line in lines:
        text = line.strip()
        if is_nrrd and not text:
            return []
        if is_nrrd:
            key, colon, value = text.partition(":")
            named = bool(colon) and not value.startswith("=") and key.strip().lower() in ("data file", "datafile")
        else:
            key, equals, value = text.partition("=")
            named = bool(equals) and key.strip().lower() == "elementdatafile"
            if key.strip().lower() == "ndims" and value.strip() not in ("2", "3", "4"):
                # More than ten make ITK write past its arrays.
                raise BadInput(f"{path} says that it has {value.strip()} dimensions: an image or a volume is needed.")
        value = value.strip()
        if not named:
            continue
        if not is_nrrd and value.upper() == "LOCAL":
            return []
        if value.upper().startswith("LIST"):
            return [listed.strip() for listed in lines if listed.strip()]
        if "%" in value:
            raise BadInput(f'{path} has its voxels in many files ("{value}"): save it as one file first.')
        return [value]
    return []
