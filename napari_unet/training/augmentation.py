"""Patches varied at random, all of a batch in one pass on the device.

Geometry is one sampling grid a patch, within the slice plane and the same for all its slices: along Z the
spacing is often so coarse that turning or bending a scan would tear it.
"""

from dataclasses import dataclass
from math import ceil, radians

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from napari_unet.annotation import IGNORE
from napari_unet.config import AugmentConfig

ELASTIC_SPACING = 32
"""Voxels between the nodes of the random deformation."""
UNCHANGED = AugmentConfig(rotation=0, scale=0, flip=False, elastic=0, gamma=0, brightness=0, contrast=0, noise=0)


@dataclass(frozen=True)
class Windows:
    """What patches are cut from: their places and as much around them as turning may bring in.

    Parameters
    ----------
    images
        (N, channels, Z, Y, X) float32, normalised.
    targets
        (N, Z, Y, X) uint8.
    centres
        (N, 2) float32: (y, x) of the middle of each patch, in voxels of its window.
    ratio
        (N,) float32: spacing along y divided by spacing along x.
    """

    images: Tensor
    targets: Tensor
    centres: Tensor
    ratio: Tensor


def varied(
    windows: Windows, side: tuple[int, int], config: AugmentConfig, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Cut the patches out of their windows, varied.

    Parameters
    ----------
    windows
        N of them.
    side
        (Y, X) of a patch.
    config
        How much they may vary; with :data:`UNCHANGED` they are cut out as they are.
    generator
        Random numbers, on the device of the windows.

    Returns
    -------
    images, targets
        (N, channels, Z, *side) float32 and (N, Z, *side) uint8; beyond the edge of a scan the image repeats its
        last voxels and nothing is known.
    """
    images, targets = windows.images, windows.targets
    grid = _grid(windows, side, config, generator)
    n, channels, depth = images.shape[:3]
    # Bicubic, because what is learned from blurred images is not found in sharp ones: thin bones get lost.
    sampled = F.grid_sample(images.flatten(1, 2), grid, mode="bicubic", padding_mode="border", align_corners=False)
    images = sampled.reshape(n, channels, depth, *side)
    # One more than the channel, because grid_sample fills with 0 what lies outside.
    shifted = F.grid_sample(targets.float() + 1, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return _intensities(images, config, generator), torch.where(shifted == 0, IGNORE, shifted - 1).to(torch.uint8)


def _uniform(n: int, largest: float, generator: Generator) -> Tensor:
    """(N,) numbers between -largest and largest."""
    return (torch.rand(n, generator=generator, device=generator.device) * 2 - 1) * largest


def _grid(windows: Windows, side: tuple[int, int], config: AugmentConfig, generator: Generator) -> Tensor:
    """Where each voxel of each patch comes from: (N, *side, 2) in grid_sample's units."""
    n = len(windows.images)
    device = generator.device
    y, x = (torch.arange(s, device=device, dtype=torch.float32) - (s - 1) / 2 for s in side)
    angle = _uniform(n, radians(config.rotation), generator)
    scale = 1 + _uniform(n, config.scale, generator)
    mirror = torch.where(_uniform(n, 1, generator) < 0, -1.0, 1.0) if config.flip else torch.ones(n, device=device)
    # Turned in physical lengths: rows and columns may be spaced differently.
    y = y[None, :, None] * windows.ratio[:, None, None]
    x = x[None, None, :]
    cos, sin = (f(angle)[:, None, None] for f in (torch.cos, torch.sin))
    size = scale[:, None, None]
    from_y = (cos * y - sin * x) * size / windows.ratio[:, None, None] + windows.centres[:, 0, None, None]
    from_x = (sin * y + cos * x) * size * mirror[:, None, None] + windows.centres[:, 1, None, None]
    places = torch.stack([from_x, from_y], dim=1)
    if config.elastic:
        nodes = [ceil(s / ELASTIC_SPACING) + 2 for s in side]
        bend = torch.randn(n, 2, *nodes, generator=generator, device=device)
        bend *= config.elastic * torch.rand(n, 1, 1, 1, generator=generator, device=device)
        places += F.interpolate(bend, size=side, mode="bicubic", align_corners=True)
    height, width = windows.images.shape[-2:]
    lengths = torch.tensor([width, height], device=device).reshape(1, 2, 1, 1)
    return ((2 * places + 1) / lengths - 1).movedim(1, -1)


def _intensities(images: Tensor, config: AugmentConfig, generator: Generator) -> Tensor:
    """Vary (N, channels, Z, Y, X) intensities, each channel of each patch on its own."""
    n, channels = images.shape[:2]

    def each(largest: float) -> Tensor:
        return _uniform(n * channels, largest, generator).reshape(n, channels, 1, 1, 1)

    if config.gamma:
        low = images.amin((2, 3, 4), keepdim=True)
        span = (images.amax((2, 3, 4), keepdim=True) - low).clamp_min(1e-6)
        images = ((images - low) / span).pow(1 + each(config.gamma)) * span + low
    images = images * (1 + each(config.contrast)) + each(config.brightness)
    if config.noise:
        noise = torch.randn(images.shape, generator=generator, device=generator.device)
        images = images + noise * each(config.noise)
    return images
