"""Print a table of Dice over training time: ``python -m benchmarks.quality [--data DIR] [--seconds 15 30 60]``."""

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import napari_unet as nu
from benchmarks.quality.methods import fast_preset, pixel_forest, plain_unet, warm_up
from benchmarks.quality.painter import scribbles, whole_slices
from napari_unet.io.sample import SCAN, TRUTH, sample_folder

PAINTED = (5, 13, 21, 29)


def mean_dice(found: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """Mean over the classes of the Dice over all slices that were not painted."""
    scored = [z for z in range(len(truth)) if z not in PAINTED]
    labels = [label for label in np.unique(truth) if label]
    pairs = [(found[scored] == label, truth[scored] == label) for label in labels]
    return float(np.mean([2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in pairs]))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder that holds ct_chest_slicerio; the bundled copy when left out")
    parser.add_argument("--seconds", type=float, nargs="+", default=[15, 30, 60], help="CPU seconds the networks train")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each, with seeds from 0")
    chosen = parser.parse_args()
    if chosen.data is None:
        files = sample_folder() / SCAN, sample_folder() / TRUTH
    else:
        files = (chosen.data / "ct_chest_slicerio" / name for name in ("CTChest4.nrrd", "Segmentation.seg.nrrd"))
    scan_file, truth_file = files
    scan, truth = nu.read_scan(scan_file), nu.read_mask(truth_file).labels
    warm_up()
    print("| paint | method | CPU s | wall s | mean Dice |\n|---|---|---|---|---|", flush=True)
    for name, paint in (("4 slices", whole_slices(truth, PAINTED)), ("scribbles", scribbles(truth, PAINTED))):
        for method in (pixel_forest, plain_unet, fast_preset):
            for seconds in chosen.seconds if method is not pixel_forest else [0.0]:
                runs = []
                for seed in range(chosen.seeds):
                    cpu, wall = time.process_time(), time.perf_counter()
                    found = method(scan, paint, seconds, seed)
                    runs.append((time.process_time() - cpu, time.perf_counter() - wall, mean_dice(found, truth)))
                cpu, wall, dice = np.mean(runs, axis=0)
                spread = f" ± {np.std(runs, axis=0)[2]:.3f}" if chosen.seeds > 1 else ""
                print(
                    f"| {name} | {method.__name__.replace('_', ' ')} | {cpu:.0f} | {wall:.0f} | {dice:.3f}{spread} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
