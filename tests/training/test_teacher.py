"""Where paint is sparse, a forest tells what it makes of the rest, and the network learns from both."""

import numpy as np
import pytest
import torch

from napari_unet.annotation import BACKGROUND, IGNORE
from napari_unet.config import AugmentConfig, Device, Flip, NetworkConfig, Precision, TrainConfig
from napari_unet.events import Note
from napari_unet.inference import predict
from napari_unet.runner import run_here
from napari_unet.scan import Scan
from napari_unet.training import holdout, teacher, train, train_job
from napari_unet.training.augmentation import varied
from napari_unet.training.material import gather
from napari_unet.training.sampling import PatchSize, Sampler
from napari_unet.training.teacher import disagreement, taught


def phantom(side=48):
    """A scan of noise with a bright disc (1) and a dark one (2) on each slice, its mask, and a few strokes."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    mask = np.zeros((6, side, side), np.uint8)
    for z in range(6):
        for label in (1, 2):
            centre = random.uniform(8, side - 8, 2)
            mask[z][(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < 40] = label
    scan = Scan.from_array(
        (np.array([0, 200, -200])[mask] + random.normal(0, 40, mask.shape)).astype(np.float32), name="Jane"
    )
    paint = np.zeros_like(mask)
    for z in (0, 3):
        for label in np.unique(mask[z]):
            where = np.argwhere(mask[z] == label)
            for row, column in where[random.permutation(len(where))[:12]]:
                paint[z, row, column] = label or BACKGROUND
    return scan, mask, paint


def config(**changes):
    given = {
        "network": NetworkConfig(width=8, depth=2),
        "steps": 100,
        "time_limit": 600,
        "learning_rate": 8e-3,
        "device": Device.CPU,
        "precision": Precision.FP32,
        "threads": 1,
        "validation": 0.0,
    }
    return TrainConfig(**given | changes)


def material_of(scan, paint, **changes):
    given = config(**changes)
    material = gather([scan], [paint], given, (), torch.device("cpu"))
    return material, taught([scan], material, given)


def test_it_tells_of_painted_slices_and_of_the_others():
    scan, mask, paint = phantom()
    before, after = material_of(scan, paint)
    assert [source.taught for source in after.learned] == [3] * 8
    assert [source.guessed for source in after.learned] == [False] * 2 + [True] * 6
    for number, source in enumerate(after.learned[2:]):
        told = source.image[1:, 0].numpy()
        assert told.sum(0) == pytest.approx(1, abs=1e-5)
        assert (told.argmax(0) == mask[number]).mean() > 0.9
    assert torch.equal(after.learned[0].image[:1], before.learned[0].image)
    assert after.held_out == before.held_out
    assert "on 6 evenly spaced slices" in after.notes[-1]


def test_a_model_that_goes_on_knows_more_than_a_forest():
    scan, _, paint = phantom()
    given = config()
    material = gather([scan], [paint], given, (), torch.device("cpu"))
    assert taught([scan], material, given, begins=False) is material


@pytest.mark.parametrize("why", ["all is painted", "nobody asks", "one row"])
def test_it_keeps_quiet(why):
    scan, mask, paint = phantom()
    if why == "all is painted":
        paint = np.where(mask == 0, BACKGROUND, mask).astype(np.uint8)
    if why == "one row":
        scan, paint = Scan.from_array(scan.array[0, :, :1]), paint[:, :1]
        paint[0, 0, :3] = (1, 2, BACKGROUND)
    before, after = material_of(scan, paint, teacher=0.0 if why == "nobody asks" else 1.0)
    assert after is before


def test_few_slices_are_asked_about_in_little_time(monkeypatch):
    scan, _, paint = phantom()
    monkeypatch.setattr(teacher, "SECONDS_A_VOXEL", teacher.SHARE * 600 / (4.5 * 48 * 48))  # time for four slices
    _, after = material_of(scan, paint)
    assert len(after.learned) == 4


def test_patches_turn_image_and_opinion_together():
    scan, _, paint = phantom()
    _, after = material_of(scan, paint)
    sampler = Sampler(after.learned, 3, np.random.default_rng(0))
    size = PatchSize(1, 32, 32)
    augment = AugmentConfig(rotation=180, flip=Flip.ALL, gamma=0, brightness=1, contrast=0, noise=0)
    windows = sampler.cut(sampler.draw(8, size), size)
    images, _ = varied(windows, size.shape, augment, torch.Generator().manual_seed(0))
    opinion = images[:, 1:]
    assert opinion.min() >= 0
    assert opinion.max() <= 1
    bright = torch.stack([(image - image.median()) for image in images[:, 0]])
    assert float(bright[opinion[:, 1] > 0.8].mean()) > 1
    assert float(bright[opinion[:, 2] > 0.8].mean()) < -1


def test_slices_nobody_painted_on_are_half_of_what_is_seen():
    scan, _, paint = phantom()
    _, after = material_of(scan, paint)
    sampler = Sampler(after.learned, 3, np.random.default_rng(0))
    drawn = [place[0] for _ in range(200) for place in sampler.draw(1, PatchSize(1, 32, 32))]
    assert 70 < sum(number >= 2 for number in drawn) < 130


def test_only_unknown_voxels_with_an_opinion_count():
    logits = torch.zeros(1, 2, 1, 1, 3, requires_grad=True)
    opinion = torch.tensor([[1.0, 0.25, 0.0], [0.0, 0.75, 0.0]])[None, :, None, None]
    targets = torch.tensor([[[[0, IGNORE, IGNORE]]]], dtype=torch.uint8)
    loss = disagreement(logits, opinion, targets)
    assert float(loss.detach()) == pytest.approx(np.log(2))
    loss.backward()
    assert logits.grad[0, :, 0, 0].tolist() == [[0, pytest.approx(0.25), 0], [0, pytest.approx(-0.25), 0]]
    assert float(disagreement(logits.detach(), 0 * opinion, targets)) == 0


def test_a_network_learns_from_both():
    scan, mask, paint = phantom()
    events = []
    model = run_here(train_job([scan], [paint], config()), events.append)
    found = predict(model, scan).labels
    for label in (1, 2):
        both = ((found == label) & (mask == label)).sum()
        assert 2 * both / ((found == label).sum() + (mask == label).sum()) > 0.7
    assert any(isinstance(event, Note) and "random forest" in event.text for event in events)


def test_a_volume_is_taught_slice_by_slice():
    scan, _, paint = phantom()
    network = NetworkConfig(width=4, depth=2, dimensions=3)
    _, after = material_of(scan, paint, network=network)
    (source,) = after.learned
    assert source.image.shape == (4, 6, 48, 48)
    model = train(scan, paint, config(network=network, steps=3, patch_depth=4))
    assert all(np.isfinite(value).all() for value in model.weights.values())


def test_sparse_paint_that_is_enough_to_hold_some_of_it_out(monkeypatch):
    monkeypatch.setattr(holdout, "FEWEST", 1)
    scan, mask, _ = phantom(side=96)
    paint = np.zeros_like(mask)
    paint[:, :, :20] = np.where(mask[:, :, :20], mask[:, :, :20], BACKGROUND)
    model = train(scan, paint, config(steps=2, validation=0.3))
    assert model.description.learned_from.validation_dice is not None
    assert len(model.description.darkest) == 1
