"""MONAI's BasicUNet as its 2-D and multi-organ tutorials train it.

Crops of 96 x 96, half of them around a painted structure and half around painted background, four from each of two
slices; Dice and cross-entropy of what is painted; Adam at 1e-3; flips, quarter turns, shifts of intensity; a sliding
window that overlaps by half.
"""

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from monai.losses import DiceLoss
from monai.networks.nets import BasicUNet
from monai.transforms import (
    Compose,
    RandCropByPosNegLabeld,
    RandFlipd,
    RandRotate90d,
    RandShiftIntensityd,
    SpatialPadd,
)
from monai.utils import set_determinism
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from benchmarks.quality.peers.given import IGNORE, Given, Scan

SIDE = (96, 96)
SLICES, CROPS = 2, 4
WINDOWS_AT_ONCE = 4
OVERLAP = 0.5
RATE = 1e-3
BOTH = ("image", "label")


class BasicUNetLearner:
    """See above."""

    one_limit = False

    def __init__(self, given: Given, seed: int) -> None:
        set_determinism(seed)
        self.classes = given.classes
        self.network = BasicUNet(spatial_dims=2, in_channels=given.channels, out_channels=given.classes)
        self.optimizer = torch.optim.Adam(self.network.parameters(), RATE)
        self.dice = DiceLoss()
        self.random = np.random.default_rng(seed)
        pad = Compose([SpatialPadd("image", SIDE), SpatialPadd("label", SIDE, value=IGNORE)])
        self.slices = [pad(_as_dict(*one)) for scan in given.painted for one in scan.painted_slices()]
        for one in self.slices:
            label = one["label"].flatten()
            one["inside"] = torch.nonzero((label > 0) & (label != IGNORE)).flatten().numpy()
            one["outside"] = torch.nonzero(label == 0).flatten().numpy()
        crop = RandCropByPosNegLabeld(
            BOTH, "label", SIDE, num_samples=CROPS, fg_indices_key="inside", bg_indices_key="outside"
        )
        flips = [RandFlipd(BOTH, prob=0.5, spatial_axis=axis) for axis in (0, 1)]
        self.vary = Compose([crop, *flips, RandRotate90d(BOTH, prob=0.5), RandShiftIntensityd("image", 0.1, prob=0.5)])

    def step(self, fraction: float) -> float:
        """Learn from eight crops."""
        del fraction
        chosen = self.random.choice(len(self.slices), SLICES, replace=len(self.slices) < SLICES)
        crops = [crop for number in chosen for crop in self.vary(self.slices[number])]
        images, labels = (torch.stack([torch.as_tensor(crop[key]) for crop in crops]) for key in BOTH)
        self.network.train()
        loss = self._loss(self.network(images), labels[:, 0])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def _loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """MONAI's DiceCE, in which nothing that nobody painted takes part."""
        known = (targets != IGNORE)[:, None]
        one_hot = F.one_hot(torch.where(known[:, 0], targets, 0), self.classes).movedim(-1, 1)
        dice: Tensor = self.dice(logits.softmax(1) * known, one_hot * known)
        return dice + F.cross_entropy(logits, targets, ignore_index=IGNORE)

    def predict(self, scan: Scan) -> NDArray[np.uint8]:
        """Slice by slice."""
        self.network.eval()
        slices = torch.from_numpy(scan.standardised()).movedim(1, 0).split(1)
        logits = [sliding_window_inference(s, SIDE, WINDOWS_AT_ONCE, self.network, OVERLAP) for s in slices]
        labels: NDArray[np.uint8] = torch.cat([one.argmax(1) for one in logits]).byte().numpy()
        return labels


def _as_dict(image: Tensor, label: Tensor) -> dict[str, Tensor]:
    return {"image": image, "label": label[None]}
