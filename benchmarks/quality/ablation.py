"""What each part of the Fast preset is worth: ``python -m benchmarks.quality.ablation [--data DIR] [--write]``.

The preset is trained whole, without one part of it, and with one thing that it does not have, for the same CPU seconds
on one thread. Told is the difference of the mean Dice on each set, and whether the mean of the differences is more than
chance: more than twice its standard error, which comes from how far runs of the whole preset differ between seeds. With
--write runs are kept in ablation.jsonl beside this file: what is there is not done again, and ABLATION.md is written.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import napari_unet as nu
from benchmarks.quality.methods import Outcome, trainings, warm_up
from benchmarks.quality.results import Results, machine, present
from benchmarks.quality.sets import BUNDLED, WITH_DATA, Task
from napari_unet.config import ClassWeights, Flip, Loss, Normaliser, Precision, Schedule
from napari_unet.training import sampling

HERE = Path(__file__).parent
WHOLE = "whole preset"
WHOLE_SEEDS = 3
"""Runs of the whole preset, at least: they tell what chance does."""
Changes = Mapping[str, Any]

WITHOUT: dict[str, Changes] = {
    "pixel classifier in the network": {"network": {"filters": False}},
    "teachers of what nobody painted: forest, painted slices": {"teacher": 0.0},
    "turning and scaling": {"augment": {"rotation": 0.0, "scale": 0.0}},
    "elastic deformation": {"augment": {"elastic": 0.0}},
    "gamma, brightness, contrast": {"augment": {"gamma": 0.0, "brightness": 0.0, "contrast": 0.0}},
    "noise": {"augment": {"noise": 0.0}},
    "averaged weights": {"averaging": 0.0},
    "Dice in the loss": {"loss": Loss.CE},
    "cross-entropy in the loss": {"loss": Loss.DICE},
    "learning rate that falls": {"schedule": Schedule.CONSTANT},
    "bf16": {"precision": Precision.FP32},
    "every class drawn alike": {},
    "normalisation by what is painted": {"network": {"normalisation": Normaliser.BATCH}},
    "paint held out to choose the best model": {"validation": 0.0},
}
"""Parts of the preset, and how it is without."""
WITH: dict[str, Changes] = {
    "deep supervision": {"network": {"deep_supervision": True}},
    "residual blocks": {"network": {"residual": True}},
    "neighbour slices (2.5-D)": {"network": {"context": 1}},
    "attention gates": {"network": {"architecture": "attention-unet"}},
    "mirroring": {"augment": {"flip": Flip.ALL}},
    "blur and low resolution": {"augment": {"blur_share": 0.3, "low_resolution_share": 0.3}},
    "class weights": {"class_weights": ClassWeights.PAINTED},
    "one-cycle schedule": {"schedule": Schedule.ONE_CYCLE},
}
"""What might help, and is not in the preset."""
CONSTANTS = {"every class drawn alike": (sampling, "BY_CLASS", 0.0)}
"""Parts that are no parameter: where their number is, and what it is without them."""


def variant(name: str, task: Task, seconds: Sequence[float], seed: int) -> Iterator[Outcome]:
    """Train the preset without or with something."""
    config = nu.PRESETS["fast"].train
    changes = {**WITHOUT, **WITH}.get(name, {})
    parts = {
        key: getattr(config, key).model_copy(update=value) if isinstance(value, dict) else value
        for key, value in changes.items()
    }
    with patch.object(*CONSTANTS[name]) if name in CONSTANTS else nullcontext():
        yield from trainings(task, config.model_copy(update=parts), seconds, seed)


def table(results: Results, seconds: float, names: Sequence[str], sets: Sequence[str], sign: int) -> list[str]:
    """Give a row for each part: the differences to the whole preset, their mean, and what that means."""
    lines = ["| | " + " | ".join(sets) + " | mean | |", "|---" * (len(sets) + 3) + "|"]
    for name in names:
        differences, errors = [], []
        cells = []
        for each in sets:
            whole, other = (results.dice(each, method, seconds) for method in (WHOLE, name))
            if not whole or not other:
                cells.append("–")
                continue
            differences.append(sign * (np.mean(other) - np.mean(whole)))
            chance = np.std(whole, ddof=1) if len(whole) > 1 else np.nan
            errors.append(chance * (1 / len(whole) + 1 / len(other)) ** 0.5)
            cells.append(f"{differences[-1]:+.3f}")
        mean, error = np.mean(differences), np.sqrt(np.sum(np.square(errors))) / len(errors)
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {mean:+.3f} ± {error:.3f} | {verdict(mean, error)} |")
    return lines


def verdict(mean: float, error: float) -> str:
    """Put a mean difference and its standard error into words."""
    if np.isnan(error):
        return "one run"
    if abs(mean) <= 2 * error:
        return "no more than chance"
    return "better with it" if mean > 0 else "better without it"


def report(results: Results, seconds: float) -> list[str]:
    """Write the tables, in lines of Markdown."""
    runs = [run for run in results.runs if run.seconds == seconds]
    sets = present([*BUNDLED, *WITH_DATA], (run.set for run in runs))
    lines: list[str] = []
    for title, parts, sign in (("What each part is worth", WITHOUT, -1), ("What adding would gain", WITH, 1)):
        if found := present(parts, (run.method for run in runs)):
            lines += [f"## {title}", "", *table(results, seconds, found, sets, sign), ""]
    return lines


def write(results: Results, seconds: float) -> None:
    """Write ABLATION.md from all runs there are."""
    seeds = 1 + max((run.seed for run in results.runs if run.method != WHOLE), default=0)
    told = (
        f"Difference of the mean Dice after {seconds:g} CPU seconds to the Fast preset as it is, ± standard error.\n"
        "Made by `python -m benchmarks.quality.ablation --data DIR --write`, which tells what is compared; with "
        f"{seeds} seed{'s' * (seeds > 1)},\nand {max(seeds, WHOLE_SEEDS)} of the whole preset."
    )
    lines = ["# What each part of the recipe is worth", "", told, "", f"{machine()}.", "", *report(results, seconds)]
    (HERE / "ABLATION.md").write_text("\n".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality.ablation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="folder of real scans; the bundled CT alone when left out")
    parser.add_argument("--sets", nargs="+", choices=[*BUNDLED, *WITH_DATA], help="which of them; all when left out")
    parser.add_argument(
        "--parts", nargs="+", choices=[*WITHOUT, *WITH], default=[*WITHOUT, *WITH], help="which of them"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="CPU seconds of each training")
    parser.add_argument("--seeds", type=int, default=1, help=f"runs of each; of the whole preset {WHOLE_SEEDS} or more")
    parser.add_argument("--write", action="store_true", help="keep the runs, and write ABLATION.md from them")
    chosen = parser.parse_args()
    known = BUNDLED if chosen.data is None else {**BUNDLED, **WITH_DATA}
    names = chosen.sets or list(known)
    if unknown := set(names) - known.keys():
        parser.error(f"{', '.join(sorted(unknown))}: give the folder of scans with --data")
    results = Results(HERE / "ablation.jsonl" if chosen.write else None)
    warm_up()
    for name in names:
        task = known[name](chosen.data)
        for part, seeds in [(WHOLE, max(WHOLE_SEEDS, chosen.seeds)), *((part, chosen.seeds) for part in chosen.parts)]:
            for seed in range(seeds):
                results.complete(name, task, part, partial(variant, part), [chosen.seconds], seed)
            if chosen.write:
                write(results, chosen.seconds)
    print("\n".join(report(results, chosen.seconds)))


if __name__ == "__main__":
    main()
