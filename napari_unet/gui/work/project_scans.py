"""The scans of the project of a window: which there are, how far they are, and which of them is in view."""

import weakref
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QObject, Signal

from napari_unet.errors import BadInput, UnetError
from napari_unet.gui.layers.kept import kept_layer, keys_of, origin_of, review_in
from napari_unet.gui.layers.scans import METADATA, SHOWN, images_beneath, is_of_another_scan
from napari_unet.gui.work.background import Background
from napari_unet.gui.work.keeping import Keeper
from napari_unet.gui.work.kept_steps import FittingStep, fitting_steps
from napari_unet.gui.work.left_behind import open_scan
from napari_unet.gui.work.opening import while_alive
from napari_unet.gui.work.scan_search import checksum_of, matching_place, search
from napari_unet.io.formats import stem_of
from napari_unet.keeping.journal import Stored, read_journal
from napari_unet.keeping.project import ProjectScan, ScanState, lies_on, size_on_disk, state_of


class ProjectScans(QObject):
    """Lists the scans of a project, and shows one at a time; those that were not shown yet stay on the disk.

    Parameters
    ----------
    viewer
        The window's viewer.
    keeper
        Has the project, and its layers.
    """

    shown = Signal(object)
    """A scan came into view: its image layers, a list."""
    brought = Signal(object, object)
    """Layers came back into the window: what of the undo fits them, and the layers by key."""
    problem = Signal(str)
    """Something could not be done; in words."""

    def __init__(self, viewer: weakref.ref[ViewerModel], keeper: Keeper) -> None:
        super().__init__()
        self._viewer = viewer
        self._keeper = keeper
        self._hashing = Background(self)
        self._following = False

    @property
    def all(self) -> list[tuple[ProjectScan, ScanState]]:
        """The scans of the project, and how far the work on each is."""
        abouts, project = list(self._keeper.journal.abouts.values()), self._keeper.project
        return [] if project is None else [(scan, state_of(scan, abouts)) for scan in project.scans]

    def images(self, scan: ProjectScan | None = None) -> list[Image]:
        """Give the image layers of a scan as far as they are in the window; all when None."""
        viewer = self._viewer()
        layers = [] if viewer is None else [layer for layer in viewer.layers if isinstance(layer, Image)]
        return layers if scan is None else [layer for layer in layers if scan.is_at(origin_of(layer))]

    def close(self) -> None:
        """End what runs: the window is gone."""
        self._hashing.close()

    # --- the list

    def add(self, paths: Iterable[Path]) -> None:
        """Add scans to the list, without opening them."""
        project, folder = self._keeper.project, self._keeper.project_folder
        if project is None or folder is None:
            return
        for path in paths:
            project = project.with_new_scan(stem_of(path), (str(path.absolute()),), folder)
        self._keeper.set_project(project)

    def drop(self, number: int) -> None:
        """Take a scan off the list on which nothing was painted or predicted.

        Raises
        ------
        BadInput
            There is paint or a mask on it.
        """
        project = self._keeper.project
        if project is None:
            return
        self._keeper.flush()  # of layers that were deleted just now nothing is known afterwards
        scan = project.scans[number]
        if names := [about["name"] for about in self._keeper.journal.abouts.values() if lies_on(scan, about)]:
            raise BadInput(f'"{scan.name}" has the layers {", ".join(names)}: delete them first, then remove the scan.')
        self._keeper.set_project(project.without_scan(number))

    def tick(self, number: int, done: bool) -> None:
        """Tick a scan off as done, or take that back."""
        if self._keeper.project is not None:
            self._keeper.set_project(self._keeper.project.with_scan(number, done=done))

    def take_in_all(self) -> None:
        """Take all scans that are open into the list, and those that will be opened."""
        viewer = self._viewer()
        if viewer is None:
            return
        for layer in viewer.layers:
            self._take_in(layer)
        if not self._following:
            self._following = True
            viewer.layers.events.inserted.connect(self._inserted)

    def _inserted(self, event: Any) -> None:
        self._take_in(event.value)

    def _take_in(self, layer: Layer) -> None:
        """Take a scan that is open into the list, and hash its voxels in a thread."""
        project, folder = self._keeper.project, self._keeper.project_folder
        if project is None or folder is None or not isinstance(layer, Image) or not (origin := origin_of(layer)):
            return
        project = project.with_new_scan(layer.name, origin, folder)
        number = project.number_of(origin)
        assert number is not None
        self._keeper.set_project(project)
        if not project.scans[number].checksum:

            def hash_it() -> tuple[str, int]:
                return checksum_of(layer), size_on_disk(Path(origin[0]))

            self._hashing.run(hash_it, partial(self._hashed, origin), lambda error: self.problem.emit(str(error)))

    def _hashed(self, origin: Sequence[str], found: tuple[str, int]) -> None:
        project, folder = self._keeper.project, self._keeper.project_folder
        number = None if project is None else project.number_of(origin)
        if project is None or folder is None or number is None:
            return
        checksum, nbytes = found
        known = next((other for other, scan in enumerate(project.scans) if scan.checksum == checksum), None)
        if known is None or known == number or len(origin) > 1:
            self._keeper.set_project(project.with_scan(number, checksum=checksum, nbytes=nbytes))
        else:  # somebody opened a scan of the project from where it lies now
            self._keeper.set_project(project.moved(known, Path(origin[0]), folder).without_scan(number))

    # --- what is in view

    def show(self, number: int, look_in: Path | None = None) -> None:
        """Show a scan with its layers and hide those of the other scans.

        Parameters
        ----------
        number
            Which one of the project.
        look_in
            A folder to look for its file in.

        Raises
        ------
        BadInput
            Its file is not found, or another scan lies there.
        """
        viewer, project = self._viewer(), self._keeper.project
        if viewer is None or project is None:
            return
        together = self._together(number)
        images = [image for one in together for image in self._images_of(one, look_in)]
        project = self._keeper.project
        if project is None:
            return
        self._bring(project.scans[number], images)
        scans = [project.scans[one] for one in together]
        for layer, shown in [(layer, self._belongs(layer, scans)) for layer in viewer.layers]:
            _set_shown(layer, shown)
        self._keeper.set_project(project.model_copy(update={"shown": number}))
        viewer.layers.events.reordered()  # what docks offer to choose from is another
        in_view = [layer for layer in viewer.layers if layer.visible and self._belongs(layer, scans)]
        viewer.layers.selection.active = in_view[-1] if in_view else None
        viewer.reset_view()
        self.shown.emit(images)

    def bring(self, layer: Labels) -> None:
        """Show the scan of a layer, if another one is in view."""
        viewer, project = self._viewer(), self._keeper.project
        images = [] if viewer is None or not is_of_another_scan(layer) else images_beneath(viewer, layer)
        number = project.number_of(origin_of(images[0])) if project is not None and images else None
        if number is not None:
            try:
                self.show(number)
            except UnetError as error:
                self.problem.emit(str(error))

    def _together(self, number: int) -> list[int]:
        """Give the numbers of the files that are channels of one scan, in the order of its layers; mostly one."""
        project = self._keeper.project
        assert project is not None
        for about in self._keeper.journal.abouts.values():
            if lies_on(project.scans[number], about):
                found = [project.number_of(origin) for origin in about["scans"]]
                return [one for one in dict.fromkeys(found) if one is not None]
        return [number]

    def _images_of(self, number: int, look_in: Path | None) -> list[Image]:
        project = self._keeper.project
        assert project is not None
        return self.images(project.scans[number]) or self._open(number, look_in)

    def _open(self, number: int, look_in: Path | None) -> list[Image]:
        viewer, project, folder = self._viewer(), self._keeper.project, self._keeper.project_folder
        if viewer is None or project is None or folder is None:
            return []
        scan = project.scans[number]
        place = scan.origin
        if len(scan.origin) == 1:
            path = matching_place(scan, folder) or search(scan, [folder.parent] if look_in is None else [look_in])
            place = (str(path),)
            self._keeper.set_project(project.moved(number, path, folder))
        try:
            return open_scan(viewer, place)
        except UnetError:
            raise
        except Exception as error:
            raise BadInput(f'"{scan.name}" could not be opened ({error}).') from error

    def _bring(self, scan: ProjectScan, images: Sequence[Image]) -> None:
        """Add the layers of a scan that lie in the journal only."""
        folder, abouts = self._keeper.project_folder, self._keeper.journal.abouts
        keys = [key for key, about in abouts.items() if lies_on(scan, about) and self._keeper.shown(key) is None]
        if folder is None or not keys:
            return

        def read() -> tuple[dict[str, Stored], list[FittingStep]]:
            arrays = read_journal(folder, keys_of(keys))
            return arrays, fitting_steps(folder, {key: arrays[key] for key in keys if key in arrays})

        arrays, steps = while_alive(read, "Opening the layers ...")
        layers = {}
        for key in keys:
            if key in arrays:
                review = review_in(arrays, key, folder)
                layers[key] = kept_layer(arrays[key], review, images)
                self._keeper.show(layers[key], key, review)
        self.brought.emit(steps, layers)

    def _belongs(self, layer: Layer, scans: Sequence[ProjectScan]) -> bool | None:
        """Whether a layer is of these files; None when it is of none."""
        viewer, project = self._viewer(), self._keeper.project
        if viewer is None or project is None:
            return None
        images = images_beneath(viewer, layer) if isinstance(layer, Labels) else self.images()
        origins = [origin_of(image) for image in images if isinstance(layer, Labels) or image is layer]
        if any(scan.is_at(origin) for scan in scans for origin in origins):
            return True
        return False if any(project.number_of(origin) is not None for origin in origins) else None


def _set_shown(layer: Layer, shown: bool | None) -> None:
    """Show or hide a layer with its scan; what a person hid stays hidden."""
    mine = layer.metadata.get(METADATA, {})
    if shown is False and SHOWN not in mine:
        layer.metadata[METADATA] = {**mine, SHOWN: layer.visible}
        layer.visible = False
    elif shown and SHOWN in mine:
        layer.visible = mine[SHOWN]
        layer.metadata[METADATA] = {key: value for key, value in mine.items() if key != SHOWN}
