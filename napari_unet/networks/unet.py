"""The U-Net and the Attention U-Net."""

from torch import Tensor, nn

from napari_unet.networks.blocks import Up
from napari_unet.networks.network import Network


class UNet(Network):
    """The U-Net of Ronneberger et al. 2015 (doi:10.1007/978-3-319-24574-4_28), in 3-D that of Çiçek et al. 2016.

    ``depth`` levels down and up, at each two 3x3 convolutions with batch normalisation and ReLU; 2x2 max pooling
    down, 2x2 transposed convolutions up, the way down concatenated to the way up at every level, and a 1x1
    convolution to the classes. Unlike the paper's, its convolutions pad, so that the output has the size of the
    input. 3-D: doi:10.1007/978-3-319-46723-8_49.

    As an Attention U-Net a gate weighs each skip connection but the topmost: Oktay et al. 2018,
    doi:10.48550/arXiv.1804.03999.
    """

    def _way_up(self) -> nn.ModuleList:
        return nn.ModuleList(Up(self.config, level) for level in reversed(range(self.config.depth)))

    def _supervised(self) -> list[int]:
        return [self.config.width << level for level in range(self.config.depth)]

    def _decoded(self, skips: list[Tensor]) -> list[Tensor]:
        x = skips.pop()
        results: list[Tensor] = []
        for up in self.up:
            x = up(x, [skips.pop()])
            results.append(x)
        return results[::-1]

    @property
    def supervision(self) -> tuple[float, ...]:
        """Half as much for each coarser level: Isensee et al. 2021 (nnU-Net), doi:10.1038/s41592-020-01008-z."""
        weights = [0.5**level for level in range(1 + len(self.heads))]
        return tuple(weight / sum(weights) for weight in weights)

    @property
    def _widths_at_once(self) -> int:
        return 6  # on the topmost level: skip connection, enlarged, both joined, and room to convolve in
