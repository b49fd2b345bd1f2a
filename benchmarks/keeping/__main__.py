"""How live the window stays while a project saves itself: 512x512x300, painted on without a pause.

A person's strokes are made in the window's thread; a timer there ticks every 2 ms, and whenever a tick comes late, the
window stood still for so long. What napari takes for a stroke itself is not counted. The same strokes are made with and
without a project. Needs a display, such as ``xvfb-run -a python -m benchmarks.keeping``.
"""

import argparse
import tempfile
import time
from pathlib import Path

import napari
import nibabel
import numpy as np
from qtpy.QtWidgets import QApplication

from benchmarks.pulse import HEAD, Pulse, wait
from napari_unet.gui.__main__ import DOCKS
from napari_unet.gui.layers.scans import METADATA, REVIEW
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


def timed(workspace: Workspace) -> list[float]:
    """Time all that keeping does in the window's thread, each time it is done; in seconds."""
    took: list[float] = []
    keeper = workspace.keeper

    def keep() -> None:
        begun = time.perf_counter()
        keeper.keep_now()
        took.append(time.perf_counter() - begun)

    keeper._timer.timeout.disconnect()
    keeper._timer.timeout.connect(keep)
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=20, help="how long is painted each time")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        keeping.folder = lambda: Path(folder) / "windows"  # nothing of the user's own
        viewer = napari.Viewer(show=True)
        voxels = np.random.default_rng(0).integers(-1000, 1000, (args.slices, args.side, args.side)).astype(np.int16)
        nibabel.Nifti1Image(voxels.T, np.eye(4)).to_filename(Path(folder) / "scan.nii")
        viewer.open(Path(folder) / "scan.nii", plugin="napari-unet-paint")
        paint = viewer.add_labels(labels(args.slices, args.side), name="mask")
        review = Review(Path(folder) / "model.unet")
        for z, plane in enumerate(paint.data):
            review.note(z, plane)
        paint.metadata[METADATA] = {REVIEW: review}
        viewer.dims.set_current_step(0, args.slices // 2)
        paint.brush_size = 15
        rows, pulse = [], Pulse()
        paint_for(args.seconds, paint, pulse)
        rows.append(pulse.row("painting, nothing is kept"))
        for dock in DOCKS:
            viewer.window.add_plugin_dock_widget("napari-unet-paint", dock, tabify=True)
        workspace = workspace_of(viewer)
        workspace.projects.make(Path(folder) / "study")
        asked = timed(workspace)
        keeper_waits = workspace.keeper._timer
        keeper_waits.stop()
        paint_for(10, paint, pulse)  # the processes of the docks warm up
        pulse.late.clear()
        keeper_waits.start()
        workspace.keeper.keep_now()
        paint_for(args.seconds, paint, pulse)
        rows.append(pulse.row("painting while all of it is kept for the first time, then what changed"))
        paint_for(args.seconds, paint, pulse)
        rows.append(pulse.row("painting, what changed is kept every 4 s"))
        begun = time.perf_counter()
        wait(lambda: not (workspace.keeper._busy or workspace.keeper._changed), 60)
        behind = time.perf_counter() - begun
        assert workspace.projects.folder is not None
        assert is_project(workspace.projects.folder)
        size = sum(file.stat().st_size for file in workspace.projects.folder.iterdir()) / 1e6
        print(f"{args.side} x {args.side} x {args.slices}; the project takes {size:.1f} MB")
        print(f"all is written {behind:.1f} s after the last stroke")
        print(f"of the window's thread it takes {max(asked) * 1000:.1f} ms at most\n")
        print(HEAD)
        print("\n".join(rows))
        viewer.close()


if __name__ == "__main__":
    main()
