"""Which order images have and where the volume lies that they make: geometry only, no files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_unet.errors import BadInput
from napari_unet.io.dicom.headers import Slice
from napari_unet.io.questions import Uneven
from napari_unet.scan import Geometry

UNEVEN = 0.01
"""Slices may lie this share of their distance off their place: scanners round positions."""
SAME_DIRECTION = 1e-3
"""Direction cosines closer than this are the same (0.06 degrees)."""
SAME_PLACE = 1e-3
"""Slices closer than this, in mm, lie at one place."""

Spacing = tuple[float, float, float]


def arrange(
    path: Path, images: Sequence[Slice], *, assume_even_spacing: bool = False
) -> tuple[list[Slice], Geometry | None, Spacing | None]:
    """Sort the images of a volume along the normal of their plane, ascending, and say where it lies.

    Parameters
    ----------
    path
        What is read, for messages.
    images
        In any order, all with a position, or none.
    assume_even_spacing
        Take gaps and uneven distances for even ones, from the first image to the last.

    Returns
    -------
    images : list of Slice
        Sorted.
    geometry : Geometry or None
        None for images that do not say where they lie.
    spacing : tuple of float or None
        (z, y, x) in mm; None when unknown.

    Raises
    ------
    BadInput
        They differ in size or direction, lie at one place, or are shifted against each other.
    Uneven
        One is missing, or the distances differ, and that is not to be overlooked.
    """
    first = images[0]
    for other in images:
        if other.shape != first.shape or other.spacing != first.spacing:
            raise BadInput(
                f"{path}: {other.name} has another size or pixel spacing than {first.name}: keep one kind of image in "
                "the folder, without localisers."
            )
    planes = [image.plane for image in images if image.plane is not None]
    if first.spacing is None or len(planes) < len(images):
        if len(images) > 1:
            raise BadInput(f"{path}: its images do not say where they lie, so they make no volume: open one of them.")
        return list(images), None, None if first.spacing is None else (first.thickness, *first.spacing)
    for image, plane in zip(images, planes, strict=True):
        if not np.allclose(plane[:, :2], planes[0][:, :2], rtol=0, atol=SAME_DIRECTION):
            raise BadInput(
                f"{path}: {image.name} is turned against {first.name}: keep one orientation in the folder, without "
                "localisers."
            )
    normal = np.cross(planes[0][:, 0], planes[0][:, 1])
    order = np.argsort([normal @ plane[:, 2] for plane in planes], kind="stable")
    positions = np.array([planes[i][:, 2] for i in order])
    images = [images[i] for i in order]
    _check_apart(path, images, positions @ normal)
    step = _step(path, positions, normal, assume_even_spacing) if len(images) > 1 else normal * first.thickness
    geometry = geometry_from(planes[order[0]], first.spacing, step)
    return images, geometry, geometry.spacing


def geometry_from(plane: NDArray[np.float64], spacing: tuple[float, float], step: NDArray[np.float64]) -> Geometry:
    """Place a volume by the plane of its first image, the (y, x) spacing in it and the step to the next, in mm."""
    affine = np.eye(4)
    affine[:3, 0] = plane[:, 0] * spacing[1]
    affine[:3, 1] = plane[:, 1] * spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = plane[:, 2]
    return Geometry(affine)


def _step(
    path: Path, positions: NDArray[np.float64], normal: NDArray[np.float64], assume_even: bool
) -> NDArray[np.float64]:
    """Give the vector from one slice to the next, in mm; the slices must lie evenly on a line along the normal."""
    distances = np.diff(positions @ normal)
    usual = float(np.median(distances))
    step: NDArray[np.float64] = (positions[-1] - positions[0]) / (len(positions) - 1)
    _check_straight(path, positions, normal, usual)
    tolerance = max(UNEVEN * usual, SAME_PLACE)
    if np.abs(distances - usual).max() > tolerance and not assume_even:
        raise _uneven(path, distances, usual)
    return step


def _check_apart(path: Path, images: Sequence[Slice], along: NDArray[np.float64]) -> None:
    """Refuse two images at one place along the normal, in mm ascending."""
    for place, distance in enumerate(np.diff(along)):
        if distance < SAME_PLACE:
            raise BadInput(
                f"{path}: images {place + 1} and {place + 2}, counted along the scan, lie at the same place "
                f"({images[place].name}, {images[place + 1].name}): one is a copy, or the series holds several phases, "
                "echoes or times. Put one image of each place into a folder of its own."
            )


def _check_straight(path: Path, positions: NDArray[np.float64], normal: NDArray[np.float64], usual: float) -> None:
    """Refuse slices that do not lie above each other."""
    along = positions @ normal
    sideways = positions - positions[0] - np.outer(along - along[0], normal)
    drift = np.linalg.norm(sideways[-1]) / max(along[-1] - along[0], usual)
    if drift > 2e-3 or np.linalg.norm(sideways, axis=1).max() > 2 * max(UNEVEN * usual, SAME_PLACE):
        raise BadInput(
            f"{path}: the slices are shifted sideways against each other (a tilted gantry), so they make no straight "
            "volume: have it resampled, or use a reconstruction without tilt."
        )


def _uneven(path: Path, distances: NDArray[np.float64], usual: float) -> Uneven:
    """Say where slices are not where they should be, and what it would mean to overlook it."""
    where = int(np.abs(distances - usual).argmax())
    even = float(distances.mean())
    along = np.concatenate([[0.0], np.cumsum(distances)])
    off = float(np.abs(along - even * np.arange(len(along))).max())
    assumption = (
        f"All {len(along)} slices are taken as {even:.3g} mm apart, from the first to the last; some then lie up to "
        f"{off:.3g} mm from their true place, and lengths and volumes there are wrong by as much."
    )
    return Uneven(
        f"{path}: slices {where + 1} and {where + 2}, counted along the scan, are {distances[where]:.2f} mm apart and "
        f"the others {usual:.2f} mm: a slice is missing or the spacing changes. Export the series again, or read it as "
        "if it were evenly spaced (--assume-even-spacing).",
        assumption,
    )
