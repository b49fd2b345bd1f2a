"""How good a model is on paint it was not trained on, counted as the voxels come."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from napari_unet.annotation import BACKGROUND, IGNORE, UNPAINTED, ClassInfo
from napari_unet.training.evidence import BINS, Evidence

LEAST_VOXELS = 20
"""A class with fewer voxels is not measured: its Dice would be chance."""


class Confusion:
    """How often a voxel of one class was taken for another, over known voxels.

    Parameters
    ----------
    labels
        The label of each output channel; 0 is background.
    device
        Where the counts live.
    """

    def __init__(self, labels: Sequence[int], device: torch.device) -> None:
        self.labels = tuple(labels)
        self.counts = torch.zeros(len(labels), len(labels), dtype=torch.int64, device=device)

    def add(self, logits: Tensor, targets: Tensor) -> None:
        """Count (N, classes, ...) logits against (N, ...) uint8 targets; ``IGNORE`` is left out."""
        known = targets != IGNORE
        classes = len(self.labels)
        pairs = targets[known].long() * classes + logits.argmax(1)[known]
        self.counts += torch.bincount(pairs, minlength=classes**2).reshape(classes, classes)

    def dice(self) -> dict[int, float]:
        """Dice by label, of the classes with enough voxels; without background unless there is nothing else.

        Dice 1945, doi:10.2307/1932409.
        """
        counts = self.counts.double().cpu()
        truth, found, both = counts.sum(1), counts.sum(0), counts.diagonal()
        scores = {
            label: float(2 * both[c] / (truth[c] + found[c]))
            for c, label in enumerate(self.labels)
            if truth[c] >= LEAST_VOXELS
        }
        return {label: score for label, score in scores.items() if label} or scores

    def chance(self) -> float:
        """Give the standard error of the mean Dice: how much of it is which voxels happened to be held out."""
        voxels = {label: int(count) for label, count in zip(self.labels, self.counts.sum(1), strict=True)}
        scores = self.dice()
        variance = sum(score * (1 - score) / voxels[label] for label, score in scores.items())
        return float(variance**0.5 / max(1, len(scores)))


class Tally:
    """Collects what a model makes of known voxels, patch after patch.

    Parameters
    ----------
    labels
        The label of each output channel; 0 is background.
    device
        Where the counts live.
    """

    def __init__(self, labels: Sequence[int], device: torch.device) -> None:
        self.labels = tuple(labels)
        self._confusion = Confusion(labels, device)
        self._counts = torch.zeros(2, len(labels), BINS, dtype=torch.int64, device=device)
        self._patches: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, images: Tensor, logits: Tensor, targets: Tensor) -> None:
        """Count (N, classes, Z, Y, X) logits of (N, channels, Z, Y, X) images against (N, Z, Y, X) uint8 targets."""
        self._confusion.add(logits, targets)
        known = targets != IGNORE
        likely = logits.float().softmax(1).movedim(1, -1)[known]
        bins = (likely * BINS).long().clamp_(max=BINS - 1)
        for c in range(len(self.labels)):
            for counts, chosen in zip(self._counts, (targets[known] == c, targets[known] != c), strict=True):
                counts[c] += torch.bincount(bins[chosen, c], minlength=BINS)
        z = known.sum((2, 3)).argmax(1)
        each = torch.arange(len(images), device=images.device)
        shown = (images[each, 0, z], targets[each, z], logits[each, :, z].argmax(1))
        self._patches += zip(*(part.cpu() for part in shown), strict=True)

    def evidence(self, classes: tuple[ClassInfo, ...]) -> Evidence:
        """Give what was counted, and the patches, those with the most known voxels first."""
        patches = sorted(self._patches, key=lambda patch: -int((patch[1] != IGNORE).sum()))
        images, targets, found = (torch.stack(parts).numpy() for parts in zip(*patches, strict=True))
        paint_of = np.full(256, UNPAINTED, np.uint8)
        paint_of[: len(self.labels)] = [label or BACKGROUND for label in self.labels]
        positives, negatives = self._counts.cpu().numpy()
        label_of = np.array(self.labels, np.uint8)
        confusion = self._confusion.counts.cpu().numpy()
        return Evidence(classes, confusion, positives, negatives, images, paint_of[targets], label_of[found])
