"""The dense CRF as a step: what it starts from, what it leaves alone, and how it is cut and previewed."""

import subprocess
import sys

import numpy as np
import pytest

from napari_unet.config import DenseCRF, FillHoles, Grow, RefineConfig
from napari_unet.errors import BadInput
from napari_unet.events import Progress, result_of
from napari_unet.normalisation import measure
from napari_unet.refinement import Probabilities, edges, refine, refine_job
from napari_unet.scan import Scan

SPACING = (3.0, 1.0, 1.0)
IDLE = DenseCRF(appearance_weight=0, smoothness_weight=0)
"""A CRF in which voxels do not speak to one another: what comes out is what it started from."""


@pytest.fixture(scope="module")
def phantom():
    """Two bright balls in noise: (scan, truth, a ragged mask of them)."""
    random = np.random.default_rng(0)
    z, y, x = np.ogrid[:10, :40, :64]
    truth = np.zeros((10, 40, 64), np.uint8)
    truth[(3 * (z - 5)) ** 2 + (y - 20) ** 2 + (x - 18) ** 2 < 130] = 1
    truth[(3 * (z - 5)) ** 2 + (y - 20) ** 2 + (x - 45) ** 2 < 130] = 2
    scan = np.choose(truth, (100.0, 400.0, 700.0)) + random.normal(0, 30, truth.shape)
    ragged = truth.copy()
    for label in (1, 2):
        near = (truth == label) | (np.roll(truth, 2, 2) == label) | (np.roll(truth, -2, 1) == label)
        ragged[near & (random.random(truth.shape) < 0.35)] = label
        ragged[(truth == label) & (random.random(truth.shape) < 0.25)] = 0
    return scan, truth, ragged


def dice(mask, truth, label):
    return 2 * ((mask == label) & (truth == label)).sum() / ((mask == label).sum() + (truth == label).sum())


def probabilities_of(mask, sure=0.9):
    array = np.full((3, *mask.shape), (1 - sure) / 2, np.float16)
    np.put_along_axis(array, mask[None].astype(np.intp), np.float16(sure), 0)
    return Probabilities(array, (0, 1, 2))


def with_step(step, mask, scan, **known):
    return refine(mask, RefineConfig(steps=(step,)), spacing=SPACING, intensities=scan, **known).labels


@pytest.mark.parametrize("by_slice", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_edges_go_to_where_the_scan_changes(phantom, by_slice, known):
    scan, truth, ragged = phantom
    step = DenseCRF(appearance_weight=10, by_slice=by_slice)
    refined = with_step(step, ragged, scan, probabilities=probabilities_of(ragged) if known else None)
    for label in (1, 2):
        assert dice(ragged, truth, label) < 0.85
        assert dice(refined, truth, label) > 0.97


def test_it_does_not_matter_how_bright_a_scan_is(phantom):
    scan, _, ragged = phantom
    expected = with_step(DenseCRF(), ragged, scan)
    np.testing.assert_array_equal(with_step(DenseCRF(), ragged, 1e4 * scan - 5e6), expected)
    outlier = scan.copy()
    outlier[0, 0, 0] = 1e6
    assert (with_step(DenseCRF(), ragged, outlier) == expected).mean() > 0.999


def test_a_grey_scan_in_colours_is_a_grey_scan(phantom):
    scan, _, ragged = phantom
    config = RefineConfig(steps=(DenseCRF(),))
    colours = np.stack([scan, scan, scan, np.full_like(scan, 255)])  # and opaque
    np.testing.assert_array_equal(
        refine(ragged, config, spacing=SPACING, intensities=colours).labels, with_step(DenseCRF(), ragged, scan)
    )


def test_several_channels_are_looked_at_together(phantom):
    scan, truth, ragged = phantom
    step = DenseCRF(appearance_weight=10, intensity_width=0.1)
    apart = np.stack([np.where(truth == 1, scan, 100.0), np.where(truth == 2, scan, 100.0)])
    apart += np.random.default_rng(1).normal(0, 20, apart.shape)
    refined = with_step(step, ragged, apart)
    assert all(dice(refined, truth, label) > 0.97 for label in (1, 2))


def test_a_voxel_that_was_changed_after_the_prediction_is_what_it_was_made(phantom):
    scan, truth, ragged = phantom
    said = probabilities_of(truth)
    np.testing.assert_array_equal(with_step(IDLE, ragged, scan, probabilities=said), ragged)
    grown = refine(truth, RefineConfig(steps=(Grow(radius=2),)), spacing=SPACING).labels
    both = refine(
        truth, RefineConfig(steps=(Grow(radius=2), IDLE)), spacing=SPACING, intensities=scan, probabilities=said
    )
    np.testing.assert_array_equal(both.labels, grown)


def test_what_the_network_doubts_changes_before_what_it_is_sure_of():
    mask = np.zeros((1, 9, 9), np.uint8)
    mask[0, 2, 2] = mask[0, 6, 6] = 1
    array = np.zeros((2, 1, 9, 9), np.float16)
    array[1] = 0.01
    array[1, 0, 2, 2], array[1, 0, 6, 6] = 0.51, 0.9999
    array[0] = 1 - array[1]
    flat = np.arange(81.0).reshape(1, 9, 9) % 2
    step = DenseCRF(appearance_weight=0, smoothness_weight=4)
    refined = with_step(step, mask, flat, probabilities=Probabilities(array, (0, 1)))
    np.testing.assert_array_equal(np.argwhere(refined), [[0, 6, 6]])


def test_slices_that_were_not_predicted_count_by_their_mask(phantom):
    scan, _, ragged = phantom
    nothing = Probabilities(np.zeros((3, *ragged.shape), np.float16), (0, 1, 2))
    np.testing.assert_array_equal(
        with_step(DenseCRF(), ragged, scan, probabilities=nothing), with_step(DenseCRF(), ragged, scan)
    )


@pytest.mark.parametrize("by_slice", [True, False])
def test_protected_voxels_stay_and_tell_the_others(phantom, by_slice):
    scan, truth, _ = phantom
    mask, protected = truth.copy(), np.zeros(truth.shape, np.bool_)
    mask[:, :, :20] = 0  # half a ball is missing
    protected[:, :, :18] = True  # which somebody wants so
    step = DenseCRF(appearance_weight=10, confidence=0.6, by_slice=by_slice)
    free = with_step(step, mask, scan)
    kept = with_step(step, mask, scan, protected=protected)
    np.testing.assert_array_equal(kept[protected], mask[protected])
    assert (kept[~protected] == 1).sum() < (free[~protected] == 1).sum() - 100


def test_classes_that_are_not_named_keep_their_voxels(phantom):
    scan, truth, ragged = phantom
    refined = with_step(DenseCRF(classes=(1,), appearance_weight=10), ragged, scan)
    np.testing.assert_array_equal(refined == 2, ragged == 2)
    assert dice(refined, truth, 1) > 0.97


def test_a_class_spreads_only_over_slices_it_is_on(phantom):
    scan, truth, ragged = phantom
    mask = np.where(np.arange(10)[:, None, None] == 5, ragged, 0).astype(np.uint8)
    refined = with_step(DenseCRF(), mask, scan, probabilities=probabilities_of(truth, 0.55))
    np.testing.assert_array_equal(np.flatnonzero(refined.any((1, 2))), [5])


@pytest.mark.parametrize("by_slice", [True, False])
def test_in_blocks_it_comes_out_as_in_one(phantom, by_slice, monkeypatch):
    scan, _, ragged = phantom
    step = DenseCRF(appearance_width=2.0, by_slice=by_slice)
    whole = with_step(step, ragged, scan)
    monkeypatch.setattr(edges, "BLOCK_OF_SLICE", 6)
    monkeypatch.setattr(edges, "BLOCK_OF_VOLUME", 6)
    blocks = with_step(step, ragged, scan)
    assert (whole == blocks).mean() > 0.999
    assert (whole != ragged).any()


@pytest.mark.parametrize(("by_slice", "least"), [(True, 1.0), (False, 0.99)])
def test_a_preview_shows_what_the_whole_will_be(phantom, by_slice, least):
    scan, _, ragged = phantom
    config = RefineConfig(steps=(FillHoles(), DenseCRF(appearance_width=2.0, by_slice=by_slice)))
    known = {"spacing": SPACING, "intensities": scan[None], "probabilities": probabilities_of(ragged)}
    whole = result_of(refine_job(ragged, config, **known)).labels
    preview = result_of(refine_job(ragged, config, slices=[4], **known)).labels
    assert (preview[4] == whole[4]).mean() >= least
    np.testing.assert_array_equal(np.delete(preview, 4, 0), np.delete(ragged, 4, 0))


def test_a_part_of_the_scan_is_refined_by_the_range_of_the_whole(phantom):
    scan, _, ragged = phantom
    config = RefineConfig(steps=(DenseCRF(),))
    part, wide = slice(0, 3), np.concatenate([scan, 9 * scan])  # most of it is much brighter
    whole = refine(np.concatenate([ragged, ragged]), config, spacing=SPACING, intensities=wide).labels
    known = {"spacing": SPACING, "intensities": wide[None, part]}
    measured = measure(Scan(wide[None]))
    alone = result_of(refine_job(ragged[part], config, measured=measured, **known)).labels
    np.testing.assert_array_equal(alone, whole[part])


def test_it_tells_how_far_it_is_within_the_step(phantom):
    scan, _, ragged = phantom
    config = RefineConfig(steps=(DenseCRF(),))
    events = [e for e in refine_job(ragged, config, spacing=SPACING, intensities=scan[None]) if isinstance(e, Progress)]
    texts = [event.text for event in events]
    assert "step 1 of 1: dense CRF, slice 5 of 10" in texts
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions)
    assert len(events) > 20


def test_cancelled_it_leaves_the_mask_as_it_was(phantom):
    scan, _, ragged = phantom
    before, out = ragged.copy(), np.empty_like(ragged)
    job = refine_job(ragged, RefineConfig(steps=(DenseCRF(),)), intensities=scan[None], out=out)
    for event in job:
        if isinstance(event, Progress) and event.fraction > 0.5:
            break
    job.close()
    np.testing.assert_array_equal(ragged, before)
    np.testing.assert_array_equal(out, before)


def test_without_a_scan_it_says_so():
    with pytest.raises(BadInput, match=r"dense CRF.*--scan SCAN"):
        refine(np.ones((4, 4), np.uint8), RefineConfig(steps=(DenseCRF(),)))


def test_a_mask_without_classes_stays_empty(phantom):
    scan, truth, _ = phantom
    empty = np.zeros_like(truth)
    assert not with_step(DenseCRF(), empty, scan, probabilities=probabilities_of(truth)).any()


def test_numba_loads_with_the_first_crf_only():
    program = """
import sys
import numpy as np
import napari_unet.cli
from napari_unet.config import DenseCRF, RefineConfig
from napari_unet.refinement import refine
mask = np.ones((4, 4), np.uint8)
refine(mask)
if "numba" in sys.modules:
    sys.exit("numba was loaded without need")
refine(mask, RefineConfig(steps=(DenseCRF(),)), intensities=np.arange(16.0).reshape(4, 4))
sys.exit(0 if "numba" in sys.modules else "nothing was loaded")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
