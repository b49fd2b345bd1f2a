"""Opening scans and masks in napari: by drop, by File > Open, or from code."""

import os
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from time import monotonic

from napari.types import LayerData

from napari_unet.io import Mask
from napari_unet.io.files import is_dicom
from napari_unet.io.formats import READ_SUFFIXES
from napari_unet.io.ome_zarr_labels import is_label_image
from napari_unet.io.zarr_file import in_zarr, open_image
from napari_unet.keeping.project import SUFFIX, is_project
from napari_unet.runner.reading import Cancelled, reader

Reader = Callable[[str | Sequence[str]], list[LayerData]]
LOOKED_AT = 20
"""Files of a folder that are looked at to tell whether it holds DICOM images: napari asks about every folder."""
ONE_DROP_S = 3.0
"""Files of a series that come this soon after it was opened were dropped together with the file that opened it."""
NOTHING: list[LayerData] = [(None,)]
"""How napari is told that a file was dealt with and makes no layer."""


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Say whether this program can open a path; None when not.

    Parameters
    ----------
    path
        A file, a folder of DICOM images, a project, or several files: those of one DICOM series, or of the channels of
        a scan.
    """
    paths = [path] if isinstance(path, str) else list(path)
    if len(paths) == 1 and (is_project(Path(paths[0])) or _is_to_be_project(Path(paths[0]))):
        return open_project
    if not paths or not all(_ours(Path(one)) for one in islice(paths, LOOKED_AT)):
        return None
    reader.warm()
    return read_layers


def _is_to_be_project(folder: Path) -> bool:
    """Whether somebody must take a folder for a project, though there is none in it; who opens it is told."""
    try:
        return folder.is_dir() and (folder.name.endswith(SUFFIX) or not any(folder.iterdir()))
    except OSError:
        return False


def open_project(path: str | Sequence[str]) -> list[LayerData]:
    """Open a project in the window, as soon as napari has done with its folder."""
    from napari_unet.gui.work.dropping import open_soon

    open_soon(Path(path if isinstance(path, str) else path[0]))
    return NOTHING


def _ours(path: Path) -> bool:
    if path.is_dir() and not in_zarr(path):
        return _has_dicom(path) or any(map(_has_dicom, _subfolders(path)))
    return path.name.lower().endswith(READ_SUFFIXES) or in_zarr(path) or is_dicom(path)


def _has_dicom(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(entry.is_file() and is_dicom(Path(entry.path)) for entry in islice(entries, LOOKED_AT))
    except OSError:
        return False


def _subfolders(folder: Path, depth: int = 4) -> list[Path]:
    """List folders in a folder, as the exports of archives nest them: patient, study, series."""
    try:
        with os.scandir(folder) as entries:
            here = [Path(entry.path) for entry in islice(entries, LOOKED_AT) if entry.is_dir()]
    except OSError:
        return []
    below = [inner for one in here[:3] for inner in _subfolders(one, depth - 1)] if depth > 1 else []
    return here + below


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Open a scan as an image layer, or a file that says it is a mask as a labels layer.

    The window lives on while it is read, in another process.

    Parameters
    ----------
    path
        As for :func:`get_reader`; of several DICOM files the first stands for its series.

    Raises
    ------
    BadInput, OutOfMemory
        It cannot be read; napari shows the message.
    """
    # Imported here, while the other process starts.
    from napari_unet.gui.layers.masks import mask_layer_data
    from napari_unet.gui.layers.scans import METADATA, OPENED, image_on_disk, layer_data
    from napari_unet.gui.work.opening import read_live, while_alive
    from napari_unet.keeping.provenance import known_of

    paths = [path] if isinstance(path, str) else list(path)
    first = Path(paths[0])
    if in_zarr(first) and not is_label_image(first):
        return [image_on_disk(open_image(Path(path)), Path(path).stem) for path in paths]
    if is_dicom(first):
        paths = paths[:1]
    if _last_series.holds(paths[0]):
        return NOTHING
    try:
        found = read_live(reader, paths)
    except Cancelled:
        return NOTHING
    _last_series.opened(paths[0], found.dicom)
    if not isinstance(found, Mask):
        return [layer_data(found)]
    known = while_alive(lambda: known_of(first), f"Reading {first.name} ...")
    data, attributes, kind = mask_layer_data(found, first.name)
    attributes["metadata"] = {METADATA: {**attributes["metadata"][METADATA], OPENED: known}}
    return [(data, attributes, kind)]


class _LastSeries:
    """The DICOM series that was opened last: its other files, dropped with it, are no scans of their own."""

    def __init__(self) -> None:
        self._others: frozenset[Path] = frozenset()
        self._until = 0.0

    def opened(self, path: str, files: Sequence[Path]) -> None:
        """Remember the files of the series that ``path`` is one of."""
        self._others = frozenset(files) - {Path(path).absolute()}
        self._until = monotonic() + ONE_DROP_S

    def holds(self, path: str) -> bool:
        """Whether a file belongs to the series and came along with it."""
        along = Path(path).absolute() in self._others and monotonic() < self._until
        if along:
            self._until = monotonic() + ONE_DROP_S
        return along


_last_series = _LastSeries()
