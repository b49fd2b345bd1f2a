"""Patches show every class and lie within their scan."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_unet.annotation import IGNORE
from napari_unet.training.augmentation import UNCHANGED, varied
from napari_unet.training.sampling import PatchSize, Sampler, Source


def source(shape: tuple[int, int, int], **at: int) -> Source:
    targets = torch.full(shape, IGNORE, dtype=torch.uint8)
    targets[0] = 0
    for place, channel in at.items():
        targets[tuple(int(i) for i in place[1:].split("_"))] = channel
    image = torch.arange(targets.numel(), dtype=torch.float32).reshape(1, *shape)
    return Source(image, targets, (3.0, 1.0, 1.0))


def sampler(*sources: Source, classes: int = 2) -> Sampler:
    return Sampler(sources, classes, np.random.default_rng(0))


def test_a_class_of_one_voxel_is_seen():
    drawn = sampler(source((1, 200, 200), p0_150_20=1))
    size = PatchSize.fitting(drawn.sources, 64, 1, (1, 16, 16))
    windows = drawn.cut(drawn.draw(40, size), size)
    _, targets = varied(windows, size.shape, UNCHANGED, torch.Generator())
    assert 10 <= (targets == 1).flatten(1).any(1).sum() <= 30


@pytest.mark.parametrize(
    ("shape", "expected"), [((1, 100, 30), (1, 112, 32)), ((1, 300, 300), (1, 256, 256)), ((40, 8, 8), (16, 32, 32))]
)
def test_small_scans_are_seen_whole(shape: tuple[int, int, int], expected: tuple[int, int, int]):
    assert PatchSize.fitting([source(shape)], 256, 16, (16, 16, 16)) == PatchSize(*expected)


def test_scans_of_several_sizes_share_a_batch():
    drawn = sampler(source((1, 20, 90)), source((3, 60, 10)))
    size = PatchSize.fitting(drawn.sources, 64, 4, (8, 8, 8))
    windows = drawn.cut([(0, 0, 3, 80), (1, 2, 50, 5)], size)
    images, targets = varied(windows, size.shape, UNCHANGED, torch.Generator())
    assert images.shape == (2, 1, 3, 64, 64)
    assert (targets[0, 0, :20] == 0).all()
    assert (targets[0, 0, 20:] == IGNORE).all()
    assert (targets[0, 1:] == IGNORE).all()
    assert (targets[1, 0, :60, :10] == 0).all()
    assert torch.allclose(images[1, 0, 2, :60, :10], drawn.sources[1].image[0, 2], atol=0.01)


def test_patches_are_cut_from_voxel_to_voxel():
    drawn = sampler(source((1, 100, 100)))
    size = PatchSize(1, 32, 32)
    windows = drawn.cut([(0, 0, 50, 60)], size)
    images, _ = varied(windows, size.shape, UNCHANGED, torch.Generator())
    assert torch.allclose(images[0, 0], drawn.sources[0].image[0, :, 34:66, 44:76], atol=0.05)


def test_cover_sees_every_known_voxel():
    given = source((5, 50, 70), p3_44_60=1)
    drawn = sampler(given)
    size = PatchSize(2, 16, 32)
    windows = drawn.cut(drawn.cover(size, most=1000), size)
    _, targets = varied(windows, size.shape, UNCHANGED, torch.Generator())
    assert (targets == 0).sum() >= 50 * 70
    assert (targets == 1).sum() == 1
    assert len(drawn.cover(size, most=5)) == 5


def test_smaller_patches_have_an_end():
    size: PatchSize | None = PatchSize(1, 256, 96)
    sizes = []
    while size is not None:
        sizes.append((size.height, size.width))
        size = size.smaller((1, 16, 16))
    assert sizes == [(256, 96), (128, 48), (64, 32), (32, 32)]


@pytest.mark.parametrize(
    ("spacing", "size", "solid"),
    [
        ((1.0, 1.0, 1.0), PatchSize(16, 32, 32), True),
        ((1.4, 1.0, 1.0), PatchSize(16, 48, 32), True),
        ((1.6, 1.0, 1.0), PatchSize(16, 32, 32), False),
        ((1.0, 1.0, 1.0), PatchSize(16, 64, 32), False),
        ((1.0, 1.0, 1.0), PatchSize(1, 2, 2), False),
    ],
)
def test_patches_are_turned_in_depth_where_voxels_and_patch_are_alike_in_all_directions(
    spacing: tuple[float, float, float], size: PatchSize, solid: bool
):
    given = replace(source((40, 80, 80)), spacing=spacing)
    windows = sampler(given).cut([(0, 20, 40, 40), (0, 0, 0, 79)], size)
    assert windows.solid == solid
    assert windows.images.shape[2] == (24 if solid else size.depth)
    assert windows.spacing[0].tolist() == pytest.approx(spacing)
    images, targets = varied(windows, size.shape, UNCHANGED, torch.Generator())
    assert images.shape[2:] == targets.shape[1:] == size.shape
    # The second place is the first voxel of the scan's last column: the patch is moved to lie within.
    corner = given.image[:, : size.depth, : size.height, -size.width :]
    assert torch.allclose(images[1], corner, atol=0.5)
