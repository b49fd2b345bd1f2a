"""The overlap of centrelines: for vessels, nerves, airways, where a gap of one voxel is worse than a rough edge.

clDice, Shit et al. 2021, doi:10.1109/CVPR46437.2021.01629, with its soft skeleton.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_unet.annotation import IGNORE

THICKEST = 10
"""Half the width, in voxels, of the widest structure that is thinned to its centreline; the paper has 5 to 25."""
SMOOTH = 1.0
"""Voxels added to both sides of each quotient."""


def centreline_dice(logits: Tensor, targets: Tensor, foreground: Sequence[int]) -> Tensor:
    """Give 1 minus the mean clDice of the foreground classes that occur; 0 when none does.

    A centreline needs neighbours, so voxels are not picked one by one here: what is unknown is made empty in the
    prediction as in the truth. Both are cut off alike there, nothing is learned from it, and nothing is counted.
    Paint whole slices, or whole structures with their surroundings, for it to see centrelines.

    Parameters
    ----------
    logits
        (N, classes, Z, Y, X) of any float dtype.
    targets
        (N, Z, Y, X) uint8, the channel of each voxel or ``IGNORE``.
    foreground
        The channels that are not background.
    """
    known = (targets != IGNORE)[:, None]
    softmax = torch.where(known, logits.float(), 0.0).softmax(1)
    occurring = [channel for channel in foreground if bool((targets == channel).any())]
    if not occurring:
        return softmax.sum() * 0.0
    found = torch.where(known, softmax[:, occurring], 0.0)
    truth = torch.stack([targets == channel for channel in occurring], dim=1).float()
    axes = (0, 2, 3, 4)
    line_found, line_truth = soft_skeleton(found), soft_skeleton(truth)
    precision = ((line_found * truth).sum(axes) + SMOOTH) / (line_found.sum(axes) + SMOOTH)
    sensitivity = ((line_truth * found).sum(axes) + SMOOTH) / (line_truth.sum(axes) + SMOOTH)
    return 1 - (2 * precision * sensitivity / (precision + sensitivity)).mean()


def soft_skeleton(shapes: Tensor) -> Tensor:
    """Thin shapes, (N, C, Z, Y, X) of 0..1, to their centrelines: what each opening takes away as they are eroded."""
    skeleton = F.relu(shapes - _opened(shapes))
    for _ in range(THICKEST):
        shapes = _eroded(shapes)
        more = F.relu(shapes - _opened(shapes))
        skeleton = skeleton + F.relu(more - skeleton * more)
    return skeleton


def _eroded(shapes: Tensor) -> Tensor:
    """Take the least of the neighbours along each axis; along Z there are none within a single slice."""
    sides = [(3, 1, 1), (1, 3, 1), (1, 1, 3)]
    least = [
        -F.max_pool3d(-shapes, side, stride=1, padding=[length // 2 for length in side])
        for side in (sides[1:] if shapes.shape[2] == 1 else sides)
    ]
    return torch.stack(least).amin(0)


def _opened(shapes: Tensor) -> Tensor:
    side = (1 if shapes.shape[2] == 1 else 3, 3, 3)
    return F.max_pool3d(_eroded(shapes), side, stride=1, padding=[length // 2 for length in side])
