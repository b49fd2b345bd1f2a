"""The U-Net++."""

from typing import cast

from torch import Tensor, nn

from napari_unet.errors import BadInput
from napari_unet.networks.blocks import Up
from napari_unet.networks.network import Network


class NestedUNet(Network):
    """The U-Net++ of Zhou et al. 2018, doi:10.1007/978-3-030-00889-5_1, and 2020, doi:10.1109/TMI.2019.2959609.

    U-Nets of every depth in one, which share the way down; at each level each joins what all shallower ones made
    there. With deep supervision each has its own result, and all count alike in the loss, as in the paper; then
    :meth:`prune` makes the network as shallow as is wanted after training.
    """

    def _way_up(self) -> nn.ModuleList:
        """Make, for U-Nets of depth 1, 2, ..., what each adds at its levels from the top down."""
        depth = self.config.depth
        return nn.ModuleList(
            nn.ModuleList(Up(self.config, level, skips) for level in range(depth - skips + 1))
            for skips in range(1, depth + 1)
        )

    def _supervised(self) -> list[int]:
        return [self.config.width] * self.config.depth

    def _decoded(self, skips: list[Tensor]) -> list[Tensor]:
        levels = [[skip] for skip in skips]
        for number, column in enumerate(self.up):
            for level, up in enumerate(cast("nn.ModuleList", column)):
                levels[level].append(up(levels[level + 1][number], levels[level]))
        return levels[0][:0:-1]

    @property
    def supervision(self) -> tuple[float, ...]:
        """All alike, as in the paper."""
        return (1 / (1 + len(self.heads)),) * (1 + len(self.heads))

    @property
    def _widths_at_once(self) -> int:
        return 4 + 3 * self.config.depth  # all skip connections of all levels, and again where they are joined

    def prune(self, depth: int) -> None:
        """Leave only the U-Net of a smaller depth within it: faster, and often hardly worse.

        Raises
        ------
        BadInput
            It is not as deep, or the shallower networks in it were not trained to give a result.
        """
        if not 1 <= depth <= self.config.depth:
            raise BadInput(f"This U-Net++ has depths 1 to {self.config.depth}, not {depth}: choose one of them.")
        if depth == self.config.depth:
            return
        if not self.config.deep_supervision:
            raise BadInput(
                "This U-Net++ was trained without deep supervision, so that only all of it gives a result: predict "
                "with its whole depth, or train with deep supervision."
            )
        # The heads are those of the whole depth first.
        by_depth = [self.head, *self.heads][::-1]
        self.head, self.heads = by_depth[depth - 1], nn.ModuleList(by_depth[: depth - 1][::-1])
        self.down, self.pools = self.down[: depth + 1], self.pools[:depth]
        columns = [cast("nn.ModuleList", column) for column in self.up[:depth]]
        self.up = nn.ModuleList(column[: depth - number] for number, column in enumerate(columns))
        self.config = self.config.model_copy(update={"depth": depth, "deep_supervision": depth > 1})
