"""What is suggested, on phantoms where it is known what helps."""

import numpy as np
import pytest

from napari_unet.annotation import BACKGROUND
from napari_unet.config import DenseCRF, Grow, RefineConfig, RemoveSmall
from napari_unet.errors import BadInput, NothingPainted
from napari_unet.events import Progress, Stop, result_of
from napari_unet.refinement import advice, refine, suggest, suggest_job
from napari_unet.refinement.suggestions import MOST_SLICES

SPACING = (3.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def balls():
    """A scan of two bright balls: (scan, truth, a ragged mask, paint on three slices)."""
    random = np.random.default_rng(0)
    z, y, x = np.ogrid[:10, :40, :64]
    truth = np.zeros((10, 40, 64), np.uint8)
    truth[(3 * (z - 5)) ** 2 + (y - 20) ** 2 + (x - 18) ** 2 < 130] = 1
    truth[(3 * (z - 5)) ** 2 + (y - 20) ** 2 + (x - 45) ** 2 < 130] = 2
    scan = np.choose(truth, (100.0, 400.0, 700.0)) + random.normal(0, 30, truth.shape)
    ragged = truth.copy()
    ragged[(truth > 0) & (random.random(truth.shape) < 0.25)] = 0
    paint = np.zeros_like(truth)
    paint[[3, 5, 7]] = np.where(truth[[3, 5, 7]] == 0, BACKGROUND, truth[[3, 5, 7]])
    return scan, truth, ragged, paint


def test_what_is_suggested_gains_elsewhere_too(balls):
    scan, truth, ragged, paint = balls
    best, *others = suggest(ragged, paint, spacing=SPACING, intensities=scan)
    assert best.helps
    assert isinstance(best.config.steps[0], DenseCRF)
    assert best.gain >= max(one.gain for one in others) - best.error
    assert advice([best, *others]) == f"{best.sentence()}."
    refined = refine(ragged, best.config, spacing=SPACING, intensities=scan).labels
    unpainted = [4, 6]
    assert (refined[unpainted] == truth[unpainted]).mean() > (ragged[unpainted] == truth[unpainted]).mean() + 0.02


def test_a_mask_that_is_right_is_best_as_it_is(balls):
    scan, truth, _, paint = balls
    tried = suggest(truth, paint, spacing=SPACING, intensities=scan)
    assert not any(one.helps for one in tried)
    assert "best as it is" in advice(tried)


def test_specks_are_removed_without_a_scan(balls):
    _, truth, _, paint = balls
    speckled = truth.copy()
    for y, x in ((2, 2), (2, 55), (34, 30)):
        speckled[3::2, y : y + 4, x : x + 4] = 1
    tried = suggest(speckled, paint, spacing=SPACING)
    assert isinstance(tried[0].config.steps[0], RemoveSmall)
    assert tried[0].helps
    assert not any(isinstance(step, DenseCRF) for one in tried for step in one.config.steps)


def test_dice_is_that_of_the_painted_voxels(balls):
    _, truth, ragged, paint = balls
    config = RefineConfig(steps=(Grow(radius=1.2),))
    (tried,) = result_of(suggest_job(ragged, paint, spacing=SPACING, candidates=[config]))
    grown = refine(ragged, config, spacing=SPACING).labels

    def dice(mask):
        known = paint > 0
        return np.mean([2 * (mask & t & known).sum() / ((mask & known).sum() + (t & known).sum())
                        for mask, t in ((mask == label, truth == label) for label in (1, 2))])  # fmt: skip

    assert tried.before == pytest.approx(dice(ragged))
    assert tried.after == pytest.approx(dice(grown))


def test_unpainted_voxels_count_for_nothing(balls):
    scan, _, ragged, paint = balls
    strokes = paint.copy()
    strokes[:, ::3] = 0
    spoiled = np.where(strokes > 0, ragged, 1).astype(np.uint8)
    config = RefineConfig(steps=())
    for mask in (ragged, spoiled):
        (tried,) = result_of(suggest_job(mask, strokes, candidates=[config], intensities=scan[None]))
        assert tried.gain == 0
        assert tried.before == pytest.approx(result_of(suggest_job(ragged, strokes, candidates=[config]))[0].before)


def test_many_painted_slices_are_looked_at_evenly():
    depth = 3 * MOST_SLICES
    mask = np.zeros((depth, 12, 12), np.uint8)
    mask[:, 3:9, 3:9] = 1
    paint = np.where(mask == 0, BACKGROUND, mask).astype(np.uint8)
    speckled = mask.copy()
    speckled[:, 0, 0] = 1
    (tried,) = result_of(
        suggest_job(speckled, paint, candidates=[RefineConfig(steps=(RemoveSmall(volume=0, voxels=60),))])
    )
    assert tried.after == 1
    assert tried.error == pytest.approx(0, abs=1e-9)


def test_it_tells_how_far_it_is_and_stops_when_told_to(balls):
    scan, _, ragged, paint = balls
    events = list(suggest_job(ragged, paint, spacing=SPACING, intensities=scan[None]))
    fractions = [event.fraction for event in events if isinstance(event, Progress)]
    assert fractions == sorted(fractions)
    assert fractions[-1] > 0.95
    job = suggest_job(ragged, paint, spacing=SPACING, intensities=scan[None])
    for event in job:
        if isinstance(event, Progress) and event.text.startswith("3 of"):
            break
    with pytest.raises(StopIteration) as ended:
        job.send(Stop())
    assert len(ended.value.value) == 2


def test_it_says_what_it_needs(balls):
    scan, _, ragged, paint = balls
    with pytest.raises(NothingPainted, match="No class is painted"):
        suggest(ragged, np.where(paint == BACKGROUND, paint, 0))
    with pytest.raises(BadInput, match="the paint is"):
        suggest(ragged, paint[:3])
    with pytest.raises(BadInput, match="the scan is"):
        suggest(ragged, paint, intensities=scan[1:])
