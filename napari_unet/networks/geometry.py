"""How large the voxels are at each level of a network, and what follows from it.

Level 0 is full resolution. Slices farther apart than the voxels within them are left alone until the voxels
within them have grown as large: Çiçek et al. 2016 (doi:10.1007/978-3-319-46723-8_49) met such scans by resampling,
Isensee et al. 2021 (nnU-Net, doi:10.1038/s41592-020-01008-z) by pooling and convolving within slices first, as here.
"""

from math import log2, prod

from napari_unet.config import BY_SPACING, NetworkConfig

FILTER_SCALES = 4
"""How many times an image is halved for filters, within its slices: the coarsest sees some 16 voxels around each."""
ZYX = tuple[int, int, int]
"""Voxels along Z, Y and X."""


def flat_levels(spacing: tuple[float, float, float], depth: int) -> int:
    """Give how many of the first levels should be flat, so that no voxel below is longer than wide.

    Parameters
    ----------
    spacing
        Of the voxels, (z, y, x), in any unit.
    depth
        Levels that the network halves the image to.

    Returns
    -------
    int
        After so many halvings the voxels within the slices are as large as the slices are apart, to the nearest
        power of two; 0 for thin slices.
    """
    z, y, x = spacing
    return min(depth, max(0, round(log2(z / max(y, x)))))


def decided(config: NetworkConfig, spacing: tuple[float, float, float]) -> NetworkConfig:
    """Decide by the spacing, (z, y, x), what the shape of a network leaves to it."""
    if config.dimensions == 2 or config.flat_levels != BY_SPACING:
        return config
    return config.model_copy(update={"flat_levels": flat_levels(spacing, config.depth)})


def kernel(config: NetworkConfig, level: int) -> tuple[int, ...]:
    """Give the sides of the convolutions of a level: 3, but 1 across the slices of a flat one."""
    return (3, 3) if config.dimensions == 2 else (1 if level < config.flat_levels else 3, 3, 3)


def step(config: NetworkConfig, level: int) -> tuple[int, ...]:
    """Give how many voxels of a level become one of the next, along each axis."""
    return (2, 2) if config.dimensions == 2 else (1 if level < config.flat_levels else 2, 2, 2)


def stride(config: NetworkConfig) -> ZYX:
    """Give how many voxels become one on the way down; 1 along Z for a network that sees single slices."""
    sides = [prod(steps) for steps in zip(*(step(config, level) for level in range(config.depth)), strict=True)]
    if config.filters:
        sides[-2:] = (max(side, 1 << FILTER_SCALES) for side in sides[-2:])
    return _zyx(sides, 1)


def halo(config: NetworkConfig) -> ZYX:
    """Give how far a voxel's result depends on others through the convolutions, in voxels at full resolution.

    That is so for a tile that starts and ends on multiples of :func:`stride`; 0 along Z for a network that sees
    single slices.
    """
    sides = [_reach(config, axis) for axis in range(config.dimensions)]
    if config.filters:
        sides[-2:] = (max(side, _reach_of_filters()) for side in sides[-2:])
    return _zyx(sides, 0)


def _reach_of_filters() -> int:
    """Follow the coarsest filter up to the image: between neighbours, of differences, of an image blurred by two."""
    reach = 1 + 1 + 2
    for _ in range(FILTER_SCALES):
        reach = 2 * reach + 2
    return reach


def is_local(config: NetworkConfig) -> bool:
    """Tell whether a result depends on nothing beyond the halo: no part looks at the image as a whole."""
    return config.by_batch and not config.cbam


def _reach(config: NetworkConfig, axis: int) -> int:
    """Follow the result down to the lowest level and up to the image; the nested ways of a U-Net++ are shorter."""
    convolved = [2 * (kernel(config, level)[axis] // 2) for level in range(config.depth + 1)]
    steps = [step(config, level)[axis] for level in range(config.depth)]
    reach = convolved[0]
    for level, halved in enumerate(steps):
        # A gate reads the level below between its voxels, one voxel farther.
        between = halved - 1 if gated(config, level) else 0
        reach = -(-(reach + between) // halved) + convolved[level + 1]
    for level in reversed(range(config.depth)):
        reach = reach * steps[level] + convolved[level]
    return reach


def gated(config: NetworkConfig, level: int) -> bool:
    """Tell whether the skip connection of a level has an attention gate: all but the topmost, as in the paper."""
    return config.architecture == "attention-unet" and level > 0


def _zyx(sides: list[int], z: int) -> ZYX:
    first, second, third = sides if len(sides) == 3 else [z, *sides]
    return first, second, third
