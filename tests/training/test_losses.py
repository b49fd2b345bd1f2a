"""Losses see known voxels and nothing else."""

from typing import Any

import pytest
import torch

from napari_unet.annotation import IGNORE
from napari_unet.config import ClassWeights, Loss, TrainConfig
from napari_unet.training.centreline import soft_skeleton
from napari_unet.training.losses import LARGEST_WEIGHT, Criterion
from napari_unet.training.metrics import Confusion

CPU = torch.device("cpu")


def criterion(which: Loss, labels: tuple[int, ...] = (0, 1, 2), voxels: dict[int, int] | None = None, **numbers: Any):
    return Criterion(TrainConfig(loss=which, **numbers), labels, voxels or {}, CPU)


def example() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 1, 8, 8, generator=generator)
    targets = torch.randint(0, 3, (2, 1, 8, 8), generator=generator).to(torch.uint8)
    targets[:, :, :5] = IGNORE
    return logits, targets


@pytest.mark.parametrize("weights", ClassWeights)
@pytest.mark.parametrize("which", Loss)
def test_unknown_voxels_change_nothing(which: Loss, weights: ClassWeights):
    logits, targets = example()
    changed = torch.where((targets == IGNORE)[:, None], torch.full_like(logits, 1e4), logits)
    loss = criterion(which, voxels={0: 20, 1: 5, 2: 9}, class_weights=weights)
    assert torch.equal(loss(logits, targets), loss(changed, targets))


@pytest.mark.parametrize("which", Loss)
def test_unknown_voxels_get_no_gradient(which: Loss):
    logits, targets = example()
    logits.requires_grad_()
    criterion(which)(logits, targets).backward()
    unknown = (targets == IGNORE)[:, None].expand_as(logits)
    assert logits.grad is not None
    assert not logits.grad[unknown].any()
    assert logits.grad[~unknown].any()


@pytest.mark.parametrize("which", Loss)
def test_a_perfect_answer_on_little_paint_costs_nothing(which: Loss):
    targets = torch.full((1, 1, 100, 100), IGNORE, dtype=torch.uint8)
    targets[..., :2, :5], targets[..., 3:5, :5] = 0, 1
    logits = torch.full((1, 2, 1, 100, 100), -50.0)
    logits[:, 0, :, :3], logits[:, 1, :, 3:] = 50, 50
    assert criterion(which, (0, 1))(logits, targets) < 1e-6


@pytest.mark.parametrize("which", Loss)
def test_following_the_gradient_finds_the_answer(which: Loss):
    """The class of the largest logit is the truth in the end, also for the losses of one class against the rest."""
    _, targets = example()
    logits = torch.zeros(2, 3, 1, 8, 8, requires_grad=True)
    loss = criterion(which)
    optimizer = torch.optim.Adam([logits], lr=0.2)
    for _ in range(60):
        optimizer.zero_grad()
        loss(logits, targets).backward()
        optimizer.step()
    known = targets != IGNORE
    assert torch.equal(logits.argmax(1)[known], targets[known].long())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("which", Loss)
def test_extreme_logits_have_finite_losses_and_gradients(which: Loss, dtype: torch.dtype):
    logits, targets = example()
    for size in (3e4, 1e30 if dtype is not torch.float16 else 6e4, 0.0):
        extreme = (logits.sign() * size).to(dtype).requires_grad_()
        for gamma in (0.0, 0.5, 2.0):
            loss = criterion(which, focal_gamma=gamma)(extreme, targets)
            (gradient,) = torch.autograd.grad(loss, extreme)
            assert torch.isfinite(loss)
            assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("which", Loss)
def test_no_known_voxel_is_no_loss(which: Loss):
    logits = torch.randn(1, 2, 1, 4, 4, requires_grad=True)
    loss = criterion(which, (0, 1))(logits, torch.full((1, 1, 4, 4), IGNORE, dtype=torch.uint8))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_sum_has_the_shares_that_were_asked_for(share: float):
    logits, targets = example()
    dice, ce, both = (
        criterion(which, dice_weight=share)(logits, targets) for which in (Loss.DICE, Loss.CE, Loss.DICE_CE)
    )
    assert torch.isclose(both, share * dice + (1 - share) * ce)


def test_soft_dice_by_hand():
    targets = torch.tensor([0, 0, 1, 1], dtype=torch.uint8).reshape(1, 1, 1, 4)
    logits = torch.zeros(1, 2, 1, 1, 4)  # every probability is 1/2
    # both classes: intersection 1, sums 2 and 2, one voxel of smoothing: (2 + 1) / (4 + 1)
    assert criterion(Loss.DICE)(logits, targets).item() == pytest.approx(1 - 3 / 5)


def test_tversky_by_hand_and_as_dice():
    targets = torch.tensor([0, 0, 0, 1], dtype=torch.uint8).reshape(1, 1, 1, 4)
    logits = torch.zeros(1, 2, 1, 1, 4)
    # hit, false, missed: 1.5, 0.5, 1.5 of class 0 and 0.5, 1.5, 0.5 of class 1, half a voxel of smoothing
    expected = 1 - (2 / (1.5 + 0.1 * 0.5 + 0.9 * 1.5 + 0.5) + 1 / (0.5 + 0.1 * 1.5 + 0.9 * 0.5 + 0.5)) / 2
    loss = criterion(Loss.TVERSKY, tversky_alpha=0.1, tversky_beta=0.9)(logits, targets)
    assert loss.item() == pytest.approx(expected)
    logits, targets = example()
    dice, tversky = (
        criterion(which, tversky_alpha=0.5, tversky_beta=0.5)(logits, targets) for which in (Loss.DICE, Loss.TVERSKY)
    )
    assert torch.isclose(dice, tversky)


def test_generalised_dice_by_hand():
    targets = torch.tensor([0, 0, 0, 1], dtype=torch.uint8).reshape(1, 1, 1, 4)
    logits = torch.zeros(1, 2, 1, 1, 4)
    hits, sums = 1.5 / 9 + 0.5 / 1, (2 + 3) / 9 + (2 + 1) / 1
    assert criterion(Loss.GENERALISED_DICE)(logits, targets).item() == pytest.approx(1 - 2 * hits / sums)


def test_focal_by_hand_and_as_cross_entropy():
    targets = torch.tensor([1], dtype=torch.uint8).reshape(1, 1, 1, 1)
    logits = torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1, 1)
    p = torch.tensor(1.0).sigmoid()
    assert torch.isclose(criterion(Loss.FOCAL, focal_gamma=2)(logits, targets), -((1 - p) ** 2) * p.log())
    logits, targets = example()
    ce, focal = (criterion(which, focal_gamma=0)(logits, targets) for which in (Loss.CE, Loss.FOCAL))
    assert torch.isclose(ce, focal)


def test_one_against_the_rest_by_hand():
    targets = torch.tensor([1], dtype=torch.uint8).reshape(1, 1, 1, 1)
    logits = torch.tensor([-1.0, 2.0]).reshape(1, 2, 1, 1, 1)
    expected = -(torch.tensor(1.0).sigmoid().log() + torch.tensor(2.0).sigmoid().log()) / 2
    assert torch.isclose(criterion(Loss.BCE)(logits, targets), expected)


def test_class_weights_are_the_inverse_root_of_what_was_painted_and_capped():
    loss = criterion(Loss.CE, (0, 3, 4, 9), {0: 900, 3: 100, 4: 1}, class_weights=ClassWeights.PAINTED)
    assert loss.weights is not None
    assert loss.weights.tolist() == pytest.approx([1, 3, LARGEST_WEIGHT, LARGEST_WEIGHT])


@pytest.mark.parametrize("which", [Loss.CE, Loss.FOCAL, Loss.BCE])
def test_a_voxel_of_a_rare_class_counts_by_its_weight(which: Loss):
    """Three voxels of class 0 and one of class 1 with weight 3: as if there were three of each."""
    logits = torch.randn(1, 2, 1, 1, 4, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([0, 0, 0, 1], dtype=torch.uint8).reshape(1, 1, 1, 4)
    weighted = criterion(which, (0, 1), {0: 90, 1: 10}, class_weights=ClassWeights.PAINTED)(logits, targets)
    repeated = [0, 1, 2, 3, 3, 3]
    assert torch.isclose(weighted, criterion(which, (0, 1))(logits[..., repeated], targets[..., repeated]))


def tube(slices: int = 1) -> torch.Tensor:
    """(Z, 32, 48) bool: a bent tube five voxels wide, in the middle slices."""
    z, y, x = torch.meshgrid(torch.arange(float(slices)), torch.arange(32.0), torch.arange(48.0), indexing="ij")
    middle = 16 + 6 * torch.sin(x / 8)
    return ((y - middle) ** 2 + (z - slices // 2) ** 2 < 7) & (x > 3) & (x < 44)


@pytest.mark.parametrize("slices", [1, 9])
def test_a_skeleton_is_thin_and_as_long_as_its_tube(slices: int):
    shape = tube(slices)
    skeleton = soft_skeleton(shape[None, None].float())[0, 0]
    assert not skeleton[~shape].any()
    assert skeleton.sum() < 0.5 * shape.sum()
    along = skeleton.amax((0, 1))
    assert (along[7:41] > 0).float().mean() > 0.8


def test_a_gap_in_a_vessel_costs_more_than_as_many_voxels_at_its_edge():
    truth = tube()
    gap = truth.clone()
    gap[:, :, 22:25] = False
    worn = truth.clone()
    edge = truth & ~(torch.roll(truth, 1, 1) & torch.roll(truth, -1, 1))
    worn[tuple(edge.nonzero()[: (truth & ~gap).sum()].T)] = False
    assert (truth & ~gap).sum() == (truth & ~worn).sum()
    targets = truth[None].to(torch.uint8)
    broken, rough = (
        criterion(Loss.DICE_CLDICE, (0, 1), dice_weight=0)(100 * torch.stack([~s, s])[None].float(), targets)
        for s in (gap, worn)
    )
    assert broken > 2 * rough


def test_cldice_leaves_the_background_out():
    logits, targets = example()
    targets[targets != IGNORE] = 0
    loss = criterion(Loss.DICE_CLDICE, dice_weight=0)(logits.requires_grad_(), targets)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_dice_is_counted_over_known_voxels_of_all_batches():
    confusion = Confusion((0, 4), CPU)
    truth = torch.tensor([1] * 30 + [0] * 30 + [IGNORE] * 40, dtype=torch.uint8).reshape(1, 1, 100)
    found = torch.tensor([1] * 15 + [0] * 45 + [1] * 40)
    logits = torch.nn.functional.one_hot(found, 2).float().T.reshape(1, 2, 1, 100)
    for _ in range(3):
        confusion.add(logits, truth)
    assert confusion.dice() == {4: pytest.approx(2 * 15 / (30 + 15))}
