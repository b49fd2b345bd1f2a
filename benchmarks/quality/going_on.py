"""What is gained by going on from a model: ``python -m benchmarks.quality.going_on --data DIR [--seconds 15 30]``.

A model learns from the hearts of some patients. Then one or two slices of another patient are painted, and for the
same CPU seconds a network is begun anew, or the model goes on: without its old paint, and with it. Told is the Dice on
the other slices of the new patient, and on the slices of the first patients that nobody painted.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np

import napari_unet as nu
from benchmarks.quality.methods import warm_up
from benchmarks.quality.painter import whole_slices
from benchmarks.quality.sets import Labels, Scored, Task
from napari_unet.model_file import Model
from napari_unet.training import Start, course

FIRST = 6
"""Patients that the model learns from; the others come one by one."""


@dataclass(frozen=True)
class Patients:
    """Those whose paint there is: scans, paint, and the voxels that nobody painted."""

    scans: list[nu.Scan]
    paints: list[Labels]
    scored: list[Scored]

    def dice(self, model: Model) -> float:
        """Mean over the scans of the Dice on what nobody painted."""
        predict = nu.PredictConfig(threads=1)
        masks = [nu.predict(model, one.scan, predict).labels for one in self.scored]
        return Task("", (), (), tuple(self.scored)).dice(masks)


def patients(files: list[Path], slices: int) -> Patients:
    """Paint ``slices`` neighbouring slices in the middle of each heart."""
    scans = [nu.read_scan(file) for file in files]
    truths = [nu.read_mask(file.with_name(file.name.replace("_img", "_lv"))).labels for file in files]
    middles = [range((len(t) - slices + 1) // 2, (len(t) - slices + 1) // 2 + slices) for t in truths]
    paints = [whole_slices(truth, middle) for truth, middle in zip(truths, middles, strict=True)]
    scored = [Scored(s, t, np.repeat((p == 0).all((1, 2))[:, None, None], t.shape[1], 1).repeat(t.shape[2], 2))
              for s, t, p in zip(scans, truths, paints, strict=True)]  # fmt: skip
    return Patients(scans, paints, scored)


def train(given: Patients, seconds: float, seed: int, start: Start | None = None, **changes: object) -> Model:
    """Train with the defaults."""
    config = nu.PRESETS["fast"].train.model_copy(update={"threads": 1, "time_limit": seconds, "seed": seed, **changes})
    with patch.object(course, "perf_counter", time.process_time):
        return nu.train(given.scans, given.paints, config, start=start)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.going_on", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of real scans")
    parser.add_argument("--seconds", type=float, nargs="+", default=[15, 30], help="CPU seconds to go on for")
    parser.add_argument("--first-seconds", type=float, default=60, help="CPU seconds that the model learned for")
    parser.add_argument("--patients", type=int, default=4, help="new patients, each by itself")
    parser.add_argument("--slices", type=int, default=1, help="painted slices of each new patient")
    chosen = parser.parse_args()
    warm_up()
    files = sorted((chosen.data / "mri_cardiac_sunnybrook").glob("*_img.nii.gz"))
    first = patients(files[:FIRST], 1)
    model = train(first, chosen.first_seconds, 0)
    news = [patients([file], chosen.slices) for file in files[-chosen.patients :]]
    print("| CPU s | how | new patient | first patients |\n|---|---|---|---|", flush=True)
    print(f"| 0 | the model as it is | {np.mean([n.dice(model) for n in news]):.3f} | {first.dice(model):.3f} |")
    for seconds in chosen.seconds:
        ways = {
            "begun anew": None,
            "goes on, not held": Start(model),
            "goes on, held": Start(model),
            "goes on, its old paint shown again": Start(model, first.scans, first.paints),
        }
        for how, start in ways.items():
            changes = {"hold": 0.0} if how.endswith("not held") else {}
            models = [train(new, seconds, 0, start, **changes) for new in news]
            there = np.mean([new.dice(after) for new, after in zip(news, models, strict=True)])
            before = np.mean([first.dice(after) for after in models])
            print(f"| {seconds:g} | {how} | {there:.3f} | {before:.3f} |", flush=True)


if __name__ == "__main__":
    main()
