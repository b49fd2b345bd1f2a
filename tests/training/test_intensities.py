"""Intensities change within their limits, where and as often as was asked for."""

import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_unet.config import AugmentConfig
from napari_unet.training.augmentation import UNCHANGED
from napari_unet.training.intensities import blurred, coarser, varied_intensities

WITHIN = (3, 4)
EVERYWHERE = (2, 3, 4)
SOME: list[dict[str, float]] = [
    {"gamma": 0.5},
    {"brightness": 0.5},
    {"contrast": 0.5},
    {"noise": 0.5},
    {"blur": 2, "blur_share": 1},
    {"low_resolution": 3, "low_resolution_share": 1},
]


def generator(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 4, channels: int = 2) -> torch.Tensor:
    return torch.randn(n, channels, 6, 20, 24, generator=generator(0))


def config(**changes: float) -> AugmentConfig:
    return UNCHANGED.model_copy(update=changes)


def test_nothing_asked_for_is_nothing_done():
    given = images()
    assert torch.equal(varied_intensities(given, UNCHANGED, generator(), WITHIN), given)


def test_the_default_neither_blurs_nor_loses_resolution():
    default = AugmentConfig()
    without = default.model_copy(update={"blur": 0.0, "low_resolution": 1.0})
    first, second = (varied_intensities(images(), which, generator(), WITHIN) for which in (default, without))
    assert torch.equal(first, second)


@pytest.mark.parametrize("what", SOME)
def test_each_channel_of_each_patch_changes_on_its_own(what: dict[str, float]):
    given = images(1).expand(4, 2, 6, 20, 24)
    changed = varied_intensities(given, config(**what), generator(), WITHIN)
    assert torch.isfinite(changed).all()
    assert not torch.allclose(changed, given, atol=1e-3)
    by_channel = (changed - given).flatten(2).std(2) + (changed - given).flatten(2).mean(2).abs()
    assert len(by_channel.flatten().unique()) == 8


@pytest.mark.parametrize("what", SOME)
def test_a_share_of_the_patches_is_left_alone(what: dict[str, float]):
    given = images(200, 1)
    shares = {name: 0.4 for name in ("intensity_share", "blur_share", "low_resolution_share") if name in what}
    chosen = config(**(what | (shares or {"intensity_share": 0.4})))
    changed = varied_intensities(given, chosen, generator(), WITHIN)
    # A patch hardly blurred, or made hardly coarser, looks untouched too.
    kept = ((changed - given).abs().flatten(1).amax(1) < 1e-5).float().mean()
    assert 0.5 < kept < 0.75


def test_blur_is_gaussian_and_each_has_its_own():
    given = images(2, 1)
    changed = blurred(given, torch.tensor([0.0, 1.5]).reshape(2, 1, 1, 1, 1), EVERYWHERE)
    assert torch.equal(changed[0], given[0])
    expected = gaussian_filter(given[1, 0].numpy(), 1.5, mode="nearest", radius=5)
    assert torch.allclose(changed[1, 0], torch.from_numpy(expected), atol=1e-5)


@pytest.mark.parametrize("lose", ["blur", "resolution"])
def test_slices_far_apart_are_not_mixed(lose: str):
    given = torch.zeros(1, 1, 6, 20, 24)
    given[:, :, 2] = 1
    amount = torch.full((1, 1, 1, 1, 1), 2.0)
    within, across = (
        blurred(given, amount, axes) if lose == "blur" else coarser(given, amount, axes)
        for axes in (WITHIN, EVERYWHERE)
    )
    assert torch.allclose(within, given)
    assert not torch.allclose(across, given)


def test_low_resolution_keeps_large_things_and_loses_small_ones():
    edge = torch.zeros(1, 1, 1, 32, 32)
    edge[..., 16:] = 1
    stripes = (torch.arange(32) % 2).float().expand(1, 1, 1, 32, 32)
    half = torch.full((1, 1, 1, 1, 1), 2.0)
    assert (coarser(edge, half, WITHIN) - edge).abs().mean() < 0.05
    assert coarser(stripes, half, WITHIN).std() < 0.1
    assert torch.equal(coarser(stripes, torch.ones_like(half), WITHIN), stripes)


def test_changes_stay_within_their_limits():
    given = torch.ones(500, 1, 1, 2, 2)
    bright = varied_intensities(given, config(brightness=0.3), generator(), WITHIN) - 1
    stretched = varied_intensities(given, config(contrast=0.2), generator(), WITHIN) - 1
    for change, largest in ((bright, 0.3), (stretched, 0.2)):
        assert 0.9 * largest < change.abs().max() <= largest + 1e-6
        assert change.min() < 0 < change.max()
