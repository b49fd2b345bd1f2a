"""Files that hold several arrays by name: which of them is the image."""

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet.errors import BadInput
from napari_unet.io.questions import Choice, Several

Outline = tuple[tuple[int, ...], np.dtype[Any]]
"""Shape and type of an array, as its header says."""


def choose(path: Path, arrays: Mapping[str, Outline], series: str | None) -> str:
    """Give the name of the array to read: the one that was asked for, the only image, or the largest.

    Parameters
    ----------
    path
        The file, for messages.
    arrays
        All arrays by name.
    series
        The name that was asked for, if any.

    Raises
    ------
    BadInput
        It is not there, or none is an image.
    Several
        Several images are the largest, such as a scan and its mask.
    """
    if series is not None:
        for name in arrays:
            if name.strip("/") == series.strip("/"):
                return name
        raise BadInput(f'{path} has no array "{series}", but these: {", ".join(sorted(arrays)) or "none"}.')
    images = {name: outline for name, outline in arrays.items() if _is_image(*outline)}
    if not images:
        listed = ", ".join(f"{name} {shape} {dtype}" for name, (shape, dtype) in arrays.items())
        raise BadInput(f"{path} holds no image, only these: {listed or 'nothing'}.")
    largest = max(prod(shape) for shape, _ in images.values())
    names = sorted(name for name, (shape, _) in images.items() if prod(shape) == largest)
    if len(names) == 1:
        return names[0]
    choices = tuple(
        Choice(name, name, str(images[name][1]), prod(images[name][0][:-2]), " x ".join(map(str, images[name][0][-2:])))
        for name in names
    )
    raise Several(
        f"{path} holds {len(names)} arrays of one size: {'; '.join(map(str, choices))}. Choose one by its name "
        "(--series).",
        choices,
    )


def _is_image(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    return 2 <= len(shape) <= 4 and min(shape[-2:]) > 1 and min(shape) > 0 and dtype.kind in "buif"
