"""Pictures (.png, .jpg) through Pillow: grey, or red, green and blue as channels. They have no spacing."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_unet.annotation import BACKGROUND
from napari_unet.errors import BadInput
from napari_unet.io.contents import Contents
from napari_unet.io.gate import admit

MOST_GREYS = 100
"""Of a mask as drawing programs save it; one with more has soft edges, or is a photograph."""


def read(path: Path) -> Contents:
    """Read a picture: (Y, X), or (Y, X, C) in colour. Transparency is dropped.

    Raises
    ------
    OutOfMemory
        It would not fit into memory.
    """
    picture = _open(path)
    if picture.mode in ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV"):
        picture = picture.convert("RGB")
    array = np.asarray(picture)
    if picture.mode in ("LA", "La", "RGBA", "RGBa"):
        array = array[..., :-1]
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    return Contents(array, "YX" if array.ndim == 2 else "YXC")


def read_labels(path: Path) -> Contents:
    """Read a mask: grey values, the numbers of a palette, or a colour picture that is grey all over.

    Masks as drawing programs save them, in greys from black to white, have a class for each grey.

    Raises
    ------
    BadInput
        It has soft edges, whose greys are no classes.
    OutOfMemory
        As :func:`read`.
    """
    picture = _open(path)
    contents = Contents(np.asarray(picture), "YX") if picture.mode == "P" else read(path)
    array = contents.array
    if array.ndim == 3 and (array == array[..., :1]).all():
        array = array[..., 0]
    return Contents(from_greys(path, array), "YX" if array.ndim == 2 else "YXC")


def from_greys(path: Path, labels: NDArray[Any]) -> NDArray[Any]:
    """Make 1, 2, ... of greys in even steps up to white: there 255 means a class, not painted background.

    Raises
    ------
    BadInput
        There are so many greys that they cannot be classes: edges were smoothed when it was saved or resized.
    """
    if not labels.size or labels.max() != BACKGROUND:
        return labels
    greys = np.unique(labels)
    greys = greys[greys != 0]
    if len(greys) > MOST_GREYS:
        raise BadInput(
            f"{path} has {len(greys)} greys, as soft edges or a photograph have, not classes: save the mask without "
            "smoothing, one number for each class."
        )
    steps = np.arange(1, len(greys) + 1)
    if np.abs(greys - steps * (BACKGROUND / len(greys))).max() > 1:
        return labels
    numbered = np.zeros(labels.shape, np.uint8)
    for grey, step in zip(greys, steps, strict=True):
        numbered[labels == grey] = step
    return numbered


def _open(path: Path) -> Image.Image:
    """Open a picture and read its voxels once its size is known to be bearable."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # admit() looks at the size
        with Image.open(path, formats=("PNG", "JPEG")) as picture:
            picture.verify()  # the sums of a PNG's parts; it can only be done on a file of its own
        with Image.open(path, formats=("PNG", "JPEG")) as picture:
            admit(path, picture.width * picture.height * len(picture.getbands()) * 4)
            picture.load()
            return picture
