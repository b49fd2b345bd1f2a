"""The U-Net."""

from torch import Tensor, nn

from napari_unet.networks.blocks import CONVOLUTION, POOLING, Level, Up, pad_to_multiple


class UNet(nn.Module):
    """The U-Net of Ronneberger et al. 2015 (doi:10.1007/978-3-319-24574-4_28), in 3-D that of Çiçek et al. 2016.

    ``depth`` levels down and up, at each two 3x3 convolutions with batch normalisation and ReLU; 2x2 max pooling
    down, 2x2 transposed convolutions up, the way down concatenated to the way up at every level, and a 1x1
    convolution to the classes. Unlike the paper's, its convolutions pad, so that the output has the size of the
    input. 3-D: doi:10.1007/978-3-319-46723-8_49.

    Parameters
    ----------
    dimensions
        2 or 3.
    channels, classes
        Of the input and the output.
    width
        Features at full resolution; twice as many at each level below.
    depth
        How many times the image is halved.
    """

    def __init__(self, dimensions: int, channels: int, classes: int, width: int, depth: int) -> None:
        super().__init__()
        self.dimensions = dimensions
        self.depth = depth
        features = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(
            Level(dimensions, before, after) for before, after in zip([channels, *features], features, strict=False)
        )
        self.pool = POOLING[dimensions](2)
        self.up = nn.ModuleList(Up(dimensions, wide) for wide in reversed(features[:-1]))
        self.head = CONVOLUTION[dimensions](width, classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")  # as in the paper

    @property
    def stride(self) -> int:
        """Sides are padded to multiples of this; a tile that starts on one is pooled like the whole image."""
        return 1 << self.depth

    @property
    def halo(self) -> int:
        """How far a voxel's result can depend on others, in voxels at full resolution, along any axis.

        A tile that starts and ends on multiples of ``stride`` and has this much of its real surroundings gives
        the same result as the whole image.
        """
        reach = 2  # the two convolutions of the topmost level on the way up
        for _ in range(self.depth):
            reach = -(-reach // 2) + 2
        for _ in range(self.depth):
            reach = 2 * reach + 2
        return reach

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, Y, X), or (N, channels, Z, Y, X), of any size to logits (N, classes, ...) of that size."""
        sides = x.shape[2:]
        x = pad_to_multiple(x, self.stride)
        skips: list[Tensor] = []
        for number, level in enumerate(self.down):
            x = level(self.pool(x) if number else x)
            skips.append(x)
        skips.pop()
        for up in self.up:
            x = up(x, skips.pop())
        logits: Tensor = self.head(x)
        for axis, side in enumerate(sides, start=2):
            logits = logits.narrow(axis, 0, side)
        return logits
