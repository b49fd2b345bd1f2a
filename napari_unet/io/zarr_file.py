"""OME-Zarr (https://ngff.openmicroscopy.org, 0.4 and 0.5): images larger than memory, read where they lie."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet.annotation import ClassInfo
from napari_unet.bands import banded
from napari_unet.errors import BadInput, MissingDependency
from napari_unet.scan import Scan, Unit

SUFFIX = ".zarr"
IN_MM = {"angstrom": 1e-7, "nanometer": 1e-6, "micrometer": 1e-3, "millimeter": 1.0, "centimeter": 10.0, "meter": 1e3}


def in_zarr(path: Path) -> bool:
    """Tell whether a path names a Zarr array or group, or something within one."""
    return any(part.lower().endswith(SUFFIX) for part in path.parts)


@dataclass(frozen=True, eq=False)
class ZarrImage:
    """An image in a Zarr folder, none of whose voxels were read yet.

    Parameters
    ----------
    levels
        Its resolutions as dask arrays, the finest first.
    axes
        One letter for each axis.
    spacing
        (z, y, x) of the finest, in ``unit``.
    unit
        "mm", or "pixel" when the folder does not say.
    channel_names
        As microscopes name them; empty when the folder does not say.
    """

    levels: tuple[Any, ...]
    axes: str
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    unit: Unit = "pixel"
    channel_names: tuple[str, ...] = ()


def open_image(path: Path) -> ZarrImage:
    """Open an OME-Zarr image with all its resolutions, or a plain Zarr array (YX, ZYX, CZYX).

    Raises
    ------
    BadInput
        It is none, or damaged.
    MissingDependency
        zarr is not installed.
    """
    import dask.array as da

    node = open_zarr(path)
    try:
        group = multiscales_of(node)
        if not group and not hasattr(node, "shape"):
            raise BadInput(f"{path} holds no image: name an array in it, or an OME-Zarr image.")
        if not group:
            return ZarrImage((da.from_array(node, chunks=node.chunks),), {2: "YX", 3: "ZYX", 4: "CZYX"}[node.ndim])
        datasets = group["datasets"]
        if any(".." in Path(dataset["path"]).parts or Path(dataset["path"]).is_absolute() for dataset in datasets):
            raise BadInput(f"{path} takes its voxels from outside its folder, which is not allowed to it.")
        arrays = [node[dataset["path"]] for dataset in datasets]
        levels = tuple(da.from_array(array, chunks=array.chunks) for array in arrays)
        axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in group.get("axes", ())]
        letters = "".join(axis["name"] for axis in axes).upper() or "TCZYX"[-levels[0].ndim :]
        spacing, unit = spacing_of(axes, group, datasets[0])
        if not all(0 < step < inf for step in spacing):
            raise ValueError(f"its spacing is {spacing}")
        channels = levels[0].shape[letters.index("C")] if "C" in letters else 1
        return ZarrImage(levels, letters, spacing, unit, _channel_names(node, channels))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OSError) as error:
        raise BadInput(f"{path} is damaged ({error}): get it again from where it came from.") from error


def _channel_names(node: Any, channels: int) -> tuple[str, ...]:
    """Read what an image calls its channels; nothing when that is not one name for each."""
    said = node.attrs.get("ome", node.attrs).get("omero", {}).get("channels", ())
    names = tuple(str(channel.get("label", "")) for channel in said)
    return names if len(names) == channels and all(names) else ()


def read_zarr(path: Path) -> Scan:
    """See an image in a Zarr folder, at its full resolution, as a scan; it stays on disk.

    Raises
    ------
    BadInput, MissingDependency
        As :func:`open_image`.
    """
    image = open_image(path)
    scan = Scan.from_array(
        image.levels[0],
        image.axes,
        spacing=image.spacing,
        unit=image.unit,
        channel_names=image.channel_names,
        name=path.stem,
    )
    return scan.with_array(banded(scan.array))


def zarr_library() -> Any:
    """Import zarr, or say how to install it."""
    try:
        import zarr
    except ImportError as error:
        raise MissingDependency('OME-Zarr needs zarr: pip install "napari-unet-paint[zarr]".') from error
    return zarr


def open_zarr(path: Path) -> Any:
    """Open an array or group, for writing where that is allowed.

    Raises
    ------
    BadInput
        It is none.
    MissingDependency
        zarr is not installed.
    """
    zarr = zarr_library()
    if not path.exists():
        raise BadInput(f"cannot read {path}: there is no such folder.")
    try:
        return zarr.open(path, mode="r+" if _writable(path) else "r")
    except (OSError, ValueError, KeyError, TypeError, zarr.errors.BaseZarrError) as error:
        raise BadInput(
            f"{path} is no Zarr array or group, or is damaged: get it again from where it came from."
        ) from error


def _writable(path: Path) -> bool:
    return os.access(path, os.W_OK)


def multiscales_of(node: Any) -> dict[str, Any] | None:
    """Give what a group says about its first image; None when it is no image."""
    about = node.attrs.get("ome", node.attrs)
    found = about.get("multiscales") or [None]
    first: dict[str, Any] | None = found[0]
    return first


def spacing_of(
    axes: Sequence[dict[str, Any]], group: dict[str, Any], dataset: dict[str, Any]
) -> tuple[tuple[float, float, float], Unit]:
    """Give the (z, y, x) spacing of one resolution of an image, in mm when its units are known."""
    scale = np.ones(len(axes))
    for of in (dataset, group):
        for transformation in of.get("coordinateTransformations", ()):
            if transformation.get("type") == "scale":
                scale *= transformation["scale"]
    steps, known = {"z": 1.0, "y": 1.0, "x": 1.0}, True
    for axis, step in zip(axes, scale, strict=True):
        if axis["name"] in steps:
            factor = IN_MM.get(axis.get("unit", ""))
            known &= factor is not None
            steps[axis["name"]] = float(step) * (factor or 1.0)
    return (steps["z"], steps["y"], steps["x"]), "mm" if known and len(axes) else "pixel"


def about_labels(
    name: str,
    spacing: Sequence[float],
    unit: Unit,
    classes: Sequence[ClassInfo],
    form: int,
    coarser: Sequence[int] = (1,),
) -> dict[str, Any]:
    """Describe labels as OME-Zarr does, in the version that goes with a Zarr format.

    Parameters
    ----------
    name
        Theirs.
    spacing
        Of the axes (z, y, x), or (t, z, y, x).
    unit
        Of the spacing.
    classes
        Names and colours.
    form
        The Zarr format.
    coarser
        How many times larger the voxels of each resolution are, along y and x.
    """
    version = "0.4" if form == 2 else "0.5"
    in_unit = {"unit": "millimeter"} if unit == "mm" else {}
    axes: list[dict[str, str]] = [{"name": axis, "type": "space", **in_unit} for axis in "zyx"]
    of_class = [
        {"label-value": info.label, "rgba": [round(255 * part) for part in (*info.colour, 1)]} for info in classes
    ]
    names = [{"label-value": info.label, "name": info.name} for info in classes]
    scales = [[*spacing[:-2], *(step * times for step in spacing[-2:])] for times in coarser]
    multiscales = {
        "version": version,
        "name": name,
        "axes": [{"name": "t", "type": "time"}] * (len(spacing) - 3) + axes,
        "datasets": [
            {"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}]}
            for level, scale in enumerate(scales)
        ],
    }
    about = {
        "multiscales": [multiscales],
        "image-label": {"version": version, "colors": of_class, "properties": names, "source": {"image": "../../"}},
    }
    return about if form == 2 else {"ome": {"version": version, **about}}


def enter_in_list(labels: Any, name: str, form: int) -> None:
    """Enter labels in the list of an image's."""
    about = dict(labels.attrs) if form == 2 else dict(labels.attrs.get("ome", {"version": "0.5"}))
    about["labels"] = sorted({*about.get("labels", ()), name})
    labels.attrs.update(about if form == 2 else {"ome": about})
