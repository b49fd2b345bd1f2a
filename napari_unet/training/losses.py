"""What training makes small. Voxels of which nothing is known are taken out before anything is computed."""

from torch import Tensor
from torch.nn import functional as F

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
        (known, classes) float32 and (known,) int64. Unknown voxels are gone rather than multiplied by zero: a
        softmax of zeros is not zero, and would stay in both the Dice sums and the mean.
    """
    known = (targets != IGNORE).flatten().nonzero().squeeze(1)
    rows = logits.movedim(1, -1).reshape(-1, logits.shape[1])
    return rows.index_select(0, known).float(), targets.flatten().index_select(0, known).long()


def soft_dice(logits: Tensor, targets: Tensor) -> Tensor:
    """One minus the soft Dice of the classes that occur, over all voxels at once.

    Milletari et al. 2016 (V-Net), doi:10.1109/3DV.2016.79, with their squared denominator left plain as in
    Drozdzal et al. 2016, doi:10.1007/978-3-319-46976-8_19.

    Parameters
    ----------
    logits
        (voxels, classes) float32.
    targets
        (voxels,) int64.
    """
    probabilities = logits.softmax(1)
    truth = F.one_hot(targets, logits.shape[1]).to(probabilities.dtype)
    size = truth.sum(0)
    both = (probabilities * truth).sum(0)
    dice = (2 * both + SMOOTH) / (probabilities.sum(0) + size + SMOOTH)
    return 1 - dice[size > 0].mean()


def loss_of(logits: Tensor, targets: Tensor, which: Loss) -> Tensor:
    """Compute the loss over known voxels; 0, with a gradient of 0, when there are none.

    Parameters
    ----------
    logits
        (N, classes, ...) of any float dtype.
    targets
        (N, ...) uint8, the channel of each voxel or ``IGNORE``.
    which
        Half soft Dice and half cross-entropy, or one of them.
    """
    rows, truth = known_voxels(logits, targets)
    if not len(truth):
        return rows.sum()
    if which is Loss.DICE:
        return soft_dice(rows, truth)
    cross_entropy = F.cross_entropy(rows, truth)
    if which is Loss.CE:
        return cross_entropy
    return 0.5 * soft_dice(rows, truth) + 0.5 * cross_entropy
