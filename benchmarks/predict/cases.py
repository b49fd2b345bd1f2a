"""A phantom, networks trained on it for a moment, and what they are asked to predict."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_unet.annotation import BACKGROUND
from napari_unet.config import NetworkConfig, Normaliser, TrainConfig
from napari_unet.events import result_of
from napari_unet.model_file import Model
from napari_unet.scan import Scan
from napari_unet.training.loop import train_job

CLASSES = 3


@dataclass(frozen=True)
class Case:
    """A scan to predict, a model, and the window that the peers look through."""

    name: str
    scan: Scan
    model: Model
    patch: tuple[int, ...]


def phantom(*shape: int) -> tuple[Scan, NDArray[np.uint8]]:
    """Make a noisy scan (Z, Y, X) of smooth structures of three classes and background, and what is where."""
    rng = np.random.default_rng(0)
    smooth = gaussian_filter(rng.standard_normal(shape, np.float32), (3, 9, 9))
    labels = np.digitize(smooth, np.quantile(smooth, (0.5, 0.7, 0.85))).astype(np.uint8)
    noisy = 100 * labels + rng.normal(0, 30, shape)
    return Scan.from_array(noisy.astype(np.int16), name="phantom"), labels


def case(dimensions: int, width: int, depth: int, shape: tuple[int, int, int], seconds: float, threads: int) -> Case:
    """Train a network on a phantom for a while, to predict it."""
    scan, labels = phantom(*shape)
    deep = 32 if dimensions == 3 else 1
    config = TrainConfig(
        network=NetworkConfig(dimensions=dimensions, width=width, depth=depth, normalisation=Normaliser.BATCH),
        patch=256 if dimensions == 2 else 64,  # of which a volume teaches enough in a minute
        patch_depth=deep,
        time_limit=seconds,
        threads=threads,
        validation=0.0,
    )
    paint = np.zeros_like(labels)
    paint[: max(4, deep)] = np.where(labels, labels, BACKGROUND)[: max(4, deep)]
    model = result_of(train_job([scan], [paint], config))
    sides = (256, 256) if dimensions == 2 else (deep, 128, 128)
    return Case(_name(scan, model, sides), scan, model, tuple(map(min, sides, shape[-dimensions:])))


def on_another(case: Case, shape: tuple[int, int, int], patch: tuple[int, ...]) -> Case:
    """Give the same network a scan of another size to predict, and the peers other windows."""
    scan, _ = phantom(*shape)
    return Case(_name(scan, case.model, patch), scan, case.model, patch)


def _name(scan: Scan, model: Model, patch: tuple[int, ...]) -> str:
    network = model.description.network
    seen, looked_at = (" x ".join(map(str, sides)) for sides in (scan.grid, patch))
    return f"{network.dimensions}-D, {seen}, width {network.width}, windows {looked_at}"
