"""What windows left behind that ended without being closed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_unet.errors import UnetError
from napari_unet.gui.layers.kept import is_layer, kept_layer, origin_of, review_in
from napari_unet.keeping.journal import Stored, left_behind, read_journal, was_abandoned
from napari_unet.keeping.project import is_project, name_of
from napari_unet.model_file import SUFFIX
from napari_unet.review.corrections import Review
from napari_unet.session import TrainedModel

PLUGIN = "napari-unet-paint"


@dataclass(frozen=True)
class LeftBehind:
    """Work that a window left behind.

    Parameters
    ----------
    folder
        Its journal, or its project, of which nothing else is read yet.
    arrays
        What is in there.
    models
        The models that are in there.
    """

    folder: Path
    arrays: Mapping[str, Stored]
    models: tuple[TrainedModel, ...]

    @property
    def is_project(self) -> bool:
        """Whether it is a project, which stays where it is."""
        return is_project(self.folder)

    @property
    def sentence(self) -> str:
        """In words."""
        if self.is_project:
            return f'The project "{name_of(self.folder)}" was open in a window that ended without being closed.'
        names = ", ".join(f'"{stored.about["name"]}"' for stored, _ in self.layers())
        when = self.folder.name[:16].replace(".", ":")
        return f"A window that was opened {when} ended without being closed. Its work is still here: {names}."

    def layers(self) -> Iterator[tuple[Stored, Review | None]]:
        """Go through the layers, and their reviews."""
        for key, stored in self.arrays.items():
            if is_layer(key):
                yield stored, review_in(self.arrays, key, self.folder)


def find_left_behind(root: Path, projects: Sequence[Path]) -> list[LeftBehind]:
    """Find what was left behind in the folder of journals, and which of these projects were."""
    found = [LeftBehind(folder, {}, ()) for folder in projects if was_abandoned(folder)]
    for folder in left_behind(root):
        left = LeftBehind(folder, read_journal(folder), models_in(folder))
        if any(left.layers()):
            found.append(left)
    return found


def models_in(folder: Path) -> tuple[TrainedModel, ...]:
    """Read what the models in a folder are; files that are damaged are left out."""
    models = []
    for file in sorted(folder.glob(f"*{SUFFIX}"), key=lambda file: file.stat().st_mtime):
        with suppress(UnetError):
            models.append(TrainedModel.from_file(file))
    return tuple(models)


def add_layer(viewer: ViewerModel, stored: Stored, review: Review | None) -> str:
    """Add a layer as it was, on its scan where that is found; say what was not."""
    origins = stored.about["scans"]
    missing = _open_scans(viewer, origins)
    beneath = [layer for layer in viewer.layers if isinstance(layer, Image) and origin_of(layer) in origins]
    viewer.add_layer(kept_layer(stored, review, beneath))
    return missing


def _open_scans(viewer: ViewerModel, origins: list[list[str]]) -> str:
    """Open the scans of a mask that are not open; say which are not there any more."""
    missing = []
    for origin in origins:
        if not origin or any(isinstance(layer, Image) and origin_of(layer) == origin for layer in viewer.layers):
            continue
        try:
            open_scan(viewer, origin)
        except Exception as error:  # noqa: BLE001  whatever is wrong with a file, the work on it is brought back
            missing.append(f"{origin[-1]} could not be opened ({error}): open the scan yourself.")
    return "\n".join(missing)


def open_scan(viewer: ViewerModel, origin: Sequence[str]) -> list[Image]:
    """Open a scan from its file, or a sample from its plugin, without the paint that a sample brings along.

    Raises
    ------
    Exception
        Whatever the reader of the file, or the plugin, raises.
    """
    before = set(viewer.layers)
    if len(origin) == 1:
        viewer.open(origin[0], plugin=PLUGIN)
    else:
        viewer.open_sample(*origin)
    images = []
    for layer in [layer for layer in viewer.layers if layer not in before]:
        if isinstance(layer, Labels):
            viewer.layers.remove(layer)
        elif isinstance(layer, Image):
            images.append(layer)
    return images
