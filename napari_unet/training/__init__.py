"""Training: from painted scans to a model.

Naming this room costs nothing: torch is imported when the first training begins.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.annotation import ClassInfo, as_paint
from napari_unet.config import TrainConfig
from napari_unet.errors import BadInput
from napari_unet.events import result_of
from napari_unet.scan import Scan
from napari_unet.training.given import Given
from napari_unet.training.start import Start

if TYPE_CHECKING:
    from napari_unet.events import Job
    from napari_unet.model_file import Model
    from napari_unet.training.loop import Trained

__all__ = ["Start", "preview_patches", "train", "train_job", "train_to_file"]


def train_job(
    scans: Sequence[Scan],
    paints: Sequence[NDArray[np.uint8]],
    config: TrainConfig = TrainConfig(),
    *,
    classes: Sequence[ClassInfo] = (),
    start: Start | None = None,
    preview: NDArray[np.uint8] | None = None,
    look_at: int | None = None,
) -> "Job[Model]":
    """Train as a job that reports and can be told to stop: see :func:`napari_unet.training.loop.train_job`."""
    from napari_unet.training import loop

    return loop.train_job(scans, paints, config, classes=classes, start=start, preview=preview, look_at=look_at)


def train_to_file(given: Given, path: Path) -> "Job[Trained]":
    """Train as a job, and save the model: see :func:`napari_unet.training.loop.train_to_file`."""
    from napari_unet.training import loop

    return loop.train_to_file(given, path)


def preview_patches(
    scans: Sequence[Scan],
    paints: Sequence[NDArray[np.uint8]],
    config: TrainConfig = TrainConfig(),
    count: int = 8,
    seed: int = 0,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Give patches as the network would see them: drawn, varied and held out from as in a training.

    Parameters
    ----------
    scans, paints, config
        As in :func:`train_job`.
    count
        How many patches.
    seed
        The same seed gives the same patches.

    Returns
    -------
    images
        (count, channels, Y, X) float32, normalised: the mean of the scan is 0 and its standard deviation 1. Of a
        patch of several slices it is the one with the most paint.
    paint
        (count, Y, X) uint8, what is learned from, as in a paint layer: 0 unknown, 1..254 classes, 255 background.

    Raises
    ------
    NothingPainted
        There is too little paint to learn from.
    BadInput
        A scan or its paint cannot be used.
    """
    from napari_unet.training import preview

    return preview.preview_patches(scans, paints, config, count, seed)


def train(
    scan: Scan | NDArray[Any] | Sequence[Scan | NDArray[Any]],
    paint: NDArray[Any] | Sequence[NDArray[Any]],
    config: TrainConfig = TrainConfig(),
    *,
    classes: Sequence[ClassInfo] = (),
    start: Start | None = None,
) -> "Model":
    """Train a network on a painted scan, or on several, and wait for it.

    Parameters
    ----------
    scan
        A :class:`~napari_unet.scan.Scan` or an array (YX, ZYX or TZYX), or a list of them.
    paint
        Integers of the scan's shape without its channels: 0 not painted, 1..254 classes, 255 painted as
        background. A list when ``scan`` is one.
    config
        Every choice; the default is the Fast preset.
    classes
        Names and colours of the classes, where known.
    start
        A model to go on from instead of a new network, and what it learned from where that is at hand.

    Returns
    -------
    Model
        Ready to predict with and to save.

    Raises
    ------
    NothingPainted
        There is too little paint to learn from.
    BadInput
        Scan, paint or device cannot be used, or the training diverged at once.
    ModelMismatch
        The model to go on from has other channels.
    OutOfMemory
        Not even a small patch fits.

    Examples
    --------
    >>> model = train(scan, paint, TrainConfig(time_limit=60))  # doctest: +SKIP
    >>> model.save("liver.unet")  # doctest: +SKIP
    >>> model = train(other_scan, its_paint, start=Start(model, [scan], [paint]))  # doctest: +SKIP
    """
    scans = [
        s if isinstance(s, Scan) else Scan.from_array(s) for s in (scan if isinstance(scan, list | tuple) else [scan])
    ]
    paints = [np.asarray(p) for p in (paint if isinstance(paint, list | tuple) else [paint])]
    if len(scans) != len(paints):
        raise BadInput(f"{len(scans)} scans but {len(paints)} paints: give each scan its own paint.")
    folded = [s.fold(as_paint(p)) for s, p in zip(scans, paints, strict=True)]
    return result_of(train_job(scans, folded, config, classes=classes, start=start))
