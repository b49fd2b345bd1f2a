"""What training makes small. Voxels of which nothing is known are taken out before anything is computed."""

import torch
from torch import Tensor

from napari_unet.annotation import IGNORE
from napari_unet.config import Loss

SMOOTH = 1.0
"""Voxels added to both sides of the Dice quotient, so that a class of a few voxels does not dominate."""


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


def loss_of(logits: Tensor, targets: Tensor, which: Loss) -> Tensor:
    """Compute the loss over known voxels; 0, with a gradient of 0, when there are none.

    Half soft Dice and half cross-entropy, or one of them. The soft Dice is that of the classes that occur, over
    all voxels of the batch at once: Milletari et al. 2016 (V-Net), doi:10.1109/3DV.2016.79, with the plain sums
    of Drozdzal et al. 2016, doi:10.1007/978-3-319-46976-8_19, in place of their squares.

    Parameters
    ----------
    logits
        (N, classes, ...) of any float dtype.
    targets
        (N, ...) uint8, the channel of each voxel or ``IGNORE``.
    which
        Which loss.
    """
    columns, channels = known_voxels(logits, targets)
    if not len(channels):
        return columns.sum()
    log_probabilities = columns.log_softmax(0)
    truth = torch.zeros_like(columns).scatter_(0, channels[None], 1.0)
    cross_entropy = -(log_probabilities * truth).sum() / len(channels)
    if which is Loss.CE:
        return cross_entropy
    probabilities = log_probabilities.exp()
    size = truth.sum(1)
    both = (probabilities * truth).sum(1)
    dice = (2 * both + SMOOTH) / (probabilities.sum(1) + size + SMOOTH)
    soft_dice = 1 - dice[size > 0].mean()
    return soft_dice if which is Loss.DICE else 0.5 * soft_dice + 0.5 * cross_entropy
