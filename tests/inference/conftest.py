"""Phantom models and scans: small networks whose weights and statistics are as uneven as trained ones."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from napari_unet.annotation import BACKGROUND_CLASS, new_class
from napari_unet.config import Device, NetworkConfig, Normaliser, Precision, PredictConfig, TrainConfig
from napari_unet.model_file import LearnedFrom, Model, ModelDescription
from napari_unet.networks import build, load_weights, weights_of
from napari_unet.normalisation import Normalisation, measure
from napari_unet.scan import Scan


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def config() -> PredictConfig:
    return PredictConfig(precision=Precision.FP32, threads=1, device=Device.CPU)


def make_model(
    labels: tuple[int, ...] = (0, 1, 2),
    channel_names: tuple[str, ...] = ("CT",),
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    unit: str = "pixel",
    **network: Any,
) -> Model:
    shape = NetworkConfig(**{"width": 4, "depth": 2, "normalisation": Normaliser.BATCH, **network})
    torch.manual_seed(3)
    module = build(shape, len(channel_names), len(labels))
    for part in module.modules():
        if hasattr(part, "running_var"):
            torch.nn.init.uniform_(part.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(part.running_var, 0.5, 2.0)
            torch.nn.init.uniform_(part.weight, 0.5, 1.5)
            torch.nn.init.uniform_(part.bias, -0.5, 0.5)
    description = ModelDescription(
        program="test",
        network=shape,
        channel_names=channel_names,
        classes=tuple(new_class(label) if label else BACKGROUND_CLASS for label in labels),
        spacing=spacing,
        unit=unit,
        normalisation=tuple(Normalisation(low=0, high=1, mean=0.5, std=0.3) for _ in channel_names),
        training=TrainConfig(network=shape),
        learned_from=LearnedFrom(scans=1, slices=1, voxels={}, steps=1, seconds=1.0),
    )
    return Model(description, weights_of(module))


def make_scan(*shape: int, axes: str = "ZYX", dtype: Any = np.float32, **details: Any) -> Scan:
    """Make a smooth random image of any shape."""
    rng = np.random.default_rng(sum(shape))
    image = rng.normal(size=shape)
    for axis in (axes.index("Y"), axes.index("X")):
        image += np.roll(image, 1, axis)
    return Scan.from_array((100 * image).astype(dtype), axes, **details)


def reference(model: Model, scan: Scan) -> np.ndarray:
    """Give the softmax (classes, Z, Y, X) of the plain network on whole slices or volumes, without any cutting."""
    description = model.description
    module = build(description.network, scan.channels, len(description.classes)).eval()
    load_weights(module, model.weights)
    normalised = np.stack([n.apply(np.asarray(scan.array[c])) for c, n in enumerate(measure(scan))])
    with torch.inference_mode():
        if description.network.dimensions == 2:
            parts = [module(torch.from_numpy(normalised[None, :, z]))[0, :, None] for z in range(scan.grid[0])]
        else:
            parts = [module(torch.from_numpy(normalised[None, :, along]))[0] for along in scan.volumes()]
        return torch.cat(parts, dim=1).softmax(0).numpy()


def labels_of(model: Model, softmax: np.ndarray) -> np.ndarray:
    return np.array(model.description.labels, np.uint8)[softmax.argmax(0)]


@pytest.fixture
def phantom() -> SimpleNamespace:
    """Give the makers of phantom models, scans and reference results."""
    return SimpleNamespace(model=make_model, scan=make_scan, reference=reference, labels=labels_of)


@pytest.fixture
def drain():
    """Run a job; ``tell`` gives the command for each event. Returns (result, events)."""

    def run(job, tell=lambda event: None):
        events, command = [], None
        while True:
            try:
                events.append(job.send(command))
            except StopIteration as end:
                return end.value, events
            command = tell(events[-1])

    return run
