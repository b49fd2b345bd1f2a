"""What a network would see while it learns, for people to look at."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from napari_unet.annotation import BACKGROUND, IGNORE, UNPAINTED
from napari_unet.config import TrainConfig
from napari_unet.networks import decided
from napari_unet.networks.geometry import stride
from napari_unet.scan import Scan
from napari_unet.training.augmentation import varied
from napari_unet.training.material import gather
from napari_unet.training.sampling import PatchSize, Sampler


def preview_patches(
    scans: Sequence[Scan], paints: Sequence[NDArray[np.uint8]], config: TrainConfig, count: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Draw patches as a training does: see :func:`napari_unet.training.preview_patches`."""
    material = gather(scans, paints, config, (), torch.device("cpu"))
    network = decided(config.network, scans[0].spacing)
    sampler = Sampler(material.learned, len(material.labels), np.random.default_rng(seed))
    size = PatchSize.fitting(material.learned, config.patch, config.patch_depth, stride(network))
    windows = sampler.cut(sampler.draw(count, size), size)
    images, targets = varied(windows, size.shape, config.augment, torch.Generator().manual_seed(seed))
    z = (targets != IGNORE).sum((2, 3)).argmax(1)
    each = torch.arange(count)
    paint_of = np.full(256, UNPAINTED, np.uint8)
    paint_of[: len(material.labels)] = [label or BACKGROUND for label in material.labels]
    return images[each, :, z].numpy(), paint_of[targets[each, z].numpy()]
