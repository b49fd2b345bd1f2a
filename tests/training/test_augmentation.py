"""Patches are varied, image and targets alike, and not at all when that was asked for."""

from typing import Any

import pytest
import torch

from napari_unet.annotation import IGNORE
from napari_unet.config import AugmentConfig, Flip
from napari_unet.training.augmentation import UNCHANGED, Windows, varied

SHAPE = (2, 24, 24)
CUBE = (16, 24, 24)
GEOMETRY: list[dict[str, Any]] = [
    {"rotation": 40},
    {"scale": 0.3},
    {"flip": Flip.SIDEWAYS},
    {"flip": Flip.ALL},
    {"elastic": 5},
    {"rotation": 20, "scale": 0.2, "flip": Flip.ALL, "elastic": 3},
]


def windows(n: int = 8, ratio: float = 1.0) -> Windows:
    """Each image shows its own targets, so that what happens to one can be seen in the other."""
    y, x = torch.meshgrid(torch.arange(36), torch.arange(36), indexing="ij")
    targets = ((y // 9 + x // 6) % 3).to(torch.uint8).expand(n, 2, 36, 36).clone()
    centres = torch.tensor([0.5, 17.5, 17.5]).expand(n, 3)
    spacing = torch.tensor([4.0, ratio, 1.0]).expand(n, 3)
    return Windows(targets[:, None].float().clone(), targets, centres, spacing)


def cubes(n: int = 8) -> Windows:
    """The same in all three directions, to be turned in depth."""
    z, y, x = torch.meshgrid(torch.arange(24), torch.arange(36), torch.arange(36), indexing="ij")
    targets = ((z // 8 + y // 12 + x // 9) % 3).to(torch.uint8).expand(n, 24, 36, 36).clone()
    centres = torch.tensor([11.5, 17.5, 17.5]).expand(n, 3)
    return Windows(targets[:, None].float().clone(), targets, centres, torch.ones(n, 3), solid=True)


GIVEN = pytest.mark.parametrize(
    ("given", "shape", "same"),
    [
        (windows(), SHAPE, (..., slice(6, 30), slice(6, 30))),
        (cubes(), CUBE, (..., slice(4, 20), slice(6, 30), slice(6, 30))),
    ],
    ids=["flat", "solid"],
)


def generator(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@GIVEN
def test_unchanged_is_a_cut(given: Windows, shape: tuple[int, int, int], same: Any):
    images, targets = varied(given, shape, UNCHANGED, generator())
    assert torch.equal(targets, given.targets[same])
    assert torch.allclose(images, given.images[same], atol=1e-4)


@GIVEN
@pytest.mark.parametrize("what", GEOMETRY)
def test_image_and_targets_move_together(given: Windows, shape: tuple[int, int, int], same: Any, what: dict[str, Any]):
    images, targets = varied(given, shape, UNCHANGED.model_copy(update=what), generator())
    assert not torch.equal(targets, given.targets[same])
    known = targets != IGNORE
    agree = (images[:, 0] - targets.float()).abs()[known] < 0.51
    assert agree.float().mean() > 0.9


@GIVEN
@pytest.mark.parametrize("what", GEOMETRY)
def test_no_class_is_invented_and_the_unknown_stays_unknown(
    given: Windows, shape: tuple[int, int, int], same: Any, what: dict[str, Any]
):
    """Classes 0 and 9 with unknown voxels between them: an average of labels would be 4, or a class in the gap."""
    columns = torch.arange(36).expand_as(given.targets)
    targets = torch.where(columns < 15, 0, torch.where(columns < 21, IGNORE, 9)).to(torch.uint8)
    images = (targets == IGNORE)[:, None].float()
    config = UNCHANGED.model_copy(update=what)
    images, targets = varied(
        Windows(images, targets, given.centres, given.spacing, given.solid), shape, config, generator()
    )
    assert set(targets.unique().tolist()) == {0, 9, IGNORE}
    assert (targets[images[:, 0] > 0.6] == IGNORE).all()


@GIVEN
def test_a_landmark_is_found_where_it_went(given: Windows, shape: tuple[int, int, int], same: Any):
    """The bright voxel and the labelled voxel are one after any movement."""
    y, x = torch.meshgrid(torch.arange(36.0), torch.arange(36.0), indexing="ij")
    near = (y - 14) ** 2 + (x - 22) ** 2
    image = torch.exp(-near / 8).expand_as(given.images).clone()
    targets = (near <= 4).to(torch.uint8).expand_as(given.targets).clone()
    config = UNCHANGED.model_copy(update={"rotation": 30, "scale": 0.2, "flip": Flip.ALL, "elastic": 2})
    images, targets = varied(
        Windows(image, targets, given.centres, given.spacing, given.solid), shape, config, generator()
    )
    middle = shape[0] // 2
    places = torch.stack(torch.meshgrid(torch.arange(24.0), torch.arange(24.0), indexing="ij"))
    for picture, labels in zip(images[:, 0, middle], targets[:, middle], strict=True):
        brightest = places.flatten(1)[:, picture.argmax()]
        marked = places[:, labels == 1].mean(1)
        assert torch.dist(brightest, marked) < 1.5


@GIVEN
def test_the_same_seed_gives_the_same_patches(given: Windows, shape: tuple[int, int, int], same: Any):
    config = AugmentConfig(blur_share=0.5, low_resolution_share=0.5, geometry_share=0.5, intensity_share=0.5)
    first, second, other = (varied(given, shape, config, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], other[0])


def test_all_slices_of_a_flat_patch_move_alike():
    _, targets = varied(windows(), SHAPE, AugmentConfig(flip=Flip.SIDEWAYS), generator())
    assert torch.equal(targets[:, 0], targets[:, 1])
    assert not torch.equal(targets[0], targets[1])


def test_sideways_mirrors_left_and_right_and_all_mirrors_every_axis():
    given = cubes(64)
    cut = given.targets[0, 4:20, 6:30, 6:30]
    for flip, axes in ((Flip.SIDEWAYS, ([], [2])), (Flip.ALL, ([], [0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]))):
        _, targets = varied(given, CUBE, UNCHANGED.model_copy(update={"flip": flip}), generator())
        seen = [next(i for i, turned in enumerate(axes) if torch.equal(cut.flip(turned), patch)) for patch in targets]
        assert set(seen) == set(range(len(axes)))
    _, targets = varied(windows(64), SHAPE, UNCHANGED.model_copy(update={"flip": Flip.ALL}), generator())
    cut = windows(1).targets[0, :, 6:30, 6:30]
    seen = [[axes for axes in ([], [1], [2], [1, 2]) if torch.equal(cut.flip(axes), patch)] for patch in targets]
    assert {tuple(axes[0]) for axes in seen} == {(), (1,), (2,), (1, 2)}


def test_nothing_is_known_beyond_the_edge():
    given = windows()
    moved = Windows(given.images, given.targets, given.centres - torch.tensor([0, 18, 18]), given.spacing)
    images, targets = varied(moved, SHAPE, UNCHANGED, generator())
    assert (targets[..., :12, :] == IGNORE).all()
    assert torch.isfinite(images).all()
    deep = cubes()
    moved = Windows(deep.images, deep.targets, deep.centres - torch.tensor([8, 0, 0]), deep.spacing, solid=True)
    images, targets = varied(moved, CUBE, UNCHANGED, generator())
    assert (targets[:, :4] == IGNORE).all()
    assert (targets[:, 4:] != IGNORE).all()
    assert torch.isfinite(images).all()


def test_rotation_is_in_physical_lengths():
    """A square in mm stays one: with rows twice as far apart, a quarter turn swaps rows for two columns."""
    targets = torch.zeros(1, 1, 41, 41, dtype=torch.uint8)
    targets[..., 20:, :] = 1  # an edge along x
    centres, spacing = torch.tensor([[0.0, 20.0, 20.0]]), torch.tensor([[5.0, 2.0, 1.0]])
    given = Windows(targets[:, None].float(), targets, centres, spacing)
    for seed in range(20):
        _, turned = varied(given, (1, 9, 9), UNCHANGED.model_copy(update={"rotation": 45}), generator(seed))
        angle = (torch.rand(1, generator=generator(seed)) * 2 - 1) * torch.pi / 4
        y, x = torch.meshgrid(torch.arange(9) - 4.0, torch.arange(9) - 4.0, indexing="ij")
        expected = (torch.cos(angle) * y * 2 - torch.sin(angle) * x) / 2 >= -0.5
        assert (turned[0, 0].bool() == expected).float().mean() > 0.95


def test_a_ball_turned_in_depth_stays_a_ball():
    """With slices 1.4 times as far apart as the voxels within them, it is an ellipsoid in voxels."""
    spacing = torch.tensor([1.4, 1.0, 1.0])
    place = torch.stack(torch.meshgrid(*[torch.arange(36.0) - 17.5] * 3, indexing="ij"), dim=-1) * spacing
    targets = (place.norm(dim=-1) < 10).to(torch.uint8).expand(6, 36, 36, 36).clone()
    centres = torch.full((6, 3), 17.5)
    given = Windows(targets[:, None].float(), targets, centres, spacing.expand(6, 3), solid=True)
    _, turned = varied(given, (24, 24, 24), UNCHANGED.model_copy(update={"rotation": 180}), generator())
    expected = targets[:, 6:30, 6:30, 6:30]
    both = ((turned == 1) & (expected == 1)).sum()
    assert 2 * both / ((turned == 1).sum() + (expected == 1).sum()) > 0.95


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_share_of_the_patches_keeps_its_shape(share: float):
    given = windows(200)
    config = UNCHANGED.model_copy(update={"rotation": 30, "scale": 0.2, "elastic": 4, "geometry_share": share})
    _, targets = varied(given, SHAPE, config, generator())
    kept = (targets == given.targets[..., 6:30, 6:30]).flatten(1).all(1).float().mean()
    assert kept == pytest.approx(1 - share, abs=0.1)
