"""Filling between painted slices: by hand, on phantoms, and what never changes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from napari_unet.annotation import BACKGROUND, mask_from_paint
from napari_unet.config import FillBetweenConfig
from napari_unet.errors import BadInput, NothingPainted
from napari_unet.events import Note, Progress, SlicesDone, Started, Stop, result_of
from napari_unet.refinement import fill_between, fill_between_job
from napari_unet.refinement.between import interpolated

SPACING = (4.0, 0.7, 1.0)


def disc(radius, centre=(20, 20), shape=(40, 40), spacing=(1.0, 1.0)):
    y, x = np.indices(shape)
    away = ((y - centre[0]) * spacing[0]) ** 2 + ((x - centre[1]) * spacing[1]) ** 2
    return (away <= radius**2).astype(np.uint8)


def stack(depth, **slices):
    """Make paint with some slices painted: ``z3=...``."""
    paint = np.zeros((depth, *next(iter(slices.values())).shape), np.uint8)
    for name, plane in slices.items():
        paint[int(name[1:])] = plane
    return paint


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def test_squares_shrink_evenly():
    paint = np.zeros((5, 17, 17), np.uint8)
    paint[0, 1:16, 1:16] = 1
    paint[4, 5:12, 5:12] = 1
    filled = fill_between(paint, spacing=(3.0, 1.0, 1.0)).paint
    assert [int(plane[8].sum()) for plane in filled] == [15, 13, 11, 9, 7]
    assert [int(plane[:, 8].sum()) for plane in filled] == [15, 13, 11, 9, 7]


def test_one_class_is_interpolated_on_signed_distances_as_scipy_gives_them():
    first = disc(12, (18, 20)) & (np.indices((40, 40))[0] < 24)
    last = disc(7, (20, 20))
    spacing = (0.7, 1.0)

    def signed(shape):
        return ndimage.distance_transform_edt(shape == 0, spacing) - ndimage.distance_transform_edt(shape, spacing)

    way = np.subtract(ndimage.center_of_mass(last), ndimage.center_of_mass(first))
    for fraction, found in zip((0.25, 0.6), interpolated(first, last, (0.25, 0.6), spacing=spacing), strict=True):
        before = ndimage.shift(signed(first), fraction * way, order=1, mode="nearest")
        after = ndimage.shift(signed(last), (fraction - 1) * way, order=1, mode="nearest")
        expected = (1 - fraction) * before + fraction * after
        clear = np.abs(expected) > 1e-3
        np.testing.assert_array_equal(found[clear] == 1, expected[clear] < 0)


def test_a_slanted_vessel_is_followed():
    """Discs that do not overlap are moved onto each other first."""
    truth = np.stack([disc(3, (10 + 2 * z, 8 + 2 * z)) for z in range(9)])
    paint = np.zeros_like(truth)
    paint[[0, 8]] = truth[[0, 8]]
    filled = fill_between(paint).paint
    assert min(dice(filled[z] == 1, truth[z] == 1) for z in range(9)) > 0.95


def test_what_agrees_less_when_moved_is_not_moved():
    """A second piece that ends pulls the centre away; the first must stay where it is."""
    first, last = disc(6, (12, 20)), disc(6, (12, 20))
    first[30:38, 10:30] = 1
    filled = fill_between(stack(3, z0=first, z2=last)).paint[1]
    assert dice(filled[:25] == 1, last[:25] == 1) == 1


def test_classes_that_touch_have_no_gap_in_between():
    truth = np.zeros((7, 40, 60), np.uint8)
    y, x = np.indices((40, 60))
    for z in range(7):
        body = disc(17, (20, 30 - z), (40, 60)) > 0
        truth[z][body] = 1 + (x > 26 + z)[body] + ((y > 22) & (x > 26 + z))[body]
    paint = np.zeros_like(truth)
    paint[[0, 6]] = np.where(truth[[0, 6]] == 0, BACKGROUND, truth[[0, 6]])
    filled = mask_from_paint(fill_between(paint, spacing=SPACING).paint)
    for z in range(1, 6):
        np.testing.assert_array_equal(ndimage.binary_fill_holes(filled[z] > 0), filled[z] > 0)
        assert dice(filled[z] > 0, truth[z] > 0) > 0.97
        assert min(dice(filled[z] == label, truth[z] == label) for label in (1, 2, 3)) > 0.85


def test_a_class_that_ends_stays_halfway_and_its_place_goes_to_what_follows():
    """Two segments of one cord, painted on one slice each."""
    paint = stack(6, z0=2 * disc(6), z5=3 * disc(6))
    filled = fill_between(paint).paint
    for z, label in enumerate((2, 2, 2, 3, 3, 3)):
        np.testing.assert_array_equal(filled[z], label * disc(6))


def test_a_lesion_wins_over_the_organ_around_it_up_to_halfway():
    organ = disc(15)
    lesion = np.where(disc(4) > 0, 2, organ).astype(np.uint8)
    filled = fill_between(stack(5, z0=lesion, z4=organ)).paint
    for z in (1, 2):
        np.testing.assert_array_equal(filled[z] == 2, disc(4) > 0)
    assert set(np.unique(filled[3])) == {0, 1}
    assert all(np.count_nonzero(plane) == organ.sum() for plane in filled)


def test_background_is_painted_where_both_slices_are():
    first, last = disc(8), disc(8)
    first[first == 0] = BACKGROUND
    last[:, :30][last[:, :30] == 0] = BACKGROUND
    filled = fill_between(stack(3, z0=first, z2=last)).paint[1]
    np.testing.assert_array_equal(filled == 1, disc(8) > 0)
    assert (filled[:, 30:] == 0).all()
    assert (filled[:, :30] != 0).all()
    only_class = fill_between(stack(3, z0=first, z2=last), FillBetweenConfig(classes=(1,))).paint[1]
    np.testing.assert_array_equal(only_class, disc(8))


def test_a_slice_painted_background_only_ends_a_class():
    filled = fill_between(stack(5, z0=disc(8), z4=np.full((40, 40), BACKGROUND, np.uint8))).paint
    assert [int((plane == 1).any()) for plane in filled] == [1, 1, 1, 0, 0]


def test_named_classes_go_by_their_own_slices_and_leave_other_paint():
    paint = np.stack([3 * disc(4, (30, 30)) for _ in range(5)])
    paint[0] += disc(6, (12, 12))
    paint[4] += disc(6, (12, 12))
    paint[2, 12, 12] = BACKGROUND
    filled = fill_between(paint, FillBetweenConfig(classes=(1,))).paint
    for z in (1, 3):
        np.testing.assert_array_equal(filled[z], paint[0])
    assert filled[2, 12, 12] == BACKGROUND
    with pytest.raises(NothingPainted, match="Nothing lies between"):
        fill_between(paint)


@pytest.mark.parametrize("axis", ["z", "y", "x"])
def test_any_axis(axis):
    first, last = disc(9, (15, 20)), disc(5, (18, 22))
    along_z = fill_between(stack(5, z0=first, z4=last), spacing=SPACING)
    place = "zyx".index(axis)
    turned = np.moveaxis(stack(5, z0=first, z4=last), 0, place)
    spacing = list(SPACING[1:])
    spacing.insert(place, SPACING[0])
    filled = fill_between(turned, FillBetweenConfig(axis=axis), spacing=spacing)
    np.testing.assert_array_equal(np.moveaxis(filled.paint, place, 0), along_z.paint)
    assert filled.added == along_z.added == {1: int(along_z.paint[1:4].sum())}
    assert filled.added_ml[1] == pytest.approx(filled.added[1] * 4.0 * 0.7 / 1000)


def test_gaps_that_are_too_wide_stay_and_it_says_so():
    paint = stack(9, z0=disc(5), z2=disc(5), z8=disc(5))
    job = fill_between_job(paint, FillBetweenConfig(most_gap=4))
    events = list(job)
    assert isinstance(events[0], Started)
    assert [event.text for event in events if isinstance(event, Note)] == [
        "1 of 2 gaps are wider than 4 slices: not filled."
    ]
    assert [event.slices for event in events if isinstance(event, SlicesDone)] == [(1,)]
    filled = fill_between(paint, FillBetweenConfig(most_gap=4)).paint
    assert [plane.any() for plane in filled] == [True, True, True, *[False] * 5, True]


def test_volumes_of_a_series_are_filled_one_by_one():
    volume = stack(3, z0=disc(8), z2=disc(4))
    series = np.stack([volume, np.zeros_like(volume), volume])
    filled = fill_between(series).paint
    np.testing.assert_array_equal(filled[0], fill_between(volume).paint)
    np.testing.assert_array_equal(filled[2], filled[0])
    assert not filled[1].any()


def test_told_to_stop_it_keeps_the_gaps_it_has_filled():
    paint = stack(5, z0=disc(5), z2=disc(5), z4=disc(5))
    before, out = paint.copy(), np.full_like(paint, 77)
    job = fill_between_job(paint, out=out)
    progressed = 0
    for event in job:
        progressed += isinstance(event, Progress)
        if progressed == 2:
            break
    with pytest.raises(StopIteration) as end:
        job.send(Stop())
    assert end.value.value.paint is out
    assert [plane.any() for plane in out] == [True, True, True, False, True]
    np.testing.assert_array_equal(paint, before)


@given(
    arrays(np.uint8, (5, 6, 7), elements=st.sampled_from([0, 0, 1, 2, BACKGROUND])),
    st.sets(st.integers(0, 4), min_size=1, max_size=2),
    st.sampled_from([(), (1,)]),
)
@settings(max_examples=60, deadline=None)
def test_only_unpainted_voxels_between_the_keys_change(paint, empty, classes):
    paint[sorted(empty)] = 0
    config = FillBetweenConfig(classes=classes)
    try:
        filled = fill_between(paint, config, spacing=SPACING).paint
    except NothingPainted:
        return
    np.testing.assert_array_equal(filled[paint > 0], paint[paint > 0])
    keys = [z for z in range(5) if (paint[z] > 0).any() and (not classes or (paint[z] == 1).any())]
    outside = [z for z in range(5) if z in keys or not keys[0] < z < keys[-1]]
    np.testing.assert_array_equal(filled[outside], paint[outside])
    assert set(np.unique(filled)) <= set(np.unique(paint)) | {BACKGROUND}


@pytest.mark.parametrize("painted", [0, 1])
def test_too_few_painted_slices_are_refused(painted):
    paint = np.zeros((5, 8, 8), np.uint8)
    paint[:painted, 2:5] = 1
    with pytest.raises(NothingPainted, match="across z"):
        fill_between(paint)


@pytest.mark.parametrize(
    ("paint", "options", "message"),
    [
        (np.zeros((4, 4), np.uint8), {}, r"\(Z, Y, X\)"),
        (np.zeros((2, 4, 4), np.int32), {}, "int32"),
        (np.zeros((2, 4, 4), np.uint8), {"spacing": (1.0, 0.0, 1.0)}, "spacing"),
        (np.zeros((4, 4, 4), np.uint8), {"depth": 3}, "volumes of 3 slices"),
        (np.zeros((2, 4, 4), np.uint8), {"out": np.zeros((2, 4, 5), np.uint8)}, "array for the result"),
    ],
)
def test_what_does_not_fit_is_refused(paint, options, message):
    with pytest.raises(BadInput, match=message):
        result_of(fill_between_job(paint, **options))


def test_fill_between_refuses_what_is_no_paint():
    with pytest.raises(BadInput, match="slices, rows and columns"):
        fill_between(np.zeros((4, 4), np.uint8))
    with pytest.raises(BadInput, match="fractions"):
        fill_between(np.full((3, 4, 4), 0.5))
