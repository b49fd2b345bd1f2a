"""The pieces a U-Net is made of, for two and three dimensions from the same code."""

from typing import TYPE_CHECKING, cast

from torch import Tensor, cat, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

if TYPE_CHECKING:
    from torch.nn.modules.batchnorm import _BatchNorm

CONVOLUTION = {2: nn.Conv2d, 3: nn.Conv3d}
NORMALISATION = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
POOLING = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
UPSAMPLING = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


class ConvNormReLU(nn.Module):
    """A convolution over 3 voxels a side, batch normalisation, ReLU; the size stays.

    Batch normalisation: Ioffe and Szegedy 2015, doi:10.48550/arXiv.1502.03167. It has a shift of its own, so
    the convolution has none.
    """

    def __init__(self, dimensions: int, features_in: int, features_out: int) -> None:
        super().__init__()
        self.conv = CONVOLUTION[dimensions](features_in, features_out, 3, padding=1, bias=False)
        self.norm: nn.Module = NORMALISATION[dimensions](features_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, features_in, ...) to (N, features_out, ...)."""
        return F.relu(self.norm(self.conv(x)), inplace=True)

    def fold(self) -> None:
        """Let the convolution do what batch normalisation with fixed statistics does: a scale and a shift."""
        self.conv = fuse_conv_bn_eval(self.conv, cast("_BatchNorm", self.norm))
        self.norm = nn.Identity()


class Level(nn.Sequential):
    """What a U-Net does at one resolution: two convolutions."""

    def __init__(self, dimensions: int, features_in: int, features_out: int) -> None:
        super().__init__(
            ConvNormReLU(dimensions, features_in, features_out),
            ConvNormReLU(dimensions, features_out, features_out),
        )


class Up(nn.Module):
    """One level of the way up: double the size and halve the features, join the skip connection, convolve."""

    def __init__(self, dimensions: int, features: int) -> None:
        super().__init__()
        self.upsample: nn.Module = UPSAMPLING[dimensions](2 * features, features, 2, stride=2)
        self.level = Level(dimensions, 2 * features, features)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Join (N, 2 features, ...) from below with (N, features, ...), twice as large, from the way down."""
        joined: Tensor = self.level(cat([skip, self.upsample(x)], dim=1))
        return joined


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Repeat the last voxels of the spatial axes until every side is a multiple; works on any size.

    Padding goes to the end of each axis, so that voxel 0 stays on the lattice that pooling makes.
    """
    sides = x.shape[2:]
    padding = [length for side in reversed(sides) for length in (0, -side % multiple)]
    return F.pad(x, padding, mode="replicate") if any(padding) else x
