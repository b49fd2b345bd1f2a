"""Patches are varied, image and targets alike, and not at all when that was asked for."""

import pytest
import torch

from napari_unet.annotation import IGNORE
from napari_unet.config import AugmentConfig
from napari_unet.training.augmentation import UNCHANGED, Windows, varied

SIDE = (24, 24)


def windows(n: int = 8, ratio: float = 1.0) -> Windows:
    """Each image shows its own targets, so that what happens to one can be seen in the other."""
    y, x = torch.meshgrid(torch.arange(36), torch.arange(36), indexing="ij")
    targets = ((y // 9 + x // 6) % 3).to(torch.uint8).expand(n, 2, 36, 36).clone()
    centres = torch.full((n, 2), 6 + 11.5)
    return Windows(targets[:, None].float().clone(), targets, centres, torch.full((n,), ratio))


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_unchanged_is_a_cut():
    given = windows()
    images, targets = varied(given, SIDE, UNCHANGED, generator())
    assert torch.equal(targets, given.targets[..., 6:30, 6:30])
    assert torch.allclose(images, given.images[..., 6:30, 6:30], atol=1e-4)


@pytest.mark.parametrize(
    "what", [{"rotation": 40}, {"scale": 0.3}, {"flip": True}, {"elastic": 5}, {"rotation": 20, "elastic": 3}]
)
def test_image_and_targets_move_together(what: dict[str, float]):
    given = windows()
    images, targets = varied(given, SIDE, UNCHANGED.model_copy(update=what), generator())
    assert not torch.equal(targets, given.targets[..., 6:30, 6:30])
    known = targets != IGNORE
    agree = (images[:, 0] - targets.float()).abs()[known] < 0.51
    assert agree.float().mean() > 0.9


def test_all_slices_of_a_patch_move_alike():
    _, targets = varied(windows(), SIDE, AugmentConfig(flip=True), generator())
    assert torch.equal(targets[:, 0], targets[:, 1])
    assert not torch.equal(targets[0], targets[1])


def test_nothing_is_known_beyond_the_edge():
    given = windows()
    moved = Windows(given.images, given.targets, given.centres - 18, given.ratio)
    images, targets = varied(moved, SIDE, UNCHANGED, generator())
    assert (targets[..., :12, :] == IGNORE).all()
    assert torch.isfinite(images).all()


def test_rotation_is_in_physical_lengths():
    """A square in mm stays one: with rows twice as far apart, a quarter turn swaps rows for two columns."""
    targets = torch.zeros(1, 1, 41, 41, dtype=torch.uint8)
    targets[..., 20:, :] = 1  # an edge along x
    given = Windows(targets[:, None].float(), targets, torch.tensor([[20.0, 20.0]]), torch.tensor([2.0]))
    for seed in range(20):
        _, turned = varied(given, (9, 9), UNCHANGED.model_copy(update={"rotation": 45}), generator().manual_seed(seed))
        angle = (torch.rand(1, generator=generator().manual_seed(seed)) * 2 - 1) * torch.pi / 4
        y, x = torch.meshgrid(torch.arange(9) - 4.0, torch.arange(9) - 4.0, indexing="ij")
        expected = (torch.cos(angle) * y * 2 - torch.sin(angle) * x) / 2 >= -0.5
        assert (turned[0, 0].bool() == expected).float().mean() > 0.95


@pytest.mark.parametrize("what", [{"gamma": 0.5}, {"brightness": 0.5}, {"contrast": 0.5}, {"noise": 0.5}])
def test_intensities_leave_targets_alone(what: dict[str, float]):
    given = windows()
    images, targets = varied(given, SIDE, UNCHANGED.model_copy(update=what), generator())
    assert torch.equal(targets, given.targets[..., 6:30, 6:30])
    assert not torch.allclose(images, given.images[..., 6:30, 6:30], atol=1e-3)
    assert torch.isfinite(images).all()
