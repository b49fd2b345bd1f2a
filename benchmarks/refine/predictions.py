"""What the Fast preset says of real scans after little training, kept on disk so that it is trained once only."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import napari_unet as nu
from benchmarks.quality.methods import trained
from benchmarks.quality.sets import Task
from napari_unet.refinement import Probabilities


@dataclass(frozen=True)
class Predicted:
    """Probabilities on the grid of each painted scan and of each scored one."""

    painted: tuple[Probabilities, ...]
    scored: tuple[Probabilities, ...]


def predictions(name: str, task: Task, folder: Path, seconds: float, seed: int = 0) -> Predicted:
    """Train for so many CPU seconds of one thread and predict, or read what an earlier run found."""
    file = folder / f"{name}-{seconds:g}s-{seed}.npz"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        labels, arrays = _predict(task, seconds, seed)
        np.savez(file, labels=labels, **{str(number): array for number, array in enumerate(arrays)})
    with np.load(file) as stored:
        labels = tuple(int(label) for label in stored["labels"])
        found = [Probabilities(stored[str(number)], labels) for number in range(len(stored.files) - 1)]
    painted = len(task.scans)
    return Predicted(tuple(found[:painted]), tuple(found[painted:]))


def _predict(task: Task, seconds: float, seed: int) -> tuple[list[int], list[NDArray[np.float16]]]:
    config = nu.PRESETS["fast"].train.model_copy(update={"threads": 1, "time_limit": seconds, "seed": seed})
    model = trained(task, config)
    arrays = []
    for scan in (*task.scans, *(one.scan for one in task.scored)):
        found = nu.predict(model, scan, nu.PredictConfig(threads=1), with_probabilities=True).probabilities
        assert found is not None
        arrays.append(found.reshape(len(found), *scan.grid))
    return [info.label for info in model.description.classes], arrays
