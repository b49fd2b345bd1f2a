"""The ways of getting masks that are compared. Each learns from the paint of a task and predicts its scored scans.

Time limits are CPU seconds of one thread, from the paint to the trained model.
"""

from time import process_time
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from skimage.feature import multiscale_basic_features
from sklearn.ensemble import RandomForestClassifier

import napari_unet as nu
from benchmarks.quality.sets import Labels, Task
from napari_unet.annotation import BACKGROUND
from napari_unet.config import ComputeConfig, Loss, Optimizer, Precision, Schedule
from napari_unet.normalisation import measure, normalise
from napari_unet.training import course, first_look
from napari_unet.training.augmentation import UNCHANGED

TREES = 100
LARGEST_SIGMA = 16
MOST_SAMPLES = 100_000
"""Painted voxels that the forest learns from at most, drawn at random."""


def fast_preset(task: Task, seconds: float, seed: int) -> list[Labels]:
    """Train with this program's defaults; only the time is set."""
    config = nu.PRESETS["fast"].train.model_copy(update={"threads": 1, "time_limit": seconds, "seed": seed})
    return unet(task, config)


def plain_unet(task: Task, seconds: float, seed: int) -> list[Labels]:
    """Train the same network as a tutorial does: Adam at 1e-3, cross-entropy, fp32, no augmentation."""
    config = nu.TrainConfig(
        precision=Precision.FP32,
        threads=1,
        time_limit=seconds,
        loss=Loss.CE,
        optimizer=Optimizer.ADAM,
        learning_rate=1e-3,
        weight_decay=0,
        schedule=Schedule.CONSTANT,
        validation=0,
        augment=UNCHANGED,
        seed=seed,
    )
    return unet(task, config)


def unet(task: Task, config: nu.TrainConfig) -> list[Labels]:
    """Train and predict with this program."""
    model = trained(task, config)
    predict = nu.PredictConfig(threads=1)
    return [nu.predict(model, one.scan, predict).labels.reshape(one.truth.shape) for one in task.scored]


def trained(task: Task, config: nu.TrainConfig) -> nu.Model:
    """Train with this program."""
    paints = [scan.unfold(paint) for scan, paint in zip(task.scans, task.paints, strict=True)]
    # A busy machine then changes the wait, not the result.
    with patch.object(course, "perf_counter", process_time), patch.object(first_look, "perf_counter", process_time):
        return nu.train(list(task.scans), paints, config)


def pixel_forest(task: Task, seconds: float, seed: int) -> list[Labels]:
    """Fit a random forest to multi-scale intensity, edge and texture features of single slices; takes what it takes."""
    del seconds
    samples, labels = [], []
    for scan, paint in zip(task.scans, task.paints, strict=True):
        slices = [z for z in range(len(paint)) if (paint[z] > 0).any()]
        samples += [features[paint[z] > 0] for z, features in zip(slices, _features(scan, slices), strict=True)]
        labels += [paint[z][paint[z] > 0] for z in slices]
    x, y = np.concatenate(samples), np.concatenate(labels)
    chosen = np.random.default_rng(seed).permutation(len(y))[:MOST_SAMPLES]
    forest = RandomForestClassifier(TREES, max_samples=0.5, random_state=seed).fit(x[chosen], y[chosen])
    masks = []
    for one in task.scored:
        found = [forest.predict(f.reshape(-1, f.shape[-1])) for f in _features(one.scan, range(len(one.truth)))]
        mask = np.stack(found).reshape(one.truth.shape)
        masks.append(np.where(mask == BACKGROUND, 0, mask).astype(np.uint8))
    return masks


def _features(scan: nu.Scan, slices: list[int] | range) -> list[NDArray[np.float32]]:
    by = measure(scan)
    return [
        multiscale_basic_features(normalise(scan, by, z), sigma_max=LARGEST_SIGMA, workers=1, channel_axis=0)
        for z in slices
    ]


def warm_up() -> None:
    """Let the number format be chosen and libraries be loaded before anything is timed."""
    from napari_unet.networks import choose

    choose(ComputeConfig(threads=1), training=True)
