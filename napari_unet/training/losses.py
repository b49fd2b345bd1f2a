"""What training makes small. Voxels of which nothing is known are taken out before anything is computed."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_unet.annotation import IGNORE
from napari_unet.config import ClassWeights, Loss, TrainConfig
from napari_unet.training.centreline import centreline_dice

SMOOTH = 1.0
"""Voxels added to both sides of the Dice quotient, so that a class of a few voxels does not dominate."""
LARGEST_WEIGHT = 10.0
"""How much more a voxel of the rarest class counts than one of the commonest, at most."""
LEAST_DOUBT = 1e-6
"""Of the focal loss: a power below 1 of exactly 0 has no finite gradient."""


class Criterion:
    """A loss with its numbers, ready to be computed.

    - dice: soft Dice of the classes that occur, over all voxels of the batch at once: Milletari et al. 2016 (V-Net),
      doi:10.1109/3DV.2016.79, with the plain sums of Drozdzal et al. 2016, doi:10.1007/978-3-319-46976-8_19, in
      place of their squares.
    - ce: cross-entropy of the softmax. dice+ce: ``dice_weight`` of the one, the rest of the other.
    - generalised-dice: each class weighs the inverse square of its size: Sudre et al. 2017,
      doi:10.1007/978-3-319-67558-9_28.
    - focal: cross-entropy in which easy voxels count little: Lin et al. 2017, doi:10.1109/ICCV.2017.324.
    - tversky: Dice in which false and missed voxels cost differently: Salehi et al. 2017,
      doi:10.1007/978-3-319-67389-9_44.
    - bce: cross-entropy of a sigmoid for each class against all others. bce+dice: with the Dice of the sigmoids.
    - dice+cldice: Dice and the overlap of centrelines, see :mod:`napari_unet.training.centreline`.

    Prediction is the same for all: the class of the largest logit. It has the largest sigmoid as well as the
    largest softmax, so that a network trained one against the rest needs nothing of its own.

    Parameters
    ----------
    config
        Which loss, and its numbers.
    labels
        The label of each output channel; 0 is background.
    voxels
        Known voxels by label, for the class weights: the inverse square root of how many there are, 1 for the
        commonest class and :data:`LARGEST_WEIGHT` at most. They leave Dice alone, which treats classes alike.
    device
        Where it is computed.
    """

    def __init__(
        self,
        config: TrainConfig,
        labels: Sequence[int],
        voxels: Mapping[int, int],
        device: torch.device,
    ) -> None:
        self.config = config
        self.foreground = [channel for channel, label in enumerate(labels) if label]
        self.weights: Tensor | None = None
        if config.class_weights is ClassWeights.PAINTED:
            counts = torch.tensor([max(1, voxels.get(label, 0)) for label in labels], dtype=torch.float32)
            self.weights = (counts.max() / counts).sqrt().clamp_max(LARGEST_WEIGHT).to(device)

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Compute the loss over known voxels; 0, with a gradient of 0, when there are none.

        Parameters
        ----------
        logits
            (N, classes, Z, Y, X) of any float dtype; computed in float32.
        targets
            (N, Z, Y, X) uint8, the channel of each voxel or ``IGNORE``.
        """
        columns, channels = known_voxels(logits, targets)
        if not len(channels):
            return columns.sum()
        config, which = self.config, self.config.loss
        truth = torch.zeros_like(columns).scatter_(0, channels[None], 1.0)
        share = config.dice_weight
        if which in (Loss.BCE, Loss.BCE_DICE):
            by_voxel = F.binary_cross_entropy_with_logits(columns, truth, reduction="none").mean(0)
            entropy = self._mean(by_voxel, channels)
            if which is Loss.BCE:
                return entropy
            return share * soft_dice(columns.sigmoid(), truth) + (1 - share) * entropy
        log_probabilities = columns.log_softmax(0)
        if which is Loss.CE:
            return self._cross_entropy(log_probabilities, truth, channels)
        if which is Loss.FOCAL:
            return self._mean(focal(log_probabilities, truth, config.focal_gamma), channels)
        probabilities = log_probabilities.exp()
        if which is Loss.GENERALISED_DICE:
            return generalised_dice(probabilities, truth)
        if which is Loss.TVERSKY:
            return tversky(probabilities, truth, config.tversky_alpha, config.tversky_beta)
        dice = soft_dice(probabilities, truth)
        if which is Loss.DICE:
            return dice
        if which is Loss.DICE_CLDICE:
            return share * dice + (1 - share) * centreline_dice(logits, targets, self.foreground)
        return share * dice + (1 - share) * self._cross_entropy(log_probabilities, truth, channels)

    def _cross_entropy(self, log_probabilities: Tensor, truth: Tensor, channels: Tensor) -> Tensor:
        if self.weights is None:
            return -(log_probabilities * truth).sum() / len(channels)
        return self._mean(-(log_probabilities * truth).sum(0), channels)

    def _mean(self, by_voxel: Tensor, channels: Tensor) -> Tensor:
        """Mean over (known,) voxels, weighed by their true class where there are weights."""
        if self.weights is None:
            return by_voxel.mean()
        weights = self.weights[channels]
        return (by_voxel * weights).sum() / weights.sum()


def known_voxels(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Pick the voxels that have a target.

    Parameters
    ----------
    logits
        (N, classes, ...) of any float dtype.
    targets
        (N, ...) uint8, the channel of each voxel or ``IGNORE``.

    Returns
    -------
    logits, targets
        (classes, known) float32 and (known,) int64. Unknown voxels are gone rather than multiplied by zero: a
        softmax of zeros is not zero, and would stay in both the Dice sums and the mean.
    """
    columns = logits.float().movedim(1, 0).flatten(1)
    targets = targets.flatten()
    known = (targets != IGNORE).nonzero().squeeze(1)
    if len(known) < len(targets):
        columns, targets = columns.index_select(1, known), targets.index_select(0, known)
    return columns, targets.long()


def soft_dice(probabilities: Tensor, truth: Tensor) -> Tensor:
    """Give 1 minus the mean soft Dice of the classes that occur; both are (classes, known)."""
    size = truth.sum(1)
    both = (probabilities * truth).sum(1)
    dice = (2 * both + SMOOTH) / (probabilities.sum(1) + size + SMOOTH)
    return 1 - dice[size > 0].mean()


def tversky(probabilities: Tensor, truth: Tensor, alpha: float, beta: float) -> Tensor:
    """Give 1 minus the mean Tversky index of the classes that occur; with 0.5 and 0.5 it is the soft Dice.

    Parameters
    ----------
    probabilities, truth
        (classes, known).
    alpha, beta
        What a voxel costs that is falsely of a class, and one that is missed.
    """
    size = truth.sum(1)
    both = (probabilities * truth).sum(1)
    false, missed = probabilities.sum(1) - both, size - both
    index = (both + SMOOTH / 2) / (both + alpha * false + beta * missed + SMOOTH / 2)
    return 1 - index[size > 0].mean()


def generalised_dice(probabilities: Tensor, truth: Tensor) -> Tensor:
    """Give 1 minus one Dice over all classes that occur, each weighing the inverse square of its size."""
    size = truth.sum(1)
    weights = torch.where(size > 0, size.clamp_min(1) ** -2, 0.0)
    both = (weights * (probabilities * truth).sum(1)).sum()
    return 1 - 2 * both / (weights * (probabilities.sum(1) + size)).sum()


def focal(log_probabilities: Tensor, truth: Tensor, gamma: float) -> Tensor:
    """Give the cross-entropy of each voxel, (known,), times its doubt (1 - p) to the power of ``gamma``."""
    log_true = (log_probabilities * truth).sum(0)
    doubt = -torch.expm1(log_true)
    return -log_true * doubt.clamp_min(LEAST_DOUBT) ** gamma
