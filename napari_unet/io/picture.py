"""Pictures (.png, .jpg) through Pillow: grey, or red, green and blue as channels. They have no spacing."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_unet.annotation import BACKGROUND
from napari_unet.io.contents import Contents
from napari_unet.io.gate import admit


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

    Masks as drawing programs save them, with 0 and 255 only, have one class.

    Raises
    ------
    OutOfMemory
        As :func:`read`.
    """
    picture = _open(path)
    contents = Contents(np.asarray(picture), "YX") if picture.mode == "P" else read(path)
    array = contents.array
    if array.ndim == 3 and (array == array[..., :1]).all():
        array = array[..., 0]
    return Contents(black_and_white(array), "YX" if array.ndim == 2 else "YXC")


def black_and_white(labels: NDArray[Any]) -> NDArray[Any]:
    """Make 1 of 255 in a mask that holds nothing but 0 and 255: there it means "inside", not painted background."""
    inside: NDArray[np.bool_] = labels == BACKGROUND
    if inside.any() and not labels[~inside].any():
        return inside.astype(np.uint8)
    return labels


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
