"""Masks as OME-TIFF: one channel of labels with its voxel size, and the names of the labels as a map annotation.

Microscopy programs (QuPath, Fiji, OMERO) read the size; names and colours stand in the annotation, by label. As every
TIFF, the file has no place for a position or an orientation in the patient.
"""

from pathlib import Path
from uuid import uuid4

import numpy as np
import tifffile

from napari_unet.io.contents import LEGEND_KEY, Legend, volumes
from napari_unet.io.mask import Mask

NAMESPACE = "napari-unet/labels"
"""Of the annotation."""


def write(path: Path, mask: Mask) -> None:
    """Write a mask, compressed: (T, Z, Y, X).

    Raises
    ------
    BadInput
        The mask has more than four axes.
    """
    labels = np.ascontiguousarray(volumes(mask.labels, mask.axes))
    sizes = {f"PhysicalSize{axis}": step for axis, step in zip("ZYX", mask.spacing, strict=True)}
    units = {f"{size}Unit": mask.unit for size in sizes}
    names = {str(info.label): info.name for info in mask.classes}
    height, width = mask.spacing[1:]
    tifffile.imwrite(
        path,
        labels,
        ome=True,
        photometric="minisblack",
        compression="zlib",
        resolution=(10.0 / width, 10.0 / height) if mask.unit == "mm" else None,
        resolutionunit="CENTIMETER" if mask.unit == "mm" else None,
        metadata={
            "axes": "TZYX"[-labels.ndim :],
            "UUID": str(uuid4()),  # tifffile's own would tell which computer wrote it
            "Name": "mask",
            "Channel": {"Name": ["labels"]},
            "MapAnnotation": {
                "Namespace": NAMESPACE,
                **names,
                LEGEND_KEY: Legend.of(mask).model_dump_json(),
            },
            **sizes,
            **units,
        },
    )
