"""A network with a pixel classifier is of use at once, and learns on from there."""

import numpy as np
import pytest
import torch

from napari_unet.annotation import BACKGROUND, IGNORE
from napari_unet.config import Device, NetworkConfig, Precision, TrainConfig
from napari_unet.events import result_of
from napari_unet.inference import predict
from napari_unet.networks.filters import PixelClassifier, filtered
from napari_unet.review.corrections import mean_dice
from napari_unet.scan import Scan
from napari_unet.training import first_look, train
from napari_unet.training.first_look import Lesson, Patience, lessons, teach
from napari_unet.training.start import Start


def phantom():
    """Discs of a fine texture on a ground of the same mean intensity; (scan, mask, paint of one slice)."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64]
    mask = np.zeros((4, 64, 64), np.uint8)
    for plane in mask:
        row, column = random.uniform(16, 48, 2)
        plane[(y - row) ** 2 + (x - column) ** 2 < 150] = 1
    noise = random.normal(0, 1, mask.shape)
    scan = Scan.from_array(np.where(mask, 2.5 * noise, 0.5 * noise).astype(np.float32))
    paint = np.zeros_like(mask)
    paint[0] = np.where(mask[0], 1, BACKGROUND)
    return scan, mask, paint


def config(steps, *, filters):
    return TrainConfig(
        network=NetworkConfig(width=4, depth=2, filters=filters),
        steps=steps,
        time_limit=600,
        device=Device.CPU,
        precision=Precision.FP32,
        threads=1,
        validation=0.0,
    )


def test_it_is_of_use_after_a_few_steps():
    scan, mask, paint = phantom()
    dice = {}
    for filters in (False, True):
        model = train(scan, paint, config(3, filters=filters))
        dice[filters] = mean_dice(predict(model, scan).labels[1:], mask[1:])
    assert dice[True] > 0.8 > 0.6 > dice[False]


def test_the_same_seed_gives_the_same():
    scan, _, paint = phantom()
    one, other = (train(scan, paint, config(2, filters=True)).weights for _ in range(2))
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_new_class_is_added_to_what_it_knows():
    scan, _, paint = phantom()
    model = train(scan, paint, config(2, filters=True))
    other = np.zeros_like(paint)
    other[1, :8, :8] = 2
    grown = train(scan, other, config(2, filters=True), start=Start(model))
    assert grown.weights["pixels.head.weight"].shape[0] == 3
    np.testing.assert_array_equal(grown.weights["pixels.centre"], model.weights["pixels.centre"])


@pytest.mark.parametrize("dimensions", [2, 3])
def test_each_slice_is_filtered_by_itself(dimensions):
    x = torch.randn(2, 1, *[3] * (dimensions - 2), 32, 48)
    found = filtered(x)
    assert found.shape == (2, 24, *x.shape[2:])
    torch.testing.assert_close(found[:, 0], x[:, 0])
    if dimensions == 3:
        torch.testing.assert_close(found[:, :, 1], filtered(x[:, :, 1]))


def test_filters_measure_what_they_say():
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    of_ramp = filtered((3 * x + 4 * y)[None, None])[0, :, 16, 16]
    np.testing.assert_allclose(of_ramp[1::4][:2], 5, rtol=1e-4)  # at full resolution
    np.testing.assert_allclose(of_ramp[5 + 4 :: 4][:1], 10, rtol=1e-4)  # between voxels of twice the size
    of_ridge = filtered((-((x - 16) ** 2))[None, None])[0, :4, 16, 16]
    np.testing.assert_allclose(of_ridge, [0, 0, 0, -2], atol=1e-4)


def test_painted_voxels_and_those_a_teacher_tells_of_are_kept_apart():
    targets = torch.tensor([[[0, 1, IGNORE, IGNORE]]], dtype=torch.uint8)
    opinion = torch.tensor([[0.9, 0.1], [0.1, 0.9], [0.2, 0.8], [0.0, 0.0]]).T.reshape(1, 2, 1, 4)
    features = torch.arange(4.0).reshape(1, 1, 1, 4)
    random = torch.Generator().manual_seed(0)
    painted, told = result_of(lessons(iter([(features, targets, opinion)]), 2, random))
    assert sorted(painted.features.flatten().tolist()) == [0, 1]
    assert told.features.flatten().tolist() == [2]
    np.testing.assert_allclose(told.likely, [[0.2, 0.8]])
    (alone,) = result_of(lessons(iter([(features, targets, opinion[:, :0])]), 2, random))
    assert alone.weight > painted.weight


def test_a_rare_class_is_seen_more_often_and_that_is_made_up_for():
    random = torch.Generator().manual_seed(0)
    rare = torch.rand(20_000, generator=random) < 0.01
    lesson = Lesson(torch.zeros(20_000, 24), torch.stack([~rare, rare], 1).float(), 1.0)
    (_, likely) = next(lesson.batches(1, 5000, random))
    assert 0.07 < likely[:, 1].mean() < 0.12
    torch.manual_seed(0)
    pixels = PixelClassifier(2, 1, 2)
    bias = result_of(teach(pixels, [lesson], Patience(config(1, filters=True)), random))
    logits = (pixels.judged(torch.zeros(1, 24, 1, 1)).flatten() + bias).detach()
    assert logits[0] > logits[1]


def test_it_ends_when_its_time_is_over(monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr(first_look, "perf_counter", lambda: next(clock))
    limited = Patience(TrainConfig(time_limit=20.0))  # of which it may take 4 s
    assert [limited.over() for _ in range(6)] == [False] * 4 + [True] * 2
    assert not Patience(TrainConfig(time_limit=20.0, steps=5)).over()
