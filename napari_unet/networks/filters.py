"""A pixel classifier as a part of a network: each voxel judged by intensity, edges and texture at several scales.

Such classifiers learn from a few strokes in a second (Arganda-Carreras et al. 2017, Trainable Weka Segmentation,
doi:10.1093/bioinformatics/btx180; Berg et al. 2019, ilastik, doi:10.1038/s41592-019-0582-9). The network learns what
to add to what this one finds, as a residual (He et al. 2016, doi:10.1109/CVPR.2016.90), so that it is of use from the
first second on, and no worse for it in the end.
"""

import torch
from torch import Tensor, cat, nn
from torch.nn import functional as F

from napari_unet.networks.attention import CONVOLUTION
from napari_unet.networks.geometry import FILTER_SCALES

BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""A Gaussian with a standard deviation of one voxel, nearly."""
KINDS = 4
"""At each scale: intensity, steepness, and the curvatures along and across a ridge."""
HIDDEN = 32
"""Features of each of the two layers between filters and classes."""
STEEP = 1e-12
"""Under a root: at 0 it has no finite gradient."""


class PixelClassifier(nn.Module):
    """Maps what :func:`filtered` finds to logits, voxel by voxel.

    Parameters
    ----------
    dimensions
        2 or 3; of blocks it looks at each slice by itself.
    channels, classes
        Of the input and the output.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, dimensions: int, channels: int, classes: int) -> None:
        super().__init__()
        convolution = CONVOLUTION[dimensions]
        features = KINDS * (FILTER_SCALES + 2) * channels
        self.register_buffer("centre", torch.zeros(features))
        self.register_buffer("spread", torch.ones(features))
        self.hidden = nn.Sequential(
            convolution(features, HIDDEN, 1),
            nn.ReLU(inplace=True),
            convolution(HIDDEN, HIDDEN, 1),
            nn.ReLU(inplace=True),
        )
        self.head = convolution(HIDDEN, classes, 1, bias=False)  # the network's own head has one

    def standardise(self, features: Tensor) -> None:
        """Measure by (N, features) what brings features to a mean of about 0 and a standard deviation of about 1."""
        # Rounded, so that they are the same in every number format.
        self.centre.copy_(features.mean(0).bfloat16())
        self.spread.copy_(features.std(0).clamp_min(1e-6).bfloat16())

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, ...), with sides in the slices on the lattice of the scales, to (N, classes, ...)."""
        with torch.autocast(x.device.type, enabled=False):  # differences of neighbours need all the digits
            found = filtered(x)
        return self.judged(found)

    def judged(self, found: Tensor) -> Tensor:
        """Map what :func:`filtered` finds, (N, features, ...), to logits."""
        each = (1, -1, *[1] * (found.ndim - 2))
        alike = (found - self.centre.to(found).reshape(each)) / self.spread.to(found).reshape(each)
        logits: Tensor = self.head(self.hidden(alike.to(self.head.weight.dtype)))
        return logits


def filtered(x: Tensor) -> Tensor:
    """Look at each voxel at several scales: as it is, blurred, and as often halved as there are scales.

    Parameters
    ----------
    x
        (N, channels, Y, X) or (N, channels, Z, Y, X); Y and X are multiples of ``2 ** FILTER_SCALES``.

    Returns
    -------
    torch.Tensor
        With ``KINDS * (FILTER_SCALES + 2)`` features for each channel, scale after scale.
    """
    if x.ndim == 5:
        n, channels, depth, *sides = x.shape
        slices = filtered(x.transpose(1, 2).reshape(n * depth, channels, *sides))
        return slices.reshape(n, depth, -1, *sides).transpose(1, 2)
    found = [_local(x)]
    x = _blurred(x)
    found.append(_local(x))
    for scale in range(1, FILTER_SCALES + 1):
        x = _blurred(F.avg_pool2d(x, 2))
        found.append(F.interpolate(_local(x), scale_factor=float(1 << scale), mode="bilinear", align_corners=False))
    return cat(found, dim=1)


def _blurred(x: Tensor) -> Tensor:
    channels, kernel = x.shape[1], x.new_tensor(BINOMIAL)
    x = F.pad(x, (2, 2, 2, 2), mode="replicate")
    x = F.conv2d(x, kernel.reshape(1, 1, 1, 5).expand(channels, 1, 1, 5), groups=channels)
    return F.conv2d(x, kernel.reshape(1, 1, 5, 1).expand(channels, 1, 5, 1), groups=channels)


def _local(x: Tensor) -> Tensor:
    """Give intensity, length of the gradient, and both eigenvalues of the Hessian, by differences of neighbours."""
    p = F.pad(x, (1, 1, 1, 1), mode="replicate")
    left, right, above, below = p[..., 1:-1, :-2], p[..., 1:-1, 2:], p[..., :-2, 1:-1], p[..., 2:, 1:-1]
    steepness = (((right - left) / 2).square() + ((below - above) / 2).square() + STEEP).sqrt()
    xx, yy = right + left - 2 * x, below + above - 2 * x
    xy = (p[..., 2:, 2:] + p[..., :-2, :-2] - p[..., 2:, :-2] - p[..., :-2, 2:]) / 4
    mean, half = (xx + yy) / 2, ((xx - yy).square() / 4 + xy.square() + STEEP).sqrt()
    return cat([x, steepness, mean + half, mean - half], dim=1)
