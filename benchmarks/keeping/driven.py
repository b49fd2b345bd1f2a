"""A window with a project in which somebody works fast, until it is killed: ``driven FOLDER NUMBER``.

What is in the window is written to ``FOLDER/<NUMBER>.log`` when the project is open and after everything that is done,
a JSON line each: the time, and by name a value of everything that a project is to keep.
"""

import json
import shutil
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QTimer

from napari_unet.config import Closing, Opening, RefineConfig
from napari_unet.gui.layers.scans import METADATA, REVIEW, classes_of, place_of, review_of
from napari_unet.gui.work import keeping
from napari_unet.gui.work.refine_material import Chosen
from napari_unet.gui.work.workspace import workspace_of
from napari_unet.keeping.project import SUFFIX
from napari_unet.review.corrections import Review
from napari_unet.session import TrainedModel

BEAT_MS = 25
"""So often something is done."""
MOST_MASKS = 4
MODEL, SCAN = "model.unet", "scan.nii"


class Driver:
    """Opens the project, or makes it, and does one thing after another.

    Parameters
    ----------
    folder
        Where the scan, a model, the project and the log are.
    number
        Which window this is.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self.folder = folder
        self.chance = np.random.default_rng(number)
        self.viewer = napari.Viewer()
        self.docks = {
            name: self.viewer.window.add_plugin_dock_widget("napari-unet-paint", name, tabify=True)[1]
            for name in ("Train", "Review", "Refine", "Project")
        }
        self.workspace = workspace_of(self.viewer)
        self.log = (folder / f"{number}.log").open("w")
        project = folder / f"study{SUFFIX}"
        if project.exists():
            self.workspace.projects.open(project)
        else:
            self._begin(project)
        self.note()
        self.things = (
            (60, self.paint),
            (12, self.workspace.undoing.undo),
            (6, self.workspace.undoing.redo),
            (8, self.mark),
            (4, self.refine),
            (3, self.tick),
            (3, self.choose_time),
            (2, self.add_scan),
            (1, self.add_model),
            (1, self.add_mask),
            (1, self.delete_mask),
        )
        self.timer = QTimer()
        self.timer.timeout.connect(self.do_something)
        self.timer.start(BEAT_MS)

    def _begin(self, project: Path) -> None:
        self.viewer.open(self.folder / SCAN, plugin="napari-unet-paint")
        self.workspace.projects.make(project)
        self.viewer.add_labels(np.zeros(self.shape, np.uint8), name="paint", **place_of(self.viewer.layers[0]))
        self.add_model()
        self.add_mask()

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the scan, (Z, Y, X)."""
        return tuple(self.viewer.layers[Path(SCAN).stem].data.shape)

    @property
    def masks(self) -> list[Labels]:
        """The masks that a model wrote, as far as it goes here."""
        return [layer for layer in self.viewer.layers if isinstance(layer, Labels) and review_of(layer) is not None]

    def do_something(self) -> None:
        """Do one thing, by chance, and note what is there after it."""
        weights = np.array([weight for weight, _ in self.things], float)
        self.things[self.chance.choice(len(weights), p=weights / weights.sum())][1]()
        self.note()

    # --- what is done

    def paint(self) -> None:
        """Make a stroke of a few dabs."""
        layer = self.chance.choice([self.viewer.layers["paint"], *self.masks])
        z, y, x = (int(self.chance.integers(2, n - 2)) for n in self.shape)
        layer.brush_size = int(self.chance.integers(3, 12))
        with layer.block_history():
            for step in range(4):
                layer.paint((z, min(y + 2 * step, self.shape[1] - 1), x), int(self.chance.integers(0, 4)))

    def mark(self) -> None:
        """Mark a slice as right, or take the mark off it."""
        self.workspace.marking.mark(self.chance.choice(self.masks), {int(self.chance.integers(self.shape[0]))})

    def refine(self) -> None:
        """Refine a mask in place."""
        if not self.workspace.refinement.running and not self.workspace.refine_preview.running:
            step = self.chance.choice([Closing(radius=1.5), Opening(radius=1)])
            chosen = Chosen(self.chance.choice(self.masks), RefineConfig(steps=(step,)))
            self.workspace.refinement.start(chosen, in_place=True)

    def tick(self) -> None:
        """Tick a scan off, or take that back."""
        scans = self.workspace.projects.scans
        number = int(self.chance.integers(len(scans.all)))
        scans.tick(number, not scans.all[number][0].done)

    def choose_time(self) -> None:
        """Choose how long training may take."""
        time_box = self.docks["Train"].time
        time_box.setCurrentIndex(int(self.chance.integers(time_box.count())))

    def add_scan(self) -> None:
        """Add a scan to the list."""
        self.workspace.projects.scans.add([self.folder / f"scan {len(self.workspace.projects.scans.all)}.nii"])

    def add_model(self) -> None:
        """Train a version of the model, as far as it goes here."""
        path = self.workspace.exchange.folder / f"version {len(self.workspace.session.models)}.unet"
        shutil.copyfile(self.folder / MODEL, path)
        self.workspace.session.add_model(TrainedModel.from_file(path))

    def add_mask(self) -> None:
        """Predict the scan, as far as it goes here."""
        if len(self.masks) >= MOST_MASKS:
            return
        _, y, x = np.indices(self.shape)
        mask = ((y - 30) ** 2 + (x - 30) ** 2 < self.chance.integers(50, 400)).astype(np.uint8)
        review = Review(self.workspace.session.models[0].path)
        for z, plane in enumerate(mask):
            review.note(z, plane)
        place = place_of(self.viewer.layers[0])
        place["metadata"][METADATA][REVIEW] = review
        self.viewer.add_labels(mask, name="mask", **place)

    def delete_mask(self) -> None:
        """Delete the oldest mask, but not the only one."""
        if len(self.masks) > 1:
            self.viewer.layers.remove(self.masks[0])

    # --- what is noted

    def note(self) -> None:
        """Write what is there."""
        found = self.there()
        self.log.write(json.dumps([time.time(), found]) + "\n")
        self.log.flush()

    def there(self) -> dict[str, Any]:
        """Give by name a value of everything that is to be kept."""
        found: dict[str, Any] = {}
        for layer in self.viewer.layers:
            if not isinstance(layer, Labels):
                continue
            found[f"{layer.name}: classes"] = [info.name for info in classes_of(layer)]
            for z, plane in enumerate(layer.data):
                found[f"{layer.name}: slice {z}"] = zlib.crc32(np.ascontiguousarray(plane))
            if (review := review_of(layer)) is not None:
                found[f"{layer.name}: marks"] = sorted(review.reviewed)
                written = [review.written(z, plane.shape) for z, plane in enumerate(layer.data)]
                found[f"{layer.name}: written"] = zlib.crc32(np.stack(written))
        project = self.workspace.keeper.project
        found["masks"] = sorted(layer.name for layer in self.viewer.layers if isinstance(layer, Labels))
        found["models"] = sorted(model.name for model in self.workspace.session.models)
        found["settings"] = self.docks["Train"].time.currentIndex()
        found["scans"] = [[scan.name, scan.done] for scan in project.scans]
        found["history"] = list(project.history)
        return found


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    keeping.folder = lambda: folder / "windows"  # nothing of the user's own
    driver = Driver(folder, int(sys.argv[2]))
    napari.run()
