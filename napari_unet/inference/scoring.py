"""Measuring models against each other on what is known of scans: reviewed slices whole, other paint where it is."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_unet.annotation import UNPAINTED, mask_from_paint
from napari_unet.config import PredictConfig
from napari_unet.events import Command, Event, Job, Progress, Started
from napari_unet.inference.prediction import predict_job
from napari_unet.model_file import Model
from napari_unet.review.corrections import mean_dice
from napari_unet.scan import Scan

MOST_SLICES = 12
"""Slices of a scan that are looked at; of more, evenly spread ones."""

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of a scan.

    Parameters
    ----------
    scan
        The scan.
    paint
        (Z, Y, X) uint8: 0 not known, 1..254 classes, 255 background.
    """

    scan: Scan
    paint: NDArray[np.uint8]

    @property
    def slices(self) -> tuple[int, ...]:
        """Slices that a structure or background is known on, :data:`MOST_SLICES` of them at most."""
        found = np.flatnonzero([plane.any() for plane in self.paint])
        chosen = np.linspace(0, len(found) - 1, min(MOST_SLICES, len(found))).round().astype(int)
        return tuple(found[np.unique(chosen)].tolist())


Dice = dict[int, tuple[float, ...]]
"""By slice, how well each model does on what is known of it."""


def score_job(
    models: Sequence[Model], known: Sequence[Known], config: PredictConfig = PredictConfig()
) -> Job[list[Dice]]:
    """Predict only the slices that something is known of, with each model, and compare.

    Parameters
    ----------
    models
        With the channels of the scans.
    known
        The scans, and what is known of them.
    config
        Where and how to compute.

    Yields
    ------
    Event
        As :func:`napari_unet.inference.prediction.predict_job`, the progress of all of it.

    Returns
    -------
    list of dict
        For each scan, by slice: the mean Dice over the classes, among the voxels that are known, for each model.

    Raises
    ------
    ModelMismatch
        A scan does not have the channels that a model expects.
    OutOfMemory
        Not even the smallest tile fits into memory.
    """
    parts = max(1, len(models) * len(known))
    yield Started("Comparing")
    scores = []
    for number, one in enumerate(known):
        found = []
        for which, model in enumerate(models):
            job = predict_job(model, one.scan, config, slices=one.slices)
            prediction = yield from _as_part(job, number * len(models) + which, parts)
            found.append(prediction.labels)
        scores.append({z: tuple(_dice(labels[z], one.paint[z]) for labels in found) for z in one.slices})
    return scores


def _dice(found: NDArray[np.uint8], paint: NDArray[np.uint8]) -> float:
    there = paint != UNPAINTED
    return mean_dice(found[there], mask_from_paint(paint[there]))


def _as_part(job: Job[Result], number: int, parts: int) -> Generator[Event, Command | None, Result]:
    """Run a job as one of several parts: its progress is a share of all."""
    command: Command | None = None
    try:
        while True:
            event = job.send(command)
            if isinstance(event, Progress):
                event = replace(event, fraction=(number + event.fraction) / parts, seconds_left=None)
            command = yield event
    except StopIteration as end:
        result: Result = end.value
        return result
    finally:
        job.close()
