"""The overlap of centrelines: for vessels, nerves, airways, where a gap of one voxel is worse than a rough edge.

clDice, Shit et al. 2021, doi:10.1109/CVPR46437.2021.01629, with its soft skeleton.
"""

from collections.abc import Callable, Sequence
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_unet.annotation import IGNORE

THICKEST = 5
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
    skeleton = torch.zeros_like(shapes)
    for _ in range(THICKEST + 1):
        eroded = _eroded(shapes)
        more = F.relu(shapes - _dilated(eroded))
        skeleton = skeleton + F.relu(more - skeleton * more)
        shapes = eroded
    return skeleton


def _eroded(shapes: Tensor) -> Tensor:
    """Take the least of a voxel and its neighbours along each axis."""
    along = [_neighbours(shapes, axis, torch.minimum) for axis in _long_axes(shapes)]
    return reduce(torch.minimum, along)


def _dilated(shapes: Tensor) -> Tensor:
    """Take the largest of a voxel and all around it, also across corners."""
    for axis in _long_axes(shapes):
        shapes = _neighbours(shapes, axis, torch.maximum)
    return shapes


def _long_axes(shapes: Tensor) -> list[int]:
    """Z, Y and X, without those of one voxel: a single slice has no neighbours along Z."""
    return [axis for axis in (2, 3, 4) if shapes.shape[axis] > 1]


def _neighbours(shapes: Tensor, axis: int, of: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Combine each voxel with the one before and the one behind it; far faster than pooling on a processor."""
    length = shapes.shape[axis]
    pairs = of(shapes.narrow(axis, 0, length - 1), shapes.narrow(axis, 1, length - 1))
    inside = of(pairs.narrow(axis, 0, length - 2), pairs.narrow(axis, 1, length - 2))
    return torch.cat([pairs.narrow(axis, 0, 1), inside, pairs.narrow(axis, length - 2, 1)], axis)
