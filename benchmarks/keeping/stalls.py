"""How live the window stays while its project saves itself: 512x512x300, painted on without a pause."""

import time
from pathlib import Path
from typing import Any

import napari
import nibabel
import numpy as np
from qtpy.QtWidgets import QApplication

from benchmarks.pulse import HEAD, Pulse, wait
from napari_unet.gui.__main__ import DOCKS
from napari_unet.gui.layers.edits import Edit, SlicePart, compare, make_edit
from napari_unet.gui.layers.scans import METADATA, REVIEW, place_of
from napari_unet.gui.work import keeping
from napari_unet.gui.work.workspace import Workspace, workspace_of
from napari_unet.keeping.project import is_project
from napari_unet.review.corrections import Review

STROKE_MS = 40
"""Between two dabs of the brush."""


def labels(slices: int, side: int) -> np.ndarray:
    """Make a mask of a few organs, with rough edges on every slice."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] / side - 0.5
    mask = np.zeros((slices, side, side), np.uint8)
    for z in range(slices):
        rough = np.repeat(np.repeat(rng.normal(0, 0.02, (side // 4, side // 4)), 4, 0), 4, 1)
        for number in range(1, 8):
            mask[z][(x - 0.1 * np.cos(number)) ** 2 + (y - 0.25 * np.sin(number)) ** 2 + rough**2 < 0.004] = number
    return mask


def paint_for(seconds: float, layer: napari.layers.Labels, pulse: Pulse) -> None:
    """Paint along, dab by dab, and let the window live in between."""
    rng, end, due = np.random.default_rng(1), time.monotonic() + seconds, 0.0
    while time.monotonic() < end:
        QApplication.processEvents()
        if time.monotonic() >= due:
            due = time.monotonic() + STROKE_MS / 1000
            z, (y, x) = layer.data.shape[0] // 2, rng.integers(20, layer.data.shape[1] - 20, 2)
            layer.paint((z, y, x), int(rng.integers(0, 8)), refresh=False)
            pulse.skip()
        time.sleep(0.0002)


def timed(workspace: Workspace) -> list[tuple[float, float]]:
    """Time all that keeping does in the window's thread, each time; in seconds, and in those of the processor."""
    took: list[tuple[float, float]] = []
    keeper = workspace.keeper

    def keep() -> None:
        begun, worked = time.perf_counter(), time.thread_time()
        keeper.keep_now()
        took.append((time.perf_counter() - begun, time.thread_time() - worked))

    keeper._timer.timeout.disconnect()
    keeper._timer.timeout.connect(keep)
    return took


def reviewed(folder: Path, mask: np.ndarray) -> Review:
    """Make the review of a mask that a model wrote just so."""
    review = Review(folder / "model.unet")
    for z, plane in enumerate(mask):
        review.note(z, plane)
    return review


def grown(layer: napari.layers.Labels) -> list[SlicePart]:
    """Make what a refinement of all slices changes: everything moves by two voxels, as at the edges of every organ."""
    return compare(
        Edit("closing 2 mm", {"steps": []}), layer.data.shape[:1], layer.data, np.roll(layer.data, 2, axis=2)
    )


def stalls(folder: Path, slices: int, side: int, seconds: float) -> str:
    """Paint on a mask of that size for so many seconds each time, and say how live the window stays."""
    keeping.folder = lambda: folder / "windows"  # nothing of the user's own
    viewer = napari.Viewer(show=True)
    voxels = np.random.default_rng(0).integers(-1000, 1000, (slices, side, side)).astype(np.int16)
    nibabel.Nifti1Image(voxels.T, np.eye(4)).to_filename(folder / "scan.nii")
    (image,) = viewer.open(folder / "scan.nii", plugin="napari-unet-paint")
    mask = labels(slices, side)
    about = {METADATA: {REVIEW: reviewed(folder, mask)}}
    paint = viewer.add_labels(mask, name="mask", metadata=about, **_bare(image))
    viewer.dims.set_current_step(0, slices // 2)
    paint.brush_size = 15
    rows, pulse = [], Pulse()

    def painted(what: str) -> None:
        pulse.skip()
        paint_for(seconds, paint, pulse)
        rows.append(pulse.row(f"painting, {what}"))

    painted("nothing is kept")
    for dock in DOCKS:
        viewer.window.add_plugin_dock_widget("napari-unet-paint", dock, tabify=True)
    workspace = workspace_of(viewer)
    workspace.projects.make(folder / "study")
    asked = timed(workspace)
    workspace.keeper._timer.stop()
    paint_for(10, paint, pulse)  # the processes of the docks warm up
    pulse.late.clear()
    workspace.keeper._timer.start()
    workspace.keeper.keep_now()
    painted("all of it is kept for the first time, then what changed")
    painted("what changed is kept every 4 s")
    make_edit(paint, grown(paint))
    painted("a refinement of all slices is kept")
    result = np.roll(mask, 5, axis=1)
    about = {METADATA: {REVIEW: reviewed(folder, result)}}
    viewer.add_labels(result, name="result", metadata=about, visible=False, **_bare(image))
    viewer.layers.selection.active = paint
    painted("a new result of all slices is kept")
    begun = time.perf_counter()
    wait(lambda: not (workspace.keeper._busy or workspace.keeper._changed), 60)
    behind = time.perf_counter() - begun
    assert workspace.projects.folder is not None
    assert is_project(workspace.projects.folder)
    longest, most = (1000 * max(times) for times in zip(*asked, strict=True))
    size = sum(file.stat().st_size for file in workspace.projects.folder.rglob("*")) / 1e6
    viewer.close()
    return (
        f"{side} x {side} x {slices}; the project takes {size:.1f} MB\n"
        f"all is written {behind:.1f} s after the last stroke\n"
        f"of the window's thread it takes {longest:.1f} ms at most, {most:.1f} ms of a processor\n\n{HEAD}\n"
        + "\n".join(rows)
    )


def _bare(image: napari.layers.Image) -> dict[str, Any]:
    return {key: value for key, value in place_of(image).items() if key != "metadata"}
