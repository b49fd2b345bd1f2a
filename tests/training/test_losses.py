"""Losses see known voxels and nothing else."""

import pytest
import torch

from napari_unet.annotation import IGNORE
from napari_unet.config import Loss
from napari_unet.training.losses import loss_of
from napari_unet.training.metrics import Confusion


def example() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 1, 8, 8, generator=generator)
    targets = torch.randint(0, 3, (2, 1, 8, 8), generator=generator).to(torch.uint8)
    targets[:, :, :5] = IGNORE
    return logits, targets


@pytest.mark.parametrize("which", Loss)
def test_unknown_voxels_change_nothing(which: Loss):
    logits, targets = example()
    changed = torch.where((targets == IGNORE)[:, None], torch.full_like(logits, 1e4), logits)
    assert torch.equal(loss_of(logits, targets, which), loss_of(changed, targets, which))


@pytest.mark.parametrize("which", Loss)
def test_unknown_voxels_get_no_gradient(which: Loss):
    logits, targets = example()
    logits.requires_grad_()
    loss_of(logits, targets, which).backward()
    unknown = (targets == IGNORE)[:, None].expand_as(logits)
    assert logits.grad is not None
    assert not logits.grad[unknown].any()
    assert logits.grad[~unknown].any()


@pytest.mark.parametrize("which", Loss)
def test_a_perfect_answer_on_little_paint_costs_nothing(which: Loss):
    targets = torch.full((1, 1, 100, 100), IGNORE, dtype=torch.uint8)
    targets[..., :2, :5], targets[..., 3:5, :5] = 0, 1
    logits = torch.zeros(1, 2, 1, 100, 100)
    logits[:, 0, :, :3], logits[:, 1, :, 3:] = 50, 50
    assert loss_of(logits, targets, which) < 1e-6


def test_a_half_and_half_loss_is_just_that():
    logits, targets = example()
    dice, ce, both = (loss_of(logits, targets, which) for which in (Loss.DICE, Loss.CE, Loss.DICE_CE))
    assert torch.isclose(both, (dice + ce) / 2)


def test_soft_dice_by_hand():
    targets = torch.tensor([0, 0, 1, 1], dtype=torch.uint8).reshape(1, 1, 1, 4)
    logits = torch.zeros(1, 2, 1, 1, 4)  # every probability is 1/2
    # both classes: intersection 1, sums 2 and 2, one voxel of smoothing: (2 + 1) / (4 + 1)
    assert loss_of(logits, targets, Loss.DICE).item() == pytest.approx(1 - 3 / 5)


def test_no_known_voxel_is_no_loss():
    logits = torch.randn(1, 2, 1, 4, 4, requires_grad=True)
    loss = loss_of(logits, torch.full((1, 1, 4, 4), IGNORE, dtype=torch.uint8), Loss.DICE_CE)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_dice_is_counted_over_known_voxels_of_all_batches():
    confusion = Confusion((0, 4), torch.device("cpu"))
    truth = torch.tensor([1] * 30 + [0] * 30 + [IGNORE] * 40, dtype=torch.uint8).reshape(1, 1, 100)
    found = torch.tensor([1] * 15 + [0] * 45 + [1] * 40)
    logits = torch.nn.functional.one_hot(found, 2).float().T.reshape(1, 2, 1, 100)
    for _ in range(3):
        confusion.add(logits, truth)
    assert confusion.dice() == {4: pytest.approx(2 * 15 / (30 + 15))}
