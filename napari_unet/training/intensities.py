"""Intensities of patches varied at random: what differs from scanner to scanner and from day to day."""

from collections.abc import Sequence
from math import ceil

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from napari_unet.config import AugmentConfig

LEAST_BLUR = 1e-3
"""Standard deviation, in voxels, of a blur that changes nothing."""


def varied_intensities(images: Tensor, config: AugmentConfig, generator: Generator, axes: Sequence[int]) -> Tensor:
    """Vary (N, channels, Z, Y, X) intensities, each channel of each patch on its own.

    In the order of what happens to a picture: contrast, sharpness, resolution, noise.

    Parameters
    ----------
    images
        float32.
    config
        How much, and in which share of the patches.
    generator
        Random numbers, on the device of the images.
    axes
        Those along which sharpness and resolution are lost: not across thick slices.
    """

    def chosen(share: float) -> Tensor:
        return _random(images, generator) < share

    varies = chosen(config.intensity_share) if config.intensity_share < 1 else 1.0

    def each(largest: float) -> Tensor:
        return (2 * _random(images, generator) - 1) * largest * varies

    if config.gamma:
        low = images.amin((2, 3, 4), keepdim=True)
        span = (images.amax((2, 3, 4), keepdim=True) - low).clamp_min(1e-6)
        images = ((images - low) / span).pow(1 + each(config.gamma)) * span + low
    images = images * (1 + each(config.contrast)) + each(config.brightness)
    if config.blur and config.blur_share:
        images = blurred(images, config.blur * _random(images, generator) * chosen(config.blur_share), axes)
    if config.low_resolution > 1 and config.low_resolution_share:
        larger = (config.low_resolution - 1) * _random(images, generator) * chosen(config.low_resolution_share)
        images = coarser(images, 1 + larger, axes)
    if config.noise:
        noise = torch.randn(images.shape, generator=generator, device=generator.device)
        images = images + noise * each(config.noise)
    return images


def _random(images: Tensor, generator: Generator) -> Tensor:
    """(N, channels, 1, 1, 1) numbers between 0 and 1."""
    return torch.rand(*images.shape[:2], 1, 1, 1, generator=generator, device=generator.device)


def blurred(images: Tensor, sigma: Tensor, axes: Sequence[int]) -> Tensor:
    """Blur (N, channels, Z, Y, X) images, each by its own Gaussian; an edge repeats its last voxels.

    Parameters
    ----------
    images
        float32.
    sigma
        (N, channels, 1, 1, 1) standard deviations in voxels; 0 blurs nothing.
    axes
        Those that are blurred along.
    """
    reach = ceil(3 * float(sigma.max()))
    steps = torch.arange(-reach, reach + 1, device=images.device)
    weights = torch.exp(-0.5 * (steps / sigma.clamp_min(LEAST_BLUR)) ** 2)
    weights = weights / weights.sum(-1, keepdim=True)
    for axis in axes:
        length = images.shape[axis]
        padding = [reach if side == axis else 0 for side in (4, 3, 2) for _ in range(2)]
        padded = F.pad(images, padding, mode="replicate")
        shifted = (padded.narrow(axis, step, length) * weights[..., step, None] for step in range(2 * reach + 1))
        images = sum(shifted, start=torch.zeros_like(images))
    return images


def coarser(images: Tensor, factor: Tensor, axes: Sequence[int]) -> Tensor:
    """Show (N, channels, Z, Y, X) images as if their voxels were larger, each by its own factor.

    The nearest voxel is taken for each of the larger ones, as from a coarse scan, and between these the image is
    interpolated linearly; Isensee et al. 2021 (nnU-Net), doi:10.1038/s41592-020-01008-z.

    Parameters
    ----------
    images
        float32.
    factor
        (N, channels, 1, 1, 1), how much larger a voxel is, 1 or more; 1 changes nothing.
    axes
        Those along which voxels become larger.
    """
    for axis in axes:
        length = images.shape[axis]
        voxels = torch.arange(length, device=images.device).reshape([-1 if side == axis else 1 for side in range(5)])
        large = (voxels + 0.5) / factor - 0.5
        before = large.floor()
        first, second = (
            images.take_along_dim(((near + 0.5) * factor - 0.5).round().clamp(0, length - 1).long(), dim=axis)
            for near in (before, before + 1)
        )
        images = first.lerp(second, large - before)
    return images
