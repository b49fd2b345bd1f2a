"""Keeping the work of a window on the disk while it goes on, and bringing back what a crash left behind."""

import re
import shutil
import weakref
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from platformdirs import user_state_path
from qtpy.QtCore import QObject, QTimer, Signal

from napari_unet.annotation import ClassInfo
from napari_unet.errors import UnetError
from napari_unet.gui.layers.scans import (
    DICOM,
    METADATA,
    REVIEW,
    class_look,
    classes_of,
    images_beneath,
    place_of,
    review_of,
)
from napari_unet.gui.work.background import Background
from napari_unet.journal import Journal, Stored, left_behind, read_journal
from napari_unet.model_file import SUFFIX
from napari_unet.review import Review
from napari_unet.scan import Geometry
from napari_unet.session import Session, TrainedModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEEP_MS = 4000
"""How often what changed is written."""
WRITTEN, VOUCHED = "-written", "-vouched"
"""End the keys of what the model wrote of a mask, and of which voxels somebody stood for before."""
PLACE = ("scale", "translate", "rotate", "shear", "affine")
PLUGIN = "napari-unet-paint"


def folder() -> Path:
    """Give the folder of this user that journals are in."""
    return user_state_path("napari-unet-paint", appauthor=False) / "windows"


Due: TypeAlias = "tuple[str, NDArray[Any], dict[str, Any], Review | None]"
"""A layer that is to be written: its key, its voxels, what to say of it, its review."""


@dataclass(frozen=True)
class LeftBehind:
    """Work that a window left behind.

    Parameters
    ----------
    folder
        Its journal.
    arrays
        What is in there.
    models
        The models that are in there.
    """

    folder: Path
    arrays: Mapping[str, Stored]
    models: tuple[TrainedModel, ...]

    @property
    def sentence(self) -> str:
        """In words."""
        names = ", ".join(f'"{stored.about["name"]}"' for stored, _ in self.layers())
        when = self.folder.name[:16].replace(".", ":")
        return f"A window that was opened {when} ended without being closed. Its work is still here: {names}."

    def layers(self) -> "Iterator[tuple[Stored, Review | None]]":
        """Go through the layers, and their reviews."""
        for key, stored in self.arrays.items():
            if key.endswith((WRITTEN, VOUCHED)):
                continue
            review, written = None, self.arrays.get(f"{key}{WRITTEN}")
            if written is not None and "review" in stored.about:
                said = stored.about["review"]
                review = Review(Path(said["model"]), said["reviewed"])
                for z, plane in enumerate(written.array):
                    review.note(z, plane)
                vouched = self.arrays.get(f"{key}{VOUCHED}")
                for z, plane in enumerate(() if vouched is None else vouched.array):
                    review.vouch(z, plane > 0)
            yield stored, review


class Keeper(QObject):
    """Keeps every labels layer that a person can edit, and every trained model, at most a few seconds behind.

    Layers whose voxels lie on a disk already, and previews, are left out. When the window is closed properly the
    journal goes: what is worth keeping was saved.

    Parameters
    ----------
    viewer
        Whose layers are kept.
    session
        Whose models are kept.
    temporary
        The folder of models that are nowhere else.
    """

    left_changed = Signal()
    """There is other work left behind than before."""
    problem = Signal(str)
    """Work cannot be kept; in words."""

    def __init__(self, viewer: weakref.ref[ViewerModel], session: Session, temporary: Path) -> None:
        super().__init__()
        self._viewer = viewer
        self._session = session
        self._temporary = temporary
        self._background = Background(self)
        self._journal: Journal | None = None
        self._numbers = count(1)
        self._keys: weakref.WeakKeyDictionary[Labels, str] = weakref.WeakKeyDictionary()
        self._changed: weakref.WeakSet[Labels] = weakref.WeakSet()
        self._models: dict[Path, Path] = {}
        self._written: dict[str, int] = {}
        self.left: list[LeftBehind] = []
        self._old: list[Path] = []
        self._busy = False
        self._timer = QTimer(self)
        self._timer.setInterval(KEEP_MS)
        self._timer.timeout.connect(self.keep_now)

    def start(self) -> None:
        """Begin to keep, and look for what was left behind."""
        viewer = self._viewer()
        if viewer is None or self._timer.isActive():
            return
        for layer in viewer.layers:
            self._follow(layer)
        viewer.layers.events.inserted.connect(self._inserted)
        viewer.layers.events.removed.connect(self._removed)
        self._timer.start()
        self._background.run(_find, self._offer, self._failed)

    def keep_now(self) -> None:
        """Write what changed since the last time, in a thread."""
        viewer = self._viewer()
        models = [model for model in self._session.models if model.path not in self._models]
        models = [model for model in models if model.path.parent == self._temporary]
        if viewer is None or self._busy or not (self._changed or models):
            return
        due = [layer for layer in self._changed if layer in viewer.layers and layer.editable]
        self._changed.clear()
        arrays = [(self._keys[layer], layer.data, _about(viewer, layer), review_of(layer)) for layer in due]
        self._busy = True

        def failed(error: Exception) -> None:
            self._changed.update(layer for layer in due if layer in self._keys)
            self._failed(error)

        self._background.run(lambda: self._write(arrays, models), self._wrote, failed)

    def keep_soon(self, layer: Labels) -> None:
        """Keep what became of a layer beside its voxels, such as which slices are marked."""
        if layer in self._keys:
            self._changed.add(layer)

    def close(self) -> None:
        """Keep nothing any more, and nothing of before: whoever worked in the window closed it."""
        self._timer.stop()
        self._background.close()
        if self._journal is not None:
            self._journal.remove()

    def bring_back(self, left: LeftBehind) -> str:
        """Add the layers and models that were left behind, with their scans where those can be found.

        The old journal goes once all of it is kept in this window's.

        Returns
        -------
        str
            What could not be found, in words, or "".
        """
        viewer = self._viewer()
        if viewer is None:
            return ""
        moved = {}
        for model in left.models:
            path = moved[model.path] = self._temporary / f"{left.folder.name} {model.path.name}"
            shutil.copyfile(model.path, path)
            self._session.add_model(replace(model, path=path))
        missing = []
        for stored, review in left.layers():
            if review is not None:
                review.model = moved.get(review.model, review.model)
            missing.append(_add(viewer, stored, review))
        self._old.append(left.folder)
        self._settled(left)
        return "\n".join(dict.fromkeys(filter(None, missing)))

    def discard(self, left: LeftBehind) -> None:
        """Remove what was left behind."""
        shutil.rmtree(left.folder, ignore_errors=True)
        self._settled(left)

    def _settled(self, left: LeftBehind) -> None:
        self.left.remove(left)
        self.left_changed.emit()

    # --- what changes

    def _inserted(self, event: Any) -> None:
        self._follow(event.value)

    def _follow(self, layer: Layer) -> None:
        if isinstance(layer, Labels) and type(layer.data) is np.ndarray and layer.data.ndim > 1:
            self._keys[layer] = f"layer{next(self._numbers)}"
            self._changed.add(layer)
            for event in _changes(layer):
                event.connect(self._change)

    def _removed(self, event: Any) -> None:
        layer = event.value
        key = self._keys.pop(layer, None) if isinstance(layer, Labels) else None
        if key is not None:
            self._changed.discard(layer)
            for changes in _changes(layer):
                changes.disconnect(self._change)
            self._background.run(lambda: self._forget(key), _nothing, self._failed)

    def _change(self, event: Any) -> None:
        self._changed.add(event.source)

    # --- in the thread

    def _write(self, arrays: "list[Due]", models: list[TrainedModel]) -> None:
        if self._journal is None:
            self._journal = Journal.new(folder())
        for model in models:
            name = re.sub(r"[^\w .()\[\]-]", "_", model.name)
            self._models[model.path] = self._journal.keep_file(model.path, f"{name}{SUFFIX}")
        for key, array, about, review in arrays:
            if review is not None:
                by = self._models.get(review.model, review.model)
                about["review"] = {"model": str(by), "reviewed": sorted(review.reviewed)}
                if self._written.get(key) != review.nbytes:
                    planes = array.reshape(-1, *array.shape[-2:])
                    written = np.stack([review.written(z, plane.shape) for z, plane in enumerate(planes)])
                    vouched = np.stack([review.vouched(z, plane.shape) for z, plane in enumerate(planes)])
                    self._journal.keep(f"{key}{WRITTEN}", written, {})
                    self._journal.keep(f"{key}{VOUCHED}", vouched.view(np.uint8), {})
                    self._written[key] = review.nbytes
            self._journal.keep(key, array, about)
        while self._old:
            shutil.rmtree(self._old.pop(), ignore_errors=True)

    def _forget(self, key: str) -> None:
        if self._journal is not None:
            for suffix in ("", WRITTEN, VOUCHED):
                self._journal.forget(f"{key}{suffix}")

    def _wrote(self, nothing: object) -> None:
        self._busy = False

    def _failed(self, error: Exception) -> None:
        self._busy = False
        self.problem.emit(f"What you paint cannot be kept for a crash ({error}): save often.")

    def _offer(self, found: list[LeftBehind]) -> None:
        self.left = found
        self.left_changed.emit()


def _find() -> list[LeftBehind]:
    found = []
    for path in left_behind(folder()):
        models = []
        for file in sorted(path.glob(f"*{SUFFIX}")):
            with suppress(UnetError):
                models.append(TrainedModel.from_file(file))
        left = LeftBehind(path, read_journal(path), tuple(models))
        if any(left.layers()):
            found.append(left)
    return found


def _changes(layer: Labels) -> "tuple[Any, ...]":
    """Give the events of a layer after which it is kept anew."""
    events = layer.events
    return (events.paint, events.data, events.set_data, events.name, events.colormap)


def _about(viewer: ViewerModel, layer: Labels) -> dict[str, Any]:
    """Say of a layer, as JSON values, what it takes to make it anew."""
    place = place_of(layer)
    geometry: Geometry | None = place["metadata"][METADATA].get("geometry")
    return {
        "name": layer.name,
        "opacity": float(layer.opacity),
        "visible": bool(layer.visible),
        **{key: np.asarray(place[key]).tolist() for key in PLACE},
        "units": [str(unit) for unit in place["units"]],
        "axis_labels": list(place["axis_labels"]),
        "classes": [info.model_dump(mode="json") for info in classes_of(layer)],
        "geometry": None if geometry is None else [geometry.affine.tolist(), dict(geometry.source)],
        "scans": [_origin(image) for image in images_beneath(viewer, layer)],
    }


def _origin(image: Image) -> list[str]:
    """Say where a scan came from: its file, or the plugin and the name of a sample; nothing when neither is known."""
    if image.source.path:
        return [str(image.source.path)]
    return list(image.source.sample or ())


def _add(viewer: ViewerModel, stored: Stored, review: Review | None) -> str:
    """Add a layer as it was, on its scan where that is found; say what was not."""
    about = stored.about
    missing = _open_scans(viewer, about["scans"])
    beneath = [layer for layer in viewer.layers if isinstance(layer, Image) and _origin(layer) in about["scans"]]
    mine: dict[str, Any] = {}
    for image in beneath:
        mine |= {key: value for key, value in image.metadata.get(METADATA, {}).items() if key == DICOM}
    if about["geometry"] is not None:
        affine, source = about["geometry"]
        mine["geometry"] = Geometry(np.array(affine), source)
    if review is not None:
        mine[REVIEW] = review
    viewer.add_labels(
        stored.array,
        **{key: about[key] for key in ("name", "opacity", "visible", "units", "axis_labels")},
        **{key: np.array(about[key]) for key in PLACE},
        **class_look([ClassInfo(**info) for info in about["classes"]]),
        metadata={METADATA: mine},
    )
    return missing


def _open_scans(viewer: ViewerModel, origins: list[list[str]]) -> str:
    """Open the scans of a mask that are not open; say which are not there any more."""
    missing = []
    for origin in origins:
        if not origin or any(isinstance(layer, Image) and _origin(layer) == origin for layer in viewer.layers):
            continue
        before = set(viewer.layers)
        try:
            if len(origin) == 1:
                viewer.open(origin[0], plugin=PLUGIN)
            else:
                viewer.open_sample(*origin)
        except Exception as error:  # noqa: BLE001  whatever is wrong with a file, the work on it is brought back
            missing.append(f"{origin[-1]} could not be opened ({error}): open the scan yourself.")
        for layer in set(viewer.layers) - before:
            if isinstance(layer, Labels):
                viewer.layers.remove(layer)  # the paint of a sample: what became of it is brought back
    return "\n".join(missing)


def _nothing(outcome: object) -> None:
    """Make nothing of it."""
