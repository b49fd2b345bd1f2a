"""Attention: what decides which features and which places matter."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, cat, nn
from torch.nn import functional as F
from torch.nn.modules.conv import _ConvNd


class Conv3d(nn.Conv3d):
    """A 3-D convolution that learns of volumes two slices deep too.

    On processors PyTorch (2.13) gives garbage for the gradient of its weights there in bf16, and there only.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, features_in, Z, Y, X) to (N, features_out, Z, Y, X)."""
        if x.shape[2] == 2 and x.device.type == "cpu" and torch.is_grad_enabled():
            with torch.autocast("cpu", enabled=False):
                return super().forward(x.to(self.weight.dtype))
        return super().forward(x)


CONVOLUTION: dict[int, Callable[..., _ConvNd]] = {2: nn.Conv2d, 3: Conv3d}
_LINEAR = {2: "bilinear", 3: "trilinear"}


def enlarged(x: Tensor, sides: torch.Size) -> Tensor:
    """Interpolate (N, features, ...) linearly to other sides."""
    if x.shape[2:] == sides:
        return x
    return F.interpolate(x, list(sides), mode=_LINEAR[len(sides)], align_corners=False)


class AttentionGate(nn.Module):
    """Lets through what the level below finds worth a look: Oktay et al. 2018, doi:10.48550/arXiv.1804.03999.

    The additive gate of the paper, computed at the resolution of the level below and interpolated.

    Parameters
    ----------
    features
        Of the skip connection; the level below has twice as many.
    step
        How many voxels, along each axis, are one of the level below.
    """

    def __init__(self, features: int, step: tuple[int, ...]) -> None:
        super().__init__()
        convolution = CONVOLUTION[len(step)]
        within = max(1, features // 2)
        self.of_skip = convolution(features, within, step, stride=step, bias=False)
        self.of_below = convolution(2 * features, within, 1)
        self.weigh = convolution(within, 1, 1)

    def forward(self, skip: Tensor, below: Tensor) -> Tensor:
        """Weigh (N, features, ...) by 0..1 at each voxel, given (N, 2 features, ...) of the level below."""
        weight = self.weigh(F.relu(self.of_skip(skip) + self.of_below(below))).sigmoid()
        return skip * enlarged(weight, skip.shape[2:])


class CBAM(nn.Module):
    """Convolutional block attention: weighs features, then places: Woo et al. 2018, doi:10.1007/978-3-030-01234-2_1.

    A feature's weight depends on its mean and maximum over the whole image.
    """

    REDUCTION = 16
    """How many features share one hidden unit, as in the paper."""
    FEWEST_HIDDEN = 8
    """Of one or two hidden units, as narrow networks would have, often none ever fires: then nothing is learned."""
    SIDE = 7
    """Side of the convolution that weighs places, as in the paper."""

    def __init__(self, dimensions: int, features: int) -> None:
        super().__init__()
        hidden = max(self.FEWEST_HIDDEN, features // self.REDUCTION)
        self.features = nn.Sequential(
            nn.Linear(features, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, features, bias=False)
        )
        self.places = CONVOLUTION[dimensions](2, 1, self.SIDE, padding=self.SIDE // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Weigh (N, features, ...)."""
        voxels = x.flatten(2)
        weight = (self.features(voxels.mean(2)) + self.features(voxels.amax(2))).sigmoid()
        x = x * weight.reshape(*weight.shape, *[1] * (x.ndim - 2))
        by_place = cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        return x * cast("Tensor", self.places(by_place)).sigmoid()
