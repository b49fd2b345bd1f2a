"""The ways of getting masks that are compared. Each learns from the paint of a task and predicts its scored scans.

Time limits are CPU seconds of one thread, from the paint to the trained model. Other programs run in a process and an
environment of their own; what they plan and prepare once is not counted.
"""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from skimage.feature import multiscale_basic_features
from sklearn.ensemble import RandomForestClassifier

import napari_unet as nu
from benchmarks.peers import ROOT, peers_python
from benchmarks.quality.sets import Labels, Task
from napari_unet.annotation import BACKGROUND, IGNORE, UNPAINTED
from napari_unet.config import ComputeConfig
from napari_unet.normalisation import measure, normalise
from napari_unet.training import course, first_look

TREES = 100
LARGEST_SIGMA = 16
MOST_SAMPLES = 100_000
"""Painted voxels that the forest learns from at most, drawn at random."""


@dataclass(frozen=True)
class Outcome:
    """What a method made of a task.

    Parameters
    ----------
    seconds
        The time limit.
    masks
        Of the scored scans, (Z, Y, X) uint8.
    cpu, wall
        Seconds of processor and clock that learning took.
    course
        How it went, for who looks on.
    """

    seconds: float
    masks: list[Labels]
    cpu: float
    wall: float
    course: str = ""


Method = Callable[[Task, Sequence[float], int], Iterator[Outcome]]
"""Learns from the paint of a task with each of some time limits, and a seed."""


def fast_preset(task: Task, seconds: Sequence[float], seed: int) -> Iterator[Outcome]:
    """Train with this program's defaults; only the time is set."""
    return trainings(task, nu.PRESETS["fast"].train, seconds, seed)


def trainings(task: Task, config: nu.TrainConfig, seconds: Sequence[float], seed: int) -> Iterator[Outcome]:
    """Train and predict with this program, once for each time limit."""
    for limit in seconds:
        cpu, wall = process_time(), perf_counter()
        model = trained(task, config.model_copy(update={"threads": 1, "time_limit": limit, "seed": seed}))
        cpu, wall = process_time() - cpu, perf_counter() - wall
        predict = nu.PredictConfig(threads=1)
        masks = [nu.predict(model, one.scan, predict).labels.reshape(one.truth.shape) for one in task.scored]
        yield Outcome(limit, masks, cpu, wall, f"{model.description.learned_from.steps} steps")


def trained(task: Task, config: nu.TrainConfig) -> nu.Model:
    """Train with this program."""
    paints = [scan.unfold(paint) for scan, paint in zip(task.scans, task.paints, strict=True)]
    # A busy machine then changes the wait, not the result.
    with patch.object(course, "perf_counter", process_time), patch.object(first_look, "perf_counter", process_time):
        return nu.train(list(task.scans), paints, config)


def pixel_forest(task: Task, seconds: Sequence[float], seed: int) -> Iterator[Outcome]:
    """Fit a random forest to multi-scale intensity, edge and texture features of single slices; takes what it takes."""
    cpu, wall = process_time(), perf_counter()
    samples, labels = [], []
    for scan, paint in zip(task.scans, task.paints, strict=True):
        slices = [z for z in range(len(paint)) if (paint[z] > 0).any()]
        samples += [features[paint[z] > 0] for z, features in zip(slices, _features(scan, slices), strict=True)]
        labels += [paint[z][paint[z] > 0] for z in slices]
    x, y = np.concatenate(samples), np.concatenate(labels)
    chosen = np.random.default_rng(seed).permutation(len(y))[:MOST_SAMPLES]
    forest = RandomForestClassifier(TREES, max_samples=0.5, random_state=seed).fit(x[chosen], y[chosen])
    cpu, wall = process_time() - cpu, perf_counter() - wall
    masks = []
    for one in task.scored:
        found = [forest.predict(f.reshape(-1, f.shape[-1])) for f in _features(one.scan, range(len(one.truth)))]
        mask = np.stack(found).reshape(one.truth.shape)
        masks.append(np.where(mask == BACKGROUND, 0, mask).astype(np.uint8))
    yield from (Outcome(limit, masks, cpu, wall) for limit in seconds)


def _features(scan: nu.Scan, slices: list[int] | range) -> list[NDArray[np.float32]]:
    by = measure(scan)
    return [
        multiscale_basic_features(normalise(scan, by, z), sigma_max=LARGEST_SIGMA, workers=1, channel_axis=0)
        for z in slices
    ]


def peer(which: str, task: Task, seconds: Sequence[float], seed: int) -> Iterator[Outcome]:
    """Let another program train."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        labels = _hand_over(task, folder)
        homes = {f"nnUNet_{part}": str(folder / part) for part in ("raw", "preprocessed", "results")}
        command = [str(peers_python()), "-m", "benchmarks.quality.peers", which, name, str(seed), *map(str, seconds)]
        env = {**os.environ, **homes, "OMP_NUM_THREADS": "1"}
        said = folder / "said"
        with (
            said.open("w") as stderr,
            subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=stderr, text=True) as process,
        ):
            assert process.stdout
            for line in process.stdout:
                told = json.loads(line)
                masks = [labels[np.load(file)] for file in sorted(Path(told.pop("masks")).iterdir())]
                yield Outcome(masks=masks, **told)
        if process.returncode:
            raise SystemExit(f"{which} ended:\n{said.read_text()[-3000:]}")


def _hand_over(task: Task, folder: Path) -> Labels:
    """Write what a peer is given; give the label of each of its channels."""
    labels = np.unique(np.concatenate([np.unique(paint) for paint in task.paints]))
    labels = np.array([0, *labels[(labels != UNPAINTED) & (labels != BACKGROUND)]], np.uint8)
    channel_of = np.full(256, IGNORE, np.uint8)
    channel_of[labels] = range(len(labels))
    channel_of[[UNPAINTED, BACKGROUND]] = IGNORE, 0
    targets = [channel_of[paint] for paint in task.paints]
    _write(folder / "painted", task.scans, targets)
    _write(folder / "scored", [one.scan for one in task.scored], [None] * len(task.scored))
    (folder / "about.json").write_text(json.dumps({"classes": len(labels), "ct": task.ct}))
    return labels


def _write(folder: Path, scans: Sequence[nu.Scan], targets: Sequence[Labels | None]) -> None:
    folder.mkdir()
    for number, (scan, target) in enumerate(zip(scans, targets, strict=True)):
        known = {} if target is None else {"target": target}
        image = np.asarray(scan.array, np.float32)
        np.savez(folder / f"{number:03}.npz", image=image, spacing=scan.spacing, **known)


def warm_up() -> None:
    """Let the number format be chosen and libraries be loaded before anything is timed."""
    from napari_unet.networks import choose

    choose(ComputeConfig(threads=1), training=True)


OURS, FOREST = "this program", "pixel forest"
METHODS: dict[str, Method] = {
    OURS: fast_preset,
    FOREST: pixel_forest,
    "MONAI BasicUNet": partial(peer, "basic_unet"),
    "nnU-Net v2": partial(peer, "nnunet"),
    "smp Unet": partial(peer, "resnet_unet"),
}
