"""How soon the outlines follow a slider: from a changed step to its preview, on one slice of a 512x512x60 mask.

The window, its process for refinement and the copies between them are the real ones; the mask has four organs and a
few thousand specks. Each step is previewed with several values of its slider; what is told is the median, and the
longest after the first, which may have to compile. Needs a display: ``xvfb-run -a python -m benchmarks.preview``.
"""

import argparse
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import napari
import numpy as np
from numpy.typing import NDArray

from benchmarks.pulse import wait
from napari_unet.config import (
    Closing,
    DenseCRF,
    FillHoles,
    Grow,
    KeepLargest,
    KeepTouching,
    Opening,
    RefineConfig,
    RefineStep,
    RemoveSmall,
    Shrink,
    Smooth,
    Split,
    WithinIntensities,
)
from napari_unet.gui.docks.refine_dock import RefineDock

if TYPE_CHECKING:
    from napari_unet.gui.work.activity import Ending

SIDE, SLICES = 512, 60
ORGANS = ((200, 150, 90), (200, 360, 90), (330, 256, 60), (120, 256, 40))
"""Row, column and radius of each."""


def phantom() -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Make a scan and a mask of it, (Z, Y, X)."""
    rng = np.random.default_rng(0)
    z, y, x = np.ogrid[:SLICES, :SIDE, :SIDE]
    mask = np.zeros((SLICES, SIDE, SIDE), np.uint8)
    for label, (row, column, radius) in enumerate(ORGANS, start=1):
        mask[(y - row) ** 2 + (x - column) ** 2 + (3 * (z - SLICES // 2)) ** 2 < radius**2] = label
    scan = (mask * 50 + rng.normal(0, 10, mask.shape)).astype(np.int16)
    specks = rng.random(mask.shape) < 0.0003
    mask[specks] = rng.integers(0, len(ORGANS) + 1, np.count_nonzero(specks))
    return scan, mask


def sliders() -> dict[str, list[RefineStep]]:
    """Give each step with the values its slider takes."""
    lengths = (1.0, 1.5, 2.0, 2.5, 3.0)
    return {
        "opening": [Opening(radius=r) for r in lengths],
        "closing": [Closing(radius=r) for r in lengths],
        "grow": [Grow(radius=r) for r in lengths],
        "shrink": [Shrink(radius=r) for r in lengths],
        "fill holes": [FillHoles(classes=(c,)) for c in (1, 2, 3, 4)],
        "fill holes, 3-D": [FillHoles(classes=(c,), by_slice=False) for c in (1, 2, 3, 4)],
        "remove small": [RemoveSmall(volume=r / 10) for r in lengths],
        "keep largest": [KeepLargest(pieces=n) for n in (1, 2, 3, 4)],
        "keep touching": [KeepTouching(points=((30, 200, 150),), reach=r) for r in lengths],
        "smooth, together": [Smooth(sigma=r) for r in lengths],
        "smooth, distance": [Smooth(sigma=r, method="distance") for r in lengths],
        "split, by slice": [Split(neck=r, by_slice=True) for r in lengths],
        "within intensities": [WithinIntensities(lowest=10 * r) for r in lengths],
        "dense CRF, by slice": [DenseCRF(appearance_width=4 + r) for r in lengths],
        "split, 3-D slab": [Split(neck=r) for r in lengths],
        "dense CRF, 3-D slab": [DenseCRF(appearance_width=4 + r, by_slice=False) for r in lengths],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spacing", type=float, nargs=3, default=(2.5, 0.8, 0.8), metavar=("Z", "Y", "X"), help="mm")
    spacing = tuple(parser.parse_args().spacing)
    viewer = napari.Viewer(show=True)
    scan, mask = phantom()
    viewer.add_image(scan, name="scan", scale=spacing, units=("mm",) * 3)
    viewer.add_labels(mask, name="mask", scale=spacing, units=("mm",) * 3)
    viewer.dims.set_point(0, SLICES // 2 * spacing[0])
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-paint", "Refine")
    assert isinstance(dock, RefineDock)
    endings: list[tuple[float, Ending]] = []
    dock.workspace.refine_preview.ended.connect(lambda ending: endings.append((perf_counter(), ending)))
    wait(lambda: False, 5)
    dock.preview.setChecked(True)
    wait(lambda: bool(endings), 60)

    def follow(step: RefineStep) -> float:
        """Set a step, and give how many ms later its outlines are there."""
        endings.clear()
        begun = perf_counter()
        dock.pipeline.chosen.emit(RefineConfig(steps=(step,)))
        wait(lambda: bool(endings), 60)
        took = (endings[-1][0] - begun) * 1000
        wait(lambda: False, 0.1)
        return took

    print(f"| step, spacing {spacing} mm | median, ms | longest but the first, ms |\n|---|---|---|")
    for name, steps in sliders().items():
        first, *others = (follow(step) for step in steps)
        print(f"| {name} | {median([first, *others]):.0f} | {max(others):.0f} |", flush=True)
    viewer.close()


if __name__ == "__main__":
    main()
