"""The steps together: previews, protected voxels, series of volumes, stopping and cancelling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_unet.config import (
    Closing,
    FillHoles,
    Grow,
    KeepLargest,
    KeepTouching,
    Opening,
    RefineConfig,
    RemoveSmall,
    Shrink,
    Smooth,
    Split,
    WithinIntensities,
    WithinRegion,
)
from napari_unet.errors import BadInput
from napari_unet.events import Note, Progress, SlicesDone, Started, Stop, result_of
from napari_unet.refinement import Probabilities, refine, refine_job
from napari_unet.scan import Geometry

SPACING = (2.5, 0.8, 1.1)

masks = arrays(np.uint8, (12, 6, 7), elements=st.sampled_from([0, 0, 0, 1, 1, 2, 3]))
steps = st.lists(
    st.one_of(
        st.builds(Opening, radius=st.sampled_from([0.9, 2.6])),
        st.builds(Closing, radius=st.sampled_from([0.9, 2.6]), classes=st.sampled_from([(), (1,), (2, 3)])),
        st.builds(FillHoles, by_slice=st.booleans()),
        st.builds(RemoveSmall, volume=st.sampled_from([0.0, 0.01, 0.05]), voxels=st.integers(0, 8)),
        st.builds(KeepLargest, pieces=st.integers(1, 3), classes=st.sampled_from([(), (2,)])),
        st.builds(
            Smooth,
            sigma=st.sampled_from([0.5, 1.5]),
            classes=st.sampled_from([(), (1, 3)]),
            method=st.sampled_from(["together", "distance"]),
        ),
        st.builds(Grow, radius=st.sampled_from([0.9, 2.6]), classes=st.sampled_from([(), (1,)]), into=st.just((2,))),
        st.builds(Shrink, radius=st.sampled_from([0.9, 2.6]), from_neighbours=st.booleans()),
        st.builds(KeepTouching, points=st.just([(0, 1, 1), (3, 5, 6)]), reach=st.sampled_from([0.0, 2.0])),
        st.builds(Split, neck=st.sampled_from([0.0, 0.6]), by_slice=st.booleans(), number=st.booleans()),
        st.builds(WithinIntensities, lowest=st.just(0.0), channel=st.integers(0, 1), classes=st.just((1, 2))),
        st.builds(WithinRegion, margin=st.sampled_from([0.0, 2.6]), parts=st.sampled_from([(), (2,)])),
    ),
    max_size=4,
)


def evidence(mask):
    """Make a scan of two channels and another mask for a mask."""
    random = np.random.default_rng(0)
    return {
        "intensities": random.normal(0.5, 1.0, (2, *mask.shape)),
        "region": random.choice(np.array([0, 1, 2], np.uint8), mask.shape, p=[0.8, 0.1, 0.1]),
    }


@pytest.fixture
def speckled():
    """Two organs with holes, and specks around them, in 6 slices."""
    mask = np.zeros((6, 40, 40), np.uint8)
    mask[:, 4:20, 4:20] = 1
    mask[:, 22:36, 22:36] = 2
    mask[2, 10, 10] = mask[3, 30, 30] = 0
    mask[4, 2, 38] = 1
    mask[1, 38, 2] = 2
    return mask


def exact(some_steps):
    """Whether a few slices come out just as in the whole: objects are split in space by those near to the slice."""
    return not any(isinstance(step, Split) and not step.by_slice and not step.number for step in some_steps)


@given(masks, steps.filter(exact), st.lists(st.integers(0, 11), min_size=1, max_size=3))
@settings(max_examples=120, deadline=None)
def test_a_preview_shows_what_the_whole_will_be(mask, some_steps, wanted):
    config = RefineConfig(steps=tuple(some_steps))
    known = {"spacing": SPACING, "protected": mask == 3, **evidence(mask)}
    whole = result_of(refine_job(mask, config, **known)).labels
    preview = result_of(refine_job(mask, config, slices=wanted, **known)).labels
    np.testing.assert_array_equal(preview[wanted], whole[wanted])
    np.testing.assert_array_equal(np.delete(preview, wanted, 0), np.delete(mask, wanted, 0))


def test_the_preview_of_splitting_in_space_is_exact_for_objects_that_are_near():
    z, y, x = np.ogrid[:20, :16, :30]
    mask = np.zeros((20, 16, 30), np.uint8)
    for column in (9, 19):
        mask[(z - 10) ** 2 + (y - 8) ** 2 + (x - column) ** 2 <= 36] = 1
    config = RefineConfig(steps=(Split(neck=1.0),))
    whole = result_of(refine_job(mask, config)).labels
    assert (whole[10] != mask[10]).any()
    preview = result_of(refine_job(mask, config, slices=[10])).labels
    np.testing.assert_array_equal(preview[10], whole[10])


@given(masks, steps, st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_protected_voxels_never_change(mask, some_steps, seed):
    protected = np.random.default_rng(seed).random(mask.shape) < 0.3
    config = RefineConfig(steps=tuple(some_steps))
    refined = refine(mask, config, spacing=SPACING, protected=protected, **evidence(mask))
    np.testing.assert_array_equal(refined.labels[protected], mask[protected])


@given(
    masks,
    st.sampled_from(
        [
            KeepTouching(points=[(3, 2, 2)], reach=2.0),
            WithinIntensities(lowest=0.0),
            WithinRegion(margin=2.6),
            WithinRegion(parts=(2,), classes=(1,)),
        ]
    ),
)
@settings(max_examples=40, deadline=None)
def test_what_was_kept_is_kept_again(mask, step):
    config, known = RefineConfig(steps=(step,)), evidence(mask)
    once = refine(mask, config, spacing=SPACING, **known).labels
    np.testing.assert_array_equal(refine(once, config, spacing=SPACING, **known).labels, once)
    assert ((once == mask) | (once == 0)).all()


@given(masks, steps)
@settings(max_examples=60, deadline=None)
def test_nothing_crosses_from_one_volume_to_the_next(mask, some_steps):
    config = RefineConfig(steps=tuple(some_steps))
    known = evidence(mask)
    together = result_of(refine_job(mask, config, spacing=SPACING, depth=4, **known)).labels
    for part in (slice(0, 4), slice(4, 8), slice(8, 12)):
        of_part = {"intensities": known["intensities"][:, part], "region": known["region"][part]}
        apart = refine(mask[part], config, spacing=SPACING, **of_part).labels
        np.testing.assert_array_equal(together[part], apart)


def test_the_default_removes_specks_and_fills_holes(speckled):
    before = speckled.copy()
    refined = refine(speckled, spacing=(5.0, 1.0, 1.0))
    expected = np.zeros_like(speckled)
    expected[:, 4:20, 4:20] = 1
    expected[:, 22:36, 22:36] = 2
    np.testing.assert_array_equal(refined.labels, expected)
    np.testing.assert_array_equal(speckled, before)
    assert refined.added == {1: 1, 2: 1}
    assert refined.removed_ml == {1: 0.005, 2: 0.005}
    assert refined.changed == (1, 2)


def test_points_may_lie_in_the_patient():
    mask = np.zeros((4, 10, 10), np.uint8)
    mask[1, 2:4, 2:4] = mask[3, 6:8, 6:9] = 1
    # x to the left and y to the back both count down along the rows and columns
    affine = np.array([[-2.0, 0, 0, 50], [0, -1.0, 0, 30], [0, 0, 4.0, -100], [0, 0, 0, 1]])
    step = KeepTouching(points="34.2, 23.1, -88.5", points_in="mm")
    kept = refine(mask, RefineConfig(steps=(step,)), spacing=(4.0, 1.0, 2.0), geometry=Geometry(affine)).labels
    assert not kept[1].any()
    np.testing.assert_array_equal(kept[3], mask[3])
    in_voxels = KeepTouching(points=[(3, 7, 8)])
    np.testing.assert_array_equal(refine(mask, RefineConfig(steps=(in_voxels,))).labels, kept)


def test_a_flat_mask_has_a_flat_scan_and_region():
    mask = np.ones((5, 5), np.uint8)
    scan, region = np.arange(25.0).reshape(5, 5), np.eye(5, dtype=np.uint8)
    config = RefineConfig(steps=(WithinIntensities(lowest=5.0), WithinRegion()))
    kept = refine(mask, config, intensities=scan, region=region).labels
    np.testing.assert_array_equal(np.argwhere(kept), [[1, 1], [2, 2], [3, 3], [4, 4]])
    second = RefineConfig(steps=(WithinIntensities(lowest=5.0, channel=1),))
    np.testing.assert_array_equal(refine(mask, second, intensities=np.stack([-scan, scan])).labels, scan >= 5)


@pytest.mark.parametrize(
    ("step", "options", "message"),
    [
        (WithinIntensities(), {}, r"looks at the scan.*--scan SCAN"),
        (WithinIntensities(channel=1), {"intensities": np.zeros((1, 2, 4, 4))}, "channel 1.*0 to 0"),
        (WithinRegion(), {}, r"needs another mask.*--region MASK"),
        (KeepTouching(points_in="mm", points=[(1, 2, 3)]), {}, "does not say where it lies"),
        (KeepTouching(points=[(5, 2, 3)]), {}, r"point 5, 2, 3 .* outside the mask"),
    ],
)
def test_a_step_says_what_it_misses_unless_it_is_switched_off(step, options, message):
    mask = np.ones((2, 4, 4), np.uint8)
    with pytest.raises(BadInput, match=message):
        result_of(refine_job(mask, RefineConfig(steps=(step,)), **options))
    off = step.model_copy(update={"enabled": False})
    np.testing.assert_array_equal(refine(mask, RefineConfig(steps=(off,)), **options).labels, mask)


def test_steps_run_in_their_order_and_switched_off_ones_do_not():
    mask = np.zeros((1, 9, 9), np.uint8)
    mask[0, 2:7, 2:7] = 1
    mask[0, 3:6, 3:6] = 0
    fill, open_ = FillHoles(), Opening(radius=1)
    assert refine(mask, RefineConfig(steps=(fill, open_))).labels.any()
    assert not refine(mask, RefineConfig(steps=(open_, fill))).labels.any()
    off = refine(mask, RefineConfig(steps=(Opening(radius=1, enabled=False),)))
    np.testing.assert_array_equal(off.labels, mask)
    assert off.changed == ()


def test_a_piece_of_just_the_volume_stays():
    mask = np.zeros((2, 10, 20), np.uint8)
    mask[:, 0, 0:5] = 1  # 10 voxels of 0.001 ml
    assert refine(mask, RefineConfig(steps=(RemoveSmall(volume=0.01),))).labels.any()
    assert not refine(mask, RefineConfig(steps=(RemoveSmall(volume=0.0101),))).labels.any()


def test_a_single_slice_goes_by_voxels_and_says_so():
    mask = np.zeros((1, 8, 8), np.uint8)
    mask[0, 2, 2:5] = 1
    config = RefineConfig(steps=(RemoveSmall(volume=100, voxels=3),))
    assert [event.text for event in refine_job(mask, config) if isinstance(event, Note)] == [
        "A single slice has no volume: small pieces are told by their number of voxels only."
    ]
    np.testing.assert_array_equal(refine(mask, config).labels, mask)
    assert not refine(mask, RefineConfig(steps=(RemoveSmall(voxels=4),))).labels.any()


def test_it_tells_how_far_it_is(speckled):
    config = RefineConfig(steps=(RemoveSmall(), FillHoles(), Smooth()))
    events = list(refine_job(speckled, config, spacing=(5.0, 1.0, 1.0), depth=3))
    assert isinstance(events[0], Started)
    assert [event.slices for event in events if isinstance(event, SlicesDone)] == [(0, 1, 2), (3, 4, 5)]
    fractions = [event.fraction for event in events if isinstance(event, Progress)]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == 1
    assert "step 2 of 3: fill holes, class 1" in [event.text for event in events if isinstance(event, Progress)]


def test_cancelled_it_leaves_finished_volumes_and_the_rest_as_it_was(speckled):
    mask = np.concatenate([speckled, speckled])
    before, out = mask.copy(), np.full_like(mask, 77)
    job = refine_job(mask, spacing=(5.0, 1.0, 1.0), depth=6, out=out)
    for event in job:
        if isinstance(event, SlicesDone):
            break
    next(job)
    job.close()
    np.testing.assert_array_equal(mask, before)
    np.testing.assert_array_equal(out[:6], refine(speckled, spacing=(5.0, 1.0, 1.0)).labels)
    np.testing.assert_array_equal(out[6:], mask[6:])


def test_told_to_stop_it_finishes_the_step_and_keeps_it(speckled):
    job = refine_job(speckled, RefineConfig(steps=(FillHoles(), RemoveSmall())), spacing=(5.0, 1.0, 1.0))
    next(job)
    next(job)
    job.send(Stop())
    refined = result_of(job)
    assert refined.added == {1: 1, 2: 1}
    assert refined.removed == {}


def test_the_result_lies_in_the_given_array(speckled):
    out = np.empty_like(speckled)
    assert result_of(refine_job(speckled, out=out)).labels is out


@pytest.mark.parametrize("shape", [(9, 9), (3, 9, 9), (2, 3, 9, 9)])
@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int64, np.float32])
def test_any_shape_and_kind_of_whole_numbers(shape, dtype):
    mask = np.zeros(shape, dtype)
    mask[..., 2:7, 2:7] = 1
    mask[..., 4, 4] = 0
    refined = refine(mask, RefineConfig(steps=(FillHoles(),)), spacing=(0.5, 0.5), protected=np.zeros(shape, np.bool_))
    assert refined.labels.shape == shape
    assert refined.labels.dtype == np.uint8
    assert (refined.labels[..., 2:7, 2:7] == 1).all()


def test_nothing_comes_of_an_empty_mask():
    refined = refine(np.zeros((3, 5, 5), np.uint8), RefineConfig(steps=(Opening(), Closing(), KeepLargest(), Smooth())))
    assert not refined.labels.any()
    assert refined.changed == ()


@pytest.mark.parametrize(
    ("mask", "options", "message"),
    [
        (np.full((2, 4, 4), 255, np.uint8), {}, "painted background"),
        (np.zeros((4, 4), np.uint8), {}, r"\(Z, Y, X\)"),
        (np.zeros((2, 4, 4), np.uint8), {"spacing": (1.0, 0.0, 1.0)}, "spacing"),
        (np.zeros((4, 4, 4), np.uint8), {"depth": 3}, "volumes of 3 slices"),
        (np.zeros((2, 4, 4), np.uint8), {"slices": [2]}, "slice 2"),
        (np.zeros((2, 4, 4), np.uint8), {"protected": np.zeros((1, 4, 4), np.bool_)}, "protected voxels"),
        (np.zeros((2, 4, 4), np.uint8), {"intensities": np.zeros((1, 1, 4, 4))}, "the scan is"),
        (np.zeros((2, 4, 4), np.uint8), {"region": np.zeros((2, 4, 5), np.uint8)}, "the region is"),
        (
            np.zeros((2, 4, 4), np.uint8),
            {"probabilities": Probabilities(np.zeros((2, 3, 4, 4)), (0, 1))},
            "the probabilities are",
        ),
        (np.zeros((2, 4, 4), np.uint8), {"out": np.zeros((2, 4, 5), np.uint8)}, "array for the result"),
    ],
)
def test_what_does_not_fit_is_refused(mask, options, message):
    with pytest.raises(BadInput, match=message):
        result_of(refine_job(mask, **options))


def test_refine_refuses_what_is_no_mask():
    with pytest.raises(BadInput, match="rows and columns"):
        refine(np.zeros(5, np.uint8))
    with pytest.raises(BadInput, match="fractions"):
        refine(np.full((4, 4), 0.5))
    with pytest.raises(BadInput, match="protected voxels"):
        refine(np.zeros((4, 4), np.uint8), protected=np.zeros((2, 8), np.bool_))
    with pytest.raises(BadInput, match="the scan is"):
        refine(np.zeros((4, 4), np.uint8), intensities=np.zeros((2, 4, 5)))
    with pytest.raises(BadInput, match="with 2 classes"):
        Probabilities(np.zeros((3, 1, 4, 4)), (0, 1))
