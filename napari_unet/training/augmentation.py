"""Patches varied at random, all of a batch in one pass on the device.

Geometry is one sampling grid a patch. It lies within the slice plane, the same for all slices of the patch, unless
the window is solid: along Z the spacing is often so coarse that turning or bending a scan would tear it, and a
patch of few slices has nothing to turn into view.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, radians

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from napari_unet.annotation import IGNORE
from napari_unet.config import AugmentConfig, Flip
from napari_unet.training.intensities import varied_intensities

ELASTIC_SPACING = 32
"""Voxels between the nodes of the random deformation."""
UNCHANGED = AugmentConfig(
    rotation=0, scale=0, flip=Flip.NONE, elastic=0, gamma=0, brightness=0, contrast=0, noise=0, blur=0, low_resolution=1
)


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
        (N, 3) float32: (z, y, x) of the middle of each patch, in voxels of its window.
    spacing
        (N, 3) float32: (z, y, x), in units of x.
    taught
        How many channels at the end of the images are no intensities, but how likely a teacher finds each class.
    solid
        Whether patches are turned, scaled and bent in depth as well. If not, windows have the slices of the patch.
    """

    images: Tensor
    targets: Tensor
    centres: Tensor
    spacing: Tensor
    solid: bool = False
    taught: int = 0


def varied(
    windows: Windows, shape: tuple[int, int, int], config: AugmentConfig, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Cut the patches out of their windows, varied.

    Parameters
    ----------
    windows
        N of them.
    shape
        (Z, Y, X) of a patch.
    config
        How much they may vary; with :data:`UNCHANGED` they are cut out as they are.
    generator
        Random numbers, on the device of the windows.

    Returns
    -------
    images, targets
        (N, channels, *shape) float32 and (N, *shape) uint8; beyond the edge of a scan the image repeats its last
        voxels and nothing is known.
    """
    images, targets = windows.images, windows.targets.float() + 1
    # One more than the channel, because grid_sample fills with 0 what lies outside.
    if windows.solid:
        grid = _solid_grid(windows, shape, config, generator)
        images = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
        targets = F.grid_sample(targets[:, None], grid, mode="nearest", padding_mode="zeros", align_corners=False)[:, 0]
    else:
        grid = _flat_grid(windows, shape[1:], config, generator)
        # Bicubic, because what is learned from blurred images is not found in sharp ones: thin bones get lost.
        sampled = F.grid_sample(images.flatten(1, 2), grid, mode="bicubic", padding_mode="border", align_corners=False)
        images = sampled.reshape(*images.shape[:3], *shape[1:])
        targets = F.grid_sample(targets, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    axes = (2, 3, 4) if windows.solid else (3, 4)
    seen = images.shape[1] - windows.taught
    varied = varied_intensities(images[:, :seen], config, generator, axes)
    images = torch.cat([varied, images[:, seen:].clamp(0, 1)], dim=1) if windows.taught else varied
    return images, torch.where(targets == 0, IGNORE, targets - 1).to(torch.uint8)


def _uniform(n: int, largest: float, generator: Generator) -> Tensor:
    """(N,) numbers between -largest and largest."""
    return (torch.rand(n, generator=generator, device=generator.device) * 2 - 1) * largest


def _mirror(n: int, generator: Generator) -> Tensor:
    """(N,) of 1 and -1."""
    return torch.where(_uniform(n, 1, generator) < 0, -1.0, 1.0)


def _chosen(n: int, config: AugmentConfig, generator: Generator) -> Tensor | float:
    """(N,) of 1 for the patches whose shape is varied and 0 for the others."""
    if config.geometry_share == 1:
        return 1.0
    return (torch.rand(n, generator=generator, device=generator.device) < config.geometry_share).float()


def _bend(
    n: int, sides: Sequence[int], config: AugmentConfig, chosen: Tensor | float, generator: Generator
) -> Tensor | float:
    """(N, axes, *sides) of smooth random shifts, in voxels."""
    if not config.elastic:
        return 0.0
    ones = [1] * (len(sides) + 1)
    nodes = [ceil(side / ELASTIC_SPACING) + 2 for side in sides]
    bend = torch.randn(n, len(sides), *nodes, generator=generator, device=generator.device)
    strength = config.elastic * torch.rand(n, generator=generator, device=generator.device) * chosen
    return F.interpolate(
        bend * strength.reshape(n, *ones),
        size=tuple(sides),
        mode="bicubic" if len(sides) == 2 else "trilinear",
        align_corners=True,
    )


def _in_units(places: Tensor, window: Sequence[int]) -> Tensor:
    """Bring (N, axes, ...) places in voxels, x first, to grid_sample's units and order: (N, ..., axes)."""
    lengths = torch.tensor(tuple(reversed(window)), device=places.device).reshape(1, -1, *[1] * len(window))
    return ((2 * places + 1) / lengths - 1).movedim(1, -1)


def _flat_grid(windows: Windows, side: tuple[int, int], config: AugmentConfig, generator: Generator) -> Tensor:
    """Where each voxel of each patch comes from within its slice: (N, *side, 2)."""
    n = len(windows.images)
    device = generator.device
    y, x = (torch.arange(s, device=device, dtype=torch.float32) - (s - 1) / 2 for s in side)
    chosen = _chosen(n, config, generator)
    angle = _uniform(n, radians(config.rotation), generator) * chosen
    scale = 1 + _uniform(n, config.scale, generator) * chosen
    mirror_x = _mirror(n, generator) if config.flip is not Flip.NONE else torch.ones(n, device=device)
    mirror_y = _mirror(n, generator) if config.flip is Flip.ALL else torch.ones(n, device=device)
    # Turned in physical lengths: rows and columns may be spaced differently.
    ratio = windows.spacing[:, 1, None, None]
    y = y[None, :, None] * ratio
    x = x[None, None, :]
    cos, sin = (f(angle)[:, None, None] for f in (torch.cos, torch.sin))
    size = scale[:, None, None]
    from_y = (cos * y - sin * x) * size / ratio * mirror_y[:, None, None] + windows.centres[:, 1, None, None]
    from_x = (sin * y + cos * x) * size * mirror_x[:, None, None] + windows.centres[:, 2, None, None]
    places = torch.stack([from_x, from_y], dim=1) + _bend(n, side, config, chosen, generator)
    return _in_units(places, windows.images.shape[-2:])


def _solid_grid(windows: Windows, shape: tuple[int, int, int], config: AugmentConfig, generator: Generator) -> Tensor:
    """Where each voxel of each patch comes from in the volume: (N, *shape, 3)."""
    n = len(windows.images)
    device = generator.device
    chosen = _chosen(n, config, generator)
    matrix = torch.eye(3, device=device).expand(n, 3, 3)
    for axes in ((1, 2), (0, 2), (0, 1)):
        matrix = matrix @ _turn(axes, _uniform(n, radians(config.rotation), generator) * chosen)
    matrix = matrix * (1 + _uniform(n, config.scale, generator) * chosen)[:, None, None]
    # Turned in physical lengths, and back to voxels.
    matrix = matrix * windows.spacing[:, None, :] / windows.spacing[:, :, None]
    mirrored = {Flip.NONE: (), Flip.SIDEWAYS: (2,), Flip.ALL: (0, 1, 2)}[config.flip]
    mirror = [_mirror(n, generator) if axis in mirrored else torch.ones(n, device=device) for axis in range(3)]
    matrix = matrix * torch.stack(mirror, dim=1)[:, :, None]
    to = [torch.arange(s, device=device, dtype=torch.float32) - (s - 1) / 2 for s in shape]
    voxels = torch.stack(torch.meshgrid(*to, indexing="ij")).flatten(1)
    places = (matrix @ voxels + windows.centres[:, :, None]).reshape(n, 3, *shape).flip(1)
    return _in_units(places + _bend(n, shape, config, chosen, generator), windows.images.shape[-3:])


def _turn(axes: tuple[int, int], angle: Tensor) -> Tensor:
    """(N, 3, 3) rotations by (N,) angles within the plane of two axes."""
    first, second = axes
    matrix = torch.eye(3, device=angle.device).repeat(len(angle), 1, 1)
    matrix[:, first, first] = matrix[:, second, second] = angle.cos()
    matrix[:, first, second], matrix[:, second, first] = -angle.sin(), angle.sin()
    return matrix
