"""What a training is given."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_unet.annotation import ClassInfo
from napari_unet.config import TrainConfig
from napari_unet.scan import Scan
from napari_unet.training.start import Start

UNFINISHED = ".unfinished"
"""Suffix of the file that holds the state of a training until it has come to its end."""


@dataclass(frozen=True, eq=False)
class Given:
    """What a training is given.

    Parameters
    ----------
    scans, paints, config, classes, start, preview, look_at
        As in :func:`napari_unet.training.loop.train_job`.
    unfinished
        Where to keep the state now and then, and when it is stopped.
    resume
        Whether to go on with the state that lies there.
    corrections
        (Z, Y, X) bool on the grid of each of the first scans, or None: what a person put right, which counts more.
    """

    scans: Sequence[Scan]
    paints: Sequence[NDArray[np.uint8]]
    config: TrainConfig = TrainConfig()
    classes: Sequence[ClassInfo] = ()
    start: Start | None = None
    preview: NDArray[np.uint8] | None = None
    look_at: int | None = None
    unfinished: Path | None = None
    resume: bool = False
    corrections: Sequence[NDArray[np.bool_] | None] = ()
