"""Models compared on what is known of scans: only known voxels count, and only slices that something is known of."""

import numpy as np
import pytest

from napari_unet.annotation import BACKGROUND
from napari_unet.events import Progress, SlicesDone
from napari_unet.inference.scoring import MOST_SLICES, Known, score_job
from napari_unet.review.corrections import mean_dice


def painted(labels, slices):
    paint = np.zeros_like(labels)
    paint[slices] = np.where(labels[slices] == 0, BACKGROUND, labels[slices])
    return paint


def test_models_are_compared_on_known_voxels_only(phantom, config, drain):
    one, other, scan = phantom.model(), phantom.model(residual=True), phantom.scan(5, 32, 32)
    by_one, by_other = (phantom.labels(model, phantom.reference(model, scan)) for model in (one, other))
    whole, half = painted(by_one, [1, 3]), painted(by_one, [2])
    half[:, :16] = 0
    scores, events = drain(score_job([one, other], [Known(scan, whole), Known(scan, half)], config))
    assert [list(dice) for dice in scores] == [[1, 3], [2]]
    for dice, rows in zip(scores, (slice(None), slice(16, None)), strict=True):
        for z, (mine, others) in dice.items():
            assert mine == 1
            assert others == pytest.approx(mean_dice(by_other[z][rows], by_one[z][rows]))
    progress = [event.fraction for event in events if isinstance(event, Progress)]
    assert progress == sorted(progress)
    assert progress[-1] == 1


def test_of_many_slices_a_few_are_looked_at(phantom, config, drain):
    model, scan = phantom.model(), phantom.scan(3 * MOST_SLICES, 16, 16)
    paint = np.full(scan.grid, BACKGROUND, np.uint8)
    (dice,), events = drain(score_job([model], [Known(scan, paint)], config))
    assert len(dice) == MOST_SLICES
    assert {min(dice), max(dice)} == {0, 3 * MOST_SLICES - 1}
    assert sum(len(event.slices) for event in events if isinstance(event, SlicesDone)) == MOST_SLICES
    assert drain(score_job([model], [], config))[0] == []
