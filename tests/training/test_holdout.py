"""What is held out is not learned from, nor is what lies beside it."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from napari_unet.annotation import IGNORE
from napari_unet.training.holdout import GAP_VOXELS, Split, hold_out


def targets(depth: int, known: list[int], side: int = 60, classes: int = 3) -> NDArray[np.uint8]:
    array = np.full((depth, side, side), IGNORE, np.uint8)
    array[known] = np.random.default_rng(0).integers(0, classes, (len(known), side, side))
    return array


def split_of(*arrays: NDArray[np.uint8], classes: int = 3, share: float = 0.15) -> Split:
    split = hold_out(arrays, classes, share, np.random.default_rng(0))
    assert split is not None
    return split


def test_slices_have_a_gap():
    array = targets(40, list(range(3, 37)))
    split = split_of(array)
    trained, held = ((part[0] != IGNORE).any((1, 2)) for part in (split.training, split.held_out))
    assert 3 <= held.sum() <= 7
    assert not (trained & binary_dilation(held, iterations=1)).any()
    assert trained.sum() >= 0.6 * 34
    assert (split.held_out[0][held] == array[held]).all()


def test_few_slices_are_held_out_in_blocks_with_a_gap():
    array = targets(20, [2, 3, 9])
    split = split_of(array)
    trained, held = (part[0] != IGNORE for part in (split.training, split.held_out))
    around = binary_dilation(held, np.ones((3, 2 * GAP_VOXELS + 1, 2 * GAP_VOXELS + 1)))
    assert held.any()
    assert not (trained & around).any()
    assert 0.08 < held.sum() / (array != IGNORE).sum() < 0.25
    assert trained.sum() / (array != IGNORE).sum() > 0.6


def test_nothing_is_invented():
    array = targets(12, [1, 5])
    split = split_of(array)
    for part in (split.training[0], split.held_out[0]):
        assert (part[part != IGNORE] == array[part != IGNORE]).all()


def test_every_class_stays():
    array = targets(10, [4])
    array[4, 30:33, 30:33] = 3
    split = split_of(array, classes=4)
    assert (split.training[0] == 3).sum() >= 6


def test_whole_scans_may_be_without_paint():
    split = split_of(targets(5, [1, 2]), targets(7, []), targets(9, [0, 8]))
    assert not (split.training[1] != IGNORE).any()
    assert any((part != IGNORE).any() for part in split.held_out)


@pytest.mark.parametrize("share", [0.0, 0.15])
def test_too_little_is_not_held_out(share: float):
    array = np.full((3, 40, 40), IGNORE, np.uint8)
    array[1, 4:8, 4:8] = np.arange(16).reshape(4, 4) % 2
    assert hold_out([array], 2, share, np.random.default_rng(0)) is None


@pytest.mark.parametrize(("side", "enough"), [(6, False), (20, True)])
def test_a_dice_that_would_be_luck_is_not_worth_the_paint(side: int, enough: bool):
    array = np.full((7, 60, 60), IGNORE, np.uint8)
    array[::2] = 0
    array[::2, 23 : 23 + side, 23 : 23 + side] = 1
    assert (hold_out([array], 2, 0.2, np.random.default_rng(0)) is not None) is enough


def test_nothing_is_held_out_when_not_asked_for():
    assert hold_out([targets(9, list(range(9)))], 3, 0.0, np.random.default_rng(0)) is None
