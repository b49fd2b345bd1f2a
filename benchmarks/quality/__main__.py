"""Print a table of Dice over training time: ``python -m benchmarks.quality [--data DIR] [--seconds 15 30 60]``."""

import argparse
import time
from pathlib import Path

import numpy as np

from benchmarks.quality.methods import fast_preset, pixel_forest, plain_unet, warm_up
from benchmarks.quality.sets import BUNDLED, WITH_DATA

METHODS = {"pixel forest": pixel_forest, "plain unet": plain_unet, "fast preset": fast_preset}
UNTIMED = "pixel forest"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of real scans; the bundled CT alone when left out")
    parser.add_argument("--sets", nargs="+", choices=[*BUNDLED, *WITH_DATA], help="which of them; all when left out")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), help="which to compare")
    parser.add_argument("--seconds", type=float, nargs="+", default=[15, 30, 60], help="CPU seconds the networks train")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each, with seeds from 0")
    chosen = parser.parse_args()
    known = BUNDLED if chosen.data is None else {**BUNDLED, **WITH_DATA}
    if unknown := set(chosen.sets or ()) - known.keys():
        parser.error(f"{', '.join(sorted(unknown))}: give the folder of scans with --data")
    warm_up()
    print("| set | method | CPU s | wall s | mean Dice |\n|---|---|---|---|---|", flush=True)
    for name in chosen.sets or known:
        task = known[name](chosen.data)
        for method in chosen.methods:
            for seconds in chosen.seconds if method != UNTIMED else [0.0]:
                runs = []
                for seed in range(chosen.seeds):
                    cpu, wall = time.process_time(), time.perf_counter()
                    masks = METHODS[method](task, seconds, seed)
                    runs.append((time.process_time() - cpu, time.perf_counter() - wall, task.dice(masks)))
                cpu, wall, dice = np.mean(runs, axis=0)
                spread = f" ± {np.std(runs, axis=0)[2]:.3f}" if chosen.seeds > 1 else ""
                print(f"| {task.name} | {method} | {cpu:.0f} | {wall:.0f} | {dice:.3f}{spread} |", flush=True)


if __name__ == "__main__":
    main()
