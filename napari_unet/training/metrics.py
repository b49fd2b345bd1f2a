"""How good a model is on paint it was not trained on, counted as the voxels come."""

from collections.abc import Sequence

import torch
from torch import Tensor

from napari_unet.annotation import IGNORE

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
