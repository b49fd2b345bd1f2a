"""A picture of masks side by side: a row for each of some slices, a column for each mask."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from napari_unet.annotation import ClassInfo
from napari_unet.scan import Scan

CELL = 224
"""Width of a slice in the picture, in pixels."""
GAP = 6
HEAD = 26
OPACITY = 0.5
INK = (235, 235, 235)
PAPER = (24, 24, 24)


def spread(slices: Sequence[int], count: int) -> list[int]:
    """Choose ``count`` slices spread evenly over those given, all of them when there are no more."""
    places = np.linspace(0, len(slices) - 1, min(count, len(slices)))
    return [slices[round(place)] for place in places]


def draw_overview(
    scan: Scan,
    masks: Mapping[str, NDArray[np.uint8]],
    classes: Sequence[ClassInfo],
    slices: Sequence[int],
) -> Image.Image:
    """Draw slices of a scan, as they are and under each mask.

    Parameters
    ----------
    scan
        Its first channel is drawn.
    masks
        (Z, Y, X) uint8 by the title of their column.
    classes
        Their colours and names.
    slices
        Which slices (index along Z), one a row.

    Returns
    -------
    PIL.Image.Image
        RGB; pixels are square in mm, axial slices are seen as from the feet.
    """
    height = round(CELL * scan.grid[1] * scan.spacing[1] / (scan.grid[2] * scan.spacing[2]))
    size = (HEAD + (len(masks) + 1) * (CELL + GAP), HEAD + len(slices) * (height + GAP) + HEAD)
    picture = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(picture)
    pen.font = ImageFont.load_default(14)
    columns = [HEAD + i * (CELL + GAP) for i in range(len(masks) + 1)]
    for x, title in zip(columns, ("scan", *masks), strict=True):
        pen.text((x + CELL // 2, HEAD // 2), title, INK, anchor="mm")
    grey, upright = _window(scan, slices), _upright(scan)
    for row, z in enumerate(slices):
        y = HEAD + row * (height + GAP)
        pen.text((HEAD // 2, y + height // 2), str(z), INK, anchor="mm")
        cells = [grey[row], *(_coloured(grey[row], mask[z], classes) for mask in masks.values())]
        for x, cell in zip(columns, cells, strict=True):
            picture.paste(Image.fromarray(cell[upright]).resize((CELL, height), Image.Resampling.BICUBIC), (x, y))
    _legend(pen, classes, size[1] - HEAD // 2)
    return picture


def _upright(scan: Scan) -> tuple[slice, slice]:
    """Turn axial slices so that the patient's front is on top and the patient's right on the left."""
    if scan.geometry is None:
        return slice(None), slice(None)
    towards_left, towards_back = np.diag(scan.geometry.affine)[:2]
    return slice(None, None, -1 if towards_back < 0 else 1), slice(None, None, -1 if towards_left < 0 else 1)


def _window(scan: Scan, slices: Sequence[int]) -> NDArray[np.uint8]:
    """Give slices as (slices, Y, X, RGB) between the 1st and 99th percentile of what is brighter than air."""
    values = np.asarray(scan.array[0, list(slices)], np.float32)
    low, high = np.percentile(values[values > values.min()], (1, 99))
    grey = (np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def _coloured(grey: NDArray[np.uint8], mask: NDArray[np.uint8], classes: Sequence[ClassInfo]) -> NDArray[np.uint8]:
    """Lay the colours of a mask (Y, X) over a slice (Y, X, RGB)."""
    colours = np.zeros((256, 3), np.float32)
    for info in classes:
        colours[info.label] = np.multiply(info.colour, 255)
    opacity = np.where(mask > 0, OPACITY, 0)[..., None]
    blended: NDArray[np.uint8] = (grey * (1 - opacity) + colours[mask] * opacity).astype(np.uint8)
    return blended


def _legend(pen: ImageDraw.ImageDraw, classes: Sequence[ClassInfo], y: int) -> None:
    """Write the names of the classes in their colours, one beside the other."""
    x: float = HEAD
    for info in classes:
        red, green, blue = (round(255 * part) for part in info.colour)
        pen.text((x, y), info.name, (red, green, blue), anchor="lm")
        x += pen.textlength(info.name) + 3 * GAP
