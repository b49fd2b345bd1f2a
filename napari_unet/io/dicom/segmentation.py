"""DICOM segmentations: labels with names and colours, laid onto the grid of the series they were made on."""

import os
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.color import lab2rgb

from napari_unet.annotation import BACKGROUND, LARGEST_CLASS, ClassInfo, class_colour
from napari_unet.errors import BadInput
from napari_unet.io.contents import Contents
from napari_unet.io.dicom.frames import frames_of, group, stored_frames
from napari_unet.io.dicom.headers import Slice, header_of
from napari_unet.io.dicom.stack import SAME_DIRECTION, arrange, geometry_from
from napari_unet.io.gate import admit
from napari_unet.scan import Geometry

LABEL = re.compile(r"label (\d+)")
"""How the description of a segment says which label it has here, when this program wrote it."""
OFF_GRID = 0.05
"""Images of a segmentation may lie this share of a voxel beside those of the series."""
LOOKED_AT = 5_000
"""Files of a folder in which the series of a segmentation is looked for."""
MOST_FOLDERS = 100
"""Folders in which it is looked for."""


def read(path: Path, about: Slice) -> Contents:
    """Read a segmentation whose segments do not overlap.

    It comes on the grid of its series when that lies in the same folder, in a folder beside or below it; else
    on a grid of its own, from its first image to its last.

    Parameters
    ----------
    path
        The file.
    about
        Its header, as for any file.

    Raises
    ------
    BadInput
        Segments overlap, it holds fractions, more segments than there are labels, or it is damaged.
    OutOfMemory
        It would not fit into memory.
    """
    admit(path, about.frames * about.shape[0] * about.shape[1])
    header, frames = frames_of(path, about)
    classes = tuple(_segments(path, header).values())
    label_for = _labels(path, header)
    stored = stored_frames(path, about)
    stored = stored.reshape(about.frames, *about.shape[:2])
    geometry, spacing, places, depth, files = _grid(path, header, frames)
    admit(path, depth * about.shape[0] * about.shape[1])
    labels = np.zeros((depth, *about.shape[:2]), np.uint8)
    if header.get("SegmentationType") == "LABELMAP":
        if stored.max(initial=0) >= len(label_for):
            raise BadInput(f"{path} does not say what its segment {stored.max()} is: it is damaged.")
        labels[places] = label_for[stored]
    else:
        _lay_segments(path, header, labels, _inside(path, header, stored), places, label_for)
    axes = "YX" if geometry is None and depth == 1 else "ZYX"
    labels = labels[0] if axes == "YX" else labels
    if spacing is None:
        return Contents(labels, axes, classes=classes, name="segmentation", dicom=files)
    return Contents(labels, axes, spacing, "mm", geometry, classes, "segmentation", files)


def _segments(path: Path, header: Any) -> dict[int, ClassInfo]:
    """Give the class of each segment, by its number in the file; there is none for background, painted or not."""
    classes = {}
    for segment in header.get("SegmentSequence", ()):
        number = int(segment.SegmentNumber)
        label = label_of(segment)
        if label > BACKGROUND or (label == BACKGROUND and not LABEL.fullmatch(_description(segment))):
            raise BadInput(f"{path} has the segment {label}; {LARGEST_CLASS} is the largest here.")
        if 0 < label < BACKGROUND:
            name = str(segment.get("SegmentLabel") or f"class {label}")
            classes[number] = ClassInfo(label=label, name=name, colour=_colour(segment) or class_colour(label))
    return classes


def _labels(path: Path, header: Any) -> NDArray[np.uint8]:
    """Give the label of each number that a segment has in the file, (n,)."""
    labels = {int(segment.SegmentNumber): label_of(segment) for segment in header.get("SegmentSequence", ())}
    if len({label for label in labels.values() if label}) < sum(label > 0 for label in labels.values()):
        raise BadInput(f"{path} has several segments with one label: save it again where it was made.")
    table = np.zeros(max(labels, default=0) + 1, np.uint8)
    for number, label in labels.items():
        table[number] = label
    return table


def label_of(segment: Any) -> int:
    """Give the label that a segment has here.

    Its number, unless this program wrote it: DICOM numbers segments without gaps, and the label, which may be any,
    then stands in the description.
    """
    found = LABEL.fullmatch(_description(segment))
    return int(found[1]) if found else int(segment.SegmentNumber)


def _description(segment: Any) -> str:
    return str(segment.get("SegmentDescription") or "")


def _colour(segment: Any) -> tuple[float, float, float] | None:
    """Make RGB of the CIELab values of a segment, which DICOM stores as 16-bit numbers."""
    stored = segment.get("RecommendedDisplayCIELabValue")
    if not stored or len(stored) != 3:
        return None
    lightness, a, b = (int(part) / 65535 for part in stored)
    red, green, blue = lab2rgb([lightness * 100, a * 255 - 128, b * 255 - 128])
    return (float(red), float(green), float(blue))


def _inside(path: Path, header: Any, stored: NDArray[Any]) -> NDArray[np.bool_]:
    """Say which voxels lie inside the segment of each image."""
    if header.get("SegmentationType") == "FRACTIONAL":
        whole = int(header.get("MaximumFractionalValue") or 1)
        if ((stored > 0) & (stored < whole)).any():
            raise BadInput(
                f"{path} says how much of each voxel belongs to a segment (a fractional segmentation), and here a "
                "voxel belongs to a class or not: export it as a binary segmentation."
            )
    inside: NDArray[np.bool_] = stored > 0
    return inside


def _lay_segments(
    path: Path,
    header: Any,
    labels: NDArray[np.uint8],
    inside: NDArray[np.bool_],
    places: Sequence[int],
    label_for: NDArray[np.uint8],
) -> None:
    """Give the voxels of each image the label of its segment."""
    for number, (image, place) in enumerate(zip(inside, places, strict=True)):
        segment = int(group(header, number, "SegmentIdentificationSequence").get("ReferencedSegmentNumber") or 0)
        if not 0 < segment < len(label_for) or not label_for[segment]:
            raise BadInput(f"{path} does not say which segment image {number + 1} shows: it is damaged.")
        label = label_for[segment]
        there = labels[place]
        taken = image & (there != 0) & (there != label)
        if taken.any():
            other = int(there[taken][0])
            raise BadInput(
                f"{path} has overlapping segments: {other} and {label} share {int(taken.sum())} voxels of one slice, "
                "and here each voxel has one label. Export the segments that overlap as files of their own."
            )
        there[image] = label


Placed = tuple[NDArray[np.float64], tuple[float, float]]
"""The plane of an image, as in :class:`~napari_unet.io.dicom.headers.Slice`, and its (y, x) spacing in mm."""
Grid = tuple[Geometry | None, tuple[float, float, float] | None, list[int], int, tuple[Path, ...]]
"""Where a volume lies, its (z, y, x) spacing in mm, the slice of each image, how many slices there are, and the files
of the series whose grid it is."""


def _grid(path: Path, header: Any, frames: list[Slice]) -> Grid:
    placed = [(frame.plane, frame.spacing) for frame in frames if frame.plane is not None and frame.spacing is not None]
    if len(placed) < len(frames):
        spacing = frames[0].spacing
        flat = None if spacing is None else (frames[0].thickness, *spacing)
        return None, flat, _without_places(path, header, frames), 1, ()
    series = _series_of(path, header)
    if series:
        try:
            ordered, geometry, spacing_of_series = arrange(path, series)
        except BadInput:
            geometry = None  # such as one of which only a part lies there
        if geometry is not None and ordered[0].shape[:2] == frames[0].shape[:2]:
            places = _places_on(geometry, len(ordered), frames[0].shape, placed)
            if places is not None:
                return geometry, spacing_of_series, places, len(ordered), tuple(sorted({s.path for s in series}))
    return _own_grid(path, frames[0].thickness, placed)


def _without_places(path: Path, header: Any, frames: list[Slice]) -> list[int]:
    """Lay the images of a flat picture's segments onto each other."""
    numbers = [
        int(group(header, n, "SegmentIdentificationSequence").get("ReferencedSegmentNumber") or 0)
        for n in range(len(frames))
    ]
    if len(set(numbers)) < len(numbers):
        raise BadInput(f"{path} does not say where its images lie, so they make no volume: export it as NIfTI or NRRD.")
    return [0] * len(frames)


def _series_of(path: Path, header: Any) -> list[Slice]:
    """Find the images that a segmentation was made on, in its folder or one near it; none when not at hand."""
    uids = {str(series.get("SeriesInstanceUID")) for series in header.get("ReferencedSeriesSequence", ())}
    if not uids:
        return []
    for folder in _folders_near(path):
        found = []
        for file in islice(sorted(folder.iterdir()), LOOKED_AT):
            try:
                image = header_of(file) if file.is_file() and file != path else None
            except BadInput:
                continue  # not ours to judge
            if image is not None and image.uid in uids and not image.segmentation:
                found.append(image)
        if found:
            return found if found[0].frames == 1 else frames_of(found[0].path, found[0])[1]
    return []


def _folders_near(path: Path) -> Iterator[Path]:
    """Give the folder of a file, those in it, and those beside it."""
    yield path.parent
    for parent in (path.parent, path.parent.parent):
        try:
            folders = sorted(entry for entry in parent.iterdir() if entry.is_dir() and os.access(entry, os.R_OK))
        except OSError:
            continue
        yield from islice((folder for folder in folders if folder != path.parent), MOST_FOLDERS)


def _places_on(
    geometry: Geometry, depth: int, shape: tuple[int, int, int], placed: Sequence[Placed]
) -> list[int] | None:
    """Find the slice of a series for each image; None when they do not lie on its grid."""
    to_index = np.linalg.inv(geometry.affine)
    rows, columns, _ = shape
    places = []
    for plane, spacing in placed:
        row, column, start = plane.T
        ends = start + np.array([np.zeros(3), row * (columns - 1) * spacing[1], column * (rows - 1) * spacing[0]])
        corners = np.column_stack([ends, np.ones(3)]) @ to_index[:3].T
        place = round(float(corners[0, 2]))
        expected = [(0, 0, place), (columns - 1, 0, place), (0, rows - 1, place)]
        if not 0 <= place < depth or np.abs(corners - expected).max() > OFF_GRID:
            return None
        places.append(place)
    return places


def _own_grid(path: Path, thickness: float, placed: Sequence[Placed]) -> Grid:
    """Make the grid from the first image to the last; those that are empty were left out of the file."""
    planes = np.array([plane for plane, _ in placed])
    if (
        np.abs(planes[:, :, :2] - planes[0, :, :2]).max() > SAME_DIRECTION
        or len({spacing for _, spacing in placed}) > 1
    ):
        raise BadInput(f"{path} holds images of several directions or sizes: export each as a file of its own.")
    normal = np.cross(planes[0, :, 0], planes[0, :, 1])
    along = planes[:, :, 2] @ normal
    apart = np.diff(np.unique(np.round(along, 2)))
    # The distance that the header gives may be a thickness; images that follow each other give the true one.
    for step in (thickness, *([apart.min()] if len(apart) else [])):
        slices = (along - along.min()) / step
        places = np.rint(slices).astype(int)
        if np.abs(slices - places).max() <= OFF_GRID:
            first = int(along.argmin())
            geometry = geometry_from(planes[first], placed[first][1], normal * step)
            return geometry, geometry.spacing, places.tolist(), int(places.max()) + 1, ()
    raise BadInput(
        f"{path}: its images do not lie evenly, and the series it was made on is not beside it: put it into the folder."
    )
