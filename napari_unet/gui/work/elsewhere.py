"""What a model can learn from on the other scans of a project, whether those are open or lie on the disk."""

import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image
from numpy.typing import NDArray

from napari_unet.annotation import ClassInfo, as_paint
from napari_unet.errors import BadInput
from napari_unet.gui.layers.kept import keys_of, origin_of, review_in
from napari_unet.gui.layers.scans import review_of, scan_of, voxels_of
from napari_unet.gui.work.keeping import Keeper
from napari_unet.gui.work.scan_search import read_matching
from napari_unet.gui.work.training import Elsewhere, Painted, Reading
from napari_unet.keeping.journal import PLANES, read_journal
from napari_unet.keeping.project import ProjectScan, likely_places, size_on_disk, teaches
from napari_unet.review.corrections import Review
from napari_unet.scan import Scan, stack_channels


class OtherScans:
    """Gives what was painted, corrected and found right on the other scans of the project.

    Parameters
    ----------
    viewer
        The window's viewer.
    keeper
        Has the project, and its layers.
    """

    def __init__(self, viewer: weakref.ref[ViewerModel], keeper: Keeper) -> None:
        self._viewer = viewer
        self._keeper = keeper
        self.wanted = True
        """Whether somebody wants to learn from them."""

    def beside(self, images: Sequence[Image]) -> list[Elsewhere]:
        """Give the other scans with something to learn from, each as what reads it when it is called in a thread.

        Parameters
        ----------
        images
            The layers of the scan that is learned from anyway.
        """
        return self.found(images) if self.wanted else []

    def found(self, images: Sequence[Image]) -> list[Elsewhere]:
        """Give them whether they are wanted or not, see :meth:`beside`."""
        project = self._keeper.project
        if project is None:
            return []
        here = [origin_of(image) for image in images]
        others = [scan for scan in project.scans if not any(map(scan.is_at, here))]
        return [read for scan in others if (read := self._on(scan)) is not None]

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """The classes of all paint in the project: a number means the same on every scan."""
        abouts = self._keeper.journal.abouts.values() if self._keeper.project is not None else ()
        infos = [ClassInfo(**info) for about in abouts if teaches(about) for info in about.get("classes", ())]
        return tuple({info.label: info for info in infos}.values())

    def _on(self, scan: ProjectScan) -> Elsewhere | None:
        project, folder, journal = self._keeper.project, self._keeper.project_folder, self._keeper.journal
        viewer = self._viewer()
        if project is None or folder is None or viewer is None:
            return None
        abouts = {
            key: about
            for key, about in journal.abouts.items()
            if about["scans"] and scan.is_at(about["scans"][0])  # the first, where its channels are several files
            if teaches(about) and size_on_disk(folder / f"{key}{PLANES}")
        }
        if not abouts:
            return None
        origins = max((about["scans"] for about in abouts.values()), key=len)  # several where its channels are files
        numbers = [project.number_of(origin) for origin in origins]
        parts = [_part(project.scans[number], viewer, folder) for number in numbers if number is not None]
        open_here = {key: layer for key in abouts if (layer := self._keeper.shown(key)) is not None}
        voxels = {key: (voxels_of(layer), review_of(layer)) for key, layer in open_here.items()}
        classes = tuple(ClassInfo(**info) for about in abouts.values() for info in about["classes"])

        def read(read_paint: Reading) -> Painted | None:
            scans = [part() for part in parts]
            arrays = read_journal(folder, keys_of(set(abouts) - set(voxels)))
            kept = [(arrays[key].array, review_in(arrays, key, folder)) for key in abouts if key in arrays]
            known = _known(stack_channels(scans), [*voxels.values(), *kept], read_paint)
            return Painted(scans, known, scan.name, classes=classes) if known.any() else None

        return read


def _known(scan: Scan, layers: Sequence[tuple[NDArray[Any], Review | None]], read_paint: Reading) -> NDArray[np.uint8]:
    """Join paint and what is known of masks into one paint, in the shape of the user; corrections come last."""
    known = np.zeros(scan.grid, np.uint8)
    for voxels, review in sorted(layers, key=lambda layer: layer[1] is not None):
        folded = as_paint(np.asarray(scan.fold(voxels)), f'a layer on "{scan.name}"')
        said = read_paint(folded) if review is None else review.lesson(folded)
        np.copyto(known, said, where=said != 0)
    return scan.unfold(known)


def _part(scan: ProjectScan, viewer: ViewerModel, folder: Path) -> Callable[[], Scan]:
    """Give what reads a scan, or its channels in one file: from its layer, or from its file in a thread."""
    for layer in viewer.layers:
        if isinstance(layer, Image) and scan.is_at(origin_of(layer)):
            here = scan_of(layer)
            return lambda: here

    def read() -> Scan:
        for place in likely_places(scan, folder):
            if (found := read_matching(scan, place)) is not None:
                return found
        raise BadInput(
            f'"{scan.name}" of this project is not found: double click it in the Project dock to look for it, '
            'or switch off "also learn from the other scans".'
        )

    return read
