"""DICOM: a series, from its folder or from any of its files, files with many images, and segmentations.

pydicom reads the headers; :mod:`~napari_unet.io.dicom.stack` decides in which order images make a volume and
where it lies. Distances between slices come from their positions, never from the slice thickness or the instance
number. Nothing that the headers say about a patient is kept.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from napari_unet.errors import BadInput
from napari_unet.io.contents import Contents
from napari_unet.io.dicom import frames, segmentation
from napari_unet.io.dicom.headers import Slice, headers_of
from napari_unet.io.dicom.stack import arrange
from napari_unet.io.dicom.voxels import voxels_of
from napari_unet.io.gate import admit
from napari_unet.io.questions import Choice, Several


def read(path: Path, series: str | None = None, *, assume_even_spacing: bool = False) -> Contents:
    """Read one series as a volume (Z, Y, X), slices ascending along the normal of the image plane.

    Parameters
    ----------
    path
        A folder, or any file of the series. A single image that does not say where it lies becomes (Y, X).
    series
        Its number or UID, when a folder holds several.
    assume_even_spacing
        Take slices that are missing or unevenly spaced for evenly spaced ones.

    Raises
    ------
    BadInput
        There is no series; slices are doubled, tilted or mixed; or a file is damaged.
    Several
        There are several series and none was chosen.
    Uneven
        Slices are missing or unevenly spaced.
    OutOfMemory
        It would not fit into memory.
    """
    images = _choose(path, headers_of(path), series)
    first = images[0]
    if first.segmentation:
        return segmentation.read(first.path, first)
    if first.frames > 1:
        return frames.read(first.path, first, assume_even_spacing=assume_even_spacing)
    images, geometry, spacing = arrange(path, images, assume_even_spacing=assume_even_spacing)
    rows, columns, samples = first.shape
    admit(path, len(images) * rows * columns * samples * 4)
    array = voxels_of(path, images)
    axes = "ZYX" + ("C" if array.ndim == 4 else "")
    if geometry is None:  # a single picture, such as an X-ray or an ultrasound image
        array, axes = array[0], axes[1:]
    name, files = first.title, tuple(image.path for image in images)
    if spacing is None:
        return Contents(array, axes, name=name, dicom=files)
    return Contents(array, axes, spacing, "mm", geometry, name=name, dicom=files)


def read_labels(path: Path, series: str | None = None) -> Contents:
    """Read a segmentation.

    Parameters
    ----------
    path, series
        As for :func:`read`.

    Raises
    ------
    BadInput
        It is an image, or as in :func:`napari_unet.io.dicom.segmentation.read`.
    OutOfMemory
        It would not fit into memory.
    """
    contents = read(path, series)
    if contents.classes is None:
        raise BadInput(f"{path} is a DICOM image, not a segmentation: choose the mask that was made on it.")
    return contents


def _choose(path: Path, images: Sequence[Slice], series: str | None) -> list[Slice]:
    """Keep the images of one series, or one file with many images."""
    # A segmentation beside the images that it was made on is not what somebody opens the folder for.
    scans = [image for image in images if not image.segmentation] or images
    found: dict[tuple[str, str], list[Slice]] = {}
    for image in scans:
        alone = image.path.name if image.frames > 1 or image.segmentation else ""
        found.setdefault((image.uid, alone), []).append(image)
    choices = [(_choice(members, found), members) for members in found.values()]
    choices.sort(key=lambda entry: (len(entry[0].number), entry[0].number))
    numbers = Counter(choice.number for choice, _ in choices)
    # Numbers may say nothing, as after anonymisation: then a series goes by its UID, or the name of its only file.
    listed = "; ".join(
        str(choice if numbers[choice.number] == 1 else replace(choice, number=choice.key)) for choice, _ in choices
    )
    if not found:
        raise BadInput(f"{path} holds no DICOM images: choose the folder with the files of one series.")
    if series is not None:
        fitting = [members for choice, members in choices if series in (choice.key, choice.number, members[0].uid)]
        if len(fitting) != 1:
            raise BadInput(
                f'{path} has {"no" if not fitting else "more than one"} series "{series}", but these: {listed}.'
            )
        return fitting[0]
    if len(found) > 1:
        raise Several(
            f"{path} holds {len(found)} series: {listed}. Choose one by its number or name (--series), or open one "
            "of its files.",
            tuple(choice for choice, _ in choices),
        )
    return next(iter(found.values()))


def _choice(members: Sequence[Slice], found: dict[tuple[str, str], list[Slice]]) -> Choice:
    """Describe a series to choose."""
    first = members[0]
    alone = sum(uid == first.uid for uid, _ in found) == 1
    return Choice(
        key=first.uid if alone else first.path.name,
        number=first.number,
        description=" ".join(part for part in (first.modality, first.description) if part),
        images=len(members) if first.frames == 1 else first.frames,
        size=f"{first.shape[0]} x {first.shape[1]}",
    )
