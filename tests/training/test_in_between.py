"""Painted slices tell of those between them, as far as they can."""

import numpy as np
import pytest
import torch

from napari_unet.annotation import BACKGROUND, IGNORE
from napari_unet.config import NetworkConfig, TrainConfig
from napari_unet.events import Note
from napari_unet.runner import run_here
from napari_unet.scan import Scan
from napari_unet.training import Start, teacher, train_job
from napari_unet.training.in_between import Between, Gap, agreement, gaps_of, keys_of
from napari_unet.training.material import gather
from napari_unet.training.teacher import taught

SIDE = 40
SPACING = (1.0, 1.0)


def disc(radius, centre=(20, 20)):
    y, x = np.mgrid[:SIDE, :SIDE]
    return ((y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2).astype(np.uint8)


def vessel(painted, jump=0, depth=17):
    """A tube that widens from slice to slice, each ``jump`` voxels away from the one before, and its paint."""
    random = np.random.default_rng(0)
    mask = np.stack([disc(6 + z / 3, 20 + jump * random.uniform(-1, 1, 2)) for z in range(depth)])
    scan = Scan.from_array((200 * mask + random.normal(0, 20, mask.shape)).astype(np.float32), name="tube")
    paint = np.zeros_like(mask)
    paint[painted] = np.where(mask[painted], 1, BACKGROUND)
    return scan, mask, paint


def material_of(scan, paint, **choices):
    config = TrainConfig(patch=SIDE, **{"validation": 0.0, **choices})
    return gather([scan], [paint], config, (), torch.device("cpu")), config


def test_a_shape_goes_over_into_another_and_is_least_sure_halfway():
    between = Between(disc(6), disc(12), 2, SPACING)
    first, halfway, last = (between.likely(way) for way in (0.0, 0.5, 1.0))
    np.testing.assert_array_equal(first.argmax(0), disc(6))
    np.testing.assert_array_equal(last.argmax(0), disc(12))
    assert np.abs(halfway.argmax(0) - disc(9).astype(int)).sum() < 20
    np.testing.assert_allclose(halfway.sum(0), 1, atol=1e-5)
    assert halfway[1, 20, 20] > 0.95
    assert 0.5 < halfway[1, 20, 28] < first[0, 20, 28]


def test_what_ends_between_two_slices_shrinks():
    between = Between(disc(10), disc(0, (-9, -9)), 2, SPACING)
    areas = [between.likely(way).argmax(0).sum() for way in (0.0, 0.25, 0.45, 0.9)]
    assert areas == sorted(areas, reverse=True)
    assert areas[0] > areas[1] > areas[2] > areas[3] == 0


def test_of_what_was_held_out_nothing_is_told():
    first = disc(8)
    first[:10] = IGNORE
    told = Between(first, disc(8), 2, SPACING).likely(0.5)
    assert not told[:, :10].any()
    np.testing.assert_allclose(told[:, 10:].sum(0), 1, atol=1e-5)


def test_keys_are_slices_painted_whole_and_gaps_lie_between_them():
    targets = np.full((8, 4, 4), IGNORE, np.uint8)
    targets[[1, 5, 6]] = 0
    targets[3, 0, 0] = 1  # a stroke: known, but not whole
    assert keys_of(targets, slice(0, 8)) == [1, 5, 6]
    assert keys_of(targets, slice(2, 6)) == [5]
    assert gaps_of(targets, [1, 5, 6]) == [Gap(1, (2, 4), 5)]
    assert Gap(1, (2, 4), 5).way(2) == 0.25


@pytest.mark.parametrize(("jump", "reliable"), [(0, True), (16, False)])
def test_they_are_asked_only_where_they_can_tell_one_another(jump, reliable):
    scan, mask, paint = vessel(slice(0, None, 4), jump)
    material, config = material_of(scan, paint)
    right, of = sum(agreement(material.known[0], (z - 4, z, z + 4), 2, SPACING)[:, 1] for z in (4, 8, 12))
    assert bool(right / of > 0.7) is reliable
    told = taught([scan], material, config)
    if not reliable:
        assert told is material
        return
    guessed = [source for source in told.learned if source.guessed]
    assert len(guessed) == 12
    assert "12 slices" in told.notes[-1]
    likely = guessed[4].image[1:, 0]  # behind the intensities: on slice 6, after 1, 2, 3 and 5
    assert (likely.argmax(0).numpy() != mask[6]).mean() < 0.02
    assert all(source.taught == 2 and not source.image[1:].any() for source in told.learned if not source.guessed)


@pytest.mark.parametrize(
    "choices",
    [{"teacher": 0.0}, {"network": NetworkConfig(dimensions=3, depth=1)}],
    ids=["nobody is asked", "blocks show their neighbours"],
)
def test_they_are_not_asked_where_it_is_not_wanted(choices):
    scan, _, paint = vessel(slice(0, None, 4))
    material, config = material_of(scan, paint, **choices)
    assert taught([scan], material, config) is material


def test_of_many_slices_some_are_told():
    scan, _, paint = vessel(slice(0, None, 4))
    material, config = material_of(scan, paint, time_limit=1.0)
    few = config.model_copy(
        update={"time_limit": 5 * SIDE * SIDE * teacher.SECONDS_A_VOXEL_AND_CLASS * 2 / teacher.SHARE}
    )
    assert sum(source.guessed for source in taught([scan], material, few).learned) == 5


def test_two_painted_slices_cannot_be_tried():
    scan, _, paint = vessel([2, 12])
    material, config = material_of(scan, paint)
    assert taught([scan], material, config) is material


def test_a_model_that_goes_on_is_told_too():
    scan, _, paint = vessel(slice(0, None, 4))
    config = TrainConfig(network=NetworkConfig(width=2, depth=1), patch=SIDE, steps=2, threads=1, validation=0.0)
    first, again = [], []
    model = run_here(train_job([scan], [paint], config), first.append)
    run_here(train_job([scan], [paint], config, start=Start(model)), again.append)
    for events in (first, again):
        assert any("Painted slices tell" in event.text for event in events if isinstance(event, Note))
