"""Masks as OME-Zarr label images, with the names and colours of their labels: a folder, by itself or in an image's.

``liver.ome.zarr`` is a label image by itself. ``scan.ome.zarr/labels/liver.ome.zarr`` belongs to the image that the
folder around it is, has as many resolutions as the image, and is on its list of labels. Metadata are those of version
0.4 (Zarr 2), which most programs read, or 0.5 (Zarr 3) in an image of that version: https://ngff.openmicroscopy.org.
The format has no place for a position or an orientation in the patient.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.annotation import BACKGROUND, ClassInfo, class_colour
from napari_unet.durable import folder_written_whole
from napari_unet.errors import BadInput
from napari_unet.io.contents import LEGEND_KEY, Contents, Legend, volumes
from napari_unet.io.gate import admit
from napari_unet.io.mask import Mask
from napari_unet.io.zarr_file import about_labels, enter_in_list, multiscales_of, open_zarr, spacing_of, zarr_library
from napari_unet.scan import Scan

CHUNK = (32, 256, 256)
"""(Z, Y, X) voxels that are stored together."""


def check_fits(_: Scan) -> None:
    """Check that masks can be written at all.

    Raises
    ------
    MissingDependency
        zarr is not installed.
    """
    zarr_library()


def write_folder(path: Path, mask: Mask, check: Callable[[Path], None]) -> None:
    """Write a mask as a label image, whole or not at all; one within an image also gets onto the image's list.

    Parameters
    ----------
    path
        The folder to make, or a label image to replace.
    mask
        The mask.
    check
        Reads the finished folder back and raises when it is not what was meant.

    Raises
    ------
    BadInput
        The mask has more than four axes, or another size than the image around; or the folder holds something else.
    MissingDependency
        zarr is not installed.
    """
    if path.exists() and not is_label_image(path):
        raise BadInput(f"{path} holds something other than a mask, and is not replaced: choose another name.")
    around = path.parent.parent
    image = around if path.parent.name == "labels" and is_image(around) else None
    if image is not None:
        path.parent.mkdir(exist_ok=True)
    with folder_written_whole(path, check) as temporary:
        write(temporary, mask, image)
    if image is not None:
        form = _format_of(image)
        enter_in_list(zarr_library().open_group(path.parent, mode="a", zarr_format=form), path.name, form)


def write(path: Path, mask: Mask, image: Path | None = None) -> None:
    """Write a label image to a folder that does not exist yet, for an image or by itself."""
    labels = volumes(mask.labels, mask.axes)
    form = 2 if image is None else _format_of(image)
    coarser = [1] if image is None else _resolutions(image, labels.shape)
    # In memory first, compressed: zarr writes files side by side, and goes on with some when another has failed.
    files: dict[str, Any] = {}
    zarr = zarr_library()
    group = zarr.open_group(zarr.storage.MemoryStore(files), mode="w", zarr_format=form)
    for level, times in enumerate(coarser):
        seen = _coarse(labels, times)
        chunks = (*(1,) * (seen.ndim - 3), *(min(n, most) for n, most in zip(seen.shape[-3:], CHUNK, strict=True)))
        group.create_array(
            str(level),
            data=seen,
            chunks=chunks,
            chunk_key_encoding={"name": "v2" if form == 2 else "default", "separator": "/"},
        )
    spacing = [*(1.0,) * (labels.ndim - 3), *mask.spacing]
    about = about_labels("labels", spacing, mask.unit, mask.classes, form, coarser)
    group.attrs.update({**about, LEGEND_KEY: Legend.of(mask).model_dump(mode="json")})
    for name, content in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.to_bytes())


def _format_of(image: Path) -> int:
    return int(open_zarr(image).metadata.zarr_format)


def _resolutions(image: Path, shape: tuple[int, ...]) -> list[int]:
    """Say how many times coarser each resolution of an image is; its labels must have the same."""
    node = open_zarr(image)
    shapes = [node[level["path"]].shape for level in (multiscales_of(node) or {})["datasets"]]
    if shapes[0][-2:] != shape[-2:]:
        raise BadInput(f"the mask is {shape} but the image {image} is {shapes[0]}: save it on the grid of the image.")
    return [round(shapes[0][-1] / level[-1]) for level in shapes]


def _coarse(labels: NDArray[np.uint8], times: int) -> NDArray[np.uint8]:
    """Take the middle one of so many voxels along y and x, so that labels stay labels."""
    return np.ascontiguousarray(labels[..., times // 2 :: times, times // 2 :: times])


def _about(path: Path) -> dict[str, Any]:
    """Give the OME metadata of a group; empty when it is none."""
    try:
        attributes = dict(open_zarr(path).attrs)
    except BadInput:
        return {}
    return dict(attributes.get("ome", attributes))


def is_image(path: Path) -> bool:
    """Tell whether a path is an OME-Zarr image."""
    return "multiscales" in _about(path)


def is_label_image(path: Path) -> bool:
    """Tell a label image, which says what its values mean, from an image."""
    return "image-label" in _about(path)


def read_labels(path: Path) -> Contents:
    """Read a label image at its finest resolution.

    Raises
    ------
    BadInput
        It is not one.
    OutOfMemory
        It would not fit into memory.
    MissingDependency
        zarr is not installed.
    """
    node = open_zarr(path)
    group = multiscales_of(node)
    if group is None:
        raise BadInput(
            f"{path} is not an OME-Zarr image: choose the folder that is one, such as image.zarr/labels/liver."
        )
    dataset = group["datasets"][0]
    stored = node[dataset["path"]]
    admit(path, int(np.prod(stored.shape, dtype=object)) * stored.dtype.itemsize)
    axes = "".join(axis["name"].upper() for axis in group["axes"])
    spacing, unit = spacing_of(group["axes"], group, dataset)
    array = np.asarray(stored[...])
    if "C" in axes and array.shape[axes.index("C")] == 1:
        array, axes = array.squeeze(axes.index("C")), axes.replace("C", "")
    about = node.attrs.get("ome", node.attrs).get("image-label")
    classes = None if about is None else _classes(about)
    legend = Legend.parse(json.dumps(node.attrs.get(LEGEND_KEY)))
    return Contents(array, axes, spacing, unit, classes=classes).explained_by(legend)


def _classes(about: Any) -> tuple[ClassInfo, ...]:
    """Collect names and colours that another program gave the labels."""
    colours = {int(entry["label-value"]): entry.get("rgba") for entry in about.get("colors", ())}
    names = {int(entry["label-value"]): entry.get("name") for entry in about.get("properties", ())}
    classes = []
    for label in sorted({*colours, *names}):
        if 0 < label < BACKGROUND:
            colour = tuple(part / 255 for part in colours[label][:3]) if colours.get(label) else class_colour(label)
            classes.append(ClassInfo(label=label, name=str(names.get(label) or f"class {label}"), colour=colour))
    return tuple(classes)
