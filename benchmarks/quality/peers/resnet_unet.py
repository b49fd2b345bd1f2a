"""The U-Net of segmentation_models_pytorch on a ResNet-34, from random weights, with its usual recipe.

Crops of 256 x 256 that hold paint, four a step; Dice and cross-entropy of what is painted; Adam at 1e-3; flips. It
predicts slices whole.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from benchmarks.quality.peers.given import IGNORE, Given, Scan

try:
    import torchvision  # noqa: F401
except RuntimeError:  # One that was compiled for another torch. Of what it compiled nothing is used here.
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor boxes, Tensor scores, float most) -> Tensor")
import segmentation_models_pytorch as smp

SIDE = 256
MULTIPLE = 32
"""Sides that the network can halve."""
BATCH = 4
RATE = 1e-3


class ResNetLearner:
    """See above."""

    one_limit = False

    def __init__(self, given: Given, seed: int) -> None:
        torch.manual_seed(seed)
        self.random = np.random.default_rng(seed)
        self.network = smp.Unet("resnet34", encoder_weights=None, in_channels=given.channels, classes=given.classes)
        self.optimizer = torch.optim.Adam(self.network.parameters(), RATE)
        self.dice = smp.losses.DiceLoss("multiclass", ignore_index=IGNORE)
        slices = [one for scan in given.painted for one in scan.painted_slices()]
        sides = [min(SIDE, max(_up(label.shape[axis]) for _, label in slices)) for axis in (0, 1)]
        self.side = (sides[0], sides[1])
        self.slices = [_at_least(image, label, self.side) for image, label in slices]
        self.places = [torch.nonzero(label != IGNORE).numpy() for _, label in self.slices]

    def step(self, fraction: float) -> float:
        """Learn from four crops."""
        del fraction
        crops = [self._crop(self.random.integers(len(self.slices))) for _ in range(BATCH)]
        images, labels = (torch.stack(of) for of in zip(*crops, strict=True))
        self.network.train()
        logits = self.network(images)
        loss: Tensor = self.dice(logits, labels) + F.cross_entropy(logits, labels, ignore_index=IGNORE)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def _crop(self, number: int) -> tuple[Tensor, Tensor]:
        """Anywhere around a painted voxel, mirrored or not."""
        image, label = self.slices[number]
        voxel = self.places[number][self.random.integers(len(self.places[number]))]
        cut = []
        for at, side, length in zip(voxel, self.side, label.shape, strict=True):
            begin = self.random.integers(max(0, at - side + 1), min(at, length - side) + 1)
            cut.append(slice(begin, begin + side))
        axes = [axis for axis in (-1, -2) if self.random.random() < 0.5]
        return image[:, cut[0], cut[1]].flip(axes), label[cut[0], cut[1]].flip(axes)

    def predict(self, scan: Scan) -> NDArray[np.uint8]:
        """Slice by slice."""
        self.network.eval()
        rows, columns = scan.image.shape[2:]
        slices = torch.from_numpy(scan.standardised()).movedim(1, 0).split(1)
        padded = [F.pad(one, (0, _up(columns) - columns, 0, _up(rows) - rows)) for one in slices]
        labels: NDArray[np.uint8] = torch.cat([self.network(one).argmax(1) for one in padded]).byte().numpy()
        return labels[:, :rows, :columns]


def _up(length: int) -> int:
    return -(-length // MULTIPLE) * MULTIPLE


def _at_least(image: Tensor, label: Tensor, side: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Fill up a slice that is smaller than a crop."""
    rows, columns = label.shape
    beyond = (0, max(0, side[1] - columns), 0, max(0, side[0] - rows))
    return F.pad(image, beyond), F.pad(label, beyond, value=IGNORE)
