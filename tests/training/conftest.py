"""Phantoms that are learned in seconds on one thread."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_unet.config import AugmentConfig, Device, NetworkConfig, Precision, TrainConfig
from napari_unet.events import Command, Event, Job, Stop
from napari_unet.model_file import Model
from napari_unet.scan import Scan

Ran = tuple[list[Event], Model]


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def blobs(slices: int = 6, side: int = 48, seed: int = 0) -> tuple[Scan, NDArray[np.uint8]]:
    """A scan of noise with bright (1) and dark (2) discs, and its true mask, (Z, Y, X)."""
    random = np.random.default_rng(seed)
    mask = np.zeros((slices, side, side), np.uint8)
    y, x = np.mgrid[:side, :side]
    for z in range(slices):
        for label in (1, 2, 1):
            centre, radius = random.uniform(6, side - 6, 2), random.uniform(4, 7)
            mask[z][(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2] = label
    image = np.array([0, 200, -200])[mask] + random.normal(0, 40, mask.shape)
    return Scan.from_array(image.astype(np.int16), spacing=(3, 1, 1), unit="mm", name="secret name"), mask


def painted(mask: NDArray[np.uint8], slices: list[int]) -> NDArray[np.uint8]:
    """Paint whole slices, background included."""
    paint = np.zeros_like(mask)
    paint[slices] = np.where(mask[slices] == 0, 255, mask[slices])
    return paint


def quick(**changes: Any) -> TrainConfig:
    """A small network for a few steps."""
    network = changes.pop("network", NetworkConfig(width=8, depth=2))
    changes = {"steps": 20, "device": Device.CPU, "precision": Precision.FP32, "threads": 1} | changes
    return TrainConfig(network=network, **({"augment": AugmentConfig(elastic=1)} | changes))


def run(job: Job[Model], when: Callable[[Event], Command | None] = lambda _: None) -> Ran:
    """Drain a job, sending what ``when`` says to each event."""
    events: list[Event] = []
    command: Command | None = None
    while True:
        try:
            events.append(job.send(command))
        except StopIteration as finished:
            return events, finished.value
        command = when(events[-1])


def stop_at(number: int) -> Callable[[Event], Command | None]:
    """Send Stop at the given Progress."""
    seen: list[Event] = []

    def when(event: Event) -> Command | None:
        seen.append(event)
        return Stop() if sum(type(e).__name__ == "Progress" for e in seen) == number else None

    return when
