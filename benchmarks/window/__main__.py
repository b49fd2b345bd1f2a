"""How live the window stays: stalls of its event loop while it trains and predicts a 512x512x200 scan.

A timer in the window's thread ticks every 2 ms; whenever a tick comes late, the window stood still for so long.
Needs a display, such as ``xvfb-run -a python -m benchmarks.window``.
"""

import argparse
import sys
import time

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from benchmarks.pulse import HEAD, Pulse, wait


def phantom(slices: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Make a noisy body with two organs in int16, and paint of four of its slices (uint8, 255 is background)."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] / side - 0.5
    noise = rng.normal(0, 30, (side, side))
    scan = np.empty((slices, side, side), np.int16)
    paint = np.zeros((slices, side, side), np.uint8)
    for z in range(slices):
        drift = 0.1 * np.sin(z / slices * np.pi)
        truth = np.zeros((side, side), np.uint8)
        truth[(x + 0.15 + drift) ** 2 + y**2 < 0.01] = 1
        truth[(x - 0.15) ** 2 + (y - drift) ** 2 < 0.015] = 2
        scan[z] = np.choose(truth, [-500, 100, 300]) + np.roll(noise, z, 0)
        if z % (slices // 4) == slices // 8:
            paint[z] = np.where(truth == 0, 255, truth)
    return scan, paint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=200)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--seconds", type=int, default=30, help="how long it trains")
    args = parser.parse_args()
    viewer = napari.Viewer(show=True)
    scan, paint = phantom(args.slices, args.side)
    viewer.add_image(scan, name="phantom", scale=(2, 0.8, 0.8), units=("mm",) * 3)
    viewer.add_labels(paint, name="phantom paint", scale=(2, 0.8, 0.8), units=("mm",) * 3)
    QApplication.processEvents()
    opened = time.perf_counter()
    _, train = viewer.window.add_plugin_dock_widget("napari-unet-paint", "Train")
    QApplication.processEvents()
    opened = time.perf_counter() - opened
    _, predict = viewer.window.add_plugin_dock_widget("napari-unet-paint", "Predict", tabify=True)
    wait(lambda: train.panel.button.isEnabled(), 30)
    workspace = train.workspace
    train.time.setCurrentIndex(train.time.findData(args.seconds))
    pulse = Pulse()
    rows = []
    wait(lambda: False, 5)
    rows.append(pulse.row("nothing runs"))
    train.panel.button.click()
    wait(lambda: not workspace.training.running, args.seconds * 3 + 60)
    rows.append(pulse.row(f"training for {args.seconds} s"))
    predict.panel.button.click()
    wait(lambda: not workspace.prediction.running, 900)
    rows.append(pulse.row("predicting the whole scan"))
    print(f"{args.side} x {args.side} x {args.slices}, int16; first dock open after {opened:.2f} s")
    print(f"torch in the window's process: {'torch' in sys.modules}\n")
    print(HEAD)
    print("\n".join(rows))
    print(f"\n{train.panel.ending.text()}\n{predict.panel.ending.text()}")
    viewer.close()


if __name__ == "__main__":
    main()
