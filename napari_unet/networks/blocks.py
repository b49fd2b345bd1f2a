"""The pieces that U-Nets are made of, for two and three dimensions from the same code."""

from collections.abc import Callable
from math import gcd

import torch
from torch import Tensor, cat, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_unet.config import NetworkConfig, Normaliser
from napari_unet.networks.attention import CBAM, CONVOLUTION, AttentionGate
from napari_unet.networks.geometry import gated, kernel, step

BATCH_NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
POOLING = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
UPSAMPLING: dict[int, Callable[..., nn.Module]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
GROUPS = 8
"""Groups of features that group normalisation makes, or the most below that divide them evenly."""


class GroupNorm(nn.GroupNorm):
    """Group normalisation that takes a single voxel too: the lowest level of an image no larger than the stride."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (N, features, ...) within each group of features of each image."""
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class InstanceNorm(nn.GroupNorm):
    """Instance normalisation, as batch normalisation of each image by itself: four times as fast on a processor."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (N, features, ...) within each feature of each image."""
        each = (
            torch.batch_norm(one, self.weight, self.bias, None, None, True, 0.0, self.eps, True)
            for one in torch.split(x, 1)
        )
        return cat(list(each))


def normaliser(config: NetworkConfig, features: int) -> nn.Module:
    """Make what keeps features in range: over the batch, over groups of them, or over each by itself.

    Batch normalisation: Ioffe and Szegedy 2015, doi:10.48550/arXiv.1502.03167. Group normalisation: Wu and He 2018,
    doi:10.1007/978-3-030-01261-8_1. Instance normalisation: Ulyanov et al. 2016, doi:10.48550/arXiv.1607.08022.
    """
    if config.by_batch:
        return BATCH_NORM[config.dimensions](features)
    if config.normalisation is Normaliser.INSTANCE:
        return InstanceNorm(features, features)
    return GroupNorm(gcd(GROUPS, features), features)


class ConvNorm(nn.Module):
    """A convolution and a normalisation; the size stays. The normalisation shifts, so the convolution does not.

    When ``config.separable``, a convolution of each feature by itself and one over all features of a voxel (Chollet
    2017, doi:10.1109/CVPR.2017.195): ``k * features_in + features_in * features_out`` weights instead of
    ``k * features_in * features_out``, k being the voxels of the kernel.
    """

    def __init__(self, config: NetworkConfig, sides: tuple[int, ...], features_in: int, features_out: int) -> None:
        super().__init__()
        convolution = CONVOLUTION[config.dimensions]
        padding = tuple(side // 2 for side in sides)
        self.depthwise: nn.Module = nn.Identity()
        if config.separable and max(sides) > 1:
            self.depthwise = convolution(
                features_in, features_in, sides, padding=padding, groups=features_in, bias=False
            )
            sides, padding = (1,) * config.dimensions, (0,) * config.dimensions
        self.conv = convolution(features_in, features_out, sides, padding=padding, bias=False)
        self.norm = normaliser(config, features_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, features_in, ...) to (N, features_out, ...)."""
        normalised: Tensor = self.norm(self.conv(self.depthwise(x)))
        return normalised

    def fold(self) -> None:
        """Let the convolution do what batch normalisation with fixed statistics does: a scale and a shift."""
        if isinstance(self.norm, _BatchNorm):
            self.conv = fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()


class ConvNormReLU(ConvNorm):
    """A convolution, a normalisation, ReLU; the size stays."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, features_in, ...) to (N, features_out, ...)."""
        return F.relu(super().forward(x), inplace=True)


class PlainLevel(nn.Sequential):
    """What a U-Net does at one resolution: two convolutions."""

    def __init__(self, config: NetworkConfig, level: int, features_in: int, features_out: int) -> None:
        sides = kernel(config, level)
        super().__init__(
            ConvNormReLU(config, sides, features_in, features_out),
            ConvNormReLU(config, sides, features_out, features_out),
        )


class ResidualLevel(nn.Module):
    """Two convolutions that learn what to add to their input: He et al. 2016, doi:10.1109/CVPR.2016.90.

    Where the features become more or fewer, the input is mapped to as many by a 1x1 convolution.
    """

    def __init__(self, config: NetworkConfig, level: int, features_in: int, features_out: int) -> None:
        super().__init__()
        sides = kernel(config, level)
        self.first = ConvNormReLU(config, sides, features_in, features_out)
        self.second = ConvNorm(config, sides, features_out, features_out)
        self.shortcut: nn.Module = nn.Identity()
        if features_in != features_out:
            self.shortcut = ConvNorm(config, (1,) * config.dimensions, features_in, features_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, features_in, ...) to (N, features_out, ...)."""
        return F.relu(self.second(self.first(x)) + self.shortcut(x), inplace=True)


def level_of(config: NetworkConfig, level: int, features_in: int, features_out: int) -> nn.Module:
    """Make what the network does at one resolution."""
    kind = ResidualLevel if config.residual else PlainLevel
    return kind(config, level, features_in, features_out)


class Up(nn.Module):
    """One level of the way up: enlarge and halve the features, join the skip connections, convolve.

    Parameters
    ----------
    config
        The shape of the network.
    level
        Which level it leads up to.
    skips
        How many skip connections it joins: one, but more within a U-Net++.
    """

    def __init__(self, config: NetworkConfig, level: int, skips: int = 1) -> None:
        super().__init__()
        features, enlarged = config.width << level, step(config, level)
        joined = (skips + 1) * features
        self.upsample: nn.Module = UPSAMPLING[config.dimensions](2 * features, features, enlarged, stride=enlarged)
        self.gate = AttentionGate(features, enlarged) if gated(config, level) else None
        self.attend: nn.Module = CBAM(config.dimensions, joined) if config.cbam else nn.Identity()
        self.level = level_of(config, level, joined, features)

    def forward(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        """Join (N, 2 features, ...) from below with those of this level, each (N, features, ...)."""
        if self.gate is not None:
            skips = [self.gate(skip, x) for skip in skips]
        joined: Tensor = self.level(self.attend(cat([*skips, self.upsample(x)], dim=1)))
        return joined


def pad_to_multiple(x: Tensor, multiple: tuple[int, ...]) -> Tensor:
    """Repeat the last voxels of the spatial axes until every side is a multiple; works on any size.

    Padding goes to the end of each axis, so that voxel 0 stays on the lattice that pooling makes.
    """
    sides = zip(reversed(x.shape[2:]), reversed(multiple), strict=True)
    padding = [length for side, step in sides for length in (0, -side % step)]
    return F.pad(x, padding, mode="replicate") if any(padding) else x
