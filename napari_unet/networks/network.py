"""What all networks have in common: the way down, the result, and what depends on what."""

from abc import ABC, abstractmethod

from torch import Tensor, cat, nn
from torch.nn import functional as F

from napari_unet.config import NetworkConfig
from napari_unet.errors import BadInput
from napari_unet.networks import geometry
from napari_unet.networks.attention import CONVOLUTION, enlarged
from napari_unet.networks.blocks import POOLING, level_of, pad_to_multiple
from napari_unet.networks.filters import HIDDEN, PixelClassifier

AVERAGE_POOL = {2: F.avg_pool2d, 3: F.avg_pool3d}


class Network(nn.Module, ABC):
    """A U-Net of some kind: down to a coarse image of many features, and up again to a logit for each class.

    ``config.pyramid`` joins the image, averaged down, to what enters each level: Fu et al. 2018 (M-Net),
    doi:10.1109/TMI.2018.2791488. ``config.dropout`` is that at the end of the way down of Ronneberger et al. 2015,
    doi:10.1007/978-3-319-24574-4_28. With ``config.filters`` it gives what to add to the logits of a pixel
    classifier.

    Parameters
    ----------
    config
        Its shape.
    channels, classes
        Of the scans and the output. With ``config.context`` neighbour slices the input has the channels of all of
        them: Roth et al. 2014, doi:10.1007/978-3-319-10404-1_65.
    """

    def __init__(self, config: NetworkConfig, channels: int, classes: int) -> None:
        super().__init__()
        self.config = config
        channels *= 2 * config.context + 1
        features = [config.width << level for level in range(config.depth + 1)]
        image = channels if config.pyramid else 0
        entering = [channels, *(wide + image for wide in features)]
        self.down = nn.ModuleList(
            level_of(config, level, before, after)
            for level, (before, after) in enumerate(zip(entering, features, strict=False))
        )
        self.pools = nn.ModuleList(
            POOLING[config.dimensions](geometry.step(config, level)) for level in range(config.depth)
        )
        self.dropout = nn.Dropout(config.dropout) if config.dropout else nn.Identity()
        self.up = self._way_up()
        self.head = CONVOLUTION[config.dimensions](config.width, classes, 1)
        extra = self._supervised()[1:] if config.deep_supervision else []
        self.heads = nn.ModuleList(CONVOLUTION[config.dimensions](wide, classes, 1) for wide in extra)
        for module in self.modules():
            # On the "meta" device there is nothing to fill, and PyTorch would import a second's worth of its compiler.
            if isinstance(module, nn.Conv2d | nn.Conv3d) and not module.weight.is_meta:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")  # as in the paper of the U-Net
        self.pixels: PixelClassifier | None = None
        if config.filters:
            self.pixels = PixelClassifier(config.dimensions, channels, classes)

    @abstractmethod
    def _way_up(self) -> nn.ModuleList:
        """Make the way up."""

    @abstractmethod
    def _supervised(self) -> list[int]:
        """Give the features of each result of :meth:`_decoded`."""

    @abstractmethod
    def _decoded(self, skips: list[Tensor]) -> list[Tensor]:
        """Go up from what the levels of the way down gave, top to bottom; the best result comes first."""

    @property
    @abstractmethod
    def supervision(self) -> tuple[float, ...]:
        """The weight of each of :meth:`all_logits` in the loss; their sum is 1."""

    @property
    @abstractmethod
    def _widths_at_once(self) -> int:
        """How many times its width is in memory at the widest moment of a prediction with no option, measured."""

    @property
    def features_at_once(self) -> int:
        """How many features of full resolution are in memory at the widest moment of a prediction."""
        config = self.config
        # What neither folds into a convolution nor works in place makes copies: measured, up to as much again.
        copies = config.residual or config.separable or config.cbam or not config.by_batch
        return max((1 + copies) * self._widths_at_once * config.width, 3 * HIDDEN if config.filters else 0)

    @property
    def dimensions(self) -> int:
        """2 when it sees single slices, 3 when it sees blocks."""
        return self.config.dimensions

    @property
    def stride(self) -> geometry.ZYX:
        """Sides are padded to multiples of this; a tile that starts on one is pooled like the whole image."""
        return geometry.stride(self.config)

    @property
    def halo(self) -> geometry.ZYX:
        """How far a voxel's result depends on others through the convolutions, in voxels at full resolution.

        A tile that starts and ends on multiples of ``stride`` and has this much of its real surroundings gives the
        same result as the whole image, when the network is ``local``.
        """
        return geometry.halo(self.config)

    @property
    def local(self) -> bool:
        """Whether nothing beyond the halo matters; otherwise every voxel depends a little on the whole image."""
        return geometry.is_local(self.config)

    def prune(self, depth: int) -> None:
        """Leave only a shallower network within this one, where there is one.

        Raises
        ------
        BadInput
            There is none of this depth that gives a result.
        """
        if depth != self.config.depth:
            raise BadInput("Only a U-Net++ can be made shallower, and this model is none: set depth to 0.")

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, Y, X), or (N, channels, Z, Y, X), of any size to logits (N, classes, ...) of that size."""
        padded = pad_to_multiple(x, self.stride[-self.dimensions :])
        logits = self.head(self._decoded(self._encoded(padded))[0])
        return _cropped(logits if self.pixels is None else logits + self.pixels(padded), x)

    def all_logits(self, x: Tensor) -> list[Tensor]:
        """Give what training compares with the paint: the logits of :meth:`forward`, then those of coarser results.

        All have the size of the input, so that the thinnest stroke counts at every scale. Lee et al. 2015,
        doi:10.48550/arXiv.1409.5185.
        """
        padded = pad_to_multiple(x, self.stride[-self.dimensions :])
        decoded = self._decoded(self._encoded(padded))
        logits = [head(features) for head, features in zip([self.head, *self.heads], decoded, strict=False)]
        base = 0 if self.pixels is None else self.pixels(padded)
        return [_cropped(enlarged(one, padded.shape[2:]) + base, x) for one in logits]

    def _encoded(self, x: Tensor) -> list[Tensor]:
        """Go down; give what each level gave, top to bottom."""
        image = x = x.to(self.head.weight.dtype)
        levels: list[Tensor] = []
        for number, level in enumerate(self.down):
            if number:
                x = self.pools[number - 1](x)
                if self.config.pyramid:
                    image = AVERAGE_POOL[self.dimensions](image, geometry.step(self.config, number - 1))
                    x = cat([x, image], dim=1)
            x = level(x)
            if number >= self.config.depth - 1:
                x = self.dropout(x)
            levels.append(x)
        return levels


def _cropped(logits: Tensor, like: Tensor) -> Tensor:
    """Take off what was padded."""
    for axis, side in enumerate(like.shape[2:], start=2):
        logits = logits.narrow(axis, 0, side)
    return logits
