"""How soon the slice in view is repainted after a stroke while one learns by painting, and whether the brush notices.

The window, its process and the copies between them are the real ones; the scan is a phantom of 512 x 512 voxels. What
is told: the time from the last stroke on a slice to that slice repainted, the pause included; how soon a stroke ends a
round; and, with *Learn while I paint* off and on, how long one event of a stroke takes, and the longest gap in the
window's event loop while somebody paints and rests. Needs a display: ``xvfb-run -a python -m benchmarks.live``.
"""

import argparse
import time
from statistics import median

import napari
import numpy as np
from napari.layers import Labels
from qtpy.QtWidgets import QApplication

from benchmarks.pulse import Pulse, wait
from benchmarks.window.__main__ import phantom
from napari_unet.events import Preview
from napari_unet.gui.docks.train_dock import TrainDock
from napari_unet.gui.work.live import LIVE_NAME, PAUSE_MS

STROKES = ((1, 256, 170), (2, 256, 330), (255, 100, 100), (255, 400, 256))
"""The label, row and column where each begins: in either organ, and in the background."""
LENGTH = 20
"""Events of a stroke."""


class Painter:
    """Somebody who paints in a window.

    Parameters
    ----------
    viewer
        The window.
    paint
        The layer that is painted on.
    dock
        Its Train dock.
    """

    def __init__(self, viewer: napari.Viewer, paint: Labels, dock: TrainDock) -> None:
        self.viewer = viewer
        self.paint = paint
        self.live = dock.workspace.live
        self.previewed: list[int] = []
        self.live.reported.connect(lambda event: isinstance(event, Preview) and self.previewed.append(event.z))

    def strokes(self, z: int) -> list[float]:
        """Draw strokes on a slice, as events of a mouse would; give the seconds of each event."""
        seconds = []
        self.viewer.dims.set_point(0, z)
        for label, row, column in STROKES:
            self.paint.selected_label = label
            with self.paint.block_history():
                for step in range(LENGTH):
                    begun = time.perf_counter()
                    self.paint.paint((z, row, column + step), label)
                    QApplication.processEvents()
                    seconds.append(time.perf_counter() - begun)
        return seconds

    def repainted(self, z: int) -> float:
        """Paint on a slice; give the seconds from the last stroke to what the network makes of it."""
        self.strokes(z)
        begun = time.perf_counter()
        wait(lambda: not self.live.running, 30)
        self.previewed.clear()
        wait(lambda: z in self.previewed, 120)
        drawn: list[object] = []
        self.viewer.layers[LIVE_NAME].events.set_data.connect(drawn.append)
        wait(lambda: bool(drawn), 1)
        return time.perf_counter() - begun

    def interrupts(self, z: int, column: int) -> float:
        """Paint while it learns; give the seconds from the first event of the stroke until it has stopped."""
        wait(lambda: self.live.running, 60)
        wait(lambda: False, 1)
        begun = time.perf_counter()
        self.paint.paint((z, 10, column), 255)
        wait(lambda: not self.live.running, 30)
        return time.perf_counter() - begun

    def brush(self, z: int, words: str) -> str:
        """Paint and rest; give a row with the milliseconds of an event, and of the longest gap of the event loop."""
        pulse, seconds = Pulse(), []
        for _ in range(3):
            seconds += self.strokes(z)
            wait(lambda: False, PAUSE_MS / 1000 + 2)
        events = 1000 * np.array(seconds)
        return f"| {words} | {median(events):.1f} | {np.percentile(events, 99):.1f} | {max(pulse.late):.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=60)
    args = parser.parse_args()
    viewer = napari.Viewer(show=True)
    scan, paint = phantom(args.slices, 512)
    viewer.add_image(scan, name="phantom")
    layer = viewer.add_labels(np.zeros_like(paint), name="paint")
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-paint", "Train")
    layer.brush_size = 25
    painter = Painter(viewer, layer, dock)
    wait(lambda: dock.live.box.isEnabled(), 10)
    wait(lambda: False, 5)
    rows = [painter.brush(args.slices - 1, "off")]
    dock.live.box.click()
    wait(lambda: False, 8)  # somebody looks for where to paint
    chosen = [args.slices * part // 8 for part in range(1, 5)]
    first, *later = [painter.repainted(z) for z in chosen]
    ends = [painter.interrupts(chosen[0], column) for column in (20, 80, 140, 200)]
    rows.append(painter.brush(chosen[0], "on"))
    print(f"512 x 512 x {args.slices}, int16, from nothing; {PAUSE_MS / 1000} s of each time are the pause\n")
    print(f"from the last stroke to the slice repainted: {first:.1f} s the first time, then {median(later):.1f} s")
    print(f"from a stroke to the end of a round: {1000 * median(ends):.0f} ms, at most {1000 * max(ends):.0f} ms\n")
    print("| learns while one paints | an event of a stroke, ms | 99 % within, ms | longest gap, ms |")
    print("|---|---|---|---|\n" + "\n".join(rows))
    viewer.close()


if __name__ == "__main__":
    main()
