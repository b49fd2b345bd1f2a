"""The ways of getting a mask that are compared. Each learns from paint and gives a (Z, Y, X) uint8 mask.

Time limits are CPU seconds of one thread.
"""

from time import process_time
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from skimage.feature import multiscale_basic_features
from sklearn.ensemble import RandomForestClassifier

import napari_unet as nu
from napari_unet.annotation import BACKGROUND
from napari_unet.config import ComputeConfig, Loss, Optimizer, Precision, Schedule
from napari_unet.normalisation import measure, normalise
from napari_unet.training import loop
from napari_unet.training.augmentation import UNCHANGED

TREES = 100
LARGEST_SIGMA = 16


def fast_preset(scan: nu.Scan, paint: NDArray[np.uint8], seconds: float, seed: int) -> NDArray[np.uint8]:
    """Train with this program's defaults; only the time is set."""
    config = nu.PRESETS["fast"].train.model_copy(update={"threads": 1, "time_limit": seconds, "seed": seed})
    return _unet(scan, paint, config)


def plain_unet(scan: nu.Scan, paint: NDArray[np.uint8], seconds: float, seed: int) -> NDArray[np.uint8]:
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
    return _unet(scan, paint, config)


def _unet(scan: nu.Scan, paint: NDArray[np.uint8], config: nu.TrainConfig) -> NDArray[np.uint8]:
    with patch.object(loop, "perf_counter", process_time):  # a busy machine then changes the wait, not the result
        model = nu.train(scan, paint, config)
    labels: NDArray[np.uint8] = nu.predict(model, scan, nu.PredictConfig(threads=1)).labels
    return labels


def pixel_forest(scan: nu.Scan, paint: NDArray[np.uint8], seconds: float, seed: int) -> NDArray[np.uint8]:
    """Fit a random forest to multi-scale intensity, edge and texture features of single slices; takes what it takes."""
    del seconds
    images = normalise(scan, measure(scan))[0]
    features = np.stack([multiscale_basic_features(z, sigma_max=LARGEST_SIGMA, workers=1) for z in images])
    known = paint > 0
    forest = RandomForestClassifier(TREES, max_samples=0.5, random_state=seed)
    forest.fit(features[known], paint[known])
    found = forest.predict(features.reshape(-1, features.shape[-1])).reshape(paint.shape)
    return np.where(found == BACKGROUND, 0, found).astype(np.uint8)


def warm_up() -> None:
    """Let the number format be chosen and libraries be loaded before anything is timed."""
    from napari_unet.networks import choose

    choose(ComputeConfig(threads=1), training=True)
